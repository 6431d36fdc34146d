//! Secrets in files: other users of the machine can read the command line, so no flag takes a secret itself.

use std::io::Read;
use std::path::Path;

use secrecy::SecretString;

use crate::failure::Failure;
use crate::text::{Both, Text, say};

/// Reads a secret without its line end; `-` is standard input.
///
/// # Errors
/// When the file cannot be read, or is empty.
pub(crate) fn read(file: &Path, what: Both) -> Result<SecretString, Failure> {
    let (read, place) = if file == Path::new("-") {
        let mut text = String::new();
        (std::io::stdin().read_to_string(&mut text).map(|_| text), say!("标准输入", "standard input"))
    } else {
        (std::fs::read_to_string(file), Text::same(file.display().to_string()))
    };
    let name = Text::from(what);
    let text = read.map_err(|error| {
        Failure::run(say!(
            "不能从 {place} 读取 {name}：{error}",
            "cannot read {name} from {place}: {error}";
            place, name
        ))
    })?;
    checked(&text, what)
}

/// A secret that is not empty.
///
/// # Errors
/// When it is.
pub(crate) fn checked(text: &str, what: Both) -> Result<SecretString, Failure> {
    let secret = text.trim();
    if secret.is_empty() {
        let what = Text::from(what);
        return Err(Failure::usage(say!("{what} 是空的", "{what} is empty"; what)));
    }
    Ok(secret.into())
}
