//! Watches a session's calls while the build runs, to learn when they end.
//!
//! The shim becomes the compiler or the launcher by `execve`, so no code inside a call sees its
//! end. But the process stays the same. When a line appears in the log, its process is opened as a
//! pidfd, which becomes readable when the process ends. This costs the shim nothing.
//!
//! Owns: the watching thread. Must never fail a build: a call that cannot be watched has an unknown
//! end.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::inotify;
use rustix::io::Errno;
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::call::{EndTime, ObservedCall};
use super::given::Interner;
use super::parts::of_line;
use super::process::{Opened, Running};
use super::progress::Progress;
use super::tail::Tail;
use crate::shared::call_log::{Event, Reader, Record};

/// How often the log is checked if inotify is not available.
const WITHOUT_INOTIFY: Duration = Duration::from_millis(20);

/// How often the progress is updated.
const PROGRESS: Duration = Duration::from_millis(250);

/// Identifies an event of the epoll instance; smaller numbers are indices of calls.
const STOP: u64 = u64::MAX;
const LOG: u64 = u64::MAX - 1;

/// The current time on the clock of [`Event::start`].
#[must_use]
pub fn since_boot() -> Duration {
    // Never negative: boot was in the past.
    clock_gettime(ClockId::Boottime)
        .try_into()
        .unwrap_or_default()
}

/// What was observed of a session.
#[derive(Debug, Default)]
pub struct Watched {
    /// Every call, in the order of the log.
    pub calls: Vec<ObservedCall>,
    /// The lines of the log about compiles that were split.
    pub parts: Vec<u8>,
}

/// A thread that watches the calls of a session.
pub struct Watch {
    thread: JoinHandle<Watched>,
    stop: OwnedFd,
}

impl Watch {
    /// Watches the calls that are written to `log`, and keeps `progress` up to date.
    ///
    /// # Errors
    /// If the log cannot be opened, or the kernel has no resources left to watch it.
    pub fn start(log: &Path, progress: Option<Arc<Progress>>) -> io::Result<Self> {
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
            reader: Reader::default(),
            calls: Vec::new(),
            parts: Vec::new(),
            by_process: HashMap::new(),
            interner: Interner::default(),
            running: Running::new(),
            progress,
            shown: since_boot(),
            punched: 0,
        };
        let thread = thread::Builder::new().name("watch".to_owned());
        let thread = thread.spawn(|| watcher.run())?;
        Ok(Self { thread, stop })
    }

    /// Stops after the end of the build, and returns what was seen.
    #[must_use]
    pub fn finish(self) -> Watched {
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
    reader: Reader,
    calls: Vec<ObservedCall>,
    parts: Vec<u8>,
    /// The last call of each process ID.
    by_process: HashMap<u32, usize>,
    interner: Interner,
    running: Running,
    progress: Option<Arc<Progress>>,
    /// When the progress was last updated.
    shown: Duration,
    /// How many bytes of the log take no space any more.
    punched: u64,
}

impl Watcher {
    fn run(mut self) -> Watched {
        let period = match (&self.changes, &self.progress) {
            (None, _) => Some(WITHOUT_INOTIFY),
            (Some(_), Some(_)) => Some(PROGRESS),
            (Some(_), None) => None,
        };
        let period = period.map(|time| Timespec::try_from(time).expect("a short time"));
        let mut stopped = false;
        while !stopped {
            stopped = self.wait(period.as_ref());
            self.read_log();
            self.show();
        }
        // Collect ends that coincided with the end of the build.
        self.wait(Some(&Timespec::default()));
        Watched {
            calls: self.calls,
            parts: self.parts,
        }
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
                    let call = &mut self.calls[index];
                    call.end = EndTime::At(now);
                    call.produced = call.event.object().map(|object| object.exists());
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
        let lines = self.log.lines();
        self.give_back();
        for record in self.reader.read(&lines) {
            match record {
                Record::Call(event) => self.add(event),
                Record::Text(process, text) => {
                    let texts = self.interner.texts(text);
                    if let Some(call) = self.call_of(process) {
                        call.texts = Some(texts);
                    }
                }
                Record::Compiled(process) => {
                    if let Some(call) = self.call_of(process) {
                        call.compiled = true;
                    }
                }
                Record::Memory(process, size) => {
                    if let Some(call) = self.call_of(process) {
                        call.memory = Some(size);
                    }
                }
            }
        }
        // A call's own line precedes the line of its parts.
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let text = std::str::from_utf8(line.trim_ascii_end()).ok();
            if let Some((process, parts)) = text.and_then(of_line) {
                self.parts.extend_from_slice(line);
                if let Some(call) = self.call_of(process) {
                    call.parts = parts;
                }
            }
        }
    }

    /// Updates the progress, unless that was just done.
    fn show(&mut self) {
        let now = since_boot();
        if let Some(progress) = &self.progress
            && now.saturating_sub(self.shown) >= PROGRESS
        {
            let running = self.running.indices().map(|index| &self.calls[index]);
            progress.update(&self.calls, running);
            self.shown = now;
        }
    }

    /// Gives the space of what was read back to the file system: the stand-in's records of a large build would fill it.
    fn give_back(&mut self) {
        const WORTH_IT: u64 = 4 * 1024 * 1024;
        let read = self.log.position();
        if read - self.punched >= WORTH_IT {
            // Not every file system supports this.
            let _ = self.log.punch(self.punched, read - self.punched);
            self.punched = read;
        }
    }

    fn call_of(&mut self, process: u32) -> Option<&mut ObservedCall> {
        self.calls.get_mut(*self.by_process.get(&process)?)
    }

    fn add(&mut self, event: Event) {
        let index = self.calls.len();
        self.by_process.insert(event.pid, index);
        let (end, given) = match self.running.open(&event) {
            Opened::Runs(process) => {
                let given = self.interner.given(event.pid, process.as_fd());
                (self.watch(index, process), given)
            }
            Opened::Over => (EndTime::Before(since_boot()), None),
            Opened::Unknown => (EndTime::Unknown, None),
        };
        let call = ObservedCall::new(event, end);
        self.calls.push(ObservedCall { given, ..call });
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
        let watch = Watch::start(log.path(), None).unwrap();
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
        let calls = watch.finish().calls;
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
        let watch = Watch::start(log.path(), None).unwrap();
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
        let calls = watch.finish().calls;
        let EndTime::At(end) = calls[0].end else {
            panic!("{:?}", calls[0])
        };
        assert!(logged <= end && end <= since_boot());
        assert_eq!(calls[1].end, EndTime::Unknown);
        drop(lasts.stdin.take());
        assert!(ends.wait().unwrap().success() && lasts.wait().unwrap().success());
    }
}
