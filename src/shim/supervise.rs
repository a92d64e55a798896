//! Waiting for a launcher that may fail, and finding out whether it did.
//!
//! Owns: the time limit for sccache's server, and the question that clears up what ccache's status
//! leaves open. What an end means is [`trouble`](crate::decide::trouble)'s.

use core::ffi::CStr;

use crate::decide::trouble::{self, Blame, End};
use crate::decide::{Call, lookup};
use crate::exec::Program;
use crate::image::LauncherKind;
use crate::process::{self, Child, Event, Signals};
use crate::socket::Socket;
use crate::sys::{self, Errno};

/// Seconds after which a launcher that has not ended is looked after, and which its server has for an
/// answer then. sccache's client itself has no limit (0.4 and 0.16, measured).
const PATIENCE: u64 = 5;

/// Why a launcher has not done its work.
pub enum Trouble {
    /// It did not start.
    NotRun(Errno),
    /// It failed by itself.
    Failed {
        /// How it ended.
        end: End,
        /// Whether it will again.
        lasting: bool,
    },
    /// Its server takes connections and does not answer; it was killed.
    Mute,
}

/// Runs a launcher of this kind and ends as it ends, unless that is its own failure.
pub fn launch(call: &Call<'_>, kind: LauncherKind, program: &mut Program) -> Trouble {
    let server = (kind == LauncherKind::Sccache).then(|| Server::of(call.env));
    let end = match run(server.as_ref(), program) {
        Ok(end) => end,
        Err(trouble) => return trouble,
    };
    let lasting = match trouble::blame(kind, end) {
        Blame::Compiler => None,
        Blame::Launcher => Some(false),
        Blame::Settings => Some(true),
        Blame::Unclear => fails_by_itself(program).then_some(true),
    };
    match lasting {
        Some(lasting) => Trouble::Failed { end, lasting },
        None => process::end(end),
    }
}

/// Starts the launcher and waits for its end. What is sent to the shim alone is passed on.
fn run(server: Option<&Server<'_>>, program: &mut Program) -> Result<End, Trouble> {
    let signals = Signals::hold();
    let mut failure = None;
    let child = Child::start(&mut || {
        if server.is_some() {
            // sccache says some things of its own there; a compile of one file says nothing.
            sys::duplicate(2, 1);
        }
        signals.release();
        failure = Some(program.execute());
    });
    let result = match (child, failure) {
        (Err(errno), _) => Err(Trouble::NotRun(errno)),
        (Ok(child), Some(errno)) => {
            child.kill();
            Err(Trouble::NotRun(errno))
        }
        (Ok(child), None) => watch(child, server),
    };
    signals.release();
    result
}

fn watch(child: Child, server: Option<&Server<'_>>) -> Result<End, Trouble> {
    let mut asked: Option<Socket> = None;
    loop {
        match child.wait(server.map(|_| PATIENCE)) {
            Event::Ended(end) => return Ok(end),
            Event::Timeout => {}
        }
        asked = match asked {
            Some(socket) if !socket.has_answer() => {
                child.kill();
                return Err(Trouble::Mute);
            }
            Some(_) => None,
            None => server.and_then(Server::ask),
        };
    }
}

/// Whether ccache fails before it would run a compiler: it is run again in front of a program that
/// fails at once and says nothing.
fn fails_by_itself(program: &mut Program) -> bool {
    const COMPLAINT: &[u8; 14] = b"ccache: error:";
    let Some(said) = sys::File::anonymous() else { return false };
    program.replace(c"/bin/false", &[c"CCACHE_COMPILERTYPE=clang", c"CCACHE_NOSTATS=1"]);
    let signals = Signals::hold();
    let child = Child::start(&mut || {
        sys::duplicate(said.descriptor(), 1);
        sys::duplicate(said.descriptor(), 2);
        signals.release();
        program.execute();
    });
    if let Ok(child) = child {
        child.wait(None);
    }
    signals.release();
    let mut start = [0; COMPLAINT.len()];
    said.read_from_start(&mut start).is_ok() && start == *COMPLAINT
}

/// Where sccache's client looks for its server.
pub enum Server<'a> {
    /// A socket in the file system.
    Path(&'a CStr),
    /// A port of this machine.
    Port(u16),
}

impl<'a> Server<'a> {
    /// As the environment has it.
    pub fn of(env: &[&'a CStr]) -> Self {
        const DEFAULT: u16 = 4226;
        if let Some(path) = lookup(env, b"SCCACHE_SERVER_UDS") {
            return Self::Path(path);
        }
        let port = lookup(env, b"SCCACHE_SERVER_PORT");
        Self::Port(port.and_then(|port| decimal(port.to_bytes())).unwrap_or(DEFAULT))
    }

    /// Asks it for its statistics, which a server answers at once however much it has to do; `None`
    /// where nobody takes the question.
    fn ask(&self) -> Option<Socket> {
        /// A length, then the second variant of its protocol's enumeration (`protocol.rs`, 0.4 to
        /// 0.16).
        const GET_STATS: [u8; 8] = [0, 0, 0, 4, 1, 0, 0, 0];
        let socket = match self {
            Self::Path(path) => Socket::of_path(path),
            Self::Port(port) => Socket::of_port(*port),
        }?;
        socket.send(&GET_STATS);
        Some(socket)
    }
}

fn decimal(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0_u16, |number, digit| {
        let digit = u16::from(digit.wrapping_sub(b'0'));
        number.checked_mul(10)?.checked_add(digit).filter(|_| digit < 10)
    })
}
