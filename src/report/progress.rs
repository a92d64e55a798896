//! One line about a running build.

use std::sync::Mutex;
use std::time::Duration;

use super::text::elapsed;
use super::{EndTime, ObservedCall, show, since_boot};

/// What is known about the calls so far.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Counted>);

#[derive(Clone, Debug, Default)]
struct Counted {
    calls: usize,
    hits: usize,
    misses: usize,
    running: usize,
    /// The call that has been running longest: when it started, and its name.
    slowest: Option<(Duration, String)>,
}

impl Progress {
    /// Counts again. `running` are the calls that have not ended.
    pub fn update<'a>(
        &self,
        calls: &'a [ObservedCall],
        running: impl Iterator<Item = &'a ObservedCall>,
    ) {
        let own = || {
            calls
                .iter()
                .filter(|call| call.event.launched && !call.event.forwarded)
        };
        let ended = |call: &&ObservedCall| matches!(call.end, EndTime::At(_));
        let mut counted = Counted {
            calls: calls.len(),
            misses: own().filter(|call| call.compiled).count(),
            hits: own()
                .filter(ended)
                .filter(|call| !call.compiled && call.produced == Some(true))
                .count(),
            ..Counted::default()
        };
        for call in running {
            counted.running += 1;
            let since = call.event.start;
            if counted
                .slowest
                .as_ref()
                .is_none_or(|(first, _)| since < *first)
            {
                let source = call.event.source.as_ref().or(call.event.output.as_ref());
                let name = source.and_then(|path| path.file_name());
                let name =
                    name.map_or_else(|| call.event.detail.clone(), |name| show(name.as_ref()));
                counted.slowest = Some((since, name));
            }
        }
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = counted;
    }

    /// The line, for a build that began at `start`, of at most `width` characters.
    #[must_use]
    pub fn line(&self, start: Duration, width: usize) -> String {
        let counted = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let now = since_boot();
        let Counted {
            calls,
            hits,
            misses,
            running,
            slowest,
        } = counted;
        let mut line = format!(
            "rock-wrap: {}  {calls} calls, {hits} hits, {misses} misses, {running} running",
            elapsed(now.saturating_sub(start))
        );
        if let Some((since, name)) = slowest {
            line += &format!("  {} {name}", elapsed(now.saturating_sub(since)));
        }
        line.retain(|c| !c.is_control());
        line.chars().take(width).collect()
    }
}
