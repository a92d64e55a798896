//! Implements `rock-wrap guard`: the process beside `rock-wrap run` that detaches if `run` is
//! killed. Only `run` starts it.

use std::io::stdout;
use std::os::fd::{AsFd, OwnedFd};

use super::{CliError, Exit, GuardArgs, output};
use crate::attach::shadow::Shadow;
use crate::install::{Bin, Share};
use crate::operation::{OperationError, leave_tree};
use crate::rocm::Tree;
use crate::session::guard::{self, Told};
use crate::support::signals::Signals;

/// Waits for the end of the pipe that is its standard input, and cleans up what is left. Its
/// standard output is the share of the attachment that it holds.
pub fn main(args: &GuardArgs) -> Result<Exit, CliError> {
    // Leave the terminal and the process group, whose signals are for the build. A signal that
    // arrives anyway must not interrupt the clean-up.
    let _ = rustix::process::setsid();
    let signals = Signals::watch().map_err(CliError::Signals)?;
    let Told::Orphaned(group) = guard::listen(std::io::stdin().lock()) else {
        return Ok(Exit::Success);
    };
    if let Some(group) = group {
        guard::end(group);
    }
    let part = || -> Result<OwnedFd, OperationError> {
        stdout()
            .as_fd()
            .try_clone_to_owned()
            .map_err(OperationError::Guard)
    };
    if let Some(root) = &args.tree {
        let tree = Tree::find_installed(Some(root))?;
        let bin = Bin::open(&tree.bin)?;
        leave_tree(
            &tree,
            &bin,
            &Share::from_fd(part()?),
            &signals,
            &output::TerminalMessages,
        )?;
    } else if let Some(root) = &args.shadow {
        Shadow::from_fd(root.clone(), part()?).leave()?;
    }
    output::warning(
        "the session was killed; its build was ended, and what it had attached is as before",
    );
    Ok(Exit::Success)
}
