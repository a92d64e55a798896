//! What can go wrong with a launcher.

use crate::shared::launchers::failure::End;
use crate::shared::sys::Errno;

/// Why a launcher has not done its work.
pub enum LaunchFailure {
    /// It did not start.
    NotRun(Errno),
    /// It failed by itself.
    Failed {
        /// How it ended.
        end: End,
        /// Whether it will again.
        lasting: bool,
    },
    /// Its server is another user's, or sees other files.
    Stranger,
    /// It has said that all is well, and the output is not there.
    NoOutput,
    /// Its server takes connections and does not answer; it was killed.
    Mute,
}
