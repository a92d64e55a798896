//! Power cuts after every operation, with every possible loss of unflushed changes.

use std::collections::BTreeSet;

use crate::install::goal::Goal;
use crate::install::tests::sim::{Caps, NEITHER, RUNGS, SimFs};
use crate::install::tests::state::State;
use crate::install::tests::{CCACHE, LAYOUTS, Layout, SCCACHE, image, run};
use crate::trampoline::trampoline;

/// After a crash both names work, one restore gives back the original tree, and one install completes.
fn check(crashed: &State, original: &State, layout: Layout, caps: Caps, at: &str) {
    for name in ["clang", "clang++"] {
        if let Err(why) = crashed.works(name) {
            panic!("{at}: {why}\n{crashed:#?}");
        }
    }
    let restore = |state: State| {
        let fs = SimFs::new(state, caps, None);
        run(&fs, &Goal::Restore).unwrap_or_else(|err| panic!("{at}: {err:?}"));
        let restored = fs.into_state();
        if let Err(why) = restored.same_as(original, true) {
            panic!("{at}: after a restore {why}");
        }
    };
    restore(crashed.clone());
    let fs = SimFs::new(crashed.clone(), caps, None);
    run(&fs, &layout.install(CCACHE)).unwrap_or_else(|err| panic!("{at}: {err:?}"));
    let installed = fs.into_state();
    for name in ["clang", "clang++"] {
        let found = installed.image(name);
        assert_eq!(found, Some(&image(name, CCACHE)[..]), "{at}: {name}");
        installed.works(name).unwrap();
        let stand_in = installed.bytes(&format!("{name}.9727"));
        assert_eq!(stand_in, Some(trampoline()), "{at}: {name}");
    }
    restore(installed);
}

fn explore(what: &str, start: impl Fn(Layout, Caps) -> State, goal: impl Fn(Layout) -> Goal) {
    let (mut points, mut states, mut distinct) = (0, 0, 0);
    for layout in LAYOUTS {
        let original = State::layout(layout);
        for caps in RUNGS {
            let mut seen = BTreeSet::new();
            let before = start(layout, caps);
            let fs = SimFs::new(before.clone(), caps, None);
            run(&fs, &goal(layout)).unwrap();
            let total = fs.ops();
            assert!(total > 4, "{what} does something");
            for crash_at in 0..=total {
                let fs = SimFs::new(before.clone(), caps, Some(crash_at));
                let ended = run(&fs, &goal(layout));
                assert_eq!(ended.is_ok(), crash_at == total);
                points += 1;
                for (i, crashed) in fs.into_state().crashes().iter().enumerate() {
                    let at = format!("{what} {layout:?} {caps:?} op {crash_at} of {total} #{i}");
                    states += 1;
                    if seen.insert(crashed.shape(original.nodes.len())) {
                        check(crashed, &original, layout, caps, &at);
                        distinct += 1;
                    }
                }
            }
        }
    }
    println!(
        "{what}: {states} crash states at {points} points, {distinct} distinct, all recovered"
    );
    assert!(states > points);
}

fn installed(layout: Layout, caps: Caps) -> State {
    installed_by(layout, caps, &layout.install(SCCACHE))
}

fn installed_by(layout: Layout, caps: Caps, goal: &Goal) -> State {
    let fs = SimFs::new(State::layout(layout), caps, None);
    run(&fs, goal).unwrap();
    let mut state = fs.into_state();
    // Other tests check that the install itself leaves nothing unflushed.
    state.settle();
    state
}

#[test]
fn install_survives_a_crash_anywhere() {
    explore(
        "install",
        |layout, _| State::layout(layout),
        |layout| layout.install(SCCACHE),
    );
}

#[test]
fn switching_survives_a_crash_anywhere() {
    explore("switch", installed, |layout| layout.install(CCACHE));
}

#[test]
fn upgrading_from_a_release_without_stand_ins_survives_a_crash_anywhere() {
    explore(
        "upgrade",
        |layout, caps| installed_by(layout, caps, &layout.install_older()),
        |layout| layout.install(CCACHE),
    );
}

#[test]
fn going_back_from_another_stand_in_survives_a_crash_anywhere() {
    explore(
        "other stand-in",
        |layout, caps| installed_by(layout, caps, &layout.install_newer()),
        |layout| layout.install(CCACHE),
    );
}

#[test]
fn restore_survives_a_crash_anywhere() {
    explore("restore", installed, |_| Goal::Restore);
}

/// Older releases kept originals as copies where names could neither be exchanged nor linked.
#[test]
fn a_restore_of_copies_survives_a_crash_anywhere() {
    let mut states = 0;
    for layout in LAYOUTS {
        let original = State::layout(layout);
        let before = installed(layout, RUNGS[0]).with_copies();
        for crash_at in 0.. {
            let fs = SimFs::new(before.clone(), NEITHER, Some(crash_at));
            let ended = run(&fs, &Goal::Restore).is_ok();
            for crashed in fs.into_state().crashes() {
                let at = format!("{layout:?} op {crash_at}");
                for name in ["clang", "clang++"] {
                    let works = crashed.works(name);
                    works.unwrap_or_else(|why| panic!("{at}: {why}\n{crashed:#?}"));
                }
                let fs = SimFs::new(crashed, NEITHER, None);
                run(&fs, &Goal::Restore).unwrap_or_else(|err| panic!("{at}: {err:?}"));
                let same = fs.into_state().same_as(&original, false);
                same.unwrap_or_else(|why| panic!("{at}: after a restore {why}"));
                states += 1;
            }
            if ended {
                break;
            }
        }
    }
    println!("restore of copies: {states} crash states, all recovered");
}

/// When a run reports success, its changes are on disk.
#[test]
fn what_is_done_stays_done() {
    for layout in LAYOUTS {
        for caps in RUNGS {
            let fs = SimFs::new(State::layout(layout), caps, None);
            run(&fs, &layout.install(SCCACHE)).unwrap();
            let state = fs.into_state();
            let outcomes: BTreeSet<_> = state
                .crashes()
                .iter()
                .map(|crashed| crashed.names.clone())
                .collect();
            assert_eq!(outcomes.len(), 1, "{layout:?} {caps:?}");
            let fs = SimFs::new(state, caps, None);
            run(&fs, &layout.install(CCACHE)).unwrap();
            let state = fs.into_state();
            assert_eq!(state.crashes().len(), 1, "{layout:?} {caps:?}");
            let fs = SimFs::new(state, caps, None);
            run(&fs, &Goal::Restore).unwrap();
            let state = fs.into_state();
            assert_eq!(state.crashes().len(), 1, "{layout:?} {caps:?}");
        }
    }
}

/// A second crash during the recovery from a first.
#[test]
fn recovery_survives_a_crash_anywhere() {
    let mut states = 0;
    for layout in LAYOUTS {
        let caps = RUNGS[0];
        let original = State::layout(layout);
        for first in 0.. {
            let fs = SimFs::new(original.clone(), caps, Some(first));
            if run(&fs, &layout.install(SCCACHE)).is_ok() {
                break;
            }
            // The last state is the one without losses.
            let crashed = fs.into_state().crashes().pop().unwrap();
            for second in 0.. {
                let fs = SimFs::new(crashed.clone(), caps, Some(second));
                let ended = run(&fs, &Goal::Restore).is_ok();
                for again in fs.into_state().crashes() {
                    let at = format!("{layout:?} install {first}, restore {second}");
                    check(&again, &original, layout, caps, &at);
                    states += 1;
                }
                if ended {
                    break;
                }
            }
        }
    }
    println!("recovery: {states} crash states, all recovered");
}

#[test]
fn a_kill_and_then_a_power_cut_are_survived() {
    let full = std::env::var_os("ROCK_WRAP_TEST_FULL").is_some_and(|value| !value.is_empty());
    std::thread::scope(|scope| {
        for (number, layout) in LAYOUTS.into_iter().enumerate() {
            // The quick form takes each layout with one kind of file system, in turn.
            let due = match full {
                true => &RUNGS[..],
                false => &RUNGS[number % RUNGS.len()..][..1],
            };
            for &caps in due {
                scope.spawn(move || survives_a_kill_and_then_a_power_cut(layout, caps));
            }
        }
    });
}

/// A run that was killed leaves changes that are not on disk yet. The power then fails during the next
/// run, which builds on them.
fn survives_a_kill_and_then_a_power_cut(layout: Layout, caps: Caps) {
    let (mut states, mut distinct) = (0, 0);
    let original = State::layout(layout);
    let mut seen = BTreeSet::new();
    for first in 0.. {
        let fs = SimFs::new(original.clone(), caps, Some(first));
        if run(&fs, &layout.install(SCCACHE)).is_ok() {
            break;
        }
        let killed = fs.into_state();
        for second in 0.. {
            let fs = SimFs::new(killed.clone(), caps, Some(second));
            let ended = run(&fs, &layout.install(CCACHE)).is_ok();
            for crashed in fs.into_state().crashes() {
                let at = format!("{layout:?} {caps:?} killed {first}, crash {second}");
                states += 1;
                if seen.insert(crashed.shape(original.nodes.len())) {
                    check(&crashed, &original, layout, caps, &at);
                    distinct += 1;
                }
            }
            if ended {
                break;
            }
        }
    }
    println!(
        "{layout:?} {caps:?}: kill, then crash: {states} states, {distinct} distinct, all recovered"
    );
}
