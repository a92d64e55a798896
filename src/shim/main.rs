#![no_std]
#![no_main]
extern crate alloc;
use alloc::vec::Vec;
mod mem;
#[path="../image/mod.rs"]
mod image;
#[repr(C, align(64))] struct Blk([u8; image::BLOCK_LEN]);
#[used] #[unsafe(link_section=".rockwrap")] static BLOCK: Blk = { let mut b=[0u8; image::BLOCK_LEN]; let mut i=0; while i<16 {b[i]=image::MAGIC[i]; i+=1;} Blk(b)};

use core::arch::{asm, naked_asm};
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mov rdi, rsp", "xor ebp, ebp", "and rsp, -16", "call {m}", "ud2", m = sym m)
}
unsafe extern "C" fn m(p: *const usize) -> ! {
    let argc = unsafe { *p };
    let mut v: Vec<usize> = Vec::new();
    for i in 0..argc { v.push(i*3); }
    v.sort();
    let mut s = [0u8; 300];
    for (i,x) in s.iter_mut().enumerate() { *x = v[i % v.len()] as u8; }
    let t = s.clone();
    if t[..] == s[1..] { exit(3) }
    exit(v.iter().sum::<usize>() as i32)
}
fn exit(c: i32) -> ! { unsafe { asm!("syscall", in("rax") 231, in("rdi") c, options(noreturn)) } }
struct B;
static mut H: [u8; 65536] = [0; 65536];
static mut N: usize = 0;
unsafe impl core::alloc::GlobalAlloc for B {
    unsafe fn alloc(&self, l: core::alloc::Layout) -> *mut u8 { unsafe { let p = (N + l.align()-1) & !(l.align()-1); N = p + l.size(); (&raw mut H).cast::<u8>().add(p) } }
    unsafe fn dealloc(&self, _: *mut u8, _: core::alloc::Layout) {}
}
#[global_allocator]
static A: B = B;
#[panic_handler]
fn p(_: &core::panic::PanicInfo) -> ! { exit(127) }
