//! A directory of sources and of what is compiled from them.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Removed when the test ends.
pub struct Dir(TempDir);

impl Dir {
    /// A directory in `parent` that has these directories in it.
    pub fn new_in(parent: &Path, names: &[&str]) -> Self {
        let dir = Self(tempfile::tempdir_in(parent).unwrap());
        for name in names {
            std::fs::create_dir(dir.path(name)).unwrap();
        }
        dir
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file, which may exist, in directories that need not exist.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}
