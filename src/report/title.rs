//! The terminal's title while a build runs: the only place that shows progress without getting
//! between the lines of the build's own output.
//!
//! Owns: the title, which is the user's again afterwards.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use super::Call;
use super::tail::Tail;
use super::text::elapsed;
use crate::launcher::{Outcome, results};
use crate::support::signals::without_ttou;

/// How long one title stays at least.
const PERIOD: Duration = Duration::from_secs(1);

/// xterm's window operations (XTWINOPS 22 and 23): put the title aside, and take it back.
const SAVE: &str = "\x1b[22;0t";
const RESTORE: &str = "\x1b[23;0t";

/// The title of the terminal that standard error is.
pub struct Title {
    start: Instant,
    shown: Option<Instant>,
    /// ccache's log of results: hits are shown where they cost nothing.
    results: Option<Tail>,
    hits: usize,
}

impl Title {
    /// `None` where there is no title: standard error is no terminal, or one without (the console of
    /// older kernels prints what it is told).
    #[must_use]
    pub fn of_terminal(results: Option<Tail>) -> Option<Self> {
        let term = std::env::var("TERM").unwrap_or_default();
        let has_title = !matches!(&*term, "" | "dumb" | "linux");
        (stderr().is_terminal() && has_title).then(|| {
            write(SAVE);
            Self {
                start: Instant::now(),
                shown: None,
                results,
                hits: 0,
            }
        })
    }

    /// Shows how far the build is, unless it was shown just now.
    pub fn show(&mut self, calls: &[Call]) {
        let now = Instant::now();
        if self.shown.is_some_and(|shown| now - shown < PERIOD) {
            return;
        }
        self.shown = Some(now);
        let launched = calls.iter().filter(|call| call.event.launched).count();
        let mut title = format!(
            "{}: {} calls, {launched} launched",
            elapsed(now - self.start),
            calls.len(),
        );
        if let Some(results) = &mut self.results {
            let results = results::read(&results.lines());
            let hit = |(_, outcome): &&(_, Outcome)| *outcome == Outcome::Hit;
            self.hits += results.iter().filter(hit).count();
            title = format!("{title}, {} hits", self.hits);
        }
        write(&format!("\x1b]2;rock-wrap {title}\x07"));
    }
}

impl Drop for Title {
    fn drop(&mut self) {
        write(RESTORE);
    }
}

/// Writes to the terminal at once. The build has it in the foreground, so that under `stty tostop`
/// the kernel would stop us for it, were that signal not blocked.
fn write(text: &str) {
    let _ = without_ttou(|| stderr().write_all(text.as_bytes()));
}
