//! Install, restore, switch and upgrade under faults, with the real binary, real processes and real system calls.
//! Power cuts are simulated in `src/install/tests` instead: a killed process never loses what it has written.
//!
//! The quick form tests a sample where the full one takes long; `ROCK_WRAP_TEST_FULL=1` runs everything. Counts and
//! skipped cases are printed past the test harness's capture.

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

/// Keeps tests whose compiles never stop from running beside tests that restore as an unprivileged user. That user
/// cannot see which tree another user's compile belongs to, so the restore waits for every compile.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints a line that must be visible even when the test passes.
macro_rules! report {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        // The harness does not capture writes to this stream. A failed write does not matter.
        let _ = writeln!(std::io::stderr(), "survive: {}", format_args!($($arg)*));
    }};
}
pub(crate) use report;
