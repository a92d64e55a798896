//! Provides fixtures for this module's tests: directories with small libraries in them, and a small
//! tree with a compiler that answers as clang does.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that does nothing.
const EMPTY: &[u8] = b"int main(void) { return 0; }\n";

/// A temporary directory without links in its path.
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

    /// Writes an executable file.
    pub fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Links a shared object called `name`, with its file name as DT_SONAME.
    pub fn library(&self, name: &str, args: &[&str]) -> PathBuf {
        let file = Path::new(name).file_name().unwrap().to_str().unwrap();
        let soname = format!("-Wl,-soname,{file}");
        self.write("source.c", EMPTY);
        self.link(name, &[&["-shared", soname.as_str()], args].concat())
    }

    /// Links an executable called `name`.
    pub fn program(&self, name: &str, args: &[&str]) -> PathBuf {
        self.write("source.c", EMPTY);
        self.link(name, args)
    }

    /// A whole compiler: `bin/clang` with members of every role.
    pub fn tree() -> Self {
        let dir = Self::new();
        let libs = ["-Llib", "-Wl,-rpath,$ORIGIN/../lib"];
        dir.library("lib/libLLVM.so.1", &[]);
        dir.library("lib/libtool.so", &[]);
        dir.write("source.c", include_bytes!("clang.c"));
        dir.link("bin/clang", &[&libs[..], &["-l:libLLVM.so.1"]].concat());
        for program in [
            "clang-linker-wrapper",
            "clang-offload-bundler",
            "lld",
            "llvm-objcopy",
        ] {
            dir.program(
                &format!("bin/{program}"),
                &[&libs[..], &["-ltool"]].concat(),
            );
        }
        symlink("clang", dir.path().join("bin/clang++")).unwrap();
        for (name, content) in [
            ("bin/clang.cfg", "@rocm.cfg\n# a comment"),
            ("bin/rocm.cfg", "-DX"),
            ("bc/ocml.bc", "ocml"),
            ("bc/hip.bc", "hip"),
            ("bc/README", "not bitcode"),
            ("res/include/stddef.h", "typedef long size_t;"),
            ("res/include/sub/x.h", "x"),
            ("res/lib/linux/libclang_rt.a", "archive"),
            ("res/share/asan_ignorelist.txt", "list"),
        ] {
            dir.write(name, content.as_bytes());
        }
        dir
    }

    /// The tree's compiler.
    pub fn clang(&self) -> PathBuf {
        self.dir.join("bin/clang")
    }

    /// How often the tree's compiler was run.
    pub fn asked(&self) -> usize {
        std::fs::read(self.dir.join("asked")).map_or(0, |bytes| bytes.len())
    }

    fn link(&self, name: &str, args: &[&str]) -> PathBuf {
        let path = self.dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let status = Command::new("cc")
            .args([
                "-fPIC",
                "-Wl,--no-as-needed",
                "-Wl,--allow-shlib-undefined",
                "-L.",
            ])
            .arg("source.c")
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

/// A file of Debian's compilers, which must be installed.
pub fn debians(path: &str) -> PathBuf {
    let path = PathBuf::from(path);
    assert!(path.exists(), "no {path:?}; run scripts/setup.sh");
    path
}

/// Flips one bit of a file's last byte, which is data in all the files that are run.
pub fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Waits until written files no longer count as fresh.
pub fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(80));
}
