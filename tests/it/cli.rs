//! What all commands have in common: help, version, colours, the log, and closed output.

use crate::support::tree::Layout;
use std::process::{Command, Stdio};

use crate::support::launchers::{ccache, sccache};
use crate::support::rocm::{Rocm, assert_has, ran, rock_wrap};

const COMMANDS: [&str; 14] = [
    "install",
    "restore",
    "status",
    "doctor",
    "explain",
    "fingerprint",
    "run",
    "completions",
    "man",
    "cache-key",
    "env",
    "manifest",
    "report",
    "why",
];

const ESCAPE: char = '\u{1b}';

#[test]
fn help_of_every_command_has_examples() {
    for command in COMMANDS {
        for option in ["-h", "--help"] {
            let help = ran(&mut rock_wrap([command, option])).ok();
            let usage = format!("Usage: rock-wrap {command}");
            let example = format!("  rock-wrap {command} ");
            assert_has(&help.out, &[&usage, "Examples:\n", &example]);
            assert_eq!(help.err, "");
        }
        let same = ran(&mut rock_wrap(["help", command])).ok();
        assert_has(&same.out, &["Examples:\n"]);
    }
}

#[test]
fn the_long_help_lists_every_command_and_the_exit_codes() {
    let help = ran(&mut rock_wrap(["--help"])).ok().out;
    assert_has(&help, &["Exit status:"]);
    for code in ["0", "1", "2", "3", "4", "5", "126", "127"] {
        assert_has(&help, &[&format!("\n  {code} ")]);
    }
    for command in COMMANDS {
        assert_has(&help, &[&format!("\n  {command} ")]);
    }
}

#[test]
fn the_version_is_the_packages() {
    let version = ran(&mut rock_wrap(["--version"])).ok();
    assert_eq!(
        version.out,
        concat!("rock-wrap ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn without_a_command_the_help_is_shown_as_wrong_usage() {
    let none = ran(&mut rock_wrap([""; 0]));
    assert_eq!(none.status.code(), Some(2));
    assert_eq!(none.out, "");
    assert_has(&none.err, &["Usage: rock-wrap"]);
}

#[test]
fn the_message_about_a_wrong_command_line_names_what_is_wrong() {
    for (words, wrong) in [
        (&["install", "--no-such-option"][..], "--no-such-option"),
        (&["no-such-command"], "no-such-command"),
        (&["install", "extra"], "extra"),
        (&["install", "--rocm-path"], "--rocm-path"),
        (&["status", "--color", "pink"], "pink"),
        (&["run"], "<CMD>"),
        (&["run", "--"], "<CMD>"),
        (&["run", "make"], "make"),
        (&["explain"], "<CALL>"),
        (&["explain", "--"], "<CALL>"),
    ] {
        let message = ran(&mut rock_wrap(words)).refused(2);
        assert_has(&message, &[wrong, "--help"]);
    }
}

#[test]
fn colours_are_used_on_terminals_and_on_request() {
    let coloured = |options: &[&str], env: &[(&str, &str)]| {
        let mut command = rock_wrap(options);
        command.args(["status", "--rocm-path", "/nonexistent"]);
        let ran = ran(command.envs(env.iter().copied()));
        assert_eq!(ran.status.code(), Some(4));
        ran.err.contains(ESCAPE)
    };
    assert!(!coloured(&[], &[]), "no terminal");
    assert!(coloured(&["--color", "always"], &[]));
    assert!(
        coloured(&["--color", "always"], &[("NO_COLOR", "1")]),
        "the option wins"
    );
    assert!(!coloured(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
    assert!(coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(
        &[],
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]
    ));
}

#[test]
fn the_log_goes_to_standard_error_and_only_on_request() {
    for (options, env, logs) in [
        (&[][..], "", false),
        (&["-v"], "", true),
        (&["-vv"], "", true),
        (&[], "debug", true),
        (&[], "error", false),
    ] {
        let rocm = Rocm::small();
        let mut install = rocm.rock_wrap("install");
        if !env.is_empty() {
            install.env("RUST_LOG", env);
        }
        let ran = ran(install.args(options)).ok();
        assert_eq!(
            ran.err.contains("DEBUG"),
            logs,
            "{options:?} {env}: {}",
            ran.err
        );
        assert!(!ran.out.contains("DEBUG"), "{}", ran.out);
        assert!(!ran.err.contains(ESCAPE), "no terminal: {}", ran.err);
    }
}

#[test]
fn the_log_obeys_the_colour_option() {
    let rocm = Rocm::small();
    let mut install = rocm.rock_wrap("install");
    let coloured = ran(install.args(["-v", "--color", "always"])).ok();
    assert!(coloured.err.contains(ESCAPE), "{}", coloured.err);
}

#[test]
fn closed_output_is_not_a_failure() {
    let rocm = Rocm::small();
    rocm.wrap(&ccache());
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let call = |words: &[&str], out: Stdio, err: Stdio| {
        let mut command = rock_wrap(words);
        if !words.contains(&"explain") && !words.contains(&"--help") {
            command.arg("--rocm-path").arg(&rocm.root);
        }
        let mut child = command.stdout(out).stderr(err).spawn().unwrap();
        let status = child.wait().unwrap();
        assert!(status.success(), "{words:?}: {status}");
    };
    let install = ["-vv", "install", "--launcher", sccache().to_str().unwrap()].map(String::from);
    let install = install.each_ref().map(String::as_str);
    for words in [
        &["--help"][..],
        &["status"],
        &["status", "--json"],
        &install,
        &["-vv", "restore"],
        &["explain", "--", "sh"],
    ] {
        call(words, closed(), Stdio::inherit());
        call(words, Stdio::null(), closed());
        call(words, closed(), closed());
    }
}

#[test]
fn head_can_take_the_first_line() {
    let rocm = Rocm::small();
    let script = r#"set -o pipefail; "$1" status --rocm-path "$2" | head -n 1"#;
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash", env!("CARGO_BIN_EXE_rock-wrap")]);
    let head = ran(bash.arg(&rocm.root)).ok();
    assert_has(&head.out, &["ROCm "]);
    assert_eq!(head.err, "");
}

#[test]
fn status_reports_the_state_of_a_tree() {
    let rocm = Rocm::small();
    let state = || {
        let mut status = rocm.rock_wrap("status");
        let json = rocm.untouched(|_| ran(status.arg("--json")).json());
        let text = ran(&mut rocm.rock_wrap("status")).ok();
        (
            json["state"].as_str().unwrap().to_owned(),
            text.out + &text.err,
        )
    };
    let (original, text) = state();
    assert_eq!(original, "original");
    assert_has(&text, &["clang++: not wrapped"]);
    rocm.wrap(&ccache());
    let (wrapped, text) = state();
    assert_eq!(wrapped, "wrapped");
    let launcher = format!("clang++: wrapped, launcher {} 4.14.2", ccache().display());
    assert_has(&text, &[&launcher]);
    std::fs::remove_file(rocm.bin().join("clang++")).unwrap();
    let (unfinished, text) = state();
    assert_eq!(unfinished, "unfinished");
    assert_has(
        &text,
        &[
            "clang++: missing, its original is kept",
            "rock-wrap restore",
        ],
    );
}

#[test]
fn a_fingerprint_is_one_digest_however_it_is_asked_for() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let ask = |options: &[&str]| ran(rocm.rock_wrap("fingerprint").args(options)).ok();
    let quick = || {
        let quick = ask(&["--quick"]);
        assert_eq!(quick.err, "", "ccache takes it for the compiler's identity");
        quick.out
    };
    let full = ask(&[]).out;
    assert_eq!(full.trim_end().len(), 64, "{full}");
    // The fingerprint of a tree that has just changed is not remembered.
    let remembered = || rocm.beside(".cache/rock-wrap").exists();
    assert!((0..1000).any(|_| quick() == full && remembered()));
    assert_eq!(quick(), full);
    assert_eq!(
        ask(&["--quick", "--json"]).json()["digest"],
        full.trim_end()
    );

    let linker = rocm.bin().join("lld");
    let mut content = std::fs::read(&linker).unwrap();
    content.push(0);
    std::fs::write(&linker, content).unwrap();
    let changed = quick();
    assert_ne!(changed, full);
    assert_eq!(ask(&[]).out, changed);
}
