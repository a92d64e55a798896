//! An install or a restore that fails while a build session has the tree wrapped. The session must
//! still restore the tree when it ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::inject::{self, Point, Rung};
use super::tree::{Action, Tree, clean, ok, stderr};
use super::{full, report};
use crate::support::processes::guard_of;
use crate::support::tree::Layout;

/// `rock-wrap run --attach in-place --launcher LAUNCHER -- sh -c BUILD`.
fn session(tree: &Tree, launcher: &str, build: &str) -> Command {
    let mut run = clean(env!("CARGO_BIN_EXE_rock-wrap"));
    run.args(["run", "--attach", "in-place", "--no-host", "--rocm-path"])
        .arg(tree.root())
        .arg("--launcher")
        .arg(tree.outside(launcher))
        .args(["--", "sh", "-c", build]);
    run
}

/// A session whose build waits for a line.
struct Running(Child);

impl Running {
    fn start(tree: &Tree) -> Self {
        let mut run = session(tree, "one", "echo ready; read line")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(run.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(run)
    }

    fn finish(mut self) {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(self.0.wait().unwrap().success());
    }

    /// Kills the session and its guard, so that nobody restores the tree.
    fn abandon(mut self) {
        let run = Pid::from_raw(self.0.id().cast_signed());
        kill(guard_of(run), Signal::SIGKILL).unwrap();
        kill(run, Signal::SIGKILL).unwrap();
        // Closes the build's input too, which ends it.
        self.0.wait().unwrap();
    }
}

/// The points at which `command` changes the tree; every third in the quick form.
fn changes(tree: &Tree, command: &Command) -> Vec<Point> {
    let points = inject::points_of(tree, command, Rung::Exchange);
    let changes = points.into_iter().filter(|point| point.changes);
    let step = if full() { 1 } else { 3 };
    changes.step_by(step).collect()
}

#[test]
fn a_session_restores_after_an_install_or_a_restore_that_failed_while_it_ran() {
    for action in [Action::Switch, Action::Restore] {
        let tree = Tree::fake(Layout::Symlink);
        let original = tree.manifest();
        let running = Running::start(&tree);
        let command = tree.command(action);
        let points = changes(&tree, &command);
        running.finish();
        tree.restore();
        let (mut failed, mut errors) = (0, 0);
        for (point, fault) in points.iter().flat_map(|point| {
            let faults = ["error=EIO", "signal=INT"];
            faults.map(|fault| (point, fault))
        }) {
            let running = Running::start(&tree);
            let (output, _) = inject::run_command(&tree, &command, Rung::Exchange, point, fault);
            let said = stderr(&output);
            let what = format!(
                "{action}, {fault} for {}: {}{said}",
                point.text, output.status
            );
            tree.assert_compiles(&what);
            let as_before = said.contains("the tree is as it was before");
            failed += usize::from(as_before);
            // A signal may come too late to stop anything; an error does not.
            errors += usize::from(as_before && fault != "signal=INT");
            running.finish();
            let wanted = match output.status.code() {
                Some(0) if action == Action::Switch => "wrapped",
                // The command says that `rock-wrap restore` has to clean up what it left.
                Some(5) => "",
                _ => "original",
            };
            if wanted == "original" {
                original.assert_same(&tree.manifest(), &what);
            } else if !wanted.is_empty() {
                assert_eq!(tree.state(), wanted, "{what}");
            }
            tree.restore();
            original.assert_same(&tree.manifest(), &what);
        }
        assert!(errors > 3, "{action}: {errors} of {failed}");
        report!(
            "sessions: {action}: {failed} failed, {errors} by errors, and left everything as it was"
        );
    }
}

#[test]
fn an_abandoned_session_is_cleaned_up_even_after_another_session_failed_to_take_it_over() {
    let tree = Tree::fake(Layout::Symlink);
    let original = tree.manifest();
    // The launcher differs, so the session has to replace the shims.
    let command = session(&tree, "two", "true");
    let abandon = || Running::start(&tree).abandon();
    abandon();
    let points = changes(&tree, &command);
    original.assert_same(&tree.manifest(), "taken over and restored");
    let mut failed = 0;
    for point in &points {
        abandon();
        let (output, _) = inject::run_command(&tree, &command, Rung::Exchange, point, "error=EIO");
        let said = stderr(&output);
        let what = format!("EIO for {}: {}{said}", point.text, output.status);
        failed += usize::from(!output.status.success());
        ok(&mut session(&tree, "one", "true"));
        original.assert_same(&tree.manifest(), &what);
    }
    assert!(failed > 0);
}
