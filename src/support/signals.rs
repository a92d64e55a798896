//! Handles signals that ask rock-wrap to stop.
//!
//! After [`Signals::watch`] these signals no longer end the process at once, so that a tree can be
//! restored first. A running build gets each of them too.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, killpg, pthread_sigmask, raise,
    sigaction,
};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};

/// No signal, or no process group.
const NONE: i32 = 0;

/// Runs `act`, which changes the terminal, with SIGTTOU blocked in this thread. Otherwise the
/// kernel would stop a background process by that signal.
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

/// The signals that arrived, for the whole process.
#[derive(Clone, Debug)]
pub struct Signals {
    first: Arc<AtomicI32>,
    group: Arc<AtomicI32>,
}

impl Signals {
    /// Watches SIGHUP, SIGINT, SIGQUIT and SIGTERM from now on. Also watches SIGTSTP, which stops
    /// this process as usual unless there is a build to be stopped first.
    ///
    /// # Errors
    /// If a handler cannot be installed.
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
            // An error means that the group has ended, and then it needs no signal.
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }

    /// The first signal that arrived, if any.
    #[must_use]
    pub fn pending(&self) -> Option<i32> {
        Some(self.first.load(Ordering::SeqCst)).filter(|signal| *signal != NONE)
    }

    /// Forwards every further signal to this process group too. A signal that arrived earlier is
    /// forwarded at once, since the group may have been created after it.
    pub fn forward_to(&self, group: Pid) {
        self.group.store(group.as_raw(), Ordering::SeqCst);
        if let Some(Ok(signal)) = self.pending().map(Signal::try_from) {
            let _ = killpg(group, signal);
        }
    }

    /// Ends forwarding, and discards the signals that arrived: they were meant for the build.
    pub fn forwarded(&self) {
        self.group.store(NONE, Ordering::SeqCst);
        self.first.store(NONE, Ordering::SeqCst);
    }
}

/// Stops this process by SIGTSTP with the default action, so that a shell sees the right status.
///
/// # Errors
/// If the action cannot be changed.
pub fn stop_by_terminal() -> nix::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: installs the default action and then the previous one (signal-hook's), both of which
    // were valid before.
    unsafe {
        let caught = sigaction(Signal::SIGTSTP, &default)?;
        let stopped = raise(Signal::SIGTSTP);
        sigaction(Signal::SIGTSTP, &caught)?;
        stopped
    }
}

/// Ends this process by `signal` with the default action, so that the parent sees the right status.
pub fn die_by(signal: i32) -> ! {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    // The default action of this signal does not end a process (or it is SIGKILL, which cannot be
    // raised in this way).
    std::process::exit(128 + signal)
}
