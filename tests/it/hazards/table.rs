//! The table in `docs/correctness.md`: a row for each case, a column for each launcher.
//!
//! A cell says what happens to the calls with rock-wrap: `right` if they are launched and the results are the
//! compiler's own, otherwise the reason why they are not launched. After a slash it says what the launcher alone makes
//! of them. Only the part before the slash is compared with what the tests see, because a launcher may be fixed.

use std::fmt::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use super::site::{LAUNCHERS, Launcher, Site};
use super::{Case, FAMILIES};

const BEGIN: &str = "<!-- The table of hazards, written by the tests: begin -->\n";
const WORD_END: &str = ", ";
const END: &str = "<!-- end -->\n";

/// What the launcher makes of a case without rock-wrap. The worst result of a case counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alone {
    Right,
    Uncached,
    Fails,
    Wrong,
}

/// The result of a case: a cell of the table.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// One entry for each call, without repetitions: `None` if it was launched, otherwise the reason why not.
    calls: Vec<Option<String>>,
    /// Whether the launcher was given a call that it does not cache.
    not_cached: bool,
    alone: Option<Alone>,
}

impl Cell {
    /// Adds a call: `None` if it was launched, otherwise the reason. A call like the last one changes nothing.
    pub fn add(&mut self, reason: Option<&str>) {
        let call = reason.map(str::to_owned);
        if self.calls.last() != Some(&call) {
            self.calls.push(call);
        }
    }

    pub fn not_cached(&mut self) {
        self.not_cached = true;
    }

    pub fn alone(&mut self, alone: Alone) {
        self.alone = self.alone.max(Some(alone));
    }

    /// Whether all calls were launched and cached.
    pub fn is_right(&self) -> bool {
        self.calls == [None] && !self.not_cached
    }

    fn with_rock_wrap(&self) -> String {
        self.words().join(WORD_END)
    }

    /// What the cell says about each call.
    fn words(&self) -> Vec<String> {
        let calls = self.calls.iter().map(|call| match call {
            None if self.not_cached => "right, not cached".to_owned(),
            None => "right".to_owned(),
            Some(reason) => format!("`{reason}`"),
        });
        calls.collect()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_rock_wrap())?;
        match self.alone {
            None => Ok(()),
            Some(Alone::Right) => f.write_str(" / right"),
            Some(Alone::Uncached) => f.write_str(" / not cached"),
            Some(Alone::Fails) => f.write_str(" / **fails**"),
            Some(Alone::Wrong) => f.write_str(" / **wrong**"),
        }
    }
}

/// The table in the document.
pub struct Table;

/// Several tests read and write the document, one at a time.
static DOCUMENT: Mutex<()> = Mutex::new(());

impl Table {
    /// Whether the table is to be written instead of compared.
    pub fn is_written() -> bool {
        std::env::var_os("ROCK_WRAP_WRITE_TABLE").is_some()
    }

    /// Compares the results of `launcher` with its column of the table, or writes the column.
    pub fn hold(launcher: &Launcher, site: &Site, column: &[(&str, Cell)]) {
        let _alone = DOCUMENT.lock().unwrap_or_else(|broken| broken.into_inner());
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/correctness.md");
        let text = std::fs::read_to_string(&document).unwrap();
        let (before, rest) = text.split_once(BEGIN).expect("the table's beginning");
        let (table, after) = rest.split_once(END).expect("the table's end");
        let at = 1 + LAUNCHERS
            .iter()
            .position(|own| own.name == launcher.name)
            .unwrap();
        let written = |row: &str| {
            let mut lines = table
                .lines()
                .map(|line| line.split('|').map(str::trim).skip(1));
            let found = lines.find(|line| line.clone().next() == Some(row));
            found.map(Iterator::collect::<Vec<_>>).unwrap_or_default()
        };
        if Self::is_written() {
            let mut out = head();
            for (family, cases) in FAMILIES {
                writeln!(out, "| **{family}** |{}", " |".repeat(LAUNCHERS.len())).unwrap();
                for Case { row, .. } in *cases {
                    let mut cells = written(row);
                    cells.resize(1 + LAUNCHERS.len(), "");
                    let own = column.iter().find(|(name, _)| name == row);
                    let own = own.map_or_else(String::new, |(_, cell)| cell.to_string());
                    cells[0] = row;
                    cells[at] = &own;
                    writeln!(out, "| {} |", cells.join(" | ")).unwrap();
                }
            }
            std::fs::write(&document, format!("{before}{BEGIN}{out}{END}{after}")).unwrap();
            return;
        }
        let launched = column.iter().filter(|(_, cell)| cell.is_right()).count();
        assert!(
            launched > 0,
            "{}: nothing at all was launched",
            launcher.name
        );
        // A launcher without a column yet has nothing to compare. Its results were checked by the cases.
        if column
            .iter()
            .all(|(row, _)| written(row).get(at).is_none_or(|told| told.is_empty()))
        {
            eprintln!(
                "hazards: {document:?} has no column of {} yet (ROCK_WRAP_WRITE_TABLE=1 writes it)",
                launcher.name
            );
            return;
        }
        let mut differ = String::new();
        for (row, cell) in column {
            let told = written(row);
            let told = told.get(at).copied().unwrap_or_default();
            let told = told.split(" / ").next().unwrap_or_default();
            let seen = cell.with_rock_wrap();
            if seen != told {
                writeln!(differ, "{row}: {seen}; the table says: {told}").unwrap();
            }
        }
        assert!(
            differ.is_empty(),
            "{}, clang {}, see {document:?} (ROCK_WRAP_WRITE_TABLE=1 writes it):\n{differ}",
            launcher.name,
            site.clang
        );
    }
}

fn head() -> String {
    let names = LAUNCHERS.map(|launcher| launcher.name).join(" | ");
    format!("| | {names} |\n|{}\n", "---|".repeat(1 + LAUNCHERS.len()))
}
