//! Injects faults into chosen system calls of the real binary, with strace.
//!
//! The calls are not listed here. An undisturbed run is traced, and every call that names the tree, by path or by
//! descriptor, is a point at which a fault can be injected. Only the main thread is traced, because only it changes
//! the tree; `other_threads_change_nothing` checks that.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use super::tree::{Action, Tree, clean};

/// One call of a run.
#[derive(Clone, Debug)]
pub struct Point {
    pub syscall: String,
    /// The number of this call among the calls of the same name, from 1.
    pub when: usize,
    /// Whether the call changes something or flushes changes to disk.
    pub changes: bool,
    /// The call as strace wrote it.
    pub text: String,
}

/// Which way of keeping an original the file system allows; see `install::apply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    Exchange,
    Link,
}

impl Rung {
    pub const ALL: [Self; 2] = [Self::Exchange, Self::Link];

    fn faults(self) -> &'static [&'static str] {
        match self {
            Self::Exchange => &[],
            Self::Link => &["renameat2:error=EINVAL"],
        }
    }
}

/// Calls that change a file, a name or what is on disk.
const CHANGING: [&str; 24] = [
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "fchmod",
    "fchmodat",
    "chmod",
    "fchown",
    "fchownat",
    "chown",
    "utimensat",
    "write",
    "pwrite64",
    "ftruncate",
    "copy_file_range",
    "mkdirat",
];

/// Prepares the tree, runs `action`, and returns the calls that touch the tree. The tree stays as `action` leaves it.
pub fn points(tree: &Tree, action: Action, rung: Rung) -> Vec<Point> {
    tree.prepare(action);
    points_of(tree, &tree.command(action), rung)
}

/// Runs `command` on the tree in its present state and returns the calls that touch the tree.
pub fn points_of(tree: &Tree, command: &Command, rung: Rung) -> Vec<Point> {
    let log = tree.outside("trace");
    let mut strace = clean("strace");
    strace.args(["-qq", "-y", "-s", "32", "-o"]).arg(&log);
    for fault in rung.faults() {
        strace.arg("-e").arg(format!("inject={fault}"));
    }
    super::tree::ok(append(&mut strace, command));
    let log = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
    let root = tree.root().to_str().unwrap();
    let mut seen = BTreeMap::<&str, usize>::new();
    let mut found = Vec::<Point>::new();
    let mut last = "";
    for line in log.lines() {
        let Some((name, rest)) = line.split_once('(') else {
            continue;
        };
        let when = *seen.entry(name).and_modify(|when| *when += 1).or_insert(1);
        let before = std::mem::replace(&mut last, name);
        // Only the first of several consecutive reads is a point.
        let again = name == "read" && before == "read";
        let output = name == "write" && (rest.starts_with("1<") || rest.starts_with("2<"));
        let end = name == "exit_group";
        let touches = end || line.contains(root) && name != "execve" && !output && !again;
        let failing = |fault: &&str| fault.split(':').next() == Some(name);
        if touches && !rung.faults().iter().any(failing) {
            found.push(Point {
                syscall: name.to_owned(),
                when,
                changes: CHANGING.contains(&name)
                    || name.starts_with("open") && rest.contains("O_CREAT"),
                text: line.to_owned(),
            });
        }
    }
    assert!(
        found.iter().filter(|point| point.changes).count() > 4,
        "{log}"
    );
    found
}

/// Runs `action` as if the file system could neither exchange names nor make hard links.
pub fn run_with_neither(tree: &Tree, action: Action) -> Output {
    let mut strace = clean("strace");
    strace.args(["-qq", "-e", "trace=renameat2,linkat", "-o"]);
    strace.arg(tree.outside("trace"));
    for fault in ["renameat2:error=EINVAL", "linkat:error=EPERM"] {
        strace.arg("-e").arg(format!("inject={fault}"));
    }
    append(&mut strace, &tree.command(action)).output().unwrap()
}

/// Runs `action` on the tree in its present state, with `fault` (`signal=KILL`, `error=EIO`) at `point`. Also returns
/// whether the point was reached.
pub fn run(tree: &Tree, action: Action, rung: Rung, point: &Point, fault: &str) -> (Output, bool) {
    run_command(tree, &tree.command(action), rung, point, fault)
}

/// Like [`run`], for any command.
pub fn run_command(
    tree: &Tree,
    command: &Command,
    rung: Rung,
    point: &Point,
    fault: &str,
) -> (Output, bool) {
    let log = tree.outside("trace");
    let mut strace = clean("strace");
    strace.args(["-qq", "-o"]).arg(&log);
    let mut traced = vec![point.syscall.as_str()];
    for fault in rung.faults() {
        strace.arg("-e").arg(format!("inject={fault}"));
        traced.extend(fault.split(':').next());
    }
    strace
        .arg("-e")
        .arg(format!("trace={}", traced.join(",")))
        .arg("-e")
        .arg(format!(
            "inject={}:{fault}:when={}",
            point.syscall, point.when
        ));
    let output = append(&mut strace, command).output().unwrap();
    let log = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
    let calls = log
        .lines()
        .filter(|line| line.starts_with(&format!("{}(", point.syscall)));
    (output, calls.count() >= point.when)
}

fn append<'a>(strace: &'a mut Command, command: &Command) -> &'a mut Command {
    strace.arg(command.get_program()).args(command.get_args())
}

#[test]
fn other_threads_change_nothing() {
    use crate::support::tree::Layout;
    let tree = Tree::fake(Layout::Regular);
    for action in [Action::Install, Action::Restore] {
        let log = tree.outside("trace");
        let mut strace = clean("strace");
        strace.args(["-ff", "-qq", "-y", "-o"]).arg(&log);
        super::tree::ok(append(&mut strace, &tree.command(action)));
        // strace has written one file for each thread and process.
        let mut changing = 0;
        for entry in tree.outside("").read_dir().unwrap() {
            let path = entry.unwrap().path();
            if !path
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("trace.")
            {
                continue;
            }
            let log = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            std::fs::remove_file(&path).unwrap();
            let changes = log.lines().any(|line| {
                let name = line.split('(').next().unwrap_or_default();
                (CHANGING.contains(&name) || line.contains("O_CREAT"))
                    && line.contains(tree.root().to_str().unwrap())
                    && !line.starts_with("write(1<")
                    && !line.starts_with("write(2<")
            });
            changing += usize::from(changes);
        }
        assert_eq!(changing, 1, "{action}");
    }
}
