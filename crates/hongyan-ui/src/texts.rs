/// The words of a page, each in both languages: a word that lacks one of them does not compile.
///
/// ```
/// hongyan_ui::texts! {
///     /// The words of the list.
///     pub struct Words;
///     title = "消息", "Messages";
///     found(count: &str) = "共 {count} 条", "{count} found";
/// }
/// let words = Words(hongyan_ui::Language::En);
/// assert_eq!(words.title(), "Messages");
/// assert_eq!(words.found("3"), "3 found");
/// ```
#[macro_export]
macro_rules! texts {
    ($(#[$doc:meta])* $vis:vis struct $name:ident; $($rest:tt)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        $vis struct $name(pub $crate::Language);
        #[allow(missing_docs, unreachable_pub, dead_code, clippy::uninlined_format_args)]
        impl $name { $crate::texts!(@words $($rest)*); }
    };
    (@words) => {};
    (@words $word:ident = $zh:literal, $en:literal; $($rest:tt)*) => {
        pub const fn $word(self) -> &'static str {
            match self.0 {
                $crate::Language::Zh => $zh,
                $crate::Language::En => $en,
            }
        }
        $crate::texts!(@words $($rest)*);
    };
    (@words $word:ident($($arg:ident: $type:ty),+) = $zh:literal, $en:literal; $($rest:tt)*) => {
        pub fn $word(self, $($arg: $type),+) -> String {
            match self.0 {
                $crate::Language::Zh => format!($zh),
                $crate::Language::En => format!($en),
            }
        }
        $crate::texts!(@words $($rest)*);
    };
}
