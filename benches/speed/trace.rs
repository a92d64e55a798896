//! Measures a shim's memory from its first instruction to the `execve` that replaces it, or to its
//! end if it waits for a launcher. It uses ptrace(2), which containers permit.

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

/// A traced process, killed when this is dropped.
struct Traced {
    child: Child,
    pid: Pid,
}

impl Traced {
    /// Starts the process and stops it before its first instruction.
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

    /// Waits until the process stops. Returns whether it is still the shim. Signals from its child
    /// are discarded, as they would be without tracing.
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
