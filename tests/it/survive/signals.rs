//! Signals that ask an install or a restore to stop.

use std::os::unix::process::ExitStatusExt as _;

use super::inject::{self, Rung};
use super::tree::{Action, Tree, stderr};
use super::{full, report};
use crate::support::tree::Layout;

#[test]
fn a_signal_at_any_point_ends_the_command_with_the_tree_unchanged_or_comes_too_late() {
    for layout in [Layout::Symlink, Layout::Regular] {
        for action in Action::ALL {
            let tree = Tree::fake(layout);
            let points = inject::points(&tree, action, Rung::Exchange);
            tree.restore();
            let original = tree.manifest();
            let (mut died, mut late, mut left) = (0, 0, 0);
            for (i, point) in points.iter().enumerate() {
                if !full() && (!point.changes || i % 3 != 0) {
                    continue;
                }
                let (name, number) = [("INT", 2), ("TERM", 15), ("HUP", 1)][i % 3];
                tree.prepare(action);
                let prepared = tree.manifest();
                let fault = format!("signal={name}");
                let (output, _) = inject::run(&tree, action, Rung::Exchange, point, &fault);
                let said = stderr(&output);
                let what = format!("{layout}, {action}, {name} at {}: {said}", point.text);
                tree.assert_compiles(&what);
                match (output.status.code(), output.status.signal()) {
                    (Some(0), None) => {
                        late += 1;
                        if action == Action::Restore {
                            original.assert_same(&tree.manifest(), &what);
                        } else {
                            assert_eq!(tree.state(), "wrapped", "{what}");
                        }
                    }
                    (Some(5), None) => {
                        assert!(said.contains("every original compiler is back"), "{what}");
                        left += 1;
                    }
                    (None, Some(signal)) => {
                        assert_eq!(signal, number, "{what}");
                        died += 1;
                        // The command either reported the state of the tree or had not begun to change it.
                        let told = said.contains("the tree is as it was before");
                        assert!(
                            told || said.is_empty() || said.contains("nothing was"),
                            "{what}"
                        );
                        let loose = |manifest: crate::support::manifest::Manifest| {
                            manifest.without_inodes().without(&[".rockwrap-journal"])
                        };
                        loose(prepared).assert_same(&loose(tree.manifest()), &what);
                    }
                    _ => panic!("{what}: {}", output.status),
                }
                tree.restore();
                original.assert_same(&tree.manifest(), &what);
            }
            report!(
                "signals: {layout:?}, {action}: died by {died}, came too late {late}, left \
                 something to clear up {left}"
            );
        }
    }
}
