//! Keeping originals on file systems that do not support exchanging names, or hard links either.

use rustix::io::Errno;

use crate::install::error::{After, Error};
use crate::install::goal::Goal;
use crate::install::tests::fault::{Faulty, Op, Rule};
use crate::install::tests::table::Tree;
use crate::install::tests::{CCACHE, ELF, LAYOUTS, Layout, SCCACHE, Trouble, run, without_inodes};

/// The errors of a file system that cannot exchange names.
const NO_EXCHANGE: [Errno; 3] = [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP];

/// The errors of a file system, or for a file, that cannot be hard-linked.
const NO_LINK: [Errno; 5] = [
    Errno::PERM,
    Errno::MLINK,
    Errno::NOTSUP,
    Errno::NOSYS,
    Errno::XDEV,
];

#[test]
fn originals_are_hard_linked_where_names_cannot_be_exchanged() {
    for layout in LAYOUTS {
        for errno in NO_EXCHANGE {
            for op in [Op::Exchange, Op::RenameNew] {
                let tree = Tree::new(layout);
                let before = tree.listing();
                let faulty = Faulty::new(&tree.fs, &[Rule::Every(op, errno)]);
                let outcome = run(&faulty, &layout.install(SCCACHE)).unwrap();
                assert!(outcome.warnings.is_empty(), "{:?}", outcome.warnings);
                for name in ["clang", "clang++"] {
                    assert!(tree.path(&format!("{name}.7625")).exists());
                }
                assert!(faulty.log.borrow().contains(&Op::Link), "{layout:?} {op:?}");
                run(&faulty, &Goal::Restore).unwrap();
                assert_eq!(tree.listing(), before, "{layout:?} {op:?} {errno:?}");
            }
        }
    }
}

#[test]
fn an_install_without_exchange_and_links_is_refused_before_anything_changes() {
    for layout in LAYOUTS {
        for (exchange, link) in NO_EXCHANGE
            .into_iter()
            .flat_map(|exchange| NO_LINK.map(|link| (exchange, link)))
        {
            let tree = Tree::new(layout);
            let before = tree.listing();
            let rules = [
                Rule::Every(Op::Exchange, exchange),
                Rule::Every(Op::Link, link),
            ];
            let faulty = Faulty::new(&tree.fs, &rules);
            let ended = run(&faulty, &layout.install(SCCACHE));
            let Err(Trouble::Failed(failure)) = ended else {
                panic!("{layout:?} {rules:?}: {ended:?}");
            };
            assert!(matches!(failure.cause, Error::Keep { .. }), "{failure:?}");
            assert!(matches!(failure.after, After::AsBefore));
            let (text, path) = (failure.cause.to_string(), tree.path("clang"));
            assert!(text.contains(&path.display().to_string()), "{text}");
            // Only the probe's temporary files were ever created.
            let log = faulty.log.borrow();
            assert!(!log.contains(&Op::Sync) && !log.contains(&Op::Symlink));
            assert!(!log.contains(&Op::Rename), "{log:?}");
            assert_eq!(tree.listing(), before, "{layout:?} {rules:?}");
        }
    }
}

#[test]
fn what_an_older_release_kept_as_a_copy_is_switched_and_restored_where_nothing_can_be_linked() {
    let rules = [
        Rule::Every(Op::Exchange, Errno::INVAL),
        Rule::Every(Op::RenameNew, Errno::INVAL),
        Rule::Every(Op::Link, Errno::PERM),
    ];
    for layout in LAYOUTS {
        let tree = Tree::new(layout);
        let before = tree.listing();
        tree.install(SCCACHE);
        for name in ["clang", "clang++"] {
            let aside = tree.path(&format!(".rockwrap-orig-{name}"));
            let kept = match aside.symlink_metadata() {
                Ok(_) => aside,
                Err(_) => tree.path(&format!("{name}.7625")),
            };
            let copy = tree.path("copy");
            let mut cp = std::process::Command::new("cp");
            assert!(
                cp.arg("-a")
                    .args([&kept, &copy])
                    .status()
                    .unwrap()
                    .success()
            );
            std::fs::rename(&copy, &kept).unwrap();
        }
        let faulty = Faulty::new(&tree.fs, &rules);
        run(&faulty, &layout.install(CCACHE)).unwrap();
        run(&faulty, &Goal::Restore).unwrap();
        let after = without_inodes(&tree.listing());
        assert_eq!(after, without_inodes(&before), "{layout:?}");
    }
}

#[test]
fn a_newer_compiler_that_cannot_be_linked_is_wrapped_after_a_restore() {
    let tree = Tree::new(Layout::Regular);
    tree.install(SCCACHE);
    // A package manager installs a newer compiler. clang++'s alias still leads to the old one.
    tree.remove("clang");
    tree.file("clang", &[ELF, b" newer"].concat());
    let before = tree.listing();
    let rules = [Rule::Every(Op::Link, Errno::PERM)];
    let faulty = Faulty::new(&tree.fs, &rules);
    let ended = run(&faulty, &tree.layout.install(SCCACHE));
    let Err(Trouble::Failed(failure)) = ended else {
        panic!("{ended:?}");
    };
    assert!(matches!(failure.cause, Error::KeepNewer { .. }));
    assert!(matches!(failure.after, After::AsBefore));
    assert_eq!(tree.listing(), before);
    run(&faulty, &Goal::Restore).unwrap();
    let newer = tree.listing();
    run(&faulty, &tree.layout.install(SCCACHE)).unwrap();
    run(&faulty, &Goal::Restore).unwrap();
    assert_eq!(tree.listing(), newer);
}
