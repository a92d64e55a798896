//! Reads and writes the files of the test compiles, with their errors.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::launcher::health::HealthError;
use crate::launcher::stats::StatsError;
use crate::rocm::ProgramError;

/// The examination itself failed.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// A program could not be run.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The launcher's counters could not be read.
    #[error(transparent)]
    Stats(#[from] StatsError),
    /// The launcher does not work with the checks' own cache.
    #[error(transparent)]
    Health(#[from] HealthError),
    /// A file could not be read or written.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl DoctorError {
    /// What the user can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Program(_) | Self::File { .. } => {
                "set TMPDIR to a directory that is writable and allows programs to run"
            }
            Self::Stats(_) => "check that the launcher prints its statistics when asked by hand",
            Self::Health(error) => error.remedy(),
        }
    }
}
pub(super) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), DoctorError> {
    std::fs::write(path, content).map_err(|source| DoctorError::File {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn write_program(path: &Path, content: &[u8]) -> Result<(), DoctorError> {
    write(path, content)?;
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, executable).map_err(|source| DoctorError::File {
        path: path.to_owned(),
        source,
    })
}
