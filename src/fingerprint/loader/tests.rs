use std::os::unix::fs::symlink;

use super::*;
use crate::fingerprint::testing::{Fixture, debians};

const RPATH: &str = "-Wl,--disable-new-dtags";
const RUNPATH: &str = "-Wl,--enable-new-dtags";

/// The paths of loaded objects that do not belong to the system, relative to `dir`.
fn loaded(dir: &Fixture, program: &Path, library_path: Option<&str>) -> Vec<String> {
    let system = System::new(library_path.map(OsStr::new));
    let closure = system.closure(program).unwrap();
    assert!(closure.missing.is_empty(), "{:?}", closure.missing);
    let own = closure.loaded.iter().filter(|loaded| !loaded.system);
    own.map(|loaded| {
        let path = loaded.path.strip_prefix(dir.path()).unwrap();
        path.display().to_string()
    })
    .collect()
}

/// What the real loader opens, for comparison. Unlike the module, this runs it.
fn really_loaded(dir: &Fixture, program: &Path, library_path: Option<&str>) -> Vec<String> {
    let mut command = std::process::Command::new(program);
    command.env("LD_TRACE_LOADED_OBJECTS", "1");
    if let Some(path) = library_path {
        command.env("LD_LIBRARY_PATH", path);
    }
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let prefix = format!("{}/", dir.path().display());
    let mut paths: Vec<_> = output
        .lines()
        .filter_map(|line| line.split(" => ").nth(1)?.split(" (").next())
        .filter_map(|path| path.strip_prefix(&prefix))
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths
}

fn check(dir: &Fixture, program: &Path, library_path: Option<&str>, expected: &[&str]) {
    let mut found = loaded(dir, program, library_path);
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(really_loaded(dir, program, library_path), expected);
}

#[test]
fn origin_and_the_dependencies_of_dependencies_are_followed() {
    let dir = Fixture::new();
    dir.library("lib/libdeep.so", &[]);
    dir.library(
        "lib/libtop.so",
        &["-Llib", "-ldeep", "-Wl,-rpath,$ORIGIN", RUNPATH],
    );
    let program = dir.program(
        "bin/p",
        &["-Llib", "-ltop", "-Wl,-rpath,${ORIGIN}/../lib", RUNPATH],
    );
    let expected = ["bin/../lib/libdeep.so", "bin/../lib/libtop.so"];
    check(&dir, &program, None, &expected);
}

#[test]
fn a_runpath_does_not_reach_the_dependencies_of_a_library() {
    let dir = Fixture::new();
    dir.library("lib/libdeep.so", &[]);
    dir.library("lib/libtop.so", &["-Llib", "-ldeep"]);
    let program = dir.program(
        "bin/p",
        &["-Llib", "-ltop", "-Wl,-rpath,$ORIGIN/../lib", RUNPATH],
    );
    let closure = System::new(None).closure(&program).unwrap();
    assert_eq!(closure.missing.len(), 1, "{:?}", closure.missing);
    assert!(closure.missing[0].contains("libdeep.so"));
}

#[test]
fn an_rpath_does() {
    let dir = Fixture::new();
    dir.library("lib/libdeep.so", &[]);
    dir.library("lib/libtop.so", &["-Llib", "-ldeep"]);
    let program = dir.program(
        "bin/p",
        &["-Llib", "-ltop", "-Wl,-rpath,$ORIGIN/../lib", RPATH],
    );
    let expected = ["bin/../lib/libdeep.so", "bin/../lib/libtop.so"];
    check(&dir, &program, None, &expected);
}

#[test]
fn an_inherited_rpath_does_not_count_for_a_library_with_a_runpath() {
    let dir = Fixture::new();
    dir.library("lib/libdeep.so", &[]);
    dir.library("own/libdeep.so", &[]);
    dir.library(
        "lib/libtop.so",
        &["-Llib", "-ldeep", "-Wl,-rpath,$ORIGIN/../own", RUNPATH],
    );
    let program = dir.program("p", &["-Llib", "-ltop", "-Wl,-rpath,$ORIGIN/lib", RPATH]);
    check(
        &dir,
        &program,
        None,
        &["lib/../own/libdeep.so", "lib/libtop.so"],
    );
}

#[test]
fn ld_library_path_stands_between_rpath_and_runpath() {
    let dir = Fixture::new();
    for place in ["one", "two"] {
        dir.library(&format!("{place}/libtop.so"), &[]);
    }
    let path = dir.path().join("two").display().to_string();
    let args = ["-Lone", "-ltop", "-Wl,-rpath,$ORIGIN/one"];
    let rpath = dir.program("rpath", &[&args[..], &[RPATH]].concat());
    check(&dir, &rpath, Some(&path), &["one/libtop.so"]);
    let runpath = dir.program("runpath", &[&args[..], &[RUNPATH]].concat());
    check(&dir, &runpath, Some(&path), &["two/libtop.so"]);
    check(&dir, &runpath, None, &["one/libtop.so"]);
}

#[test]
fn places_where_nothing_was_are_told() {
    let dir = Fixture::new();
    dir.library("two/libtop.so", &[]);
    let rpath = "-Wl,-rpath,$ORIGIN/one:$ORIGIN/two";
    let program = dir.program("p", &["-Ltwo", "-ltop", rpath]);
    let closure = System::new(None).closure(&program).unwrap();
    assert!(closure.vain.contains(&dir.path().join("one/libtop.so")));
}

#[test]
fn a_library_for_another_machine_is_passed_over() {
    let dir = Fixture::new();
    let mut bytes = std::fs::read(dir.library("two/libtop.so", &[])).unwrap();
    bytes[18] = 183; // e_machine: EM_AARCH64
    dir.write("one/libtop.so", &bytes);
    dir.write("zero/libtop.so", b"INPUT(libother.so)");
    let rpath = "-Wl,-rpath,$ORIGIN/zero:$ORIGIN/one:$ORIGIN/two";
    let program = dir.program("p", &["-Ltwo", "-ltop", rpath]);
    let system = System::new(None);
    let closure = system.closure(&program).unwrap();
    let found = closure
        .loaded
        .iter()
        .find(|loaded| loaded.name == "libtop.so");
    assert_eq!(found.unwrap().path, dir.path().join("two/libtop.so"));
}

#[test]
fn a_name_that_was_loaded_under_another_is_not_loaded_again() {
    let dir = Fixture::new();
    dir.library("lib/libtop.so", &[]);
    symlink("libtop.so", dir.path().join("lib/libtop.so.1")).unwrap();
    dir.library("lib/libuser.so", &["-Llib", "-ltop", "-Wl,-rpath,$ORIGIN"]);
    let program = dir.program("p", &["-Llib", "-luser", "-ltop", "-Wl,-rpath,$ORIGIN/lib"]);
    check(&dir, &program, None, &["lib/libtop.so", "lib/libuser.so"]);
}

#[test]
fn the_systems_own_are_told_apart_from_the_compilers() {
    let clang = debians("/usr/lib/llvm-19/bin/clang");
    let closure = System::new(None).closure(&clang).unwrap();
    let is_system = |name: &str| {
        let loaded = closure.loaded.iter().find(|loaded| loaded.name == name);
        loaded
            .unwrap_or_else(|| panic!("{name} in {closure:?}"))
            .system
    };
    assert!(is_system("libc.so.6"));
    assert!(is_system("libstdc++.so.6"));
    // Debian keeps it in a system directory; /usr/lib/llvm-19/lib has a link to it.
    assert!(!is_system("libLLVM.so.19.1"));
    assert!(!is_system("libclang-cpp.so.19.1"));
}

#[test]
fn the_loaders_own_variables_are_replaced_and_other_dollar_signs_stay() {
    let expanded = |text: &str| expand(OsStr::new(text), Path::new("/r/bin/clang"));
    for (text, expected) in [
        ("/plain", "/plain"),
        ("$ORIGIN/../lib", "/r/bin/../lib"),
        ("${ORIGIN}/x/$PLATFORM", "/r/bin/x/x86_64"),
        ("/a/$$ORIGIN", "/a/$/r/bin"),
        ("/a/${OTHER}/$", "/a/${OTHER}/$"),
    ] {
        assert_eq!(expanded(text), Path::new(expected), "{text}");
    }
}
