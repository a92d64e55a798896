//! Runs the guard: a process that cleans up if rock-wrap itself is killed.
//!
//! Owns: the pipe between the two. Only rock-wrap holds the writing end, so the guard notices its
//! end however it dies, SIGKILL included. The clean-up itself belongs to the caller.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpgid, getpid};

/// Message kind, followed by the process group to watch over: four bytes, little endian.
const GROUP: u8 = b'g';
/// Message kind: rock-wrap has cleaned up by itself.
const DISMISSED: u8 = b'd';

/// Time for a build that lost its rock-wrap to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(10);

/// Interval between two checks whether it has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// A running guard.
#[derive(Debug)]
pub struct Guard {
    child: Child,
    pipe: ChildStdin,
}

impl Guard {
    /// Starts this executable with `args` as the guard. The guard gets `part` as its standard
    /// output, so that a lock stays held until the guard is done too.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(args: &[OsString], part: Option<OwnedFd>) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(part.map_or_else(Stdio::null, Stdio::from))
            .spawn()?;
        let pipe = child.stdin.take().expect("it was asked for");
        Ok(Self { child, pipe })
    }

    /// Makes the child of `command`, which will lead its own process group, report the group to the
    /// guard before it executes the program. If rock-wrap reported it after the start, a kill in
    /// between would leave the build behind.
    ///
    /// # Errors
    /// If no descriptors are left.
    pub fn watch_over(&self, command: &mut Command) -> io::Result<()> {
        let pipe = self.pipe.as_fd().try_clone_to_owned()?;
        let tell = move || {
            let mut message = [GROUP; 1 + size_of::<i32>()];
            message[1..].copy_from_slice(&getpid().as_raw().to_le_bytes());
            rustix::io::write(&pipe, &message)?;
            Ok(())
        };
        // SAFETY: two system calls on a descriptor that the closure owns, and no allocation.
        unsafe { command.pre_exec(tell) };
        Ok(())
    }

    /// Ends the guard: there is nothing left to clean up.
    pub fn dismiss(mut self) {
        // If the guard is already gone, it need not be dismissed.
        let _ = self.pipe.write_all(&[DISMISSED]);
        drop(self.pipe);
        let _ = self.child.wait();
    }
}

/// How the messages on the guard's pipe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// rock-wrap has cleaned up by itself.
    Dismissed,
    /// rock-wrap died without dismissing the guard. Contains its build's process group if one was
    /// started.
    Orphaned(Option<Pid>),
}

/// Reads the pipe to its end, in the guard.
pub fn listen(mut pipe: impl Read) -> Told {
    let mut group = None;
    let mut kind = [0];
    while pipe.read_exact(&mut kind).is_ok() {
        match kind[0] {
            GROUP => {
                let mut number = [0; 4];
                if pipe.read_exact(&mut number).is_ok() {
                    group = Some(Pid::from_raw(i32::from_le_bytes(number)));
                }
            }
            DISMISSED => return Told::Dismissed,
            _ => {}
        }
    }
    Told::Orphaned(group)
}

/// Ends a process group: SIGTERM, and SIGKILL after `PATIENCE`. Returns when none of its
/// processes runs.
pub fn end(group: Pid) {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let _ = killpg(group, signal);
        // A stopped process handles SIGTERM only once it continues.
        let _ = killpg(group, Signal::SIGCONT);
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if !runs(group) {
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}

/// Whether a process of the group runs. The kernel also counts zombies, and in a container without
/// an init nobody ever waits for them.
fn runs(group: Pid) -> bool {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.any(|pid: i32| {
        getpgid(Some(Pid::from_raw(pid))) == Ok(group)
            && std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
                // The process name before the state may contain any character.
                let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
                !state.starts_with(['Z', 'X'])
            })
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn the_last_word_decides() {
        let group = [&[GROUP][..], &42_i32.to_le_bytes()].concat();
        assert_eq!(listen(&group[..]), Told::Orphaned(Some(Pid::from_raw(42))));
        assert_eq!(listen(&[][..]), Told::Orphaned(None));
        assert_eq!(listen(&group[..3]), Told::Orphaned(None));
        let dismissed = [&group[..], &[DISMISSED]].concat();
        assert_eq!(listen(&dismissed[..]), Told::Dismissed);
    }

    #[test]
    fn a_group_is_ended_with_its_children_and_one_that_is_gone_is_no_trouble() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 1000 & sleep 1000"])
            .process_group(0)
            .spawn()
            .unwrap();
        let group = Pid::from_raw(shell.id().cast_signed());
        assert!(runs(group));
        end(group);
        assert!(!runs(group));
        assert_eq!(shell.wait().unwrap().signal(), Some(15));
        end(group);
    }
}
