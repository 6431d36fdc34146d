//! Files beside a file: drafts of it, the files that SQLite keeps, and their common directory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::text::{Text, say};

/// A draft of a file under another name. The draft takes the file's name when it is complete, and is removed otherwise.
pub(crate) struct Draft {
    pub(crate) path: PathBuf,
    kept: bool,
}

impl Draft {
    /// Names a draft beside `file`, in the same directory: a rename replaces a file in one step only within one
    /// directory.
    ///
    /// # Errors
    /// When the directory does not exist.
    pub(crate) fn beside(file: &Path) -> Result<Self, Failure> {
        let cannot = |why: Text| {
            let file = file.display();
            Failure::run(say!("不能写入 {file}：{why}", "cannot write {file}: {why}"; why))
        };
        let name =
            file.file_name().ok_or_else(|| cannot(say!("这不是文件名", "this is not the name of a file")))?;
        if !directory_of(file).is_dir() {
            return Err(cannot(say!("目录不存在", "its directory does not exist")));
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| cannot(Text::same(error.to_string())))?;
        let mut draft = OsString::from(".");
        draft.push(name);
        draft.push(format!(".{:016x}.partial", u64::from_le_bytes(random)));
        Ok(Self { path: file.with_file_name(draft), kept: false })
    }

    /// Gives the draft the file's name durably: the name survives a power cut.
    ///
    /// # Errors
    /// When the system refuses the rename.
    pub(crate) fn becomes(mut self, file: &Path) -> Result<(), Failure> {
        std::fs::rename(&self.path, file).and_then(|()| sync_directory(file)).map_err(|error| {
            Failure::run(say!(
                "不能把 {} 改名为 {}：{error}",
                "cannot rename {} to {}: {error}",
                self.path.display(),
                file.display()
            ))
        })?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for suffix in ["", "-wal", "-shm", "-journal"] {
            // Most of these files never existed.
            let _absent = std::fs::remove_file(with_suffix(&self.path, suffix));
        }
    }
}

/// The files that SQLite keeps beside a database.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes the names in a file's directory durable.
pub(crate) fn sync_directory(file: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    std::fs::File::open(directory_of(file)).and_then(|directory| directory.sync_all())?;
    Ok(())
}

/// The directory of a file.
pub(crate) fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
