//! `rock-wrap run`: it ends as the build did, and the tree is unchanged however the build ended.

mod build;
mod launcher;
mod signals;
mod terminal;

use crate::support::compilers::kinds;
use crate::support::launchers::ccache;
use crate::support::manifest::Manifest;
use crate::support::rocm::{Rocm, assert_has, ran, sh};
use rock_wrap::shim_image;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

/// `rock-wrap run -- sh -c BUILD`, with ccache and a cache of its own.
fn run(rocm: &Rocm, build: &str) -> Command {
    run_words(rocm, &["sh", "-c", build])
}

/// `rock-wrap run -- COMMAND`, with ccache and a cache of its own.
fn run_words(rocm: &Rocm, command: &[&str]) -> Command {
    let mut run = rocm.rock_wrap("run");
    run.arg("--")
        .args(command)
        // Not the machine's sccache, whose server would outlive the test.
        .env("HIP_CLANG_LAUNCHER", ccache())
        .env("CCACHE_DIR", rocm.beside("ccache"))
        .env("BIN", rocm.bin())
        .current_dir(rocm.beside(""));
    run
}

/// Runs `attempt`, and checks that the compilers' directory is the same afterwards.
#[track_caller]
fn comes_back<T>(rocm: &Rocm, attempt: impl FnOnce() -> T) -> T {
    let before = Manifest::of(&rocm.bin());
    let result = attempt();
    before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
    result
}

fn is_shim(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| shim_image::is_shim(&bytes))
}

#[test]
fn the_exit_status_is_the_builds() {
    let rocm = Rocm::small();
    for status in [0, 1, 3, 255] {
        let ran = comes_back(&rocm, || ran(&mut run(&rocm, &format!("exit {status}"))));
        assert_eq!(ran.status.code(), Some(status), "{ran:?}");
    }
}

#[test]
fn rock_wrap_dies_by_the_signal_that_killed_the_build() {
    let rocm = Rocm::small();
    for signal in [1, 2, 6, 9, 15] {
        let ran = comes_back(&rocm, || {
            ran(&mut run(&rocm, &format!("kill -{signal} $$")))
        });
        assert_eq!(ran.status.signal(), Some(signal), "{ran:?}");
    }
}

#[test]
fn every_layout_comes_back_after_success_and_failure() {
    for (clang, layout) in kinds() {
        let rocm = Rocm::new(clang, layout);
        for status in [0, 3] {
            let build = format!("\"$BIN/clang++\" --version >&2; exit {status}");
            let ran = comes_back(&rocm, || ran(&mut run(&rocm, &build)));
            assert_eq!(ran.status.code(), Some(status), "{ran:?}");
        }
    }
}

#[test]
fn a_command_that_does_not_exist_is_reported_before_anything_is_changed() {
    let rocm = Rocm::small();
    for command in ["no-such-build", "./no-such-build", "/no/such/build"] {
        let mut run = run_words(&rocm, &[command]);
        let message = rocm.untouched(|_| ran(&mut run).refused(127));
        assert_has(&message, &[command, "not found"]);
    }
    std::fs::write(rocm.beside("build.sh"), "#!/bin/sh\n").unwrap();
    for command in ["./build.sh", "/tmp"] {
        let mut run = run_words(&rocm, &[command]);
        let message = rocm.untouched(|_| ran(&mut run).refused(126));
        assert_has(&message, &[command, "cannot be executed"]);
    }
}

#[test]
fn a_command_that_the_system_refuses_to_start_is_reported_and_the_tree_comes_back() {
    let rocm = Rocm::small();
    let broken = rocm.beside("broken");
    sh(
        r#"printf '#!/no/such/shell\n' >"$1" && chmod 755 "$1""#,
        &[&broken],
    );
    let mut run = run_words(&rocm, &["./broken"]);
    let ran = comes_back(&rocm, || ran(&mut run));
    assert_eq!(ran.status.code(), Some(126), "{ran:?}");
    assert_has(&ran.err, &["rock-wrap: error:", "broken", "No such file"]);
}

#[test]
fn an_empty_command_is_wrong_usage() {
    let rocm = Rocm::small();
    let mut run = run_words(&rocm, &[]);
    rocm.untouched(|_| ran(&mut run).refused(2));
}

#[test]
fn a_tree_or_launcher_that_does_not_exist_is_reported_and_the_build_is_not_run() {
    let rocm = Rocm::small();
    let mut build = run(&rocm, "touch built");
    build.env("HIP_CLANG_LAUNCHER", "/no/such/launcher");
    let message = rocm.untouched(|_| ran(&mut build).refused(4));
    assert_has(&message, &["/no/such/launcher", "not found"]);
    let missing =
        crate::support::rocm::rock_wrap(["run", "--rocm-path", "/no/such/tree", "--", "true"])
            .output()
            .unwrap();
    assert_eq!(missing.status.code(), Some(4));
    assert!(!rocm.beside("built").exists());
}
