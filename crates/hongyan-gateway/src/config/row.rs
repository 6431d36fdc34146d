//! Makes the fields of `Settings`, their defaults and their names from one row for each setting.

use toml::Value;

use super::why::Why;

/// The default of a setting, and whether the setting is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The setting has a default, which the example file states.
    Default,
    /// The setting is unset, or follows from another setting. The example file has an example, commented out.
    Unset,
    /// Like `Unset`, but the value may hold a password: `Debug` hides the value, and `HONGYAN_…_FILE` names a file that holds
    /// it.
    Secret,
}

/// One setting, as the reader and the example file need it.
pub(super) struct Setting<S> {
    /// The name in files. The environment variable is `HONGYAN_` and the name in capitals.
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    /// The lines of the comment in the example file.
    pub(super) about: &'static [&'static str],
    /// What the example file says after `key = `: the default, or an example.
    pub(super) example: fn() -> Value,
    /// Reads a value into its field. The error says what the setting takes.
    pub(super) set: fn(&mut S, &Value) -> Result<(), Why>,
}

/// Makes the struct `Settings` and the list `TABLE` from rows:
///
/// ```text
/// /// For people: the comment in the example file, and the documentation of the field.
/// name: Type = Default(VALUE), reader;
/// name: Option<Type> = Unset(EXAMPLE), some(reader);
/// name: Option<Type> = Secret(EXAMPLE), some(reader);
/// ```
///
/// The field, files, variables and messages use the same name. [`Kind`] explains the three kinds. VALUE and EXAMPLE are
/// written as in TOML. A reader takes a TOML value, which is text if it comes from the environment, or says what is wrong. The
/// reader reads the default, too. After a change, a test says how to write the example file.
macro_rules! settings {
    ($(
        $(#[doc = $about:literal])+
        $name:ident: $type:ty = $kind:ident($value:expr), $read:expr;
    )+) => {
        /// Every setting of the gateway.
        #[derive(Clone)]
        pub struct Settings {
            $( $(#[doc = $about])+ pub $name: $type, )+
            /// The configuration file, if it holds a secret. [`load`](super::load) sets this field; it is not a setting.
            pub file_with_secrets: Option<std::path::PathBuf>,
            /// The apps, webhooks and keys that the file and the environment name. [`load`](super::load) sets this field.
            pub entries: Vec<super::entries::Entry>,
        }

        impl Default for Settings {
            fn default() -> Self {
                Self {
                    $( $name: settings!(@default $kind($value), $read), )+
                    file_with_secrets: None,
                    entries: Vec::new(),
                }
            }
        }

        impl std::fmt::Debug for Settings {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct("Settings")
                    $( .field(stringify!($name), &settings!(@shown $kind, self.$name)) )+
                    .finish()
            }
        }

        /// Every setting, in the order of the example file.
        pub(super) const TABLE: &[super::row::Setting<Settings>] = &[ $(
            super::row::Setting {
                key: stringify!($name),
                kind: super::row::Kind::$kind,
                about: &[$($about),+],
                example: || toml::Value::from($value),
                set: |settings, value| {
                    settings.$name = $read(value)?;
                    Ok(())
                },
            },
        )+ ];
    };
    (@default Default($value:expr), $read:expr) => {
        $read(&toml::Value::from($value)).expect("the default is a value that the setting takes")
    };
    (@default $unset:ident($example:expr), $read:expr) => { None };
    (@shown Secret, $field:expr) => { $field.as_ref().map(|_| "hidden") };
    (@shown $other:ident, $field:expr) => { $field };
}

pub(super) use settings;
