//! A ROCm-like tree around Debian's own compilers, as `scripts/rocm-tree.sh` builds it.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// How `clang` and `clang++` lead to the compiler in the various distributions of ROCm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    Symlink,
    Regular,
    HardLink,
    Stub,
}

impl Layout {
    pub const ALL: [Self; 4] = [Self::Symlink, Self::Regular, Self::HardLink, Self::Stub];

    /// The layout's name for `scripts/rocm-tree.sh`.
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

/// The kind of a tree.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Debian's release of clang.
    pub clang: u32,
    /// How `clang` and `clang++` lead to the compiler.
    pub layout: Layout,
    /// Whether it has `rocm.cfg` and the files that include it.
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

    /// This kind with configuration files.
    pub const fn with_cfg(self) -> Self {
        Self { cfg: true, ..self }
    }

    /// Whether `clang` is the program itself, which gets a new name when it is wrapped.
    pub fn moves_the_compiler(self) -> bool {
        matches!(self.layout, Layout::Regular | Layout::HardLink)
    }

    /// Makes a complete tree at `root` that shares no file with another tree.
    pub fn build(self, root: &Path) -> Tree {
        copy(&self.template(), root);
        Tree {
            kind: self,
            root: root.canonicalize().unwrap(),
        }
    }

    /// The tree that others are copied from. Nobody may change it. Making it takes seconds, so it is kept until the
    /// scripts that make it change.
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
            // The tree is renamed when it is complete, so that a concurrent run of the tests never sees half a tree.
            if std::fs::rename(&tree, &template).is_err() {
                assert!(
                    template.exists(),
                    "the rename failed, and no other run has made the template"
                );
            }
        }
        template
    }
}

/// Copies a directory with everything, including hard links.
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

/// The name of the real compiler while `name` is the shim.
pub fn alias(name: &str) -> String {
    format!("{name}.7625")
}

/// A tree on disk. The owner of its directory removes it.
#[derive(Debug)]
pub struct Tree {
    /// The kind that was built.
    pub kind: Kind,
    /// The tree's top directory, a path without symlinks.
    pub root: PathBuf,
}

impl Tree {
    /// The compilers' directory.
    pub fn bin(&self) -> PathBuf {
        self.root.join("lib/llvm/bin")
    }

    /// Runs `rock-wrap install`, with a launcher or as a pass-through. It must succeed.
    pub fn install(&self, launcher: Option<&Path>) {
        self.install_with(launcher, &[]);
    }

    /// Runs `rock-wrap install` with more arguments. It must succeed.
    pub fn install_with(&self, launcher: Option<&Path>, args: &[&str]) {
        let mut command = self.rock_wrap("install");
        command.args(args);
        if let Some(launcher) = launcher {
            command.arg("--launcher").arg(launcher);
        }
        let output = super::run(&mut command);
        assert!(output.status.success(), "{}", super::stderr(&output));
    }

    /// Runs `rock-wrap restore`, which must succeed.
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
