//! Derives findings from the results of the test compiles.

use std::collections::BTreeSet;

use super::Finding;
use super::bench::{Decided, Seen};
use crate::launcher::stats::Counts;
use crate::shared::decision::reasons::Reason;

/// What the launcher should have counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedCounts {
    /// Exactly one miss.
    Miss,
    /// Exactly one hit.
    Hit,
    /// At least one miss; others use the counters too.
    AnyMiss,
    /// At least one hit; others use the counters too.
    AnyHit,
}

/// The finding for a compile through the shim; `bare` is the real compiler's object.
pub fn compile(
    check: &'static str,
    what: &str,
    expected: ExpectedCounts,
    seen: &Seen,
    bare: &[u8],
) -> Finding {
    match verdict(expected, seen, bare) {
        Ok(done) => {
            let statement = format!("{what}: {done}, and the object is the compiler's");
            Finding::ok(check, statement).evidence(seen.counts.to_string())
        }
        Err(fault) => Finding::error(check, format!("{what}: {}", fault.statement))
            .evidence(fault.evidence)
            .remedy(fault.remedy),
    }
}

/// The problem with a compile.
struct CompileFault {
    statement: &'static str,
    evidence: String,
    remedy: &'static str,
}

fn verdict(
    expected: ExpectedCounts,
    seen: &Seen,
    bare: &[u8],
) -> Result<&'static str, CompileFault> {
    if !seen.success {
        return Err(CompileFault {
            statement: "fails through the launcher, and not without it",
            evidence: first_line(&seen.stderr),
            remedy: "read what the launcher says; ROCK_WRAP_DISABLE=1 builds without it",
        });
    }
    launched(&seen.decided)?;
    let fault = |statement, remedy| CompileFault {
        statement,
        evidence: seen.counts.to_string(),
        remedy,
    };
    if seen.object != bare {
        return Err(fault(
            "the object is not the one that the compiler makes",
            "do not use this launcher for HIP, and report it",
        ));
    }
    let (hits, misses) = hip(&seen.counts);
    let (met, hit) = match expected {
        ExpectedCounts::Miss => (hits == 0 && misses > 0, false),
        ExpectedCounts::AnyMiss => (misses > 0, false),
        ExpectedCounts::Hit => (hits > 0 && misses == 0, true),
        ExpectedCounts::AnyHit => (hits > 0, true),
    };
    match (met, hit) {
        (true, true) => Ok("found"),
        (true, false) => Ok("compiled and stored"),
        (false, true) => Err(fault(
            "is not found in the cache",
            "is the cache read-only, full or out of reach? see the launcher's own statistics",
        )),
        (false, false) => Err(fault(
            "is not counted as a miss",
            "see the launcher's own statistics; is its cache switched off?",
        )),
    }
}

fn launched(decided: &Decided) -> Result<(), CompileFault> {
    let report = "report it";
    match decided {
        Decided::Launched => Ok(()),
        Decided::Direct(id) => {
            let reason = Reason::ALL.iter().find(|reason| reason.as_str() == id);
            let explained = reason.map_or(id.as_str(), |reason| reason.explanation());
            Err(CompileFault {
                statement: "is not given to the launcher",
                evidence: explained.to_owned(),
                remedy: reason.and_then(|reason| reason.remedy()).unwrap_or(report),
            })
        }
        Decided::Unseen => Err(CompileFault {
            statement: "does not reach the shim",
            evidence: "the shim left no line in its log".to_owned(),
            remedy: report,
        }),
    }
}

/// Hits and misses of HIP compiles, or of all compiles if the launcher does not distinguish them.
fn hip(counts: &Counts) -> (u64, u64) {
    let tally = counts.hip.unwrap_or(counts.all);
    (tally.hits, tally.misses)
}

/// The finding for the ids in two outputs of one source.
pub fn names(one: &BTreeSet<String>, two: &BTreeSet<String>) -> Finding {
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

/// The finding for a depfile, compared with the real compiler's.
pub fn depfile(counts: &Counts, written: &[u8], bare: &[u8]) -> Finding {
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

/// The finding for `count` probes, of which `different` had other answers.
pub fn probes(count: usize, different: &[String]) -> Finding {
    const CHECK: &str = "probes";
    if different.is_empty() {
        let statement = format!("{} probes are answered as by the bare compiler", count);
        return Finding::ok(CHECK, statement);
    }
    Finding::error(
        CHECK,
        "the shim does not answer probes as the compiler does",
    )
    .evidence(different.join("; "))
    .remedy("report it, and run `rock-wrap restore` meanwhile")
}

/// The finding for remote storage after the test compiles.
pub fn remote(storage: &str, location: &str, failures: u64) -> Finding {
    const CHECK: &str = "remote";
    if failures == 0 {
        return Finding::ok(CHECK, format!("the storage ({storage}) answers")).evidence(location);
    }
    Finding::warning(CHECK, format!("the storage ({storage}) does not answer"))
        .evidence(format!("{location}: {failures} failures"))
        .remedy("is it up, and are its address and credentials right?")
}

/// The first line of a program's output that is not empty.
pub fn first_line(text: &str) -> String {
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

    fn severity(expected: ExpectedCounts, seen: &Seen) -> Severity {
        compile("x", "it", expected, seen, b"object").severity
    }

    #[test]
    fn hits_and_misses_have_to_be_the_expected_ones() {
        use ExpectedCounts::{AnyHit, AnyMiss, Hit, Miss};
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
        assert_eq!(severity(ExpectedCounts::Hit, &wrong), Severity::Error);
    }

    #[test]
    fn a_call_that_was_not_launched_is_explained() {
        let direct = Seen {
            decided: Decided::Direct(Reason::OverrideOptions.as_str().to_owned()),
            ..seen(0, 0)
        };
        let finding = compile("x", "it", ExpectedCounts::Miss, &direct, b"object");
        assert_eq!(
            finding.evidence.as_deref(),
            Some(Reason::OverrideOptions.explanation())
        );
    }

    #[test]
    fn one_id_in_two_objects_is_an_error() {
        let ids = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let (a, b, none) = (ids(&["__hip_cuid_a"]), ids(&["__hip_cuid_b"]), ids(&[]));
        assert_eq!(names(&a, &a).severity, Severity::Error);
        assert_eq!(names(&a, &b).severity, Severity::Ok);
        assert_eq!(names(&none, &none).severity, Severity::Ok);
    }

    #[test]
    fn other_answers_and_other_depfiles_are_errors() {
        assert_eq!(
            probes(5, &["--version".to_owned()]).severity,
            Severity::Error
        );
        assert_eq!(probes(5, &[]).severity, Severity::Ok);
        let counts = Counts::default();
        assert_eq!(depfile(&counts, b"a: x", b"b: x").severity, Severity::Error);
        assert_eq!(depfile(&counts, b"b: x", b"b: x").severity, Severity::Ok);
        assert_eq!(remote("redis", "r", 2).severity, Severity::Warning);
    }
}
