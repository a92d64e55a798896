//! ROCm trees for tests that start the real `rock-wrap`, and what they print.

use std::ffi::OsStr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use super::manifest::Manifest;
use super::tree::{Kind, Layout, copy};

/// `rock-wrap` with `args`, in an environment with nothing in it that could steer it.
pub fn rock_wrap<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rock-wrap"));
    command.args(args).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// A command that ran to its end.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// What it printed, if it succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.success(), "{self:?}");
        self
    }

    /// Checks that it failed with `code`, with an error message of rock-wrap's and no answer; returns the message.
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        assert!(self.err.starts_with("rock-wrap: error:"), "{}", self.err);
        assert_eq!(self.out, "", "no answer on standard output");
        self.err
    }

    /// Its answer in JSON.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let ran = self.ok();
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
    }
}

/// Runs it to its end.
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

/// A tree of a test's own, removed with it.
pub struct Rocm {
    dir: TempDir,
    /// Its top.
    pub root: PathBuf,
}

impl Rocm {
    /// A whole one: with all that compiling and linking needs.
    pub fn new(clang: u32, layout: Layout) -> Self {
        Self::in_dir(scratch(), clang, layout)
    }

    /// A whole one that any user can use: below the system's directory for temporary files, and with
    /// no link to where the tests are built, since a home directory may be closed to others.
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
        // The compilers' directory is a copy; what they only read is the template's.
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

    /// One whose compilers are links to Debian's, for what needs no compile.
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

    /// Moves it elsewhere, as a whole.
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

    /// A shell script beside the tree.
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

    /// `rock-wrap install` with more arguments.
    pub fn install<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        ran(self.rock_wrap("install").args(args))
    }

    /// `rock-wrap install --launcher`.
    #[track_caller]
    pub fn wrap(&self, launcher: &Path) -> Ran {
        self.install([OsStr::new("--launcher"), launcher.as_os_str()])
            .ok()
    }

    /// `rock-wrap restore`.
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

    /// Runs `attempt`, during which nothing at all may change in the tree.
    #[track_caller]
    pub fn untouched<T>(&self, attempt: impl FnOnce(&Self) -> T) -> T {
        let before = Manifest::with_changes(&self.root);
        let result = attempt(self);
        before.assert_same(&Manifest::with_changes(&self.root), "the tree");
        result
    }
}

/// A command that does the same without root's rights, which pass every check.
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

/// A directory that others may look into.
pub fn scratch() -> TempDir {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Writes a shell script. Another process does it: a program cannot be executed while a child that
/// some other test is starting still has it open for writing.
pub fn script(path: &Path, body: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let script = r#"printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod 755 "$1""#;
    sh(script, &[path, Path::new(body)]);
}

/// Runs a piece of shell that has to succeed.
#[track_caller]
pub fn sh(script: &str, args: &[&Path]) -> String {
    let mut command = Command::new("sh");
    ran(command.args(["-c", script, "sh"]).args(args)).ok().out
}
