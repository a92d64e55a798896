//! Checks the clocks: launchers and the shim tell old files from new ones by time.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::bench::Bench;
use super::scratch::DoctorError;
use super::{Finding, Subject};

const CHECK: &str = "clocks";

/// The accepted difference. A file system's clock is a server's clock, or the kernel's, rounded down to its tick.
const TOLERANCE: Duration = Duration::from_secs(2);

/// How many of the tree's files are checked.
const BUDGET: usize = 5000;

/// Checks that file systems and this machine agree about the time, and that no header is from the
/// future.
pub fn clocks(subject: &Subject, bench: &Bench) -> Result<Vec<Finding>, DoctorError> {
    let mut findings = Vec::new();
    for dir in [Path::new("."), bench.dir()] {
        // Skip a directory that cannot be written to.
        if let Ok(written) = time_in(dir) {
            findings.extend(skew(dir, written, SystemTime::now()));
        }
    }
    let mut budget = BUDGET;
    let newer = newest(&subject.tree.root.join("include"), &mut budget);
    findings.extend(newer.and_then(|(path, time)| from_the_future(&path, time, SystemTime::now())));
    if findings.is_empty() {
        findings.push(Finding::ok(
            CHECK,
            "the clocks agree, and no header is newer than now",
        ));
    }
    Ok(findings)
}

fn time_in(dir: &Path) -> io::Result<SystemTime> {
    use io::Write;
    let mut file = tempfile::tempfile_in(dir)?;
    file.write_all(b"tick")?;
    file.metadata()?.modified()
}

fn skew(dir: &Path, written: SystemTime, now: SystemTime) -> Option<Finding> {
    let apart = |a: SystemTime, b: SystemTime| a.duration_since(b).unwrap_or_default();
    let skew = apart(written, now).max(apart(now, written));
    (skew > TOLERANCE).then(|| {
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let statement = format!(
            "the file system of {} is not on this machine's time",
            dir.display()
        );
        Finding::warning(CHECK, statement)
            .evidence(format!("{} seconds apart", skew.as_secs()))
            .remedy("synchronise the clocks of this machine and of the file server")
    })
}

fn from_the_future(path: &Path, time: SystemTime, now: SystemTime) -> Option<Finding> {
    let ahead = time
        .duration_since(now)
        .ok()
        .filter(|ahead| *ahead > TOLERANCE)?;
    let statement = format!("{} is newer than now", path.display());
    Some(
        Finding::warning(CHECK, statement)
            .evidence(format!(
                "by {} seconds; launchers do not trust such a header, and run the preprocessor",
                ahead.as_secs()
            ))
            .remedy("`touch` it, or unpack the tree again"),
    )
}

/// The newest file below `dir`; visits at most `budget` entries.
fn newest(dir: &Path, budget: &mut usize) -> Option<(PathBuf, SystemTime)> {
    let mut found = Vec::new();
    for entry in dir.read_dir().ok()?.flatten() {
        if *budget == 0 {
            break;
        }
        *budget -= 1;
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(newest(&path, budget));
        } else if let Ok(time) = path.metadata().and_then(|meta| meta.modified()) {
            found.push((path, time));
        }
    }
    found.into_iter().max_by_key(|(_, time)| *time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clocks_that_are_seconds_apart_are_told() {
        let now = SystemTime::now();
        let later = now + Duration::from_secs(60);
        let dir = Path::new("/");
        assert_eq!(skew(dir, now, now + Duration::from_secs(1)), None);
        assert!(skew(dir, now, later).is_some() && skew(dir, later, now).is_some());
        assert!(from_the_future(dir, later, now).is_some());
        assert_eq!(from_the_future(dir, now, later), None);
    }

    #[test]
    fn the_newest_file_is_found_in_subdirectories() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("hip")).unwrap();
        for name in ["old.h", "hip/new.h"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let time = SystemTime::now() + Duration::from_secs(60);
        let file = std::fs::File::options()
            .write(true)
            .open(dir.path().join("hip/new.h"));
        file.unwrap().set_modified(time).unwrap();
        let (path, _) = newest(dir.path(), &mut 100).unwrap();
        assert_eq!(path, dir.path().join("hip/new.h"));
        assert!(newest(dir.path(), &mut 0).is_none());
    }
}
