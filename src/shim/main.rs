//! The installed file: replaces `clang` or `clang++`, and then replaces its own process by the real compiler or by
//! a launcher in front of it.
//!
//! Owns: the hot path from `execve` to `execve`. It is freestanding (`core` and `alloc`, raw system calls, no libc,
//! no loader), for two measured reasons: a C library's start-up costs several times the shim's own work, and a Rust
//! `main` would leave SIGPIPE ignored in the compiler. Signal masks, dispositions, descriptors and the environment
//! pass through because nothing here ever touches them.
//!
//! Must never write to standard output, start a thread, or end without having tried the real compiler. Decisions
//! belong to [`decision`], the configuration to [`shim_config`].

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
mod named;
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
use shared::decision::{self, Decision};
use shared::shim_config::{self, Config, HEADER_LEN, MAGIC};
use shared::this_machine::ThisMachine;
use shared::{call_log, sys};

#[global_allocator]
static HEAP: heap::Heap = heap::Heap;

/// The header of the block that `rock-wrap install` fills in; here it contains only the magic.
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

/// The stack depth of a launched call, or slightly more, in bytes.
const FRAMES: usize = 2816;
const _: () = assert!(
    FRAMES.is_multiple_of(16),
    "the ABI's alignment of the stack"
);
const _: () = assert!(
    FRAMES <= 4096,
    "the heap ends below what the kernel has laid out"
);

/// The kernel's entry point. The argument is the stack pointer, with `argc` on top of the stack.
///
/// The shim's stack use is placed within a page: the frames grow down to the page's start and the heap, above them,
/// up to its end, so that most calls touch no other page.
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

/// Parses the process's initial stack as the kernel lays it out: `argc`, the arguments, a null pointer, the
/// environment, a null pointer, the auxiliary vector.
///
/// # Safety
/// `stack` is the stack pointer at the process's first instruction, and `memory` is the heap's start.
unsafe extern "C" fn entry(stack: *const usize, memory: *mut u8) -> ! {
    // SAFETY: nothing has been allocated yet, and `_start` has reserved the heap's room there.
    unsafe { heap::open(memory) };
    // SAFETY: this is the layout of the x86-64 ABI, and it lives as long as the process.
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

/// The block as present in the file: the installer makes the segment longer than this source declares.
fn block() -> &'static [u8] {
    // Opaque to the optimiser, which must not substitute the template's bytes for the file's, nor assume that the
    // block is as short as declared.
    let start = black_box(&raw const BLOCK).cast::<u8>();
    // SAFETY: the header always exists, and gives the length of what is mapped after it.
    unsafe {
        let head = core::slice::from_raw_parts(start, HEADER_LEN);
        core::slice::from_raw_parts(start, HEADER_LEN + shim_config::payload_len(head))
    }
}

/// The strings of a null-terminated list.
///
/// The kernel lays out a process's strings one after another, in the order of the lists (`fs/exec.c`,
/// `copy_strings`). Each string therefore ends where the next one begins, and only the last has to be searched for
/// its NUL, as well as any string that something other than the kernel (an emulator) laid out differently.
///
/// # Safety
/// `list` is one of the lists that the kernel made, and the list and its strings live as long as the process.
unsafe fn strings(list: sys::StringList) -> &'static [&'static CStr] {
    // SAFETY: stops at the null pointer and reads nothing after it.
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

/// The path by which the kernel was told to execute this file; `None` if it does not say.
///
/// # Safety
/// `list` is the auxiliary vector: pairs of a type and a value, the last of type 0.
unsafe fn executed(list: *const [usize; 2]) -> Option<&'static CStr> {
    const AT_NULL: usize = 0;
    const AT_EXECFN: usize = 31;
    // SAFETY: stops at the last pair; the value of that type is a string made by the kernel.
    unsafe {
        let pairs = (0..)
            .map(|at| *list.add(at))
            .take_while(|[kind, _]| *kind != AT_NULL);
        let [_, path] = { pairs }.find(|[kind, _]| *kind == AT_EXECFN)?;
        Some(CStr::from_ptr(path as *const _))
    }
}

/// A bug in the decision must not cost a compile: run the real compiler.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    compiler::last_resort()
}
