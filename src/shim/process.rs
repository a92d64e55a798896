//! The system calls with which the shim starts a program and waits for it. Layouts as in [`sys`].

use alloc::vec::Vec;
use core::arch::asm;
use core::ptr;

use crate::shared::bytes::decimal;
use crate::shared::launchers::failure::End;
use crate::shared::sys::{self, Errno, syscall};

/// Signals that ask a program to terminate and that may be sent to the shim alone.
const REQUESTS: [i32; 4] = [1, 2, 3, 15];
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;

const RT_SIGACTION: usize = 13;
const RT_SIGPROCMASK: usize = 14;
const CLONE: usize = 56;
const WAIT4: usize = 61;
const KILL: usize = 62;
const FCNTL: usize = 72;
const GETRUSAGE: usize = 98;
const RT_SIGTIMEDWAIT: usize = 128;
const PRCTL: usize = 157;

/// Size of a signal set in bytes.
const SET_LEN: usize = 8;
const SIG_BLOCK: usize = 0;
const SIG_UNBLOCK: usize = 1;
const SIG_SETMASK: usize = 2;

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// The kernel's `struct sigaction`: handler, flags, restorer, mask.
type Action = [usize; 4];
const DEFAULT: Action = [0; 4];
const IGNORE: usize = 1;

/// The signal dispositions and mask that the shim inherited, saved while it waits.
pub struct SavedSignals {
    mask: u64,
    child: Action,
}

impl SavedSignals {
    /// Blocks the signals that have to be passed on, and SIGCHLD, which reports the end of a child.
    pub fn hold() -> Self {
        let held = REQUESTS
            .iter()
            .fold(bit(SIGCHLD), |set, signal| set | bit(*signal));
        let signals = Self {
            mask: change_mask(SIG_BLOCK, held),
            child: action(SIGCHLD, None),
        };
        if signals.child[0] == IGNORE {
            // If SIGCHLD is ignored, the kernel discards a child's status.
            action(SIGCHLD, Some(&DEFAULT));
        }
        signals
    }

    /// Restores everything as the shim inherited it.
    pub fn release(&self) {
        if self.child[0] == IGNORE {
            action(SIGCHLD, Some(&self.child));
        }
        change_mask(SIG_SETMASK, self.mask);
    }
}

/// Changes the signal mask and returns the previous one.
fn change_mask(how: usize, set: u64) -> u64 {
    let mut old = 0_u64;
    let args = [
        how,
        &raw const set as usize,
        &raw mut old as usize,
        SET_LEN,
        0,
        0,
    ];
    // SAFETY: both are sets of the given length.
    let _ = unsafe { syscall(RT_SIGPROCMASK, args) };
    old
}

/// Sets a signal's disposition, if one is given, and returns the previous one.
fn action(signal: i32, new: Option<&Action>) -> Action {
    let mut old = DEFAULT;
    let new = new.map_or(ptr::null(), ptr::from_ref) as usize;
    let args = [signal as usize, new, &raw mut old as usize, SET_LEN, 0, 0];
    // SAFETY: null or an action, and room for one; no disposition set here is a handler.
    let _ = unsafe { syscall(RT_SIGACTION, args) };
    old
}

/// Inherited descriptors other than the three standard ones, withheld from the program that this process becomes.
///
/// sccache's client passes all its descriptors to a server that it starts, up to 0.17 (mozilla/sccache#2313). That
/// server outlives the build by ten minutes and keeps any pipe open. The pipe's reader waits that long (`make 3>&1
/// | tee`, a configure script's `exec 6>&1`). The client itself uses none of these descriptors: it has its own job
/// server, and withholds make's from what it runs.
pub struct Inherited(Vec<usize>);

impl Inherited {
    /// Makes the kernel close these descriptors when this process executes another program.
    pub fn hold_back() -> Self {
        let mut held = Vec::new();
        let Ok(descriptors) = sys::File::open(c"/proc/self/fd") else {
            return Self(held);
        };
        while let Ok(entries) = descriptors.entries()
            && !entries.is_empty()
        {
            let numbers = sys::EntryNames(&entries).filter_map(|name| decimal(name.to_bytes()));
            let numbers = numbers.map(|number| number as usize);
            held.extend(numbers.filter(|number| *number > 2 && close_on_exec(*number, true)));
        }
        Self(held)
    }

    /// Undoes [`hold_back`](Self::hold_back) after a failed execve.
    pub fn give_back(&self) {
        for number in &self.0 {
            close_on_exec(*number, false);
        }
    }
}

/// Sets whether a descriptor is closed on exec. Returns whether this changed it.
fn close_on_exec(descriptor: usize, close: bool) -> bool {
    const F_GETFD: usize = 1;
    const F_SETFD: usize = 2;
    const FD_CLOEXEC: usize = 1;
    // SAFETY: takes numbers.
    let fcntl = |what, value| unsafe { syscall(FCNTL, [descriptor, what, value, 0, 0, 0]) };
    let before = fcntl(F_GETFD, 0);
    let now = usize::from(close) * FD_CLOEXEC;
    before.is_ok_and(|before| before & FD_CLOEXEC != now) && fcntl(F_SETFD, now).is_ok()
}

/// A started program.
#[derive(Clone, Copy)]
pub struct Child(usize);

/// Why a wait ended.
pub enum WakeUp {
    /// The child ended.
    Ended(End),
    /// The time is up.
    Timeout,
}

impl Child {
    /// Starts a process that runs `body`, which must `execve` another program or exit. Until then the child shares
    /// this process's memory and this process is suspended: nothing is copied.
    ///
    /// If the shim dies, the child is asked to terminate.
    ///
    /// # Errors
    /// The kernel's.
    pub fn start(body: &mut dyn FnMut()) -> Result<Self, Errno> {
        const CLONE_VM: usize = 0x100;
        const CLONE_VFORK: usize = 0x4000;
        let flags = CLONE_VM | CLONE_VFORK | SIGCHLD as usize;
        let mut start = Start {
            parent: sys::getpid(),
            body,
        };
        let result: isize;
        // SAFETY: the child runs below this thread's stack frames, aligned as the ABI requires, and never returns.
        // The parent continues only when the child no longer uses the memory.
        unsafe {
            asm!(
                "lea rsi, [rsp - 256]",
                "and rsi, -16",
                "syscall",
                "test rax, rax",
                "jnz 2f",
                "xor ebp, ebp",
                "mov rdi, r12",
                "call {child}",
                "ud2",
                "2:",
                child = sym in_child,
                inlateout("rax") CLONE as isize => result,
                in("rdi") flags, in("rdx") 0, in("r10") 0, in("r8") 0, in("r12") &raw mut start,
                out("rsi") _, out("rcx") _, out("r11") _,
            );
        }
        match result {
            pid if pid > 0 => Ok(Self(pid as usize)),
            error => Err(Errno(-error as i32)),
        }
    }

    /// Waits for the child's end or for `seconds`, passing on signals that ask the shim to terminate.
    pub fn wait(self, seconds: Option<u64>) -> WakeUp {
        const SI_KERNEL: i32 = 0x80;
        let held = REQUESTS
            .iter()
            .fold(bit(SIGCHLD), |set, signal| set | bit(*signal));
        loop {
            let mut info = [0_i32; 32];
            let limit = [seconds.unwrap_or(0), 0];
            let limit = if seconds.is_some() {
                limit.as_ptr()
            } else {
                ptr::null()
            };
            let (set, room) = (&raw const held as usize, &raw mut info as usize);
            // SAFETY: a set of the given length, room for a siginfo (128 bytes), null or a timespec.
            let signal =
                unsafe { syscall(RT_SIGTIMEDWAIT, [set, room, limit as usize, SET_LEN, 0, 0]) };
            match signal {
                Ok(signal) if signal == SIGCHLD as usize => {
                    if let Some(end) = self.reap(false) {
                        return WakeUp::Ended(end);
                    }
                }
                // A signal from the terminal also reaches the child directly.
                Ok(signal) if info[2] != SI_KERNEL => self.send(signal as i32),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return WakeUp::Timeout,
            }
        }
    }

    /// Waits for the child's end, without passing on signals.
    pub fn ended(self) -> End {
        self.reap(true).unwrap_or(End::Exited(1))
    }

    /// Kills the child.
    pub fn kill(self) {
        self.send(SIGKILL);
        self.reap(true);
    }

    fn send(self, signal: i32) {
        // SAFETY: takes numbers.
        let _ = unsafe { syscall(KILL, [self.0, signal as usize, 0, 0, 0, 0]) };
    }

    /// Collects the child's status, if it has ended or, with `wait`, once it ends.
    fn reap(self, wait: bool) -> Option<End> {
        const WNOHANG: usize = 1;
        let mut status = 0_i32;
        let options = if wait { 0 } else { WNOHANG };
        let args = [self.0, &raw mut status as usize, options, 0, 0, 0];
        // SAFETY: there is room for a status; no usage is requested.
        let reaped = unsafe { syscall(WAIT4, args) };
        match (reaped, status & 0x7f) {
            (Ok(0), _) => None,
            (Ok(_), 0) => Some(End::Exited(status >> 8 & 0xff)),
            (Ok(_), signal) => Some(End::Killed(signal)),
            // The child is unknown. This cannot happen: nothing else reaps it.
            (Err(_), _) => Some(End::Exited(1)),
        }
    }
}

/// What a child does.
struct Start<'a> {
    parent: usize,
    body: &'a mut dyn FnMut(),
}

/// The child's first instructions.
unsafe extern "C" fn in_child(start: *mut Start<'_>) -> ! {
    const PR_SET_PDEATHSIG: usize = 1;
    // SAFETY: takes numbers.
    let _ = unsafe { syscall(PRCTL, [PR_SET_PDEATHSIG, SIGTERM as usize, 0, 0, 0, 0]) };
    // SAFETY: `start` belongs to the parent, which is suspended, and whose memory outlives it.
    let start = unsafe { &mut *start };
    // No signal comes for a parent that had died before.
    if sys::getppid() == start.parent {
        (start.body)();
    }
    sys::exit(1)
}

/// The peak memory in KiB of the largest process that this process or a descendant has waited for.
pub fn peak_memory() -> u64 {
    const OF_CHILDREN: usize = usize::MAX;
    /// The size in longs. The fifth is the peak memory.
    const RUSAGE_LEN: usize = 18;
    let mut usage = [0_u64; RUSAGE_LEN];
    let args = [OF_CHILDREN, &raw mut usage as usize, 0, 0, 0, 0];
    // SAFETY: there is room for an rusage.
    let _ = unsafe { syscall(GETRUSAGE, args) };
    usage[4]
}

/// Ends this process the way the child ended.
pub fn end(end: End) -> ! {
    const PR_SET_DUMPABLE: usize = 4;
    let signal = match end {
        End::Exited(status) => sys::exit(status),
        End::Killed(signal) => signal,
    };
    // The child has already dumped core.
    // SAFETY: takes numbers.
    let _ = unsafe { syscall(PRCTL, [PR_SET_DUMPABLE, 0, 0, 0, 0, 0]) };
    action(signal, Some(&DEFAULT));
    change_mask(SIG_UNBLOCK, bit(signal));
    // SAFETY: takes numbers.
    let _ = unsafe { syscall(KILL, [sys::getpid(), signal as usize, 0, 0, 0, 0]) };
    sys::exit(128 + signal)
}
