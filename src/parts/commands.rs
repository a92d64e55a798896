//! The commands of a driver call, as clang prints them with `-###`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process;

use serde::{Deserialize, Serialize};

use crate::shared::paths::base_name;

/// One program that the driver runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program's path and its arguments.
    pub words: Vec<Vec<u8>>,
    /// Whether the command must print nothing, because the driver would print its messages later than they come out
    /// here.
    pub quiet: bool,
    /// Whether this is a call of the driver, which itself starts the program that does the work.
    pub by_driver: bool,
}

impl Command {
    /// The program's name.
    #[must_use]
    pub fn program(&self) -> &[u8] {
        self.words.first().map_or(b"", |path| base_name(path))
    }

    /// Whether one of the words is `word`.
    #[must_use]
    pub fn has(&self, word: &[u8]) -> bool {
        self.words.iter().any(|own| own == word)
    }

    /// The word after `option`.
    #[must_use]
    pub fn value(&self, option: &[u8]) -> Option<&[u8]> {
        let at = self.words.iter().position(|word| word == option)?;
        self.words.get(at + 1).map(Vec::as_slice)
    }

    /// The file that the command writes: the value of `-o` or, for the bundler, of `-output=`.
    #[must_use]
    pub fn output(&self) -> Option<&[u8]> {
        let joined = |word: &'_ Vec<u8>| word.strip_prefix(b"-output=").map(<[u8]>::len);
        self.value(b"-o").or_else(|| {
            let word = self.words.iter().find(|word| joined(word).is_some())?;
            word.strip_prefix(b"-output=")
        })
    }

    /// Replaces `from` by `to` in every word.
    pub fn replace(&mut self, from: &[u8], to: &[u8]) {
        for word in &mut self.words {
            if memchr::memmem::find(word, from).is_some() {
                *word = replaced(word, from, to);
            }
        }
    }

    /// The command, ready to be run.
    #[must_use]
    pub fn to_process(&self) -> process::Command {
        let mut words = self.words.iter().map(|word| OsStr::from_bytes(word));
        let mut command = process::Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }
}

/// `text` with every `from` replaced by `to`.
#[must_use]
pub fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + to.len());
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// Parses the output of `-###`: the driver's own messages, such as warnings, and the commands in the order in which the
/// driver runs them. `None` if the output contains anything else.
#[must_use]
pub fn parse(printed: &[u8]) -> Option<(Vec<u8>, Vec<Command>)> {
    let (mut messages, mut commands) = (Vec::new(), Vec::new());
    for line in printed.split(|byte| *byte == b'\n') {
        match line {
            [b' ', b'"', ..] => commands.push(Command {
                words: quoted(line)?,
                ..Command::default()
            }),
            line if is_heading(line) => {}
            // The driver prints all its messages before the first command.
            [first, ..] if *first != b' ' && commands.is_empty() => {
                messages.extend_from_slice(line);
                messages.push(b'\n');
            }
            _ => return None,
        }
    }
    Some((messages, commands))
}

/// Whether a line is one that every driver prints before the commands (clang 15 to 23).
fn is_heading(line: &[u8]) -> bool {
    const STARTS: [&[u8]; 5] = [
        b"Target: ",
        b"Thread model: ",
        b"InstalledDir: ",
        b"Configuration file: ",
        b"Build config: ",
    ];
    line.is_empty()
        || STARTS.iter().any(|start| line.starts_with(start))
        || memchr::memmem::find(line, b"clang version ").is_some_and(|at| {
            // The vendor's name precedes it.
            line[..at]
                .iter()
                .all(|byte| byte.is_ascii_alphabetic() || *byte == b' ')
        })
}

/// Splits a line into its words. Each is in quotes, inside which a backslash makes the next byte literal
/// (`Command::printArg` in clang's `Job.cpp`).
fn quoted(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    while let [b' ', b'"', inside @ ..] = rest {
        let mut word = Vec::new();
        rest = inside;
        loop {
            match rest {
                [b'"', behind @ ..] => {
                    rest = behind;
                    break;
                }
                [b'\\', byte, behind @ ..] | [byte, behind @ ..] => {
                    word.push(*byte);
                    rest = behind;
                }
                [] => return None,
            }
        }
        words.push(word);
    }
    rest.is_empty().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_the_driver_prints_them() {
        let printed = b"Debian clang version 22.1.8 (3)\nTarget: x86_64-pc-linux-gnu\nThread model: posix\n\
            InstalledDir: /opt/a b/bin\n \"/opt/a b/bin/clang-22\" \"-cc1\" \"-DX=\\\"1\\\\\" \"\" \"-o\" \"k.o\"\n";
        let (messages, commands) = parse(printed).unwrap();
        assert_eq!(messages, b"");
        let words: [&[u8]; 6] = [
            b"/opt/a b/bin/clang-22",
            b"-cc1",
            b"-DX=\"1\\",
            b"",
            b"-o",
            b"k.o",
        ];
        assert_eq!(commands[0].words, words);
        assert_eq!(commands[0].program(), b"clang-22");
        assert_eq!(commands[0].output(), Some(&b"k.o"[..]));
    }

    #[test]
    fn the_drivers_messages_are_told_from_its_commands() {
        let warned = b"clang++: warning: argument unused during compilation: '-cuid=abc'\n";
        let (messages, commands) =
            parse(&[warned, &b" \"/bin/clang\" \"-cc1\"\n"[..]].concat()).unwrap();
        assert_eq!(messages, warned);
        assert_eq!(commands.len(), 1);
    }

    #[test]
    fn what_is_not_understood_is_noticed() {
        for printed in [
            &b" \"/bin/clang\" \"-cc1\"\nclang++: warning: late\n"[..],
            b" (in-process)\n \"/bin/clang\" \"-cc1\"\n",
            b" \"/bin/clang\" \"-cc1\n",
        ] {
            assert_eq!(parse(printed), None);
        }
    }
}
