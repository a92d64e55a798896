//! Trees to wrap, in each layout in which ROCm ships its compilers.

use std::ffi::OsStr;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock};

use rock_wrap::shared::shim_config::Config;
use rock_wrap::shim_image;
use tempfile::TempDir;

use crate::support::manifest::Manifest;
use crate::support::tree::{Kind, Layout, copy};

/// The file name of the compiler's executable.
pub fn executable(layout: Layout) -> &'static str {
    match layout {
        Layout::Regular => "clang",
        _ => "clang-15",
    }
}

/// The kind of a tree's compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compiler {
    /// `tests/it/fake/clang.c`: fast, and distinguishes C from C++.
    Fake,
    /// Debian's clang 15.
    Clang,
}

/// A command that changes a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Install,
    Restore,
    /// An install with another launcher.
    Switch,
    /// An install over shims of another version.
    Upgrade,
}

impl Action {
    pub const ALL: [Self; 4] = [Self::Install, Self::Restore, Self::Switch, Self::Upgrade];
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Install => "install",
            Self::Restore => "restore",
            Self::Switch => "switch",
            Self::Upgrade => "upgrade",
        })
    }
}

pub const NAMES: [&str; 2] = ["clang", "clang++"];

/// A tree in a temporary directory of its own.
pub struct Tree {
    dir: TempDir,
    root: PathBuf,
    pub compiler: Compiler,
}

impl Tree {
    pub fn fake(layout: Layout) -> Self {
        Self::new(layout, Compiler::Fake)
    }

    pub fn new(layout: Layout, compiler: Compiler) -> Self {
        let dir = temp_dir();
        let root = dir.path().join("rocm");
        copy(&template(layout, compiler), &root);
        let tree = Self {
            dir,
            root,
            compiler,
        };
        for name in ["one", "two"] {
            tree.program(tree.outside(name), b"#!/bin/sh\nexec \"$@\"\n");
        }
        // With another value of `TURN` it is another text to a cache.
        let turn = "#ifdef TURN\nint turn = TURN;\n#endif\n";
        let write =
            |name: &str, main: &str| std::fs::write(tree.outside(name), [turn, main].concat());
        write("a.c", "int main(void) { return 0; }\n").unwrap();
        // Neither compiles nor links as C.
        write("a.cpp", "int main() { delete new int; }\n").unwrap();
        tree
    }

    /// Like [`Tree::new`], with the tree at `root`, which must not exist.
    pub fn at(root: &Path, layout: Layout, compiler: Compiler) -> Self {
        let mut tree = Self::new(layout, compiler);
        if let Some(parent) = root.parent() {
            std::fs::create_dir_all(parent).unwrap();
        }
        copy(&tree.root, root);
        tree.root = root.to_owned();
        tree
    }

    pub fn set_root(&mut self, root: PathBuf) {
        self.root = root;
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn bin(&self) -> PathBuf {
        self.root.join("lib/llvm/bin")
    }

    /// A path in the compilers' directory.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.bin().join(name)
    }

    /// A path beside the tree.
    pub fn outside(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Installs a program at `path`. Another process writes the file: if this one did, a child that another test is
    /// just starting could still have it open for writing, and it could not be executed.
    pub fn program(&self, path: impl AsRef<Path>, content: &[u8]) {
        let bytes = tempfile::NamedTempFile::new_in(self.dir.path()).unwrap();
        std::fs::write(bytes.path(), content).unwrap();
        let mut install = Command::new("install");
        ok(install.arg("-m755").arg(bytes.path()).arg(path.as_ref()));
    }

    pub fn manifest(&self) -> Manifest {
        Manifest::of(&self.root)
    }

    /// A `rock-wrap` command for this tree.
    pub fn rock_wrap<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = clean(env!("CARGO_BIN_EXE_rock-wrap"));
        command.args(args).arg("--rocm-path").arg(&self.root);
        command
    }

    pub fn install(&self) {
        ok(&mut self.rock_wrap(["install"]));
    }

    pub fn restore(&self) -> Output {
        ok(&mut self.rock_wrap(["restore"]))
    }

    /// Brings the tree from its original state to the state in which `action` starts.
    pub fn prepare(&self, action: Action) {
        match action {
            Action::Install => {}
            Action::Restore => self.install(),
            Action::Switch => {
                let one = self.outside("one");
                let args = [OsStr::new("install"), "--launcher".as_ref(), one.as_ref()];
                ok(&mut self.rock_wrap(args));
            }
            Action::Upgrade => {
                self.install();
                NAMES.iter().for_each(|name| self.age(name));
            }
        }
    }

    /// The command line of `action`.
    pub fn command(&self, action: Action) -> Command {
        match action {
            Action::Install | Action::Upgrade => self.rock_wrap(["install"]),
            Action::Restore => self.rock_wrap(["restore"]),
            Action::Switch => {
                let two = self.outside("two");
                let args = [OsStr::new("install"), "--launcher".as_ref(), two.as_ref()];
                self.rock_wrap(args)
            }
        }
    }

    /// Replaces the shim at `name` with that of an older rock-wrap, and removes its stand-in.
    fn age(&self, name: &str) {
        std::fs::remove_file(self.path(format!("{name}.9727"))).unwrap();
        let path = self.path(name);
        let shim = std::fs::read(&path).unwrap();
        let config = shim_image::read(&shim).unwrap().unwrap();
        let older = shim_image::stamp(&Config {
            writer: b"0.0.1",
            ..config
        });
        let older = older.unwrap();
        assert_ne!(older, shim);
        let new = self.outside("older");
        self.program(&new, &older);
        let script = r#"chmod --reference="$2" "$1" && chown --reference="$2" "$1" &&
            touch -r "$2" "$1" && mv -f "$1" "$2""#;
        ok(clean("sh").args(["-c", script, "sh"]).arg(new).arg(path));
    }

    /// The output of `status --json`.
    pub fn status(&self) -> serde_json::Value {
        let output = ok(&mut self.rock_wrap(["status", "--json"]));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn state(&self) -> String {
        self.status()["state"].as_str().unwrap().to_owned()
    }

    /// Compiles through `name`, and links too if the compiler is a real one.
    pub fn compile(&self, name: &str) -> Result<(), String> {
        self.compile_with(name, "out", &mut |_| ())
    }

    pub fn compile_with(
        &self,
        name: &str,
        out: &str,
        change: &mut dyn FnMut(&mut Command),
    ) -> Result<(), String> {
        let out = self.outside(out);
        let (source, language) = match name {
            "clang" => ("a.c", "C by "),
            _ => ("a.cpp", "C++ by "),
        };
        let mut call = clean(self.path(name));
        call.current_dir(self.dir.path()).arg("-o").arg(&out);
        if self.compiler == Compiler::Fake {
            call.arg("-c");
        }
        call.arg(source);
        change(&mut call);
        let output = call
            .output()
            .map_err(|error| format!("{call:?}: {error}"))?;
        if !output.status.success() {
            return Err(format!("{call:?}: {output:?}"));
        }
        let made = std::fs::read(&out).map_err(|error| format!("{call:?}: {error}"))?;
        let right = match self.compiler {
            Compiler::Fake => made.starts_with(language.as_bytes()),
            Compiler::Clang => made.starts_with(b"\x7fELF"),
        };
        if !right {
            return Err(format!("{call:?}: made {:?}", &made[..made.len().min(99)]));
        }
        // This output must not pass for that of a later call that fails.
        std::fs::remove_file(&out).map_err(|error| error.to_string())
    }

    /// Panics unless both names compile, each its own language.
    #[track_caller]
    pub fn assert_compiles(&self, what: impl fmt::Display) {
        for name in NAMES {
            if let Err(error) = self.compile(name) {
                panic!("{what}: {error}");
            }
        }
    }
}

/// A command whose environment has nothing that could affect a compiler or a cache.
pub fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/bin");
    command
}

/// Runs `command` and panics if it fails.
#[track_caller]
pub fn ok(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        stderr(&output)
    );
    output
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A temporary directory, in memory if possible: the tests make thousands of trees, and `fsync` is free there.
pub fn temp_dir() -> TempDir {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    let base = BASE.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let usable = tempfile::tempdir_in(memory).is_ok_and(|dir| {
            let program = dir.path().join("true");
            let copied = clean("cp").arg("/bin/true").arg(&program).status();
            copied.is_ok_and(|status| status.success()) && Command::new(program).status().is_ok()
        });
        if usable {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        }
    });
    tempfile::Builder::new()
        .prefix("survive-")
        .tempdir_in(base)
        .unwrap()
}

/// The tree to copy for `layout` and `compiler`. It is made once and reused until its sources change.
fn template(layout: Layout, compiler: Compiler) -> PathBuf {
    let clang = Kind::new(15, layout).template();
    if compiler == Compiler::Clang {
        return clang;
    }
    static MAKING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = MAKING.lock().unwrap_or_else(|poison| poison.into_inner());
    let sources: [&[u8]; 2] = [include_bytes!("../fake/clang.c"), include_bytes!("tree.rs")];
    let mut hasher = DefaultHasher::new();
    sources.hash(&mut hasher);
    let base = clang.with_file_name(format!("fake-{:016x}", hasher.finish()));
    let place = base.join(clang.file_name().unwrap());
    if !place.exists() {
        std::fs::create_dir_all(&base).unwrap();
        let work = tempfile::tempdir_in(&base).unwrap();
        let made = work.path().join("made");
        make_fake(&clang, layout, work.path(), &made);
        // A rename, so that a concurrent test run never sees half a tree.
        if let Err(error) = std::fs::rename(&made, &place) {
            assert!(place.exists(), "{error}");
        }
    }
    place
}

fn make_fake(clang: &Path, layout: Layout, work: &Path, made: &Path) {
    let program = work.join("fake");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fake/clang.c");
    let mut cc = Command::new("cc");
    ok(cc
        .args(["-O1", "-Wall", "-Werror", "-static", "-o"])
        .arg(&program)
        .arg(source));
    let bin = made.join("lib/llvm/bin");
    std::fs::create_dir_all(&bin).unwrap();
    // Copies the compiler's names with their links, replaces the executable's content, and sets odd times, owners and
    // attributes, which a restore has to bring back exactly.
    let script = r#"
        set -e
        (cd "$1/lib/llvm/bin" && cp -a clang clang++ clang-15 clang++-15 clang-cpp clang-cl amdllvm \
            amdclang amdclang++ "$3")
        cat "$4" >"$3/$2"
        cd "$3"
        if [ "$(id -u)" = 0 ]; then
            chown -h 1234:2345 clang clang-15
            chown -h 1234:0 clang++
            for name in clang clang++ clang-15; do
                setfattr -h -n trusted.note -v "of $name" "$name" || echo "no trusted attributes" >&2
            done
        fi
        setfattr -n user.note -v compiler "$2" || echo "no user attributes" >&2
        touch -h -d '2023-01-03 11:22:33.123456789Z' clang clang-15
        touch -h -d '2023-01-04 11:22:33.987654321Z' clang++
    "#;
    ok(clean("bash")
        .args(["-c", script, "bash"])
        .arg(clang)
        .arg(executable(layout))
        .arg(&bin)
        .arg(&program));
}
