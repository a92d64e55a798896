//! The table above the planning code, row by row, on a real directory.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use crate::install::fs::{Fs as _, RealFs};
use crate::install::goal::{Goal, Refusal};
use crate::install::observe::observe;
use crate::install::plan::plan;
use crate::install::step::Did;
use crate::install::tests::{
    CCACHE, ELF, LAYOUTS, Layout, OTHER_TRAMPOLINE, SCCACHE, STUB, did, image, os, own, planned,
    refusal, run, without_inodes,
};
use crate::rocm::names::{JOURNAL, alias, kept};
use crate::shared::shim_config::Config;
use crate::shim_image;
use crate::trampoline::trampoline;

/// A real directory with compilers in it.
pub(super) struct Tree {
    dir: tempfile::TempDir,
    pub fs: RealFs,
    pub layout: Layout,
}

impl Tree {
    pub(super) fn new(layout: Layout) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = Self {
            fs: RealFs::open(dir.path()).unwrap(),
            dir,
            layout,
        };
        match layout {
            Layout::Symlinks => {
                tree.file("clang-19", ELF);
                tree.link("clang", "clang-19");
                tree.link("clang++", "clang");
            }
            Layout::Stubs => {
                tree.file("clang-19", ELF);
                tree.file("clang", STUB);
                tree.file("clang++", STUB);
            }
            Layout::Regular => {
                tree.file("clang", ELF);
                tree.link("clang++", "clang");
            }
            Layout::HardLinks => {
                tree.file("clang", ELF);
                fs::hard_link(tree.path("clang"), tree.path("clang++")).unwrap();
            }
        }
        tree
    }

    pub(super) fn installed(layout: Layout) -> Self {
        let tree = Self::new(layout);
        tree.install(SCCACHE);
        tree
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn file(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(super) fn link(&self, name: &str, text: &str) {
        symlink(text, self.path(name)).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub(super) fn install(&self, launcher: &str) -> Option<Did> {
        did(
            &run(&self.fs, &self.layout.install(launcher)).unwrap(),
            "clang",
        )
    }

    pub(super) fn restore(&self) -> Option<Did> {
        did(&run(&self.fs, &Goal::Restore).unwrap(), "clang")
    }

    /// Everything that a restore has to give back.
    pub(super) fn listing(&self) -> Vec<String> {
        let mut lines: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                let content = if meta.is_symlink() {
                    format!("-> {}", fs::read_link(&path).unwrap().display())
                } else if meta.is_file() {
                    let bytes = fs::read(&path).unwrap();
                    match shim_image::read(&bytes) {
                        Some(_) => "shim".to_owned(),
                        None => String::from_utf8_lossy(&bytes).into_owned(),
                    }
                } else {
                    String::new()
                };
                format!(
                    "{} {:o} {}:{} {}.{} links {} inode {} {content}",
                    path.file_name().unwrap().display(),
                    meta.mode(),
                    meta.uid(),
                    meta.gid(),
                    meta.mtime(),
                    meta.mtime_nsec(),
                    meta.nlink(),
                    meta.ino(),
                )
            })
            .collect();
        lines.sort();
        lines
    }

    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn is_shim(&self, name: &str, launcher: &str) -> bool {
        fs::read(self.path(name)).unwrap() == image(name, launcher)
    }
}

/// Where the original of `clang` is kept.
fn place(layout: Layout) -> String {
    let place = match layout {
        Layout::Symlinks | Layout::Stubs => kept(os("clang")),
        Layout::Regular | Layout::HardLinks => alias(os("clang")),
    };
    place.into_string().unwrap()
}

#[test]
fn row_1_an_original_alone_is_diverted_and_a_restore_leaves_it() {
    for layout in LAYOUTS {
        let tree = Tree::new(layout);
        let before = tree.listing();
        assert_eq!(tree.restore(), None);
        assert_eq!(tree.listing(), before);
        assert_eq!(tree.install(SCCACHE), Some(Did::Installed));
        assert!(tree.is_shim("clang", SCCACHE) && tree.is_shim("clang++", SCCACHE));
        assert_eq!(fs::read(tree.path("clang++.7625")).unwrap(), ELF);
        assert!(tree.stands_in("clang") && tree.stands_in("clang++"));
        assert_eq!(tree.restore(), Some(Did::Restored));
        assert_eq!(tree.listing(), before, "{layout:?}");
    }
}

#[test]
fn row_2_a_foreign_file_at_our_names_is_refused_and_left_alone() {
    for name in [
        "clang.7625",
        ".rockwrap-orig-clang",
        "clang.9727",
        "clang++.7625",
        "clang++.9727",
    ] {
        let tree = Tree::new(Layout::Symlinks);
        tree.file(name, b"somebody's");
        let before = tree.listing();
        let refused = refusal(&tree.fs, &tree.layout.install(SCCACHE));
        assert_eq!(refused, Refusal::Foreign { path: own(name) });
        run(&tree.fs, &Goal::Restore).unwrap();
        assert_eq!(tree.listing(), before);
    }
    for name in ["clang.7625", "clang.9727"] {
        let tree = Tree::new(Layout::Symlinks);
        tree.file(name, b"somebody's");
        assert_eq!(tree.restore(), Some(Did::LeftAlone));
    }
}

/// A crash between the hard link and the rename.
fn linked(layout: Layout) -> (Tree, Vec<String>) {
    let tree = Tree::new(layout);
    let before = tree.listing();
    tree.install(SCCACHE);
    for name in ["clang", "clang++"] {
        let place = match (layout, name) {
            (Layout::Symlinks | Layout::Stubs, _) | (Layout::Regular, "clang++") => kept(os(name)),
            _ => alias(os(name)),
        };
        tree.remove(name);
        fs::hard_link(tree.path(place.to_str().unwrap()), tree.path(name)).unwrap();
    }
    (tree, before)
}

#[test]
fn row_3_an_original_that_is_kept_already_is_installed_over_or_cleared_up() {
    for layout in LAYOUTS {
        let (tree, before) = linked(layout);
        assert_eq!(tree.restore(), Some(Did::ClearedUp), "{layout:?}");
        assert_eq!(tree.listing(), before);
        let (tree, before) = linked(layout);
        assert_eq!(tree.install(CCACHE), Some(Did::Installed));
        assert!(tree.is_shim("clang", CCACHE));
        tree.restore();
        assert_eq!(tree.listing(), before);
    }
}

/// A crash between placing the shim at K and the exchange.
fn before_exchange(layout: Layout) -> (Tree, Vec<String>) {
    let tree = Tree::new(layout);
    let before = tree.listing();
    tree.install(SCCACHE);
    let (kept, spare) = (tree.path(&place(layout)), tree.path("spare"));
    fs::rename(tree.path("clang"), &spare).unwrap();
    fs::rename(&kept, tree.path("clang")).unwrap();
    fs::rename(&spare, &kept).unwrap();
    (tree, before)
}

#[test]
fn row_4_a_shim_where_the_original_should_be_kept_is_removed() {
    for layout in LAYOUTS {
        let (tree, before) = before_exchange(layout);
        assert_eq!(tree.restore(), Some(Did::ClearedUp), "{layout:?}");
        assert_eq!(tree.listing(), before);
        let (tree, before) = before_exchange(layout);
        assert_eq!(tree.install(CCACHE), Some(Did::Installed), "{layout:?}");
        assert!(tree.is_shim("clang", CCACHE));
        tree.restore();
        assert_eq!(tree.listing(), before);
    }
}

/// A package manager put a newer compiler in the place of our shims.
fn upgraded(layout: Layout) -> (Tree, Vec<String>) {
    let tree = Tree::installed(layout);
    let fresh = |name: &str| {
        tree.remove(name);
        match layout {
            Layout::Symlinks if name == "clang" => tree.link(name, "clang-20"),
            Layout::Symlinks | Layout::Regular if name == "clang++" => tree.link(name, "clang"),
            _ => tree.file(name, b"\x7fELF a newer compiler"),
        }
    };
    if layout == Layout::Symlinks {
        tree.file("clang-20", b"\x7fELF a newer compiler");
    }
    fresh("clang");
    fresh("clang++");
    let ours = |line: &String| {
        line.contains(".7625 ") || line.contains(".9727 ") || line.starts_with(".rockwrap-")
    };
    let mut listing = tree.listing();
    listing.retain(|line| !ours(line));
    (tree, listing)
}

#[test]
fn row_5_a_newer_compiler_is_kept_and_what_was_ours_cleared_up() {
    for layout in LAYOUTS {
        let (tree, newer) = upgraded(layout);
        assert_eq!(tree.restore(), Some(Did::KeptNewer), "{layout:?}");
        assert_eq!(tree.listing(), newer);
    }
}

#[test]
fn row_5_an_install_over_a_newer_compiler_starts_afresh() {
    for layout in LAYOUTS {
        let (tree, newer) = upgraded(layout);
        assert_eq!(tree.install(CCACHE), Some(Did::Installed));
        assert!(tree.is_shim("clang", CCACHE) && tree.is_shim("clang++", CCACHE));
        assert_eq!(tree.restore(), Some(Did::Restored));
        assert_eq!(tree.listing(), newer, "{layout:?}");
    }
}

#[test]
fn row_5_one_newer_compiler_beside_a_shim_that_leads_through_its_alias() {
    let tree = Tree::installed(Layout::Regular);
    tree.remove("clang");
    tree.file("clang", b"\x7fELF a newer compiler");
    assert_eq!(tree.restore(), Some(Did::KeptNewer));
    assert_eq!(tree.names(), ["clang", "clang++"]);
    assert_eq!(fs::read_link(tree.path("clang++")).unwrap(), os("clang"));
}

#[test]
fn row_6_an_alias_without_a_shim_is_used_or_cleared_up() {
    let crashed = || {
        let (tree, before) = linked(Layout::Symlinks);
        tree.remove(".rockwrap-orig-clang");
        tree.remove(".rockwrap-orig-clang++");
        (tree, before)
    };
    let (tree, before) = crashed();
    assert_eq!(tree.restore(), Some(Did::ClearedUp));
    assert_eq!(tree.listing(), before);
    let (tree, before) = crashed();
    assert_eq!(tree.install(SCCACHE), Some(Did::Installed));
    tree.restore();
    assert_eq!(tree.listing(), before);
}

#[test]
fn row_7_installing_the_same_again_changes_nothing() {
    for layout in LAYOUTS {
        let tree = Tree::installed(layout);
        let before = tree.listing();
        assert!(
            planned(&tree.fs, &layout.install(SCCACHE))
                .unwrap()
                .is_empty()
        );
        assert_eq!(tree.install(SCCACHE), Some(Did::AlreadyInstalled));
        assert_eq!(tree.listing(), before);
    }
}

#[test]
fn row_8_an_alias_that_is_wrong_or_gone_is_made_anew() {
    for wrong in [None, Some("clang-18"), Some("lld")] {
        let tree = Tree::new(Layout::Symlinks);
        tree.file("lld", b"\x7fELF a linker");
        let before = tree.listing();
        tree.install(SCCACHE);
        tree.remove("clang.7625");
        if let Some(wrong) = wrong {
            tree.link("clang.7625", wrong);
        }
        assert_eq!(tree.install(SCCACHE), Some(Did::Switched));
        assert_eq!(
            fs::read_link(tree.path("clang.7625")).unwrap(),
            os("clang-19")
        );
        tree.remove("clang.7625");
        if let Some(wrong) = wrong {
            tree.link("clang.7625", wrong);
        }
        assert_eq!(tree.restore(), Some(Did::Restored));
        assert_eq!(tree.listing(), before);
    }
}

#[test]
fn row_9_another_image_takes_the_place_of_the_shim() {
    for layout in LAYOUTS {
        let tree = Tree::new(layout);
        let before = tree.listing();
        tree.install(SCCACHE);
        assert_eq!(tree.install(CCACHE), Some(Did::Switched));
        assert!(tree.is_shim("clang", CCACHE) && tree.is_shim("clang++", CCACHE));
        assert_eq!(tree.restore(), Some(Did::Restored));
        assert_eq!(tree.listing(), before, "{layout:?}");
    }
}

#[test]
fn row_10_a_symlink_that_is_gone_is_made_anew_from_the_record() {
    let tree = Tree::installed(Layout::Symlinks);
    let mtime = |tree: &Tree, name: &str| {
        let meta = fs::symlink_metadata(tree.path(name)).unwrap();
        (meta.mtime(), meta.mtime_nsec())
    };
    let before = mtime(&tree, ".rockwrap-orig-clang");
    tree.remove(".rockwrap-orig-clang");
    assert_eq!(tree.restore(), Some(Did::Recreated));
    assert_eq!(fs::read_link(tree.path("clang")).unwrap(), os("clang-19"));
    assert_eq!(mtime(&tree, "clang"), before);
    assert_eq!(tree.names(), ["clang", "clang++", "clang-19"]);

    let tree = Tree::installed(Layout::Symlinks);
    tree.remove(".rockwrap-orig-clang");
    assert_eq!(tree.install(CCACHE), Some(Did::Switched));
    let kept = tree.path(".rockwrap-orig-clang");
    assert_eq!(fs::read_link(kept).unwrap(), os("clang-19"));
    assert_eq!(tree.restore(), Some(Did::Restored));
}

#[test]
fn row_11_a_shim_whose_original_is_lost_is_left_and_named() {
    for layout in [Layout::Stubs, Layout::Regular, Layout::HardLinks] {
        let tree = Tree::installed(layout);
        tree.remove(&place(layout));
        let lost = Refusal::Lost { name: own("clang") };
        if layout != Layout::Regular {
            assert_eq!(refusal(&tree.fs, &layout.install(CCACHE)), lost);
        }
        assert_eq!(tree.restore(), Some(Did::Lost), "{layout:?}");
        assert!(tree.is_shim("clang", SCCACHE));
        assert!(tree.stands_in("clang"), "{layout:?}");
        if layout != Layout::Regular {
            assert!(!tree.is_shim_at("clang++") && !tree.path("clang++.9727").exists());
        }
        if layout == Layout::Stubs {
            assert_eq!(fs::read(tree.path("clang.7625")).unwrap(), ELF);
        }
        // The package is installed again.
        tree.file("clang", ELF);
        tree.restore();
        let ours = |name: &String| name.contains("rockwrap") || name.contains(".9727");
        assert!(!tree.names().iter().any(ours));
    }
}

#[test]
fn row_11_a_lost_shim_keeps_the_alias_that_it_leads_through() {
    let tree = Tree::installed(Layout::Regular);
    tree.remove(".rockwrap-orig-clang++");
    tree.remove(JOURNAL);
    let outcome = run(&tree.fs, &Goal::Restore).unwrap();
    assert_eq!(did(&outcome, "clang"), Some(Did::Restored));
    assert_eq!(did(&outcome, "clang++"), Some(Did::Lost));
    assert_eq!(fs::read(tree.path("clang++.7625")).unwrap(), ELF);
}

#[test]
fn row_12_a_missing_name_gets_its_original_back() {
    for layout in LAYOUTS {
        let tree = Tree::new(layout);
        let before = tree.listing();
        tree.install(SCCACHE);
        tree.remove("clang");
        tree.remove("clang++");
        let refused = refusal(&tree.fs, &layout.install(SCCACHE));
        assert_eq!(refused, Refusal::MissingButKept { name: own("clang") });
        assert_eq!(tree.restore(), Some(Did::PutBackMissing));
        assert_eq!(tree.listing(), before, "{layout:?}");
    }
}

#[test]
fn row_13_an_original_that_leads_nowhere_is_cleared_up() {
    for layout in [Layout::Symlinks, Layout::Stubs] {
        let tree = Tree::installed(layout);
        for name in ["clang", "clang++", "clang-19"] {
            tree.remove(name);
        }
        let refused = refusal(&tree.fs, &layout.install(SCCACHE));
        assert_eq!(refused, Refusal::Missing { name: own("clang") });
        assert_eq!(tree.restore(), Some(Did::Gone), "{layout:?}");
        assert!(tree.names().is_empty());
    }
}

#[test]
fn row_14_a_name_that_is_gone_for_good_is_cleared_up() {
    let tree = Tree::installed(Layout::Symlinks);
    for name in ["clang", "clang++"] {
        tree.remove(name);
        tree.remove(&format!(".rockwrap-orig-{name}"));
    }
    let refused = refusal(&tree.fs, &tree.layout.install(SCCACHE));
    assert_eq!(refused, Refusal::Missing { name: own("clang") });
    assert_eq!(tree.restore(), Some(Did::Gone));
    assert_eq!(tree.names(), ["clang-19"]);
}

#[test]
fn row_15_a_directory_at_the_name_is_refused_and_left() {
    let tree = Tree::installed(Layout::Symlinks);
    tree.remove("clang");
    fs::create_dir(tree.path("clang")).unwrap();
    let refused = refusal(&tree.fs, &tree.layout.install(SCCACHE));
    assert_eq!(refused, Refusal::Odd { name: own("clang") });
    assert_eq!(tree.restore(), Some(Did::KeptNewer));
    assert_eq!(tree.names(), ["clang", "clang++", "clang-19"]);
}

#[test]
fn row_16_an_alias_that_would_lead_nowhere_is_refused() {
    let tree = Tree::new(Layout::Symlinks);
    tree.remove("clang-19");
    let before = tree.listing();
    let refused = refusal(&tree.fs, &tree.layout.install(SCCACHE));
    let (name, target) = (own("clang"), own("clang-19"));
    assert_eq!(refused, Refusal::Target { name, target });
    assert_eq!(tree.listing(), before);
}

#[test]
fn row_17_a_stand_in_that_is_missing_or_not_as_wanted_is_made_anew() {
    type Damage = (&'static str, fn(&Tree));
    let damages: [Damage; 6] = [
        ("removed", |_| ()),
        ("other bytes", |tree| {
            tree.file("clang.9727", OTHER_TRAMPOLINE);
        }),
        ("cut", |tree| {
            tree.file("clang.9727", &trampoline()[..trampoline().len() / 2]);
        }),
        ("a link", |tree| tree.link("clang.9727", "clang.7625")),
        ("not executable", |tree| {
            fs::write(tree.path("clang.9727"), trampoline()).unwrap();
        }),
        // A stand-in must have the real compiler's time, by which a launcher notices another compiler.
        ("another time", |tree| tree.file("clang.9727", trampoline())),
    ];
    for layout in LAYOUTS {
        for (what, damage) in damages {
            let tree = Tree::new(layout);
            let before = tree.listing();
            tree.install(SCCACHE);
            let installed = without_inodes(&tree.listing());
            let spoil = || {
                tree.remove("clang.9727");
                damage(&tree);
            };
            spoil();
            let shim = fs::metadata(tree.path("clang")).unwrap().ino();
            assert_eq!(tree.install(SCCACHE), Some(Did::Switched), "{what}");
            let listing = without_inodes(&tree.listing());
            let apart_from_record = |lines: &[String]| {
                let lines = lines.iter().filter(|line| !line.contains(JOURNAL));
                lines.cloned().collect::<Vec<_>>()
            };
            assert_eq!(
                apart_from_record(&listing),
                apart_from_record(&installed),
                "{layout:?} {what}"
            );
            assert_eq!(fs::metadata(tree.path("clang")).unwrap().ino(), shim);
            assert_eq!(tree.install(SCCACHE), Some(Did::AlreadyInstalled));
            spoil();
            assert_eq!(tree.restore(), Some(Did::Restored), "{what}");
            assert_eq!(tree.listing(), before, "{layout:?} {what}");
        }
    }
}

#[test]
fn row_17_a_directory_in_the_place_of_a_stand_in_is_refused_and_left() {
    let tree = Tree::installed(Layout::Symlinks);
    tree.remove("clang.9727");
    fs::create_dir(tree.path("clang.9727")).unwrap();
    let path = own("clang.9727");
    let refused = refusal(&tree.fs, &tree.layout.install(SCCACHE));
    assert_eq!(refused, Refusal::Foreign { path });
    assert_eq!(tree.restore(), Some(Did::Restored));
    assert_eq!(tree.names(), ["clang", "clang++", "clang-19", "clang.9727"]);
}

#[test]
fn row_17_the_tree_of_a_release_without_stand_ins_gets_them() {
    for layout in LAYOUTS {
        let tree = Tree::new(layout);
        let before = tree.listing();
        run(&tree.fs, &layout.install_older()).unwrap();
        assert!(!tree.path("clang.9727").exists());
        assert_eq!(tree.install(CCACHE), Some(Did::Switched));
        assert!(tree.stands_in("clang") && tree.stands_in("clang++"));
        assert_eq!(tree.restore(), Some(Did::Restored));
        assert_eq!(tree.listing(), before, "{layout:?}");
    }
}

#[test]
fn row_17_another_releases_stand_ins_are_replaced_or_cleared_up() {
    for layout in LAYOUTS {
        let tree = Tree::new(layout);
        let before = tree.listing();
        run(&tree.fs, &layout.install_newer()).unwrap();
        assert_eq!(fs::read(tree.path("clang.9727")).unwrap(), OTHER_TRAMPOLINE);
        assert_eq!(tree.install(SCCACHE), Some(Did::Switched));
        assert!(tree.stands_in("clang") && tree.stands_in("clang++"));
        run(&tree.fs, &layout.install_newer()).unwrap();
        assert_eq!(tree.restore(), Some(Did::Restored));
        assert_eq!(tree.listing(), before, "{layout:?}");
    }
}

#[test]
fn row_18_a_stand_in_that_an_older_release_left_is_used_or_cleared_up() {
    let left = |layout| {
        let tree = Tree::new(layout);
        let before = tree.listing();
        for name in ["clang.9727", "clang++.9727"] {
            tree.file(name, trampoline());
        }
        (tree, before)
    };
    for layout in LAYOUTS {
        let (tree, before) = left(layout);
        assert_eq!(tree.restore(), Some(Did::ClearedUp));
        assert_eq!(tree.listing(), before, "{layout:?}");
        let (tree, before) = left(layout);
        assert_eq!(tree.install(SCCACHE), Some(Did::Installed));
        assert_eq!(tree.restore(), Some(Did::Restored));
        assert_eq!(tree.listing(), before, "{layout:?}");
    }
}

#[test]
fn a_record_that_is_lost_or_not_believed_changes_no_row() {
    for spoil in ["remove", "cut", "writable", "linked", "symlink"] {
        for layout in LAYOUTS {
            let tree = Tree::new(layout);
            let before = tree.listing();
            tree.install(SCCACHE);
            let path = tree.path(JOURNAL);
            match spoil {
                "remove" => fs::remove_file(&path).unwrap(),
                "cut" => fs::write(&path, b"{\"format\":").unwrap(),
                "writable" => {
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
                }
                "linked" => fs::hard_link(&path, tree.path("copy")).unwrap(),
                _ => {
                    fs::rename(&path, tree.path("copy")).unwrap();
                    symlink("copy", &path).unwrap();
                }
            }
            let outcome = run(&tree.fs, &Goal::Restore).unwrap();
            assert_eq!(
                outcome.warnings.len(),
                usize::from(spoil != "remove"),
                "{spoil}"
            );
            let _ = fs::remove_file(tree.path("copy"));
            assert_eq!(tree.listing(), before, "{spoil} {layout:?}");
        }
    }
}

#[test]
fn what_a_crashed_run_left_is_removed_by_the_next() {
    let tree = Tree::installed(Layout::Stubs);
    tree.file(".rockwrap-tmp-0123", b"half a shim");
    assert_eq!(tree.install(SCCACHE), Some(Did::AlreadyInstalled));
    assert!(!tree.path(".rockwrap-tmp-0123").exists());
}

#[test]
fn bad_requests_are_refused_before_anything_is_looked_at() {
    let tree = Tree::new(Layout::Symlinks);
    let with = |change: fn(&mut super::Want)| {
        let mut want = tree.layout.want("clang", SCCACHE);
        change(&mut want);
        refusal(&tree.fs, &Goal::Install(vec![want]))
    };
    for bad in ["../clang", "", "clang.7625", "clang.9727"] {
        let mut want = tree.layout.want("clang", SCCACHE);
        want.name = own(bad);
        let refused = refusal(&tree.fs, &Goal::Install(vec![want]));
        assert_eq!(refused, Refusal::BadName { name: own(bad) });
    }
    let name = own("clang");
    let bad = Refusal::BadImage { name: name.clone() };
    assert_eq!(with(|want| want.image.clear()), bad);
    assert_eq!(with(|want| want.image = image("clang++", SCCACHE)), bad);
    assert_eq!(
        with(|want| want.keep = super::Keep::Move),
        Refusal::MoveOfLink { name }
    );
    let want = tree.layout.want("clang", SCCACHE);
    let twice = Goal::Install(vec![want.clone(), want]);
    assert_eq!(
        refusal(&tree.fs, &twice),
        Refusal::Twice { name: own("clang") }
    );
}

#[test]
fn somebody_elses_file_in_a_sticky_directory_is_refused() {
    let tree = Tree::new(Layout::Symlinks);
    let goal = tree.layout.install(SCCACHE);
    let mut observed = observe(&tree.fs, goal.wants()).unwrap();
    let owner = observed.dir.uid;
    observed.dir.mode |= 0o1000;
    observed.dir.uid = owner + 1;
    observed.euid = owner + 2;
    let name = own("clang");
    let refused = plan(&observed, &goal).unwrap_err();
    assert_eq!(refused, Refusal::Sticky { name, owner });
    // Root, the directory's owner and the file's owner may.
    observed.euid = 0;
    plan(&observed, &goal).unwrap();
    observed.euid = observed.dir.uid;
    plan(&observed, &goal).unwrap();
    observed.dir.uid = owner + 1;
    observed.euid = owner;
    plan(&observed, &goal).unwrap();
}

#[test]
fn a_lost_shim_is_remembered_until_its_package_is_installed_again() {
    let tree = Tree::installed(Layout::Stubs);
    tree.remove(JOURNAL);
    tree.remove(".rockwrap-orig-clang");
    assert_eq!(tree.restore(), Some(Did::Lost));
    assert_eq!(tree.restore(), Some(Did::Lost));
    tree.remove("clang");
    tree.file("clang", STUB);
    tree.restore();
    assert_eq!(tree.names(), ["clang", "clang++", "clang-19"]);
}

#[test]
fn names_at_the_length_limit_and_of_any_bytes_are_managed() {
    for name in [
        OsString::from("x".repeat(240)),
        OsString::from_vec(b"cl\xff ng%".to_vec()),
    ] {
        let tree = Tree::new(Layout::Symlinks);
        symlink("clang-19", tree.fs.path().join(&name)).unwrap();
        let before = tree.listing();
        let config = Config {
            name: name.as_bytes(),
            ..Config::default()
        };
        let mut want = tree.layout.want("clang", SCCACHE);
        want.image = shim_image::stamp(&config).unwrap();
        want.name = name;
        run(&tree.fs, &Goal::Install(vec![want])).unwrap();
        assert_ne!(tree.listing(), before);
        run(&tree.fs, &Goal::Restore).unwrap();
        assert_eq!(tree.listing(), before);
    }
}

#[test]
fn installing_one_name_leaves_the_other_as_it_is() {
    let tree = Tree::installed(Layout::Regular);
    let only = Goal::Install(vec![tree.layout.want("clang++", CCACHE)]);
    run(&tree.fs, &only).unwrap();
    assert!(tree.is_shim("clang", SCCACHE) && tree.is_shim("clang++", CCACHE));
    assert_eq!(tree.restore(), Some(Did::Restored));
    assert_eq!(tree.names(), ["clang", "clang++"]);
}

impl Tree {
    fn stands_in(&self, name: &str) -> bool {
        fs::read(self.path(&format!("{name}.9727"))).unwrap() == trampoline()
    }

    fn is_shim_at(&self, name: &str) -> bool {
        shim_image::is_shim(&fs::read(self.path(name)).unwrap())
    }
}
