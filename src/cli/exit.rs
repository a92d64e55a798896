//! How rock-wrap ends.

use std::process::ExitCode;

/// The exit codes, as `rock-wrap --help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or there was nothing to do.
    Success = 0,
    /// Something failed on the way; the tree is as it was before. From `doctor`: caching is not safe
    /// or does not work.
    Failed = 1,
    /// The command line is wrong (clap's own code).
    Usage = 2,
    /// `run --require-cache`: the build succeeded, and the cache was of no use to it, or no call came.
    NothingSaved = 3,
    /// What was asked for cannot be done here; nothing was touched.
    Refused = 4,
    /// Something was left behind, and `rock-wrap restore` finishes it.
    Incomplete = 5,
    /// `run`: the command cannot be executed.
    NotExecutable = 126,
    /// `run`: there is no such command.
    NotFound = 127,
}

/// For `--help`.
pub const HELP: &str = "\
Exit status:
  0        done, or nothing to do
  1        something failed on the way; the tree is as it was before (doctor: caching is not safe,
           or does not work)
  2        wrong usage
  3        run --require-cache: the cache was of no use to the build, or no compiler call came
  4        refused; nothing was touched
  5        something was left behind, and `rock-wrap restore` finishes it
  126,127  run: the command cannot be executed, is not there
  run otherwise ends with the exit status, or by the signal, of the command.";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        // `  126,127  what they mean`: two blanks, the codes, two blanks.
        let columns = HELP.lines().filter_map(|line| line.strip_prefix("  "));
        let codes = columns.flat_map(|line| line.split("  ").next().unwrap_or_default().split(','));
        let documented: Vec<u8> = codes.filter_map(|code| code.parse().ok()).collect();
        for exit in [
            Exit::Success,
            Exit::Failed,
            Exit::Usage,
            Exit::NothingSaved,
            Exit::Refused,
            Exit::Incomplete,
            Exit::NotExecutable,
            Exit::NotFound,
        ] {
            assert!(documented.contains(&(exit as u8)), "{exit:?}");
        }
    }
}
