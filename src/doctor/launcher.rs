//! Checks the launcher's version, its cache and its settings, as the launcher itself reports them.

use super::bench::Bench;
use super::scratch::DoctorError;
use super::{Finding, Subject, chain};
use crate::launcher::health::{self, Harm, Health, HealthError, Mode, Setting};
use crate::shared::launchers::kind::{LauncherKind, Version};
use crate::shared::launchers::since;

/// Checks the launcher, and the cache that it would use for a build in this environment.
pub fn cache(subject: &Subject, _: &Bench) -> Result<Vec<Finding>, DoctorError> {
    let launcher = &subject.launcher;
    let mut findings = vec![version(
        launcher.kind,
        launcher.version,
        &launcher.to_string(),
    )];
    match health::check(launcher, health::LIMIT) {
        Ok(Some(health)) => {
            findings.push(works(&health));
            findings.extend(health.settings.iter().map(setting));
            findings.extend(elsewhere(&health));
            findings.extend(size(&health, architectures()));
        }
        Ok(None) => {}
        Err(error) => findings.push(broken(&error)),
    }
    Ok(findings)
}

fn version(kind: LauncherKind, version: Option<Version>, shown: &str) -> Finding {
    const CHECK: &str = "launcher";
    let statement = format!("launcher {shown}");
    match (kind, version) {
        (LauncherKind::Sccache, Some(version)) if version < since::SCCACHE_HIP => {
            Finding::warning(CHECK, format!("{statement} caches no HIP"))
                .remedy("install sccache 0.14 or later, or ccache")
        }
        (LauncherKind::Sccache, Some(version)) if version < since::SCCACHE_BASE_DIRS => {
            Finding::warning(CHECK, format!("{statement} is old"))
                .remedy("sccache 0.14 or later lets checkouts share what they compile")
        }
        (LauncherKind::Ccache, Some(version)) if version < since::CCACHE_XARCH => {
            Finding::warning(CHECK, format!("{statement} is old"))
                .evidence("calls with -Xarch_host or -Xarch_device are not cached by it")
                .remedy(format!("install ccache {} or later", since::CCACHE_XARCH))
        }
        (LauncherKind::Other, _) => {
            Finding::warning(CHECK, format!("{statement} is neither sccache nor ccache"))
                .evidence("whether it gets HIP compiles right is not known, nor can it be counted")
                .remedy("use sccache or ccache")
        }
        _ => Finding::ok(CHECK, statement),
    }
}

fn works(health: &Health) -> Finding {
    let mode = match health.mode {
        Mode::Direct => "direct mode",
        Mode::Preprocessor => "preprocessor mode",
        Mode::Depend => "depend mode",
        Mode::ReadOnly => "read-only",
        Mode::Recache => "recaching, never answering",
        Mode::Off => "switched off",
    };
    let statement = format!("cache: {}, {mode}", health.storage);
    let mut evidence = health.location.clone();
    if let Some(used) = health.used {
        evidence = format!("{evidence}; {} used", gigabytes(used));
    }
    if let Some(max) = health.max {
        evidence = format!("{evidence}; {} at most", gigabytes(max));
    }
    if let Some(server) = &health.server {
        let state = if server.started {
            "started now"
        } else {
            "was running"
        };
        evidence = format!("{evidence}; server at {} ({state})", server.address);
    }
    Finding::ok("cache", statement).evidence(evidence)
}

fn elsewhere(health: &Health) -> Option<Finding> {
    let configured = health.configured.as_deref()?;
    let statement = "the running server uses a different cache than this environment configures";
    Some(
        Finding::warning("cache", statement)
            .evidence(format!("{}, not {configured}", health.location))
            .remedy(
                "run `sccache --stop-server` when no build uses it; the next compile starts one",
            ),
    )
}

fn broken(error: &HealthError) -> Finding {
    Finding::error("cache", chain(error)).remedy(error.remedy())
}

fn setting(setting: &Setting) -> Finding {
    let Setting {
        name, value, from, ..
    } = setting;
    let statement = format!("{name} = {value}: {}", setting.effect);
    let finding = match setting.harm {
        Harm::Wrong | Harm::Uncached => Finding::error("settings", statement),
        Harm::Weaker => Finding::warning("settings", statement),
    };
    let remedy = match setting.harm {
        Harm::Weaker => "unset it unless you know why it is set",
        Harm::Wrong | Harm::Uncached => "unset it",
    };
    finding.evidence(format!("set in {from}")).remedy(remedy)
}

/// A rule of thumb: large HIP code bases (PyTorch and the like) fill about this much for the host,
/// and as much again for every two offload architectures.
const BASE_SIZE: u64 = 2 << 30;
const SIZE_PER_ARCHITECTURE: u64 = 1 << 30;

fn size(health: &Health, architectures: usize) -> Option<Finding> {
    let (max, used) = (health.max?, health.used.unwrap_or(0));
    let wanted = BASE_SIZE + SIZE_PER_ARCHITECTURE * architectures as u64;
    let remedy = "raise SCCACHE_CACHE_SIZE or ccache's max_size";
    if max < wanted {
        let statement = format!(
            "the cache is small for {architectures} offload architecture(s): {} of about {}",
            gigabytes(max),
            gigabytes(wanted)
        );
        return Some(Finding::warning("cache", statement).remedy(remedy));
    }
    // ccache starts to remove results at 90 % of a directory's share.
    let full = used > max / 10 * 9;
    full.then(|| {
        let statement = "the cache is full: new results evict old ones";
        Finding::warning("cache", statement)
            .evidence(format!("{} of {}", gigabytes(used), gigabytes(max)))
            .remedy(remedy)
    })
}

/// The number of offload architectures that builds in this environment compile for, according to
/// its variables.
fn architectures() -> usize {
    [
        "PYTORCH_ROCM_ARCH",
        "AMDGPU_TARGETS",
        "GPU_ARCHS",
        "HCC_AMDGPU_TARGET",
    ]
    .iter()
    .filter_map(|name| Some(listed(&std::env::var(name).ok()?)))
    .max()
    .unwrap_or(0)
    .max(1)
}

fn listed(text: &str) -> usize {
    let words = text.split([';', ',', ' ']);
    words.filter(|word| !word.is_empty()).count()
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    fn health(max: Option<u64>, used: u64) -> Health {
        Health {
            storage: "disk".to_owned(),
            location: "/cache".to_owned(),
            configured: None,
            dir: None,
            used: Some(used),
            max,
            mode: Mode::Direct,
            server: None,
            settings: Vec::new(),
        }
    }

    #[test]
    fn a_cache_is_measured_by_the_architectures() {
        let severity = |max: Option<u64>, used, architectures| {
            size(&health(max, used), architectures).map(|finding| finding.severity)
        };
        assert_eq!(severity(Some(5 << 30), 0, 1), None);
        assert_eq!(severity(Some(5 << 30), 0, 8), Some(Severity::Warning));
        assert_eq!(
            severity(Some(10 << 30), 10 << 30, 8),
            Some(Severity::Warning)
        );
        assert_eq!(severity(None, 10 << 30, 8), None);
    }

    #[test]
    fn architectures_are_listed_in_the_ways_of_the_builds() {
        assert_eq!(listed("gfx90a;gfx942"), 2);
        assert_eq!(listed("gfx90a, gfx942 gfx1100"), 3);
        assert_eq!(listed(""), 0);
    }

    #[test]
    fn old_versions_are_worth_a_warning() {
        use LauncherKind::{Ccache, Sccache};
        for (kind, of, severity) in [
            (Sccache, Version(0, 4, 0), Severity::Warning),
            (Sccache, Version(0, 10, 0), Severity::Warning),
            (Sccache, Version(0, 16, 0), Severity::Ok),
            (Ccache, Version(4, 7, 5), Severity::Warning),
            (Ccache, Version(4, 14, 2), Severity::Ok),
            (LauncherKind::Other, Version(1, 0, 0), Severity::Warning),
        ] {
            assert_eq!(version(kind, Some(of), "x").severity, severity, "{of}");
        }
    }
}
