//! Writes a timeline of all compiler calls for Perfetto and chrome://tracing: the trace event
//! format's JSON object form, with complete events (`"ph": "X"`).

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::lanes::Lanes;
use super::parts::ObservedPart;
use super::{EndTime, ObservedCall, show};
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
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_memory: Option<u64>,
    /// `seen`, `before` (it had already ended when it was noticed, so the duration is an upper
    /// limit) or `unknown`.
    end: &'static str,
}

/// Writes the calls of a session that began at `start`, one event a line.
///
/// # Errors
/// If `to` cannot be written to.
pub fn write(mut to: impl Write, calls: &[ObservedCall], start: Duration) -> io::Result<()> {
    let parts = calls.iter().flat_map(|call| {
        let parts = call.parts.iter();
        parts.filter_map(move |part| Some((part.time?, call, Some(part))))
    });
    let whole = calls.iter().map(|call| {
        let took = call.took_at_most().unwrap_or_default();
        ((call.event.start, took), call, None)
    });
    let mut by_start: Vec<_> = whole.chain(parts).collect();
    by_start.sort_by_key(|((began, _), ..)| *began);
    let mut lanes = Lanes::default();
    to.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")?;
    for (index, ((began, took), call, part)) in by_start.into_iter().enumerate() {
        to.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        let lane = lanes.lane(began, began + took);
        let mut event = event(call, start, took, lane);
        if let Some(part) = part {
            event.become_part(part, began.saturating_sub(start));
        }
        serde_json::to_writer(&mut to, &event)?;
    }
    to.write_all(b"\n]}\n")?;
    to.flush()
}

impl TraceEvent<'_> {
    /// Turns the event of a call into the event of one of its parts, which began at `start`.
    fn become_part(&mut self, part: &ObservedPart, start: Duration) {
        self.name = format!("{} of {}", part.arch, self.name);
        self.cat = "part";
        self.ts = micros(start);
        self.args.archs = u32::from(part.outcome != CacheOutcome::Uncached);
        self.args.outcome = Some(part.outcome);
        self.args.peak_memory = part.memory;
        self.args.end = EndTime::At(start).as_str();
    }
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

fn event(call: &ObservedCall, start: Duration, duration: Duration, lane: usize) -> TraceEvent<'_> {
    let event = &call.event;
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
            peak_memory: call.peak_memory(),
            end: call.end.as_str(),
        },
    }
}
