//! One build: started as without us, waited for, its end passed on.
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
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// A build that could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// There is no such command.
    #[error("{0}: command not found")]
    NotFound(PathBuf),
    /// The command is there and cannot be run.
    #[error("{0}: cannot be executed")]
    NotExecutable(PathBuf),
    /// It could not be started after all.
    #[error("cannot start {path}")]
    Start {
        /// The command.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It was started, and its end could not be waited for.
    #[error("cannot wait for {path}")]
    Wait {
        /// The command.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
}

/// Finds the program that `command` names, as execvp does, so that a misspelt build is told before
/// anything is touched.
///
/// # Errors
/// Where there is none, or none that may be run.
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

/// Runs the build in a process group of its own, with our terminal and our standard input, and
/// waits for its end. Signals that ask us to stop are handed to the group; a stop from the terminal
/// stops us too, so that the shell gets its prompt.
///
/// # Errors
/// Where it cannot be started or waited for. A build that fails is no error.
pub fn run(path: PathBuf, mut command: Command, signals: &Signals) -> Result<Ended, SessionError> {
    let terminal = Terminal::ours();
    command.process_group(0);
    if terminal.is_ours {
        // Before it is the build: what is typed from then on is for that, not for us. Without the
        // terminal it runs all the same.
        let take_over = || {
            let _ = hand_over(getpgrp());
            Ok(())
        };
        // SAFETY: system calls alone.
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
            // It touched a terminal that it has not: it could not take it at its start, or somebody
            // has taken it since.
            Ok(WaitStatus::Stopped(_, Signal::SIGTTIN | Signal::SIGTTOU)) if terminal.is_ours => {
                terminal.give_to(child);
                killpg(child, Signal::SIGCONT)?;
            }
            Ok(WaitStatus::Stopped(_, signal)) => {
                terminal.give_to(getpgrp());
                // SIGTSTP would be lost in an orphaned group; SIGSTOP always stops.
                if signal == Signal::SIGTSTP {
                    signals::stop_by_terminal()?;
                } else {
                    raise(Signal::SIGSTOP)?;
                }
                // Somebody has continued us.
                terminal.give_to(child);
                killpg(child, Signal::SIGCONT)?;
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// The terminal that we are in the foreground of, if any.
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

    /// Makes `group` the foreground.
    fn give_to(&self, group: Pid) {
        if self.is_ours
            && let Err(errno) = hand_over(group)
        {
            tracing::debug!(%errno, %group, "the terminal cannot be handed over");
        }
    }
}

/// Makes `group` the foreground of the terminal. From the background that raises SIGTTOU, which would
/// stop us.
fn hand_over(group: Pid) -> nix::Result<()> {
    signals::without_ttou(|| tcsetpgrp(std::io::stdin().as_fd(), group))
}
