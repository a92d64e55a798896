//! A HIP compile that is in the cache.

use std::path::Path;

use super::caches::Cache;
use super::contest::{Call, Contest};
use super::report::{Bar, Report};
use super::{Setup, executable};

/// The compile of one unit of the sample project, in `tree`; `first` is what is called with it.
fn compile(setup: &Setup, tree: &str, first: &Path, before: &[&Path]) -> Call {
    let unit = setup.source.join("examples/hip-project/src/saxpy.hip");
    let include = format!(
        "-I{}",
        setup.source.join("examples/hip-project/include").display()
    );
    let rocm = format!("--rocm-path={}", setup.tree(tree).display());
    let mut args: Vec<_> = before
        .iter()
        .map(|path| path.as_os_str().to_owned())
        .collect();
    args.extend(
        [
            &rocm,
            "-x",
            "hip",
            "--offload-arch=gfx900",
            "--offload-arch=gfx906",
            "-O2",
            "-std=c++17",
            &include,
            "-c",
        ]
        .map(Into::into),
    );
    args.extend([
        unit.into_os_string(),
        "-o".into(),
        setup.work.join("saxpy.o").into_os_string(),
    ]);
    Call::new(first, args)
}

/// sccache and ccache.
pub fn all(setup: &Setup, report: &mut Report) {
    through_sccache(setup, report);
    through_ccache(setup, report);
}

fn through_sccache(setup: &Setup, report: &mut Report) {
    let cache = Cache::new(setup, &setup.sccache, "hits");
    let bare = setup.tree("bare").join("lib/llvm/bin/clang++");
    let wrapped = setup.tree("sccache").join("lib/llvm/bin/clang++");
    let (sccache, real) = (setup.sccache.display(), bare.display());
    let stub = |name: &str, body: String| executable(&setup.work.join(name), body.as_bytes());
    let call =
        |first: &Path, before: &[&Path]| compile(setup, "bare", first, before).envs(&cache.env);

    let mut contest = Contest::new("bare sccache", call(&setup.sccache, &[&bare]));
    let shim = contest.add(
        "shim + sccache",
        compile(setup, "sccache", &wrapped, &[]).envs(&cache.env),
    );
    let sh = stub("sh", format!("#!/bin/sh\nexec {sccache} {real} \"$@\"\n"));
    contest.add("sh stub + sccache", call(&sh, &[]));
    let ps = stub(
        "ps",
        format!(
            "#!/bin/sh\nif [ \"$(env -u LD_PRELOAD ps -p $PPID -o comm=)\" != sccache ]; then\n  \
         exec {sccache} {real} \"$@\"\nelse\n  exec {real} \"$@\"\nfi\n"
        ),
    );
    contest.add("sh stub that asks ps + sccache", call(&ps, &[]));
    let python = call(&setup.peer("launcher.py"), &[&bare]).env("PEER_CACHE", &setup.sccache);
    contest.add("Python launcher + sccache", python);
    let compiler = call(&bare, &[]);
    contest.add_rare("the compiler by itself", 50, move || compiler.run());
    let results = counted(&cache, contest, setup.rounds(600));
    report.contest("hit", &results, &[(shim, Bar::AtMost(1.05))]);
}

fn through_ccache(setup: &Setup, report: &mut Report) {
    let cache = Cache::new(setup, &setup.ccache, "hits");
    let bare = setup.tree("bare").join("lib/llvm/bin/clang++");
    let wrapped = setup.tree("ccache").join("lib/llvm/bin/clang++");
    let call = || compile(setup, "bare", &setup.ccache, &[&bare]).envs(&cache.env);

    let mut contest = Contest::new("bare ccache, its default check", call());
    let shim = contest.add(
        "shim + ccache",
        compile(setup, "ccache", &wrapped, &[]).envs(&cache.env),
    );
    let kept = setup.work.join("compiler-check");
    let check = format!(
        "{} {} %compiler%",
        setup.peer("compiler_check.py").display(),
        kept.display()
    );
    let python = contest.add(
        "ccache with a Python compiler_check",
        call().env("CCACHE_COMPILERCHECK", check),
    );
    let check = format!(
        "{} fingerprint --quick %compiler%",
        setup.rock_wrap.display()
    );
    contest.add(
        "ccache with rock-wrap fingerprint --quick",
        call().env("CCACHE_COMPILERCHECK", check),
    );
    let results = counted(&cache, contest, setup.rounds(600));
    report.contest("hit", &results, &[(shim, Bar::AtMost(1.05))]);
    let times = results.ratio_of(python, shim);
    report.number(
        "hit",
        "a Python compiler_check over shim + ccache",
        times,
        "x",
        Some(Bar::AtLeast(5.0)),
    );
}

/// Runs a contest in which every call but the first of each command must be a hit.
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
