//! Holds a job server's tokens in a separate process.
//!
//! Owns: that no token is lost. A client that is killed by SIGKILL cannot give its tokens back, and the build would
//! have fewer jobs from then on. The holder gives them back when its pipe closes, for whatever reason.
//!
//! ```text
//! parts program:  TAKE     holder:  TAKEN, or NONE if no token is free now
//!                 GIVE              gives one back
//!                 (end)             gives all back, and ends
//! ```

use std::ffi::CStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use jobserver::Client;
use nix::sys::signal::SigSet;

/// `argv[0]` of the holder.
pub const HOLDER: &CStr = c"rock-wrap-tokens";

const TAKE: u8 = b't';
const GIVE: u8 = b'g';
const TAKEN: u8 = b'y';
const NONE: u8 = b'n';

/// The job server that the environment names, if it can be used.
fn client() -> Option<Client> {
    // SAFETY: a descriptor named in MAKEFLAGS is make's, or is rejected because it is not a pipe.
    unsafe { Client::from_env_ext(true) }.client.ok()
}

/// The tokens that this process uses, through the holder.
pub struct Tokens {
    holder: Child,
    /// Closed before waiting for the holder, which ends it.
    requests: Option<ChildStdin>,
    answers: ChildStdout,
}

impl Tokens {
    /// Whether there is a job server.
    #[must_use]
    pub fn are_there() -> bool {
        client().is_some()
    }

    /// Starts the holder.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start() -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0(std::ffi::OsStr::from_bytes(HOLDER.to_bytes()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn()?;
        let requests = holder.stdin.take();
        let answers = holder.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            holder,
            requests,
            answers,
        })
    }

    fn request(&mut self, request: u8) -> io::Result<()> {
        let requests = self.requests.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        requests.write_all(&[request])
    }

    /// Takes a token if one is free now.
    pub fn take(&mut self) -> bool {
        let mut answer = [NONE];
        let asked = self.request(TAKE);
        asked
            .and_then(|()| self.answers.read_exact(&mut answer))
            .is_ok()
            && answer == [TAKEN]
    }

    /// Gives one token back.
    pub fn give(&mut self) {
        // If the holder has ended, there is no token to give back.
        let _ = self.request(GIVE);
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.requests = None;
        // Wait until the tokens are back: make would miss them if this process ended earlier.
        let _ = self.holder.wait();
    }
}

/// The main function of the holder.
pub fn main() -> ExitCode {
    // A signal that ends the parts program must not end the holder before the tokens are back.
    let _ = SigSet::all().thread_block();
    let Some(client) = client() else {
        return ExitCode::FAILURE;
    };
    let mut held = Vec::new();
    let mut request = [0];
    while io::stdin().read_exact(&mut request).is_ok() {
        if request == [GIVE] {
            held.pop();
            continue;
        }
        let token = client.try_acquire().ok().flatten();
        let answer = if token.is_some() { TAKEN } else { NONE };
        held.extend(token);
        let mut out = io::stdout();
        if out.write_all(&[answer]).and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}
