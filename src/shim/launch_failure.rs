//! The ways in which a launcher can fail.

use crate::shared::launchers::failure::End;
use crate::shared::sys::Errno;

/// Why a launcher did not do its work.
pub enum LaunchFailure {
    /// It did not start.
    NotRun(Errno),
    /// The launcher itself failed.
    Failed {
        /// How it ended.
        end: End,
        /// Whether it will fail again.
        lasting: bool,
    },
    /// Its server belongs to another user or sees other files.
    Stranger,
    /// It reported success, but the output does not exist.
    NoOutput,
    /// It has no result for the compile, which the stand-in has declined.
    Declined,
    /// Its server accepts connections and does not answer. A launcher process that waited for it was killed.
    Mute,
}
