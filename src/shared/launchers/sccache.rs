//! The protocol between sccache's client and server, as far as it concerns a compile.
//!
//! Owns: the messages of the protocol, with which [a launch](super::NamedLauncher::asks_server) talks to
//! the server directly. Starting the client, a 20 MB executable that does nothing else, takes a quarter of
//! the time of a hit, and half of it under load (measured). Only the parts of the protocol that are the
//! same in 0.9.0 to 0.19.0 (`protocol.rs`) are used: 0.17 added requests and answers for a client that does
//! the server's work, and 0.19 added one for Rust, all after the existing variants. A server of any of these
//! versions accepts a compile, whatever mode its clients use. Integers are little endian, except for a
//! message's length. A list is its length (8 bytes) followed by its items. An enumeration is the number of
//! the variant (4 bytes) followed by its fields. An `OsString` is the first variant of an enumeration, with
//! a list of bytes (bincode 1).

use crate::shared::bytes::decimal;
use alloc::vec::Vec;
use core::ffi::CStr;

/// Variables that the client withholds from the server and so from the compiler (0.14 to 0.19,
/// `cmdline.rs`; the last one is newer than 0.10).
const KEPT_BACK: [&[u8]; 12] = [
    b"LD_PRELOAD",
    b"RUNNING_UNDER_RR",
    b"HOSTNAME",
    b"PWD",
    b"HOST",
    b"RPM_BUILD_ROOT",
    b"SOURCE_DATE_EPOCH",
    b"RPM_PACKAGE_RELEASE",
    b"MINICOM",
    b"DESTDIR",
    b"RPM_PACKAGE_VERSION",
    b"CARGO_MAKEFLAGS",
];

/// Where the server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// A local port.
    Port(u16),
    /// A Unix socket in the file system.
    Path(&'a [u8]),
    /// A Unix socket in Linux's abstract namespace: its name after the NUL.
    Abstract(&'a [u8]),
}

impl<'a> Address<'a> {
    /// The address that clients derive from SCCACHE_SERVER_UDS and SCCACHE_SERVER_PORT (0.9 to 0.16,
    /// `net.rs` and `commands.rs`). An empty value counts as unset.
    #[must_use]
    pub fn of(socket: Option<&'a [u8]>, port: Option<&[u8]>) -> Self {
        const DEFAULT_PORT: u16 = 4226;
        match socket.filter(|socket| !socket.is_empty()) {
            Some(socket) => match socket.strip_prefix(br"\x00") {
                Some(name) => Self::Abstract(name),
                None => Self::Path(socket),
            },
            None => {
                let port = port
                    .and_then(decimal)
                    .and_then(|port| u16::try_from(port).ok());
                Self::Port(port.unwrap_or(DEFAULT_PORT))
            }
        }
    }
}

/// Size of the header of a message: its length, big endian.
pub const HEAD: usize = 4;

/// A request for the server's statistics, which it answers at once, however busy it is.
pub const STATISTICS: [u8; 8] = [0, 0, 0, 4, 1, 0, 0, 0];

/// Whether sccache parses `value` as a switch that is on (0.17, `config.rs`).
#[must_use]
pub fn is_on(value: &[u8]) -> bool {
    let words: [&[u8]; 3] = [b"true", b"on", b"1"];
    words.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// A compile request.
pub fn request<'a>(
    compiler: &[u8],
    directory: &[u8],
    arguments: impl ExactSizeIterator<Item = &'a CStr>,
    environment: &[&CStr],
) -> Vec<u8> {
    const COMPILE: u32 = 4;
    let mut message = Vec::with_capacity(4096);
    message.extend_from_slice(&[0; HEAD]);
    message.extend_from_slice(&COMPILE.to_le_bytes());
    push_text(&mut message, compiler);
    push_text(&mut message, directory);
    push_length(&mut message, arguments.len());
    for argument in arguments {
        push_text(&mut message, argument.to_bytes());
    }
    let at = message.len();
    push_length(&mut message, 0);
    let mut variables = 0_u64;
    for entry in environment {
        let entry = entry.to_bytes();
        let Some(split) = entry.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let (name, value) = entry.split_at(split);
        if !name.is_empty() && !KEPT_BACK.contains(&name) {
            push_text(&mut message, name);
            push_text(&mut message, &value[1..]);
            variables += 1;
        }
    }
    message[at..at + 8].copy_from_slice(&variables.to_le_bytes());
    let length = (message.len() - HEAD) as u32;
    message[..HEAD].copy_from_slice(&length.to_be_bytes());
    message
}

fn push_length(message: &mut Vec<u8>, length: usize) {
    message.extend_from_slice(&(length as u64).to_le_bytes());
}

fn push_text(message: &mut Vec<u8>, text: &[u8]) {
    message.extend_from_slice(&[0; 4]);
    push_length(message, text.len());
    message.extend_from_slice(text);
}

/// An answer from the server.
#[derive(Debug, PartialEq, Eq)]
pub enum ServerAnswer<'a> {
    /// The server compiles, or looks the result up; another answer follows.
    Started,
    /// The server does not cache such a call; the client would run the compiler itself.
    NotCached,
    /// The server does not recognise the compiler; this is its message.
    UnknownCompiler(&'a [u8]),
    /// The compile has ended.
    Finished {
        /// The compiler's exit status, or [`FAILURE`]; `None` where a signal ended it.
        status: Option<i32>,
        /// The compiler's standard output.
        stdout: &'a [u8],
        /// The compiler's standard error. It may contain colours, whatever the call asked for.
        stderr: &'a [u8],
        /// Whether the call asks for colours; `None` if that depends on the terminal.
        colours: Option<bool>,
    },
}

/// The status of a compile in which sccache itself failed (0.16, `server.rs`).
pub const FAILURE: i32 = -2;

/// Parses an answer without its header. `None`: not an answer to a compile request.
#[must_use]
pub fn answer(message: &[u8]) -> Option<ServerAnswer<'_>> {
    let mut rest = Reader(message);
    Some(match (rest.number()?, rest.number()?) {
        (0, 0) => ServerAnswer::Started,
        (0, 1) => ServerAnswer::NotCached,
        (0, 2) => {
            // The variant of the OsString.
            rest.number()?;
            ServerAnswer::UnknownCompiler(rest.bytes()?)
        }
        (5, _) => {
            let mut rest = Reader(message.get(4..)?);
            let status = rest.option()?;
            rest.option()?;
            ServerAnswer::Finished {
                status,
                stdout: rest.bytes()?,
                stderr: rest.bytes()?,
                colours: match rest.number()? {
                    0 => Some(false),
                    1 => Some(true),
                    _ => None,
                },
            }
        }
        _ => return None,
    })
}

/// The unread rest of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn option(&mut self) -> Option<Option<i32>> {
        match self.take(1)? {
            [0] => Some(None),
            _ => Some(Some(self.number()? as i32)),
        }
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = u64::from_le_bytes(self.take(8)?.try_into().ok()?);
        self.take(usize::try_from(length).ok()?)
    }
}

/// `text` without the escape sequences with which clang sets colours (`ESC [ ... m`).
#[must_use]
pub fn without_colours(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(escape) = rest.windows(2).position(|pair| pair == b"\x1b[") {
        plain.extend_from_slice(&rest[..escape]);
        rest = &rest[escape + 2..];
        let end = rest.iter().position(|byte| matches!(byte, b'@'..=b'~'));
        rest = end.map_or(&[], |end| &rest[end + 1..]);
    }
    plain.extend_from_slice(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_request_is_as_the_client_writes_it() {
        let request = request(
            b"/c",
            b"/d",
            [c"-c", c""].into_iter(),
            &[c"A=b=c", c"PWD=/d", c"HOSTNAME=h", c"odd", c"=x"],
        );
        let text = |text: &[u8]| {
            let length = (text.len() as u64).to_le_bytes();
            [&[0; 4], &length[..], text].concat()
        };
        let two = 2_u64.to_le_bytes();
        let one = 1_u64.to_le_bytes();
        let body = [
            &[4, 0, 0, 0][..],
            &text(b"/c"),
            &text(b"/d"),
            &two,
            &text(b"-c"),
            &text(b""),
            &one,
            &text(b"A"),
            &text(b"b=c"),
        ]
        .concat();
        assert_eq!(request[..4], (body.len() as u32).to_be_bytes());
        assert_eq!(request[4..], body);
    }

    #[test]
    fn answers_as_the_server_writes_them() {
        assert_eq!(answer(&[0; 8]), Some(ServerAnswer::Started));
        assert_eq!(
            answer(&[0, 0, 0, 0, 1, 0, 0, 0]),
            Some(ServerAnswer::NotCached)
        );
        let unknown = b"\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0why";
        assert_eq!(answer(unknown), Some(ServerAnswer::UnknownCompiler(b"why")));
        // Recorded from sccache 0.16.0: a hit.
        let hit = b"\x05\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0";
        let expected = ServerAnswer::Finished {
            status: Some(0),
            stdout: b"",
            stderr: b"",
            colours: None,
        };
        assert_eq!(answer(hit), Some(expected));
        let mut killed = vec![5, 0, 0, 0, 0, 1, 11, 0, 0, 0];
        killed.extend(1_u64.to_le_bytes());
        killed.extend(b"o");
        killed.extend(2_u64.to_le_bytes());
        killed.extend(b"er\x01\0\0\0");
        let expected = ServerAnswer::Finished {
            status: None,
            stdout: b"o",
            stderr: b"er",
            colours: Some(true),
        };
        assert_eq!(answer(&killed), Some(expected));
    }

    #[test]
    fn what_is_cut_or_something_else_is_no_answer() {
        let hit = b"\x05\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0";
        for length in 0..hit.len() {
            assert_eq!(answer(&hit[..length]), None, "{length}");
        }
        assert_eq!(answer(&[1, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(answer(&[0, 0, 0, 0, 3, 0, 0, 0]), None);
        let long = [&[5, 0, 0, 0, 0, 0][..], &[0xff; 8], &[0; 12]].concat();
        assert_eq!(answer(&long), None);
    }

    #[test]
    fn colours_go_and_the_rest_stays() {
        let coloured = b"\x1b[1m\ta.hip:1:1: \x1b[0;1;35mwarning: \x1b[0m\xc3\xa4\r\n[x]\x1b";
        assert_eq!(
            without_colours(coloured),
            b"\ta.hip:1:1: warning: \xc3\xa4\r\n[x]\x1b"
        );
        assert_eq!(without_colours(b"plain"), b"plain");
        assert_eq!(without_colours(b"cut \x1b[0;1"), b"cut ");
    }
}
