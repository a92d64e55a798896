//! Compares results, and prints and counts the differences.

use super::files::Entry;
use super::site::{Outcome, Probe, Site, in_parallel};
use crate::support::launchers::Cache;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Instant;

/// Prints a line past the test harness, which captures the output of a test that passes. The numbers are what this
/// suite is for.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).unwrap();
    out.write_all(b"\n").unwrap();
}

/// The differences as readable text.
pub fn differences(bare: &Outcome, through: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    if bare.status != through.status {
        found.push(format!("status: {} became {}", bare.status, through.status));
    }
    for (what, bare, through) in [
        ("stdout", &bare.stdout, &through.stdout),
        ("stderr", &bare.stderr, &through.stderr),
    ] {
        if bare != through {
            let mut lines = bare.lines().zip(through.lines()).enumerate();
            let (line, pair) = match lines.find(|(_, (bare, through))| bare != through) {
                Some((line, (bare, through))) => (line, format!("-{bare}\n      +{through}")),
                None => (
                    0,
                    format!(
                        "{} bytes became {}: {bare:?} {through:?}",
                        bare.len(),
                        through.len()
                    ),
                ),
            };
            found.push(format!("{what}, line {}:\n      {pair}", line + 1));
        }
    }
    for (name, entry) in &bare.files {
        match (entry, through.files.get(name)) {
            (_, None) => found.push(format!("{name:?} is missing")),
            (entry, Some(other)) if entry == other => {}
            (Entry::File(mode, bytes), Some(Entry::File(other_mode, other))) => {
                let differing = bytes.iter().zip(other).filter(|(a, b)| a != b).count();
                found.push(format!(
                    "{name:?}: mode {mode:o} and {other_mode:o}, {} and {} bytes, {differing} of them differ",
                    bytes.len(),
                    other.len()
                ));
                if let (Ok(a), Ok(b)) = (std::str::from_utf8(bytes), std::str::from_utf8(other)) {
                    found.push(format!("      -{a}\n      +{b}"));
                }
            }
            _ => found.push(format!("{name:?} is of another kind")),
        }
    }
    for name in through
        .files
        .keys()
        .filter(|name| !bare.files.contains_key(*name))
    {
        found.push(format!("{name:?} is new"));
    }
    found
}

/// The result of one comparison.
#[derive(Default)]
struct Verdict {
    found: Vec<String>,
    other_id: bool,
    other_mode: bool,
    half_said: bool,
}

/// The counts of one or more runs.
#[derive(Default)]
pub struct Tally {
    pub comparisons: usize,
    pub differing: usize,
    /// Equal to a bare compile that was given the id that the shim adds.
    pub other_ids: usize,
    /// Equal, except for file modes that are due to sccache's umask.
    pub other_modes: usize,
    /// Equal, except for messages that sccache does not return.
    pub half_said: usize,
}

impl Tally {
    pub fn say(&self, what: &str, since: Instant) {
        let mut notes = String::new();
        for (count, note) in [
            (self.other_ids, "under the shim's id"),
            (self.other_modes, "but for sccache's umask"),
            (self.half_said, "but for messages lost in sccache"),
        ] {
            if count > 0 {
                write!(notes, "; {count} equal {note}").unwrap();
            }
        }
        say(&format!(
            "transparency: {what}: {} comparisons, {} differing{notes} ({} s)",
            self.comparisons,
            self.differing,
            since.elapsed().as_secs()
        ));
    }

    /// Adds the two counts that the total shows.
    pub fn add(&mut self, other: &Self) {
        self.comparisons += other.comparisons;
        self.differing += other.differing;
    }
}

/// Compares one run with the bare run, and prints the differences.
pub fn compare(
    site: &Site,
    what: &str,
    probes: &[Probe],
    bare: &[Outcome],
    through: &[Outcome],
    cache: Option<&Cache>,
) -> Tally {
    let verdicts = in_parallel(probes.len(), |index| {
        let (probe, through) = (&probes[index], &through[index]);
        let mut bare = bare[index].clone();
        let mut verdict = Verdict::default();
        if cache.is_some_and(Cache::is_sccache) {
            verdict.other_mode = bare.under_sccaches_umask(through);
            if probe.half_said_by_sccache && bare.stderr != through.stderr {
                verdict.half_said = true;
                bare.stderr.clone_from(&through.stderr);
            }
        }
        verdict.found = differences(&bare, through);
        if let Some(cache) = cache
            && probe.makes_id
            && !verdict.found.is_empty()
        {
            verdict.other_id = true;
            verdict.found = site.differs_in_the_id_alone(index, probe, through, cache);
        }
        verdict
    });
    let mut tally = Tally::default();
    for (probe, verdict) in probes.iter().zip(verdicts) {
        tally.comparisons += 1;
        if verdict.found.is_empty() {
            tally.other_ids += usize::from(verdict.other_id);
            tally.other_modes += usize::from(verdict.other_mode);
            tally.half_said += usize::from(verdict.half_said);
            continue;
        }
        tally.differing += 1;
        say(&format!("differs: {what}: {}", probe.shown()));
        for line in verdict.found {
            say(&format!(
                "    {}",
                line.chars().take(2000).collect::<String>()
            ));
        }
    }
    tally
}
