//! Other processes: what they bring about, and which one is the guard of a session.

use std::time::{Duration, Instant};

use nix::unistd::Pid;

/// Longer than anything that is waited for takes on a machine under load.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits for something that another process brings about.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "{what} in vain");
        std::thread::yield_now();
    }
}

/// The child of the session `run` that is its guard. A parent is told of an exec shortly before the new command line is
/// there to be read, so it may have to be waited for. By their parents, since /proc/PID/task/TID/children may leave some
/// out while others come and go (proc(5)).
#[track_caller]
pub fn guard_of(run: Pid) -> Pid {
    let parent = format!("PPid:\t{run}");
    let is_guard = |pid: &i32| {
        // A process that is gone is no guard.
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        status.lines().any(|line| line == parent)
            && line.split(|byte| *byte == 0).nth(1) == Some(b"guard")
    };
    eventually("a guard", || {
        let processes = std::fs::read_dir("/proc").unwrap();
        let pids = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        let guards: Vec<_> = pids.filter(is_guard).map(Pid::from_raw).collect();
        assert!(guards.len() <= 1, "more than one guard: {guards:?}");
        guards.first().copied()
    })
}
