//! The process state that the compiler inherits, and the resources that the shim itself needs.

use super::{COMPILE, told, tree};
use crate::support::{Told, run};
use rock_wrap::shared::shim_config::Config;
use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn the_compiler_finds_signals_and_descriptors_as_without_the_shim() {
    let tree = tree(&Config::default());
    // A shell sets up what the call inherits: SIGPIPE, or SIGINT and SIGQUIT, ignored; a closed standard input or
    // output; one more descriptor.
    for setup in ["", "trap '' PIPE;", "trap '' INT QUIT;"] {
        for redirect in ["", "0<&-", "7</dev/null", ">&-"] {
            let run_one = |program: &str| {
                let script = format!("{setup} exec {program} --version {redirect}");
                let output = run(Command::new("sh")
                    .args(["-c", &script])
                    .current_dir(tree.path("")));
                let mut told = Told::all(&output.stderr).remove(0);
                told.argv.clear();
                told.env.clear();
                told
            };
            let through = run_one("bin/clang++");
            let bare = run_one("bin/clang++.7625");
            assert_eq!(through.rest, bare.rest, "{setup} {redirect}");
        }
    }
}

#[test]
fn blocked_signals_stay_blocked() {
    use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
    let tree = tree(&Config::default());
    let mut command = tree.call(["--version"]);
    // SAFETY: sigprocmask is safe between fork and exec.
    unsafe {
        command.pre_exec(|| {
            let mut set = SigSet::empty();
            set.add(Signal::SIGUSR1);
            sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
            Ok(())
        });
    }
    let calls = told(&mut command);
    assert!(
        calls[0]
            .rest
            .iter()
            .any(|line| line == "SigBlk:\t0000000000000200"),
        "{calls:?}"
    );
}

#[test]
fn exit_status_and_signal_are_the_compilers() {
    let tree = tree(&Config::default());
    let exited = run(tree.call(["--version"]).env("WITNESS_DO", "exit 77"));
    assert_eq!(exited.status.code(), Some(77));
    let killed = run(tree.call(["--version"]).env("WITNESS_DO", "kill 6"));
    assert_eq!(killed.status.signal(), Some(6));
}

#[test]
fn standard_input_reaches_the_compiler() {
    let tree = tree(&Config::default());
    let input = File::open(tree.path("a.cpp")).unwrap();
    let mut call = tree.call(["-E", "-"]);
    let output = run(call.env("WITNESS_DO", "cat").stdin(Stdio::from(input)));
    assert_eq!(output.stdout, b"int a;\n");
}

#[test]
fn a_pass_through_makes_at_most_eight_system_calls_and_opens_no_file() {
    let tree = tree(&Config::default());
    let log = tree.path("strace");
    for args in [&["--version"][..], &COMPILE, &["a.cpp", "-o", "a"]] {
        let status = Command::new("strace")
            .arg("-o")
            .arg(&log)
            .arg(tree.path("bin/clang++"))
            .args(args)
            .current_dir(tree.path(""))
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let log = std::fs::read_to_string(&log).unwrap();
        let second = log.match_indices("execve(").nth(1).unwrap().0;
        let calls: Vec<_> = log[..second].lines().skip(1).collect();
        assert!(calls.len() <= 8, "{args:?}: {calls:#?}");
        assert!(
            !calls.iter().any(|call| call.starts_with("open")),
            "{args:?}: {calls:#?}"
        );
    }
}

#[test]
fn the_shim_needs_no_more_stack_than_clang() {
    let tree = tree(&Config {
        fingerprint: b"a compiler",
        ..Config::default()
    });
    let launcher = tree.launcher("ccache");
    // The smallest stack, in KiB, with which clang 15 and 19 compile an empty file.
    let script = "ulimit -s 48; exec bin/clang++ \"$@\"";
    for (launcher, words) in [(Path::new(""), 6), (&launcher, 7)] {
        let calls = told(
            Command::new("sh")
                .args(["-c", script, "sh"])
                .args(COMPILE)
                .current_dir(tree.path(""))
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .env("HIP_CLANG_LAUNCHER", launcher),
        );
        assert_eq!(calls[0].argv.len(), words, "{calls:?}");
    }
}
