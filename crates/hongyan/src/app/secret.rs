//! Reading the AppSecret.

use std::path::Path;

use secrecy::SecretString;

use crate::failure::Failure;
use crate::secret_file;
use crate::text::{both, say};

/// Reads the AppSecret from a place that other users of the machine cannot read.
pub(super) fn secret(file: Option<&Path>) -> Result<SecretString, Failure> {
    let what = both("AppSecret", "the AppSecret");
    if let Some(file) = file {
        return secret_file::read(file, what);
    }
    let text = std::env::var("HONGYAN_APP_SECRET").map_err(|_| {
        Failure::usage(say!(
            "请用 --secret-file 指定存放 AppSecret 的文件（- 为标准输入），或设置 HONGYAN_APP_SECRET",
            "name the AppSecret's file with --secret-file (- is standard input), or set HONGYAN_APP_SECRET"
        ))
    })?;
    secret_file::checked(&text, what)
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
