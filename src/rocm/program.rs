//! Runs a program of the tree, or a launcher, and captures its answer.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use wait_timeout::ChildExt;

/// The default time limit for an answer; [`Program::within`] changes it.
const LIMIT: Duration = Duration::from_secs(60);

/// A finished program's status and output.
pub struct ProgramOutput {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// A program gave no answer.
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
    /// It was started, but waiting for its end failed.
    #[error("cannot wait for {path}")]
    Wait {
        /// The program.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It did not end in time and was killed.
    #[error("{path} did not answer within {} seconds", limit.as_secs_f32())]
    Hangs {
        /// The program.
        path: PathBuf,
        /// The time limit that it was given.
        limit: Duration,
    },
}

/// A program to be run, with rock-wrap's launching disabled in its environment.
pub struct Program {
    path: PathBuf,
    command: Command,
    limit: Duration,
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
            limit: LIMIT,
        }
    }

    /// Replaces the default time limit of one minute.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Removes these variables from its environment.
    #[must_use]
    pub fn without(mut self, names: impl IntoIterator<Item = std::ffi::OsString>) -> Self {
        for name in names {
            self.command.env_remove(name);
        }
        self
    }

    /// Adds these variables to its environment.
    #[must_use]
    pub fn with<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.command.envs(variables);
        self
    }

    /// Sets its `argv[0]` to `path`.
    #[must_use]
    pub fn called(mut self, path: &Path) -> Self {
        self.command.arg0(path);
        self
    }

    /// Keeps the program from inheriting the descriptors above 2 that this process inherited. A
    /// launcher passes them on to the server that it starts. If one of them is a pipe, whoever
    /// waits for its end would then wait for the server.
    ///
    /// Only for launchers: with a `pre_exec` hook, the C library gives a file that the kernel
    /// cannot execute to a shell instead of reporting an error.
    #[must_use]
    pub fn without_descriptors(mut self) -> Self {
        // Descriptors that this process opened are close-on-exec anyway.
        let given = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
        let given = given.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let given: Vec<RawFd> = given.filter(|number| *number > 2).collect();
        let close = move || {
            for number in &given {
                // SAFETY: only passed to a call that fails if there is no such descriptor.
                let descriptor = unsafe { BorrowedFd::borrow_raw(*number) };
                let _ = fcntl_setfd(descriptor, FdFlags::CLOEXEC);
            }
            Ok(())
        };
        // SAFETY: the closure only makes system calls on numbers that it owns, and does not
        // allocate.
        unsafe { self.command.pre_exec(close) };
        self
    }

    /// Sets its working directory.
    #[must_use]
    pub fn at_work_in(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs the program and captures its output.
    ///
    /// # Errors
    /// If it cannot be started or does not end in time. A nonzero exit status is not an error.
    pub fn ask(mut self) -> Result<ProgramOutput, ProgramError> {
        let start_error = |source| ProgramError::Start {
            path: self.path.clone(),
            source,
        };
        let wait_error = |source| ProgramError::Wait {
            path: self.path.clone(),
            source,
        };
        // Not pipes: a server that the program leaves behind would keep them open.
        let stdout = memory().map_err(start_error)?;
        let stderr = memory().map_err(start_error)?;
        let mut child = self
            .command
            .stdout(stdout.try_clone().map_err(start_error)?)
            .stderr(stderr.try_clone().map_err(start_error)?)
            .spawn()
            .map_err(start_error)?;
        let Some(status) = child.wait_timeout(self.limit).map_err(wait_error)? else {
            child
                .kill()
                .and_then(|()| child.wait())
                .map_err(wait_error)?;
            return Err(ProgramError::Hangs {
                path: self.path,
                limit: self.limit,
            });
        };
        Ok(ProgramOutput {
            status,
            stdout: content(&stdout).map_err(wait_error)?,
            stderr: content(&stderr).map_err(wait_error)?,
        })
    }
}

/// Creates a file in memory.
fn memory() -> io::Result<File> {
    Ok(memfd_create("answer", MemfdFlags::CLOEXEC)?.into())
}

/// Reads all that was written to `file`. The offset is the writer's, so it is not used.
fn content(file: &File) -> io::Result<Vec<u8>> {
    let len = file.metadata()?.len();
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;

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
    fn a_server_that_stays_behind_does_not_keep_us_waiting() {
        let answer = Program::at(Path::new("/bin/sh"))
            .args(["-c", "sleep 30 & echo $!"])
            .within(Duration::from_secs(20))
            .ask()
            .unwrap();
        let pid: i32 = String::from_utf8_lossy(&answer.stdout)
            .trim()
            .parse()
            .unwrap();
        let server = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(server, nix::sys::signal::SIGKILL).expect("it still runs");
    }

    #[test]
    fn a_server_that_stays_behind_holds_nothing_that_we_were_given() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let inherited = writer.try_clone().unwrap();
        fcntl_setfd(&inherited, FdFlags::empty()).unwrap();
        let list = format!("ls -l /proc/self/fd/{}", inherited.as_raw_fd());
        let shell = Program::at(Path::new("/bin/sh")).without_descriptors();
        let answer = shell.args(["-c", &list]).ask().unwrap();
        assert!(!answer.status.success(), "{:?}", answer.stdout);
        // Control: without the call, the descriptor is inherited.
        let control = Command::new("/bin/sh").args(["-c", &list]).output();
        assert!(control.unwrap().status.success());
        drop((writer, inherited));
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_program_that_hangs_is_ended_when_its_time_is_up() {
        let error = Program::at(Path::new("/bin/sleep"))
            .args(["60"])
            .within(Duration::from_millis(100))
            .ask()
            .err()
            .unwrap();
        let message = "/bin/sleep did not answer within 0.1 seconds";
        assert_eq!(error.to_string(), message);
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
