//! A directory for sources and for what is compiled from them.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A temporary directory. It is removed when the value is dropped.
pub struct Dir(TempDir);

impl Dir {
    /// Makes a directory in `parent`, with these subdirectories.
    pub fn new_in(parent: &Path, names: &[&str]) -> Self {
        let dir = Self(tempfile::tempdir_in(parent).unwrap());
        for name in names {
            std::fs::create_dir(dir.path(name)).unwrap();
        }
        dir
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A path in the directory, as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes or replaces a file, and makes the directories that it needs.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}
