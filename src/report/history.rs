//! The reports of the last two builds with the same command in the same directory, in the user's cache directory.
//!
//! Owns: which file belongs to which build, and how many are kept. Must never fail a build.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::stored::StoredReport;

/// How many files are kept: two for each build.
const KEPT: usize = 40;

/// The directory with the reports of builds.
#[derive(Clone, Debug)]
pub struct History {
    dir: PathBuf,
}

/// One build: the same command in the same directory, whenever it runs.
#[derive(Clone, Debug)]
pub struct Build<'a> {
    history: &'a History,
    name: String,
}

impl History {
    /// The history in the user's cache directory `cache`.
    #[must_use]
    pub fn within(cache: &Path) -> Self {
        Self {
            dir: cache.join("builds"),
        }
    }

    /// The build that runs `command` in `directory`.
    #[must_use]
    pub fn build(&self, directory: &str, command: &[String]) -> Build<'_> {
        let command = command.join("\0");
        Build {
            history: self,
            name: format!("{}-{}", short(directory), short(&command)),
        }
    }

    /// The build that ended last, preferably one in `directory`.
    #[must_use]
    pub fn last(&self, directory: &str) -> Option<Build<'_>> {
        let files = self.files();
        let names: Vec<String> = { files.iter().rev() }
            .filter_map(|(_, path)| {
                let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
                (!name.ends_with(".before")).then(|| name.to_owned())
            })
            .collect();
        let here = short(directory);
        let name = { names.iter() }.find(|name| name.starts_with(&here));
        let name = name.or(names.first())?.clone();
        Some(Build {
            history: self,
            name,
        })
    }

    /// The reports, sorted by the time at which they were written.
    fn files(&self) -> Vec<(std::time::SystemTime, PathBuf)> {
        let entries = self.dir.read_dir().into_iter().flatten().flatten();
        let mut files: Vec<_> = entries
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        files.sort();
        files
    }
}

fn short(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

impl Build<'_> {
    fn path(&self, which: &str) -> PathBuf {
        self.history.dir.join(format!("{}{which}.json", self.name))
    }

    /// The report of the last run.
    #[must_use]
    pub fn last(&self) -> Option<StoredReport> {
        StoredReport::read(&self.path("")).ok()
    }

    /// The report of the run before the last one.
    #[must_use]
    pub fn before(&self) -> Option<StoredReport> {
        StoredReport::read(&self.path(".before")).ok()
    }

    /// Adds a report. The last report becomes the one before.
    ///
    /// # Errors
    /// If the directory cannot be written to.
    pub fn add(&self, json: &[u8]) -> io::Result<()> {
        std::fs::create_dir_all(&self.history.dir)?;
        let mut file = NamedTempFile::new_in(&self.history.dir)?;
        file.write_all(json)?;
        match std::fs::rename(self.path(""), self.path(".before")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        file.persist(self.path(""))?;
        let files = self.history.files();
        for (_, path) in files.iter().rev().skip(KEPT) {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_reports_of_a_build_are_kept_and_found_by_its_directory() {
        let cache = tempfile::tempdir().unwrap();
        let history = History::within(cache.path());
        let command = ["make".to_owned()];
        let report = |seconds: u32| {
            format!(r#"{{"version": 1, "session": {{"seconds": {seconds}}}}}"#).into_bytes()
        };
        let seconds = |report: Option<StoredReport>| report.map(|report| report.session.seconds);
        let build = history.build("/src", &command);
        assert_eq!(seconds(build.last()), None);
        for second in [1, 2, 3] {
            build.add(&report(second)).unwrap();
        }
        assert_eq!(seconds(build.last()), Some(3.0));
        assert_eq!(seconds(build.before()), Some(2.0));
        history.build("/other", &command).add(&report(9)).unwrap();
        assert_eq!(seconds(history.last("/src").unwrap().last()), Some(3.0));
        assert!(history.last("/third").unwrap().last().is_some());
        for number in 0..KEPT {
            let command = [number.to_string()];
            history.build("/src", &command).add(&report(5)).unwrap();
        }
        assert_eq!(history.files().len(), KEPT);
    }
}
