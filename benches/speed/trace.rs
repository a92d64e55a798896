//! The memory that a shim takes, from its first instruction to the `execve` that replaces it, or to its end where
//! it waits for a launcher: looked at under ptrace(2), which needs no right that a container does not give.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// The peak resident set of `shim` at its end, in KiB.
pub fn peak_of(shim: Command) -> u64 {
    let shim = Traced::start(shim);
    let mut peak = 0;
    loop {
        ptrace::syscall(shim.pid, None).unwrap();
        if !shim.stops() {
            return peak;
        }
        peak = shim.peak();
    }
}

/// A process that stops where it is told to, and dies with this value.
struct Traced {
    child: Child,
    pid: Pid,
}

impl Traced {
    /// Starts it; it stops in front of its first instruction.
    fn start(mut command: Command) -> Self {
        // SAFETY: one system call, which allocates nothing.
        unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
        let child = command.spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let traced = Self { child, pid };
        assert!(traced.stops());
        let options = ptrace::Options::PTRACE_O_TRACEEXEC | ptrace::Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(pid, options).unwrap();
        traced
    }

    /// Waits until it stops; whether it still is the shim. What its child tells it of itself is dropped,
    /// as it would be without us.
    fn stops(&self) -> bool {
        match waitpid(self.pid, None).unwrap() {
            WaitStatus::Stopped(_, Signal::SIGTRAP | Signal::SIGCHLD) => true,
            WaitStatus::PtraceEvent(..) | WaitStatus::Exited(_, 0) => false,
            other => panic!("the shim did not come to its end: {other:?}"),
        }
    }

    /// The peak resident set so far, in KiB.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
