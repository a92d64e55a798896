//! The installed file: stands at `clang` or `clang++` and replaces itself by the real compiler or
//! by a launcher in front of it.
//!
//! Owns: the hot path from `execve` to `execve`. It is freestanding (`core` and `alloc`, raw
//! system calls, no libc, no loader), for two reasons that were measured: a C library's start-up
//! costs several times the shim's own work, and a Rust `main` would leave SIGPIPE ignored in the
//! compiler. Signal masks, dispositions, descriptors and the environment pass through because
//! nothing here ever touches them.
//!
//! Must never write to standard output, start a thread, or end without having tried
//! the real compiler. What it decides is [`decide`]'s business, what it knows is [`image`]'s.

#![no_std]
#![no_main]

extern crate alloc;

mod checkout;
mod compiler;
mod database;
mod heap;
mod launch;
mod launch_failure;
mod markers;
mod mem;
mod message;
mod outputs;
mod process;
mod program;
mod server;
mod stand_in;
mod supervise;
mod tell;

use rock_wrap_shared::shared;

use alloc::vec::Vec;
use core::arch::naked_asm;
use core::ffi::CStr;
use core::hint::black_box;

use compiler::Real;
use program::Given;
use shared::call::Call;
use shared::call_log;
use shared::decision::{self, Decision};
use shared::shim_config::{self, Config, HEADER_LEN, MAGIC};
use shared::sys;
use shared::this_machine::ThisMachine;

#[global_allocator]
static HEAP: heap::Heap = heap::Heap;

/// The head of the block that `rock-wrap install` fills in; in this source only its mark is there.
#[repr(C, align(32))]
struct Block([u8; HEADER_LEN]);

#[used]
#[unsafe(link_section = ".rockwrap")]
static BLOCK: Block = {
    let mut bytes = [0; HEADER_LEN];
    let (mark, _) = bytes.split_at_mut(MAGIC.len());
    mark.copy_from_slice(&MAGIC);
    Block(bytes)
};

/// Bytes of the deepest frames of a call that is launched, or a few more.
const FRAMES: usize = 2816;
const _: () = assert!(
    FRAMES.is_multiple_of(16),
    "the ABI's alignment of the stack"
);
const _: () = assert!(
    FRAMES <= 4096,
    "the heap ends below what the kernel has laid out"
);

/// Where the kernel begins: its argument is the stack, with `argc` on top.
///
/// What comes on the stack begins inside of a page: the frames grow to its start and the heap, above them,
/// to its end, so that most calls touch no other.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "mov rdi, rsp",
        "xor ebp, ebp",
        "lea rsi, [rsp - {heap} - 4096]",
        "and rsi, -4096",
        "add rsi, {frames}",
        "mov rsp, rsi",
        "call {entry}",
        "ud2",
        heap = const heap::LEN,
        frames = const FRAMES,
        entry = sym entry,
    )
}

/// Takes the process apart as the kernel laid it out: `argc`, the arguments, a null pointer, the
/// environment, a null pointer, the auxiliary vector.
///
/// # Safety
/// `stack` is the stack pointer at the process's first instruction, and `memory` the heap's.
unsafe extern "C" fn entry(stack: *const usize, memory: *mut u8) -> ! {
    // SAFETY: nothing was allocated yet, and `_start` has left so much room there.
    unsafe { heap::open(memory) };
    // SAFETY: this is the layout of the x86-64 ABI, and it stays as long as the process.
    let given = unsafe {
        let argv = stack.add(1).cast::<*const u8>();
        let envp = argv.add(*stack + 1);
        let (args, env) = (strings(argv), strings(envp));
        let file = executed(envp.add(env.len() + 1).cast());
        Given {
            args,
            env,
            argv,
            envp,
            file,
        }
    };
    let env = given.env;
    let Ok(config) = Config::decode(block()) else {
        Real::beside(given, None).exec()
    };
    if stand_in::is_called(given.args) {
        stand_in::answer(&given);
        Real::behind_stand_in(given, &config).exec()
    }
    let called = given.called();
    let mut real = if config.dir.is_empty() {
        Real::beside(given, Some(&config))
    } else {
        Real::elsewhere(given, &config)
    };
    let call = Call {
        argv: real.args(),
        called,
        env,
        config: &config,
    };
    if decision::foreign::is_foreign(&call, &ThisMachine::new(&|| config.dir)) {
        real.make_foreign();
    }
    compiler::set_last_resort(&real);
    let dir = || {
        if config.dir.is_empty() {
            real.dir()
        } else {
            config.dir
        }
    };
    let hands = tell::ShimHands { envp: real.envp() };
    let decision = decision::decide(&call, &ThisMachine::new(&dir).with(&hands));
    call_log::record(&call, &decision);
    match decision {
        Decision::Direct(direct) => {
            if let Some(changed) = decision::compiler::changed(&direct, &config) {
                tell::compiler_changed(env, &changed);
            }
            if let Some(file) = database::named(call.argv) {
                real.run_for_database(file);
            }
            real.exec()
        }
        Decision::Launch(launch) => {
            launch::launch(&real, &call, &launch.launcher, launch.edits, Some(&launch))
        }
        Decision::Forward(forward) => {
            launch::launch(&real, &call, &forward.launcher, forward.edits, None)
        }
    }
}

/// The block as the file holds it: the installer has made the segment longer than this source knows.
fn block() -> &'static [u8] {
    // Opaque to the optimiser, which must neither take the template's bytes for the file's nor the
    // block for as short as it is declared.
    let start = black_box(&raw const BLOCK).cast::<u8>();
    // SAFETY: the head is there in any case, and says how much is mapped behind it.
    unsafe {
        let head = core::slice::from_raw_parts(start, HEADER_LEN);
        core::slice::from_raw_parts(start, HEADER_LEN + shim_config::payload_len(head))
    }
}

/// The strings of a list that ends with a null pointer.
///
/// The kernel lays the strings of a process out one behind the other, in the lists' order (`fs/exec.c`,
/// `copy_strings`), so that where one begins the one before has ended: only the last is searched for
/// its NUL, and what somebody else has laid out otherwise (an emulator).
///
/// # Safety
/// `list` is one of those that the kernel made, and it and its strings live as long as the process.
unsafe fn strings(list: sys::StringList) -> &'static [&'static CStr] {
    // SAFETY: stops at the null pointer, behind which nothing is read.
    unsafe {
        let count = (0..).take_while(|at| !(*list.add(*at)).is_null()).count();
        let list = core::slice::from_raw_parts(list, count);
        let mut strings = Vec::with_capacity(count);
        for (at, start) in list.iter().copied().enumerate() {
            let string = match list.get(at + 1) {
                Some(next) if *next > start && *next.sub(1) == 0 => {
                    let bytes =
                        core::slice::from_raw_parts(start, next.offset_from_unsigned(start));
                    CStr::from_bytes_with_nul_unchecked(bytes)
                }
                _ => CStr::from_ptr(start.cast()),
            };
            strings.push(string);
        }
        strings.leak()
    }
}

/// The path by which the kernel was told to execute this file; `None` where it did not say.
///
/// # Safety
/// `list` is the auxiliary vector: pairs of a kind and a value, the last of kind 0.
unsafe fn executed(list: *const [usize; 2]) -> Option<&'static CStr> {
    const AT_NULL: usize = 0;
    const AT_EXECFN: usize = 31;
    // SAFETY: stops at the last pair; the value of that kind is a string of the kernel's.
    unsafe {
        let pairs = (0..)
            .map(|at| *list.add(at))
            .take_while(|[kind, _]| *kind != AT_NULL);
        let [_, path] = { pairs }.find(|[kind, _]| *kind == AT_EXECFN)?;
        Some(CStr::from_ptr(path as *const _))
    }
}

/// A bug in the decision must not cost a compile: step aside.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    compiler::last_resort()
}
