//! Runs one build: starts it as the user's shell would, waits for it, and passes its status on.
//!
//! Owns: the build's process group and the terminal. Knows nothing of trees or launchers.

pub mod guard;

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

use crate::support::signals;
use crate::support::signals::Signals;

/// How a build ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this status.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
}

/// A build that could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The command does not exist.
    #[error("{0}: command not found")]
    NotFound(PathBuf),
    /// The command exists but cannot be executed.
    #[error("{0}: cannot be executed")]
    NotExecutable(PathBuf),
    /// It could not be started.
    #[error("cannot start {path}")]
    Start {
        /// The command.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It was started, but waiting for its end failed.
    #[error("cannot wait for {path}")]
    Wait {
        /// The command.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
}

/// Finds the program that `command` names, as execvp does, so that a misspelt command is reported
/// before anything is changed.
///
/// # Errors
/// If no such program exists or it may not be executed.
pub fn find_command(command: &OsStr) -> Result<PathBuf, SessionError> {
    which::which(command).map_err(|_| {
        let path = PathBuf::from(command);
        let is_path = path.components().count() > 1;
        if is_path && path.exists() {
            SessionError::NotExecutable(path)
        } else {
            SessionError::NotFound(path)
        }
    })
}

/// Runs the build in its own process group, with our terminal and standard input, and waits for its
/// end. Signals that ask us to stop are forwarded to the group. A stop from the terminal stops us
/// too, so that the shell gets its prompt.
///
/// # Errors
/// If it cannot be started or waited for. A build that fails is not an error.
pub fn run(path: PathBuf, mut command: Command, signals: &Signals) -> Result<Ended, SessionError> {
    let terminal = Terminal::ours();
    command.process_group(0);
    if terminal.is_ours {
        // Take the terminal before the exec: from then on, input is meant for the build. If that
        // fails, run the build without the terminal.
        let take_over = || {
            let _ = hand_over(getpgrp());
            Ok(())
        };
        // SAFETY: only system calls.
        unsafe { command.pre_exec(take_over) };
    }
    let child = command.spawn().map_err(|source| {
        terminal.give_to(getpgrp());
        SessionError::Start {
            path: path.clone(),
            source,
        }
    })?;
    let group = Pid::from_raw(child.id().cast_signed());
    signals.forward_to(group);
    let ended = wait(group, &terminal);
    signals.forwarded();
    terminal.give_to(getpgrp());
    ended.map_err(|source| SessionError::Wait { path, source })
}

fn wait(child: Pid, terminal: &Terminal) -> Result<Ended, Errno> {
    loop {
        match waitpid(child, Some(WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Ended::Exited(code)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ended::Killed(signal as i32)),
            // The build accessed a terminal that it does not own: it failed to take it at its
            // start, or another process has taken it since.
            Ok(WaitStatus::Stopped(_, Signal::SIGTTIN | Signal::SIGTTOU)) if terminal.is_ours => {
                terminal.give_to(child);
                killpg(child, Signal::SIGCONT)?;
            }
            Ok(WaitStatus::Stopped(_, signal)) => {
                terminal.give_to(getpgrp());
                // SIGTSTP has no effect in an orphaned process group; SIGSTOP always stops.
                if signal == Signal::SIGTSTP {
                    signals::stop_by_terminal()?;
                } else {
                    raise(Signal::SIGSTOP)?;
                }
                // We have been continued.
                terminal.give_to(child);
                killpg(child, Signal::SIGCONT)?;
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Our terminal, if we are in its foreground process group.
struct Terminal {
    is_ours: bool,
}

impl Terminal {
    fn ours() -> Self {
        let foreground = tcgetpgrp(std::io::stdin().as_fd());
        Self {
            is_ours: foreground == Ok(getpgrp()),
        }
    }

    /// Makes `group` the foreground process group.
    fn give_to(&self, group: Pid) {
        if self.is_ours
            && let Err(errno) = hand_over(group)
        {
            tracing::debug!(%errno, %group, "the terminal cannot be handed over");
        }
    }
}

/// Makes `group` the foreground process group of the terminal. From the background this raises
/// SIGTTOU, which would stop us.
fn hand_over(group: Pid) -> nix::Result<()> {
    signals::without_ttou(|| tcsetpgrp(std::io::stdin().as_fd(), group))
}
