//! `docs/ci-policies.md` and `docs/start/ci.md` agree with the program's tables and `action.yml`.

use rock_wrap::ci::Policy;
use rock_wrap::ci::policy::Access;
use rock_wrap::ci::remote::SCHEMES;
use rock_wrap::shared::launchers::since;

use crate::support::golden::source;

fn page() -> String {
    std::fs::read_to_string(source("docs/ci-policies.md")).unwrap()
}

#[test]
fn the_documented_table_of_policies_is_the_programs() {
    let word = |access| match access {
        Access::None => "not used",
        Access::Read => "read",
        Access::ReadWrite => "read and written",
    };
    let rows = Policy::ALL.map(|policy| {
        let rules = policy.rules();
        let namespace = if rules.own_namespace {
            "its own"
        } else {
            "shared"
        };
        format!(
            "| `{policy}` | {} | {} | {namespace} |\n",
            word(rules.remote),
            word(rules.local)
        )
    });
    let table = format!(
        "| policy | remote cache | local cache | namespace |\n|---|---|---|---|\n{}\n",
        rows.concat()
    );
    assert!(page().contains(&table), "{table}");
}

#[test]
fn every_kind_of_remote_cache_and_every_version_is_named() {
    let page = page();
    for scheme in &SCHEMES {
        assert!(
            page.contains(&format!("`{}:", scheme.name)),
            "{}",
            scheme.name
        );
    }
    for version in [
        since::CCACHE_REMOTE,
        since::SCCACHE_HIP,
        since::SCCACHE_LEVELS,
        since::SCCACHE_ACCESS,
        since::SCCACHE_READ_ONLY_LEVEL,
        since::CCACHE_HELPERS,
    ] {
        let shown = format!("{}.{}", version.0, version.1);
        assert!(page.contains(&shown), "{shown}");
    }
}

#[test]
fn every_input_and_output_of_the_action_is_documented() {
    let text = std::fs::read_to_string(source("action.yml")).unwrap();
    let action: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
    let page = std::fs::read_to_string(source("docs/start/ci.md")).unwrap();
    for part in ["inputs", "outputs"] {
        for (name, entry) in action[part].as_mapping().unwrap() {
            let row = format!("\n| `{}` | ", name.as_str().unwrap());
            assert!(page.contains(&row), "{row}");
            assert!(!entry["description"].as_str().unwrap().is_empty());
        }
    }
}
