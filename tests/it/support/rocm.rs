//! ROCm trees for tests that run the real `rock-wrap`, and the results of commands.

use std::ffi::OsStr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use super::manifest::Manifest;
use super::tree::{Kind, Layout, copy};

/// `rock-wrap` with `args`, in an environment without variables that affect it.
pub fn rock_wrap<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rock-wrap"));
    command.args(args).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// The result of a command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Checks that it succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.success(), "{self:?}");
        self
    }

    /// Checks that it failed with `code`, an error message of rock-wrap's and nothing on standard output. Returns its
    /// standard error.
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        assert!(self.err.starts_with("rock-wrap: error:"), "{}", self.err);
        assert_eq!(self.out, "", "standard output must be empty");
        self.err
    }

    /// Checks that it succeeded. Returns its standard output, which must be JSON.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let ran = self.ok();
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
    }
}

/// Runs a command to its end.
pub fn ran(command: &mut Command) -> Ran {
    let output = super::run(command);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        status: output.status,
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Checks that `text` contains all of `parts`.
#[track_caller]
pub fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// A tree that belongs to one test. It is removed when the value is dropped.
pub struct Rocm {
    dir: TempDir,
    /// The tree's top directory.
    pub root: PathBuf,
}

impl Rocm {
    /// A complete tree, with everything that compiling and linking needs.
    pub fn new(clang: u32, layout: Layout) -> Self {
        Self::in_dir(scratch(), clang, layout)
    }

    /// A complete tree that any user can use: in the system's directory for temporary files, and without symlinks to
    /// the build directory, which may be in a home directory that is closed to others.
    pub fn for_everybody(clang: u32, layout: Layout) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let root = dir.path().join("rocm");
        copy(&Kind::new(clang, layout).template(), &root);
        Self { dir, root }
    }

    fn in_dir(dir: TempDir, clang: u32, layout: Layout) -> Self {
        let template = Kind::new(clang, layout).template();
        let root = dir.path().join("rocm");
        // The compilers' directory is copied. For files that are only read there are symlinks to the template.
        let copy = r#"
            set -e
            mkdir -p "$2/lib/llvm"
            cp -a "$1/lib/llvm/bin" "$2/lib/llvm"
            cp -a "$1/bin" "$1/llvm" "$1/amdgcn" "$1/.info" "$2"
            ln -s "$1/include" "$1/share" "$2"
            for entry in "$1"/lib/* "$1"/lib/llvm/*; do
                below=${entry#"$1/"}
                [ -e "$2/$below" ] && continue
                # A link, as lib/llvm-22 -> llvm, leads to this tree's own.
                if [ -L "$entry" ]; then cp -P "$entry" "$2/$below"; else ln -s "$entry" "$2/$below"; fi
            done
        "#;
        sh(copy, &[&template, &root]);
        Self { dir, root }
    }

    /// A tree whose compilers are symlinks to Debian's, for tests that do not compile.
    pub fn small() -> Self {
        let dir = scratch();
        let root = dir.path().join("rocm");
        let rocm = Self { dir, root };
        std::fs::create_dir_all(rocm.bin()).unwrap();
        symlink("/usr/lib/llvm-19/bin/clang", rocm.bin().join("clang-19")).unwrap();
        symlink("clang-19", rocm.bin().join("clang")).unwrap();
        symlink("clang", rocm.bin().join("clang++")).unwrap();
        rocm
    }

    /// Renames the whole tree to `name`, in the same directory.
    pub fn move_to(&mut self, name: &str) {
        let root = self.dir.path().join(name);
        std::fs::rename(&self.root, &root).unwrap();
        self.root = root;
    }

    /// The compilers' directory.
    pub fn bin(&self) -> PathBuf {
        self.root.join("lib/llvm/bin")
    }

    /// A path beside the tree.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a shell script beside the tree. Returns its path.
    pub fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.beside(name);
        script(&path, body);
        path
    }

    /// `rock-wrap WHAT --rocm-path TREE`.
    pub fn rock_wrap(&self, what: &str) -> Command {
        let mut command = rock_wrap([what, "--rocm-path"]);
        command.arg(&self.root).env("HOME", self.dir.path());
        command
    }

    /// Runs `rock-wrap install` with more arguments.
    pub fn install<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        ran(self.rock_wrap("install").args(args))
    }

    /// Runs `rock-wrap install --launcher`, which must succeed.
    #[track_caller]
    pub fn wrap(&self, launcher: &Path) -> Ran {
        self.install([OsStr::new("--launcher"), launcher.as_os_str()])
            .ok()
    }

    /// Runs `rock-wrap restore`.
    pub fn restore(&self) -> Ran {
        ran(&mut self.rock_wrap("restore"))
    }

    /// The compiler called `name`, as a build would call it.
    pub fn compiler(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin().join(name));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("CCACHE_DIR", self.beside("ccache"))
            .current_dir(self.dir.path());
        command
    }

    /// Calls `attempt`, and checks that nothing at all has changed in the tree.
    #[track_caller]
    pub fn untouched<T>(&self, attempt: impl FnOnce(&Self) -> T) -> T {
        let before = Manifest::with_changes(&self.root);
        let result = attempt(self);
        before.assert_same(&Manifest::with_changes(&self.root), "the tree");
        result
    }
}

/// A command that runs `program` with the arguments of `command`, and without root's rights, which pass every check.
pub fn as_nobody(command: &Command, program: &Path) -> Command {
    let mut plain = if nix::unistd::geteuid().is_root() {
        let mut plain = Command::new("setpriv");
        plain.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        plain.arg(program);
        plain
    } else {
        Command::new(program)
    };
    plain.args(command.get_args()).env_clear();
    plain.env("PATH", "/usr/bin:/bin");
    plain
}

/// A temporary directory that other users may read.
pub fn scratch() -> TempDir {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Writes a shell script. Another process writes it, for the reason given at [`super::write_program`].
pub fn script(path: &Path, body: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let script = r#"printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod 755 "$1""#;
    sh(script, &[path, Path::new(body)]);
}

/// Runs a shell script, which must succeed. Returns its standard output.
#[track_caller]
pub fn sh(script: &str, args: &[&Path]) -> String {
    let mut command = Command::new("sh");
    ran(command.args(["-c", script, "sh"]).args(args)).ok().out
}
