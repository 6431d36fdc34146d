//! The sources of the master keys: settings, files, and a key file that is generated if missing.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;

use super::bytes::random;
use crate::config::{ConfigError, Settings, Why};

/// The file name of a generated key in the data directory.
pub const KEY_FILE: &str = "master.key";

/// The name of that file after a change of the key.
pub const PREVIOUS_KEY_FILE: &str = "master.key.previous";

/// The source of the master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The setting `master_key`.
    Setting,
    /// A file: the file that `master_key_file` names, or a file that was generated earlier.
    File(PathBuf),
    /// The key was generated now and written to this file.
    Generated(PathBuf),
}

impl ConfigError {
    /// There is no master key where these settings expect it.
    pub fn no_master_key(settings: &Settings) -> Self {
        let path = settings.data_dir.join(KEY_FILE);
        Self::NoMasterKey { path: std::path::absolute(&path).unwrap_or(path) }
    }
}

/// The current key, and its source.
pub(super) fn current(settings: &Settings) -> Result<([u8; 32], KeySource), ConfigError> {
    if let Some(key) = &settings.master_key {
        return Ok((parse_key(key.expose_secret(), "master_key")?, KeySource::Setting));
    }
    let generated = settings.data_dir.join(KEY_FILE);
    let path = settings.master_key_file.as_deref().unwrap_or(&generated);
    if settings.master_key_file.is_none() && write_new_key(path)? {
        return Ok((read_key(path)?, KeySource::Generated(generated)));
    }
    Ok((read_key_and_warn(path)?, KeySource::File(path.to_owned())))
}

/// The previous key, if there is one. The file beside a generated key needs no setting.
pub(super) fn previous(settings: &Settings) -> Result<Option<[u8; 32]>, ConfigError> {
    if let Some(key) = &settings.master_key_previous {
        return Ok(Some(parse_key(key.expose_secret(), "master_key_previous")?));
    }
    if let Some(path) = &settings.master_key_previous_file {
        return Ok(Some(read_key_and_warn(path)?));
    }
    let path = settings.data_dir.join(PREVIOUS_KEY_FILE);
    if !is_generated(settings) || !path.exists() {
        return Ok(None);
    }
    Ok(Some(read_key_and_warn(&path)?))
}

/// Whether the key is the generated key in the data directory.
const fn is_generated(settings: &Settings) -> bool {
    settings.master_key.is_none() && settings.master_key_file.is_none()
}

/// Replaces the generated key by a new key. The old key is kept as [`PREVIOUS_KEY_FILE`]. `prepare` gets the new file before
/// the file is in its place.
///
/// Under the key's name there is a key at every moment, so a kill in between loses no key.
///
/// # Errors
/// When the key was not generated, when a previous key is still there, or when a file cannot be written.
pub fn replace_key<E: From<ConfigError>>(
    settings: &Settings,
    prepare: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    if !is_generated(settings)
        || settings.master_key_previous.is_some()
        || settings.master_key_previous_file.is_some()
    {
        return Err(ConfigError::MasterKey { why: Why::KeyIsSet }.into());
    }
    let (current, previous) = (settings.data_dir.join(KEY_FILE), settings.data_dir.join(PREVIOUS_KEY_FILE));
    let old = read_key(&current)?;
    if previous.exists() && read_key(&previous)? != old {
        return Err(ConfigError::MasterKey { why: Why::PreviousKeyIsThere(previous) }.into());
    }
    let cannot = |error: std::io::Error| unwritable(&current, &error);
    let draft = Draft(settings.data_dir.join(format!(".{KEY_FILE}.{}", hex::encode(random::<8>()))));
    write_private(&draft.0, &hex::encode(random::<32>())).map_err(cannot)?;
    prepare(&draft.0)?;
    match std::fs::hard_link(&current, &previous) {
        // An earlier change of the key was interrupted right here.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        linked => linked.map_err(cannot)?,
    }
    // The old key's second name must be on disk before its first name is replaced.
    sync(&settings.data_dir).map_err(cannot)?;
    std::fs::rename(&draft.0, &current).map_err(cannot)?;
    sync(&settings.data_dir).map_err(cannot)?;
    Ok(())
}

/// A file that is removed at the end, unless it was renamed.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Syncs a directory: secrets depend on these names, which must survive a power cut.
fn sync(directory: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    return std::fs::File::open(directory)?.sync_all();
    #[cfg(not(unix))]
    {
        let _ = directory;
        Ok(())
    }
}

fn read_key_and_warn(path: &Path) -> Result<[u8; 32], ConfigError> {
    let key = read_key(path)?;
    if is_readable_by_others(path) {
        tracing::warn!(
            path = %path.display(),
            "the file of the master key can be read by other users of this machine: chmod o-rwx it"
        );
    }
    Ok(key)
}

fn unwritable(path: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError::MasterKey { why: Why::Unwritable { path: path.to_owned(), why: error.to_string() } }
}

fn parse_key(text: &str, name: &str) -> Result<[u8; 32], ConfigError> {
    let text = text.trim();
    from_hex(text)
        .or_else(|| {
            [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
                .iter()
                .find_map(|base64| base64.decode(text).ok()?.try_into().ok())
        })
        .ok_or_else(|| ConfigError::MasterKey { why: Why::NoMasterKey(name.to_owned()) })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    hex::decode_to_slice(text, &mut key).ok()?;
    Some(key)
}

/// Whether every user of the machine may read a file. (The group may read it: orchestrators hand over secrets that way.)
pub fn is_readable_by_others(path: &Path) -> bool {
    has_mode(path, 0o007)
}

/// Whether a user who does not own a file may read it.
pub fn is_readable_by_group_or_others(path: &Path) -> bool {
    has_mode(path, 0o077)
}

/// Whether a file has any of these permissions.
fn has_mode(path: &Path, bits: u32) -> bool {
    #[cfg(unix)]
    {
        std::fs::metadata(path)
            .is_ok_and(|file| std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & bits != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = (path, bits);
        false
    }
}

fn read_key(path: &Path) -> Result<[u8; 32], ConfigError> {
    let unreadable =
        |error: std::io::Error| Why::Unreadable { path: path.to_owned(), why: error.to_string() };
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::MasterKey { why: unreadable(error) })?;
    parse_key(&text, &path.display().to_string())
}

/// Writes a new key unless the file exists. Returns whether it did. The file appears complete, and only its owner can read
/// it.
fn write_new_key(path: &Path) -> Result<bool, ConfigError> {
    let cannot = |error: std::io::Error| unwritable(path, &error);
    if path.try_exists().map_err(cannot)? {
        return Ok(false);
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    create_private_dir(directory).map_err(cannot)?;
    // The key is written to a draft, which is then linked, because linking never replaces a file. If two processes start
    // together, the first link wins, and both use that key.
    let draft = directory.join(format!(".{KEY_FILE}.{}", hex::encode(random::<8>())));
    let linked =
        write_private(&draft, &hex::encode(random::<32>())).and_then(|()| std::fs::hard_link(&draft, path));
    let removed = std::fs::remove_file(&draft);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(cannot(error)),
    }
    removed.map_err(cannot)?;
    sync(directory).map_err(cannot)?;
    Ok(true)
}

/// Creates a directory that only this user may enter, unless it exists: the contents of messages are stored there
/// unencrypted.
///
/// # Errors
/// When the directory cannot be created.
pub fn create_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;

    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}
