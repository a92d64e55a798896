//! Several processes: the lock, and running compiles.

use std::cell::Cell;
use std::fs;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::install::drain::{Drain as _, Needs, ProcDrain};
use crate::install::error::Error;
use crate::install::fs::Fs as _;
use crate::install::tests::table::Tree;
use crate::install::tests::{Layout, SCCACHE, own};
use crate::install::{Bin, Goal, Inode};

#[test]
fn a_second_run_is_told_who_holds_the_lock_and_gives_up() {
    let dir = tempfile::tempdir().unwrap();
    let first = Bin::open(dir.path()).unwrap();
    let second = Bin::open(dir.path()).unwrap();
    let held = first.lock(Duration::ZERO, &mut |_| ()).unwrap();
    let own = Some(std::process::id());
    let mut told = Vec::new();
    let limit = Duration::from_millis(1);
    let refused = second.lock(limit, &mut |pid| told.push(pid)).unwrap_err();
    assert!(
        matches!(refused, Error::Locked { pid, .. } if pid == own),
        "{refused}"
    );
    assert!(
        refused
            .to_string()
            .contains(&std::process::id().to_string())
    );
    assert_eq!(told, [own]);
    drop(held);
    drop(second.lock(Duration::ZERO, &mut |_| ()).unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_second_run_waits_until_the_first_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let first = Bin::open(dir.path()).unwrap();
    let second = Bin::open(dir.path()).unwrap();
    let held = first.lock(Duration::ZERO, &mut |_| ()).unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            let limit = Duration::from_secs(60);
            second
                .lock(limit, &mut |_| tell.send(()).unwrap())
                .map(drop)
        });
        told.recv().unwrap();
        drop(held);
        waiter.join().unwrap().unwrap();
    });
}

#[test]
fn looking_needs_no_lock() {
    let tree = Tree::installed(Layout::Symlinks);
    let bin = Bin::open(tree.fs.path()).unwrap();
    let _held = bin.lock(Duration::ZERO, &mut |_| ()).unwrap();
    let other = Bin::open(tree.fs.path()).unwrap();
    assert_eq!(other.observe().unwrap().names.len(), 2);
}

fn left(tree: &Tree, shims: &[Inode]) -> usize {
    let needs = Needs {
        dir: tree.fs.path(),
        dir_id: tree.fs.dir().unwrap().id,
        aliases: &[own("clang.7625"), own("clang.9727")],
        shims,
    };
    let limit = Duration::ZERO;
    ProcDrain { limit }.wait(&needs, &|| None)
}

/// A process with a chosen name that runs until its input ends.
fn with_process(tree: &Tree, program: &str, argument: &str, check: impl FnOnce()) {
    let mut child = Command::new(tree.path(program))
        .arg("-")
        .arg(argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // It reports that the file in its second argument does not exist, which does not matter.
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It has started when it echoes its input.
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"x").unwrap();
    let mut byte = [0];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut byte)
        .unwrap();
    check();
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn processes_that_use_an_alias_are_waited_for() {
    let tree = Tree::new(Layout::Symlinks);
    fs::copy("/bin/cat", tree.path("clang.7625")).unwrap();
    fs::copy("/bin/cat", tree.path("other")).unwrap();
    let alias = tree
        .path("clang.7625")
        .into_os_string()
        .into_string()
        .unwrap();
    assert_eq!(left(&tree, &[]), 0);
    // Recognised by its executable, even after the name is removed.
    with_process(&tree, "clang.7625", "-", || {
        assert_eq!(left(&tree, &[]), 1);
        tree.remove("clang.7625");
        assert_eq!(left(&tree, &[]), 1);
    });
    // Recognised by its arguments.
    with_process(&tree, "other", &alias, || assert_eq!(left(&tree, &[]), 1));
    with_process(&tree, "other", "/elsewhere/clang.7625", || {
        assert_eq!(left(&tree, &[]), 0);
    });
    // A stand-in counts as in use too: a launcher's process has it on its command line, and so has the
    // shim that the stand-in becomes.
    fs::copy("/bin/cat", tree.path("clang.9727")).unwrap();
    let stand_in = tree.path("clang.9727").into_os_string();
    let stand_in = stand_in.into_string().unwrap();
    with_process(&tree, "clang.9727", "-", || assert_eq!(left(&tree, &[]), 1));
    with_process(&tree, "other", &stand_in, || {
        assert_eq!(left(&tree, &[]), 1);
    });
    assert_eq!(left(&tree, &[]), 0);
    // Recognised as one of our shims.
    let shim = tree.fs.stat(&own("other")).unwrap().unwrap().id;
    with_process(&tree, "other", "-", || {
        assert_eq!(left(&tree, &[]), 0);
        assert_eq!(left(&tree, &[shim]), 1);
    });
    assert_eq!(left(&tree, &[shim]), 0);
}

#[test]
fn the_same_directory_by_another_path_counts() {
    let tree = Tree::new(Layout::Symlinks);
    fs::copy("/bin/cat", tree.path("other")).unwrap();
    let outside = tempfile::tempdir().unwrap();
    let link = outside.path().join("rocm");
    std::os::unix::fs::symlink(tree.fs.path(), &link).unwrap();
    let alias = link
        .join("clang.7625")
        .into_os_string()
        .into_string()
        .unwrap();
    with_process(&tree, "other", &alias, || assert_eq!(left(&tree, &[]), 1));
}

#[test]
fn a_signal_ends_the_wait() {
    let tree = Tree::new(Layout::Symlinks);
    fs::copy("/bin/cat", tree.path("clang.7625")).unwrap();
    with_process(&tree, "clang.7625", "-", || {
        let asked = Cell::new(0);
        let cancel = || {
            asked.set(asked.get() + 1);
            (asked.get() > 2).then_some(15)
        };
        let needs = Needs {
            dir: tree.fs.path(),
            dir_id: tree.fs.dir().unwrap().id,
            aliases: &[own("clang.7625")],
            shims: &[],
        };
        let limit = Duration::from_secs(3600);
        assert_eq!(ProcDrain { limit }.wait(&needs, &cancel), 1);
    });
}

#[test]
fn a_directory_that_is_swapped_meanwhile_is_not_mistaken() {
    let outside = tempfile::tempdir().unwrap();
    let (real, other) = (outside.path().join("bin"), outside.path().join("old"));
    fs::create_dir(&real).unwrap();
    fs::write(real.join("clang"), super::ELF).unwrap();
    let bin = Bin::open(&real).unwrap();
    fs::rename(&real, &other).unwrap();
    fs::create_dir(&real).unwrap();
    fs::write(real.join("clang"), b"not this one").unwrap();
    let goal = Goal::Install(vec![Layout::HardLinks.want("clang", SCCACHE)]);
    let held = bin.lock(Duration::ZERO, &mut |_| ()).unwrap();
    let plan = bin.plan(bin.observe().unwrap(), &goal).unwrap();
    held.apply(&plan, &|| None, &super::Idle).unwrap();
    assert_eq!(fs::read(real.join("clang")).unwrap(), b"not this one");
    assert_eq!(fs::read(other.join("clang.7625")).unwrap(), super::ELF);
}

#[test]
fn a_plan_reads_as_a_list_of_steps() {
    let tree = Tree::new(Layout::Regular);
    let plan = super::planned(&tree.fs, &tree.layout.install(SCCACHE)).unwrap();
    let expected = "\
        check that files can be made here\n\
        record in .rockwrap-journal: installing clang, clang++\n\
        make the stand-in clang.9727\n\
        keep clang as clang.7625, put the shim at clang\n\
        make symlink clang++.7625 -> clang.7625\n\
        make the stand-in clang++.9727\n\
        keep clang++ as .rockwrap-orig-clang++, put the shim at clang++\n\
        record in .rockwrap-journal: installed clang, clang++";
    assert_eq!(plan.to_string(), expected);
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["steps"][2]["step"], "stand_in");
    assert_eq!(json["steps"][2]["stand_in"], "clang.9727");
    assert_eq!(json["steps"][3]["step"], "divert");
    assert_eq!(json["steps"][3]["kept"], "clang.7625");
    assert_eq!(json["names"][1]["did"], "installed");
    tree.install(SCCACHE);
    let plan = super::planned(&tree.fs, &Goal::Restore).unwrap();
    let expected = "\
        check that files can be made here\n\
        put .rockwrap-orig-clang++ back at clang++\n\
        put clang.7625 back at clang\n\
        wait for processes that use clang++.9727, clang++.7625, clang.9727, clang.7625\n\
        remove clang++.9727\n\
        remove clang++.7625\n\
        remove clang.9727\n\
        remove clang.7625\n\
        remove .rockwrap-journal";
    assert_eq!(plan.to_string(), expected);
}
