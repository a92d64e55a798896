//! Reads from ninja's log what it ran besides the compiler calls: links, code generators, other compilers.
//!
//! ninja writes `.ninja_log` into the directory that it runs in: for each output, when its command began and ended, in
//! milliseconds since ninja began, and the output's modification time (versions 5 to 7).

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Unit;

/// A command that ninja ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The output that it made.
    pub output: String,
    /// Seconds from the beginning of the build, if that is known.
    pub start: Option<f64>,
    /// How long it took.
    pub seconds: f64,
}

/// The steps of a build that began at `started` (seconds since 1970), except those that made the output of one of
/// `units`. Looks for ninja's log in the units' directories.
#[must_use]
pub fn steps(units: &[Unit], started: f64) -> Vec<Step> {
    let directories: BTreeSet<&str> = units
        .iter()
        .filter_map(|unit| unit.directory.as_deref())
        .collect();
    let read = |directory: &str| {
        let log = std::fs::read_to_string(Path::new(directory).join(".ninja_log")).ok()?;
        Some(of_log(&log, directory, units, started))
    };
    directories.into_iter().filter_map(read).flatten().collect()
}

fn of_log(log: &str, directory: &str, units: &[Unit], started: f64) -> Vec<Step> {
    // A build that is continued appends to the log, so the last entry of an output counts.
    let mut entries = HashMap::<&str, (f64, f64)>::new();
    for line in log.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [start, end, modified, output, _] = fields[..] else {
            continue;
        };
        let (Ok(start), Ok(end)) = (start.parse::<f64>(), end.parse::<f64>()) else {
            continue;
        };
        let is_new = modified
            .parse::<f64>()
            .is_ok_and(|modified| modified / 1e9 >= started);
        if is_new {
            entries.insert(output, (start / 1000.0, end / 1000.0));
        }
    }
    let made = |unit: &Unit| -> Option<PathBuf> {
        let output =
            Path::new(unit.directory.as_deref().unwrap_or_default()).join(unit.output.as_ref()?);
        Some(output.strip_prefix(directory).unwrap_or(&output).to_owned())
    };
    let own: HashMap<PathBuf, f64> = units
        .iter()
        .filter_map(|unit| Some((made(unit)?, unit.start)))
        .collect();
    // When ninja began, on the clock of the units: the shim decides about a call right after its command has begun.
    let offsets = entries
        .iter()
        .filter_map(|(output, (start, _))| Some(own.get(Path::new(output))? - start));
    let offset = offsets.min_by(f64::total_cmp);
    let mut steps: Vec<Step> = { entries.iter() }
        .filter(|(output, _)| !own.contains_key(Path::new(output)))
        .map(|(output, (start, end))| Step {
            output: (*output).to_owned(),
            start: offset.map(|offset| ((offset + start).max(0.0) * 1e3).round() / 1e3),
            seconds: ((end - start) * 1e3).round() / 1e3,
        })
        .collect();
    steps.sort_by(|a, b| {
        b.seconds
            .total_cmp(&a.seconds)
            .then_with(|| a.output.cmp(&b.output))
    });
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_call_made_is_a_step_at_the_time_of_the_build() {
        let unit = Unit {
            start: 12.5,
            output: Some("CMakeFiles/a.dir/a.o".to_owned()),
            directory: Some("/build".to_owned()),
            ..Unit::default()
        };
        let log = "# ninja log v6\n\
            500\t900\t1000000000000000000\tCMakeFiles/a.dir/a.o\t1\n\
            900\t4150\t1000000000000000000\tliba.so\t2\n\
            0\t9000\t900000000000000000\tof-an-earlier-build.o\t3\n\
            nonsense\n";
        let step = Step {
            output: "liba.so".to_owned(),
            start: Some(12.9),
            seconds: 3.25,
        };
        assert_eq!(of_log(log, "/build", &[unit], 1e9), [step]);
        assert_eq!(of_log(log, "/build", &[], 1e9).len(), 2);
    }
}
