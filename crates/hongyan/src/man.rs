//! `hongyan man`: the manual pages, for packages.

use std::path::Path;

use crate::failure::Failure;
use crate::{language, usage};

/// Writes a page for each command, in the language of this process, into a directory that exists.
pub(crate) fn run(directory: &Path) -> Result<(), Failure> {
    for page in usage::manual_pages(language::current()) {
        let path = directory.join(page.file);
        std::fs::write(&path, page.source).map_err(|error| Failure::cannot_write(&path, &error))?;
    }
    Ok(())
}
