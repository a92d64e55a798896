//! A build at a terminal.

use super::{comes_back, is_shim, run};
use crate::support::rocm::Rocm;
use crate::support::terminal::Terminal;
use nix::pty::PtyMaster;
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};

/// Starts `command` as the first process of a new terminal, in the foreground. Returns this side of the terminal.
fn at_terminal(command: &mut Command) -> (PtyMaster, Child) {
    let Terminal { ours, theirs } = Terminal::new();
    // bash finds its terminal through standard error.
    command.stderr(Stdio::from(theirs.try_clone().unwrap()));
    command.stdin(Stdio::from(theirs)).stdout(Stdio::piped());
    // SAFETY: the closure only makes two system calls.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            rustix::process::ioctl_tiocsctty(std::io::stdin())?;
            Ok(())
        });
    }
    let child = command.spawn().unwrap();
    // Closes this process's copies of the other side, so that the terminal hangs up when its last process ends.
    command.stdin(Stdio::null()).stderr(Stdio::null());
    (ours, child)
}

fn press(terminal: &mut PtyMaster, key: u8) {
    terminal.write_all(&[key]).unwrap();
}

const CTRL_C: u8 = 3;

const CTRL_Z: u8 = 26;

#[test]
fn control_c_ends_the_build_and_the_tree_comes_back() {
    let rocm = Rocm::small();
    comes_back(&rocm, || {
        let mut build = run(&rocm, "echo ready; exec cat");
        let (mut terminal, mut child) = at_terminal(&mut build);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        press(&mut terminal, CTRL_C);
        assert_eq!(child.wait().unwrap().signal(), Some(2));
    });
}

#[test]
fn a_build_can_read_from_the_terminal() {
    let rocm = Rocm::small();
    comes_back(&rocm, || {
        let mut build = run(&rocm, "echo ready; read line; echo \"got $line\"");
        let (mut terminal, mut child) = at_terminal(&mut build);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        terminal.write_all(b"word\n").unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "got word");
        assert!(child.wait().unwrap().success());
    });
}

#[test]
fn a_build_with_redirected_output_shows_its_progress_on_the_terminal_and_not_in_the_log() {
    let rocm = Rocm::small();
    // The build waits for input, so that the progress line appears however slow the machine is.
    let build = run(&rocm, "echo output; echo errors >&2; read line");
    let log = rocm.beside("log");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", r#"log=$1; shift; "$@" >"$log" 2>&1"#, "sh"])
        .arg(&log);
    shell
        .arg(build.get_program())
        .args(build.get_args())
        .env_clear();
    shell.envs(
        build
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    shell.current_dir(rocm.beside(""));
    let (mut terminal, mut child) = at_terminal(&mut shell);
    let mut shown = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&shown).contains(" running") {
        std::io::Read::read_exact(&mut terminal, &mut byte).unwrap();
        shown.extend(byte);
    }
    terminal.write_all(b"\n").unwrap();
    assert!(child.wait().unwrap().success());
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("rock-wrap: "), "{shown:?}");
    assert!(
        !shown.contains("output") && !shown.contains("errors"),
        "{shown:?}"
    );
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(
        log.contains("output\n") && log.contains("errors\n"),
        "{log}"
    );
    assert!(!log.contains("running") && !log.contains('\r'), "{log}");
}

#[test]
fn control_z_stops_the_build_and_fg_continues_it() {
    let rocm = Rocm::small();
    comes_back(&rocm, || {
        let build = run(&rocm, "echo ready; read line; echo \"got $line\"; exit 3");
        let mut words = vec![build.get_program().to_owned()];
        words.extend(build.get_args().map(ToOwned::to_owned));
        let mut shell = Command::new("bash");
        shell
            .args([
                "-c",
                r#"set -m; "$@"; echo "stopped $?"; fg >&2; echo "ended $?""#,
                "bash",
            ])
            .args(words)
            .env_clear()
            .envs(
                build
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        let (mut terminal, mut child) = at_terminal(&mut shell);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap().unwrap();
        assert_eq!(line(), "ready");
        press(&mut terminal, CTRL_Z);
        assert_eq!(line(), format!("stopped {}", 128 + Signal::SIGTSTP as i32));
        assert!(
            is_shim(&rocm.bin().join("clang++")),
            "the build has not ended"
        );
        terminal.write_all(b"word\n").unwrap();
        assert_eq!(line(), "got word");
        assert_eq!(line(), "ended 3");
        assert!(child.wait().unwrap().success());
    });
}
