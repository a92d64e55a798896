//! Nobody can tell that the shim is there: calls of a real clang in a real tree give the same standard output, standard
//! error, exit status and files, to the byte, in the bare tree and through the shim, cold and warm, with each launcher
//! and with none.
//!
//! Two things are masked before the comparison:
//! - the six random digits in the names of clang's temporary files, which differ between any two runs;
//! - the compiler's own file name in clang's output and in what `-MJ` writes, in trees where `clang` is itself the
//!   program (regular file, hard link): the program is at `clang.7625` while the tree is wrapped.
//!
//! Ids that clang makes up are compared in another way, see [`Site::differs_in_the_id_alone`]. Two effects of sccache
//! are counted and shown separately, because no wrapper that hands a call to it can change them:
//! - its server writes files under umask 027 (0.16, `commands.rs`), whatever the caller's umask is, so that an object
//!   that others could read has mode 0640;
//! - if a preprocessor warning is made an error, it returns that error and not those that the compiler would have found
//!   after it ([`probes::HALF_SAID_BY_SCCACHE`]).
//!
//! The quick form has every layout of clang 19 and one of clang 23, whose new offload driver hides device code from
//! launchers. The trees get one launcher each, in turn. A call that both names understand is made to `clang` or
//! `clang++`, alternating from call to call and from tree to tree. Each launcher gets every call. In trees with hard
//! links and stubs, which differ from the others only in how an original is kept, only every third call is made, and in
//! clang 23's tree every other one. `ROCK_WRAP_TEST_FULL` combines every tree with every launcher, every call and both
//! names, and adds sccache 0.17 and Debian's ccache.

mod compare;
mod files;
mod probes;
mod site;

use crate::support::compilers::{QUICK, clangs, full};
use crate::support::launchers::{self, Asked, Cache};
use crate::support::tree::{Kind, Layout};
use compare::{Tally, compare, say};
use probes::{lines, words};
use site::{Names, Outcome, Probe, Site};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Makes all runs in one tree, and compares them with the bare run.
fn check_tree(checked: &Checked) -> Tally {
    let kind = checked.kind;
    let site = Site::new(kind);
    let probes = site.probes(checked.names).into_iter();
    let probes: Vec<_> = probes.step_by(checked.step).collect();
    let bare = site.run(&probes, None);
    let mut total = Tally::default();
    let mut report = |what: &str,
                      expected: &[Outcome],
                      through: &[Outcome],
                      cache: Option<&Cache>,
                      since: Instant| {
        let what = format!("{kind}, {what}");
        let tally = compare(&site, &what, &probes, expected, through, cache);
        tally.say(&what, since);
        total.add(&tally);
    };

    // A shim without a launcher decides the same about every call in every tree, so one tree is enough.
    if checked.without_launcher {
        let start = Instant::now();
        site.tree.install(None);
        report("no launcher", &bare, &site.run(&probes, None), None, start);
    }
    for launcher in &checked.launchers {
        let cache = Cache::new(launcher);
        // The directory's name contains the version, except for Debian's ccache.
        let dir = launcher.parent().unwrap().file_name().unwrap();
        let name = dir
            .to_str()
            .filter(|dir| *dir != "bin")
            .unwrap_or("Debian's ccache");
        site.tree.install(Some(launcher));
        let start = Instant::now();
        let cold = site.run(&probes, Some(&cache));
        let stored = cache.asked().misses;
        assert!(
            stored >= probes.len() as u64 / 8,
            "{kind}, {name}: only {stored} calls reached the cache"
        );
        report(&format!("{name}, cold"), &bare, &cold, Some(&cache), start);
        let start = Instant::now();
        let warm = site.run(&probes, Some(&cache));
        // Where clang makes up an id, the cold run was compared in another way. The warm run must equal it.
        let mut expected = bare.clone();
        for (index, probe) in probes.iter().enumerate() {
            if probe.makes_id {
                expected[index].clone_from(&cold[index]);
            }
        }
        report(
            &format!("{name}, warm"),
            &expected,
            &warm,
            Some(&cache),
            start,
        );
        // Direct calls would be equal too, so check that these calls are hits.
        for (index, probe) in probes.iter().enumerate() {
            if probe.makes_id {
                cache.zero();
                site.call(index, probe, Some(&cache));
                assert_eq!(
                    cache.asked_for_hip(),
                    Asked::new(1, 0),
                    "{kind}, {name}: {}",
                    probe.shown()
                );
            }
        }
    }
    site.tree.restore();
    if full() {
        let start = Instant::now();
        report("restored", &bare, &site.run(&probes, None), None, start);
    }
    total
}

/// One tree, and the launchers and calls it is checked with.
struct Checked {
    kind: Kind,
    launchers: Vec<PathBuf>,
    /// Whether it is also checked with a shim that has no launcher.
    without_launcher: bool,
    names: Names,
    /// Every `step`-th call is made.
    step: usize,
}

/// Every tree with every launcher.
fn every_tree() -> Vec<Checked> {
    let mut launchers = vec![launchers::sccache(), launchers::ccache()];
    launchers.extend(launchers::find("sccache 0.17.0", "sccache-0.17.0/sccache"));
    launchers.extend(launchers::find("ccache 4.7.5", "/usr/bin/ccache"));
    let mut kinds = Vec::new();
    for clang in clangs(&QUICK) {
        for kind in Layout::ALL.map(|layout| Kind::new(clang, layout)) {
            kinds.push(kind);
            // clang 15 has no default configuration files.
            kinds.extend((clang > 15).then(|| kind.with_cfg()));
        }
    }
    let checked = |kind| Checked {
        kind,
        launchers: launchers.clone(),
        without_launcher: true,
        names: Names::Both,
        step: 1,
    };
    kinds.into_iter().map(checked).collect()
}

/// Every layout of the first compiler and one layout of each other compiler, with one launcher each. The first tree has
/// configuration files.
fn trees_in_turn() -> Vec<Checked> {
    let launchers = [launchers::sccache(), launchers::ccache()];
    let mut trees = Vec::new();
    for (number, clang) in clangs(&QUICK).into_iter().enumerate() {
        let layouts = if number == 0 {
            &Layout::ALL[..]
        } else {
            &Layout::ALL[..1]
        };
        for &layout in layouts {
            let turn = trees.len();
            let mut kind = Kind::new(clang, layout);
            kind.cfg = turn == 0;
            let launcher = launchers[turn % launchers.len()].clone();
            trees.push(Checked {
                kind,
                launchers: vec![launcher],
                without_launcher: turn == 0,
                names: Names::InTurn(turn / launchers.len() + number),
                step: match layout {
                    Layout::HardLink | Layout::Stub => 3,
                    Layout::Symlink | Layout::Regular if number > 0 => 2,
                    Layout::Symlink | Layout::Regular => 1,
                },
            });
        }
    }
    trees
}

#[test]
fn no_call_differs_from_the_bare_compilers_in_any_tree_with_any_launcher() {
    let trees = if full() {
        every_tree()
    } else {
        trees_in_turn()
    };
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    // Two trees at a time: while the last calls of a run end, the other tree's calls keep the cores busy.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(tree) = trees.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tally = check_tree(tree);
                    total.lock().unwrap().add(&tally);
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    say(&format!(
        "transparency: {} comparisons, {} differing",
        total.comparisons, total.differing
    ));
    assert_eq!(total.differing, 0);
}

/// hipcc and hipconfig call `clang++` by its path, both for information that they print and to compile.
#[test]
fn hipcc_and_hipconfig_do_the_same_in_a_wrapped_tree() {
    for clang in clangs(&[19]) {
        hipcc_does_the_same(clang);
    }
}

fn hipcc_does_the_same(clang: u32) {
    let site = Site::new(Kind::new(clang, Layout::Symlink));
    let mut probes = Vec::new();
    for line in lines(probes::HIPCC) {
        let mut line: Vec<String> = line.iter().map(|word| site.fill(word)).collect();
        let program = line.remove(0);
        probes.push(Probe::new(&program, line));
    }
    let bare = site.run(&probes, None);
    assert!(bare[0].status.ends_with(": 0"), "{}", bare[0].stderr);
    let mut total = Tally::default();
    // The quick form has one launcher: what hipcc calls is compared with each of them above.
    let launchers = [launchers::ccache(), launchers::sccache()];
    for launcher in &launchers[..if full() { 2 } else { 1 }] {
        let cache = Cache::new(launcher);
        site.tree.install(Some(launcher));
        for state in ["cold", "warm"] {
            let start = Instant::now();
            let through = site.run(&probes, Some(&cache));
            let name = launcher.file_name().unwrap().to_str().unwrap();
            let what = format!("hipcc, {name}, {state}");
            let tally = compare(&site, &what, &probes, &bare, &through, Some(&cache));
            tally.say(&what, start);
            total.add(&tally);
        }
        assert!(
            cache.asked_for_hip().hits > 0,
            "clang {clang}: hipcc's compiles reach {launcher:?}"
        );
    }
    assert_eq!(total.differing, 0);
}

/// The compile is the same for every value of `HIP_CLANG_LAUNCHER`; a launcher that cannot be run adds one line to
/// standard error.
#[test]
fn hip_clang_launcher_changes_no_result_of_a_call() {
    for clang in clangs(&[19]) {
        hip_clang_launcher_changes_nothing(clang);
    }
}

fn hip_clang_launcher_changes_nothing(clang: u32) {
    let site = Site::new(Kind::new(clang, Layout::Symlink));
    let spaced = site.path("with space");
    std::fs::create_dir(&spaced).unwrap();
    std::os::unix::fs::symlink(launchers::ccache(), spaced.join("ccache")).unwrap();
    let compiler = site.fill("{bin}/clang++");
    let probes: Vec<Probe> = [
        "-c warn.cpp -o y.o -Wall -MD",
        "-c bad.cpp -o y.o",
        "--version",
        "x.o -o x",
    ]
    .iter()
    .map(|line| Probe::new(&compiler, words(line)))
    .collect();
    let bare = site.run(&probes, None);
    site.tree.install(None);
    let cannot_be_run = ["ccache -v", "/nonexistent/launcher", "nonexistent"];
    let can = [
        "".to_owned(),
        launchers::sccache().to_str().unwrap().to_owned(),
        launchers::ccache().to_str().unwrap().to_owned(),
        spaced.join("ccache").to_str().unwrap().to_owned(),
    ];
    let values = can.iter().map(String::as_str).chain(cannot_be_run);
    for value in values {
        // A launcher's file name tells its kind.
        let cache = Cache::new(&if value.ends_with("sccache") {
            launchers::sccache()
        } else {
            launchers::ccache()
        });
        let mut probes = probes.clone();
        let mut expected = bare.clone();
        for (index, (probe, expected)) in probes.iter_mut().zip(&mut expected).enumerate() {
            probe.env.push(("HIP_CLANG_LAUNCHER", value.to_owned()));
            if index < 2 && cannot_be_run.contains(&value) {
                let line = format!(
                    "rock-wrap: launcher {value} (from HIP_CLANG_LAUNCHER) was not found; compiling without it\n"
                );
                expected.stderr.insert_str(0, &line);
            }
        }
        let through = site.run(&probes, Some(&cache));
        let start = Instant::now();
        let what = format!("HIP_CLANG_LAUNCHER={value:?}");
        let tally = compare(&site, &what, &probes, &expected, &through, Some(&cache));
        tally.say(&what, start);
        assert_eq!(tally.differing, 0);
        let reached = cache.asked() != Asked::default();
        assert_eq!(
            reached,
            value.contains('/') && !cannot_be_run.contains(&value),
            "{what}"
        );
    }
}
