//! Lists every way in which a command can fail, with its exit code.

use std::path::PathBuf;

use super::Exit;
use crate::attach::AttachError;
use crate::ci::CiError;
use crate::doctor::scratch::DoctorError;
use crate::fingerprint::IdentityError;
use crate::install::shims::WrapError;
use crate::install::{After, Error as InstallError};
use crate::launcher::LauncherError;
use crate::launcher::health::HealthError;
use crate::operation::OperationError;
use crate::report::Unseen;
use crate::report::stored::StoredError;
use crate::rocm::TreeError;
use crate::session::SessionError;

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// An operation on a tree failed.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// A compiler's identity could not be taken.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A command for CI refuses the request.
    #[error(transparent)]
    Ci(#[from] CiError),
    /// The launcher exists but does not work.
    #[error(transparent)]
    Health(#[from] HealthError),
    /// The build could not be run.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Signals cannot be watched.
    #[error("cannot set up signal handling")]
    Signals(#[source] std::io::Error),
    /// `run` cannot create the file in which the shims log their calls.
    #[error("cannot create the session's call log in {}", std::env::temp_dir().display())]
    Events(#[source] std::io::Error),
    /// `status` found that the compiler's content differs from the fingerprint in its shims.
    #[error(
        "the compiler was modified after the installation in a way that shims cannot detect: {}",
        .0.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    Rewritten(Vec<PathBuf>),
    /// `doctor` cannot set up its scratch directory.
    #[error("cannot set up the test compiles")]
    Bench(#[source] DoctorError),
    /// `run` cannot write a file that it was asked to write.
    #[error("cannot write {path}")]
    Output {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `report` or `why` was given a file that is no report.
    #[error("cannot read the report {path}")]
    Report {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoredError,
    },
    /// `why` has no build to explain.
    #[error("no build has been recorded here")]
    NoBuild,
    /// `why` has no build to compare with.
    #[error("no earlier run of this build has been recorded")]
    NoEarlierBuild,
    /// `run --require-cache`: calls could have been cached, but none was.
    #[error("--require-cache: the build found nothing in the cache and stored nothing in it")]
    NothingSaved,
    /// `run --require-cache`: the wrapped compilers were not called at all.
    #[error(
        "--require-cache: the build called none of the wrapped compilers ({}); {}",
        .0.wrapped, .0.hipcc
    )]
    NothingSeen(Unseen),
    /// `run --require-cache` with a launcher that does not report its use.
    #[error("--require-cache: the launcher does not report whether the cache was used")]
    UseUnknown,
    /// `explain` was given a compiler that does not exist.
    #[error("{0}: no such compiler")]
    NoCompiler(PathBuf),
    /// `explain` was given an argument that no call can have.
    #[error("an argument contains a NUL byte")]
    Nul,
}

/// Converts errors for which [`OperationError`] has a variant.
macro_rules! by_operation {
    ($($error:ty),+) => {$(
        impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::Operation(error.into())
            }
        }
    )+};
}

by_operation!(
    TreeError,
    LauncherError,
    WrapError,
    InstallError,
    AttachError
);

impl CliError {
    /// The signal that interrupted the command, if any.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        match self {
            Self::Operation(error) => error.signal(),
            _ => None,
        }
    }

    /// The signal that the command should end by: the one that interrupted it, unless the exit code
    /// tells more.
    #[must_use]
    pub fn ends_by(&self) -> Option<i32> {
        self.signal().filter(|_| self.exit() == Exit::Failed)
    }

    /// The exit status of the command.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Session(SessionError::NotFound(_)) => Exit::NotFound,
            Self::Session(SessionError::NotExecutable(_) | SessionError::Start { .. }) => {
                Exit::NotExecutable
            }
            Self::Operation(error) => operation_exit(error),
            Self::Session(SessionError::Wait { .. })
            | Self::Ci(CiError::Changed { .. })
            | Self::Signals(_)
            | Self::Events(_)
            | Self::Rewritten(_)
            | Self::Bench(_) => Exit::Failed,
            Self::NothingSaved | Self::NothingSeen(_) | Self::UseUnknown => Exit::NothingSaved,
            Self::Health(_)
            | Self::Ci(_)
            | Self::Identity(_)
            | Self::Output { .. }
            | Self::Report { .. }
            | Self::NoBuild
            | Self::NoEarlierBuild
            | Self::NoCompiler(_)
            | Self::Nul => Exit::Refused,
        }
    }
}

fn operation_exit(error: &OperationError) -> Exit {
    match error {
        OperationError::Failed { failure, .. } => match failure.after {
            After::AsBefore => match failure.cause {
                InstallError::Keep { .. } | InstallError::KeepNewer { .. } => Exit::Refused,
                _ => Exit::Failed,
            },
            After::Restored | After::Unfinished { .. } => Exit::Incomplete,
        },
        OperationError::StillShared { .. } => Exit::Incomplete,
        OperationError::Interrupted(_) | OperationError::Guard(_) | OperationError::Attach(_) => {
            Exit::Failed
        }
        OperationError::Tree(_)
        | OperationError::Launcher(_)
        | OperationError::NoLauncher
        | OperationError::OtherNames { .. }
        | OperationError::Wrap(_)
        | OperationError::Refused { .. }
        | OperationError::Directory(_) => Exit::Refused,
    }
}
