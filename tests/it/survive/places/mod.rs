//! Trees on different file systems, in image layers, at odd paths and owned by different users.

mod mounts;
mod users;

use super::tree::{Action, Compiler, Tree, clean, ok, stderr};
use crate::support::manifest::Manifest;
use crate::support::tree::Layout;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;

/// Does each action to the tree and restores the tree after each. Inodes must come back too if `exact`.
fn there_and_back(tree: &Tree, what: &str, exact: bool) {
    let inodes = |manifest: Manifest| {
        if exact {
            manifest
        } else {
            manifest.without_inodes()
        }
    };
    let original = inodes(tree.manifest());
    for action in Action::ALL {
        tree.prepare(action);
        ok(&mut tree.command(action));
        let expected = if action == Action::Restore {
            "original"
        } else {
            "wrapped"
        };
        assert_eq!(tree.state(), expected, "{what}, {action}");
        tree.assert_compiles(what);
        tree.restore();
        original.assert_same(&inodes(tree.manifest()), format!("{what}, {action}"));
    }
}

#[track_caller]
fn assert_refused(output: &Output, tree: &Tree, word: &str) {
    let said = stderr(output);
    assert!(
        matches!(output.status.code(), Some(1 | 4)),
        "{}: {said}",
        output.status
    );
    assert!(said.starts_with("rock-wrap: error: "), "{said}");
    assert!(said.contains(tree.root().to_str().unwrap()), "{said}");
    assert!(said.contains(word), "{said}");
}

#[test]
fn a_path_may_contain_spaces_quotes_and_bytes_that_are_not_utf_8() {
    let dir = super::tree::temp_dir();
    let names: [&[u8]; 4] = [
        b"with spaces and 'quotes\" $HOME `id`",
        b"not \xff\xfe utf-8",
        b"a\ttab, a \\backslash\\n and \x7f",
        "\u{e9}\u{4e2d}%41".as_bytes(),
    ];
    for name in names {
        for layout in Layout::ALL {
            let path = dir
                .path()
                .join(OsStr::from_bytes(name))
                .join(layout.to_string());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let tree = Tree::at(&path, layout, Compiler::Fake);
            there_and_back(&tree, &format!("{layout} in {path:?}"), true);
            ok(&mut tree.rock_wrap(["install", "--json", "--dry-run"]));
            ok(clean(env!("CARGO_BIN_EXE_rock-wrap"))
                .args(["explain", "--json", "--"])
                .arg(tree.path("clang"))
                .arg("--version"));
            for args in [
                ["install", "--json"],
                ["install", "--dry-run"],
                ["restore", "--json"],
            ] {
                ok(&mut tree.rock_wrap(args));
            }
        }
    }
}

#[test]
fn a_path_with_a_line_break_is_refused() {
    // clang prints the path of its executable on a line, so it cannot be read back.
    let dir = super::tree::temp_dir();
    for layout in Layout::ALL {
        let path = dir.path().join("a\nb").join(layout.to_string());
        let tree = Tree::at(&path, layout, Compiler::Fake);
        let original = tree.manifest();
        assert_refused(&tree.rock_wrap(["install"]).output().unwrap(), &tree, "");
        original.assert_same(&tree.manifest(), layout);
    }
}

#[test]
fn a_path_as_long_as_the_kernel_takes_works() {
    let dir = super::tree::temp_dir();
    // No path in the tree may exceed 4095 bytes; rock-wrap's own names are a little longer than the compilers'.
    let mut root = dir.path().to_owned();
    let rest = "/rocm/lib/llvm/bin/.rockwrap-tmp-0123456789abcdef0123456789abcdef";
    while root.as_os_str().len() + 1 + 200 + rest.len() < 4095 {
        root.push("x".repeat(200));
    }
    // The directories are made beforehand: `cp` could not make so long a path in one go.
    std::fs::create_dir_all(&root).unwrap();
    let tree = Tree::at(&root.join("rocm"), Layout::Symlink, Compiler::Fake);
    there_and_back(&tree, "a long path", true);
}

#[test]
fn a_compiler_name_at_the_length_limit_is_wrapped_and_a_longer_one_refused() {
    let kept = ".rockwrap-orig-".len();
    for (length, works) in [(255 - kept, true), (256 - kept, false), (255, false)] {
        let tree = Tree::fake(Layout::Regular);
        let name = format!("clang-{}", "1".repeat(length - "clang-".len()));
        ok(clean("cp")
            .arg("-a")
            .args([tree.path("clang"), tree.path(&name)]));
        let original = tree.manifest();
        let mut install = tree.rock_wrap(["install", "--compiler", &name]);
        let output = install.output().unwrap();
        assert_eq!(
            output.status.success(),
            works,
            "{length}: {}",
            stderr(&output)
        );
        if works {
            let out = tree.outside("out");
            ok(clean(tree.path(&name)).arg("-c").arg("-o").arg(&out));
            assert!(std::fs::read(out).unwrap().starts_with(b"C by"));
            tree.restore();
        } else {
            assert_refused(&output, &tree, "");
        }
        original.assert_same(&tree.manifest(), length);
    }
}

#[test]
fn two_trees_side_by_side_are_independent() {
    for layout in Layout::ALL {
        let dir = super::tree::temp_dir();
        let one = Tree::at(&dir.path().join("rocm-5"), layout, Compiler::Fake);
        let two = Tree::at(&dir.path().join("rocm-6"), layout, Compiler::Fake);
        symlink("rocm-5", dir.path().join("rocm")).unwrap();
        let before = [one.manifest(), two.manifest()];
        one.install();
        before[1].assert_same(&two.manifest(), "the other tree");
        two.install();
        // The link is switched to the other tree, as a new release does.
        std::fs::remove_file(dir.path().join("rocm")).unwrap();
        symlink("rocm-6", dir.path().join("rocm")).unwrap();
        one.assert_compiles(layout);
        two.assert_compiles(layout);
        one.restore();
        before[0].assert_same(&one.manifest(), layout);
        assert_eq!(two.state(), "wrapped");
        two.restore();
        before[1].assert_same(&two.manifest(), layout);
    }
}

#[test]
fn one_tree_through_two_paths_is_one_tree() {
    for layout in Layout::ALL {
        let dir = super::tree::temp_dir();
        let one = Tree::at(&dir.path().join("rocm-5"), layout, Compiler::Fake);
        let link = dir.path().join("rocm");
        symlink("rocm-5", &link).unwrap();
        // lib/llvm/bin and llvm/bin are one directory too.
        symlink("lib/llvm", one.root().join("llvm")).unwrap();
        let original = one.manifest();
        let other = Tree::fake(layout).moved_to(&link);
        one.install();
        assert_eq!(other.state(), "wrapped");
        other.assert_compiles(layout);
        let wrapped = one.manifest();
        other.install();
        wrapped.assert_same(&one.manifest(), "an install through the other path");
        other.restore();
        original.assert_same(&one.manifest(), layout);
        // Concurrent installs through both paths.
        let quiet = std::process::Stdio::null;
        let start = |tree: &Tree| {
            let mut command = tree.command(Action::Install);
            command.stdout(quiet()).stderr(quiet()).spawn().unwrap()
        };
        for mut child in [start(&one), start(&other), start(&one), start(&other)] {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(one.state(), "wrapped");
        one.restore();
        original.assert_same(&one.manifest(), layout);
    }
}

impl Tree {
    /// The same tree, to be addressed by the path `root`.
    fn moved_to(mut self, root: &Path) -> Self {
        self.set_root(PathBuf::from(root));
        self
    }
}
