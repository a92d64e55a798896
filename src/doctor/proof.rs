//! The proof: compiles through the shim, held against those of the bare compiler.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;

use object::{Object, ObjectSymbol};

use super::bench::{Bench, Cache, Decided, Seen, Trouble};
use super::{Finding, Subject};
use crate::decide::Reason;
use crate::identity::Role;
use crate::image::LauncherKind;
use crate::launcher::health;
use crate::launcher::stats::Counts;

type Findings = Result<Vec<Finding>, Trouble>;

/// clang's default id of a compile has the output's name in it; with one id, objects can be compared.
const ID: &str = "-cuid=d0c";

/// Starts the cache that the proof uses, or sees that this cannot be done.
pub fn own_cache(subject: &Subject, bench: &Bench) -> Findings {
    if subject.launcher.kind == LauncherKind::Other {
        let statement = "nothing is proved of a launcher that cannot be asked what it did";
        return Ok(vec![
            Finding::error("compile", statement).remedy("use sccache or ccache"),
        ]);
    }
    let environment = bench.environment(Cache::Own);
    health::check_in(&environment, &subject.launcher, health::LIMIT)?;
    Ok(Vec::new())
}

/// A compile is stored, found again, and the same as the bare compiler's.
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
            .evidence(first_line(&said))
            .remedy("is the tree complete? HIP needs lld and the device libraries"),
        ]);
    }
    let bare = bench.read("bare.o");
    let cold = bench.seen(Cache::Own, "unit.o", &more)?;
    let cold = judge("compile", "a HIP compile", Expected::Miss, &cold, &bare);
    let warm = bench.seen(Cache::Own, "unit.o", &more)?;
    let warm = judge("compile", "the same again", Expected::Hit, &warm, &bare);
    Ok(vec![cold, warm])
}

/// A changed device library is noticed.
pub fn bitcode(subject: &Subject, bench: &Bench) -> Findings {
    const CHECK: &str = "bitcode";
    let members = subject.identity.members.iter();
    let mut libraries = members.filter(|member| member.role == Role::Bitcode);
    let Some(dir) = libraries.find_map(|library| library.path.parent()) else {
        return Ok(Vec::new());
    };
    let copy = bench.path("bitcode");
    copy_libraries(dir, &copy).map_err(|source| Trouble::File {
        path: copy.clone(),
        source,
    })?;
    let option = format!("--rocm-device-lib-path={}", copy.display());
    let more = [ID, option.as_str()];
    let before = bench.bare_object("bare.o", &more)?;
    let cold = bench.seen(Cache::Own, "unit.o", &more)?;
    let cold = judge(
        CHECK,
        "with a copy of the device libraries",
        Expected::Miss,
        &cold,
        &before,
    );
    bench.make_other_library(&copy.join("ocml.bc"))?;
    let after = bench.bare_object("bare.o", &more)?;
    if after == before {
        let statement = "a changed ocml.bc changes no object of this compiler: nothing to prove";
        return Ok(vec![Finding::warning(CHECK, statement)]);
    }
    let changed = bench.seen(Cache::Own, "unit.o", &more)?;
    let changed = judge(
        CHECK,
        "with one of them changed",
        Expected::Miss,
        &changed,
        &after,
    );
    Ok(vec![cold, changed])
}

/// Links to the libraries of `dir`, but for the one that is to change.
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

/// Two outputs of one source can be linked together.
pub fn names(_: &Subject, bench: &Bench) -> Findings {
    let one = bench.seen(Cache::Own, "one.o", &["-fgpu-rdc"])?;
    let two = bench.seen(Cache::Own, "two.o", &["-fgpu-rdc"])?;
    Ok(vec![judge_names(&ids(&one.object), &ids(&two.object))])
}

/// The symbols that clang makes of a compile's id.
fn ids(elf: &[u8]) -> BTreeSet<String> {
    let Ok(file) = object::File::parse(elf) else {
        return BTreeSet::new();
    };
    let names = file.symbols().filter_map(|symbol| symbol.name().ok());
    let ids = names.filter(|name| name.starts_with("__hip_cuid_"));
    ids.map(str::to_owned).collect()
}

fn judge_names(one: &BTreeSet<String>, two: &BTreeSet<String>) -> Finding {
    const CHECK: &str = "names";
    let show = |ids: &BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>().join(" ");
    if one.is_empty() && two.is_empty() {
        return Finding::ok(
            CHECK,
            "objects of this compiler have no id that could collide",
        );
    }
    if one.is_disjoint(two) {
        return Finding::ok(CHECK, "two outputs of one source have ids of their own")
            .evidence(format!("{}; {}", show(one), show(two)));
    }
    Finding::error(
        CHECK,
        "two outputs of one source have one id: they cannot be linked together",
    )
    .evidence(show(one))
    .remedy("report it, and give each compile a -cuid of its own meanwhile")
}

/// A hit writes the dependency file that the compiler would have written.
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
        let seen = bench.seen(Cache::Own, "unit.o", &more)?;
        findings = vec![judge_depfile(&seen.counts, &bench.read("unit.d"), &bare)];
        if findings[0].severity != super::Severity::Ok {
            break;
        }
    }
    Ok(findings)
}

fn judge_depfile(counts: &Counts, written: &[u8], bare: &[u8]) -> Finding {
    const CHECK: &str = "depfile";
    let evidence = counts.to_string();
    if written == bare {
        Finding::ok(CHECK, "a dependency file is the compiler's, on a hit too").evidence(evidence)
    } else {
        Finding::error(
            CHECK,
            "the dependency file is not the one that the compiler writes",
        )
        .evidence(evidence)
        .remedy("report it; builds that use it may miss changes of headers")
    }
}

/// Calls that are no compiles, as build systems make them to learn about the compiler.
const PROBES: &[&[&str]] = &[
    &["--version"],
    &["-print-resource-dir"],
    &["-dM", "-E", "-x", "c++", "/dev/null"],
    &["-v", "-E", "-x", "c++", "/dev/null"],
    &["-c", "missing.hip"],
];

/// Probes are answered as by the bare compiler.
pub fn probes(_: &Subject, bench: &Bench) -> Findings {
    let mut different = Vec::new();
    for probe in PROBES {
        let (shim, bare) = (bench.shimmed(Cache::Own, *probe)?, bench.bare(*probe)?);
        if (shim.status, &shim.stdout, &shim.stderr) != (bare.status, &bare.stdout, &bare.stderr) {
            different.push(probe.join(" "));
        }
    }
    Ok(vec![judge_probes(&different)])
}

fn judge_probes(different: &[String]) -> Finding {
    const CHECK: &str = "probes";
    if different.is_empty() {
        let statement = format!(
            "{} probes are answered as by the bare compiler",
            PROBES.len()
        );
        return Finding::ok(CHECK, statement);
    }
    Finding::error(
        CHECK,
        "the shim does not answer probes as the compiler does",
    )
    .evidence(different.join("; "))
    .remedy("report it, and run `rock-wrap restore` meanwhile")
}

/// The storage that the launcher shares with other machines took what the proof gave it.
pub fn remote(subject: &Subject, bench: &Bench) -> Findings {
    let environment = bench.environment(Cache::Own);
    let health = health::check_in(&environment, &subject.launcher, health::LIMIT)?;
    let Some(health) = health.filter(|health| health.storage != "disk") else {
        return Ok(Vec::new());
    };
    let failures = match subject.launcher.kind {
        LauncherKind::Ccache => health::remote_failures(&environment, &subject.launcher)?,
        // Its server does not start before the back end has answered.
        _ => 0,
    };
    Ok(vec![judge_remote(
        &health.storage,
        &health.location,
        failures,
    )])
}

fn judge_remote(storage: &str, location: &str, failures: u64) -> Finding {
    const CHECK: &str = "remote";
    if failures == 0 {
        return Finding::ok(CHECK, format!("the storage ({storage}) answers")).evidence(location);
    }
    Finding::warning(CHECK, format!("the storage ({storage}) does not answer"))
        .evidence(format!("{location}: {failures} failures"))
        .remedy("is it up, and are its address and credentials right?")
}

/// The cache that builds use takes a compile and gives it back. Its counters are everybody's, so
/// that a hit or a miss of somebody else's counts too.
pub fn live(subject: &Subject, bench: &Bench) -> Findings {
    const CHECK: &str = "your-cache";
    let bare = bench.bare_object("bare.o", &[ID])?;
    let cold = bench.seen(Cache::Users, "unit.o", &[ID])?;
    let warm = bench.seen(Cache::Users, "unit.o", &[ID])?;
    let what = format!(
        "a compile through your own {}",
        subject.launcher.kind.as_str()
    );
    let cold = judge(CHECK, &what, Expected::AnyMiss, &cold, &bare);
    let warm = judge(CHECK, "the same again", Expected::AnyHit, &warm, &bare);
    Ok(vec![cold, warm])
}

/// What the launcher should have counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Miss,
    Hit,
    /// Beside what others had counted meanwhile.
    AnyMiss,
    AnyHit,
}

fn judge(check: &'static str, what: &str, expected: Expected, seen: &Seen, bare: &[u8]) -> Finding {
    let counts = &seen.counts;
    let error = |statement: &str, evidence: String, remedy: &str| {
        let finding = Finding::error(check, format!("{what}: {statement}"));
        finding.evidence(evidence).remedy(remedy)
    };
    if !seen.success {
        return error(
            "fails through the launcher, and not without it",
            first_line(&seen.stderr),
            "read what the launcher says; ROCK_WRAP_DISABLE=1 builds without it",
        );
    }
    match &seen.decided {
        Decided::Launched => {}
        Decided::Direct(id) => {
            let reason = Reason::ALL.iter().find(|reason| reason.as_str() == id);
            let remedy = reason.and_then(|reason| reason.remedy());
            let why = reason.map_or(id.as_str(), |reason| reason.explanation());
            return error(
                "is not given to the launcher",
                why.to_owned(),
                remedy.unwrap_or("report it"),
            );
        }
        Decided::Unseen => {
            let why = "the shim left no line in its log".to_owned();
            return error("does not reach the shim", why, "report it");
        }
    }
    if seen.object != bare {
        return error(
            "the object is not the one that the compiler makes",
            counts.to_string(),
            "do not use this launcher for HIP, and report it",
        );
    }
    let (hits, misses) = hip(counts);
    let met = match expected {
        Expected::Miss => hits == 0 && misses > 0,
        Expected::Hit => hits > 0 && misses == 0,
        Expected::AnyMiss => misses > 0,
        Expected::AnyHit => hits > 0,
    };
    let wants_hit = matches!(expected, Expected::Hit | Expected::AnyHit);
    match (met, wants_hit) {
        (true, true) => Finding::ok(
            check,
            format!("{what}: found, and the object is the compiler's"),
        ),
        (true, false) => Finding::ok(
            check,
            format!("{what}: compiled and stored, and the object is the compiler's"),
        ),
        (false, true) => {
            return error(
                "is not found in the cache",
                counts.to_string(),
                "is the cache read-only, full or out of reach? see the launcher's own statistics",
            );
        }
        (false, false) => {
            return error(
                "is not counted as a miss",
                counts.to_string(),
                "see the launcher's own statistics; has its cache been asked this before?",
            );
        }
    }
    .evidence(counts.to_string())
}

/// Hits and misses of HIP compiles, or of all where the launcher does not tell them apart.
fn hip(counts: &Counts) -> (u64, u64) {
    let tally = counts.hip.unwrap_or(counts.all);
    (tally.hits, tally.misses)
}

fn first_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty());
    line.unwrap_or("it said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;
    use crate::launcher::stats::Tally;

    fn seen(hits: u64, misses: u64) -> Seen {
        Seen {
            success: true,
            stderr: String::new(),
            decided: Decided::Launched,
            counts: Counts {
                all: Tally {
                    hits,
                    misses,
                    errors: 0,
                },
                ..Counts::default()
            },
            object: b"object".to_vec(),
        }
    }

    fn severity(expected: Expected, seen: &Seen) -> Severity {
        judge("x", "it", expected, seen, b"object").severity
    }

    #[test]
    fn hits_and_misses_have_to_be_the_expected_ones() {
        use Expected::{AnyHit, AnyMiss, Hit, Miss};
        for (expected, hits, misses, severity) in [
            (Miss, 0, 1, Severity::Ok),
            (Miss, 1, 0, Severity::Error),
            (Miss, 0, 0, Severity::Error),
            (Hit, 1, 0, Severity::Ok),
            (Hit, 0, 1, Severity::Error),
            (AnyHit, 1, 5, Severity::Ok),
            (AnyMiss, 5, 1, Severity::Ok),
            (AnyMiss, 5, 0, Severity::Error),
        ] {
            assert_eq!(
                self::severity(expected, &seen(hits, misses)),
                severity,
                "{expected:?}"
            );
        }
    }

    #[test]
    fn a_wrong_object_is_an_error_whatever_was_counted() {
        let wrong = Seen {
            object: b"other".to_vec(),
            ..seen(1, 0)
        };
        assert_eq!(severity(Expected::Hit, &wrong), Severity::Error);
    }

    #[test]
    fn a_call_that_was_not_launched_is_explained() {
        let direct = Seen {
            decided: Decided::Direct(Reason::OverrideOptions.as_str().to_owned()),
            ..seen(0, 0)
        };
        let finding = judge("x", "it", Expected::Miss, &direct, b"object");
        assert_eq!(
            finding.evidence.as_deref(),
            Some(Reason::OverrideOptions.explanation())
        );
    }

    #[test]
    fn one_id_in_two_objects_is_an_error() {
        let ids = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let (a, b, none) = (ids(&["__hip_cuid_a"]), ids(&["__hip_cuid_b"]), ids(&[]));
        assert_eq!(judge_names(&a, &a).severity, Severity::Error);
        assert_eq!(judge_names(&a, &b).severity, Severity::Ok);
        assert_eq!(judge_names(&none, &none).severity, Severity::Ok);
    }

    #[test]
    fn other_answers_and_other_depfiles_are_errors() {
        assert_eq!(
            judge_probes(&["--version".to_owned()]).severity,
            Severity::Error
        );
        assert_eq!(judge_probes(&[]).severity, Severity::Ok);
        let counts = Counts::default();
        assert_eq!(
            judge_depfile(&counts, b"a: x", b"b: x").severity,
            Severity::Error
        );
        assert_eq!(
            judge_depfile(&counts, b"b: x", b"b: x").severity,
            Severity::Ok
        );
        assert_eq!(judge_remote("redis", "r", 2).severity, Severity::Warning);
    }
}
