//! Failing operations: each operation once, and all operations from a given one on.

use std::cell::Cell;

use rustix::io::Errno;

use crate::install::apply::apply;
use crate::install::drain::Drain;
use crate::install::error::{After, Error, Failure};
use crate::install::fs::Fs;
use crate::install::goal::Goal;
use crate::install::tests::fault::{Faulty, Op, Rule};
use crate::install::tests::sim::{RUNGS, SimFs};
use crate::install::tests::state::State;
use crate::install::tests::table::Tree;
use crate::install::tests::{
    Busy, CCACHE, Idle, LAYOUTS, Layout, OTHER_TRAMPOLINE, SCCACHE, Trouble, planned, run,
};

const ERRNOS: [Errno; 8] = [
    Errno::IO,
    Errno::NOSPC,
    Errno::ROFS,
    Errno::PERM,
    Errno::XDEV,
    Errno::INVAL,
    Errno::MLINK,
    Errno::NOENT,
];

/// The number of goals.
const ALL: usize = 4;

fn start(layout: Layout, what: usize) -> State {
    let fs = SimFs::new(State::layout(layout), RUNGS[0], None);
    match what {
        0 => {}
        1 | 2 => drop(run(&fs, &layout.install(SCCACHE)).unwrap()),
        _ => drop(run(&fs, &layout.install_older()).unwrap()),
    }
    let mut state = fs.into_state();
    state.settle();
    state
}

/// Install, switch, restore, upgrade from a release without stand-ins.
fn goal(layout: Layout, what: usize) -> Goal {
    match what {
        0 => layout.install(SCCACHE),
        1 | 3 => layout.install(CCACHE),
        _ => Goal::Restore,
    }
}

fn restored(state: State, layout: Layout, at: &str) {
    let fs = SimFs::new(state, RUNGS[0], None);
    run(&fs, &Goal::Restore).unwrap_or_else(|err| panic!("{at}: {err:?}"));
    let restored = fs.into_state();
    let original = State::layout(layout);
    if let Err(why) = restored.same_as(&original, false) {
        panic!("{at}: after a restore {why}");
    }
}

#[test]
fn any_operation_that_fails_once_is_taken_back() {
    let mut points = 0;
    for (layout, what) in LAYOUTS
        .into_iter()
        .flat_map(|l| (0..ALL).map(move |w| (l, w)))
    {
        let before = start(layout, what);
        for errno in ERRNOS {
            for nth in 0.. {
                let fs = SimFs::new(before.clone(), RUNGS[0], None);
                let faulty = Faulty::new(&fs, &[Rule::Nth(nth, errno)]);
                let ended = run(&faulty, &goal(layout, what));
                if faulty.count() <= nth {
                    break;
                }
                points += 1;
                let at = format!("{layout:?} goal {what}, {errno:?} at {nth}");
                let after = fs.into_state();
                for name in ["clang", "clang++"] {
                    after
                        .works(name)
                        .unwrap_or_else(|why| panic!("{at}: {why}"));
                }
                match ended {
                    // The run found another way, or nothing depended on the failed operation.
                    Ok(_) | Err(Trouble::Refused(_)) => {}
                    Err(Trouble::Look(_)) => assert!(after.same_as(&before, true).is_ok()),
                    Err(Trouble::Failed(Failure {
                        after: After::AsBefore,
                        ..
                    })) => same(&after, &before, what, &at),
                    Err(Trouble::Failed(Failure {
                        after: After::Restored,
                        ..
                    })) => assert_eq!(what, 2, "{at}"),
                    Err(Trouble::Failed(failure)) => panic!("{at}: {failure}"),
                }
                restored(after, layout, &at);
            }
        }
    }
    println!("{points} injected errors, all taken back");
    assert!(points > 1000);
}

/// A failed first install leaves no trace. After another goal, a shim that was put back is a new file
/// with the same bytes and attributes, and the record may say that an install was started.
fn same(after: &State, before: &State, what: usize, at: &str) {
    if what == 0 {
        after
            .same_as(before, true)
            .unwrap_or_else(|why| panic!("{at}: {why}"));
        return;
    }
    let list = |state: &State| state.names.keys().cloned().collect::<Vec<_>>();
    assert_eq!(list(after), list(before), "{at}");
    for name in ["clang", "clang++"] {
        assert_eq!(after.image(name), before.image(name), "{at}");
        let attrs = |state: &State| state.node(super::os(name)).unwrap().attrs;
        assert_eq!(attrs(after), attrs(before), "{at}");
    }
}

#[test]
fn when_the_way_back_fails_too_a_restore_finishes_it() {
    let (mut points, mut unfinished) = (0, 0);
    for (layout, what) in LAYOUTS
        .into_iter()
        .flat_map(|l| (0..ALL).map(move |w| (l, w)))
    {
        let before = start(layout, what);
        for errno in [Errno::IO, Errno::ROFS, Errno::NOSPC] {
            for from in 0.. {
                let fs = SimFs::new(before.clone(), RUNGS[0], None);
                let faulty = Faulty::new(&fs, &[Rule::From(from, errno)]);
                let ended = run(&faulty, &goal(layout, what));
                if faulty.count() <= from {
                    break;
                }
                points += 1;
                let at = format!("{layout:?} goal {what}, {errno:?} from {from}");
                let after = fs.into_state();
                for name in ["clang", "clang++"] {
                    after
                        .works(name)
                        .unwrap_or_else(|why| panic!("{at}: {why}"));
                }
                if let Err(Trouble::Failed(failure)) = &ended
                    && let After::Unfinished { state, .. } = &failure.after
                {
                    unfinished += 1;
                    assert_eq!(state.len(), 2, "{at}");
                    let text = failure.to_string();
                    assert!(text.contains("rolling it back failed too"), "{text}");
                    let says = |name| state.iter().any(|line| line.starts_with(name));
                    assert!(says("\"clang\": ") && says("\"clang++\": "), "{state:?}");
                }
                restored(after, layout, &at);
            }
        }
    }
    println!("{points} points from which all fails, {unfinished} without a way back, all restored");
    assert!(unfinished > 0);
}

#[test]
fn two_errors_anywhere_leave_a_working_compiler_and_a_restore() {
    let mut points = 0;
    for layout in LAYOUTS {
        let before = start(layout, 0);
        for first in 0.. {
            let mut reached = false;
            for second in first + 1.. {
                let fs = SimFs::new(before.clone(), RUNGS[0], None);
                let rules = [Rule::Nth(first, Errno::IO), Rule::Nth(second, Errno::IO)];
                let faulty = Faulty::new(&fs, &rules);
                let _ = run(&faulty, &layout.install(SCCACHE));
                if faulty.count() <= second {
                    break;
                }
                reached = true;
                points += 1;
                let at = format!("{layout:?} errors at {first} and {second}");
                let after = fs.into_state();
                for name in ["clang", "clang++"] {
                    after
                        .works(name)
                        .unwrap_or_else(|why| panic!("{at}: {why}"));
                }
                restored(after, layout, &at);
            }
            if !reached && first > 100 {
                break;
            }
        }
    }
    println!("{points} pairs of errors, all restored");
}

#[test]
fn other_errors_step_nowhere_but_are_taken_back() {
    let other = [
        Errno::IO,
        Errno::NOSPC,
        Errno::ROFS,
        Errno::ACCESS,
        Errno::DQUOT,
    ];
    for layout in LAYOUTS {
        for errno in other {
            let rules = [
                vec![Rule::Every(Op::Exchange, errno)],
                vec![
                    Rule::Every(Op::Exchange, Errno::INVAL),
                    Rule::Every(Op::Link, errno),
                ],
            ];
            for rules in rules {
                let tree = Tree::new(layout);
                let before = tree.listing();
                let faulty = Faulty::new(&tree.fs, &rules);
                let ended = run(&faulty, &layout.install(SCCACHE));
                let Err(Trouble::Failed(failure)) = ended else {
                    panic!("{rules:?}: {ended:?}");
                };
                assert!(matches!(failure.after, After::AsBefore));
                assert_eq!(tree.listing(), before, "{layout:?} {rules:?}");
            }
        }
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_named_before_anything_changes() {
    for (errno, missing) in [
        (Errno::ROFS, "read-only"),
        (Errno::ACCESS, "no right to write"),
        (Errno::PERM, "immutable"),
        (Errno::NOSPC, "full"),
        (Errno::DQUOT, "quota"),
    ] {
        let tree = Tree::new(Layout::Symlinks);
        let before = tree.listing();
        let faulty = Faulty::new(&tree.fs, &[Rule::Every(Op::Create, errno)]);
        let Err(Trouble::Failed(failure)) = run(&faulty, &tree.layout.install(SCCACHE)) else {
            panic!("installed");
        };
        assert!(matches!(failure.after, After::AsBefore));
        let text = failure.cause.to_string();
        let dir = tree.fs.path().display().to_string();
        assert!(text.contains(missing) && text.contains(&dir), "{text}");
        assert_eq!(tree.listing(), before);
        tree.install(SCCACHE);
        let installed = tree.listing();
        let full = matches!(errno, Errno::NOSPC | Errno::DQUOT);
        match run(&faulty, &Goal::Restore) {
            Err(Trouble::Failed(failure)) if !full => {
                assert!(failure.cause.to_string().contains(missing));
                assert_eq!(tree.listing(), installed);
            }
            Ok(_) if full => assert_eq!(tree.listing(), before),
            other => panic!("{errno:?}: {other:?}"),
        }
    }
}

#[test]
fn a_full_disk_does_not_keep_the_originals_from_coming_back() {
    for layout in LAYOUTS {
        for record in [true, false] {
            let tree = Tree::new(layout);
            let before = tree.listing();
            tree.install(SCCACHE);
            if !record {
                tree.remove(".rockwrap-journal");
            }
            let rules = [
                Rule::Every(Op::Create, Errno::NOSPC),
                Rule::Every(Op::Link, Errno::NOSPC),
                Rule::Every(Op::Symlink, Errno::NOSPC),
            ];
            run(&Faulty::new(&tree.fs, &rules), &Goal::Restore).unwrap();
            assert_eq!(tree.listing(), before, "{layout:?}");
        }
    }
}

#[test]
fn a_signal_between_any_two_steps_is_taken_back() {
    let mut points = 0;
    for (layout, what) in LAYOUTS
        .into_iter()
        .flat_map(|l| (0..ALL).map(move |w| (l, w)))
    {
        let before = start(layout, what);
        for nth in 0.. {
            let fs = SimFs::new(before.clone(), RUNGS[0], None);
            let plan = planned(&fs, &goal(layout, what)).unwrap();
            let asked = Cell::new(0);
            let cancel = || {
                asked.set(asked.get() + 1);
                (asked.get() > nth).then_some(15)
            };
            let Err(failure) = apply(&fs, &plan, &cancel, &Idle) else {
                break;
            };
            points += 1;
            let at = format!("{layout:?} goal {what}, signal {nth}");
            assert!(
                matches!(failure.cause, Error::Interrupted { signal: 15 }),
                "{at}"
            );
            let after = fs.into_state();
            match failure.after {
                After::AsBefore => same(&after, &before, what, &at),
                After::Restored => assert_eq!(what, 2, "{at}"),
                After::Unfinished { .. } => panic!("{at}: {failure}"),
            }
            restored(after, layout, &at);
        }
    }
    println!("{points} signals, all taken back");
}

/// An upgrade from a release without stand-ins that is interrupted before its last step.
fn failed_upgrade(tree: &Tree, drain: &dyn Drain) -> Failure {
    run(&tree.fs, &tree.layout.install_older()).unwrap();
    let plan = planned(&tree.fs, &tree.layout.install(CCACHE)).unwrap();
    let asked = Cell::new(0);
    let cancel = || {
        asked.set(asked.get() + 1);
        (asked.get() >= plan.steps.len()).then_some(15)
    };
    apply(&tree.fs, &plan, &cancel, drain).unwrap_err()
}

#[test]
fn an_upgrade_that_fails_leaves_no_stand_in_beside_older_shims() {
    for layout in LAYOUTS {
        let tree = Tree::new(layout);
        let failure = failed_upgrade(&tree, &Idle);
        assert!(matches!(failure.after, After::AsBefore));
        let names = tree.names();
        assert!(!names.iter().any(|name| name.ends_with(".9727")));
        let goal = layout.install_older();
        assert!(planned(&tree.fs, &goal).unwrap().is_empty(), "{layout:?}");
    }
}

#[test]
fn an_upgrade_that_fails_leaves_stand_ins_in_use_for_a_later_restore() {
    for layout in LAYOUTS {
        let tree = Tree::new(layout);
        let before = tree.listing();
        let failure = failed_upgrade(&tree, &Busy);
        assert!(matches!(failure.after, After::AsBefore));
        for name in ["clang.9727", "clang++.9727"] {
            assert!(tree.path(name).exists(), "{layout:?} {name}");
        }
        let record = std::fs::read_to_string(tree.path(".rockwrap-journal")).unwrap();
        assert!(record.contains("\"installed\""), "{record}");
        tree.restore();
        assert_eq!(tree.listing(), before, "{layout:?}");
    }
}

#[test]
fn an_install_that_fails_brings_another_releases_stand_ins_back() {
    for layout in LAYOUTS {
        let tree = Tree::new(layout);
        run(&tree.fs, &layout.install_newer()).unwrap();
        let plan = planned(&tree.fs, &layout.install(CCACHE)).unwrap();
        let asked = Cell::new(0);
        let cancel = || {
            asked.set(asked.get() + 1);
            (asked.get() >= plan.steps.len()).then_some(15)
        };
        let failure = apply(&tree.fs, &plan, &cancel, &Idle).unwrap_err();
        assert!(matches!(failure.after, After::AsBefore));
        for name in ["clang.9727", "clang++.9727"] {
            let bytes = std::fs::read(tree.path(name)).unwrap();
            assert_eq!(bytes, OTHER_TRAMPOLINE, "{layout:?} {name}");
        }
    }
}

#[test]
fn aliases_in_use_are_left_for_a_later_restore() {
    for layout in LAYOUTS {
        let tree = Tree::new(layout);
        let before = tree.listing();
        tree.install(SCCACHE);
        let plan = planned(&tree.fs, &Goal::Restore).unwrap();
        let outcome = apply(&tree.fs, &plan, &|| None, &Busy).unwrap();
        assert_eq!(outcome.in_use, Some(3));
        for name in [
            "clang.7625",
            "clang++.7625",
            "clang.9727",
            "clang++.9727",
            ".rockwrap-journal",
        ] {
            assert!(tree.names().contains(&name.to_owned()), "{layout:?} {name}");
        }
        let record = std::fs::read_to_string(tree.path(".rockwrap-journal")).unwrap();
        assert!(record.contains("restoring"));
        tree.restore();
        assert_eq!(tree.listing(), before, "{layout:?}");
    }
}

#[test]
fn an_install_after_a_restore_that_could_not_clear_up_starts_from_there() {
    for layout in LAYOUTS {
        let tree = Tree::new(layout);
        let before = tree.listing();
        tree.install(SCCACHE);
        let plan = planned(&tree.fs, &Goal::Restore).unwrap();
        apply(&tree.fs, &plan, &|| None, &Busy).unwrap();
        tree.install(CCACHE);
        tree.restore();
        assert_eq!(tree.listing(), before, "{layout:?}");
    }
}
