//! The compiler's messages, as the server returns them.

use super::{Site, said, warnings};
use crate::support::run;
use crate::support::terminal::Terminal;
use std::fs::{self};
use std::io::Read as _;
use std::process::{Command, Stdio};

#[test]
fn messages_and_status_are_the_compilers() {
    let site = Site::new();
    fs::remove_file(&site.client).unwrap();
    // More than any pipe or socket holds at once, and a source that has an error.
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

/// What is shown on a terminal, of which the other end is read to its end.
fn shown(mut compile: Command) -> Vec<u8> {
    let mut terminal = Terminal::new();
    compile
        .stdout(Stdio::null())
        .stderr(terminal.theirs)
        .status()
        .unwrap();
    // Their end was the command's, which is gone: ours ends with an error.
    drop(compile);
    let mut text = Vec::new();
    let _ = terminal.ours.read_to_end(&mut text);
    text
}

#[test]
fn on_a_terminal_messages_are_those_of_the_client() {
    let site = Site::new();
    for (options, term) in [
        (&[][..], "xterm"),
        (&["-fcolor-diagnostics"], "xterm"),
        (&["-fcolor-diagnostics"], "dumb"),
        (&["-fno-color-diagnostics"], "xterm"),
    ] {
        let mut through = site.compile(&warnings(2), true);
        through.args(options).env("TERM", term);
        let shim = through.get_program().to_owned();
        let mut client = Command::new(&site.client);
        client
            .arg(shim.into_string().unwrap() + ".7625")
            .args(through.get_args())
            .envs(site.cache.env())
            .env("TERM", term)
            .current_dir(site.rocm.beside("."));
        let by_client = shown(client);
        assert!(!by_client.is_empty());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(
            text(&shown(through)),
            text(&by_client),
            "{options:?} {term}"
        );
    }
}
