//! A ROCm-like tree around Debian's own compilers, as `scripts/rocm-tree.sh` builds it.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// How `clang` and `clang++` lead to the compiler, in the ways in which ROCm comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    Symlink,
    Regular,
    HardLink,
    Stub,
}

impl Layout {
    pub const ALL: [Self; 4] = [Self::Symlink, Self::Regular, Self::HardLink, Self::Stub];

    /// As `scripts/rocm-tree.sh` calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Symlink => "symlink",
            Self::Regular => "regular",
            Self::HardLink => "hardlink",
            Self::Stub => "stub",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which tree.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Debian's release of clang.
    pub clang: u32,
    /// How it holds the compiler.
    pub layout: Layout,
    /// With `rocm.cfg` and the files that include it.
    pub cfg: bool,
}

impl Kind {
    /// A tree without configuration files.
    pub const fn new(clang: u32, layout: Layout) -> Self {
        Self {
            clang,
            layout,
            cfg: false,
        }
    }

    /// The same with configuration files.
    pub const fn with_cfg(self) -> Self {
        Self { cfg: true, ..self }
    }

    /// Whether `clang` is the program itself, which gets a new name when it is wrapped.
    pub fn moves_the_compiler(self) -> bool {
        matches!(self.layout, Layout::Regular | Layout::HardLink)
    }

    /// One at `root`, whole and apart from all others.
    pub fn build(self, root: &Path) -> Tree {
        copy(&self.template(), root);
        Tree {
            kind: self,
            root: root.canonicalize().unwrap(),
        }
    }

    /// The tree that others are copied from. It is made once, which takes seconds, and kept for as long as the
    /// scripts that make it are the same. Nobody may change it.
    pub fn template(self) -> PathBuf {
        static MAKING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = MAKING.lock().unwrap_or_else(|broken| broken.into_inner());
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        let mut hasher = DefaultHasher::new();
        for script in ["rocm-tree.sh", "suites.sh", "lib.sh"] {
            std::fs::read(scripts.join(script))
                .unwrap()
                .hash(&mut hasher);
        }
        let templates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trees");
        let cfg = if self.cfg { "-cfg" } else { "" };
        let name = format!(
            "{}-{}{cfg}-{:016x}",
            self.layout,
            self.clang,
            hasher.finish()
        );
        let template = templates.join(name);
        if !template.exists() {
            std::fs::create_dir_all(&templates).unwrap();
            let making = tempfile::tempdir_in(&templates).unwrap();
            let tree = making.path().join("tree");
            let mut command = Command::new(super::compilers::script());
            command
                .args(["--no-check", "--clang", &self.clang.to_string()])
                .args(["--layout", self.layout.name()])
                .args(self.cfg.then_some("--cfg"))
                .arg(&tree);
            let output = super::run(&mut command);
            assert!(output.status.success(), "{}", super::stderr(&output));
            // By rename, so that two runs of the tests at once never see half a tree.
            if std::fs::rename(&tree, &template).is_err() {
                assert!(template.exists(), "somebody else made it meanwhile");
            }
        }
        template
    }
}

/// A copy with everything, hard links too.
pub fn copy(from: &Path, to: &Path) {
    let mut cp = Command::new("cp");
    let output = super::run(cp.args(["-aT", "--reflink=auto"]).arg(from).arg(to));
    assert!(output.status.success(), "{}", super::stderr(&output));
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cfg = if self.cfg { ", cfg" } else { "" };
        write!(f, "clang {}, {}{cfg}", self.clang, self.layout)
    }
}

/// The name under which the real compiler lies while `name` is the shim.
pub fn alias(name: &str) -> String {
    format!("{name}.7625")
}

/// A tree on disk. Whoever made its directory removes it.
#[derive(Debug)]
pub struct Tree {
    /// What it was built as.
    pub kind: Kind,
    /// Its top, without symbolic links.
    pub root: PathBuf,
}

impl Tree {
    /// The compilers' directory.
    pub fn bin(&self) -> PathBuf {
        self.root.join("lib/llvm/bin")
    }

    /// `rock-wrap install`, with a launcher or as a pass-through.
    pub fn install(&self, launcher: Option<&Path>) {
        self.install_with(launcher, &[]);
    }

    /// The same, with more arguments.
    pub fn install_with(&self, launcher: Option<&Path>, args: &[&str]) {
        let mut command = self.rock_wrap("install");
        command.args(args);
        if let Some(launcher) = launcher {
            command.arg("--launcher").arg(launcher);
        }
        let output = super::run(&mut command);
        assert!(output.status.success(), "{}", super::stderr(&output));
    }

    /// `rock-wrap restore`.
    pub fn restore(&self) {
        let output = super::run(&mut self.rock_wrap("restore"));
        assert!(output.status.success(), "{}", super::stderr(&output));
    }

    fn rock_wrap(&self, what: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rock-wrap"));
        command
            .args([what, "--rocm-path"])
            .arg(&self.root)
            .env_remove("HIP_CLANG_LAUNCHER");
        command
    }
}
