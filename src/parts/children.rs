//! Runs commands in child processes that end when this process ends.
//!
//! Owns: collecting their output, and passing on signals. The main thread must start every child: the kernel sends a
//! child its parent-death signal when the thread that started it ends.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid, getppid};
use rustix::process::{Signal as DeathSignal, set_parent_process_death_signal};

use crate::support::signals::Signals;

/// How often to look for signals and for free permits.
const TURN: Duration = Duration::from_millis(10);

/// Runs several commands at once.
pub struct Children {
    signals: Signals,
    told: bool,
    running: Vec<(usize, Pid)>,
    ended: Receiver<(usize, io::Result<Output>)>,
    end: Sender<(usize, io::Result<Output>)>,
}

impl Children {
    /// Watches for signals from now on.
    ///
    /// # Errors
    /// If a signal handler cannot be installed.
    pub fn new() -> io::Result<Self> {
        let (end, ended) = channel();
        Ok(Self {
            signals: Signals::watch()?,
            told: false,
            running: Vec::new(),
            ended,
            end,
        })
    }

    /// Starts a command and collects its output. `number` identifies the command.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(&mut self, number: usize, mut command: Command) -> io::Result<()> {
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        end_with_parent(&mut command);
        let child = command.spawn()?;
        self.running.push((number, pid_of(child.id())));
        let end = self.end.clone();
        // Sending fails only if nobody waits any more.
        thread::spawn(move || drop(end.send((number, child.wait_with_output()))));
        Ok(())
    }

    /// The number of commands that are running.
    pub fn count(&self) -> usize {
        self.running.len()
    }

    /// Waits a moment for a command to end, and passes on a signal that has arrived. `None` lets the caller look for
    /// something else.
    pub fn next(&mut self) -> Option<(usize, io::Result<Output>)> {
        let ended = self.ended.recv_timeout(TURN).ok();
        if let Some((number, _)) = &ended {
            self.running.retain(|(running, _)| running != number);
        }
        if let Some(signal) = self.signal()
            && !self.told
        {
            self.told = true;
            for (_, pid) in &self.running {
                let _ = kill(*pid, Signal::try_from(signal).ok());
            }
        }
        ended
    }

    /// The signal that asked this process to end, if one has.
    pub fn signal(&self) -> Option<i32> {
        self.signals.pending()
    }

    /// Runs one command to its end, with its output collected.
    ///
    /// # Errors
    /// If it cannot be run.
    pub fn output(&mut self, command: Command) -> io::Result<Output> {
        self.start(usize::MAX, command)?;
        loop {
            if let Some((_, output)) = self.next() {
                return output;
            }
        }
    }

    /// Runs one command to its end, with this process's own input and output.
    ///
    /// # Errors
    /// If it cannot be run.
    pub fn status(&mut self, mut command: Command) -> io::Result<ExitStatus> {
        end_with_parent(&mut command);
        let mut child = command.spawn()?;
        self.running.push((usize::MAX, pid_of(child.id())));
        let end = self.end.clone();
        thread::spawn(move || {
            let ended = child.wait().map(|status| Output {
                status,
                stdout: Vec::new(),
                stderr: Vec::new(),
            });
            drop(end.send((usize::MAX, ended)));
        });
        loop {
            if let Some((_, output)) = self.next() {
                return output.map(|output| output.status);
            }
        }
    }
}

/// Makes the kernel send SIGTERM to the command's process when this process is killed. This works only for commands
/// that the main thread starts.
pub fn end_with_parent(command: &mut Command) {
    let parent = getpid();
    let set = move || {
        set_parent_process_death_signal(Some(DeathSignal::TERM))?;
        // No signal comes for a parent that had died before.
        if getppid() != parent {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    };
    // SAFETY: system calls, and no allocation.
    unsafe { command.pre_exec(set) };
}

fn pid_of(id: u32) -> Pid {
    Pid::from_raw(id.cast_signed())
}

/// The exit status of an ended process, as a shell reports it: 128 plus the signal's number if a signal ended it.
#[must_use]
pub fn code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set in the environment of the process that plays the parent.
    const PARENT: &str = "ROCK_WRAP_TEST_PARENT";

    /// Kills the parent of this process and waits until it is gone.
    fn lose_parent() -> io::Result<()> {
        let parent = getppid();
        kill(parent, Signal::SIGKILL)?;
        while getppid() == parent {
            thread::yield_now();
        }
        Ok(())
    }

    #[test]
    fn a_child_whose_parent_died_before_it_ran_does_not_run() {
        if std::env::var_os(PARENT).is_some() {
            let mut child = Command::new("echo");
            child.arg("the child runs");
            // SAFETY: system calls only.
            unsafe { child.pre_exec(lose_parent) };
            end_with_parent(&mut child);
            let _ = child.status();
            unreachable!("this process has been killed");
        }
        let mut parent = Command::new(std::env::current_exe().unwrap());
        let (_, module) = module_path!().split_once("::").unwrap();
        let test = format!("{module}::a_child_whose_parent_died_before_it_ran_does_not_run");
        // The output ends when the last process that has it ends.
        let output = parent
            .args(["--exact", "--nocapture", &test])
            .env(PARENT, "1")
            .output()
            .unwrap();
        assert_eq!(output.status.signal(), Some(Signal::SIGKILL as i32));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!said.contains("the child runs"), "{said}");
    }
}
