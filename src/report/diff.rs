//! Compares two builds.
//!
//! Pure. Calls are compared by source: all calls that compile the same source count together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::Unit;
use super::stored::StoredReport;
use super::text::elapsed;
use crate::launcher::CacheOutcome;

/// How many sources are listed.
const LISTED: usize = 10;

/// The difference between two builds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The sentence that says what is compared.
    pub text: String,
    /// The figures of both builds.
    pub figures: Vec<Figure>,
    /// The sources whose compiles take another time or end differently, the greatest difference first.
    pub units: Vec<UnitDifference>,
    /// Sources that only the earlier build compiles.
    pub gone: Vec<String>,
    /// Sources that only the later build compiles.
    pub new: Vec<String>,
}

/// A figure, for both builds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What it counts.
    pub name: String,
    /// Its value in the earlier build.
    pub before: f64,
    /// Its value in the later build.
    pub after: f64,
    /// `seconds`, `bytes` or `calls`.
    pub unit: &'static str,
}

/// A source that both builds compile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnitDifference {
    /// The source.
    pub source: String,
    /// The seconds that its calls took in the earlier build.
    pub before: f64,
    /// The seconds that its calls took in the later build.
    pub after: f64,
    /// What became of its calls in the earlier build.
    pub was: String,
    /// What became of its calls in the later build.
    pub is: String,
}

/// What became of the calls that compile one source.
#[derive(Default)]
struct Compiles {
    seconds: f64,
    fates: BTreeSet<&'static str>,
}

impl Compiles {
    fn fates(&self) -> String {
        { self.fates.iter() }
            .copied()
            .collect::<Vec<_>>()
            .join(", ")
    }
}

fn fate(unit: &Unit) -> &'static str {
    match (unit.launched, unit.outcome) {
        (false, _) => "direct",
        (true, Some(outcome)) => outcome.as_str(),
        (true, None) => "launched",
    }
}

fn by_source(report: &StoredReport) -> BTreeMap<String, Compiles> {
    let mut sources = BTreeMap::<String, Compiles>::new();
    for unit in report.units.iter().filter(|unit| unit.source.is_some()) {
        let compiles = sources.entry(unit.path().unwrap_or_default()).or_default();
        compiles.seconds += unit.seconds.unwrap_or_default();
        compiles.fates.insert(fate(unit));
    }
    sources
}

impl Difference {
    /// The difference from `before` to `after`.
    #[must_use]
    pub fn between(before: &StoredReport, after: &StoredReport) -> Self {
        let (was, is) = (by_source(before), by_source(after));
        let missing = |from: &BTreeMap<String, Compiles>, than: &BTreeMap<String, Compiles>| {
            let missing = than.keys().filter(|source| !from.contains_key(*source));
            missing.cloned().collect::<Vec<_>>()
        };
        let mut units: Vec<_> = { is.iter() }
            .filter_map(|(source, now)| {
                let then = was.get(source)?;
                Some(UnitDifference {
                    source: source.clone(),
                    before: then.seconds,
                    after: now.seconds,
                    was: then.fates(),
                    is: now.fates(),
                })
            })
            .filter(|unit| unit.was != unit.is || (unit.before - unit.after).abs() >= 0.05)
            .collect();
        units.sort_by(|a, b| {
            (b.after - b.before)
                .abs()
                .total_cmp(&(a.after - a.before).abs())
        });
        Self {
            text: format!(
                "the build of {} took {}, and that of {} took {}",
                before.session.when(),
                elapsed(Duration::from_secs_f64(before.session.seconds.max(0.0))),
                after.session.when(),
                elapsed(Duration::from_secs_f64(after.session.seconds.max(0.0)))
            ),
            figures: figures(before, after),
            units,
            gone: missing(&is, &was),
            new: missing(&was, &is),
        }
    }

    /// The difference as text.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            self.text.clone(),
            format!("{:28}{:>12}{:>12}", "", "before", "after"),
        ];
        for figure in &self.figures {
            let show = |value| figure.show(value);
            lines.push(format!(
                "{:28}{:>12}{:>12}",
                figure.name,
                show(figure.before),
                show(figure.after)
            ));
        }
        for unit in self.units.iter().take(LISTED) {
            let time = |seconds| elapsed(Duration::from_secs_f64(seconds));
            let (before, after) = (time(unit.before), time(unit.after));
            let fates = match unit.was == unit.is {
                true => unit.is.clone(),
                false => format!("{} -> {}", unit.was, unit.is),
            };
            lines.push(format!(
                "{before:>8} -> {after:<8} {fates:<16} {}",
                unit.source
            ));
        }
        if self.units.len() > LISTED {
            lines.push(format!("and {} more sources", self.units.len() - LISTED));
        }
        for (what, list) in [("no longer compiled", &self.gone), ("new", &self.new)] {
            if !list.is_empty() {
                let few: Vec<&str> = list.iter().take(LISTED).map(String::as_str).collect();
                let more = if list.len() > LISTED { ", ..." } else { "" };
                lines.push(format!("{what}: {} ({}{more})", list.len(), few.join(", ")));
            }
        }
        lines
    }
}

impl Figure {
    fn show(&self, value: f64) -> String {
        match self.unit {
            "seconds" => elapsed(Duration::from_secs_f64(value.max(0.0))),
            "bytes" => super::text::bytes(value as u64),
            _ => format!("{value}"),
        }
    }
}

fn figures(before: &StoredReport, after: &StoredReport) -> Vec<Figure> {
    let figure = |name: &str, unit, of: &dyn Fn(&StoredReport) -> Option<f64>| {
        Some(Figure {
            name: name.to_owned(),
            before: of(before)?,
            after: of(after)?,
            unit,
        })
    };
    let compiling = |report: &StoredReport| -> f64 {
        report.units.iter().filter_map(|unit| unit.seconds).sum()
    };
    let outcomes = |outcome| {
        move |report: &StoredReport| {
            let units = report.units.iter();
            Some(units.filter(|unit| unit.outcome == Some(outcome)).count() as f64)
        }
    };
    let mut figures: Vec<Option<Figure>> = vec![
        figure("elapsed", "seconds", &|report| Some(report.session.seconds)),
        figure("time of all calls", "seconds", &|report| {
            Some(compiling(report))
        }),
        figure("launched", "calls", &|report| {
            Some(report.calls.launched as f64)
        }),
        figure("hits", "calls", &|report| {
            Some(report.cache.as_ref()?.hits as f64)
        }),
        figure("misses", "calls", &|report| {
            Some(report.cache.as_ref()?.misses as f64)
        }),
        figure("failed", "calls", &outcomes(CacheOutcome::Failed)),
        figure("direct", "calls", &|report| {
            Some(report.calls.direct as f64)
        }),
        figure("cache", "bytes", &|report| {
            Some(report.cache.as_ref()?.bytes? as f64)
        }),
        figure("peak memory", "bytes", &|report| {
            Some(report.session.peak_memory? as f64)
        }),
    ];
    let reasons = before.calls.reasons.iter().chain(&after.calls.reasons);
    let reasons: BTreeSet<&str> = reasons.map(|of| of.reason.as_str()).collect();
    for reason in reasons {
        let of = |report: &StoredReport| {
            let own = report.calls.reasons.iter().find(|of| of.reason == reason);
            Some(own.map_or(0.0, |of| of.calls as f64))
        };
        figures.push(figure(&format!("direct: {reason}"), "calls", &of));
    }
    figures.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(seconds: f64, units: &[(&str, f64, CacheOutcome)]) -> StoredReport {
        let unit = |(source, seconds, outcome): &(&str, f64, CacheOutcome)| Unit {
            source: Some((*source).to_owned()),
            seconds: Some(*seconds),
            launched: true,
            outcome: Some(*outcome),
            ..Unit::default()
        };
        let mut report = StoredReport {
            units: units.iter().map(unit).collect(),
            ..StoredReport::default()
        };
        report.session.seconds = seconds;
        report.calls.launched = units.len() as u64;
        report
    }

    #[test]
    fn what_takes_another_time_comes_first_and_what_stays_is_left_out() {
        use CacheOutcome::{Hit, Miss};
        let before = report(
            9.0,
            &[
                ("a.hip", 4.0, Miss),
                ("a.hip", 1.0, Miss),
                ("b.hip", 2.0, Miss),
                ("old.hip", 1.0, Miss),
            ],
        );
        let after = report(
            2.0,
            &[
                ("a.hip", 0.02, Hit),
                ("a.hip", 0.02, Hit),
                ("b.hip", 2.01, Miss),
                ("new.hip", 1.0, Miss),
            ],
        );
        let difference = Difference::between(&before, &after);
        assert_eq!(
            (&difference.gone[..], &difference.new[..]),
            (&["old.hip".to_owned()][..], &["new.hip".to_owned()][..])
        );
        let [unit] = &difference.units[..] else {
            panic!("{:?}", difference.units)
        };
        assert_eq!(
            (
                unit.source.as_str(),
                unit.before,
                unit.was.as_str(),
                unit.is.as_str()
            ),
            ("a.hip", 5.0, "miss", "hit")
        );
        let text = difference.lines().join("\n");
        for part in [
            "elapsed                             9.0s        2.0s",
            "miss -> hit",
            "new: 1 (new.hip)",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
