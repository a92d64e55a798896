//! Checks ccache: its settings with their origins, and the size of its cache.

use std::collections::BTreeMap;

use super::{
    Health, HealthError, HealthQuery, LIMIT, LauncherMessage, Mode, settings, without_password,
};
use crate::launcher::{ChangedEnvironment, Launcher};

/// The value of each setting, and where it was set.
type Settings = BTreeMap<String, (String, String)>;

pub(super) fn check(asked: &HealthQuery<'_>) -> Result<Health, HealthError> {
    let all = read_settings(&ask(asked, "--show-config")?);
    let counters = ask(asked, "--print-stats")?;
    let value = |name: &str| all.get(name).map_or("", |(value, _)| value);
    let kibibytes = counter(&counters, "cache_size_kibibyte\t");
    let dir = Some(value("cache_dir")).filter(|dir| !dir.is_empty());
    let remote = without_password(value("remote_storage"));
    let local = Some("disk").filter(|_| value("remote_only") != "true");
    let kinds = local.into_iter().chain(kind_of_remote(&remote));
    let storage = kinds.collect::<Vec<_>>().join("+");
    let location = [dir, Some(remote.as_str())].into_iter().flatten();
    let location = location.filter(|place| !place.is_empty());
    let location = location.collect::<Vec<_>>().join(", ");
    Ok(Health {
        storage,
        dir: dir.map(Into::into),
        location,
        configured: None,
        used: kibibytes.map(|size| size * 1024),
        max: size(value("max_size")),
        mode: mode(&all),
        server: None,
        settings: settings::noteworthy(settings::CCACHE, |name| all.get(name).cloned()),
    })
}

/// The settings of the user's configuration files, as one such file, without those that set the
/// cache directory or its size.
///
/// # Errors
/// If ccache cannot be asked.
pub fn settings_in_files(launcher: &Launcher) -> Result<String, HealthError> {
    let environment = ChangedEnvironment::default();
    let asked = HealthQuery {
        environment: &environment,
        launcher,
        limit: LIMIT,
    };
    let all = read_settings(&ask(&asked, "--show-config")?);
    let of_cache = ["cache_dir", "temporary_dir", "max_size", "max_files"];
    let lines = all
        .iter()
        .filter(|(name, (_, from))| from.starts_with('/') && !of_cache.contains(&name.as_str()))
        .map(|(name, (value, _))| format!("{name} = {value}\n"));
    Ok(lines.collect())
}

/// How often remote storage failed, according to the counters of the cache that `environment`
/// selects.
///
/// # Errors
/// If ccache cannot be asked.
pub fn remote_failures(
    environment: &ChangedEnvironment,
    launcher: &Launcher,
) -> Result<u64, HealthError> {
    let asked = HealthQuery {
        environment,
        launcher,
        limit: LIMIT,
    };
    let counters = ask(&asked, "--print-stats")?;
    let names = ["remote_storage_error\t", "remote_storage_timeout\t"];
    Ok(names
        .iter()
        .filter_map(|name| counter(&counters, name))
        .sum())
}

fn counter(counters: &str, name: &str) -> Option<u64> {
    let line = counters.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

fn ask(asked: &HealthQuery<'_>, question: &str) -> Result<String, HealthError> {
    let path = &asked.launcher.path;
    let answer = asked.program().args([question]).ask();
    let answer = answer.map_err(|source| HealthError::Ask(path.clone(), source))?;
    if !answer.status.success() {
        return Err(HealthError::Settings(
            path.clone(),
            LauncherMessage::on(&answer.stderr),
        ));
    }
    Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
}

/// Parses lines like `(environment) max_size = 5.0 GiB`.
fn read_settings(text: &str) -> Settings {
    let line = |line: &str| {
        // A path in the parentheses may contain parentheses too.
        let (from, rest) = line.strip_prefix('(')?.split_once(") ")?;
        let (name, value) = rest.split_once('=')?;
        let value = value.trim().to_owned();
        Some((name.trim().to_owned(), (value, from.to_owned())))
    };
    text.lines().filter_map(line).collect()
}

fn mode(all: &Settings) -> Mode {
    let on = |name: &str| all.get(name).is_some_and(|(value, _)| value == "true");
    // In ccache's own order of precedence.
    [
        ("disable", Mode::Off),
        ("recache", Mode::Recache),
        ("read_only", Mode::ReadOnly),
        ("read_only_direct", Mode::ReadOnly),
        ("depend_mode", Mode::Depend),
        ("direct_mode", Mode::Direct),
    ]
    .into_iter()
    .find_map(|(name, mode)| on(name).then_some(mode))
    .unwrap_or(Mode::Preprocessor)
}

/// The scheme of the first URL in a list such as `redis://host|connect-timeout=50 http://other`.
fn kind_of_remote(remote: &str) -> Option<&str> {
    Some(remote.split_once(':')?.0)
}

/// Bytes of `5.0 GiB` (4.14.2), `5.0G` (4.7.5: powers of 1000) or `0`, which means no limit.
fn size(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let unit = unit.trim();
    let number: f64 = number.parse().ok().filter(|number| *number > 0.0)?;
    let power = match unit.bytes().next().map(|unit| unit.to_ascii_lowercase()) {
        None | Some(b'b') => 0,
        Some(b'k') => 1,
        Some(b'm') => 2,
        Some(b'g') => 3,
        Some(b't') => 4,
        Some(_) => return None,
    };
    let base: f64 = if unit.contains('i') { 1024.0 } else { 1000.0 };
    Some((number * base.powi(power)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_their_origins() {
        let text = "(default) compiler = \n(/home/a b/ccache.conf) max_size = 5.0 GiB\n\
                    (environment) remote_storage = http://host/?a=b\n";
        let all = read_settings(text);
        let of = |name: &str| all[name].clone();
        assert_eq!(of("compiler"), (String::new(), "default".to_owned()));
        assert_eq!(of("max_size").1, "/home/a b/ccache.conf");
        assert_eq!(of("remote_storage").0, "http://host/?a=b");
    }

    #[test]
    fn sizes_as_both_versions_print_them() {
        assert_eq!(size("5.0 GiB"), Some(5 << 30));
        assert_eq!(size("5.0G"), Some(5_000_000_000));
        assert_eq!(size("500.0 MB"), Some(500_000_000));
        assert_eq!(size("0"), None);
        assert_eq!(size("much"), None);
    }

    #[test]
    fn what_keeps_ccache_from_storing_goes_before_how_it_looks_up() {
        let mode = |text: &str| mode(&read_settings(text));
        let direct = "(default) direct_mode = true\n";
        assert_eq!(mode(direct), Mode::Direct);
        assert_eq!(mode(""), Mode::Preprocessor);
        for (line, expected) in [
            ("(environment) disable = true", Mode::Off),
            ("(environment) read_only = true", Mode::ReadOnly),
            ("(environment) depend_mode = true", Mode::Depend),
        ] {
            assert_eq!(mode(&format!("{direct}{line}")), expected);
        }
    }
}
