//! Measures HIP compiles that are in the cache.

use std::path::{Path, PathBuf};

use super::caches::Cache;
use super::calls::hip_options;
use super::contest::{Call, Contest};
use super::report::{Bar, Report};
use super::{Setup, executable};

/// A source, with its name in the table.
struct Unit {
    what: &'static str,
    source: PathBuf,
    /// Whether the shim may add at most a twentieth to a hit of this source.
    is_usual: bool,
}

/// A single device function gives the shortest possible hit (its compile still reads the headers that clang includes
/// for HIP). With the HIP headers, which most units include, ccache hashes 250 files.
fn units(setup: &Setup) -> [Unit; 2] {
    let function = setup.work.join("function.hip");
    let text = "__attribute__((device)) int twice(int x) { return 2 * x; }\n";
    std::fs::write(&function, text).expect("a directory of our own");
    [
        Unit {
            what: "HIP headers",
            source: setup.source.join("examples/hip-project/src/saxpy.hip"),
            is_usual: true,
        },
        Unit {
            what: "one function",
            source: function,
            is_usual: false,
        },
    ]
}

/// The compile of `unit` in `tree`, with `first` as the compiler and the launchers `before` in
/// front of it.
fn compile(setup: &Setup, unit: &Unit, tree: &str, first: &Path, before: &[&Path]) -> Call {
    let include = setup.source.join("examples/hip-project/include");
    let options = [
        format!("--rocm-path={}", setup.tree(tree).display()),
        format!("-I{}", include.display()),
    ];
    let call = before.iter().fold(Call::new::<&str>(first, []), Call::arg);
    let call = options.iter().fold(call, Call::arg);
    hip_options()
        .iter()
        .fold(call, Call::arg)
        .arg("-c")
        .arg(&unit.source)
        .arg("-o")
        .arg(setup.work.join("hit.o"))
}

/// The bar for a shim in front of a launcher, for units that have one.
fn bars(unit: &Unit, shim: usize) -> Vec<(usize, Bar)> {
    unit.is_usual
        .then_some((shim, Bar::AtMost(1.05)))
        .into_iter()
        .collect()
}

/// Measures sccache and ccache.
pub fn all(setup: &Setup, report: &mut Report) {
    for unit in units(setup) {
        through_sccache(setup, &unit, report);
        through_ccache(setup, &unit, report);
    }
}

fn through_sccache(setup: &Setup, unit: &Unit, report: &mut Report) {
    let cache = Cache::new(setup, &setup.sccache, "hits");
    let bare = setup.tree("bare").join("lib/llvm/bin/clang++");
    let wrapped = setup.tree("sccache").join("lib/llvm/bin/clang++");
    let (sccache, real) = (setup.sccache.display(), bare.display());
    let named = |what: &str| format!("{}: {what}", unit.what);
    let stub = |name: &str, body: String| executable(&setup.work.join(name), body.as_bytes());
    let call = |first: &Path, before: &[&Path]| {
        compile(setup, unit, "bare", first, before).envs(&cache.env)
    };

    let mut contest = Contest::new(&named("bare sccache"), call(&setup.sccache, &[&bare]));
    let shim = contest.add(
        &named("shim + sccache"),
        compile(setup, unit, "sccache", &wrapped, &[]).envs(&cache.env),
    );
    let sh = stub("sh", format!("#!/bin/sh\nexec {sccache} {real} \"$@\"\n"));
    contest.add(&named("sh stub + sccache"), call(&sh, &[]));
    let ps = stub(
        "ps",
        format!(
            "#!/bin/sh\nif [ \"$(env -u LD_PRELOAD ps -p $PPID -o comm=)\" != sccache ]; then\n  \
         exec {sccache} {real} \"$@\"\nelse\n  exec {real} \"$@\"\nfi\n"
        ),
    );
    contest.add(&named("sh stub that asks ps + sccache"), call(&ps, &[]));
    let python = call(&setup.peer("launcher.py"), &[&bare]).env("PEER_CACHE", &setup.sccache);
    contest.add(&named("Python launcher + sccache"), python);
    let compiler = call(&bare, &[]);
    contest.add_rare(&named("the compiler"), 50, move || compiler.run());
    let results = counted(&cache, contest, setup.rounds(600));
    report.contest("hit", &results, &bars(unit, shim));
}

fn through_ccache(setup: &Setup, unit: &Unit, report: &mut Report) {
    let cache = Cache::new(setup, &setup.ccache, "hits");
    let bare = setup.tree("bare").join("lib/llvm/bin/clang++");
    let wrapped = setup.tree("ccache").join("lib/llvm/bin/clang++");
    let named = |what: &str| format!("{}: {what}", unit.what);
    let call = || compile(setup, unit, "bare", &setup.ccache, &[&bare]).envs(&cache.env);

    let mut contest = Contest::new(&named("bare ccache, its default check"), call());
    let shim = contest.add(
        &named("shim + ccache"),
        compile(setup, unit, "ccache", &wrapped, &[]).envs(&cache.env),
    );
    let kept = setup.work.join("compiler-check");
    let check = format!(
        "{} {} %compiler%",
        setup.peer("compiler_check.py").display(),
        kept.display()
    );
    let python = contest.add(
        &named("ccache, a Python compiler_check"),
        call().env("CCACHE_COMPILERCHECK", check),
    );
    let check = format!(
        "{} fingerprint --quick %compiler%",
        setup.rock_wrap.display()
    );
    contest.add(
        &named("ccache, rock-wrap fingerprint --quick"),
        call().env("CCACHE_COMPILERCHECK", check),
    );
    let results = counted(&cache, contest, setup.rounds(600));
    report.contest("hit", &results, &bars(unit, shim));
    // If ccache itself takes long, no faster check can make the whole hit five times faster.
    let bar = (!unit.is_usual).then_some(Bar::AtLeast(5.0));
    let times = results.ratio_of(python, shim);
    let what = named("a Python compiler_check over the shim");
    report.number("hit", &what, times, "x", bar);
    let added = results
        .estimate(|median| (median(python) - median(0)) / (median(shim) - median(0)).max(1.0));
    let what = named("the same, of what each adds to ccache");
    report.number("hit", &what, added, "x", Some(Bar::AtLeast(5.0)));
}

/// Runs a contest in which every call must be a hit, except the first one of each command.
fn counted(cache: &Cache, contest: Contest<'_>, rounds: usize) -> super::contest::Results {
    let results = contest.run_after(rounds, || cache.zero());
    assert_eq!(
        cache.misses(),
        0,
        "{} had to compile",
        cache.program.display()
    );
    results
}
