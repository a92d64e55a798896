//! `rock-wrap guard`: the process beside `rock-wrap run` that detaches should that be killed. Started
//! by `run` and by nobody else.

use std::io::stdout;
use std::os::fd::{AsFd, OwnedFd};

use super::{CliError, Exit, GuardArgs, output};
use crate::attach::shadow::Shadow;
use crate::install::{Bin, Share};
use crate::operation::{OperationError, leave_tree};
use crate::rocm::Tree;
use crate::session::guard::{self, Told};
use crate::support::signals::Signals;

/// Waits for the end of the pipe that is its standard input, and puts right what is left to be. Its
/// standard output is the part in the attachment that it holds on to.
pub fn main(args: &GuardArgs) -> Result<Exit, CliError> {
    // Away from the terminal and the process group, whose signals are not meant for it; those that
    // come all the same end nothing before the work is done.
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
            &output::Terminal,
        )?;
    } else if let Some(root) = &args.shadow {
        Shadow::from_fd(root.clone(), part()?).leave()?;
    }
    output::warning(
        "the session was killed; its build was ended, and what it had attached is as before",
    );
    Ok(Exit::Success)
}
