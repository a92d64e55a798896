//! Terminals for child processes.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};

/// A pseudo-terminal: our end, and the end for a child process.
pub struct Terminal {
    pub ours: PtyMaster,
    pub theirs: OwnedFd,
}

impl Terminal {
    /// Opens both ends close-on-exec. A child of another test that inherited one would keep the terminal from hanging
    /// up, and would have a descriptor that it should not have.
    pub fn new() -> Self {
        let ours = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let mut theirs = File::options();
        theirs.read(true).write(true);
        theirs.custom_flags(OFlag::O_NOCTTY.bits());
        let theirs = theirs.open(ptsname_r(&ours).unwrap()).unwrap().into();
        Self { ours, theirs }
    }
}
