//! `rock-wrap.toml`: where the remote caches are, and how policies differ here.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::policy::{Access, Rules};
use super::{CiError, Policy};

/// The file. Its top level applies to every policy that does not say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    remote: Option<String>,
    read_remote: Option<String>,
    namespace: Option<String>,
    namespace_version: Option<u32>,
    max_size: Option<String>,
    policy: BTreeMap<Policy, PolicySettings>,
}

/// The section of one policy, `[policy.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct PolicySettings {
    remote: Option<String>,
    read_remote: Option<String>,
    namespace: Option<String>,
    namespace_version: Option<u32>,
    max_size: Option<String>,
    access: Option<Access>,
    local: Option<bool>,
}

/// The settings that apply to one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFacts {
    /// The access that it has.
    pub rules: Rules,
    /// The URL of the remote cache.
    pub remote: Option<String>,
    /// The URL of a remote cache that anybody may read.
    pub read_remote: Option<String>,
    /// The namespace in a remote cache, ending with its version.
    pub namespace: String,
    /// The limit of the local cache.
    pub max_size: Option<String>,
}

impl Settings {
    /// Parses the file at `path`, whose content is `text`.
    ///
    /// # Errors
    /// If it is not TOML, or contains an unknown key or value; names the line.
    pub fn parse(path: &Path, text: &str) -> Result<Self, CiError> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            CiError::Settings {
                path: path.to_owned(),
                line: before.map(|before| before.matches('\n').count() + 1),
                why: error.message().replace('\n', "; "),
            }
        })
    }

    /// The settings that apply to `policy`.
    #[must_use]
    pub fn of(&self, policy: Policy) -> PolicyFacts {
        let own = self.policy.get(&policy).cloned().unwrap_or_default();
        let mut rules = policy.rules();
        rules.remote = own.access.unwrap_or(rules.remote);
        rules.local = match own.local {
            Some(true) => Access::ReadWrite,
            Some(false) => Access::None,
            None => rules.local,
        };
        let version = own
            .namespace_version
            .or(self.namespace_version)
            .unwrap_or(1);
        let name = match (
            own.namespace,
            self.namespace.as_deref().unwrap_or("rock-wrap"),
        ) {
            (Some(own), _) => own,
            (None, shared) if rules.own_namespace => format!("{shared}-{policy}"),
            (None, shared) => shared.to_owned(),
        };
        PolicyFacts {
            rules,
            remote: own.remote.or_else(|| self.remote.clone()),
            read_remote: own.read_remote.or_else(|| self.read_remote.clone()),
            namespace: format!("{name}-v{version}"),
            max_size: own.max_size.or_else(|| self.max_size.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, CiError> {
        Settings::parse(Path::new("rock-wrap.toml"), text)
    }

    #[test]
    fn without_a_file_the_table_holds() {
        for policy in Policy::ALL {
            let facts = Settings::default().of(policy);
            assert_eq!(facts.rules, policy.rules());
            assert_eq!((facts.remote, facts.max_size), (None, None));
            assert!(facts.namespace.ends_with("-v1"), "{}", facts.namespace);
        }
    }

    #[test]
    fn a_policys_own_part_counts_more_than_the_first() {
        let settings = parse(
            "remote = 'redis://a'\nnamespace = 'torch'\nnamespace-version = 3\nmax-size = '20G'\n\
             [policy.nightly]\nremote = 'redis://b'\n\
             [policy.dev]\naccess = 'read'\nlocal = false\n",
        )
        .unwrap();
        let ci = settings.of(Policy::Ci);
        assert_eq!(ci.remote.as_deref(), Some("redis://a"));
        assert_eq!(
            (ci.namespace.as_str(), ci.max_size.as_deref()),
            ("torch-v3", Some("20G"))
        );
        let nightly = settings.of(Policy::Nightly);
        assert_eq!(nightly.remote.as_deref(), Some("redis://b"));
        assert_eq!(nightly.namespace, "torch-nightly-v3");
        let dev = settings.of(Policy::Dev);
        assert_eq!(
            (dev.rules.remote, dev.rules.local),
            (Access::Read, Access::None)
        );
        assert_eq!(dev.namespace, "torch-v3", "as ci, whose cache it reads");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, line, word) in [
            ("remote = 'redis://a'\nremoet = 'x'\n", 2, "remoet"),
            ("\n[policy.ci]\nlocal = true\nacces = 'read'\n", 4, "acces"),
            ("[policy.nobody]\n", 1, "nobody"),
            ("[policy.ci]\naccess = 'write'\n", 2, "write"),
            ("remote = 7\n", 1, "string"),
            ("a = \n", 1, "value"),
        ] {
            let error = parse(text).unwrap_err();
            let CiError::Settings { line: found, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!(*found, Some(line), "{error}");
            let message = error.to_string();
            assert!(message.contains(word), "{message}");
            assert!(
                message.starts_with(&format!("rock-wrap.toml:{line}: ")),
                "{message}"
            );
        }
    }
}
