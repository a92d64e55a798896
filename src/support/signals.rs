//! Signals that ask rock-wrap to stop.
//!
//! From the moment that [`Signals::watch`] is called they no longer end the process at once: a tree
//! is put in order first. A build that runs gets each of them too.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, killpg, pthread_sigmask, raise,
    sigaction,
};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};

/// No signal, no process group.
const NONE: i32 = 0;

/// Runs `act` with SIGTTOU blocked in this thread, by which the kernel would stop a process in the
/// background for what `act` does to the terminal.
pub fn without_ttou<T>(act: impl FnOnce() -> T) -> T {
    let mut ttou = SigSet::empty();
    ttou.add(Signal::SIGTTOU);
    let mut before = SigSet::empty();
    // Neither call can fail with these arguments.
    let _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&ttou), Some(&mut before));
    let done = act();
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    done
}

/// The signals that arrived, for all of a process.
#[derive(Clone, Debug)]
pub struct Signals {
    first: Arc<AtomicI32>,
    group: Arc<AtomicI32>,
}

impl Signals {
    /// Watches SIGHUP, SIGINT, SIGQUIT and SIGTERM from now on; and SIGTSTP, which stops this process
    /// as ever unless there is a build to be stopped first.
    ///
    /// # Errors
    /// Where the system refuses a handler.
    pub fn watch() -> std::io::Result<Self> {
        let watched = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP];
        let mut arriving = signal_hook::iterator::Signals::new(watched)?;
        let signals = Self {
            first: Arc::default(),
            group: Arc::default(),
        };
        let of_thread = signals.clone();
        thread::spawn(move || {
            for signal in arriving.forever() {
                of_thread.arrived(signal);
            }
        });
        Ok(signals)
    }

    fn arrived(&self, signal: i32) {
        tracing::debug!(signal, "signal arrived");
        let group = self.group.load(Ordering::SeqCst);
        if signal != SIGTSTP {
            let _ = self
                .first
                .compare_exchange(NONE, signal, Ordering::SeqCst, Ordering::SeqCst);
        } else if group == NONE {
            let _ = stop_by_terminal();
        }
        if group != NONE
            && let Ok(signal) = Signal::try_from(signal)
        {
            // A group that has ended meanwhile needs no signal.
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }

    /// The first signal that arrived, if any did.
    #[must_use]
    pub fn pending(&self) -> Option<i32> {
        Some(self.first.load(Ordering::SeqCst)).filter(|signal| *signal != NONE)
    }

    /// Hands every signal that arrives from now on to this process group too; one that arrived
    /// before is handed over at once, since the group may have been made after it.
    pub fn forward_to(&self, group: Pid) {
        self.group.store(group.as_raw(), Ordering::SeqCst);
        if let Some(Ok(signal)) = self.pending().map(Signal::try_from) {
            let _ = killpg(group, signal);
        }
    }

    /// Ends forwarding, and forgets what arrived: it was meant for the build.
    pub fn forwarded(&self) {
        self.group.store(NONE, Ordering::SeqCst);
        self.first.store(NONE, Ordering::SeqCst);
    }
}

/// Stops this process by SIGTSTP, as if that had never been caught, so that a shell sees the truth.
///
/// # Errors
/// Where the system refuses.
pub fn stop_by_terminal() -> nix::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: neither the default nor what was there before (signal-hook's) does more than it did.
    unsafe {
        let caught = sigaction(Signal::SIGTSTP, &default)?;
        let stopped = raise(Signal::SIGTSTP);
        sigaction(Signal::SIGTSTP, &caught)?;
        stopped
    }
}

/// Ends this process by `signal`, as if it had never been caught, so that whoever started it sees
/// the truth.
pub fn die_by(signal: i32) -> ! {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    // A signal that does not end a process by default (SIGKILL's own number cannot be raised so).
    std::process::exit(128 + signal)
}
