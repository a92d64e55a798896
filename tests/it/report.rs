//! The report that `rock-wrap run` makes at its end, with real compilers and launchers.

use crate::support::tree::Layout;
use std::path::Path;
use std::process::Command;

use crate::support::launchers::{Cache, ccache, sccache};
use crate::support::rocm::{Ran, Rocm, assert_has, ran};
use serde_json::Value;

/// Compiles two HIP and two host units, and makes three direct calls: a query, a link, and a compile that no launcher
/// is given.
const BUILD: &str = r#"
    set -e
    hip="-nogpuinc -nogpulib --offload-arch=gfx900 --offload-arch=gfx906"
    for i in 1 2; do
        echo "__attribute__((device)) int k$i;" >k$i.hip
        echo "int h$i;" >h$i.cpp
        "$BIN/clang++" $hip -c k$i.hip -o k$i.o
        "$BIN/clang++" -c h$i.cpp -o h$i.o
    done
    "$BIN/clang++" --version >/dev/null
    "$BIN/clang++" -shared h1.o h2.o -o h.so
    "$BIN/clang++" -gsplit-dwarf -g -c h1.cpp -o split.o
"#;

/// Compiles one host unit.
const SMALL: &str = r#"echo 'int a;' >a.cpp && "$BIN/clang++" -c a.cpp -o a.o"#;

fn debian_ccache() -> &'static Path {
    Path::new("/usr/bin/ccache")
}

/// `rock-wrap run OPTIONS -- sh -c BUILD`, through the launcher of `cache`.
fn run(rocm: &Rocm, cache: &Cache, options: &[&str], build: &str) -> Command {
    let mut run = rocm.rock_wrap("run");
    run.arg("--launcher")
        .arg(&cache.program)
        .args(options)
        .args(["--", "sh", "-c", build])
        .envs(cache.env())
        .env("BIN", rocm.bin())
        .current_dir(rocm.beside(""));
    run
}

/// Runs `build` with a report and a timeline, and returns both.
fn reported(rocm: &Rocm, cache: &Cache, build: &str) -> (Ran, Value, Value) {
    let options = ["--report", "report.json", "--trace", "trace.json"];
    let ran = ran(&mut run(rocm, cache, &options, build)).ok();
    let json = |name: &str| {
        let text = std::fs::read(rocm.beside(name)).unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    (ran, json("report.json"), json("trace.json"))
}

fn tally(hits: u64, misses: u64) -> Value {
    serde_json::json!({"hits": hits, "misses": misses, "errors": 0})
}

#[test]
fn a_cold_and_a_warm_build_are_reported_with_every_launcher() {
    for program in [&*sccache(), &*ccache(), debian_ccache()] {
        let rocm = Rocm::new(19, Layout::Symlink);
        let cache = Cache::new(program);
        for (hits, misses, outcome) in [(0, 2, "miss"), (2, 0, "hit")] {
            let (ran, report, trace) = reported(&rocm, &cache, BUILD);
            let told = format!("{program:?}: {report:#}");
            let cached = &report["cache"];
            assert_eq!(cached["hip"], tally(hits, misses), "{told}");
            assert_eq!(cached["host"], tally(hits, misses), "{told}");
            assert_eq!(report["calls"]["launched"], 4, "{told}");
            assert_eq!(report["calls"]["launched_hip"], 2, "{told}");
            assert_eq!(report["calls"]["direct"], 3, "{told}");
            assert_eq!(report["verdict"], "used", "{told}");
            assert_eq!(report["session"]["exit_status"], 0, "{told}");
            let grown = cached["bytes"].as_u64() > cached["bytes_before"].as_u64();
            assert_eq!(grown, misses > 0, "{told}");

            let ours = |line: &&str| line.starts_with("rock-wrap: ");
            let table = ran.err.lines().filter(ours);
            // The lines before the table name the wrapped compilers and their path.
            let table: Vec<_> = table
                .skip_while(|line| !line.contains(" with "))
                .skip(1)
                .collect();
            assert!(table.len() >= 8, "{}", ran.err);
            let wide = table.iter().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None);

            let units = report["units"].as_array().unwrap();
            assert_eq!(units.len(), 7, "{told}");
            for unit in units.iter().filter(|unit| unit["launched"] == true) {
                assert_eq!(unit["outcome"], outcome, "{told}");
                // A launcher's own memory is never taken for a compile's.
                let memory = unit["peak_memory"].as_u64();
                assert_eq!(memory.is_some(), misses > 0, "{told}");
                assert!(memory.is_none_or(|size| size > 20 << 20), "{told}");
                let hip = unit["language"] == "hip" && !unit["archs"].is_null();
                assert!(
                    !hip || unit["archs"] == serde_json::json!(["gfx900", "gfx906"]),
                    "{unit}"
                );
            }
            let largest = report["largest"].as_array().unwrap();
            assert_eq!(largest.len(), if misses > 0 { 3 } else { 0 }, "{told}");
            assert_eq!(ran.err.contains("rock-wrap: memory "), misses > 0);
            let events = trace["traceEvents"].as_array().unwrap();
            assert_eq!(events.len(), 7, "{trace:#}");
            for event in events {
                let args = &event["args"];
                assert_eq!(event["ph"], "X");
                assert!(event["ts"].as_f64().unwrap() > 0.0, "{event}");
                let launched = event["cat"] == "launched";
                assert_eq!(
                    args["outcome"].as_str(),
                    launched.then_some(outcome),
                    "{event}"
                );
                assert_eq!(args["reason"].is_string(), !launched, "{event}");
                assert_eq!(
                    args["source"].is_string(),
                    launched || args["reason"] == "split-dwarf"
                );
                let archs = if args["language"] == "hip" { 2 } else { 0 };
                assert_eq!(args["archs"], archs, "{event}");
            }
        }
    }
}

#[test]
fn every_attachment_reports_its_calls_and_those_of_the_host_compiler() {
    let build = r#"
        set -e
        echo 'int a;' >a.cpp
        $HIP_CLANG_LAUNCHER "${HIP_CLANG_PATH:-$BIN}/clang++" -c a.cpp -o a.o
        echo 'int b;' >b.cpp
        $CMAKE_CXX_COMPILER_LAUNCHER /usr/bin/g++ -c b.cpp -o b.o
        $CMAKE_CXX_COMPILER_LAUNCHER /usr/bin/g++ -shared b.o -o b.so
    "#;
    for attachment in ["in-place", "shadow", "launcher"] {
        let rocm = Rocm::new(19, Layout::Symlink);
        let cache = Cache::new(&ccache());
        let options = ["--attach", attachment, "--report", "report.json"];
        ran(&mut run(&rocm, &cache, &options, build)).ok();
        let report = std::fs::read(rocm.beside("report.json")).unwrap();
        let report: Value = serde_json::from_slice(&report).unwrap();
        assert_eq!(report["session"]["attachment"], attachment);
        assert_eq!(report["calls"]["launched_host"], 2, "{report:#}");
        assert_eq!(report["cache"]["host"], tally(0, 2), "{report:#}");
        assert_eq!(report["slowest"].as_array().unwrap().len(), 2, "{report:#}");
        assert_eq!(report["advice"], serde_json::json!([]));
    }
}

#[test]
fn a_call_lasts_until_its_process_ends() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let cache = Cache::new(&ccache());
    // The compiler waits for its input, which ends a while after the call has been logged.
    let build = r#"
        mkfifo input
        "$BIN/clang++" -x c++ -c - -o a.o <input &
        exec 3>input
        until grep -q stdin "$ROCK_WRAP_EVENTS"; do :; done
        sleep 0.4
        exec 3>&-
        wait
    "#;
    let (_, report, trace) = reported(&rocm, &cache, build);
    let event = &trace["traceEvents"][0];
    assert_eq!(event["args"]["end"], "seen");
    let micros = event["dur"].as_f64().unwrap();
    let whole = report["session"]["seconds"].as_f64().unwrap() * 1e6;
    assert!((400_000.0..whole).contains(&micros), "{trace:#}");
}

#[test]
fn the_time_that_hits_saved_is_estimated_once_a_unit_has_missed() {
    for program in [sccache(), ccache()] {
        let rocm = Rocm::new(19, Layout::Symlink);
        let cache = Cache::new(&program);
        let (cold, report, _) = reported(&rocm, &cache, SMALL);
        assert!(
            report["saved"].is_null() && !cold.err.contains("saved"),
            "{report:#}"
        );
        let more = format!("{SMALL}; echo 'int b;' >b.cpp && \"$BIN/clang++\" -c b.cpp -o b.o");
        let (warm, report, _) = reported(&rocm, &cache, &more);
        assert_eq!(report["saved"]["hits"], 1, "{report:#}");
        assert_has(&warm.err, &["rock-wrap: saved     about "]);
    }
}

#[test]
fn a_cache_that_stores_nothing_gets_a_warning_and_fails_only_a_build_that_requires_it() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let cache = Cache::new(&ccache());
    let read_only = |options: &[&str], build: &str| {
        let mut run = run(&rocm, &cache, options, build);
        ran(run.env("CCACHE_READONLY", "1"))
    };
    let loud = read_only(&[], SMALL).ok();
    assert_has(&loud.err, &["rock-wrap: warning: 1 compiles were launched"]);
    assert_has(&loud.err, &["rock-wrap: hint: "]);
    let status = |options: &[&str], build: &str| read_only(options, build).status.code();
    assert_eq!(status(&["--require-cache"], SMALL), Some(3));
    let other = rocm.script("launcher", r#"exec "$@""#);
    let mut unknown = rocm.rock_wrap("run");
    unknown
        .arg("--launcher")
        .arg(other)
        .args(["--require-cache", "--", "sh", "-c", SMALL]);
    unknown.env("BIN", rocm.bin()).current_dir(rocm.beside(""));
    assert_has(
        &ran(&mut unknown).err,
        &[
            "rock-wrap: error: --require-cache: the launcher does not report whether the cache was used",
        ],
    );
    let failing = format!("{SMALL}; exit 7");
    assert_eq!(status(&["--require-cache"], &failing), Some(7));
    assert_eq!(
        status(&["--require-cache"], "true"),
        Some(3),
        "no compiler was called, or another one than is wrapped"
    );
    for attempt in ["cold", "warm"] {
        let used = ran(&mut run(&rocm, &cache, &["--require-cache"], SMALL));
        assert_eq!(used.status.code(), Some(0), "{attempt}: {}", used.err);
    }
}

#[test]
fn a_quiet_run_prints_only_warnings() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let cache = Cache::new(&ccache());
    let mut off = run(&rocm, &cache, &["--quiet"], SMALL);
    let err = ran(off.env("CCACHE_READONLY", "1")).ok().err;
    assert_has(&err, &["warning: 1 compiles were launched"]);
    assert!(!err.contains("hits"), "{err}");
    let err = ran(&mut run(&rocm, &cache, &["-q"], SMALL)).ok().err;
    assert!(!err.contains("hits") && !err.contains("warning"), "{err}");
}

#[test]
fn github_actions_gets_a_summary_and_annotations() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let cache = Cache::new(&ccache());
    let summary = rocm.beside("summary.md");
    std::fs::write(&summary, "of another step\n").unwrap();
    let mut run = run(&rocm, &cache, &[], SMALL);
    run.env("CCACHE_READONLY", "1")
        .env("GITHUB_STEP_SUMMARY", &summary);
    let elsewhere = ran(&mut run).ok();
    assert!(!elsewhere.err.contains("::warning"));
    let there = ran(run.env("GITHUB_ACTIONS", "true")).ok();
    let annotation =
        |line: &str| line.starts_with("::warning title=rock-wrap::1 compiles were launched");
    assert!(there.err.lines().any(annotation), "{}", there.err);
    let text = std::fs::read_to_string(&summary).unwrap();
    assert!(
        text.starts_with("of another step\n### rock-wrap\n"),
        "{text}"
    );
    assert_has(
        &text,
        &[
            "host           1       0       1       0",
            "- **warning**: 1 compiles",
        ],
    );
}

#[test]
fn a_users_own_log_of_ccaches_results_is_kept_and_read() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let cache = Cache::new(&ccache());
    let log = rocm.beside("stats.log");
    std::fs::write(&log, "# a.cpp\ndirect_cache_hit\n").unwrap();
    let options = ["--report", "report.json"];
    ran(run(&rocm, &cache, &options, SMALL).env("CCACHE_STATSLOG", &log)).ok();
    assert_has(&std::fs::read_to_string(&log).unwrap(), &["cache_miss"]);
    let report = std::fs::read(rocm.beside("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["slowest"][0]["outcome"], "miss", "{report:#}");
}

#[test]
fn an_output_file_that_cannot_be_written_is_reported_before_the_build() {
    let rocm = Rocm::small();
    let cache = Cache::new(&ccache());
    for option in ["--trace", "--report"] {
        let mut run = run(
            &rocm,
            &cache,
            &[option, "/no/such/directory/file"],
            "touch built",
        );
        let message = rocm.untouched(|_| ran(&mut run).refused(4));
        assert_has(
            &message,
            &["cannot write /no/such/directory/file", "No such file"],
        );
        assert!(!rocm.beside("built").exists());
    }
}

#[test]
fn a_report_goes_into_a_pipe_and_replaces_a_longer_one() {
    let rocm = Rocm::small();
    let cache = Cache::new(&ccache());
    let json = |ran: Ran| serde_json::from_str::<Value>(&ran.ok().out).unwrap();
    let piped = ran(&mut run(
        &rocm,
        &cache,
        &["--report", "/dev/stdout"],
        "true",
    ));
    assert_eq!(json(piped)["calls"]["launched"], 0);
    let file = rocm.beside("report.json");
    std::fs::write(&file, "x".repeat(100_000)).unwrap();
    ran(&mut run(
        &rocm,
        &cache,
        &["--report", "report.json"],
        "true",
    ))
    .ok();
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(report["version"], 1);
}

#[test]
fn parts_that_failed_or_were_compiled_again_count_as_their_calls() {
    const BUILD: &str = r#"
        hip="-Wall -nogpuinc -nogpulib --offload-arch=gfx900 --offload-arch=gfx906"
        "$BIN/clang++" $hip -c k.hip -o k.o
        ! "$BIN/clang++" $hip -c no.hip -o no.o 2>/dev/null
    "#;
    for program in [sccache(), ccache()] {
        let rocm = Rocm::new(19, Layout::Symlink);
        let cache = Cache::new(&program);
        let write = |name: &str, text: String| std::fs::write(rocm.beside(name), text).unwrap();
        write("no.hip", "__attribute__((device)) int no".to_owned());
        for comment in ["one", "two"] {
            // The comment is not in an architecture's text, but a warning could show it.
            write(
                "k.hip",
                format!("__attribute__((device)) int k; // {comment}\n"),
            );
            let options = ["--per-arch=always", "--report", "report.json"];
            ran(&mut run(&rocm, &cache, &options, BUILD)).ok();
            let report = std::fs::read(rocm.beside("report.json")).unwrap();
            let report: Value = serde_json::from_slice(&report).unwrap();
            let (cache, parts) = (&report["cache"], &report["parts"]);
            let counted = ["hits", "misses", "failed"].map(|name| &cache[name]);
            assert_eq!(counted, [0, 1, 1], "{comment} {report:#}");
            let counted = ["units", "whole", "hits", "misses"].map(|name| &parts[name]);
            assert_eq!(counted, [1, 1, 0, 2], "{comment} {report:#}");
        }
    }
}
