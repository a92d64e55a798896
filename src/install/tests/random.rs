//! Random histories of installs, switches, restores, crashes and changes by others.

use proptest::prelude::*;

use crate::install::goal::Goal;
use crate::install::step::Did;
use crate::install::tests::sim::{Caps, RUNGS, SimFs};
use crate::install::tests::state::State;
use crate::install::tests::{CCACHE, ELF, LAYOUTS, Layout, SCCACHE, os, own, run};

#[derive(Clone, Debug)]
enum Act {
    Install(bool),
    /// Install by a release without stand-ins, or with different ones.
    InstallBy(bool),
    Restore,
    /// The power fails after this many operations of the goal; the index chooses one of the possible losses.
    Crash(Goalish, usize, prop::sample::Index),
    /// The run is killed, and nothing is lost.
    Kill(Goalish, usize),
    Foreign(Foreign),
}

#[derive(Clone, Copy, Debug)]
enum Goalish {
    Install(bool),
    Restore,
}

/// What package managers and people do.
#[derive(Clone, Copy, Debug)]
enum Foreign {
    /// A new file replaces a name.
    File(bool),
    /// A symlink to a versioned ELF file replaces a name.
    Link(bool),
    /// A name is removed.
    Remove(bool),
    /// An alias is removed.
    NoAlias(bool),
    /// A stand-in is removed.
    NoStandIn(bool),
    /// Another file replaces a stand-in.
    StandIn(bool),
    /// The record is removed.
    NoRecord,
}

fn goalish() -> impl Strategy<Value = Goalish> {
    prop_oneof![
        any::<bool>().prop_map(Goalish::Install),
        Just(Goalish::Restore)
    ]
}

fn foreign() -> impl Strategy<Value = Foreign> {
    prop_oneof![
        any::<bool>().prop_map(Foreign::File),
        any::<bool>().prop_map(Foreign::Link),
        any::<bool>().prop_map(Foreign::Remove),
        any::<bool>().prop_map(Foreign::NoAlias),
        any::<bool>().prop_map(Foreign::NoStandIn),
        any::<bool>().prop_map(Foreign::StandIn),
        Just(Foreign::NoRecord),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => any::<bool>().prop_map(Act::Install),
        1 => any::<bool>().prop_map(Act::InstallBy),
        2 => Just(Act::Restore),
        3 => (goalish(), 0..40_usize, any::<prop::sample::Index>())
            .prop_map(|(goal, at, loss)| Act::Crash(goal, at, loss)),
        2 => (goalish(), 0..40_usize).prop_map(|(goal, at)| Act::Kill(goal, at)),
        2 => foreign().prop_map(Act::Foreign),
    ]
}

fn goal(layout: Layout, goal: Goalish) -> Goal {
    match goal {
        Goalish::Install(true) => layout.install(SCCACHE),
        Goalish::Install(false) => layout.install(CCACHE),
        Goalish::Restore => Goal::Restore,
    }
}

/// What another release installs.
fn by(layout: Layout, newer: bool) -> Goal {
    if newer {
        layout.install_newer()
    } else {
        layout.install_older()
    }
}

fn meddle(state: &mut State, foreign: Foreign) {
    let name = |plus| if plus { "clang++" } else { "clang" };
    match foreign {
        Foreign::File(plus) => state.put_file(name(plus), &[ELF, b" by somebody else"].concat()),
        Foreign::Link(plus) => {
            state.put_file("clang-20", &[ELF, b" 20"].concat());
            state.put_link(name(plus), "clang-20");
        }
        Foreign::Remove(plus) => drop(state.names.remove(os(name(plus)))),
        Foreign::NoAlias(plus) => {
            // An alias that is the original itself stays, since nothing could undo its removal.
            let alias = own(&format!("{}.7625", name(plus)));
            let link = state.node(&alias).is_some_and(super::state::Node::is_link);
            if link {
                state.names.remove(&alias);
            }
        }
        Foreign::NoStandIn(plus) => {
            state.names.remove(os(&format!("{}.9727", name(plus))));
        }
        Foreign::StandIn(plus) => state.put_file(&format!("{}.9727", name(plus)), b"damaged"),
        Foreign::NoRecord => drop(state.names.remove(os(".rockwrap-journal"))),
    }
    state.settle();
}

fn settled(fs: SimFs) -> State {
    let mut state = fs.into_state();
    state.settle();
    state
}

fn names() -> [&'static str; 2] {
    ["clang", "clang++"]
}

/// The state after `act`. With changes by `others` an install may be refused; without them it must succeed.
fn after(act: Act, mut state: State, layout: Layout, caps: Caps, others: bool) -> State {
    let install = |state, goal: &Goal| {
        let fs = SimFs::new(state, caps, None);
        let installed = run(&fs, goal);
        assert!(others || installed.is_ok(), "{installed:?}");
        settled(fs)
    };
    match act {
        Act::Install(one) => install(state, &goal(layout, Goalish::Install(one))),
        Act::InstallBy(newer) => install(state, &by(layout, newer)),
        Act::Restore => {
            let fs = SimFs::new(state, caps, None);
            run(&fs, &Goal::Restore).unwrap();
            settled(fs)
        }
        Act::Crash(what, at, loss) => {
            let fs = SimFs::new(state, caps, Some(at));
            let _ = run(&fs, &goal(layout, what));
            let mut crashes = fs.into_state().crashes();
            let at = loss.index(crashes.len());
            crashes.swap_remove(at)
        }
        Act::Kill(what, at) => {
            let fs = SimFs::new(state, caps, Some(at));
            let _ = run(&fs, &goal(layout, what));
            fs.into_state()
        }
        Act::Foreign(foreign) => {
            if others {
                meddle(&mut state, foreign);
            }
            state
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Without changes by others, each name always works, and one restore gives back the exact original.
    #[test]
    fn whatever_happens_one_restore_is_enough(
        layout in prop::sample::select(&LAYOUTS[..]),
        rung in 0..RUNGS.len(),
        acts in prop::collection::vec(act(), 1..12),
    ) {
        let caps = RUNGS[rung];
        let original = State::layout(layout);
        let mut state = original.clone();
        for act in acts {
            state = after(act, state, layout, caps, false);
            for name in names() {
                prop_assert_eq!(state.works(name), Ok(()));
            }
        }
        let fs = SimFs::new(state, caps, None);
        run(&fs, &Goal::Restore).unwrap();
        prop_assert_eq!(fs.into_state().same_as(&original, true), Ok(()));
    }

    /// Files of others are never touched, and a restore leaves no shim unless it reports that the original is
    /// lost.
    #[test]
    fn what_others_put_there_stays(
        layout in prop::sample::select(&LAYOUTS[..]),
        rung in 0..RUNGS.len(),
        acts in prop::collection::vec(act(), 1..12),
        last in foreign(),
    ) {
        let caps = RUNGS[rung];
        let mut state = State::layout(layout);
        for act in acts {
            state = after(act, state, layout, caps, true);
        }
        meddle(&mut state, last);
        let fs = SimFs::new(state.clone(), caps, None);
        let outcome = run(&fs, &Goal::Restore).unwrap();
        let after = fs.into_state();
        for name in names() {
            let lost = super::did(&outcome, name) == Some(Did::Lost);
            prop_assert_eq!(after.image(name).is_some(), lost, "{}", name);
            if state.image(name).is_none() && state.node(os(name)).is_some() {
                prop_assert_eq!(after.names[os(name)], state.names[os(name)], "{}", name);
            }
        }
        // A second restore has nothing to do.
        let again = SimFs::new(after.clone(), caps, None);
        run(&again, &Goal::Restore).unwrap();
        prop_assert_eq!(again.into_state().same_as(&after, true), Ok(()));
    }
}
