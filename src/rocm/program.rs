//! Running one of the tree's programs, or a launcher, to ask it something.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use wait_timeout::ChildExt;

/// A question is answered within this time or not at all.
const LIMIT: Duration = Duration::from_secs(60);

/// What a program answered.
pub struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// A program did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("cannot run {path}")]
    Start {
        /// The program.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It was started, and its end could not be waited for.
    #[error("cannot wait for {path}")]
    Wait {
        /// The program.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It did not end in time and was killed.
    #[error("{path} did not answer within {} seconds", LIMIT.as_secs())]
    Hangs {
        /// The program.
        path: PathBuf,
    },
}

/// A program to be asked, without a launcher in its way.
pub struct Program {
    path: PathBuf,
    command: Command,
}

impl Program {
    /// The program at `path`.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        let mut command = Command::new(path);
        command.env("ROCK_WRAP_DISABLE", "1").stdin(Stdio::null());
        Self {
            path: path.to_owned(),
            command,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Runs it without these variables of the environment.
    #[must_use]
    pub fn without(mut self, names: impl IntoIterator<Item = std::ffi::OsString>) -> Self {
        for name in names {
            self.command.env_remove(name);
        }
        self
    }

    /// Runs it and takes what it prints.
    ///
    /// # Errors
    /// Where it cannot be started, or does not end within a minute. A bad exit status is an answer.
    pub fn ask(mut self) -> Result<Answer, ProgramError> {
        let wait_error = |source| ProgramError::Wait {
            path: self.path.clone(),
            source,
        };
        let mut child = self
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| ProgramError::Start {
                path: self.path.clone(),
                source,
            })?;
        // Both pipes are emptied while we wait, or a program that prints much would never end.
        let stdout = drain(child.stdout.take());
        let stderr = drain(child.stderr.take());
        let Some(status) = child.wait_timeout(LIMIT).map_err(wait_error)? else {
            child
                .kill()
                .and_then(|()| child.wait())
                .map_err(wait_error)?;
            return Err(ProgramError::Hangs { path: self.path });
        };
        // The pipes' threads cannot panic: reading into a vector is all they do.
        let collect = |pipe: thread::JoinHandle<Vec<u8>>| pipe.join().unwrap_or_default();
        Ok(Answer {
            status,
            stdout: collect(stdout),
            stderr: collect(stderr),
        })
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_outputs_and_the_status_are_the_answer() {
        let answer = Program::at(Path::new("/bin/sh"))
            .args(["-c", "echo out; echo err >&2; exit 3"])
            .ask()
            .unwrap();
        assert_eq!(answer.stdout, b"out\n");
        assert_eq!(answer.stderr, b"err\n");
        assert_eq!(answer.status.code(), Some(3));
    }

    #[test]
    fn a_program_that_prints_much_to_both_outputs_ends() {
        let answer = Program::at(Path::new("/bin/sh"))
            .args([
                "-c",
                "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2",
            ])
            .ask()
            .unwrap();
        assert_eq!(
            (answer.stdout.len(), answer.stderr.len()),
            (300_000, 300_000)
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Program::at(Path::new("/nonexistent/clang"))
            .ask()
            .err()
            .unwrap();
        assert_eq!(error.to_string(), "cannot run /nonexistent/clang");
    }
}
