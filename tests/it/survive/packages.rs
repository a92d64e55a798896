//! Changes that package managers and people make to a wrapped tree. Each is also made to a second tree that was never
//! wrapped: after a restore, both must be alike.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::tree::{NAMES, Tree, clean, ok, stderr};
use crate::support::manifest::Manifest;
use crate::support::tree::{Layout, copy};

/// A change of the compilers' directory, as a script that runs in it. `$NEW` is another compiler, `$ELF` the name of
/// the real one.
struct Change {
    what: &'static str,
    script: &'static str,
    /// The names that the script replaces.
    replaces: &'static [&'static str],
}

const CHANGES: [Change; 9] = [
    Change {
        what: "dpkg: new symlinks to a new version",
        script: r#"
            cp -p "$NEW" clang-16.dpkg-new; mv -fT clang-16.dpkg-new clang-16
            for name in clang clang++; do
                ln -s clang-16 $name.dpkg-new; touch -h -d 2024-01-01 $name.dpkg-new
                mv -fT $name.dpkg-new $name
            done"#,
        replaces: &NAMES,
    },
    Change {
        what: "dpkg: a new clang",
        script: r#"cp -p "$NEW" clang.dpkg-new; mv -fT clang.dpkg-new clang"#,
        replaces: &["clang"],
    },
    Change {
        what: "dpkg: a new clang++",
        script: r#"cp -p "$NEW" clang++.dpkg-new; mv -fT clang++.dpkg-new clang++"#,
        replaces: &["clang++"],
    },
    Change {
        what: "dpkg, with the backup link that it makes first: a new clang",
        script: r#"
            cp -p "$NEW" clang.dpkg-new; ln -P clang clang.dpkg-tmp
            mv -fT clang.dpkg-new clang; rm clang.dpkg-tmp"#,
        replaces: &["clang"],
    },
    Change {
        what: "pip: removed, then written",
        script: r#"for name in clang clang++; do rm -f $name; cp -p "$NEW" $name; done"#,
        replaces: &NAMES,
    },
    Change {
        what: "a new file for one, a link to it for the other",
        script: r#"rm clang; cp -p "$NEW" clang; ln -sfT clang clang++; touch -h -d 2024-01-01 clang++"#,
        replaces: &NAMES,
    },
    Change {
        what: "dpkg: a new clang-15",
        script: r#"cp -p "$NEW" clang-15.dpkg-new; mv -fT clang-15.dpkg-new clang-15"#,
        replaces: &[],
    },
    Change {
        what: "a directory in the place of clang-cl, and a file more",
        script: r#"rm clang-cl; mkdir clang-cl; echo more >more; touch -d 2024-01-01 more"#,
        replaces: &[],
    },
    Change {
        what: "the whole package expanded over it",
        script: r#"
            for name in clang clang++ clang-15; do rm -f $name; done
            cp -p "$NEW" clang-15
            ln -s clang-15 clang; ln -s clang clang++; touch -h -d 2024-01-01 clang clang++"#,
        replaces: &NAMES,
    },
];

/// Makes a compiler that differs from the tree's, outside the tree.
fn newer(tree: &Tree) -> PathBuf {
    let new = tree.outside("newer");
    let mut content = std::fs::read(tree.path("clang-15")).unwrap();
    content.extend(b"newer");
    tree.program(&new, &content);
    ok(clean("touch")
        .args(["-d", "2024-02-02 02:02:02.020202"])
        .arg(&new));
    new
}

fn change(tree: &Tree, new: &Path, layout: Layout, change: &Change) {
    let mut sh = clean("sh");
    sh.args(["-e", "-c", change.script]).current_dir(tree.bin());
    ok(sh
        .env("NEW", new)
        .env("ELF", super::tree::executable(layout)));
}

/// Two trees in which a package manager has made a change: one that is wrapped, and one that never was.
fn changed(layout: Layout, it: &Change) -> (Tree, Tree) {
    let (tree, never) = (Tree::fake(layout), Tree::fake(layout));
    let new = newer(&never);
    tree.install();
    change(&never, &new, layout, it);
    change(&tree, &new, layout, it);
    (tree, never)
}

/// The part of the manifest that can be compared with another tree's.
fn comparable(tree: &Tree) -> Manifest {
    tree.manifest().without_inode_numbers()
}

/// The inode numbers of `names`.
fn replaced(tree: &Tree, names: &[&str]) -> Vec<u64> {
    let ino = |name: &&str| tree.path(name).symlink_metadata().unwrap().ino();
    names.iter().map(ino).collect()
}

#[test]
fn a_restore_after_a_package_change_leaves_what_the_package_manager_would_have_left() {
    for layout in Layout::ALL {
        for it in &CHANGES {
            let (tree, never) = changed(layout, it);
            let what = format!("{layout}, {}", it.what);
            tree.assert_compiles(&what);
            if it.replaces.is_empty() {
                assert_eq!(tree.state(), "wrapped", "{what}");
            } else {
                assert_eq!(tree.state(), "unfinished", "{what}");
                let output = ok(&mut tree.rock_wrap(["status"]));
                let said = String::from_utf8(output.stdout).unwrap();
                for name in it.replaces {
                    let line = format!("  {name}: a compiler that is not our shim");
                    assert!(said.contains(&line), "{what}: {said}");
                }
            }
            let kept = replaced(&tree, it.replaces);
            tree.restore();
            comparable(&never).assert_same(&comparable(&tree), &what);
            assert_eq!(
                replaced(&tree, it.replaces),
                kept,
                "{what}: not the same file"
            );
            tree.assert_compiles(&what);
        }
    }
}

#[test]
fn an_install_after_a_package_change_starts_afresh() {
    for layout in Layout::ALL {
        for it in &CHANGES {
            let (tree, never) = changed(layout, it);
            let what = format!("{layout}, {}", it.what);
            tree.install();
            assert_eq!(tree.state(), "wrapped", "{what}");
            tree.assert_compiles(&what);
            tree.restore();
            comparable(&never).assert_same(&comparable(&tree), &what);
        }
    }
}

#[test]
fn a_compiler_written_into_our_own_file_is_kept() {
    for layout in Layout::ALL {
        let tree = Tree::fake(layout);
        let new = newer(&tree);
        tree.install();
        ok(clean("cp").arg(&new).arg(tree.path("clang")));
        let content = std::fs::read(&new).unwrap();
        tree.restore();
        assert_eq!(std::fs::read(tree.path("clang")).unwrap(), content);
        assert_eq!(tree.state(), "original");
        tree.assert_compiles(layout);
    }
}

#[test]
fn names_that_were_removed_are_put_back() {
    for layout in Layout::ALL {
        for removed in [&["clang"][..], &["clang++"], &NAMES] {
            let tree = Tree::fake(layout);
            let original = tree.manifest();
            tree.install();
            for name in removed {
                std::fs::remove_file(tree.path(name)).unwrap();
            }
            let what = format!("{layout}, {removed:?}");
            assert_eq!(tree.state(), "unfinished", "{what}");
            let refused = tree.rock_wrap(["install"]).output().unwrap();
            assert_eq!(refused.status.code(), Some(4), "{what}");
            assert!(stderr(&refused).contains("rock-wrap restore"), "{what}");
            tree.restore();
            original.assert_same(&tree.manifest(), what);
        }
    }
}

#[test]
fn a_restore_after_the_package_was_removed_leaves_none_of_our_files() {
    for layout in Layout::ALL {
        let tree = Tree::fake(layout);
        tree.install();
        // Removes the files of the package, and nothing else.
        let names = [
            "clang",
            "clang++",
            "clang-15",
            "clang-cl",
            "clang-cpp",
            "clang++-15",
        ];
        for name in names {
            std::fs::remove_file(tree.path(name)).unwrap();
        }
        // If `clang` was the executable itself, rock-wrap has moved it and still holds it. It then comes back,
        // because nothing shows that it was not removed by accident.
        let output = tree.rock_wrap(["restore"]).output().unwrap();
        assert!(output.status.success(), "{layout}: {}", stderr(&output));
        let moved = matches!(layout, Layout::Regular | Layout::HardLink);
        assert_eq!(tree.path("clang").exists(), moved, "{layout}");
        assert_eq!(tree.manifest().ours(), [""; 0], "{layout}");
    }
}

#[test]
fn a_tree_that_was_deleted_and_unpacked_again_counts_as_never_wrapped() {
    for layout in Layout::ALL {
        let (tree, again) = (Tree::fake(layout), Tree::fake(layout));
        tree.install();
        std::fs::remove_dir_all(tree.root()).unwrap();
        copy(again.root(), tree.root());
        let original = tree.manifest();
        assert_eq!(tree.state(), "original", "{layout}");
        tree.restore();
        original.assert_same(&tree.manifest(), layout);
        tree.install();
        tree.assert_compiles(layout);
        tree.restore();
        original.assert_same(&tree.manifest(), layout);
    }
}

/// Calls the fake compiler through `name` and returns the path of the executable that ran.
fn ran(root: &Path, out: &Path, name: &str) -> PathBuf {
    let mut call = clean(root.join("lib/llvm/bin").join(name));
    ok(call.arg("-c").arg("-o").arg(out));
    let text = std::fs::read_to_string(out).unwrap();
    text.trim().split_once(" by ").unwrap().1.into()
}

#[test]
fn a_wrapped_tree_that_is_moved_works_and_is_restored() {
    for layout in Layout::ALL {
        let tree = Tree::fake(layout);
        let original = tree.manifest();
        tree.install();
        let moved = tree.outside("moved");
        std::fs::rename(tree.root(), &moved).unwrap();
        for name in NAMES {
            let exe = ran(&moved, &tree.outside("out"), name);
            assert!(exe.starts_with(&moved), "{layout}: {exe:?}");
        }
        ok(clean(env!("CARGO_BIN_EXE_rock-wrap"))
            .args(["restore", "--rocm-path"])
            .arg(&moved));
        original.assert_same(&Manifest::of(&moved), layout);
    }
}

#[test]
fn a_copy_of_a_wrapped_tree_uses_its_own_compiler_and_is_restored_by_itself() {
    for layout in Layout::ALL {
        let tree = Tree::fake(layout);
        let original = tree.manifest();
        let first = tree.outside("copied before");
        copy(tree.root(), &first);
        tree.install();
        let second = tree.outside("copied");
        copy(tree.root(), &second);
        for gone in [false, true] {
            if gone {
                tree.restore();
                original.assert_same(&tree.manifest(), layout);
                std::fs::remove_dir_all(tree.root()).unwrap();
            }
            for name in NAMES {
                let exe = ran(&second, &tree.outside("out"), name);
                assert!(exe.starts_with(&second), "{layout}: {exe:?}");
            }
        }
        ok(clean(env!("CARGO_BIN_EXE_rock-wrap"))
            .args(["restore", "--rocm-path"])
            .arg(&second));
        let before = Manifest::of(&first).without_inode_numbers();
        before.assert_same(&Manifest::of(&second).without_inode_numbers(), layout);
    }
}

#[test]
fn hard_links_to_the_compilers_from_elsewhere_are_never_written_through() {
    for layout in Layout::ALL {
        let tree = Tree::fake(layout);
        let cache = tree.outside("cache");
        std::fs::create_dir(&cache).unwrap();
        for name in ["clang", "clang++", "clang-15", "clang-cl"] {
            ok(clean("ln")
                .arg("-P")
                .arg(tree.path(name))
                .arg(cache.join(name)));
        }
        let (original, other) = (tree.manifest(), Manifest::of(&cache));
        // The link counts change while rock-wrap holds some of the names.
        let content = other.clone().without_name_counts();
        let unharmed = |what: &str| {
            let now = Manifest::of(&cache).without_name_counts();
            content.assert_same(&now, format!("{layout}, {what}"));
        };
        tree.install();
        unharmed("installed");
        tree.restore();
        use super::tree::Action;
        for action in [Action::Switch, Action::Upgrade] {
            tree.prepare(action);
            ok(&mut tree.command(action));
            unharmed("switched");
            tree.restore();
        }
        original.assert_same(&tree.manifest(), layout);
        other.assert_same(&Manifest::of(&cache), layout);
    }
}
