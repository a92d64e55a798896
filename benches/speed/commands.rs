//! Measures the command line: install, fingerprint and a build's session.

use std::cell::Cell;
use std::time::Duration;

use super::Setup;
use super::contest::{Call, Contest, Estimate};
use super::report::{Bar, Report};

/// Measures all commands, on the tree that is wrapped with ccache.
pub fn all(setup: &Setup, report: &mut Report) {
    let tree = setup.tree("ccache");
    let rounds = setup.rounds(100).max(20);
    let fresh = Cell::new(0);
    let command = |what: &[&str], cache: &str| {
        let call = Call::new(&setup.rock_wrap, what.iter().copied().take(1));
        let call = call.env("XDG_CACHE_HOME", setup.work.join(cache));
        let words = what.iter().copied().skip(1);
        words.fold(call.arg("--rocm-path").arg(&tree), Call::arg)
    };
    let ccache = setup.ccache.to_string_lossy().into_owned();
    let install = ["install", "--launcher", &ccache];
    let restore = command(&["restore"], "memo");
    // The memo does not record files that were just written.
    std::thread::sleep(Duration::from_millis(100));
    // Names the compiler's path, as a launcher does. If a tree is named, rock-wrap first asks hipcc which compiler it
    // calls.
    let quick = Call::new(&setup.rock_wrap, ["fingerprint", "--quick"]);
    let quick = quick.env("XDG_CACHE_HOME", setup.work.join("memo"));
    let quick = quick.arg(tree.join("lib/llvm/bin/clang++"));
    command(&install, "memo").run();

    let mut contest = Contest::new(
        "rock-wrap --version",
        Call::new(&setup.rock_wrap, ["--version"]),
    );
    let first = contest.add_rare("install, nothing remembered", 2, || {
        restore.run();
        fresh.set(fresh.get() + 1);
        command(&install, &format!("memo-{}", fresh.get())).run()
    });
    let second = contest.add("install, nothing changed", command(&install, "memo"));
    let fingerprint = contest.add("fingerprint --quick, remembered", quick);
    let run = contest.add_rare("run -- true", 1, || {
        restore.run();
        let session = command(&["run", "--launcher", &ccache, "--", "/bin/true"], "memo").run();
        command(&install, "memo").run();
        session
    });
    let results = contest.run(rounds);
    report.contest("commands", &results, &[]);
    let milliseconds = |index: usize| results.time(|median| median(index) / 1e3);
    for (what, index, bar) in [
        ("install, nothing changed", second, 300.0),
        ("fingerprint --quick, remembered", fingerprint, 3.0),
        ("run -- true", run, 600.0),
    ] {
        report.number(
            "commands",
            what,
            milliseconds(index),
            "ms",
            Some(Bar::AtMost(bar)),
        );
    }
    let hashed = size(setup) / 1e9;
    for (what, value, unit) in [
        ("read by a fingerprint", hashed, "GB"),
        (
            "of the time wanted, kept by the host",
            results.stolen * 100.0,
            "%",
        ),
    ] {
        report.number("commands", what, Estimate { value, noise: 0.0 }, unit, None);
    }
    // What both installs do besides, such as asking hipcc for its version, is not reading.
    let rate = results.time(|median| (median(first) - median(second)) / 1e6 / hashed);
    report.number(
        "commands",
        "an install's reading, for each GB",
        rate,
        "s",
        Some(Bar::AtMost(0.5)),
    );
}

/// The number of bytes that a fingerprint of the tree covers.
fn size(setup: &Setup) -> f64 {
    let mut fingerprint = std::process::Command::new(&setup.rock_wrap);
    fingerprint
        .args(["fingerprint", "--json", "--rocm-path"])
        .arg(setup.tree("bare"));
    let answer = fingerprint.output().expect("rock-wrap runs").stdout;
    let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
    answer["size"].as_f64().expect("a size")
}
