//! Tracks the processes of the calls that are running.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Resource, getrlimit, pidfd_open};

use crate::shared::call_log::Event;

/// Milliseconds in a unit of the start time in `/proc/<pid>/stat`: USER_HZ is 100 on every x86-64
/// kernel.
const TICK: u64 = 10;

/// Process descriptors by the index of the call.
#[derive(Debug)]
pub struct Running {
    open: HashMap<usize, OwnedFd>,
    most: usize,
}

/// The result of opening a call's process.
#[derive(Debug)]
pub enum Opened {
    /// It runs, or is a zombie.
    Runs(OwnedFd),
    /// It no longer exists.
    Over,
    /// It cannot be watched.
    Unknown,
}

impl Running {
    /// Starts without processes. At most half of this process's descriptor limit is used; the rest is for others.
    #[must_use]
    pub fn new() -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self {
            open: HashMap::new(),
            most: usize::try_from(limit / 2).unwrap_or(usize::MAX),
        }
    }

    /// Opens the process of a call.
    #[must_use]
    pub fn open(&self, event: &Event) -> Opened {
        let pid = i32::try_from(event.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid.filter(|_| self.open.len() < self.most) else {
            return Opened::Unknown;
        };
        match pidfd_open(pid, PidfdFlags::empty()) {
            // The kernel may have reused the process id.
            Ok(process) => match started(event.pid) {
                Some(started) if started <= event.start => Opened::Runs(process),
                _ => Opened::Over,
            },
            Err(Errno::SRCH) => Opened::Over,
            // No descriptors left, or a kernel or a sandbox without pidfds.
            Err(_) => Opened::Unknown,
        }
    }

    /// Keeps the process of the call `index` open.
    pub fn keep(&mut self, index: usize, process: OwnedFd) {
        self.open.insert(index, process);
    }

    /// The indices of the running calls.
    pub fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.open.keys().copied()
    }

    /// Closes the process of the call `index`.
    pub fn ended(&mut self, index: usize) {
        self.open.remove(&index);
    }
}

/// When the process started, as a time since boot; rounded down.
fn started(pid: u32) -> Option<Duration> {
    start_in(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn start_in(stat: &str) -> Option<Duration> {
    // The 20th field after the process name, which may contain any character (proc_pid_stat(5)).
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks: u64 = fields.split(' ').nth(19)?.parse().ok()?;
    Some(Duration::from_millis(ticks.saturating_mul(TICK)))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::report::since_boot;

    fn event(pid: u32, start: Duration) -> Event {
        let line = format!("direct\tx\t-\t0\t{pid}\t{}\t-\t-\t-\n", start.as_nanos());
        crate::shared::call_log::read(line.as_bytes()).remove(0)
    }

    #[test]
    fn a_process_is_opened_while_it_runs_and_not_if_its_number_is_older_than_it() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let running = Running::new();
        let open = |start| running.open(&event(child.id(), start));
        assert!(matches!(open(since_boot()), Opened::Runs(_)));
        assert!(
            matches!(open(Duration::ZERO), Opened::Over),
            "another process's number"
        );
        drop(child.stdin.take());
        let pid = child.id();
        assert!(child.wait().unwrap().success());
        assert!(matches!(
            running.open(&event(pid, since_boot())),
            Opened::Over
        ));
    }

    #[test]
    fn a_start_is_read_however_long_the_machine_has_been_up() {
        let day = Duration::from_secs(24 * 60 * 60);
        for days in [1, 498, 5000] {
            let ticks = (day * days).as_millis() / u128::from(TICK);
            let stat = format!("7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {ticks} 0 0\n");
            assert_eq!(start_in(&stat), Some(day * days), "{days} days");
        }
    }

    #[test]
    fn with_too_many_open_the_rest_is_unknown() {
        let running = Running {
            most: 0,
            ..Running::new()
        };
        let own = event(std::process::id(), since_boot());
        assert!(matches!(running.open(&own), Opened::Unknown));
    }
}
