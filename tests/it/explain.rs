//! `rock-wrap explain` says what the shim then does. Fake compilers and launchers report how they were called.

use std::path::Path;
use std::process::Command;

use crate::support::launchers::ccache;
use crate::support::rocm::{Rocm, assert_has, ran, rock_wrap, sh};
use crate::support::tree::Layout;
use crate::support::{FakeTree, Told};
use rock_wrap::shared::shim_config::Config;
use rock_wrap::shared::stand_in::StandInPlan;
use serde_json::Value;

const COMPILE: [&str; 5] = ["-O2", "-c", "a.cpp", "-o", "a.o"];

fn tree(launcher: &str) -> FakeTree {
    let tree = FakeTree::new(&Config {
        launcher: launcher.as_bytes(),
        fingerprint: b"a compiler",
        ..Config::default()
    });
    std::fs::write(tree.path("a.cpp"), "int a;\n").unwrap();
    tree
}

/// `rock-wrap explain -- bin/clang++ ARGS`, in the directory in which the call itself would be made.
fn explain(tree: &FakeTree, options: &[&str], args: &[&str]) -> Command {
    let mut explain = rock_wrap(["explain"]);
    explain
        .args(options)
        .arg("--")
        .arg(tree.path("bin/clang++"));
    explain.args(args).current_dir(tree.path(""));
    explain
}

fn words(value: &Value) -> Vec<&str> {
    let words = value.as_array().unwrap().iter();
    words.map(|word| word.as_str().unwrap()).collect()
}

/// Whether both variables give the stand-in the same plan, apart from the launching process.
fn same_plan(one: &str, other: &str) -> bool {
    let parse = |entry: &str| {
        let value = entry.strip_prefix("ROCK_WRAP_STAND_IN=")?.to_owned();
        let plan = StandInPlan::parse(value.as_bytes())?;
        Some(format!("{:?}", StandInPlan { call: 0, ..plan }))
    };
    parse(one).is_some_and(|plan| Some(plan) == parse(other))
}

/// Explains a call, makes it, and compares both. Returns the explanation.
#[track_caller]
fn as_the_shim_does(tree: &FakeTree, args: &[&str], env: &[(&str, &str)]) -> Value {
    let env = env.iter().copied();
    let said = ran(explain(tree, &["--json"], args).envs(env.clone())).json();
    let done = ran(tree.call(args).envs(env.clone())).ok();
    let told = Told::all(done.err.as_bytes()).remove(0);
    let runs = words(&said["runs"]);
    if said["decision"] == "launch" {
        assert_eq!(runs, told.argv, "{said}");
        let added = words(&said["environment_added"]);
        let has = |entry: &str| {
            told.env
                .iter()
                .any(|own| own == entry || same_plan(own, entry))
        };
        assert!(added.iter().all(|entry| has(entry)), "{said} {told:?}");
        for name in words(&said["environment_removed"]) {
            let name = format!("{name}=");
            assert!(!told.env.iter().any(|own| own.starts_with(&name)), "{name}");
        }
        let entries = env.clone().count() + 1 + added.len();
        let removed = words(&said["environment_removed"]).len();
        assert_eq!(told.env.len() + removed, entries, "{said} {told:?}");
    } else {
        assert_eq!(runs[0], told.exe);
        assert_eq!(runs[1..], told.argv[1..]);
    }
    // The text says the same.
    let text = ran(explain(tree, &[], args).envs(env)).ok().out;
    let reason = said["reason"].as_str().unwrap_or("launch");
    assert_has(
        &text,
        &[said["decision"].as_str().unwrap(), reason, runs[0]],
    );
    for field in [
        "explanation",
        "remedy",
        "argument",
        "launcher",
        "launcher_from",
    ] {
        assert_has(&text, &[said[field].as_str().unwrap_or_default()]);
    }
    said
}

#[test]
fn a_compile_through_the_installed_launcher() {
    let at = tempfile::tempdir().unwrap();
    let launcher = at.path().join("a launcher");
    sh(r#"cp "$1" "$2""#, &[crate::support::witness(), &launcher]);
    let launcher = launcher.to_str().unwrap();
    let said = as_the_shim_does(&tree(launcher), &COMPILE, &[]);
    assert_eq!(said["decision"], "launch");
    assert_eq!(said["launcher"], launcher);
    assert_eq!(said["launcher_from"], "install");
    assert_eq!(said["wrapped"], true);
}

#[test]
fn a_compile_through_the_launcher_of_the_environment() {
    let tree = tree("/nonexistent/installed");
    let sccache = tree.launcher("sccache");
    let env = [
        ("HIP_CLANG_LAUNCHER", sccache.to_str().unwrap()),
        ("CARGO_INCREMENTAL", "1"),
        ("SCCACHE_BUCKET", ""),
        ("OTHER", ""),
    ];
    let said = as_the_shim_does(&tree, &COMPILE, &env);
    assert_eq!(said["launcher_from"], "HIP_CLANG_LAUNCHER");
    let removed = words(&said["environment_removed"]);
    assert_eq!(removed.len(), 2, "{said}");
    assert!(removed.contains(&"CARGO_INCREMENTAL") && removed.contains(&"SCCACHE_BUCKET"));
}

#[test]
fn calls_that_go_straight_to_the_compiler_and_why() {
    let tree = tree("/nonexistent/launcher");
    std::fs::write(tree.path("link.rsp"), "a.o -o a\n").unwrap();
    std::fs::write(tree.path("b.cpp"), "int b;\n").unwrap();
    for (args, reason) in [
        (&["--version"][..], "information"),
        (&["a.o", "-o", "a"], "not-a-compile"),
        (&["-E", "a.cpp"], "other-action"),
        (&["-c", "a.cpp", "b.cpp"], "several-inputs"),
        (&["-c", "missing.cpp"], "input-not-a-file"),
        (&["@link.rsp"], "not-a-compile"),
        (&["-c", "-x", "c++", "-"], "stdin"),
        (
            &["-c", "a.cpp", "-DS=\"x y\"", "$HOME", "it's"],
            "several-inputs",
        ),
    ] {
        let said = as_the_shim_does(&tree, args, &[]);
        assert_eq!(said["decision"], "direct", "{args:?}");
        assert_eq!(said["reason"], reason, "{args:?}: {said}");
    }
    let said = as_the_shim_does(&tree, &COMPILE, &[("ROCK_WRAP_DISABLE", "1")]);
    assert_eq!(said["reason"], "disabled");
    assert_has(said["remedy"].as_str().unwrap(), &["ROCK_WRAP_DISABLE"]);
}

#[test]
fn a_compile_from_a_response_file_is_launched_and_a_bad_argument_in_one_is_named() {
    let tree = tree("");
    let launcher = tree.launcher("launcher");
    let env = [("HIP_CLANG_LAUNCHER", launcher.to_str().unwrap())];
    std::fs::write(tree.path("good.rsp"), "-c 'a.cpp'\n-o a.o").unwrap();
    let said = as_the_shim_does(&tree, &["@good.rsp"], &env);
    assert_eq!(said["decision"], "launch", "{said}");
    std::fs::write(tree.path("bad.rsp"), "-c a.cpp -save-temps").unwrap();
    let said = as_the_shim_does(&tree, &["@bad.rsp"], &env);
    assert_eq!(said["decision"], "direct");
    assert_eq!(said["argument"], "@bad.rsp");
}

#[test]
fn a_shim_without_a_launcher_says_how_to_get_one() {
    let said = as_the_shim_does(&tree(""), &COMPILE, &[]);
    assert_eq!(said["reason"], "no-launcher");
    assert_has(
        said["remedy"].as_str().unwrap(),
        &["HIP_CLANG_LAUNCHER", "install"],
    );
}

#[test]
fn the_compiler_is_looked_up_on_path_and_through_links() {
    let tree = tree("/nonexistent/launcher");
    std::fs::create_dir(tree.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../bin/clang++", tree.path("elsewhere/clang++")).unwrap();
    for dir in ["bin", "elsewhere"] {
        let mut explain = rock_wrap(["explain", "--json", "--", "clang++"]);
        explain.args(COMPILE).current_dir(tree.path(""));
        let said = ran(explain.env("PATH", tree.path(dir))).json();
        assert_eq!(said["decision"], "launch", "{said}");
        assert_eq!(said["wrapped"], true);
        assert_eq!(said["compiler"], tree.path("bin/clang++").to_str().unwrap());
    }
}

#[test]
fn explain_says_that_a_compiler_is_not_wrapped() {
    let rocm = Rocm::small();
    std::fs::write(rocm.beside("a.cpp"), "int a;\n").unwrap();
    let compiler = rocm.bin().join("clang++");
    let compiler = compiler.to_str().unwrap();
    let explain = |options: &[&str]| {
        let mut explain = rock_wrap(["explain"]);
        explain.args(options).args(["--", compiler]).args(COMPILE);
        explain.current_dir(rocm.beside(""));
        rocm.untouched(|_| ran(&mut explain).ok())
    };
    let text = explain(&[]);
    assert_has(&text.err, &["rock-wrap: ", compiler, "is not wrapped"]);
    assert_has(&text.out, &["direct (no-launcher)"]);
    let json = explain(&["--json"]).json();
    assert_eq!(json["wrapped"], false);
    assert_eq!(json["runs"][0], compiler);
    rocm.wrap(&ccache());
    let json = explain(&["--json"]).json();
    assert_eq!(json["wrapped"], true);
    assert_eq!(json["decision"], "launch");
    assert_eq!(json["runs"][0], ccache().to_str().unwrap());
}

#[test]
fn explain_runs_nothing() {
    let tree = tree("");
    let file = tree.path("told");
    let mut explain = explain(&tree, &[], &COMPILE);
    explain
        .env("WITNESS_FILE", &file)
        .env("HIP_CLANG_LAUNCHER", crate::support::witness());
    ran(&mut explain).ok();
    assert!(!Path::new(&file).exists());
}

#[test]
fn a_compiler_that_does_not_exist_is_refused() {
    for word in ["/nonexistent/clang++", "no-such-clang"] {
        let message = ran(&mut rock_wrap(["explain", "--", word, "-c", "a.cpp"])).refused(4);
        assert_has(&message, &[word, "no such compiler"]);
    }
    ran(&mut rock_wrap(["explain", "--"])).refused(2);
}

/// A HIP compile that needs no HIP headers.
const HIP: [&str; 12] = [
    "-x",
    "hip",
    "--offload-arch=gfx942",
    "-nogpuinc",
    "-nogpulib",
    "-DX=1",
    "-MD",
    "-MF",
    "k.d",
    "-c",
    "k.hip",
    "-ok.o",
];

/// What `explain --key` prints about [`HIP`] with some of its words replaced.
fn ingredients(rocm: &Rocm, replaced: &[(&str, &str)], env: &[(&str, &str)]) -> Value {
    let words = HIP.map(|word| {
        let new = replaced.iter().find(|(old, _)| *old == word);
        new.map_or(word, |(_, new)| new)
    });
    let mut explain = rock_wrap(["explain", "--json", "--key", "--"]);
    explain.arg(rocm.bin().join("clang++")).args(words);
    explain
        .envs(env.iter().copied())
        .current_dir(rocm.beside(""));
    let mut said = ran(explain.env("HOME", rocm.beside(""))).json();
    assert_eq!(said["decision"], "launch", "{said}");
    said["ingredients"].take()
}

/// The ingredients in which two answers differ, as `LIST/NAME`.
fn differences(one: &Value, other: &Value) -> Vec<String> {
    let mut differ = std::collections::BTreeSet::new();
    for list in ["key", "id", "members", "arguments", "texts", "files"] {
        let of = |shown: &Value| shown[list].as_array().cloned().unwrap_or_default();
        let (one, other) = (of(one), of(other));
        let only = one.iter().filter(|item| !other.contains(item));
        for item in only.chain(other.iter().filter(|item| !one.contains(item))) {
            differ.insert(format!("{list}/{}", item["name"].as_str().unwrap()));
        }
    }
    differ.into_iter().collect()
}

#[test]
fn the_ingredients_of_a_key_show_why_two_calls_differ() {
    let rocm = Rocm::new(19, Layout::Symlink);
    rocm.wrap(&crate::support::launchers::sccache());
    std::fs::write(rocm.beside("k.hip"), "#include \"k.h\"\nint x = X;\n").unwrap();
    std::fs::write(rocm.beside("k.h"), "int y;\n").unwrap();
    let first = ingredients(&rocm, &[], &[]);
    assert_eq!(differences(&first, &ingredients(&rocm, &[], &[])), [""; 0]);
    assert_eq!(first["reads_unnamed_files"], false, "{first}");
    assert!(first["members"].as_array().unwrap().len() > 10);
    assert!(
        !rocm.beside("k.d").exists(),
        "explain has written the depfile"
    );
    for (replaced, env, expected) in [
        (
            &[("-DX=1", "-DX=2")][..],
            &[][..],
            &[
                "arguments/id",
                "arguments/macros",
                "id/arguments",
                "texts/whole",
            ][..],
        ),
        (
            &[("-ok.o", "-ol.o")],
            &[],
            &[
                "arguments/id",
                "arguments/others",
                "id/arguments",
                "id/output",
                "key/dependency-file",
                "key/output",
            ],
        ),
        (&[], &[("HIP_PATH", "/else")], &["key/HIP_PATH"]),
        (
            &[],
            &[("SCCACHE_C_CUSTOM_CACHE_BUSTER", "mine")],
            &["key/user-key"],
        ),
        (
            &[("--offload-arch=gfx942", "--offload-arch=gfx906")],
            &[],
            &["arguments/architectures", "texts/whole"],
        ),
    ] {
        let found = differences(&first, &ingredients(&rocm, replaced, env));
        assert_eq!(found, expected, "{replaced:?} {env:?}");
    }
    // Only a comment changes, which is in no preprocessed text.
    std::fs::write(rocm.beside("k.h"), "int y; // why\n").unwrap();
    let found = differences(&first, &ingredients(&rocm, &[], &[]));
    assert_eq!(found, ["files/./k.h"]);
    // The text says the same.
    let mut explain = rock_wrap(["explain", "--key", "--"]);
    explain.arg(rocm.bin().join("clang++")).args(HIP);
    explain
        .env("HOME", rocm.beside(""))
        .current_dir(rocm.beside(""));
    let text = ran(&mut explain).ok().out;
    for list in ["key", "id", "arguments", "texts", "files"] {
        assert_has(&text, &[&format!("\n{list}:\n")]);
        for item in first[list].as_array().unwrap() {
            if let (Some(digest), false) = (item["digest"].as_str(), list == "files") {
                assert_has(
                    &text,
                    &[&format!("  {digest}  {}", item["name"].as_str().unwrap())],
                );
            }
        }
    }
}

#[test]
fn a_call_without_a_key_has_no_ingredients() {
    let tree = tree("/nonexistent/launcher");
    let said = ran(&mut explain(&tree, &["--json", "--key"], &["--version"])).json();
    assert_eq!(said["decision"], "direct");
    assert_eq!(said["ingredients"], Value::Null);
}
