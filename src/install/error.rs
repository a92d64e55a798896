//! Errors of the engine: one variant per operation, with the path.
//!
//! Display does not print the source. Whoever reports an error prints the whole chain.

use std::path::PathBuf;
use std::{fmt, io};

use crate::install::goal::Refusal;

/// An operation that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant's message says it")]
pub enum Error {
    #[error("cannot open the directory {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot lock the directory {}", path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error("{} is locked by {}", path.display(), holder(*pid))]
    Locked { path: PathBuf, pid: Option<u32> },
    #[error("cannot list {}", path.display())]
    List { path: PathBuf, source: io::Error },
    #[error("cannot inspect {}", path.display())]
    Inspect { path: PathBuf, source: io::Error },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write to {}: {missing}", path.display())]
    NotWritable {
        path: PathBuf,
        missing: &'static str,
        source: io::Error,
    },
    #[error("cannot generate a temporary name for {}", path.display())]
    TempName { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("cannot flush {} to disk", path.display())]
    Sync { path: PathBuf, source: io::Error },
    #[error("cannot flush the directory {} to disk", path.display())]
    SyncDir { path: PathBuf, source: io::Error },
    #[error("cannot create the symlink {}", path.display())]
    Symlink { path: PathBuf, source: io::Error },
    #[error("cannot hard-link {} to {}", from.display(), to.display())]
    Link {
        from: PathBuf,
        to: PathBuf,
        source: io::Error,
    },
    #[error(
        "cannot keep the original of {}: the file system can neither exchange two names nor \
         hard-link that file",
        path.display()
    )]
    Keep { path: PathBuf, source: io::Error },
    #[error(
        "cannot keep the new original of {} in place of the earlier one: the file system cannot \
         hard-link that file",
        path.display()
    )]
    KeepNewer { path: PathBuf, source: io::Error },
    #[error("cannot rename {} to {}", from.display(), to.display())]
    Rename {
        from: PathBuf,
        to: PathBuf,
        source: io::Error,
    },
    #[error("cannot swap {} and {}", one.display(), two.display())]
    Exchange {
        one: PathBuf,
        two: PathBuf,
        source: io::Error,
    },
    #[error("cannot remove {}", path.display())]
    Remove { path: PathBuf, source: io::Error },
    #[error("cannot encode the record {}", path.display())]
    Encode {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{} was changed by another process in the meantime", path.display())]
    Changed { path: PathBuf },
    #[error("interrupted by signal {signal}")]
    Interrupted { signal: i32 },
    #[error("cannot roll back from the current state of the directory")]
    NoWayBack { source: Refusal },
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}, which is installing or restoring there"),
        None => "another install or restore".to_owned(),
    }
}

/// The state of the directory after an operation failed.
#[derive(Debug)]
pub enum After {
    /// Nothing was changed, or all changes were rolled back.
    AsBefore,
    /// Every name is its original again. Files that remain do no harm, and a later restore removes
    /// them.
    Restored,
    /// The roll-back failed too.
    Unfinished {
        /// Why the roll-back failed.
        error: Box<Error>,
        /// The current state, one line for each name.
        state: Vec<String>,
    },
}

/// An install or restore that failed: the cause, and the state of the directory now.
#[derive(Debug, thiserror::Error)]
pub struct Failure {
    /// The first error.
    #[source]
    pub cause: Error,
    /// The state of the directory now.
    pub after: After,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.after {
            After::AsBefore => f.write_str("failed; the tree is as it was before"),
            After::Restored => f.write_str(
                "stopped; every original compiler is back, but some of rock-wrap's files remain",
            ),
            After::Unfinished { error, .. } => {
                write!(f, "failed, and rolling it back failed too ({error}")?;
                let mut source = std::error::Error::source(error);
                while let Some(err) = source {
                    write!(f, ": {err}")?;
                    source = err.source();
                }
                f.write_str(")")
            }
        }
    }
}
