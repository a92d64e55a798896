//! Checks whether sccache's configuration file makes its client do the server's work (0.17 and
//! later). The shim checks the environment itself, at each call.

use std::path::PathBuf;

use super::ChangedEnvironment;

/// The configuration file that turns client-side work on, if it does.
///
/// This is not a full TOML parser. sccache itself rejects an invalid file, and a setting that is
/// missed here only means that the server does the work.
#[must_use]
pub fn in_file(environment: &ChangedEnvironment) -> Option<PathBuf> {
    let path = file(environment)?;
    let text = std::fs::read_to_string(&path).ok()?;
    // A key outside all tables precedes the first table.
    let mut lines = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with('['));
    lines.any(is_on).then_some(path)
}

fn is_on(line: &str) -> bool {
    let value = line.strip_prefix("client_side_mode").map(str::trim_start);
    let value = value.and_then(|rest| rest.strip_prefix('='));
    value.is_some_and(|value| value.split('#').next().unwrap_or_default().trim() == "true")
}

/// Where sccache looks for its configuration (0.17, `config.rs`).
fn file(environment: &ChangedEnvironment) -> Option<PathBuf> {
    let variable = |name| environment.get(name).map(PathBuf::from);
    if let Some(named) = variable("SCCACHE_CONF") {
        return Some(named);
    }
    let dir = variable("XDG_CONFIG_HOME").filter(|dir| dir.is_absolute());
    let dir = dir.or_else(|| Some(variable("HOME")?.join(".config")))?;
    Some(dir.join("sccache/config"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_one_where_sccache_takes_it_for_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        let environment = ChangedEnvironment::default().with("SCCACHE_CONF", &path);
        assert_eq!(in_file(&environment), None);
        for (text, on) in [
            ("client_side_mode = true\n", true),
            (
                "basedirs = []\nclient_side_mode=true # for cgroups\n[dist]\n",
                true,
            ),
            ("client_side_mode = false\n", false),
            ("# client_side_mode = true\n", false),
            ("[cache.disk]\nclient_side_mode = true\n", false),
            ("client_side_mode_of_another = true\n", false),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(in_file(&environment).is_some(), on, "{text}");
        }
    }
}
