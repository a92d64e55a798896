//! The compilers that stand in for ROCm's, and which of them a run of the tests uses.
//!
//! The quick form uses the two that differ most: clang 19 with the old offload driver and HIP 5.2, and clang 23 with
//! the new one and HIP 7.2. `ROCK_WRAP_TEST_FULL` uses all, and `ROCK_WRAP_TEST_CLANGS=22,23` those that it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::skips::skip;
use super::tree::Layout;

/// Debian's releases of clang that `scripts/rocm-tree.sh` supports.
pub const CLANGS: [u32; 5] = [15, 17, 19, 22, 23];

/// The releases that the quick form uses.
pub const QUICK: [u32; 2] = [19, 23];

/// The exit status of `scripts/rocm-tree.sh` if the packages are unavailable.
const UNAVAILABLE: i32 = 77;

/// Whether the long form was requested.
pub fn full() -> bool {
    std::env::var_os("ROCK_WRAP_TEST_FULL").is_some_and(|value| !value.is_empty())
}

/// The compilers for the running test; in the quick form these are `quick`. Compilers that are unavailable are left
/// out, and the test is recorded as skipped for them.
pub fn clangs(quick: &[u32]) -> Vec<u32> {
    let mut clangs = match std::env::var("ROCK_WRAP_TEST_CLANGS") {
        Ok(named) if !named.is_empty() => named.split(',').map(parse).collect(),
        _ if full() => CLANGS.to_vec(),
        _ => quick.to_vec(),
    };
    clangs.retain(|clang| can_be_had(*clang));
    clangs
}

fn parse(word: &str) -> u32 {
    let clang = word.trim().parse().ok();
    let known = clang.filter(|clang| CLANGS.contains(clang));
    known.unwrap_or_else(|| panic!("ROCK_WRAP_TEST_CLANGS: {word:?} is none of {CLANGS:?}"))
}

/// Whether the HIP of this release's tree is Debian 12's. Programs that are linked with another HIP need a newer C
/// library than Debian 12's.
pub const fn has_own_hip(clang: u32) -> bool {
    matches!(clang, 15 | 19)
}

/// Every layout with every compiler. In the quick form every layout with one of its compilers, in turn.
pub fn kinds() -> impl Iterator<Item = (u32, Layout)> {
    let clangs = clangs(&QUICK);
    // If `ROCK_WRAP_TEST_CLANGS` names other compilers, every layout is tested with each of them.
    let in_turn = !full() && clangs == QUICK;
    let layouts = Layout::ALL.into_iter().enumerate();
    layouts.flat_map(move |(number, layout)| {
        let due = match in_turn {
            true => &clangs[number % QUICK.len()..][..1],
            false => &clangs[..],
        };
        let due: Vec<_> = due.iter().map(|clang| (*clang, layout)).collect();
        due
    })
}

/// Whether the packages for a tree are available. If not, the running test is recorded as skipped.
fn can_be_had(clang: u32) -> bool {
    // The script runs once per process and compiler. A second test waits for the download.
    static WHY_NOT: Mutex<BTreeMap<u32, Option<String>>> = Mutex::new(BTreeMap::new());
    let mut known = WHY_NOT.lock().unwrap_or_else(|broken| broken.into_inner());
    let why_not = known.entry(clang).or_insert_with(|| {
        let mut get = Command::new(script());
        let output = super::run(get.args(["--get", "--clang", &clang.to_string()]));
        let said = super::stderr(&output);
        match output.status.code() {
            Some(0) => None,
            Some(UNAVAILABLE) => Some(said.lines().last().unwrap_or_default().to_owned()),
            _ => panic!("{get:?}: {said}"),
        }
    });
    if let Some(why) = why_not {
        skip(&format!("clang {clang}"), why);
    }
    why_not.is_none()
}

/// The linker flags for programs that run with the HIP runtime of the tree at `root`, from `scripts/suites.sh`.
pub fn runtime_flags(root: &Path) -> String {
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
    let script = r#". "$1/lib.sh"; . "$1/suites.sh"; runtime_flags "$2""#;
    let mut bash = Command::new("bash");
    bash.args(["-ec", script, "bash", scripts]).arg(root);
    let output = super::run(&mut bash);
    assert!(output.status.success(), "{}", super::stderr(&output));
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// `scripts/rocm-tree.sh`.
pub fn script() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/rocm-tree.sh").into()
}
