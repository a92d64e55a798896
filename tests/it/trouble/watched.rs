//! A launcher that the shim waits for.

use super::SOURCE;
use crate::support::{FakeTree, Told, run, stderr};
use nix::sys::ptrace;
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rock_wrap::shared::shim_config::Config;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A tree whose compiler and launcher are witnesses.
fn watched(launcher: &str) -> (FakeTree, PathBuf) {
    let fake = FakeTree::new(&Config {
        fingerprint: b"a compiler",
        ..Config::default()
    });
    std::fs::write(fake.path("a.cpp"), SOURCE).unwrap();
    let launcher = fake.launcher(launcher);
    (fake, launcher)
}

#[test]
fn a_watched_launcher_has_the_callers_blocked_and_ignored_signals() {
    for name in ["sccache", "ccache"] {
        let (fake, launcher) = watched(name);
        let shim = fake.path("bin/clang++");
        let told = |program: &Path| {
            let mut call = Command::new("env");
            call.args(["--block-signal=USR1,TERM", "--ignore-signal=CHLD,HUP"])
                .arg(program)
                .args(["-c", "a.cpp", "-o", "a.o"])
                .env("HIP_CLANG_LAUNCHER", &launcher)
                .env("WITNESS_FILE", fake.path("told"))
                .stdin(Stdio::null())
                .current_dir(fake.path("."));
            let output = run(&mut call);
            assert!(output.status.success(), "{}", stderr(&output));
            let all = Told::all(&std::fs::read(fake.path("told")).unwrap());
            std::fs::remove_file(fake.path("told")).unwrap();
            let rest = all.into_iter().next().unwrap().rest;
            rest.into_iter()
                .filter(|line| line.starts_with("Sig"))
                .collect::<Vec<_>>()
        };
        let bare = told(&launcher);
        assert_eq!(bare.len(), 2);
        assert_eq!(told(&shim), bare, "{name}");
    }
}

#[test]
fn a_watched_launcher_passes_on_the_compilers_status_or_signal() {
    for name in ["sccache", "ccache"] {
        let (fake, launcher) = watched(name);
        let end = |act: &str| {
            let mut call = fake.call(["-c", "a.cpp", "-o", "a.o"]);
            call.env("HIP_CLANG_LAUNCHER", &launcher)
                .env("WITNESS_DO", act);
            run(&mut call).status
        };
        assert_eq!(end("exit 0").code(), Some(0));
        assert_eq!(end("exit 77").code(), Some(77));
        assert_eq!(end("kill 15").signal(), Some(15));
        assert_eq!(end("kill 9").signal(), Some(9));
    }
}

/// A launcher that prints a line when it gets SIGTERM or SIGINT.
const ASKED: &str = "#!/bin/sh
trap 'echo asked >&2; exit 7' TERM INT
echo ready >&2
read -r line
";

#[test]
fn a_signal_to_the_shim_alone_reaches_the_launcher() {
    for (name, sent, status) in [
        ("sccache", Signal::SIGTERM, Some(7)),
        ("ccache", Signal::SIGINT, Some(7)),
        // The shim cannot pass SIGKILL on. The kernel sends SIGTERM to the launcher when the shim dies.
        ("ccache", Signal::SIGKILL, None),
    ] {
        let (fake, _) = watched("unused");
        let launcher = fake.program(name, ASKED.as_bytes());
        let mut call = fake.call(["-c", "a.cpp", "-o", "a.o"]);
        call.env("HIP_CLANG_LAUNCHER", &launcher)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped());
        // SAFETY: sigaction(2) may be called between fork and exec. A shell cannot trap a signal that was ignored when
        // it was started, and SIGINT is ignored if a script runs the tests in the background.
        unsafe { call.pre_exec(|| Ok(signal(Signal::SIGINT, SigHandler::SigDfl).map(drop)?)) };
        let mut shim = call.spawn().unwrap();
        let _held = shim.stdin.take();
        let mut said = BufReader::new(shim.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        kill(Pid::from_raw(shim.id().try_into().unwrap()), sent).unwrap();
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "asked\n", "{name} {sent}");
        assert_eq!(shim.wait().unwrap().code(), status);
    }
}

#[test]
fn a_shim_that_is_killed_before_its_launcher_runs_starts_no_launcher() {
    let (fake, _) = watched("unused");
    let launcher = fake.program("ccache", b"#!/bin/sh\necho the launcher runs >&2\n");
    let mut call = fake.call(["-c", "a.cpp", "-o", "a.o"]);
    call.env("HIP_CLANG_LAUNCHER", &launcher)
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    // SAFETY: ptrace(2) may be called between fork and exec. The tracer is this thread.
    unsafe { call.pre_exec(|| Ok(ptrace::traceme()?)) };
    let mut shim = call.spawn().unwrap();
    let pid = Pid::from_raw(shim.id().cast_signed());
    // It stops when it executes the shim, and then when it starts a process, which stops before its first instruction.
    assert!(matches!(
        waitpid(pid, None).unwrap(),
        WaitStatus::Stopped(..)
    ));
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACEVFORK).unwrap();
    ptrace::cont(pid, None).unwrap();
    let started = waitpid(pid, None).unwrap();
    assert!(
        matches!(started, WaitStatus::PtraceEvent(..)),
        "{started:?}"
    );
    let child = Pid::from_raw(ptrace::getevent(pid).unwrap().try_into().unwrap());
    waitpid(child, Some(WaitPidFlag::__WALL)).unwrap();
    kill(pid, Signal::SIGKILL).unwrap();
    assert_eq!(shim.wait().unwrap().signal(), Some(Signal::SIGKILL as i32));
    ptrace::detach(child, None).unwrap();
    let mut said = String::new();
    let stderr = shim.stderr.as_mut().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}
