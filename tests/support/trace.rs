//! A shim's own work, from its first instruction to the `execve` that replaces it, or to its end where
//! it waits for a launcher (what it does in between is its child's): counted one instruction at a time under
//! ptrace(2), which needs no right that a container does not give. The
//! same call counts the same anywhere with the same tool chain, where times do not.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use object::{Object, ObjectSymbol};
use rock_wrap::shim_image;

/// What one call did.
#[derive(Debug, Default)]
pub struct Trace {
    /// Instructions by function. One with a repeat prefix counts once for every byte that it handles.
    pub functions: BTreeMap<String, u64>,
    /// The numbers of the system calls, in order, without the one that ended it.
    pub calls: Vec<u64>,
}

impl Trace {
    /// Runs `shim` to its end, instruction by instruction.
    pub fn of(shim: Command) -> Self {
        let shim = Traced::start(shim);
        let mut trace = Self::default();
        let mut visits = HashMap::<u64, (bool, u64)>::new();
        loop {
            let registers = shim.registers();
            let (calls, count) = visits.entry(registers.rip).or_insert_with(|| {
                let at = registers.rip as ptrace::AddressType;
                let bytes = ptrace::read(shim.pid, at).unwrap().to_le_bytes();
                (bytes.starts_with(&SYSCALL), 0)
            });
            *count += 1;
            if *calls {
                trace.calls.push(registers.rax);
            }
            ptrace::step(shim.pid, None).unwrap();
            if !shim.stops() {
                break;
            }
        }
        trace.calls.pop();
        let names = names();
        for (address, (_, count)) in visits {
            let name = names.range(..=address).next_back().unwrap().1;
            *trace.functions.entry(name.clone()).or_default() += count;
        }
        trace
    }

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

    /// Instructions in all.
    pub fn instructions(&self) -> u64 {
        self.functions.values().sum()
    }
}

/// The functions of the shim by their addresses, which are fixed at link time.
fn names() -> BTreeMap<u64, String> {
    let shim = object::File::parse(shim_image::TEMPLATE).unwrap();
    let symbols = shim.symbols().filter(|symbol| symbol.is_definition());
    let name = |name: &str| format!("{:#}", rustc_demangle::demangle(name));
    symbols
        .map(|symbol| (symbol.address(), name(symbol.name().unwrap())))
        .collect()
}

/// The instruction that calls the kernel.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

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

    fn registers(&self) -> nix::libc::user_regs_struct {
        ptrace::getregs(self.pid).unwrap()
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
