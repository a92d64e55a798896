use std::path::PathBuf;

use super::*;
use crate::launcher::stats::Store;
use crate::session::Ended;
use crate::shared::call_log;

const MIB: u64 = 1 << 20;

/// A session with sccache that took a minute and a half.
fn facts() -> SessionFacts {
    SessionFacts {
        tree: "/opt/rocm".to_owned(),
        attachment: "in place".to_owned(),
        launcher: LauncherFacts {
            path: "/usr/bin/sccache".to_owned(),
            kind: "sccache",
            version: Some("0.16.0".to_owned()),
        },
        directory: "/src".to_owned(),
        command: vec!["make".to_owned()],
        started: SystemTime::UNIX_EPOCH,
        start: Duration::ZERO,
        elapsed: Duration::from_secs(92),
        ended: Some(Ended::Exited(0)),
        peak_memory: None,
        unseen: Some(Unseen {
            wrapped: "clang in /opt/rocm/llvm/bin".to_owned(),
            hipcc: "/usr/bin/hipcc calls /usr/bin/clang++-17".to_owned(),
            remedy: None,
        }),
    }
}

/// A call made from fields of a log line and its duration in milliseconds.
fn call(
    what: &str,
    detail: &str,
    language: &str,
    source: &str,
    start: u64,
    took: u64,
) -> ObservedCall {
    let archs = if language == "hip" { 2 } else { 0 };
    let nanos = start * 1_000_000;
    let line = format!("{what}\t{detail}\t{language}\t{archs}\t7\t{nanos}\t-\t{source}\t-\n");
    let event = call_log::read(line.as_bytes()).remove(0);
    ObservedCall::new(event, EndTime::At(Duration::from_millis(start + took)))
}

fn hip(source: &str, took: u64) -> ObservedCall {
    call("launch", "sccache", "hip", source, 0, took)
}

fn host(source: &str, took: u64) -> ObservedCall {
    call("launch", "sccache", "c++", source, 0, took)
}

fn direct(reason: &str) -> ObservedCall {
    call("direct", reason, "-", "-", 0, 10)
}

fn tally(hits: u64, misses: u64) -> Tally {
    Tally {
        hits,
        misses,
        errors: 0,
    }
}

fn counts(hip: Tally, host: Tally) -> Counts {
    let store = |size| Store {
        size: Some(size),
        limit: Some(100 * MIB),
    };
    Counts {
        all: tally(hip.hits + host.hits, hip.misses + host.misses),
        hip: Some(hip),
        writes: hip.misses + host.misses,
        store: (store(2 * MIB), store(3 * MIB)),
        ..Counts::default()
    }
}

fn report(calls: &[ObservedCall], counts: Counts) -> Report {
    Report::new(facts(), calls, Ok(counts))
}

fn ids(report: &Report) -> Vec<&'static str> {
    report.advice().iter().map(|advice| advice.id).collect()
}

#[test]
fn the_table_says_what_became_of_the_calls_and_fits() {
    let long = format!("/src/{}gemm_kernels.hip", "very_long_name/".repeat(5));
    let mut calls = vec![
        hip("a.hip", 30_000),
        hip(&long, 50_000),
        hip("b.hip", 500),
        hip("c.hip", 500),
        host("d.cpp", 4_250),
        host("e.cpp", 100),
    ];
    calls.push(call("direct", "save-temps", "hip", "f.hip", 0, 20_000));
    for (reason, count) in [
        ("information", 12),
        ("not-a-compile", 20),
        ("xarch", 1),
        ("several-inputs", 1),
    ] {
        calls.extend((0..count).map(|_| direct(reason)));
    }
    let counts = Counts {
        failed: 2,
        uncached: 1,
        ..counts(tally(2, 2), tally(0, 2))
    };
    let lines = report(&calls, counts).lines(69);
    assert!(lines.iter().all(|line| line.chars().count() <= 69));
    assert_eq!(
        lines.join("\n"),
        "\
1m32s with sccache 0.16.0, in place
           calls    hits  misses  errors
HIP            4       2       2       0
host           2       0       2       0
others    2 failed to compile, 1 passed on uncached
direct        35  not-a-compile 20, information 12, save-temps 1,
                  several-inputs 1, xarch 1
saved     about 1m19s of compiling, going by 2 misses
cache     3.0 MiB of 100.0 MiB, 1.0 MiB more than before
slowest      50s          hip x2  .../very_long_name/gemm_kernels.hip
             30s          hip x2  a.hip
             20s direct   hip x2  f.hip
            4.2s          c++     d.cpp
            0.5s          hip x2  b.hip"
    );
}

#[test]
fn where_the_launcher_tells_no_languages_there_is_one_row() {
    let counts = Counts {
        hip: None,
        ..counts(tally(1, 0), tally(0, 0))
    };
    let lines = report(&[hip("a.hip", 10), host("b.cpp", 10)], counts).lines(69);
    assert_eq!(lines[2], "launched       2       1       0       0");
}

#[test]
fn the_outcomes_of_calls_tell_the_sides_apart_where_the_launcher_does_not() {
    let mut calls = [hip("a.hip", 10), host("b.cpp", 10), direct("information")];
    let results = [("a.hip", CacheOutcome::Hit), ("b.cpp", CacheOutcome::Miss)];
    let results = results.map(|(source, outcome)| (PathBuf::from(source), outcome));
    assign(&mut calls, &results);
    let counts = Counts {
        hip: None,
        ..counts(tally(1, 1), tally(0, 0))
    };
    let lines = report(&calls, counts).lines(69);
    assert_eq!(lines[2], "HIP            1       1       0       0");
    assert_eq!(lines[3], "host           1       0       1       0");
}

#[test]
fn results_of_calls_that_name_their_sources_alike_come_in_the_order_of_their_ends() {
    let source = |name: &str, outcome| (PathBuf::from(name), outcome);
    let mut calls = [host("a.cpp", 900), host("a.cpp", 5), host("b.cpp", 5)];
    let results = [
        source("a.cpp", CacheOutcome::Hit),
        source("b.cpp", CacheOutcome::Hit),
        source("a.cpp", CacheOutcome::Miss),
        // Another build writes to the same log.
        source("b.cpp", CacheOutcome::Miss),
    ];
    assign(&mut calls, &results);
    let outcomes = calls.map(|call| call.outcome);
    assert_eq!(
        outcomes,
        [Some(CacheOutcome::Miss), Some(CacheOutcome::Hit), None]
    );
}

#[test]
fn under_sccache_what_was_not_compiled_was_found_unless_something_else_was_counted() {
    let with = |failed, uncached| {
        let mut calls = [
            hip("a.hip", 10),
            hip("b.hip", 10),
            host("c.cpp", 10),
            host("d.cpp", 10),
        ];
        calls[0].compiled = true;
        calls[3].event.forwarded = true;
        for call in &mut calls {
            call.produced = Some(true);
        }
        if failed > 0 {
            calls[0].produced = Some(false);
        }
        let counts = Counts {
            failed,
            uncached,
            ..counts(tally(1, 1), tally(1, 0))
        };
        by_records(&mut calls, &counts);
        calls.map(|call| call.outcome)
    };
    use CacheOutcome::{Failed, Hit, Miss};
    assert_eq!(with(0, 0), [Some(Miss), Some(Hit), Some(Hit), None]);
    assert_eq!(with(1, 0), [Some(Failed), Some(Hit), Some(Hit), None]);
    assert_eq!(with(0, 1), [Some(Miss), None, None, None]);
    let mut more = [hip("a.hip", 10), hip("b.hip", 10), host("c.cpp", 10)];
    for call in &mut more {
        call.produced = Some(true);
    }
    by_records(&mut more, &counts(tally(1, 1), tally(1, 0)));
    assert_eq!(
        more.map(|call| call.outcome),
        [None, None, None],
        "more than were counted"
    );
}

#[test]
fn what_hits_saved_goes_by_the_misses_of_the_same_side() {
    let calls = [
        hip("a.hip", 10_000),
        hip("b.hip", 20_000),
        hip("c.hip", 100),
        host("d.cpp", 1_000),
        host("e.cpp", 50),
        host("f.cpp", 50),
    ];
    let saved = |hip, host| report(&calls, counts(hip, host)).saved;
    let both = saved(tally(1, 2), tally(2, 1)).unwrap();
    // 15 - 0.1 for HIP, 2 * 1 - 0.1 for the host.
    assert!((both.seconds - 16.8).abs() < 1e-6, "{both:?}");
    assert_eq!((both.hits, both.misses), (3, 3));
    assert_eq!(saved(tally(3, 0), tally(3, 0)), None, "nothing to go by");
    assert_eq!(saved(tally(0, 3), tally(0, 3)), None, "no hits");
    assert_eq!(
        saved(tally(5, 5), tally(0, 3)),
        None,
        "others are counted too"
    );
}

#[test]
fn a_build_that_did_nothing_for_the_cache_is_told_from_one_that_had_nothing_for_it() {
    let verdict = |calls: &[ObservedCall], counts| report(calls, counts).verdict();
    let none = Counts::default();
    let launched = [hip("a.hip", 10)];
    assert_eq!(verdict(&launched, none), Verdict::NothingSaved);
    assert_eq!(
        verdict(&launched, counts(tally(1, 0), tally(0, 0))),
        Verdict::Used
    );
    assert_eq!(
        verdict(&launched, counts(tally(0, 1), tally(0, 0))),
        Verdict::Used
    );
    let failed = Counts { failed: 1, ..none };
    assert_eq!(verdict(&launched, failed), Verdict::NothingToCache);
    assert_eq!(verdict(&[], none), Verdict::NothingSeen);
    assert_eq!(
        verdict(&[direct("not-a-compile")], none),
        Verdict::NothingToCache
    );
    assert_eq!(
        verdict(&[direct("compiler-changed")], none),
        Verdict::NothingSaved
    );
    let unknown = Report::new(facts(), &launched, Err("why".to_owned()));
    assert_eq!(unknown.verdict(), Verdict::Unknown);
}

#[test]
fn each_rule_speaks_up_when_it_has_reason_to() {
    let ids = |calls: &[ObservedCall], counts| ids(&report(calls, counts));
    let good = counts(tally(1, 1), tally(0, 0));
    let calls = [hip("a.hip", 10), hip("b.hip", 10)];
    assert_eq!(ids(&calls, good), [""; 0]);
    assert_eq!(ids(&calls, Counts::default()), ["nothing-saved"]);
    assert_eq!(ids(&[], Counts::default()), ["no-calls"]);

    let mut counts = good;
    counts.all.errors = 1;
    assert_eq!(ids(&calls, counts), ["launcher-errors"]);
    let mut counts = good;
    counts.store.1.size = Some(99 * MIB);
    assert_eq!(ids(&calls, counts), ["cache-full"]);
    let cleanups = Some(1);
    assert_eq!(ids(&calls, Counts { cleanups, ..good }), ["cache-full"]);

    let many: Vec<_> = (0..10).map(|n| hip(&format!("{n}.hip"), 10)).collect();
    let all_missed = self::counts(tally(0, 10), tally(0, 0));
    assert_eq!(ids(&many, all_missed), ["all-missed"]);
    let mut cold = all_missed;
    cold.store.0.size = Some(0);
    assert_eq!(ids(&many, cold), [""; 0]);

    let with = |reason: &str, times| {
        let more = (0..times).map(|_| direct(reason));
        many.iter().cloned().chain(more).collect::<Vec<_>>()
    };
    assert_eq!(ids(&with("split-dwarf", 3), cold), [""; 0]);
    assert_eq!(ids(&with("split-dwarf", 4), cold), ["dominant-reason"]);
    assert_eq!(ids(&with("not-a-compile", 99), cold), [""; 0]);
    assert_eq!(
        ids(&calls, self::counts(tally(9, 0), tally(0, 0))),
        ["shared-statistics"]
    );
    let unknown = Report::new(facts(), &calls, Err("why".to_owned()));
    assert_eq!(self::ids(&unknown), ["statistics-unknown"]);
}

#[test]
fn a_build_that_called_nothing_is_told_what_was_wrapped_and_what_hipcc_calls() {
    let told = |remedy: Option<&str>| {
        let mut facts = facts();
        let unseen = facts.unseen.as_mut().unwrap();
        unseen.remedy = remedy.map(ToOwned::to_owned);
        let report = Report::new(facts, &[], Ok(Counts::default()));
        report.advice()[0].clone()
    };
    let usual = told(None);
    for part in ["clang in /opt/rocm/llvm/bin", "calls /usr/bin/clang++-17"] {
        assert!(usual.text.contains(part), "{}", usual.text);
    }
    let other = told(Some("--compiler /usr/bin/clang++-17"));
    assert_eq!(
        other.remedy.as_deref(),
        Some("--compiler /usr/bin/clang++-17")
    );
    let mut unattached = facts();
    unattached.attachment = UNATTACHED.to_owned();
    let report = Report::new(unattached, &[], Ok(Counts::default()));
    assert_eq!(report.verdict(), Verdict::NothingToCache);
    assert_eq!(ids(&report), [""; 0]);
}

#[test]
fn a_reason_that_keeps_half_of_the_build_from_the_cache_weighs_and_has_its_remedy() {
    let calls = [hip("a.hip", 10), direct("split-dwarf")];
    let report = report(&calls, counts(tally(0, 1), tally(0, 0)));
    let [advice] = report.advice() else {
        panic!("{:?}", report.advice())
    };
    assert_eq!(advice.weight, Weight::Warning);
    assert_eq!(advice.text, "1 of 2 compiles are direct: split-dwarf");
    assert_eq!(advice.remedy.as_deref(), Reason::SplitDwarf.remedy());
}

#[test]
fn an_annotation_is_one_line() {
    let advice = Advice {
        id: "x",
        weight: Weight::Warning,
        text: "100 %\nlost".to_owned(),
        remedy: Some("find it".to_owned()),
    };
    assert_eq!(
        github::annotation(&advice),
        "::warning title=rock-wrap::100 %25%0Alost%0Ahint: find it"
    );
}

#[test]
fn the_line_of_progress_says_what_is_done_what_runs_and_what_takes_longest() {
    let mut calls = [
        hip("a.hip", 10),
        host("b.cpp", 10),
        hip("/src/slow\u{1b}.hip", 10),
        hip("d.hip", 10),
    ];
    calls[0].compiled = true;
    calls[1].produced = Some(true);
    for call in &mut calls[2..] {
        call.end = EndTime::Unknown;
    }
    let began = since_boot();
    calls[3].event.start = began;
    let progress = Progress::default();
    progress.update(&calls, calls[2..].iter());
    let line = progress.line(began, 200);
    assert!(
        line.contains("4 calls, 1 hits, 1 misses, 2 running"),
        "{line}"
    );
    assert!(line.ends_with(" slow.hip"), "{line}");
    assert_eq!(progress.line(began, 20).chars().count(), 20);
}

#[test]
fn parallel_calls_are_in_lanes_of_their_own_on_the_timeline() {
    let lanes = |calls: &[ObservedCall]| {
        let mut json = Vec::new();
        trace::write(&mut json, calls, Duration::from_millis(100)).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let events = json["traceEvents"].as_array().unwrap();
        let lane = |event: &serde_json::Value| {
            (
                event["ts"].as_f64().unwrap(),
                event["tid"].as_u64().unwrap(),
            )
        };
        events.iter().map(lane).collect::<Vec<_>>()
    };
    let at = |start, took| call("launch", "sccache", "c++", "a.cpp", start, took);
    assert_eq!(lanes(&[]), []);
    assert_eq!(
        lanes(&[at(120, 10), at(100, 50), at(130, 10), at(135, 90)]),
        [(0.0, 0), (20_000.0, 1), (30_000.0, 1), (35_000.0, 2)]
    );
}

#[test]
fn the_parts_of_a_call_are_on_the_timeline_beside_it() {
    let mut split = call("launch", "sccache", "hip", "a.hip", 100, 50);
    let line = "parts\t7\tgfx942=hit,110000000,10000000\tgfx950=miss,110000000,20000000,4096\t\
                host=host,130000000,10000000";
    split.parts = parts::of_line(line).unwrap().1;
    let mut json = Vec::new();
    trace::write(&mut json, &[split.clone()], Duration::from_millis(100)).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let events = json["traceEvents"].as_array().unwrap().iter();
    let shown = events.map(|event| {
        let args = &event["args"];
        format!(
            "{} {} {} {} {} {} {}",
            event["name"],
            event["cat"],
            event["tid"],
            event["ts"],
            event["dur"],
            args["outcome"],
            args["peak_memory"]
        )
        .replace('"', "")
    });
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            "a.hip launched 0 0.0 50000.0 null 4096",
            "gfx942 of a.hip part 1 10000.0 10000.0 hit null",
            "gfx950 of a.hip part 2 10000.0 20000.0 miss 4096",
            "host of a.hip part 1 30000.0 10000.0 uncached null",
        ]
    );
    let report = report(&[split], counts(tally(0, 1), tally(0, 0)));
    let lines = report.lines(69);
    let last = lines.last().unwrap();
    assert_eq!(last, "memory   4.0 KiB          hip x2  a.hip");
}
