//! Prints the table, writes the JSON and decides about success.

use serde::Serialize;

use super::contest::{Estimate, Results, Spread};

/// The limit that a number must meet.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

/// Whether a number meets its bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Met,
    /// Missed by no more than the noise.
    Unsure,
    Missed,
}

impl Bar {
    fn verdict(self, estimate: Estimate) -> Verdict {
        let (value, noise) = (estimate.value, estimate.noise);
        let short = match self {
            Self::AtMost(bar) => value - bar,
            Self::AtLeast(bar) => bar - value,
        };
        if short <= 0.0 {
            Verdict::Met
        } else if short <= noise {
            Verdict::Unsure
        } else {
            Verdict::Missed
        }
    }

    fn shown(self) -> String {
        match self {
            Self::AtMost(bar) => format!("<= {bar}"),
            Self::AtLeast(bar) => format!(">= {bar}"),
        }
    }
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Row {
    group: &'static str,
    what: String,
    /// Statistics of one call, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Spread>,
    /// The ratio or other measured number.
    value: f64,
    unit: &'static str,
    noise: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bar: Option<Bar>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
}

/// All lines so far.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a line for each command of a contest, with its ratio to the first. `bars` are for
    /// ratios, by index.
    pub fn contest(&mut self, group: &'static str, results: &Results, bars: &[(usize, Bar)]) {
        for index in results.indexes() {
            let bar = bars
                .iter()
                .find(|(of, _)| *of == index)
                .map(|(_, bar)| *bar);
            self.add(
                group,
                results.name(index),
                Some(results.spread(index)),
                results.ratio(index),
                "x",
                bar,
            );
        }
    }

    /// Adds a line for a number that is not a ratio of two commands.
    pub fn number(
        &mut self,
        group: &'static str,
        what: &str,
        estimate: Estimate,
        unit: &'static str,
        bar: Option<Bar>,
    ) {
        self.add(group, what, None, estimate, unit, bar);
    }

    fn add(
        &mut self,
        group: &'static str,
        what: &str,
        time: Option<Spread>,
        estimate: Estimate,
        unit: &'static str,
        bar: Option<Bar>,
    ) {
        let row = Row {
            group,
            what: what.to_owned(),
            time,
            value: estimate.value,
            unit,
            noise: estimate.noise,
            bar,
            verdict: bar.map(|bar| bar.verdict(estimate)),
        };
        // Measuring takes minutes, so print each line at once.
        println!("{}", line(&row));
        self.rows.push(row);
    }

    /// Prints the column heads.
    pub fn head() {
        println!(
            "{:<9} {:<56} {:>11} {:>25}   {:>16}  bar",
            "", "", "median", "min .. quartiles .. max", "value +-noise"
        );
    }

    /// The bars that were missed by more than the noise.
    pub fn missed(&self) -> Vec<String> {
        let missed = self
            .rows
            .iter()
            .filter(|row| row.verdict == Some(Verdict::Missed));
        missed
            .map(|row| format!("{}: {}", row.group, row.what))
            .collect()
    }

    pub fn json(&self, machine: &serde_json::Value) -> serde_json::Value {
        serde_json::json!({ "machine": machine, "rows": self.rows })
    }
}

fn line(row: &Row) -> String {
    let time = row.time.map_or_else(
        || format!("{:>11} {:>25}", "", ""),
        |time| {
            let (unit, of) = unit(time.median);
            let spread = [time.min, time.quartile, time.third_quartile, time.max];
            let spread = spread.map(|time| short(time / of)).join(" ");
            let median = format!("{} {unit}", short(time.median / of));
            format!("{median:>11} {spread:>25}")
        },
    );
    let value = format!("{} {}", short(row.value), row.unit);
    let bar = row.bar.map_or_else(String::new, |bar| {
        let verdict = match row.verdict {
            Some(Verdict::Missed) => "MISSED",
            Some(Verdict::Unsure) => "missed, within the noise",
            _ => "met",
        };
        format!("{} {verdict}", bar.shown())
    });
    format!(
        "{:<9} {:<56} {time}   {value:>10} {:<6} {bar}",
        row.group,
        row.what,
        format!("+-{}", short(row.noise))
    )
}

/// The unit in which a time is shown, and its length in microseconds.
fn unit(microseconds: f64) -> (&'static str, f64) {
    match microseconds {
        time if time < 10_000.0 => ("us", 1.0),
        time if time < 10_000_000.0 => ("ms", 1e3),
        _ => ("s", 1e6),
    }
}

/// Formats a number with three significant digits.
fn short(number: f64) -> String {
    let digits = if number == 0.0 {
        0
    } else {
        2 - number.abs().log10().floor() as i32
    };
    format!(
        "{number:.*}",
        usize::try_from(digits.clamp(0, 4)).unwrap_or(0)
    )
}
