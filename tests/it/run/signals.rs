//! Signals that are sent to rock-wrap.

use super::{comes_back, is_shim, run};
use crate::support::rocm::{Rocm, assert_has};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running build that has printed `ready`.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts `command` and waits until the build prints `ready`.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut running = Self { child, lines };
        assert_eq!(running.line(), "ready");
        running
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("another line").unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }
}

#[test]
fn a_signal_to_rock_wrap_ends_the_build_and_then_rock_wrap() {
    let rocm = Rocm::small();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        comes_back(&rocm, || {
            // The build waits for input that never comes.
            let mut build = run(&rocm, "echo ready; exec cat");
            let mut running = Running::start(build.stdin(Stdio::piped()));
            let _open = running.stdin();
            assert!(
                is_shim(&rocm.bin().join("clang++")),
                "not wrapped during the build"
            );
            running.signal(signal);
            let status = running.child.wait().unwrap();
            assert_eq!(status.signal(), Some(signal as i32), "{status}");
        });
    }
}

/// Makes a shell with a trap wait for input that never comes. The program that it waits for prints `ready` itself:
/// before that program has started, its process still has the shell's trap and would lose the signal.
const WAIT: &str = "exec 3<&0; sh -c 'echo ready; exec cat' <&3 & wait";

#[test]
fn a_build_that_handles_the_signal_decides_how_it_ends() {
    let rocm = Rocm::small();
    comes_back(&rocm, || {
        let build = format!("trap 'echo cleaned up; exit 3' TERM; {WAIT}");
        let mut running = Running::start(run(&rocm, &build).stdin(Stdio::piped()));
        let _open = running.stdin();
        running.signal(Signal::SIGTERM);
        assert_eq!(running.line(), "cleaned up");
        assert_eq!(running.child.wait().unwrap().code(), Some(3));
    });
}

#[test]
fn every_process_of_the_build_gets_the_signal() {
    let rocm = Rocm::small();
    comes_back(&rocm, || {
        let build = format!("trap : TERM; (trap 'echo child; exit' TERM; {WAIT}); exit 4");
        let mut running = Running::start(run(&rocm, &build).stdin(Stdio::piped()));
        let _open = running.stdin();
        running.signal(Signal::SIGTERM);
        assert_eq!(running.line(), "child");
        assert_eq!(running.child.wait().unwrap().code(), Some(4));
    });
}

#[test]
fn a_signal_while_the_tree_is_put_back_does_not_keep_it_wrapped() {
    let rocm = Rocm::small();
    comes_back(&rocm, || {
        let mut build = run(&rocm, "echo ready; cat; exit 3");
        build.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running::start(&mut build);
        let mut notes = BufReader::new(running.child.stderr.take().unwrap()).lines();
        // The test holds the tree's lock when the build ends, so that rock-wrap has to wait.
        let held = File::open(rocm.bin()).unwrap();
        held.lock().unwrap();
        drop(running.stdin());
        let waits = |line: &std::io::Result<String>| line.as_ref().unwrap().contains("waiting");
        assert!(notes.any(|line| waits(&line)));
        running.signal(Signal::SIGINT);
        running.signal(Signal::SIGTERM);
        held.unlock().unwrap();
        for note in notes {
            drop(note.unwrap());
        }
        assert_eq!(running.child.wait().unwrap().code(), Some(3));
    });
}

#[test]
fn a_signal_before_the_build_ends_rock_wrap_and_starts_nothing() {
    let rocm = Rocm::small();
    let held = File::open(rocm.bin()).unwrap();
    held.lock().unwrap();
    let mut build = run(&rocm, "touch built");
    let mut child = build.stderr(Stdio::piped()).spawn().unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_has(&notes.next().unwrap().unwrap(), &["waiting"]);
    rocm.untouched(|_| {
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(15));
    });
    assert!(!rocm.beside("built").exists());
}
