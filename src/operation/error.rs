//! Errors of operations on a tree.

use std::path::PathBuf;

use crate::attach::AttachError;
use crate::install::shims::WrapError;
use crate::install::{Error as InstallError, Failure, Refusal};
use crate::launcher::LauncherError;
use crate::rocm::{CompilerName, TreeError};

/// An operation failed.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// There is no usable tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The launcher cannot be used.
    #[error(transparent)]
    Launcher(#[from] LauncherError),
    /// No launcher was named, and none is installed.
    #[error("cannot find a launcher: neither sccache nor ccache is on PATH")]
    NoLauncher,
    /// The compilers cannot be wrapped.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The directory's state does not allow the operation.
    #[error("{dir}: {refusal}")]
    Refused {
        /// The compilers' directory.
        dir: PathBuf,
        /// Why.
        refusal: Refusal,
    },
    /// The directory could not be opened, inspected or locked.
    #[error(transparent)]
    Directory(#[from] InstallError),
    /// An install or restore failed half-way.
    #[error("{what}")]
    Failed {
        /// `install` or `restore`.
        what: &'static str,
        /// The failure and its consequences.
        #[source]
        failure: Failure,
    },
    /// An install or restore succeeded, but the file that marks the tree as wrapped for a session
    /// could not be removed.
    #[error("{what} succeeded, but the tree is still marked as wrapped for a build session only")]
    StillShared {
        /// `install` or `restore`.
        what: &'static str,
        /// Why.
        source: InstallError,
    },
    /// A session asked for a compiler that the existing installation does not wrap.
    #[error("{dir} is already wrapped, but {name} in it is not")]
    OtherNames {
        /// The compilers' directory.
        dir: PathBuf,
        /// The compiler.
        name: CompilerName,
    },
    /// A file outside the tree could not be created.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The guard, which would detach if this process were killed, could not be started.
    #[error("cannot start the session's guard process")]
    Guard(#[source] std::io::Error),
    /// A signal arrived before anything was changed.
    #[error("interrupted by signal {0}; nothing was changed")]
    Interrupted(i32),
}

impl OperationError {
    /// The signal that interrupted the operation, if any.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        match self {
            Self::Interrupted(signal) => Some(*signal),
            Self::Failed {
                failure:
                    Failure {
                        cause: InstallError::Interrupted { signal },
                        ..
                    },
                ..
            } => Some(*signal),
            _ => None,
        }
    }
}
