//! A ROCm-like tree around Debian's own compilers, as `scripts/rocm-tree.sh` builds it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use super::compilers::LAYOUTS;

/// Which tree.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Debian's release of clang.
    pub clang: u32,
    /// One of [`LAYOUTS`].
    pub layout: &'static str,
    /// With `rocm.cfg` and the files that include it.
    pub cfg: bool,
}

impl Kind {
    /// A tree without configuration files.
    pub const fn new(clang: u32, layout: &'static str) -> Self {
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
        matches!(self.layout, "regular" | "hardlink")
    }

    /// Builds it at `root`.
    pub fn build(self, root: &Path) -> Tree {
        let mut command = Command::new(super::compilers::script());
        command
            .args(["--no-check", "--clang", &self.clang.to_string()])
            .args(["--layout", self.layout])
            .args(self.cfg.then_some("--cfg"))
            .arg(root);
        let output = super::run(&mut command);
        assert!(output.status.success(), "{}", super::stderr(&output));
        Tree {
            kind: self,
            root: root.canonicalize().unwrap(),
        }
    }
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
        let mut command = self.rock_wrap("install");
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
