//! Defines rock-wrap's exit statuses.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::report::wrap;

/// The exit statuses. [`Exit::meaning`] is the text in `rock-wrap --help` and in the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Success = 0,
    /// Something failed; the tree is as before. From `doctor`: caching is not safe or does not
    /// work.
    Failed = 1,
    /// The command line is invalid (clap's own status).
    Usage = 2,
    /// `run --require-cache`: the build succeeded but did not use the cache, or no call was seen.
    NothingSaved = 3,
    /// The request cannot be fulfilled here; nothing was changed.
    Refused = 4,
    /// Something was left behind; `rock-wrap restore` removes it.
    Incomplete = 5,
    /// `run`: the command cannot be executed.
    NotExecutable = 126,
    /// `run`: the command does not exist.
    NotFound = 127,
}

impl Exit {
    /// All statuses.
    pub const ALL: [Self; 8] = [
        Self::Success,
        Self::Failed,
        Self::Usage,
        Self::NothingSaved,
        Self::Refused,
        Self::Incomplete,
        Self::NotExecutable,
        Self::NotFound,
    ];

    /// The meaning of the status, for users.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success, or there was nothing to do",
            Self::Failed => {
                "failure; the tree is as it was before (doctor: caching is unsafe or does not work)"
            }
            Self::Usage => "wrong usage",
            Self::NothingSaved => {
                "run --require-cache: the build succeeded, but the cache was not used, or no \
                 compiler call was seen"
            }
            Self::Refused => "refused; nothing was changed",
            Self::Incomplete => "incomplete; run `rock-wrap restore` to finish",
            Self::NotExecutable => "run: the command cannot be executed",
            Self::NotFound => "run: the command does not exist",
        }
    }
}

/// The rule for every other exit status of `run`.
pub const OTHERWISE: &str =
    "Otherwise `run` ends with the exit status of the command, or by the same signal.";

/// The "Exit status" section of `rock-wrap --help`.
#[must_use]
pub fn help() -> String {
    const WIDTH: usize = 92;
    let mut help = "Exit status:\n".to_owned();
    for exit in Exit::ALL {
        let mut code = (exit as u8).to_string();
        for line in wrap(exit.meaning(), WIDTH) {
            let _ = writeln!(help, "  {code:<4} {line}");
            code.clear();
        }
    }
    help + OTHERWISE
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
