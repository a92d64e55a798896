//! Several sessions at once, and other commands that change a tree during a session.

use super::{COMPILE, ONE_HIP_COMPILE, Running, WAIT, is_wrapped, session, shadows};
use crate::support::launchers::{Asked, Cache, ccache};
use crate::support::manifest::Manifest;
use crate::support::rocm::{Rocm, assert_has, ran};
use crate::support::tree::Layout;
use nix::sys::signal::{Signal, kill};
use std::io::Write;

#[test]
fn the_last_of_two_sessions_restores_the_tree() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let cache = Cache::new(&ccache());
    let before = Manifest::of(&rocm.bin());
    let build = format!("{WAIT}; {COMPILE}");
    let mut first = Running::start(&mut session(&rocm, &cache, &["--attach", "in-place"], WAIT));
    let second = Running::start(&mut session(
        &rocm,
        &cache,
        &["--attach", "in-place"],
        &build,
    ));
    first.input.write_all(b"\n").unwrap();
    assert!(first.child.wait().unwrap().success());
    assert!(
        is_wrapped(&rocm),
        "the second session still needs the shims"
    );
    assert!(second.finish().success());
    assert_eq!(
        cache.asked(),
        Asked::new(0, 1),
        "the second session's compile did not go through the launcher"
    );
    before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
}

#[test]
fn the_last_of_two_sessions_with_a_shadow_removes_it() {
    let rocm = Rocm::small();
    let cache = Cache::new(&ccache());
    let start = || Running::start(&mut session(&rocm, &cache, &["--attach", "shadow"], WAIT));
    let (first, second) = (start(), start());
    assert!(first.finish().success());
    assert_eq!(shadows(&rocm).len(), 1);
    assert!(second.finish().success());
    assert_eq!(shadows(&rocm).len(), 0);
}

#[test]
fn a_session_within_a_session_joins_it() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let cache = Cache::new(&ccache());
    let before = Manifest::of(&rocm.bin());
    let inner = format!(
        "{} run --rocm-path {} -- sh -c '$CLANG --version >inner; exit 3'; echo $?; {COMPILE}",
        env!("CARGO_BIN_EXE_rock-wrap"),
        rocm.root.display()
    );
    let ran = ran(&mut session(&rocm, &cache, &[], &inner)).ok();
    assert_eq!(ran.out, "3\n");
    assert_has(&ran.err, &["joining that", ONE_HIP_COMPILE, "information"]);
    assert_eq!(
        ran.err.matches("misses").count(),
        1,
        "one report: {}",
        ran.err
    );
    before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
}

#[test]
fn status_reports_a_tree_that_is_wrapped_for_a_session() {
    let rocm = Rocm::small();
    let cache = Cache::new(&ccache());
    let status = || ran(rocm.rock_wrap("status").arg("--json")).ok().json()["session"].clone();
    assert!(status().is_null());
    let mut running = Running::start(&mut session(&rocm, &cache, &["--attach", "in-place"], WAIT));
    assert_eq!(status(), "running");
    assert_has(
        &ran(&mut rocm.rock_wrap("status")).ok().out,
        &["for a build session that runs"],
    );
    kill(running.guard(), Signal::SIGKILL).unwrap();
    kill(running.pid(), Signal::SIGKILL).unwrap();
    running.child.wait().unwrap();
    assert_eq!(status(), "gone");
    assert_has(
        &ran(&mut rocm.rock_wrap("status")).ok().out,
        &["that is gone", "rock-wrap restore"],
    );
    rocm.restore();
    assert!(status().is_null());
}

#[test]
fn an_install_during_a_session_stays_after_it() {
    let rocm = Rocm::small();
    let cache = Cache::new(&ccache());
    let running = Running::start(&mut session(&rocm, &cache, &["--attach", "in-place"], WAIT));
    rocm.wrap(&cache.program);
    assert!(running.finish().success());
    assert!(is_wrapped(&rocm));
    rocm.restore();
    assert!(!is_wrapped(&rocm));
}

#[test]
fn a_restore_during_a_session_costs_it_its_cache_and_nothing_else() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let cache = Cache::new(&ccache());
    let before = Manifest::of(&rocm.bin());
    let build = format!("{WAIT}; {COMPILE}");
    let running = Running::start(&mut session(
        &rocm,
        &cache,
        &["--attach", "in-place"],
        &build,
    ));
    rocm.restore();
    before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
    assert!(running.finish().success());
    assert!(rocm.beside("k.o").exists());
    before.assert_same(&Manifest::of(&rocm.bin()), "the tree");
}
