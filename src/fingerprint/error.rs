//! Errors of taking a compiler's identity.

use std::path::{Path, PathBuf};

use crate::rocm::ProgramError;

/// A compiler's identity could not be taken. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The compiler's name does not resolve.
    #[error("cannot find the compiler {path}")]
    Find {
        /// The compiler, as it was named.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The compiler's name resolves to something other than a file.
    #[error("{0} is not a file")]
    NotAFile(PathBuf),
    /// A file that belongs to the compiler cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that belongs to the compiler is not a valid ELF file.
    #[error("{path} is not a complete ELF file")]
    Elf {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: object::read::Error,
    },
    /// A file was written to while it was read.
    #[error("{0} changed while it was being read")]
    Changes(PathBuf),
    /// The compiler did not answer.
    #[error("cannot find out which programs the compiler runs")]
    Ask {
        /// The compiler.
        path: PathBuf,
        /// Why.
        #[source]
        source: ProgramError,
    },
}

impl IdentityError {
    pub(super) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }
}
