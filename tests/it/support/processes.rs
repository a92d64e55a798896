//! Waiting for other processes, and finding the guard of a session.

use std::time::{Duration, Instant};

use nix::unistd::Pid;

/// Longer than any wait takes, even on a machine under load.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `look` finds something that another process brings about. Panics after [`LIMIT`].
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

/// The guard of the session `run`: its child that was started as `guard`. Waits for it, because a parent is told of an
/// exec shortly before the new command line can be read. Looks at the parents of all processes, because
/// /proc/PID/task/TID/children may leave some out while others come and go (proc(5)).
#[track_caller]
pub fn guard_of(run: Pid) -> Pid {
    let parent = format!("PPid:\t{run}");
    let is_guard = |pid: &i32| {
        // A process that is gone is not the guard.
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        status.lines().any(|line| line == parent)
            && line.split(|byte| *byte == 0).nth(1) == Some(b"guard")
    };
    eventually("there is a guard", || {
        let processes = std::fs::read_dir("/proc").unwrap();
        let pids = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        let guards: Vec<_> = pids.filter(is_guard).map(Pid::from_raw).collect();
        assert!(guards.len() <= 1, "more than one guard: {guards:?}");
        guards.first().copied()
    })
}
