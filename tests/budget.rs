//! How many instructions the shim takes for the calls that builds make, held to `budget.json`.
//!
//! With the same compiler the numbers repeat, but for the names of the processes above this one, which the
//! shim reads. What grows by more than that and another compiler account for is a regression, or worth
//! it; then
//!
//! ```text
//! ROCK_WRAP_UPDATE_BUDGET=1 cargo test --test budget
//! ```
//!
//! writes the budget anew.

mod support;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use rock_wrap::image::{Config, Version, stamp};
use support::trace::Trace;
use support::{FakeTree, witnessed};

/// What may be used beyond the budget, of a hundred.
const SLACK: u64 = 5;

/// A function with fewer instructions of a thousand counts among the others.
const SMALL: u64 = 5;

/// Instructions by scenario and function.
type Budget = BTreeMap<String, BTreeMap<String, u64>>;

const COMPILE: &str = "-x hip --offload-arch=gfx900 --offload-arch=gfx906 -O2 -std=c++17 -Iinclude \
                       -DNDEBUG -c k.hip -o k.o";

/// A tree with a caching launcher and so many witnesses.
fn tree(members: usize) -> FakeTree {
    let bare = FakeTree::new(&Config::default());
    let name = |number| CString::new(format!("member-{number:02}.bc")).unwrap();
    let names: Vec<_> = (0..members).map(name).collect();
    let witnesses = names.iter().map(|name| {
        let path = bare.path(name.to_str().unwrap());
        std::fs::write(&path, "").unwrap();
        witnessed::file(c"../", name, &path.metadata().unwrap())
    });
    let witness = stamp::encode_witnesses(&witnesses.collect::<Vec<_>>());
    std::fs::write(bare.path("k.hip"), "").unwrap();
    bare.launcher("ccache");
    let image = stamp::stamp(&Config {
        name: b"clang++",
        launcher: bare.path("ccache").as_os_str().as_bytes(),
        launcher_version: Some(Version(4, 14, 2)),
        fingerprint: &[7; 32],
        witness: &witness,
        ..Config::default()
    });
    bare.program("bin/clang++", &image.unwrap());
    bare
}

fn measure() -> Budget {
    let (small, large) = (tree(0), tree(40));
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let many = (0..100).map(|number| format!("-DNAME_{number:04}=1"));
    let many = words(COMPILE).into_iter().chain(many).collect();
    let scenarios = [
        ("direct probe", &small, words("--version")),
        ("direct link", &small, words("main.o kernel.o -O2 -o main")),
        ("launched HIP compile", &small, words(COMPILE)),
        (
            "launched with a witness of 40 files",
            &large,
            words(COMPILE),
        ),
        ("launched with 100 arguments more", &small, many),
    ];
    let count = |call: Command| {
        let trace = Trace::of(call);
        let all = trace.instructions();
        let mut functions = BTreeMap::new();
        for (name, count) in trace.functions {
            let small = count * 1000 < all * SMALL;
            let name = if small { "others".to_owned() } else { name };
            *functions.entry(name).or_default() += count;
        }
        functions
    };
    let measured = scenarios.map(|(name, tree, args)| (name.to_owned(), count(tree.call(args))));
    measured.into()
}

#[test]
fn the_shim_takes_no_more_instructions_than_its_budget() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/budget.json");
    let measured = measure();
    if std::env::var_os("ROCK_WRAP_UPDATE_BUDGET").is_some() {
        let text = serde_json::to_string_pretty(&measured).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    }
    let budget: Budget = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for (scenario, functions) in &measured {
        let budget = &budget[scenario];
        let (now, then) = (
            functions.values().sum::<u64>(),
            budget.values().sum::<u64>(),
        );
        println!("{scenario}: {now} instructions, budget {then}");
        let mut grown: Vec<_> = functions
            .iter()
            .map(|(name, now)| {
                (
                    now.saturating_sub(*budget.get(name).unwrap_or(&0)),
                    name,
                    now,
                )
            })
            .filter(|(more, ..)| *more > 0)
            .collect();
        grown.sort_unstable();
        let grown = grown
            .iter()
            .rev()
            .take(5)
            .map(|(more, name, now)| format!("  {name}: {more} more, now {now}\n"));
        assert!(
            now * 100 <= then * (100 + SLACK),
            "{scenario}: {now} instructions, {then} in the budget; what grew most:\n{}see tests/budget.rs on \
             how to change the budget",
            grown.collect::<String>()
        );
    }
}

#[test]
fn the_same_call_takes_the_same_instructions() {
    let tree = tree(3);
    let args = COMPILE.split(' ');
    let count = || Trace::of(tree.call(args.clone())).functions;
    assert_eq!(count(), count());
}
