//! The system calls with which the shim starts a program and waits for it. Layouts as in
//! [`sys`].

use alloc::vec::Vec;
use core::arch::asm;
use core::ptr;

use crate::shared::bytes::decimal;
use crate::shared::launchers::failure::End;
use crate::shared::sys::{self, Errno, syscall};

/// Signals that ask a program to end and that somebody may send to the shim alone.
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
const RT_SIGTIMEDWAIT: usize = 128;
const PRCTL: usize = 157;

/// Bytes of a set of signals.
const SET_LEN: usize = 8;
const SIG_BLOCK: usize = 0;
const SIG_UNBLOCK: usize = 1;
const SIG_SETMASK: usize = 2;

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// `struct sigaction` of the kernel: handler, flags, restorer, mask.
type Action = [usize; 4];
const DEFAULT: Action = [0; 4];
const IGNORE: usize = 1;

/// The signals' dispositions and mask as the shim was given them, while it waits.
pub struct SavedSignals {
    mask: u64,
    child: Action,
}

impl SavedSignals {
    /// Keeps back what has to be passed on, and what says that a child has ended.
    pub fn hold() -> Self {
        let held = REQUESTS
            .iter()
            .fold(bit(SIGCHLD), |set, signal| set | bit(*signal));
        let signals = Self {
            mask: change_mask(SIG_BLOCK, held),
            child: action(SIGCHLD, None),
        };
        if signals.child[0] == IGNORE {
            // Where it is ignored the kernel throws a child's status away.
            action(SIGCHLD, Some(&DEFAULT));
        }
        signals
    }

    /// Everything as the shim was given it.
    pub fn release(&self) {
        if self.child[0] == IGNORE {
            action(SIGCHLD, Some(&self.child));
        }
        change_mask(SIG_SETMASK, self.mask);
    }
}

/// Changes the mask of signals, and returns what it was.
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
    // SAFETY: both are sets of the length given.
    let _ = unsafe { syscall(RT_SIGPROCMASK, args) };
    old
}

/// Sets a signal's disposition, if one is given, and returns what it was.
fn action(signal: i32, new: Option<&Action>) -> Action {
    let mut old = DEFAULT;
    let new = new.map_or(ptr::null(), ptr::from_ref) as usize;
    let args = [signal as usize, new, &raw mut old as usize, SET_LEN, 0, 0];
    // SAFETY: null or an action, and room for one; no disposition that is set here is a handler.
    let _ = unsafe { syscall(RT_SIGACTION, args) };
    old
}

/// Descriptors beside the three standard ones that this process was given, while they are kept from the
/// program that it becomes.
///
/// sccache's client hands all that it has to a server that it starts, up to 0.17 (mozilla/sccache#2313).
/// That server outlives the build by ten minutes, and so does a pipe that it holds: whoever reads it waits
/// for so long (`make 3>&1 | tee`, a configure script's `exec 6>&1`). The client itself uses none of them:
/// it has a job server of its own, and takes that of make from what it runs.
pub struct Inherited(Vec<usize>);

impl Inherited {
    /// Has the kernel close them when this process becomes another program.
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

    /// Undoes that, where this process has become none.
    pub fn give_back(&self) {
        for number in &self.0 {
            close_on_exec(*number, false);
        }
    }
}

/// Sets whether a descriptor is closed when this process becomes another program. Whether it was not
/// so before.
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

/// A program that was started.
#[derive(Clone, Copy)]
pub struct Child(usize);

/// What woke the one who waits.
pub enum WakeUp {
    /// The child has ended.
    Ended(End),
    /// The time is over.
    Timeout,
}

impl Child {
    /// Starts a process that runs `body`, which must become another program by `execve`, or end. It
    /// shares this one's memory until then, and this one stands still: nothing is copied.
    ///
    /// Should the shim die, it is asked to end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn start(mut body: &mut dyn FnMut()) -> Result<Self, Errno> {
        const CLONE_VM: usize = 0x100;
        const CLONE_VFORK: usize = 0x4000;
        let flags = CLONE_VM | CLONE_VFORK | SIGCHLD as usize;
        let result: isize;
        // SAFETY: the child runs below what this thread has on its stack, aligned as the ABI asks, and
        // never returns. The parent goes on only when the child has let go of the memory.
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
                in("rdi") flags, in("rdx") 0, in("r10") 0, in("r8") 0, in("r12") &raw mut body,
                out("rsi") _, out("rcx") _, out("r11") _,
            );
        }
        match result {
            pid if pid > 0 => Ok(Self(pid as usize)),
            error => Err(Errno(-error as i32)),
        }
    }

    /// Waits for its end or for `seconds`, passing on what asks the shim to end.
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
            // SAFETY: a set of the length given, room for a siginfo (128 bytes), null or a timespec.
            let signal =
                unsafe { syscall(RT_SIGTIMEDWAIT, [set, room, limit as usize, SET_LEN, 0, 0]) };
            match signal {
                Ok(signal) if signal == SIGCHLD as usize => {
                    if let Some(end) = self.reap(false) {
                        return WakeUp::Ended(end);
                    }
                }
                // A terminal's reaches the child by itself.
                Ok(signal) if info[2] != SI_KERNEL => self.send(signal as i32),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return WakeUp::Timeout,
            }
        }
    }

    /// Waits for its end, with nothing to pass on.
    pub fn ended(self) -> End {
        self.reap(true).unwrap_or(End::Exited(1))
    }

    /// Ends it at once.
    pub fn kill(self) {
        self.send(SIGKILL);
        self.reap(true);
    }

    fn send(self, signal: i32) {
        // SAFETY: takes numbers.
        let _ = unsafe { syscall(KILL, [self.0, signal as usize, 0, 0, 0, 0]) };
    }

    /// Takes its status, if it has ended or when it has.
    fn reap(self, wait: bool) -> Option<End> {
        const WNOHANG: usize = 1;
        let mut status = 0_i32;
        let options = if wait { 0 } else { WNOHANG };
        let args = [self.0, &raw mut status as usize, options, 0, 0, 0];
        // SAFETY: room for a status; no usage is asked for.
        let reaped = unsafe { syscall(WAIT4, args) };
        match (reaped, status & 0x7f) {
            (Ok(0), _) => None,
            (Ok(_), 0) => Some(End::Exited(status >> 8 & 0xff)),
            (Ok(_), signal) => Some(End::Killed(signal)),
            // Not known any more, which cannot be: nobody else takes it.
            (Err(_), _) => Some(End::Exited(1)),
        }
    }
}

/// The child's first instructions.
unsafe extern "C" fn in_child(body: *mut &mut dyn FnMut()) -> ! {
    const PR_SET_PDEATHSIG: usize = 1;
    // SAFETY: takes numbers.
    let _ = unsafe { syscall(PRCTL, [PR_SET_PDEATHSIG, SIGTERM as usize, 0, 0, 0, 0]) };
    // SAFETY: the parent's, which stands still.
    unsafe { (*body)() };
    sys::exit(1)
}

/// Ends this process as the child was.
pub fn end(end: End) -> ! {
    const PR_SET_DUMPABLE: usize = 4;
    let signal = match end {
        End::Exited(status) => sys::exit(status),
        End::Killed(signal) => signal,
    };
    // The child has dumped its core.
    // SAFETY: takes numbers.
    let _ = unsafe { syscall(PRCTL, [PR_SET_DUMPABLE, 0, 0, 0, 0, 0]) };
    action(signal, Some(&DEFAULT));
    change_mask(SIG_UNBLOCK, bit(signal));
    // SAFETY: takes numbers.
    let _ = unsafe { syscall(KILL, [sys::getpid(), signal as usize, 0, 0, 0, 0]) };
    sys::exit(128 + signal)
}
