//! SIGKILL at every system call that touches the tree. Afterwards both names compile, one `restore` brings the exact
//! original tree back, and one `install` wraps the tree completely.

use std::os::unix::process::ExitStatusExt as _;

use super::inject::{self, Point, Rung};
use super::tree::{Action, Compiler, Tree};
use super::{full, report};
use crate::support::tree::Layout;

/// Kills `action` at each point that `pick` selects, checks the tree after each kill, and prints the counts.
fn kill_at(
    layout: Layout,
    compiler: Compiler,
    action: Action,
    rung: Rung,
    pick: &dyn Fn(usize, &Point) -> bool,
) {
    let tree = Tree::new(layout, compiler);
    let original = tree.manifest();
    let points = inject::points(&tree, action, rung);
    tree.restore();
    let (mut changing, mut looking, mut missed) = (0, 0, 0);
    for (i, point) in points.iter().enumerate() {
        if !pick(i, point) {
            continue;
        }
        let compare = |tree: &Tree, what: &str| {
            let what = format!("{layout}, {action} killed at {}, {what}", point.text);
            original.assert_same(&tree.manifest(), what);
        };
        tree.prepare(action);
        let (output, _) = inject::run(&tree, action, rung, point, "signal=KILL");
        match output.status.signal() {
            Some(9) if point.changes => changing += 1,
            Some(9) => looking += 1,
            // How often some read-only calls are made depends on which processes run at the time.
            _ => {
                assert!(
                    !point.changes,
                    "{layout}, {action}: {point:?} was not reached"
                );
                missed += 1;
            }
        }
        tree.assert_compiles(format!("{layout}, {action} killed at {}", point.text));
        if (changing + looking) % 2 == 0 {
            tree.install();
            assert_eq!(tree.state(), "wrapped", "{layout}, {action}: {point:?}");
            tree.assert_compiles(format!("{layout}, installed after {}", point.text));
            tree.restore();
            compare(&tree, "installed, restored");
        } else {
            tree.restore();
            compare(&tree, "restored");
        }
    }
    if changing + looking == 0 {
        return;
    }
    report!(
        "kill: {layout:?}, {compiler:?}, {action}, {rung:?}: {changing} calls that change something \
         and {looking} that look, of {}{}",
        points.len(),
        if missed > 0 {
            format!("; {missed} not reached")
        } else {
            String::new()
        }
    );
}

fn kill_everywhere(layout: Layout) {
    for action in Action::ALL {
        for rung in Rung::ALL {
            // The rungs differ only in how an install keeps an original and a restore moves it back.
            let keeps = matches!(action, Action::Install | Action::Restore);
            if rung != Rung::Exchange && !keeps {
                continue;
            }
            kill_at(layout, Compiler::Fake, action, rung, &|i, point| {
                full()
                    || point.syscall == "exit_group"
                    || match rung {
                        // Every fourth change. Which one depends on the layout. errors.rs injects errors into others.
                        Rung::Exchange => {
                            point.changes && (i + layout as usize).is_multiple_of(4) || i % 20 == 0
                        }
                        Rung::Link => point.changes && i % 4 == 0,
                    }
            });
        }
    }
}

#[test]
fn a_kill_anywhere_leaves_symlinked_compilers_working() {
    kill_everywhere(Layout::Symlink);
}

#[test]
fn a_kill_anywhere_leaves_a_regular_compiler_working() {
    kill_everywhere(Layout::Regular);
}

#[test]
fn a_kill_anywhere_leaves_hard_linked_compilers_working() {
    kill_everywhere(Layout::HardLink);
}

#[test]
fn a_kill_anywhere_leaves_stubs_working() {
    kill_everywhere(Layout::Stub);
}

#[test]
fn a_real_clang_compiles_and_links_after_a_kill() {
    let kill = |layout, action| {
        kill_at(
            layout,
            Compiler::Clang,
            action,
            Rung::Exchange,
            &|_, point| point.changes && (full() || point.syscall.starts_with("rename")),
        );
    };
    // The tests above cover every layout and action with a fake compiler.
    if full() {
        for layout in Layout::ALL {
            Action::ALL
                .into_iter()
                .for_each(|action| kill(layout, action));
        }
    } else {
        kill(Layout::Symlink, Action::Install);
        kill(Layout::Regular, Action::Restore);
    }
}
