//! The compiler's messages, as the server returns them.

use super::{Site, said, warnings};
use crate::support::launchers::Asked;
use crate::support::run;
use crate::support::terminal::Terminal;
use std::fs::{self};
use std::io::Read as _;
use std::process::{Command, Stdio};

#[test]
fn messages_and_status_are_the_compilers() {
    let site = Site::new();
    fs::remove_file(&site.client).unwrap();
    // One message, more messages than any pipe or socket holds at once, and an error.
    for source in [warnings(1), warnings(2000), "int one\n".to_owned()] {
        let bare = said(&run(&mut site.compile(&source, false)));
        assert!(!bare.2.is_empty());
        for _ in 0..2 {
            let through = said(&run(&mut site.compile(&source, true)));
            assert!(through == bare, "{} bytes of source", source.len());
        }
    }
    assert_eq!(site.cache.asked().hits, 2);
}

/// What a command prints to a terminal.
fn shown(mut compile: Command) -> Vec<u8> {
    let mut terminal = Terminal::new();
    compile
        .stdout(Stdio::null())
        .stderr(terminal.theirs)
        .status()
        .unwrap();
    // After this nobody holds the command's end of the terminal, so reading our end ends with an error.
    drop(compile);
    let mut text = Vec::new();
    let _ = terminal.ours.read_to_end(&mut text);
    text
}

#[test]
fn on_a_terminal_and_in_a_log_messages_have_the_colours_that_clang_gives_them() {
    let mut count = 0;
    for by_client in [false, true] {
        let site = Site::new();
        if by_client {
            let body = format!("exec {} \"$@\"", site.client.display());
            let script = site.rocm.script("script/sccache", &body);
            site.rocm.wrap(&script);
        }
        for (options, variables) in [
            (&[][..], &[("TERM", "xterm")][..]),
            (&[], &[("TERM", "dumb")]),
            (&["-fcolor-diagnostics"], &[("TERM", "xterm")]),
            (&["-fcolor-diagnostics"], &[("TERM", "dumb")]),
            (&["-fno-color-diagnostics"], &[("TERM", "xterm")]),
            (&["-fdiagnostics-color=auto"], &[("TERM", "xterm")]),
            (&["-fdiagnostics-color=always"], &[("TERM", "xterm")]),
            (&["-fdiagnostics-color=never"], &[("TERM", "xterm")]),
            (&[], &[("TERM", "xterm"), ("NO_COLOR", "1")]),
        ] {
            if by_client && (options.len(), variables) != (0, &[("TERM", "xterm")][..]) {
                continue;
            }
            for terminal_first in [false, true] {
                count += 1;
                let messages = |through: bool, terminal: bool| {
                    let mut compile = site.compile(&warnings(count), through);
                    compile.args(options).envs(variables.iter().copied());
                    let text = match terminal {
                        true => shown(compile),
                        false => run(&mut compile).stderr,
                    };
                    String::from_utf8(text).unwrap()
                };
                let before = site.cache.asked();
                for terminal in [terminal_first, !terminal_first, terminal_first] {
                    let bare = messages(false, terminal);
                    let case = format!("{options:?} {variables:?} terminal: {terminal}");
                    assert!(bare.contains("warning: "), "{case}");
                    assert_eq!(messages(true, terminal), bare, "{case}");
                }
                let after = site.cache.asked();
                let asked = (after.hits - before.hits, after.misses - before.misses);
                assert_eq!(asked, (2, 1), "{options:?}");
            }
        }
    }
}

#[test]
fn by_itself_sccache_has_no_colours_for_a_terminal() {
    let site = Site::new();
    let through = site.compile(&warnings(1), true);
    let shim = through.get_program().to_owned().into_string().unwrap();
    let mut client = Command::new(&site.client);
    client.arg(shim + ".7625").args(through.get_args());
    client.envs(site.cache.env()).env("TERM", "xterm");
    client.current_dir(site.rocm.beside("."));
    let by_client = shown(client);
    assert!(!by_client.is_empty());
    assert!(!by_client.contains(&0x1b));
    assert!(shown(site.compile(&warnings(1), false)).contains(&0x1b));
}

/// sccache's server can send at most 8 MiB at once.
#[test]
fn messages_that_are_too_long_for_the_server_are_the_compilers() {
    let site = Site::new();
    // Long messages about short lines, because clang takes a minute to colour that many long lines.
    let declared = format!(
        "__attribute__((deprecated(\"{}\"))) extern int old;\n",
        "long ".repeat(2000)
    );
    let uses = (0..900).map(|number| format!("int f{number}(void) {{ return old; }}\n"));
    let source = declared + &uses.collect::<String>();
    let bare = said(&run(&mut site.compile(&source, false)));
    assert!(
        bare.0 == Some(0) && bare.2.len() > 8 << 20,
        "{} bytes",
        bare.2.len()
    );
    for asked in [Asked::new(0, 1), Asked::new(1, 1)] {
        let through = said(&run(&mut site.compile(&source, true)));
        assert!(through.0 == bare.0 && through.1 == bare.1);
        assert_eq!(through.2.len(), bare.2.len());
        assert!(through.2 == bare.2);
        assert!(!site.object().is_empty());
        assert_eq!(site.cache.asked(), asked);
    }
    let compile = site.compile(&source, true);
    let mut client = Command::new(&site.client);
    client
        .arg(site.rocm.bin().join("clang.7625"))
        .args(compile.get_args());
    client
        .envs(site.cache.env())
        .current_dir(site.rocm.beside("."));
    let alone = said(&run(&mut client));
    assert!(alone.2.contains("shut down unexpectedly"), "the control");
}
