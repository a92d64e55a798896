//! Writes a timeline of all compiler calls for Perfetto and chrome://tracing: the trace event
//! format's JSON object form, with complete events (`"ph": "X"`).

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::lanes::Lanes;
use super::{ObservedCall, show};
use crate::launcher::CacheOutcome;

/// All lanes belong to one process, for the viewer.
const PROCESS: u32 = 1;

/// A complete event, with times in microseconds since the start of the session.
#[derive(Serialize)]
struct TraceEvent<'a> {
    name: String,
    cat: &'static str,
    ph: &'static str,
    ts: f64,
    dur: f64,
    pid: u32,
    tid: usize,
    args: Args<'a>,
}

#[derive(Serialize)]
struct Args<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'static str>,
    archs: u32,
    process: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    launcher: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<CacheOutcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// `seen`, `before` (it had already ended when it was noticed, so the duration is an upper
    /// limit) or `unknown`.
    end: &'static str,
}

/// Writes the calls of a session that began at `start`, one event a line.
///
/// # Errors
/// Those of `to`.
pub fn write(mut to: impl Write, calls: &[ObservedCall], start: Duration) -> io::Result<()> {
    let mut by_start: Vec<&ObservedCall> = calls.iter().collect();
    by_start.sort_by_key(|call| call.event.start);
    let mut lanes = Lanes::default();
    to.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")?;
    for (index, call) in by_start.into_iter().enumerate() {
        to.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        let duration = call.took_at_most().unwrap_or_default();
        let lane = lanes.lane(call.event.start, call.event.start + duration);
        serde_json::to_writer(&mut to, &event(call, start, duration, lane))?;
    }
    to.write_all(b"\n]}\n")?;
    to.flush()
}

fn event(call: &ObservedCall, start: Duration, duration: Duration, lane: usize) -> TraceEvent<'_> {
    let event = &call.event;
    let micros = |time: Duration| time.as_nanos() as f64 / 1000.0;
    let path = |path: &Option<_>| path.as_deref().map(show);
    let name = event.source.as_ref().or(event.output.as_ref());
    let name = name.and_then(|path| path.file_name());
    TraceEvent {
        name: match name {
            Some(name) => name.display().to_string(),
            None => event.detail.clone(),
        },
        cat: if event.launched { "launched" } else { "direct" },
        ph: "X",
        ts: micros(event.start.saturating_sub(start)),
        dur: micros(duration),
        pid: PROCESS,
        tid: lane,
        args: Args {
            source: path(&event.source),
            object: path(&event.output),
            directory: path(&event.cwd),
            language: event
                .language
                .map(crate::shared::decision::language::Language::as_str),
            archs: event.archs,
            process: event.pid,
            launcher: event.launched.then_some(&*event.detail),
            outcome: call.outcome,
            reason: (!event.launched).then_some(&*event.detail),
            end: call.end.as_str(),
        },
    }
}
