//! Tests that are skipped because a compiler or launcher is missing. Each is reported past the test harness, which
//! captures the output of tests that pass, and is written to a file that `scripts/test.sh` sums up.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

/// Records that the running test is skipped for `what`, and why.
pub fn skip(what: &str, why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    // Nothing depends on whether anybody sees this line.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test} wants {what}: {why}");
    let skips = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/skipped-tests");
    let mut skips = File::options()
        .append(true)
        .create(true)
        .open(skips)
        .unwrap();
    let line = format!("{what}\t{test}\t{why}\n");
    skips.write_all(line.as_bytes()).unwrap();
}
