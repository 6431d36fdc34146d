//! Secrets in files: other users of the machine can read the command line, so no flag takes a secret itself.

use std::io::Read;
use std::path::Path;

use secrecy::SecretString;

use crate::failure::Failure;

/// Reads a secret without its line end; `-` is standard input.
///
/// # Errors
/// When the file cannot be read, or is empty.
pub(crate) fn read(file: &Path, what: &str) -> Result<SecretString, Failure> {
    let (read, place) = if file == Path::new("-") {
        let mut text = String::new();
        (std::io::stdin().read_to_string(&mut text).map(|_| text), "standard input".to_owned())
    } else {
        (std::fs::read_to_string(file), file.display().to_string())
    };
    let text = read.map_err(|error| Failure::run(format!("cannot read {what} from {place}: {error}")))?;
    checked(&text, what)
}

/// A secret that is not empty.
///
/// # Errors
/// When it is.
pub(crate) fn checked(text: &str, what: &str) -> Result<SecretString, Failure> {
    let secret = text.trim();
    if secret.is_empty() { Err(Failure::usage(format!("{what} is empty"))) } else { Ok(secret.into()) }
}
