//! Texts that are generated and committed: documents and snapshots.

use std::path::{Path, PathBuf};

/// The variable that requests to rewrite the texts instead of comparing them.
const REWRITE: &str = "ROCK_WRAP_WRITE_DOCS";

/// The absolute path of `path` in the source tree.
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares a committed file with the text that it should have, or writes that text.
///
/// # Panics
/// If the texts differ. The message contains the first line that differs.
#[track_caller]
pub fn assert_current(path: &str, expected: &str) {
    let file = source(path);
    if std::env::var_os(REWRITE).is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, expected).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    if found == expected {
        return;
    }
    let lines = found.lines().zip(expected.lines());
    let same = lines.take_while(|(found, expected)| found == expected);
    let at = same.count();
    panic!(
        "{path}, line {}: found {:?}, expected {:?}; {REWRITE}=1 rewrites it",
        at + 1,
        found.lines().nth(at).unwrap_or_default(),
        expected.lines().nth(at).unwrap_or_default()
    );
}
