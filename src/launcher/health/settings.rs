//! Lists the settings of each launcher that change what its users get: one table per launcher.

use serde::Serialize;

use crate::shared::launchers::sccache::is_on;

/// A setting in effect that the user should know about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name in ccache, or the name of the environment variable.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Where it was set: `environment`, or the path of a file.
    pub from: String,
    /// How much harm it can do.
    pub harm: Harm,
    /// What it does.
    pub effect: &'static str,
}

/// The harm that a setting can do, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Harm {
    /// Objects that the compiler would not have produced.
    Wrong,
    /// No hits, or no new ones.
    Uncached,
    /// Weaker guarantees, as the user chose.
    Weaker,
}

/// One row of a table: when a value matters, and its effect.
pub(super) struct Rule {
    name: &'static str,
    when: When,
    harm: Harm,
    effect: &'static str,
}

enum When {
    Set,
    True,
    /// As sccache parses a boolean in its environment.
    On,
    Not(&'static str),
}

use Harm::{Uncached, Weaker, Wrong};

/// ccache (4.7.5 and 4.14.2; each effect was measured or read in `ccache.cpp` of 4.13).
#[rustfmt::skip]
pub(super) const CCACHE: &[Rule] = &[
    Rule { name: "compiler", when: When::Set, harm: Wrong,
        effect: "it compiles everything, in place of the compiler that the build calls" },
    Rule { name: "compiler_type", when: When::Not("auto"), harm: Wrong,
        effect: "arguments are read as those of this compiler, whichever it is" },
    Rule { name: "prefix_command", when: When::Set, harm: Weaker,
        effect: "it runs in front of the compiler on a miss, and is not part of the key" },
    Rule { name: "prefix_command_cpp", when: When::Set, harm: Weaker,
        effect: "it runs in front of the preprocessor, and is not part of the key" },
    Rule { name: "ignore_options", when: When::Set, harm: Weaker,
        effect: "these options are left out of the key" },
    Rule { name: "ignore_headers_in_manifest", when: When::Set, harm: Weaker,
        effect: "changes of these headers go unnoticed" },
    Rule { name: "sloppiness", when: When::Set, harm: Weaker,
        effect: "some differences between compiles are passed over" },
    Rule { name: "disable", when: When::True, harm: Uncached, effect: "nothing is cached" },
    Rule { name: "read_only", when: When::True, harm: Uncached, effect: "nothing is stored" },
    Rule { name: "read_only_direct", when: When::True, harm: Uncached,
        effect: "nothing is stored" },
    Rule { name: "recache", when: When::True, harm: Uncached, effect: "nothing is looked up" },
    Rule { name: "stats", when: When::Not("true"), harm: Weaker,
        effect: "hits and misses are not counted" },
];

/// Makes sccache's client do the server's work.
pub(super) const CLIENT_SIDE: &str = "SCCACHE_CLIENT_SIDE";

/// sccache's environment (0.16 to 0.19; `config.rs`, `server.rs`).
#[rustfmt::skip]
pub(super) const SCCACHE: &[Rule] = &[
    Rule { name: "SCCACHE_NO_CACHE", when: When::Set, harm: Uncached, effect: "nothing is cached" },
    Rule { name: "SCCACHE_RECACHE", when: When::Set, harm: Uncached,
        effect: "nothing is looked up" },
    Rule { name: "SCCACHE_LOCAL_RW_MODE", when: When::Not("READ_WRITE"), harm: Uncached,
        effect: "nothing is stored" },
    Rule { name: "SCCACHE_IGNORE_SERVER_IO_ERROR", when: When::Set, harm: Weaker,
        effect: "a server that breaks off costs hits, and nobody hears of it" },
    Rule { name: CLIENT_SIDE, when: When::On, harm: Weaker,
        effect: "every call starts sccache, which asks the compiler what it is: hits are slower" },
];

/// The rules of `table` that apply. `get` returns the value and origin of a setting.
pub(super) fn noteworthy(
    table: &[Rule],
    get: impl Fn(&str) -> Option<(String, String)>,
) -> Vec<Setting> {
    let mut found: Vec<_> = table
        .iter()
        .filter_map(|rule| {
            let (value, from) = get(rule.name)?;
            let applies = match rule.when {
                When::Set => !value.is_empty(),
                When::True => value == "true",
                When::On => is_on(value.as_bytes()),
                When::Not(usual) => value != usual,
            };
            applies.then_some(Setting {
                name: rule.name,
                value,
                from,
                harm: rule.harm,
                effect: rule.effect,
            })
        })
        .collect();
    found.sort_by_key(|setting| setting.harm);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(set: &[(&str, &str)]) -> Vec<&'static str> {
        let get = |name: &str| {
            let value = set.iter().find(|(set, _)| *set == name)?.1;
            Some((value.to_owned(), "a test".to_owned()))
        };
        noteworthy(CCACHE, get)
            .iter()
            .map(|found| found.name)
            .collect()
    }

    #[test]
    fn defaults_are_not_worth_a_word() {
        let defaults = [
            ("compiler", ""),
            ("compiler_type", "auto"),
            ("disable", "false"),
            ("stats", "true"),
        ];
        assert!(names(&defaults).is_empty());
    }

    #[test]
    fn the_worst_comes_first() {
        let set = [
            ("recache", "true"),
            ("sloppiness", "time_macros"),
            ("compiler", "/usr/bin/gcc"),
        ];
        assert_eq!(names(&set), ["compiler", "recache", "sloppiness"]);
    }
}
