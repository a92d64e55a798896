//! Install, restore, switch and upgrade survive anything: the real binary, real processes and real
//! system calls. What a power cut loses is simulated in the unit tests of `divert` instead: no
//! process that is killed ever loses what it had written.
//!
//! The quick form takes a sample where a full one would take long; `ROCK_WRAP_TEST_FULL=1` runs
//! everything. Counts, and what could not be had here, are printed past the test harness's capture.

mod errors;
mod inject;
mod kill;
mod lock;
mod packages;
mod places;
mod races;
mod recovery;
mod sessions;
mod signals;
mod tree;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::support::compilers::full;

/// Keeps apart the tests whose compiles never stop and those that restore as a user without rights: this user cannot
/// see which tree another user's compile belongs to, so the restore waits for every one.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says something that has to be seen although the test passes.
macro_rules! report {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        // A harness that captures output does not see this stream; nothing else depends on it.
        let _ = writeln!(std::io::stderr(), "survive: {}", format_args!($($arg)*));
    }};
}
pub(crate) use report;
