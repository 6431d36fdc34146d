//! Reading the AppSecret.

use std::io::Read;
use std::path::Path;

use secrecy::SecretString;

use crate::failure::Failure;

/// Reads the AppSecret from a place that other users of the machine cannot read.
pub(super) fn secret(file: Option<&Path>) -> Result<SecretString, Failure> {
    let text = match file {
        Some(path) if path == Path::new("-") => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Failure::run(format!("cannot read the AppSecret from standard input: {error}")))?;
            text
        }
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::run(format!("cannot read the AppSecret from {}: {error}", path.display())))?,
        None => std::env::var("HONGYAN_APP_SECRET").map_err(|_| {
            Failure::usage("name the AppSecret's file with --secret-file (- is standard input), or set HONGYAN_APP_SECRET")
        })?,
    };
    let secret = text.trim();
    if secret.is_empty() { Err(Failure::usage("the AppSecret is empty")) } else { Ok(secret.into()) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_secret_is_read_from_its_file_without_the_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "0123\n").unwrap();
        assert_eq!(secret(Some(&file)).unwrap().expose_secret(), "0123");
        std::fs::write(&file, "\n").unwrap();
        assert!(secret(Some(&file)).is_err());
    }
}
