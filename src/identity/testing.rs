//! What the tests of this module share: directories with small libraries in them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A temporary directory, without links in its path.
pub struct Fixture {
    dir: PathBuf,
    _guard: tempfile::TempDir,
}

impl Fixture {
    pub fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        Self {
            dir: guard.path().canonicalize().unwrap(),
            _guard: guard,
        }
    }

    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Writes a file that can be executed.
    pub fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Links a shared object called `name`, which is its DT_SONAME too.
    pub fn library(&self, name: &str, args: &[&str]) -> PathBuf {
        let file = Path::new(name).file_name().unwrap().to_str().unwrap();
        let soname = format!("-Wl,-soname,{file}");
        self.link(name, &[&["-shared", soname.as_str()], args].concat())
    }

    /// Links an executable called `name`.
    pub fn program(&self, name: &str, args: &[&str]) -> PathBuf {
        self.link(name, args)
    }

    fn link(&self, name: &str, args: &[&str]) -> PathBuf {
        let path = self.dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let source = self.write("source.c", b"int main(void) { return 0; }\n");
        let status = Command::new("cc")
            .args([
                "-fPIC",
                "-Wl,--no-as-needed",
                "-Wl,--allow-shlib-undefined",
                "-L.",
            ])
            .arg(source)
            .args(args)
            .arg("-o")
            .arg(&path)
            .current_dir(&self.dir)
            .status()
            .unwrap();
        assert!(status.success());
        path
    }
}

/// `path`, where this machine has it: Debian's compilers are installed for the tests, and not
/// everywhere.
pub fn have(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(path);
    path.exists().then_some(path)
}
