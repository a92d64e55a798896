//! Code that the integration tests share.

pub mod compilers;
pub mod dir;
pub mod golden;
pub mod launchers;
pub mod manifest;
pub mod processes;
pub mod rocm;
pub mod skips;
pub mod terminal;
pub mod tree;
pub mod witnessed;

use std::ffi::OsStr;
use std::fs::{File, FileTimes};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use rock_wrap::shared::shim_config::Config;
use rock_wrap::shim_image;
use rock_wrap::trampoline::trampoline;
use tempfile::TempDir;

/// The fake compiler and launcher of `tests/it/fake/witness.c`, built once for all tests.
pub fn witness() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fake/witness.c");
        let name = format!("witness-{}", std::process::id());
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-Wall", "-Werror", "-o"])
            .arg(&program)
            .arg(source);
        let status = cc
            .status()
            .expect("cc is installed, because it linked this test");
        assert!(status.success());
        program
    })
}

/// A directory with a shim at `clang++` and a witness as the real compiler behind it.
pub struct FakeTree {
    dir: TempDir,
}

impl FakeTree {
    /// Makes the tree as `rock-wrap install` would leave it. The shim contains `config` with the name `clang++`.
    pub fn new(config: &Config<'_>) -> Self {
        let tree = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(tree.path("bin")).unwrap();
        tree.program("bin/clang++.7625", &std::fs::read(witness()).unwrap());
        let config = Config {
            name: b"clang++",
            ..*config
        };
        tree.program("bin/clang++", &shim_image::stamp(&config).unwrap());
        tree.program("bin/clang++.9727", trampoline());
        tree
    }

    /// A path in the tree.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts an executable file into the tree, see [`write_program`]. Returns its path.
    pub fn program(&self, name: impl AsRef<Path>, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        write_program(&path, content);
        path
    }

    /// Puts a witness at `name`, to be used as a launcher.
    pub fn launcher(&self, name: &str) -> PathBuf {
        self.program(name, &std::fs::read(witness()).unwrap())
    }

    /// A call of the shim, in the tree's directory, in an environment without variables that affect it.
    pub fn call<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(self.path("bin/clang++"));
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.dir.path());
        command
    }
}

/// Writes an executable file. Another process writes it: a child that another test is starting would inherit a
/// descriptor of this process, and a program cannot be executed while anybody has it open for writing.
pub fn write_program(path: &Path, content: &[u8]) {
    let mut bytes = tempfile::NamedTempFile::new().unwrap();
    bytes.write_all(content).unwrap();
    let mut install = Command::new("install");
    install.arg("-m755").arg(bytes.path()).arg(path);
    assert!(install.status().unwrap().success());
}

/// What a witness recorded of one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub exe: String,
    pub argv: Vec<String>,
    pub env: Vec<String>,
    /// The rest, line by line: cwd, signal masks, descriptors.
    pub rest: Vec<String>,
}

impl Told {
    /// Reads what the witnesses of one call recorded, in the order in which they ran.
    pub fn all(text: &[u8]) -> Vec<Self> {
        let mut all = Vec::new();
        let mut told = Self::default();
        for line in String::from_utf8_lossy(text).lines() {
            if line == "end" {
                all.push(std::mem::take(&mut told));
            } else if let Some(exe) = line.strip_prefix("exe=") {
                told.exe = exe.to_owned();
            } else if let Some(entry) = line.strip_prefix("env ") {
                told.env.push(entry.to_owned());
            } else if line.starts_with("argv[") {
                told.argv.push(line.split_once('=').unwrap().1.to_owned());
            } else {
                // A pipe's number differs from run to run.
                let line = line.split("pipe:[").next().unwrap_or_default();
                told.rest.push(line.to_owned());
            }
        }
        all
    }
}

/// Changes one byte of a file, and keeps its size, inode and modification time.
pub fn rewrite(path: &Path) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mtime = file.metadata().unwrap().modified().unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 5000).unwrap();
    file.write_all_at(&[!byte[0]], 5000).unwrap();
    let times = FileTimes::new().set_modified(mtime);
    file.set_times(times).unwrap();
}

/// Runs a command to its end. Returns its status and everything that it printed.
pub fn run(command: &mut Command) -> Output {
    loop {
        match command.output() {
            // A child of another test, between fork and exec, still has the program open for writing. Try again.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
            output => return output.unwrap_or_else(|error| panic!("{command:?}: {error}")),
        }
    }
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
