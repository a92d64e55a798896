//! Checks the environment: variables that decide about caching before any compiler runs.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::bench::Bench;
use super::scratch::DoctorError;
use super::{Finding, Subject};
use crate::launcher::{self, HIP_CLANG_LAUNCHER};
use crate::shared::call::Call;
use crate::shared::decision;
use crate::shared::decision::Decision;
use crate::shared::decision::reasons::{Direct, Reason};
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::this_machine::ThisMachine;

const CHECK: &str = "environment";

/// Checks whether a HIP compile in this environment would be launched, and whether other launchers
/// are set up.
pub fn environment(subject: &Subject, bench: &Bench) -> Result<Vec<Finding>, DoctorError> {
    let mut findings = Vec::new();
    findings.extend(direct(subject, bench).and_then(|direct| passed_by(&direct)));
    let get = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let outer = |name: &&'static str| outer_launcher(name, &get(name)?);
    findings.extend(OUTER.iter().filter_map(outer));
    let obeys = subject
        .tree
        .hipcc
        .as_ref()
        .is_some_and(|hipcc| hipcc.knows_launcher);
    if obeys && launcher::passes_shims_by() {
        let statement = "hipcc obeys HIP_CLANG_LAUNCHER itself: its compiles go without a shim";
        let remedy = "unset HIP_CLANG_LAUNCHER and give the launcher to `rock-wrap install`";
        findings.push(Finding::warning(CHECK, statement).remedy(remedy));
    }
    let incremental = ["CARGO_INCREMENTAL", "CARGO_BUILD_INCREMENTAL"]
        .iter()
        .any(|name| get(name).is_some_and(|value| value == "1"));
    if incremental && subject.launcher.kind == LauncherKind::Sccache {
        let statement = "sccache refuses every call that does not come through a shim of ours";
        let finding = Finding::warning(CHECK, statement).evidence("CARGO_INCREMENTAL=1");
        findings.push(finding.remedy("unset CARGO_INCREMENTAL"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            CHECK,
            "nothing in it keeps HIP compiles from the launcher",
        ));
    }
    Ok(findings)
}

/// Variables that make a build put a launcher in front of the compiler.
const OUTER: &[&str] = &[
    "CMAKE_C_COMPILER_LAUNCHER",
    "CMAKE_CXX_COMPILER_LAUNCHER",
    "CMAKE_HIP_COMPILER_LAUNCHER",
    "CC",
    "CXX",
    "HIPCXX",
];

fn outer_launcher(variable: &str, value: &OsStr) -> Option<Finding> {
    let text = value.to_string_lossy();
    let word = text.split([' ', ';']).next()?;
    let file = Path::new(word).file_name()?;
    let kind = LauncherKind::of_path(file.as_bytes());
    if kind == LauncherKind::Other {
        return None;
    }
    let statement = format!(
        "{} is put in front of the shim too, and its key is the shim, not the compiler",
        kind.as_str()
    );
    let remedy = match kind {
        LauncherKind::Ccache => {
            "unset it, or have that ccache ask us: \
             compiler_check = rock-wrap fingerprint --quick %compiler%"
        }
        _ => "unset it for compiles by ROCm's clang: the shim launches them",
    };
    Some(
        Finding::warning(CHECK, statement)
            .evidence(format!("{variable}={text}"))
            .remedy(remedy),
    )
}

/// The shim's own decision about the test compile, in the environment of a build.
fn direct(subject: &Subject, bench: &Bench) -> Option<Direct> {
    let string = |bytes: Vec<u8>| CString::new(bytes).ok();
    let words = bench.compile("decision.o", &[]).into_iter();
    let shim = OsString::from(bench.shim());
    let words = [shim].into_iter().chain(words);
    let argv: Vec<_> = words.filter_map(|word| string(word.into_vec())).collect();
    let entry = |(name, value): (OsString, OsString)| {
        string([name.as_bytes(), b"=", value.as_bytes()].concat())
    };
    // The environment of a build with this launcher.
    let others = std::env::vars_os().filter(|(name, _)| name != HIP_CLANG_LAUNCHER);
    let launcher = subject.launcher_by_environment();
    let launcher = launcher.map(|path| (HIP_CLANG_LAUNCHER.into(), path.into()));
    let env: Vec<_> = others.chain(launcher).filter_map(entry).collect();
    let argv: Vec<&CStr> = argv.iter().map(CString::as_c_str).collect();
    let env: Vec<&CStr> = env.iter().map(CString::as_c_str).collect();
    let config = subject.config();
    let call = Call {
        called: c"",
        argv: &argv,
        env: &env,
        config: &config,
    };
    let dir = [subject.tree.bin.as_os_str().as_bytes(), b"/"].concat();
    match decision::decide(&call, &ThisMachine::new(&|| &dir)) {
        Decision::Direct(direct) => Some(direct),
        Decision::Launch(_) | Decision::Forward(_) => None,
    }
}

fn passed_by(direct: &Direct) -> Option<Finding> {
    // The check of the installation reports this, with the file's name.
    if direct.reason == Reason::CompilerChanged {
        return None;
    }
    let finding = Finding::error(CHECK, "HIP compiles would not be given to the launcher");
    let finding = finding.evidence(direct.reason.explanation());
    Some(match direct.reason.remedy() {
        Some(remedy) => finding.remedy(remedy),
        None => finding,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launcher_in_front_of_the_shim_is_told_from_a_compiler() {
        let found = |value: &str| outer_launcher("CXX", OsStr::new(value)).is_some();
        assert!(found("/usr/bin/ccache"));
        assert!(found("sccache /opt/rocm/llvm/bin/clang++"));
        assert!(found("ccache;--flag"));
        assert!(!found("/opt/rocm/llvm/bin/clang++"));
        assert!(!found("clang++ -O2 -DNAME=ccache"));
    }

    #[test]
    fn what_keeps_compiles_from_the_launcher_comes_with_its_remedy() {
        let finding = passed_by(&Reason::SourceDateEpoch.into()).unwrap();
        assert_eq!(finding.severity, super::super::Severity::Error);
        assert_eq!(
            finding.evidence.as_deref(),
            Some(Reason::SourceDateEpoch.explanation())
        );
        assert_eq!(passed_by(&Reason::CompilerChanged.into()), None);
    }
}
