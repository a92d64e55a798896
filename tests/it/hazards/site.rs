//! A wrapped tree, a launcher with a cache of its own, and one call in three forms: straight to the real compiler,
//! through the shim, and through the launcher without rock-wrap.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use super::Form;
use crate::support::launchers::{self, Cache};
use crate::support::tree::{Kind, Layout, Tree, alias};
use crate::support::{run, stderr};

/// A launcher: a column of the table.
pub struct Launcher {
    /// Name and version.
    pub name: &'static str,
    /// The executable's path, absolute or relative to `target/tools`.
    path: &'static str,
    /// The cases that it runs in the quick form.
    pub quick: &'static [Form],
    /// The index of the quick form's compiler that runs its first case.
    pub first: usize,
}

const fn launcher(name: &'static str, path: &'static str, quick: &'static [Form]) -> Launcher {
    Launcher {
        name,
        path,
        quick,
        first: 0,
    }
}

pub const SCCACHE_16: Launcher = launcher(
    "sccache 0.16.0",
    "sccache-0.16.0/sccache",
    &[Form::Sccache16],
);
pub const SCCACHE_17: Launcher = launcher(
    "sccache 0.17.0",
    "sccache-0.17.0/sccache",
    &[Form::Sccache17],
);
pub const SCCACHE_19: Launcher = launcher("sccache 0.19.0", "sccache-0.19.0/sccache", &[]);
pub const SCCACHE_4: Launcher = launcher("sccache 0.4.0-pre.6", "/usr/bin/sccache", &[]);
pub const CCACHE_14: Launcher = Launcher {
    // Not 0, as for sccache: each case runs with sccache and ccache on different compilers.
    first: 1,
    ..launcher(
        "ccache 4.14.2",
        "ccache-4.14.2/ccache",
        &[Form::Sccache17, Form::Sccache16],
    )
};
pub const CCACHE_7: Launcher = launcher("ccache 4.7.5", "/usr/bin/ccache", &[]);

/// The table's columns.
pub const LAUNCHERS: [&Launcher; 6] = [
    &SCCACHE_19,
    &SCCACHE_17,
    &SCCACHE_16,
    &SCCACHE_4,
    &CCACHE_14,
    &CCACHE_7,
];

impl Launcher {
    /// The executable. If it is missing, the running test is recorded as skipped.
    pub fn program(&self) -> Option<PathBuf> {
        launchers::find(self.name, self.path)
    }
}

/// The tree and the cache that all cases of one launcher and clang share.
pub struct Site {
    pub dir: TempDir,
    pub tree: Tree,
    pub cache: Cache,
    pub clang: u32,
    /// How many results of calls were compared with the compiler's own.
    pub objects: Cell<usize>,
}

impl Site {
    pub fn new(clang: u32, launcher: &Launcher, program: &Path) -> Self {
        let version = run(Command::new(program).arg("--version"));
        let version = String::from_utf8_lossy(&version.stdout).replacen(" version", "", 1);
        assert!(version.starts_with(launcher.name), "{version}");
        let dir = tempfile::tempdir().unwrap();
        let tree = Kind::new(clang, Layout::Symlink).build(&dir.path().join("rocm"));
        tree.install(Some(program));
        let cache = Cache::new(program);
        Self {
            dir,
            tree,
            cache,
            clang,
            objects: Cell::new(0),
        }
    }

    /// Installs again, so that the shims know the compiler as it is now.
    pub fn install(&self) {
        self.tree.install(Some(&self.cache.program));
    }
}

/// One call of the compiler, as a build would make it.
#[derive(Clone, Debug)]
pub struct Call {
    /// `clang` or `clang++`.
    pub driver: &'static str,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// The working directory.
    pub dir: PathBuf,
    /// The directory that contains everything it writes.
    pub top: PathBuf,
}

impl Call {
    /// Adds arguments.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    fn position(&self, arg: &str) -> usize {
        let at = self.args.iter().position(|own| own == arg);
        at.unwrap_or_else(|| panic!("no {arg} in {:?}", self.args))
    }

    /// Removes an argument, which the call must have.
    pub fn without(mut self, arg: &str) -> Self {
        self.args.remove(self.position(arg));
        self
    }

    /// Replaces the argument `arg`, which the call must have, by `other`.
    pub fn with(mut self, arg: &str, other: &str) -> Self {
        let at = self.position(arg);
        other.clone_into(&mut self.args[at]);
        self
    }

    /// Moves the working directory to its subdirectory `dir`.
    pub fn within(mut self, dir: &str) -> Self {
        self.dir.push(dir);
        self
    }

    fn ready(&self, mut command: Command, site: &Site) -> Command {
        command
            .args(&self.args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", site.dir.path())
            .env("ROCM_PATH", &site.tree.root)
            .envs(site.cache.env())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.dir);
        command
    }

    /// The command that makes the call through the shim.
    pub fn wrapped(&self, site: &Site) -> Command {
        self.ready(Command::new(site.tree.bin().join(self.driver)), site)
    }

    /// The command that calls the real compiler as if there were no shim.
    pub fn bare(&self, site: &Site) -> Command {
        let bin = site.tree.bin();
        let mut command = Command::new(bin.join(format!("clang-{}", site.clang)));
        command.arg0(bin.join(self.driver));
        self.ready(command, site)
    }

    /// The command that makes the call through the launcher, without rock-wrap.
    pub fn alone(&self, site: &Site) -> Command {
        let mut command = Command::new(&site.cache.program);
        command.arg(site.tree.bin().join(alias(self.driver)));
        self.ready(command, site)
    }

    /// The `-cuid=` argument that the shim adds, if any.
    pub fn added_id(&self, site: &Site) -> Option<String> {
        let own = |arg: &String| arg.starts_with("-cuid=");
        if self.args.iter().any(own) {
            return None;
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_rock-wrap"));
        command.args(["explain", "--json", "--"]);
        command.arg(site.tree.bin().join(self.driver));
        let output = run(&mut self.ready(command, site));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
        let runs = answer["runs"].as_array().unwrap();
        let mut words = runs.iter().filter_map(|word| word.as_str());
        let id = words.find(|word| word.starts_with("-cuid="));
        id.map(str::to_owned)
    }
}

/// What a call left behind.
#[derive(Clone, Debug)]
pub struct Made {
    pub status: ExitStatus,
    pub stderr: String,
    /// Every file that it wrote, by its path relative to [`Call::top`].
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Made {
    /// Runs a command, then reads and removes all files in `top`.
    pub fn by(command: &mut Command, top: &Path) -> Self {
        let output = run(command);
        let mut files = BTreeMap::new();
        take(top, top, &mut files);
        Self {
            status: output.status,
            stderr: stderr(&output),
            files,
        }
    }

    /// The content of a file.
    pub fn file(&self, name: &str) -> &[u8] {
        let file = self.files.get(Path::new(name));
        file.unwrap_or_else(|| panic!("no {name} in {:?}: {}", self.files.keys(), self.stderr))
    }

    /// Describes the first difference from `truth` in status or files, if any. Messages are not compared.
    pub fn differs_from(&self, truth: &Self) -> Option<String> {
        if self.status != truth.status {
            return Some(format!(
                "{} instead of {}: {}",
                self.status, truth.status, self.stderr
            ));
        }
        let names = self.files.keys().chain(truth.files.keys());
        let mut differ = names.filter(|name| {
            let (own, other) = (self.files.get(*name), truth.files.get(*name));
            // JSON files contain times, which differ from run to run.
            let timed = name.extension().is_some_and(|end| end == "json");
            own.is_some() != other.is_some() || (own != other && !timed)
        });
        differ.next().map(|name| {
            let state = |made: &Self| match made.files.get(name) {
                Some(content) => format!("{} bytes", content.len()),
                None => "missing".to_owned(),
            };
            format!(
                "{name:?} is wrong: {} instead of {}",
                state(self),
                state(truth)
            )
        })
    }
}

fn take(dir: &Path, top: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            take(&path, top, files);
        } else {
            let content = std::fs::read(&path).unwrap();
            files.insert(path.strip_prefix(top).unwrap().to_owned(), content);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
