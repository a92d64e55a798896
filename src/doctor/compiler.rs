//! Checks the compiler's identity, and whether an installed shim still matches it.

use std::path::{Path, PathBuf};

use super::bench::Bench;
use super::scratch::DoctorError;
use super::{Finding, Subject};
use crate::install::freshness;
use crate::install::freshness::Standing;

/// Reports the compiler and its fingerprint.
pub fn identity(subject: &Subject, _: &Bench) -> Result<Vec<Finding>, DoctorError> {
    let Subject { tree, identity, .. } = subject;
    let version = tree
        .version()
        .unwrap_or_else(|| "of unknown version".to_owned());
    let statement = format!(
        "ROCm {version} at {} (from {})",
        tree.root.display(),
        tree.found_by
    );
    let size: u64 = identity
        .members
        .iter()
        .map(|member| member.stamp.size)
        .sum();
    let evidence = format!(
        "fingerprint {:.16}... of {} files, {} MB, in {:.1} s",
        identity.digest.to_string(),
        identity.members.len(),
        size / 1_000_000,
        subject.took.as_secs_f32()
    );
    let mut findings = vec![Finding::ok("compiler", statement).evidence(evidence)];
    findings.extend(tree.passed_over.iter().map(|root| {
        Finding::warning(
            "compiler",
            format!("{root} was named but contains no compiler"),
        )
        .remedy("name the tree with --rocm-path DIR, or correct the variable")
    }));
    let libraries = subject.device_libraries();
    if let Some(dir) = subject.named_libraries.as_deref() {
        let statement = format!("hipcc names the device libraries in {}", dir.display());
        findings.push(Finding::ok("compiler", statement));
    } else if libraries.is_none() {
        findings.push(
            Finding::error("compiler", "the compiler finds no device libraries")
                .evidence(identity.notes.join("; "))
                .remedy(
                    "install the tree's device libraries, or name the whole tree with --rocm-path",
                ),
        );
    }
    Ok(findings)
}

/// Checks the installed shim.
pub fn installation(subject: &Subject, _: &Bench) -> Result<Vec<Finding>, DoctorError> {
    if !subject.installed {
        let statement = "the tree is not wrapped; the checks use a temporary shim";
        return Ok(vec![Finding::ok("installation", statement)]);
    }
    let (name, config) = (subject.name.as_os_str(), subject.config());
    let look = freshness::look(&subject.tree.bin, name, &config);
    let standing = look.judge(config.fingerprint, subject.identity.digest);
    let mut findings = vec![judge(&standing)];
    let own = env!("CARGO_PKG_VERSION");
    if config.writer != own.as_bytes() {
        let writer = String::from_utf8_lossy(config.writer);
        let statement = format!("the shims are those of rock-wrap {writer}, this is {own}");
        let remedy = "run `rock-wrap install` to bring them up to date";
        findings.push(Finding::warning("installation", statement).remedy(remedy));
    }
    if config.launcher.is_empty() {
        let statement =
            "the shims name no launcher and cache nothing unless HIP_CLANG_LAUNCHER is set";
        let remedy = "run `rock-wrap install --launcher sccache`, or set HIP_CLANG_LAUNCHER";
        findings.push(Finding::warning("installation", statement).remedy(remedy));
    }
    Ok(findings)
}

fn judge(standing: &Standing) -> Finding {
    const CHECK: &str = "installation";
    const REMEDY: &str = "run `rock-wrap install`";
    match standing {
        Standing::Same => Finding::ok(CHECK, "the tree is wrapped, for the compiler that is there"),
        Standing::Touched(files) => {
            let statement =
                "the tree is wrapped; files of the compiler were touched, and read the same";
            Finding::ok(CHECK, statement).evidence(list(files))
        }
        Standing::Replaced(files) => {
            let statement = "the compiler has changed since the install: nothing is cached";
            Finding::error(CHECK, statement)
                .evidence(list(files))
                .remedy(REMEDY)
        }
        Standing::Rewritten(files) => {
            let statement = "the compiler was modified after the installation in a way that shims \
                             cannot detect: cached objects may be the old compiler's";
            Finding::error(CHECK, statement)
                .evidence(list(files))
                .remedy(REMEDY)
        }
        Standing::Unwitnessed => {
            let statement = "headers or run-time libraries of the compiler have changed since the \
                             install; cached objects are right all the same";
            Finding::warning(CHECK, statement).remedy(REMEDY)
        }
    }
}

fn list(files: &[PathBuf]) -> String {
    const SHOWN: usize = 3;
    let show = |path: &PathBuf| Path::display(path).to_string();
    let mut text = files
        .iter()
        .take(SHOWN)
        .map(show)
        .collect::<Vec<_>>()
        .join(", ");
    if files.len() > SHOWN {
        text = format!("{text} and {} more", files.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn a_changed_compiler_is_an_error_and_a_touched_one_is_not() {
        let files = vec![PathBuf::from("/a"); 5];
        for (standing, severity) in [
            (Standing::Same, Severity::Ok),
            (Standing::Touched(files.clone()), Severity::Ok),
            (Standing::Unwitnessed, Severity::Warning),
            (Standing::Replaced(files.clone()), Severity::Error),
            (Standing::Rewritten(files), Severity::Error),
        ] {
            let finding = judge(&standing);
            assert_eq!(finding.severity, severity, "{standing:?}");
            assert_eq!(finding.remedy.is_some(), severity > Severity::Ok);
        }
        assert_eq!(list(&vec![PathBuf::from("/a"); 5]), "/a, /a, /a and 2 more");
    }
}
