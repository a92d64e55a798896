//! Runs the commands of `docs/recovery.md` as the document gives them.

use super::inject::{self, Rung};
use super::tree::{Action, Compiler, Tree, clean, ok};
use super::{full, report};
use crate::support::tree::Layout;

const DOCUMENT: &str = include_str!("../../../docs/recovery.md");

/// The shell commands of the document, with the tree's directory in place of the usual one.
fn commands(tree: &Tree) -> Vec<String> {
    let mut blocks = DOCUMENT.split("```sh\n").skip(1);
    let found: Vec<_> = blocks
        .by_ref()
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect();
    assert_eq!(found.len(), 2, "the document promises two commands");
    let place = "/opt/rocm/lib/llvm/bin";
    let here = |command: String| {
        assert!(command.contains(place));
        command.replace(place, &format!("'{}'", tree.bin().display()))
    };
    found.into_iter().map(here).collect()
}

fn by_hand(tree: &Tree, what: &str) {
    for command in commands(tree) {
        ok(clean("sh").args(["-e", "-c", &command]));
        tree.assert_compiles(format!("{what}, after {command}"));
    }
}

#[test]
fn the_commands_of_the_document_bring_the_exact_tree_back() {
    for layout in Layout::ALL {
        for compiler in [Compiler::Fake, Compiler::Clang] {
            let tree = Tree::new(layout, compiler);
            let original = tree.manifest();
            for action in [
                Action::Install,
                Action::Restore,
                Action::Switch,
                Action::Upgrade,
            ] {
                tree.prepare(action);
                by_hand(&tree, &format!("{layout}, before {action}"));
                original.assert_same(&tree.manifest(), format!("{layout}, {action}"));
            }
        }
    }
}

#[test]
fn the_commands_of_the_document_help_after_a_crash_too() {
    for layout in Layout::ALL {
        for action in [Action::Install, Action::Restore] {
            let tree = Tree::fake(layout);
            let points = inject::points(&tree, action, Rung::Exchange);
            tree.restore();
            let original = tree.manifest();
            let mut killed = 0;
            for point in points.iter().filter(|point| point.changes) {
                if !full() && !matches!(&*point.syscall, "renameat2" | "renameat" | "unlinkat") {
                    continue;
                }
                tree.prepare(action);
                inject::run(&tree, action, Rung::Exchange, point, "signal=KILL");
                killed += 1;
                let what = format!("{layout}, {action} killed at {}", point.text);
                by_hand(&tree, &what);
                original.assert_same(&tree.manifest(), what);
            }
            report!("by hand: {layout:?}, {action}: after {killed} kills");
        }
    }
}

#[test]
fn the_commands_of_the_document_keep_a_newer_compiler() {
    for layout in Layout::ALL {
        let tree = Tree::fake(layout);
        tree.install();
        let script = "cp -pL clang.7625 new && mv -fT new clang++";
        ok(clean("sh").args(["-c", script]).current_dir(tree.bin()));
        let newer = std::fs::metadata(tree.path("clang++")).unwrap();
        by_hand(&tree, "newer");
        use std::os::unix::fs::MetadataExt as _;
        let now = tree.path("clang++").symlink_metadata().unwrap();
        assert_eq!(now.ino(), newer.ino(), "{layout}");
        assert!(tree.manifest().ours().is_empty(), "{layout}");
        assert_eq!(tree.state(), "original", "{layout}");
    }
}

#[test]
fn the_commands_of_the_document_do_nothing_to_a_tree_that_is_not_wrapped() {
    for layout in Layout::ALL {
        let tree = Tree::fake(layout);
        let original = tree.manifest();
        by_hand(&tree, "not wrapped");
        original.assert_same(&tree.manifest(), layout);
    }
}

#[test]
fn the_first_command_of_the_document_works_without_the_original_links() {
    for layout in [Layout::Symlink, Layout::Stub] {
        let tree = Tree::fake(layout);
        tree.install();
        for name in super::tree::NAMES {
            std::fs::remove_file(tree.path(format!(".rockwrap-orig-{name}"))).unwrap();
        }
        by_hand(&tree, "links lost");
        assert_eq!(tree.state(), "original", "{layout}");
    }
}
