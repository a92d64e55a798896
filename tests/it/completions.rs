//! `rock-wrap completions` and `rock-wrap man`, tested with the shells and formatters that read their output.

use std::path::Path;
use std::process::Command;

use clap::CommandFactory;
use rock_wrap::cli::Cli;

use crate::support::rocm::{Ran, assert_has, ran, rock_wrap, scratch};
use crate::support::skips::skip;

/// Runs `program`, or records that it is not installed.
fn ran_by(program: &str, args: &[&str]) -> Option<Ran> {
    if which::which(program).is_err() {
        skip(program, "it is not installed");
        return None;
    }
    let mut command = Command::new(program);
    let ran = ran(command.args(args).env("LC_ALL", "C.UTF-8"));
    Some(ran.ok())
}

/// Writes the script for a shell to `dir`, under the name by which this shell finds it. Returns the file's path.
fn completions(shell: &str, dir: &Path) -> String {
    let script = ran(&mut rock_wrap(["completions", shell])).ok();
    assert_eq!(script.err, "");
    let file = dir.join(if shell == "zsh" { "_rock-wrap" } else { shell });
    std::fs::write(&file, script.out).unwrap();
    file.display().to_string()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let dir = scratch();
    let file = completions("bash", dir.path());
    let completed = |words: &str| {
        let script = format!(
            r#". "{file}"; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            function=$(complete -p rock-wrap | sed 's/.*-F \([^ ]*\) .*/\1/')
            "$function" rock-wrap "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}"
            echo "${{COMPREPLY[@]}}""#
        );
        let options = ["--noprofile", "--norc", "-c", &script];
        ran_by("bash", &options).map_or_else(String::new, |ran| ran.out)
    };
    assert_eq!(completed("rock-wrap inst"), "install\n");
    assert_eq!(completed("rock-wrap run --att"), "--attach\n");
    assert_eq!(completed("rock-wrap run --attach sha"), "shadow\n");
    assert_eq!(completed("rock-wrap gu"), "\n", "a hidden command");
}

#[test]
fn fish_completes_commands_and_values() {
    let dir = scratch();
    let file = completions("fish", dir.path());
    let completed = |line: &str| {
        let script = format!("source '{file}'; complete -C '{line}'");
        ran_by("fish", &["--no-config", "-c", &script])
    };
    let Some(commands) = completed("rock-wrap inst") else {
        return;
    };
    assert_has(&commands.out, &["install\tReplace the tree"]);
    let ways = completed("rock-wrap run --attach ").unwrap();
    assert_has(&ways.out, &["auto\t", "in-place\t", "shadow\t"]);
    let hidden = completed("rock-wrap gu").unwrap();
    assert_eq!(hidden.out, "");
}

#[test]
fn zsh_finds_the_script_and_can_load_it() {
    let dir = scratch();
    let file = completions("zsh", dir.path());
    let script = "fpath=($1 $fpath); autoload -Uz compinit; compinit -u -D; \
         echo $_comps[rock-wrap]; autoload +X _rock-wrap && echo loaded";
    let place = dir.path().to_str().unwrap();
    if let Some(ran) = ran_by("zsh", &["-f", "-c", script, "zsh", place]) {
        assert_eq!(ran.out, "_rock-wrap\nloaded\n");
        assert_eq!(ran_by("zsh", &["-n", &file]).unwrap().err, "");
    }
}

#[test]
fn there_is_a_manual_page_for_every_command_and_each_is_formatted_without_a_warning() {
    let dir = scratch();
    let dir = dir.path().join("to/be/created");
    let place = dir.to_str().unwrap();
    ran(&mut rock_wrap(["man", "--output", place])).ok();
    let mut expected = vec!["rock-wrap.1".to_owned()];
    let cli = Cli::command();
    let shown = cli.get_subcommands().filter(|it| !it.is_hide_set());
    expected.extend(shown.map(|it| format!("rock-wrap-{}.1", it.get_name())));
    expected.sort();
    let entries = std::fs::read_dir(&dir).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, expected);
    let files: Vec<_> = names.iter().map(|name| format!("{place}/{name}")).collect();
    let read_by = |program, options: &[&str]| {
        let files = files.iter().map(String::as_str);
        ran_by(
            program,
            &options.iter().copied().chain(files).collect::<Vec<_>>(),
        )
    };
    if let Some(groff) = read_by("groff", &["-ww", "-man", "-Tutf8"]) {
        assert_eq!(groff.err, "");
        assert_has(
            &groff.out,
            &[
                "ROCK_WRAP_BASE_DIR",
                "wrong usage",
                "rock-wrap doctor --json",
            ],
        );
    }
    // Only one message is allowed: the pages have no date, so that they are reproducible.
    if which::which("mandoc").is_err() {
        skip("mandoc", "it is not installed");
        return;
    }
    for file in &files {
        let lint = ran(Command::new("mandoc").args(["-T", "lint", "-W", "warning", file]));
        let mut messages = lint
            .out
            .lines()
            .filter(|line| !line.contains("missing date"));
        assert_eq!(messages.next(), None, "{}", lint.out);
    }
}

#[test]
fn the_manual_page_is_printed_if_no_directory_is_named() {
    let page = ran(&mut rock_wrap(["man"])).ok().out;
    assert_has(&page, &[".TH rock-wrap 1", "rock\\-wrap\\-install(1)"]);
    let blocked = ran(&mut rock_wrap(["man", "--output", "/dev/null/man"])).refused(4);
    assert_has(&blocked, &["cannot write /dev/null/man"]);
}
