//! Watches a session's calls while the build runs, to learn when they end.
//!
//! The shim becomes the compiler or the launcher by `execve`, so no code inside a call sees its
//! end. But the process stays the same. When a line appears in the log, its process is opened as a
//! pidfd, which becomes readable when the process ends. This costs the shim nothing.
//!
//! Owns: the watching thread. Must never fail a build: a call that cannot be watched has an unknown
//! end.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::inotify;
use rustix::io::Errno;
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::call::{EndTime, ObservedCall};
use super::process::{Opened, Running};
use super::tail::Tail;
use crate::shared::call_log;

/// How often the log is checked if inotify is not available.
const WITHOUT_INOTIFY: Duration = Duration::from_millis(20);

/// Identifies an event of the epoll instance; smaller numbers are indices of calls.
const STOP: u64 = u64::MAX;
const LOG: u64 = u64::MAX - 1;

/// The current time on the clock of [`call_log::Event::start`].
#[must_use]
pub fn since_boot() -> Duration {
    // Never negative: boot was in the past.
    clock_gettime(ClockId::Boottime)
        .try_into()
        .unwrap_or_default()
}

/// A thread that watches the calls of a session.
pub struct Watch {
    thread: JoinHandle<Vec<ObservedCall>>,
    stop: OwnedFd,
}

impl Watch {
    /// Watches the calls that are written to `log`.
    ///
    /// # Errors
    /// If the log cannot be opened, or the kernel has no resources left to watch it.
    pub fn start(log: &Path) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC)?;
        let readable = epoll::EventFlags::IN;
        epoll::add(&epoll, &stop, epoll::EventData::new_u64(STOP), readable)?;
        let changes = changes(log).and_then(|changes| {
            epoll::add(&epoll, &changes, epoll::EventData::new_u64(LOG), readable)?;
            Ok(changes)
        });
        let watcher = Watcher {
            epoll,
            changes: changes
                .inspect_err(|error| tracing::debug!(%error, "no inotify"))
                .ok(),
            log: Tail::from(log, 0)?,
            calls: Vec::new(),
            running: Running::new(),
        };
        let thread = thread::Builder::new().name("watch".to_owned());
        let thread = thread.spawn(|| watcher.run())?;
        Ok(Self { thread, stop })
    }

    /// Stops after the end of the build, and returns every call in the order of the log.
    #[must_use]
    pub fn finish(self) -> Vec<ObservedCall> {
        // Cannot fail: adding 1 does not overflow the counter.
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
        self.thread.join().unwrap_or_default()
    }
}

/// A descriptor that is readable when `log` has changed.
fn changes(log: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
    let changes = inotify::init(flags)?;
    inotify::add_watch(&changes, log, inotify::WatchFlags::MODIFY)?;
    Ok(changes)
}

struct Watcher {
    epoll: OwnedFd,
    /// The inotify instance, if available.
    changes: Option<OwnedFd>,
    log: Tail,
    calls: Vec<ObservedCall>,
    running: Running,
}

impl Watcher {
    fn run(mut self) -> Vec<ObservedCall> {
        let period = self
            .changes
            .is_none()
            .then(|| Timespec::try_from(WITHOUT_INOTIFY).expect("a short time"));
        let mut stopped = false;
        while !stopped {
            stopped = self.wait(period.as_ref());
            self.read_log();
        }
        // Collect ends that coincided with the end of the build.
        self.wait(Some(&Timespec::default()));
        self.calls
    }

    /// Waits for an event, and records which calls have ended. Returns whether the build has ended.
    fn wait(&mut self, limit: Option<&Timespec>) -> bool {
        let mut happened = Vec::with_capacity(64);
        match epoll::wait(&self.epoll, spare_capacity(&mut happened), limit) {
            Ok(_) | Err(Errno::INTR) => {}
            // Should not happen; if it does, it would happen on every call.
            Err(_) => return true,
        }
        let now = since_boot();
        let mut stopped = false;
        for event in happened {
            match event.data.u64() {
                STOP => stopped = true,
                LOG => self.forget_changes(),
                index => {
                    let index = usize::try_from(index).expect("an index that we gave");
                    self.calls[index].end = EndTime::At(now);
                    self.running.ended(index);
                }
            }
        }
        stopped
    }

    /// Drains the inotify instance. Its events carry no information beyond "there is something to
    /// read".
    fn forget_changes(&self) {
        let mut told = [MaybeUninit::uninit(); 4096];
        if let Some(changes) = &self.changes {
            let _ = rustix::io::read(changes, &mut told[..]);
        }
    }

    fn read_log(&mut self) {
        for event in call_log::read(&self.log.lines()) {
            let index = self.calls.len();
            let end = match self.running.open(&event) {
                Opened::Runs(process) => self.watch(index, process),
                Opened::Over => EndTime::Before(since_boot()),
                Opened::Unknown => EndTime::Unknown,
            };
            self.calls.push(ObservedCall {
                event,
                end,
                outcome: None,
            });
        }
    }

    fn watch(&mut self, index: usize, process: OwnedFd) -> EndTime {
        let data = epoll::EventData::new_u64(index as u64);
        if epoll::add(&self.epoll, &process, data, epoll::EventFlags::IN).is_ok() {
            self.running.keep(index, process);
        }
        EndTime::Unknown
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    #[test]
    fn calls_that_are_logged_at_the_same_time_are_all_there_with_what_is_known_of_their_ends() {
        const WRITERS: u32 = 4;
        const CALLS: u32 = 1000;
        let log = tempfile::NamedTempFile::new().unwrap();
        let watch = Watch::start(log.path()).unwrap();
        let write = |writer| {
            let mut log = OpenOptions::new().append(true).open(log.path()).unwrap();
            for call in 0..CALLS {
                // No process has such an id (PID_MAX_LIMIT is 2^22).
                let pid = (1 << 23) + writer * CALLS + call;
                let line = format!("direct\tx\t-\t0\t{pid}\t1\t-\t-\t-\n");
                log.write_all(line.as_bytes()).unwrap();
            }
        };
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                scope.spawn(move || write(writer));
            }
        });
        let calls = watch.finish();
        let pids: std::collections::BTreeSet<_> = calls.iter().map(|call| call.event.pid).collect();
        assert_eq!(pids.len(), (WRITERS * CALLS) as usize);
        assert!(
            calls
                .iter()
                .all(|call| matches!(call.end, EndTime::Before(_)))
        );
    }

    #[test]
    fn the_end_of_a_process_is_seen_and_one_that_outlives_the_build_has_none() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        let watch = Watch::start(log.path()).unwrap();
        let start = || {
            let mut cat = std::process::Command::new("cat");
            cat.stdin(std::process::Stdio::piped()).spawn().unwrap()
        };
        let (mut ends, mut lasts) = (start(), start());
        let logged = since_boot();
        for child in [&ends, &lasts] {
            let (pid, now) = (child.id(), logged.as_nanos());
            writeln!(log, "direct\tx\t-\t0\t{pid}\t{now}\t-\t-\t-").unwrap();
        }
        // A zombie is still a process, so its end cannot be missed in a race.
        drop(ends.stdin.take());
        let mut zombie = String::new();
        while !zombie.contains(") Z ") {
            let stat = format!("/proc/{}/stat", ends.id());
            zombie = std::fs::read_to_string(stat).unwrap();
        }
        let calls = watch.finish();
        let EndTime::At(end) = calls[0].end else {
            panic!("{:?}", calls[0])
        };
        assert!(logged <= end && end <= since_boot());
        assert_eq!(calls[1].end, EndTime::Unknown);
        drop(lasts.stdin.take());
        assert!(ends.wait().unwrap().success() && lasts.wait().unwrap().success());
    }
}
