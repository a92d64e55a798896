//! sccache's server: where it listens, whether it answers, and a compile that is asked of it.
//!
//! Owns: everything that is said to it. The words are [`sccache`]'s.

use alloc::vec::Vec;
use core::ffi::CStr;

use crate::checkout::ExpectedFiles;
use crate::launch_failure::LaunchFailure;
use crate::message::say;
use crate::shared::call::lookup;
use crate::shared::launchers::failure::{self, Blame, End};
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::launchers::sccache;
use crate::shared::launchers::sccache::{Address, ServerAnswer};
use crate::shared::listener;
use crate::shared::socket::{Socket, Wait};
use crate::shared::sys::{self, Errno};

/// Seconds after which a server that has not answered is asked whether it can, and which it has for an
/// answer then. sccache's client itself has no limit (0.4 and 0.16, measured).
pub const PATIENCE: u64 = 5;

/// How sccache's client ends where it has no server, or one that does not know the compiler.
pub const NO_SERVER: End = End::Exited(2);

/// How it ends where sccache itself has failed: its own -2.
const FAILED: End = End::Exited(254);

/// Where sccache's client looks for its server.
#[derive(Clone, Copy)]
pub struct Server<'a> {
    address: Address<'a>,
    env: &'a [&'a CStr],
}

impl<'a> Server<'a> {
    /// As the environment has it.
    pub fn of(env: &'a [&'a CStr]) -> Self {
        let value = |name: &[u8]| lookup(env, name).map(CStr::to_bytes);
        let address = Address::of(value(b"SCCACHE_SERVER_UDS"), value(b"SCCACHE_SERVER_PORT"));
        Self { address, env }
    }

    /// Whether somebody listens there whom nothing may be asked, see [`is_ours`](Self::is_ours).
    pub fn is_strangers(self) -> bool {
        let socket = self.connect(Wait::Seconds(PATIENCE));
        socket.is_some_and(|socket| !self.is_ours(&socket))
    }

    /// Whether the server at the other end of `socket` is this user's, and sees the same files: what it
    /// answers becomes the object.
    fn is_ours(self, socket: &Socket) -> bool {
        match self.address {
            Address::Path(_) | Address::Abstract(_) => socket.is_ours(),
            Address::Port(port) => listener::is_ours(port, self.env),
        }
    }

    /// Whether it takes questions and answers them.
    #[cold]
    fn answers(self) -> bool {
        let socket = self.connect(Wait::Seconds(PATIENCE));
        socket.is_some_and(|socket| {
            self.is_ours(&socket) && socket.send(&sccache::STATISTICS) && {
                let mut heard = Vec::with_capacity(1);
                matches!(socket.receive(&mut heard), Ok(1..))
            }
        })
    }

    fn connect(self, wait: Wait) -> Option<Socket> {
        match self.address {
            Address::Path(path) => Socket::of_path(path, wait),
            Address::Abstract(name) => Socket::of_path(&[b"\0", name].concat(), wait),
            Address::Port(port) => Socket::of_port(port, wait),
        }
    }
}

/// How long a server is waited for that has something to do.
pub struct Patience<'a> {
    server: Server<'a>,
    asked: Option<Socket>,
}

impl<'a> Patience<'a> {
    /// With a server that has just been given something to do.
    pub fn with(server: Server<'a>) -> Self {
        Self {
            server,
            asked: None,
        }
    }

    /// Whether the server is mute, now that another [`PATIENCE`] has gone by: it takes questions and
    /// does not answer.
    pub fn is_over(&mut self) -> bool {
        match self.asked.take() {
            Some(question) => !question.has_answer(),
            None => {
                self.asked = self.server.connect(Wait::Never);
                if let Some(question) = &self.asked {
                    question.send(&sccache::STATISTICS);
                }
                false
            }
        }
    }
}

/// What became of a request, where this process goes on.
pub enum RequestOutcome {
    /// Nobody took it: the launcher may start a server, or say what is the matter.
    NotAsked,
    /// The server does not cache such a call, or has made it and cannot send the answer.
    NotCached,
    /// It went away over the compile.
    Lost,
    /// It did not do its work.
    Failed(LaunchFailure),
}

/// Has `server` do what `request` asks for, which is to make what is expected, and ends as the compiler did.
#[cold]
pub fn compile(
    server: Server<'_>,
    request: &[u8],
    expected: &ExpectedFiles<'_>,
    env: &[&CStr],
) -> RequestOutcome {
    let Some(socket) = server.connect(Wait::Seconds(PATIENCE)) else {
        return RequestOutcome::NotAsked;
    };
    if !server.is_ours(&socket) {
        return RequestOutcome::Failed(LaunchFailure::Stranger);
    }
    if !socket.send(request) {
        return RequestOutcome::NotAsked;
    }
    let mut conversation = Conversation {
        socket,
        heard: Vec::new(),
        patience: Patience::with(server),
    };
    let mut started = false;
    loop {
        let message = match conversation.next() {
            Ok(message) => message,
            Err(HungUp::ByItself) if !started => return RequestOutcome::NotAsked,
            // It hangs up over messages that are too long for its protocol, too.
            Err(HungUp::ByItself) if server.answers() => return RequestOutcome::NotCached,
            Err(HungUp::ByItself) => return RequestOutcome::Lost,
            Err(HungUp::Mute) => return RequestOutcome::Failed(LaunchFailure::Mute),
        };
        match sccache::answer(&message) {
            Some(ServerAnswer::Started) => started = true,
            Some(ServerAnswer::NotCached) => return RequestOutcome::NotCached,
            Some(ServerAnswer::UnknownCompiler(why)) => {
                say(&[b"sccache does not know this compiler: ", why]);
                return RequestOutcome::Failed(LaunchFailure::Failed {
                    end: NO_SERVER,
                    lasting: true,
                });
            }
            Some(ServerAnswer::Finished {
                status: Some(status),
                stdout,
                stderr,
                colours,
            }) => {
                if status == 0 && sys::stat(&expected.outputs.object).is_err() {
                    return RequestOutcome::Failed(LaunchFailure::NoOutput);
                }
                if let Some(restored) = expected.restored {
                    restored.depfile();
                }
                let end = End::Exited(status);
                let blame = match status {
                    sccache::FAILURE => Blame::Launcher,
                    _ => failure::blame(LauncherKind::Sccache, end),
                };
                if blame == Blame::Compiler {
                    expected.outputs.mend(status != 0);
                }
                match expected.restored {
                    Some(restored) => show(stdout, &restored.message(stderr), colours, env),
                    None => show(stdout, stderr, colours, env),
                }
                return match blame {
                    Blame::Compiler | Blame::Unclear => sys::exit(status),
                    Blame::Launcher => RequestOutcome::Failed(LaunchFailure::Failed {
                        end: FAILED,
                        lasting: false,
                    }),
                    Blame::Settings => {
                        RequestOutcome::Failed(LaunchFailure::Failed { end, lasting: true })
                    }
                };
            }
            // A signal has ended the compiler. What it said it will say again.
            Some(ServerAnswer::Finished { status: None, .. }) => {
                return RequestOutcome::Failed(LaunchFailure::Failed {
                    end: FAILED,
                    lasting: false,
                });
            }
            // Something else listens there: the client says so in its own way.
            None if !started => return RequestOutcome::NotAsked,
            None => return RequestOutcome::Lost,
        }
    }
}

/// Why nothing more is heard.
enum HungUp {
    /// The other end has closed the connection.
    ByItself,
    /// The server is [mute](Patience::is_over).
    Mute,
}

/// What is said after the request.
struct Conversation<'a> {
    socket: Socket,
    heard: Vec<u8>,
    patience: Patience<'a>,
}

impl Conversation<'_> {
    /// Bytes that are read at once, at least.
    const ROOM: usize = 4096;
    /// The longest message that sccache sends or takes (tokio-util, `LengthDelimitedCodec`). What claims to be
    /// longer is none.
    const LONGEST: usize = 8 << 20;

    /// The next message, without its head.
    fn next(&mut self) -> Result<Vec<u8>, HungUp> {
        loop {
            let need = match self.heard.first_chunk() {
                Some(head) => sccache::HEAD + u32::from_be_bytes(*head) as usize,
                None => sccache::HEAD,
            };
            if self.heard.len() >= need.max(sccache::HEAD + 1) {
                let rest = self.heard.split_off(need);
                let mut message = core::mem::replace(&mut self.heard, rest);
                message.drain(..sccache::HEAD);
                return Ok(message);
            }
            if need > sccache::HEAD + Self::LONGEST {
                return Err(HungUp::ByItself);
            }
            self.heard
                .reserve(need.saturating_sub(self.heard.len()).max(Self::ROOM));
            match self.socket.receive(&mut self.heard) {
                Err(Errno::EAGAIN) if self.patience.is_over() => return Err(HungUp::Mute),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(HungUp::ByItself),
            }
        }
    }
}

/// Writes what the compiler wrote, and takes out the colours that the stand-in has asked for where clang would
/// have left them out: where nobody asked for them, and it is no terminal's or NO_COLOR is set. On a dumb
/// terminal clang 23 writes them too.
fn show(stdout: &[u8], stderr: &[u8], colours: Option<bool>, env: &[&CStr]) {
    sys::write_all(1, stdout);
    let dumb = || lookup(env, b"TERM").is_none_or(|term| term.to_bytes() == b"dumb");
    let refused = || lookup(env, b"NO_COLOR").is_some_and(|value| !value.is_empty());
    if colours.unwrap_or_else(|| sys::is_terminal(2) && !dumb() && !refused()) {
        sys::write_all(2, stderr);
    } else {
        sys::write_all(2, &sccache::without_colours(stderr));
    }
}
