//! Only one install or restore runs at a time, and a restore removes nothing that a running compile still needs.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStderr, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::full;
use super::tree::{Tree, clean};
use crate::support::tree::Layout;

/// Starts a process that holds the lock of the compilers' directory until its standard input ends.
fn hold(tree: &Tree) -> Child {
    let mut flock = clean("flock");
    flock
        .arg("--no-fork")
        .arg(tree.bin())
        .args(["sh", "-c", "echo held; exec cat >/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut holder = flock.spawn().unwrap();
    let mut held = [0; 5];
    holder
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut held)
        .unwrap();
    holder
}

fn let_go(mut holder: Child) {
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
}

fn start(command: &mut Command) -> (Child, BufReader<ChildStderr>) {
    let mut child = command
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    (child, said)
}

fn line(said: &mut BufReader<ChildStderr>) -> String {
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    line
}

#[test]
fn a_second_install_waits_and_names_the_process_it_waits_for() {
    let tree = Tree::fake(Layout::Symlink);
    let original = tree.manifest();
    for command in ["install", "restore"] {
        let holder = hold(&tree);
        let before = tree.manifest();
        let (mut waiting, mut said) = start(&mut tree.rock_wrap([command]));
        let expected = format!(
            "rock-wrap: waiting for process {}, which changes the tree\n",
            holder.id()
        );
        assert_eq!(line(&mut said), expected);
        // A compile does not wait.
        tree.assert_compiles("while the tree is locked");
        before.assert_same(&tree.manifest(), "while it waits");
        let_go(holder);
        assert!(waiting.wait().unwrap().success());
    }
    original.assert_same(&tree.manifest(), "in the end");
}

#[test]
fn a_wait_for_the_lock_can_be_interrupted() {
    let tree = Tree::fake(Layout::Symlink);
    let original = tree.manifest();
    let holder = hold(&tree);
    let (mut waiting, mut said) = start(&mut tree.rock_wrap(["install"]));
    assert!(line(&mut said).contains("waiting"));
    kill(pid(&waiting), Signal::SIGTERM).unwrap();
    let status = waiting.wait().unwrap();
    assert_eq!(status.signal(), Some(15), "{status}");
    original.assert_same(&tree.manifest(), "interrupted");
    let_go(holder);
}

#[test]
fn the_wait_for_the_lock_ends_and_names_the_holder() {
    if !full() {
        // The limit is a minute.
        return;
    }
    let tree = Tree::fake(Layout::Symlink);
    let original = tree.manifest();
    let holder = hold(&tree);
    let output = tree.rock_wrap(["install"]).output().unwrap();
    let said = super::tree::stderr(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    let named = format!("is locked by process {}, which is installing", holder.id());
    assert!(said.contains(&named), "{said}");
    original.assert_same(&tree.manifest(), "after the limit");
    let_go(holder);
}

/// Starts a compile that runs until its standard input ends. The real compiler is called by its alias, as below a
/// launcher.
fn compile_under_way(tree: &Tree) -> Child {
    let mut call = clean(tree.path("clang++.7625"));
    call.args(["-c", "-", "-o"]).arg(tree.outside("under-way"));
    call.current_dir(tree.outside(""))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Returns as soon as `clang` is no longer the shim, whose inode number is `shim`.
fn until_restored(tree: &Tree, shim: u64) {
    use std::os::unix::fs::MetadataExt as _;
    while tree.path("clang").symlink_metadata().unwrap().ino() == shim {
        std::thread::yield_now();
    }
}

#[test]
fn a_restore_waits_for_a_compile_under_way() {
    use std::os::unix::fs::MetadataExt as _;
    for layout in Layout::ALL {
        let tree = Tree::fake(layout);
        let original = tree.manifest();
        tree.install();
        let shim = tree.path("clang").symlink_metadata().unwrap().ino();
        let mut compile = compile_under_way(&tree);
        let (mut restore, _said) = start(&mut tree.rock_wrap(["restore"]));
        until_restored(&tree, shim);
        // The originals are back, and what the compile needs is still there.
        tree.assert_compiles(format!("{layout}, compile under way"));
        assert!(tree.path("clang++.7625").exists(), "{layout}");
        drop(compile.stdin.take());
        assert!(compile.wait().unwrap().success(), "{layout}");
        assert!(restore.wait().unwrap().success(), "{layout}");
        original.assert_same(&tree.manifest(), layout);
    }
}

#[test]
fn a_restore_interrupted_while_it_waits_for_a_compile_is_finished_by_another() {
    use std::os::unix::fs::MetadataExt as _;
    for layout in Layout::ALL {
        let tree = Tree::fake(layout);
        let original = tree.manifest();
        tree.install();
        let shim = tree.path("clang").symlink_metadata().unwrap().ino();
        let mut compile = compile_under_way(&tree);
        let (mut restore, mut said) = start(&mut tree.rock_wrap(["restore"]));
        until_restored(&tree, shim);
        kill(pid(&restore), Signal::SIGINT).unwrap();
        // It exits with a status, not by the signal, to report that something is left to do.
        assert_eq!(restore.wait().unwrap().code(), Some(5), "{layout}");
        let mut text = String::new();
        said.read_to_string(&mut text).unwrap();
        assert!(text.contains("every original compiler is back"), "{text}");
        tree.assert_compiles(format!("{layout}, restore interrupted"));
        drop(compile.stdin.take());
        assert!(compile.wait().unwrap().success(), "{layout}");
        tree.restore();
        original.assert_same(&tree.manifest(), format!("{layout}: {text}"));
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap())
}
