//! Concurrent installs and restores while compiles never stop.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::tree::{Action, Compiler, NAMES, Tree, stderr};
use super::{alone, full, report};
use crate::support::tree::Layout;

/// How a compile loop calls the compiler.
#[derive(Clone, Copy)]
enum Through {
    Nothing,
    Script,
    Ccache,
}

fn race(layout: Layout, compiler: Compiler, limit: Duration) {
    let _alone = alone();
    let tree = Tree::new(layout, compiler);
    let original = tree.manifest();
    let (compiles, changes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    let end = Instant::now() + limit;
    let over = || Instant::now() >= end || !failures.lock().unwrap().is_empty();
    let compile = |i: usize| {
        let through = match (i / 2 % 2, compiler) {
            (0, _) => Through::Nothing,
            (_, Compiler::Fake) => Through::Script,
            (_, Compiler::Clang) => Through::Ccache,
        };
        let mut turn = i;
        while !over() {
            turn += 1;
            let mut change = |call: &mut Command| match through {
                Through::Nothing => {}
                Through::Script => {
                    call.env("HIP_CLANG_LAUNCHER", tree.outside("one"));
                }
                Through::Ccache => {
                    call.env("HIP_CLANG_LAUNCHER", "/usr/bin/ccache")
                        .env("CCACHE_DIR", tree.outside("cache"))
                        // Another text for every second call of a name: every other one of its calls is a miss.
                        .arg(format!("-DTURN={}", i * 1_000_000 + turn / 4))
                        .arg("-c");
                }
            };
            match tree.compile_with(NAMES[turn % 2], &format!("out-{i}"), &mut change) {
                Ok(()) => compiles.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    failures.lock().unwrap().push(error);
                    break;
                }
            };
        }
    };
    let alter = |i: usize| {
        let mut turn = i;
        while !over() {
            turn += 1;
            let action = [
                Action::Install,
                Action::Restore,
                Action::Switch,
                Action::Restore,
            ];
            let output = tree.command(action[turn % action.len()]).output().unwrap();
            if output.status.success() {
                changes.fetch_add(1, Ordering::Relaxed);
            } else {
                let error = format!("{action:?}: {}: {}", output.status, stderr(&output));
                failures.lock().unwrap().push(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for i in 0..8 {
            let (compile, alter) = (&compile, &alter);
            scope.spawn(move || compile(i));
            scope.spawn(move || alter(i));
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{layout}: {failures:#?}");
    report!(
        "race: {layout:?}, {compiler:?}: {} compiles without a failure among {} installs and restores",
        compiles.load(Ordering::Relaxed),
        changes.load(Ordering::Relaxed),
    );
    // The command that ended last left the tree either original or completely wrapped.
    let now = tree.manifest();
    if now.ours().is_empty() {
        original.assert_same(&now, layout);
    } else {
        assert_eq!(tree.state(), "wrapped");
    }
    tree.restore();
    original.assert_same(&tree.manifest(), layout);
}

fn limit() -> Duration {
    Duration::from_secs(if full() { 30 } else { 3 })
}

#[test]
fn no_compile_fails_while_links_are_wrapped_and_restored_without_pause() {
    race(Layout::Symlink, Compiler::Fake, limit() / 2);
    race(Layout::Symlink, Compiler::Clang, limit());
}

#[test]
fn no_compile_fails_while_executables_are_wrapped_and_restored_without_pause() {
    race(Layout::Regular, Compiler::Fake, limit() / 2);
    race(Layout::Regular, Compiler::Clang, limit());
}

#[test]
fn no_compile_fails_while_hard_links_and_stubs_are_wrapped_and_restored_without_pause() {
    race(Layout::HardLink, Compiler::Fake, limit() / 2);
    race(Layout::Stub, Compiler::Fake, limit() / 2);
}
