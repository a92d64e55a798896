//! Every system call that touches the tree fails once, with several errors. The command then either succeeds by
//! another way, or reports why it failed and leaves the tree as it was.

use super::inject::{self, Rung};
use super::tree::{Action, Tree, stderr};
use super::{full, report};
use crate::support::manifest::Manifest;
use crate::support::tree::Layout;

const ERRORS: [&str; 8] = [
    "EIO", "ENOSPC", "EROFS", "EPERM", "EXDEV", "EINVAL", "EMLINK", "ENOENT",
];

/// How many commands ended in each way.
#[derive(Default, Debug)]
struct Count {
    succeeded: usize,
    as_before: usize,
    refused: usize,
    finished_by_restore: usize,
}

/// The manifest without what a rollback has to rewrite.
fn loose(manifest: Manifest) -> Manifest {
    manifest.without_inodes().without(&[".rockwrap-journal"])
}

fn fail_everywhere(layout: Layout) {
    for action in Action::ALL {
        fail_in(layout, action, Rung::Exchange);
    }
    fail_in(layout, Action::Install, Rung::Link);
}

fn fail_in(layout: Layout, action: Action, rung: Rung) {
    let mut count = Count::default();
    let mut tree = Tree::fake(layout);
    let points = inject::points(&tree, action, rung);
    tree.restore();
    let mut original = tree.manifest();
    let mut injected = 0;
    for (i, point) in points.iter().enumerate() {
        // Nobody uses the results of these calls.
        if matches!(&*point.syscall, "close" | "exit_group" | "fcntl") {
            continue;
        }
        // Calls that only read are the same on every rung.
        if rung != Rung::Exchange && !point.changes {
            continue;
        }
        for (j, error) in ERRORS.iter().enumerate() {
            let sampled = if rung != Rung::Exchange {
                i % 4 == 0 && j == i / 4 % ERRORS.len()
            } else if point.changes {
                // Every fourth change. Which one, and with which error, depends on the layout. kill.rs kills at others.
                (i + layout as usize) % 4 == 2 && j == (i + 2 * layout as usize) % ERRORS.len()
            } else {
                i % 12 == 0 && j == i / 12 % ERRORS.len()
            };
            if !full() && !sampled {
                continue;
            }
            // ENOENT for a file that exists is a lie, not an error. The tree must keep working, but rock-wrap may
            // have had to recreate the original.
            let lie = *error == "ENOENT" && !point.changes;
            let fault = format!("error={error}");
            let what = format!("{layout}, {action}, {rung:?}, {error} for {}", point.text);
            tree.prepare(action);
            let prepared = tree.manifest();
            let (output, reached) = inject::run(&tree, action, rung, point, &fault);
            if !reached {
                assert!(!point.changes, "{what}: not reached");
            }
            injected += usize::from(reached);
            let said = stderr(&output);
            let what = format!("{what}\n{}: {said}", output.status);
            tree.assert_compiles(&what);
            match output.status.code() {
                _ if lie => {}
                Some(0) => {
                    count.succeeded += 1;
                    if action == Action::Restore {
                        original.assert_same(&tree.manifest(), &what);
                    } else {
                        assert_eq!(tree.state(), "wrapped", "{what}");
                    }
                }
                Some(code @ (1 | 4 | 5)) => {
                    let line = said
                        .lines()
                        .find(|line| line.starts_with("rock-wrap: error:"));
                    let named = line.is_some_and(|line| {
                        line.contains(tree.root().to_str().unwrap()) || line.contains("/proc")
                    });
                    assert!(named, "{what}");
                    match code {
                        4 => {
                            count.refused += 1;
                            prepared.assert_same(&tree.manifest(), &what);
                        }
                        1 if action == Action::Install => {
                            count.as_before += 1;
                            original.assert_same(&tree.manifest(), &what);
                        }
                        1 => {
                            count.as_before += 1;
                            loose(prepared).assert_same(&loose(tree.manifest()), &what);
                        }
                        _ => {
                            count.finished_by_restore += 1;
                            assert!(said.contains("`rock-wrap restore`"), "{what}");
                        }
                    }
                }
                _ => panic!("{what}"),
            }
            tree.restore();
            if lie {
                // rock-wrap could not remove a file that it was told does not exist. An original that it recreated
                // from the record has another inode and no extended attributes.
                let loose = |manifest: Manifest| manifest.without_inodes().without_xattrs();
                let now = loose(tree.manifest()).without_ours();
                loose(original).assert_same(&now, &what);
                tree = Tree::fake(layout);
                original = tree.manifest();
            } else {
                original.assert_same(&tree.manifest(), &what);
            }
        }
    }
    report!("errors: {layout:?}, {action}, {rung:?}: {injected} put in, {count:?}");
}

#[test]
fn a_tree_where_names_can_neither_be_exchanged_nor_linked_is_refused_and_unchanged() {
    for layout in Layout::ALL {
        let tree = Tree::fake(layout);
        let original = tree.manifest();
        let output = inject::run_with_neither(&tree, Action::Install);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(4), "{layout}: {said}");
        let path = tree.path("clang").display().to_string();
        assert!(said.contains(&path), "{layout}: {said}");
        assert!(said.contains("`rock-wrap run --attach shadow`"), "{said}");
        original.assert_same(&tree.manifest(), layout);
        // A tree that is already wrapped can still be switched and restored.
        for action in [Action::Switch, Action::Restore] {
            tree.prepare(action);
            let output = inject::run_with_neither(&tree, action);
            assert!(output.status.success(), "{layout}: {}", stderr(&output));
            tree.assert_compiles(layout);
            tree.restore();
            original.assert_same(&tree.manifest(), layout);
        }
    }
}

#[test]
fn an_error_anywhere_leaves_symlinked_compilers_as_they_were() {
    fail_everywhere(Layout::Symlink);
}

#[test]
fn an_error_anywhere_leaves_a_regular_compiler_as_it_was() {
    fail_everywhere(Layout::Regular);
}

#[test]
fn an_error_anywhere_leaves_hard_linked_compilers_as_they_were() {
    fail_everywhere(Layout::HardLink);
}

#[test]
fn an_error_anywhere_leaves_stubs_as_they_were() {
    fail_everywhere(Layout::Stub);
}
