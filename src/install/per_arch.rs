//! Whether compiles are cached by architecture, and which program does it.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::shared::parts;
use crate::shared::shim_config::Config;

/// Whether a compile for several architectures is cached by architecture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PerArch {
    /// Where it saves time
    Auto,
    /// Wherever it can be done
    Always,
    /// Only as a whole
    #[default]
    Never,
}

impl PerArch {
    /// The setting in a shim's configuration.
    #[must_use]
    pub fn of(config: &Config<'_>) -> Self {
        match config.parts.first() {
            Some(&parts::ALWAYS) => Self::Always,
            Some(_) => Self::Auto,
            None => Self::Never,
        }
    }

    /// The shim's record, which names this program as the parts program. Everybody who compiles with the tree runs
    /// it, so it must be a file that only root or the installing user can change. Otherwise, or if the program does
    /// not know its own path, nothing is split.
    pub(super) fn record(self) -> Vec<u8> {
        let letter = match self {
            Self::Auto => parts::AUTO,
            Self::Always => parts::ALWAYS,
            Self::Never => return Vec::new(),
        };
        let program = std::env::current_exe().ok();
        program
            .filter(|path| is_trusted(path))
            .map_or_else(Vec::new, |path| {
                [&[letter], path.as_os_str().as_bytes()].concat()
            })
    }
}

/// Whether only root and this user can change the file.
fn is_trusted(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| {
        let own = rustix::process::geteuid().as_raw();
        [0, own].contains(&metadata.uid()) && metadata.mode() & 0o022 == 0
    })
}
