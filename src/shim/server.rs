//! sccache's server: where it listens, whether it responds, and how to request a compile from it.
//!
//! Owns: all communication with it. [`sccache`] defines the messages.

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
use crate::shared::parts::DECLINED;
use crate::shared::socket::{Socket, Wait};
use crate::shared::sys::{self, Errno};

/// After this many seconds without an answer, the server is probed, and has as long again to respond. sccache's
/// client itself has no time limit (0.4 and 0.16, measured).
pub const PATIENCE: u64 = 5;

/// The exit status of sccache's client if it has no server, or one that does not know the compiler.
pub const NO_SERVER: End = End::Exited(2);

/// The exit status of sccache's client if sccache itself failed; it exits with -2.
const FAILED: End = End::Exited(254);

/// Where sccache's client looks for its server.
#[derive(Clone, Copy)]
pub struct Server<'a> {
    address: Address<'a>,
    env: &'a [&'a CStr],
}

impl<'a> Server<'a> {
    /// The address given by the environment.
    pub fn of(env: &'a [&'a CStr]) -> Self {
        let value = |name: &[u8]| lookup(env, name).map(CStr::to_bytes);
        let address = Address::of(value(b"SCCACHE_SERVER_UDS"), value(b"SCCACHE_SERVER_PORT"));
        Self { address, env }
    }

    /// Whether the listener at the address must not be asked, see [`is_ours`](Self::is_ours).
    pub fn is_strangers(self) -> bool {
        let socket = self.connect(Wait::Seconds(PATIENCE));
        socket.is_some_and(|socket| !self.is_ours(&socket))
    }

    /// Whether the server at the other end of `socket` belongs to this user and sees the same files. This matters
    /// because its answer becomes the object.
    fn is_ours(self, socket: &Socket) -> bool {
        match self.address {
            Address::Path(_) | Address::Abstract(_) => socket.is_ours(),
            Address::Port(port) => listener::is_ours(port, self.env),
        }
    }

    /// Whether the server accepts requests and answers them.
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

/// How long to wait for a busy server.
pub struct Patience<'a> {
    server: Server<'a>,
    asked: Option<Socket>,
}

impl<'a> Patience<'a> {
    /// Starts waiting for a server that has just received work.
    pub fn with(server: Server<'a>) -> Self {
        Self {
            server,
            asked: None,
        }
    }

    /// Whether the server is mute, after another [`PATIENCE`] has passed: it accepts requests and does not answer.
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

/// The outcome of a request after which this process continues.
pub enum RequestOutcome {
    /// Nobody accepted it: the launcher may start a server or report the problem.
    NotAsked,
    /// The server does not cache this call, or has compiled it and cannot send the answer.
    NotCached,
    /// The server went away during the compile.
    Lost,
    /// The server failed to do the compile.
    Failed(LaunchFailure),
}

/// Asks `server` to do what `request` contains, which produces the expected files, and ends as the compiler did.
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
            // The server also hangs up on messages that are too long for its protocol.
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
                if expected.texts.is_some() && status == DECLINED {
                    return RequestOutcome::Failed(LaunchFailure::Declined);
                }
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
                    expected.finish(status != 0);
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
            // A signal ended the compiler. Its messages are dropped here, because a second compile prints them
            // again.
            Some(ServerAnswer::Finished { status: None, .. }) => {
                return RequestOutcome::Failed(LaunchFailure::Failed {
                    end: FAILED,
                    lasting: false,
                });
            }
            // Something other than sccache listens there: the client reports it in its own way.
            None if !started => return RequestOutcome::NotAsked,
            None => return RequestOutcome::Lost,
        }
    }
}

/// Why no more messages arrive.
enum HungUp {
    /// The other end has closed the connection.
    ByItself,
    /// The server is [mute](Patience::is_over).
    Mute,
}

/// The exchange after the request.
struct Conversation<'a> {
    socket: Socket,
    heard: Vec<u8>,
    patience: Patience<'a>,
}

impl Conversation<'_> {
    /// The minimum size of a read in bytes.
    const ROOM: usize = 4096;
    /// The longest message that sccache sends or accepts (tokio-util, `LengthDelimitedCodec`). Anything that claims
    /// to be longer is not a message.
    const LONGEST: usize = 8 << 20;

    /// The next message, without its length prefix.
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

/// Writes the compiler's output, and removes the colours that the stand-in requested if clang would have omitted
/// them: that is, if the user did not request them and either the output is not a terminal or NO_COLOR is set. On a
/// dumb terminal clang 23 writes them too.
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
