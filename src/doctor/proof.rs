//! Compiles through the shim, and compares the results with those of the real compiler.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;

use object::{Object, ObjectSymbol};

use super::bench::{Bench, BenchCache};
use super::judge::{self, ExpectedCounts};
use super::scratch::DoctorError;
use super::{Finding, Severity, Subject};
use crate::launcher::health;
use crate::shared::launchers::kind::LauncherKind;

type Findings = Result<Vec<Finding>, DoctorError>;

/// clang's default compilation unit id depends on the output's name. With a fixed id, objects can
/// be compared.
const ID: &str = "-cuid=d0c";

/// Starts the cache for the test compiles, or reports why it cannot.
pub fn own_cache(subject: &Subject, bench: &Bench) -> Findings {
    if subject.launcher.kind == LauncherKind::Other {
        let statement = "cannot test the cache: this launcher does not report what it did";
        return Ok(vec![
            Finding::error("compile", statement).remedy("use sccache or ccache"),
        ]);
    }
    let environment = bench.environment(BenchCache::Own);
    health::check_in(&environment, &subject.launcher, health::LIMIT)?;
    Ok(Vec::new())
}

/// Checks that a compile is stored, is found again, and gives the real compiler's object.
pub fn twice(_: &Subject, bench: &Bench) -> Findings {
    let more = [ID];
    let answer = bench.bare(bench.compile("bare.o", &more))?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.stderr);
        return Ok(vec![
            Finding::error(
                "compile",
                "the compiler does not compile HIP, shim or no shim",
            )
            .evidence(judge::first_line(&said))
            .remedy("is the tree complete? HIP needs lld and the device libraries"),
        ]);
    }
    let bare = bench.read("bare.o");
    let cold = bench.seen(BenchCache::Own, "unit.o", &more)?;
    let cold = judge::compile(
        "compile",
        "a HIP compile",
        ExpectedCounts::Miss,
        &cold,
        &bare,
    );
    let warm = bench.seen(BenchCache::Own, "unit.o", &more)?;
    let warm = judge::compile(
        "compile",
        "the same again",
        ExpectedCounts::Hit,
        &warm,
        &bare,
    );
    Ok(vec![cold, warm])
}

/// Edits that a launcher alone does not notice: description, file, text before, text after.
const EDITS: [(&str, &str, &str, &str); 3] = [
    (
        "a line that only device code has, edited",
        "unit.hip",
        "= 1; // the device's",
        "= 2;",
    ),
    (
        "a line that only one of two architectures has, edited",
        "unit.hip",
        "= 1; // one architecture's",
        "= 2;",
    ),
    (
        "a header that only device code includes, edited",
        "device.h",
        "= 1;",
        "= 2;",
    ),
];

/// Checks that an edit is noticed which affects only device code, with several architectures too.
pub fn edits(_: &Subject, bench: &Bench) -> Findings {
    const CHECK: &str = "edits";
    let second = bench.second_architecture();
    let more = [ID, second.as_str()];
    let mut before = bench.bare_object("bare.o", &more)?;
    let cold = bench.seen(BenchCache::Own, "unit.o", &more)?;
    let what = "a HIP compile for two architectures";
    let mut findings = vec![judge::compile(
        CHECK,
        what,
        ExpectedCounts::Miss,
        &cold,
        &before,
    )];
    for (what, file, from, to) in EDITS {
        bench.edit(file, from, to)?;
        let after = bench.bare_object("bare.o", &more)?;
        if after == before {
            let statement = format!(
                "{what}: this compiler's output does not change, so there is nothing to test"
            );
            findings.push(Finding::warning(CHECK, statement));
            continue;
        }
        let seen = bench.seen(BenchCache::Own, "unit.o", &more)?;
        findings.push(judge::compile(
            CHECK,
            what,
            ExpectedCounts::Miss,
            &seen,
            &after,
        ));
        before = after;
    }
    Ok(findings)
}

/// Checks that a changed device library is noticed.
pub fn bitcode(subject: &Subject, bench: &Bench) -> Findings {
    const CHECK: &str = "bitcode";
    let Some(dir) = subject.device_libraries() else {
        return Ok(Vec::new());
    };
    let copy = bench.path("bitcode");
    copy_libraries(dir, &copy).map_err(|source| DoctorError::File {
        path: copy.clone(),
        source,
    })?;
    let option = format!("--rocm-device-lib-path={}", copy.display());
    let more = [ID, option.as_str()];
    let before = bench.bare_object("bare.o", &more)?;
    let cold = bench.seen(BenchCache::Own, "unit.o", &more)?;
    let cold = judge::compile(
        CHECK,
        "with a copy of the device libraries",
        ExpectedCounts::Miss,
        &cold,
        &before,
    );
    bench.make_other_library(&copy.join("ocml.bc"))?;
    let after = bench.bare_object("bare.o", &more)?;
    if after == before || after.is_empty() {
        let statement =
            "this compiler's output does not depend on ocml.bc, so there is nothing to test";
        return Ok(vec![Finding::warning(CHECK, statement)]);
    }
    let changed = bench.seen(BenchCache::Own, "unit.o", &more)?;
    let changed = judge::compile(
        CHECK,
        "with one of them changed",
        ExpectedCounts::Miss,
        &changed,
        &after,
    );
    Ok(vec![cold, changed])
}

/// Creates `copy` with links to the libraries of `dir`, except the one that is to be changed.
fn copy_libraries(dir: &Path, copy: &Path) -> std::io::Result<()> {
    std::fs::create_dir(copy)?;
    for entry in dir.read_dir()? {
        let name = entry?.file_name();
        if name != "ocml.bc" {
            symlink(dir.join(&name), copy.join(&name))?;
        }
    }
    std::fs::copy(dir.join("ocml.bc"), copy.join("ocml.bc"))?;
    Ok(())
}

/// Checks that two outputs of one source can be linked together.
pub fn names(_: &Subject, bench: &Bench) -> Findings {
    let one = bench.seen(BenchCache::Own, "one.o", &["-fgpu-rdc"])?;
    let two = bench.seen(BenchCache::Own, "two.o", &["-fgpu-rdc"])?;
    Ok(vec![judge::names(&ids(&one.object), &ids(&two.object))])
}

/// The symbols in which clang includes a compilation unit id.
fn ids(elf: &[u8]) -> BTreeSet<String> {
    let Ok(file) = object::File::parse(elf) else {
        return BTreeSet::new();
    };
    let names = file.symbols().filter_map(|symbol| symbol.name().ok());
    let ids = names.filter(|name| name.starts_with("__hip_cuid_"));
    ids.map(str::to_owned).collect()
}

/// Checks that a hit writes the same depfile as the compiler.
pub fn depfile(_: &Subject, bench: &Bench) -> Findings {
    let file = bench.path("unit.d");
    let option = format!("-MF{}", file.display());
    let of = |target: &'static str| [ID, "-MD", "-MT", target].map(str::to_owned);
    let mut findings = Vec::new();
    for target in ["one", "two", "one"] {
        let words = of(target);
        let mut more: Vec<_> = words.iter().map(String::as_str).collect();
        more.push(&option);
        let _ = std::fs::remove_file(&file);
        bench.bare_object("bare.o", &more)?;
        let bare = bench.read("unit.d");
        let _ = std::fs::remove_file(&file);
        let seen = bench.seen(BenchCache::Own, "unit.o", &more)?;
        findings = vec![judge::depfile(&seen.counts, &bench.read("unit.d"), &bare)];
        if findings[0].severity != Severity::Ok {
            break;
        }
    }
    Ok(findings)
}

/// Calls that are not compiles, by which build systems examine a compiler.
const PROBES: &[&[&str]] = &[
    &["--version"],
    &["-print-resource-dir"],
    &["-dM", "-E", "-x", "c++", "/dev/null"],
    &["-v", "-E", "-x", "c++", "/dev/null"],
    &["-c", "missing.hip"],
];

/// Checks that probes are answered as by the real compiler.
pub fn probes(_: &Subject, bench: &Bench) -> Findings {
    let mut different = Vec::new();
    for probe in PROBES {
        let (shim, bare) = (bench.shimmed(BenchCache::Own, *probe)?, bench.bare(*probe)?);
        if (shim.status, &shim.stdout, &shim.stderr) != (bare.status, &bare.stdout, &bare.stderr) {
            different.push(probe.join(" "));
        }
    }
    Ok(vec![judge::probes(PROBES.len(), &different)])
}

/// Checks that storage shared with other machines accepted the results of the test compiles.
pub fn remote(subject: &Subject, bench: &Bench) -> Findings {
    let environment = bench.environment(BenchCache::Own);
    let health = health::check_in(&environment, &subject.launcher, health::LIMIT)?;
    let Some(health) = health.filter(|health| health.storage != "disk") else {
        return Ok(Vec::new());
    };
    let failures = match subject.launcher.kind {
        LauncherKind::Ccache => health::remote_failures(&environment, &subject.launcher)?,
        // sccache's server does not start before the storage has answered.
        _ => 0,
    };
    Ok(vec![judge::remote(
        &health.storage,
        &health.location,
        failures,
    )])
}

/// Checks that the cache of builds stores a compile and finds it again. Others use its counters
/// too, so their hits and misses count as well.
pub fn live(subject: &Subject, bench: &Bench) -> Findings {
    const CHECK: &str = "your-cache";
    // Must differ from the other id: both caches may share storage.
    const ID: &str = "-cuid=11fe";
    let bare = bench.bare_object("bare.o", &[ID])?;
    let cold = bench.seen(BenchCache::Users, "unit.o", &[ID])?;
    let warm = bench.seen(BenchCache::Users, "unit.o", &[ID])?;
    let what = format!(
        "a compile through your own {}",
        subject.launcher.kind.as_str()
    );
    let cold = judge::compile(CHECK, &what, ExpectedCounts::AnyMiss, &cold, &bare);
    let warm = judge::compile(
        CHECK,
        "the same again",
        ExpectedCounts::AnyHit,
        &warm,
        &bare,
    );
    Ok(vec![cold, warm])
}
