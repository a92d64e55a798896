//! Builds the *trampoline*: an executable of a few hundred bytes that a launcher is given as the
//! compiler.
//!
//! Owns: the trampoline's bytes. It is installed as the compiler's name plus [`STAND_IN_SUFFIX`].
//! It executes the shim: the file with its own path minus the suffix, or if that cannot be
//! executed, `rock-wrap-launcher` beside it. Arguments and environment are passed on unchanged, so
//! the shim sees the name by which it was called and answers accordingly (`src/shim/stand_in.rs`).
//!
//! After a restore, the original compiler has its name back, but a launcher may still run the
//! stand-in for a call that began earlier. The original may do such a compile. It must not do such
//! a `-E`: the launcher would store a result under an incomplete key. The trampoline then ends
//! itself by SIGKILL. Neither launcher takes that for the compiler's answer, and the waiting shim
//! compiles without the launcher.
//!
//! sccache hashes the bytes of its compiler into every key. Therefore this file must not depend on
//! an installation or a release. A test checks its digest; a change of these bytes invalidates
//! every shared cache.
//!
//! [`STAND_IN_SUFFIX`]: crate::shared::paths::STAND_IN_SUFFIX

use core::arch::global_asm;

// A complete ELF executable: one segment, readable and executable, at a fixed address, and a
// non-executable stack. The kernel puts the path of the executed file (AT_EXECFN) into the
// auxiliary vector behind the environment. Without /proc, there is no other way to learn it.
global_asm!(
    ".pushsection .rodata.rock_wrap_trampoline, \"a\", @progbits",
    ".globl rock_wrap_trampoline_start",
    ".globl rock_wrap_trampoline_end",
    ".balign 8",
    "rock_wrap_trampoline_start:",
    // ELF header: 64 bits, little endian, System V; ET_EXEC, x86-64.
    ".byte 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0",
    ".short 2, 62",
    ".long 1",
    ".quad {base} + (.Lrock_wrap_trampoline_entry - rock_wrap_trampoline_start)",
    ".quad 64, 0",
    ".long 0",
    ".short 64, 56, 2, 0, 0, 0",
    // PT_LOAD, readable and executable.
    ".long 1, 5",
    ".quad 0, {base}, {base}",
    ".quad rock_wrap_trampoline_end - rock_wrap_trampoline_start",
    ".quad rock_wrap_trampoline_end - rock_wrap_trampoline_start",
    ".quad 4096",
    // PT_GNU_STACK, readable and writable.
    ".long 0x6474e551, 6",
    ".quad 0, 0, 0, 0, 0, 16",
    ".Lrock_wrap_trampoline_entry:",
    // r12: the arguments. r13: the environment.
    "mov rax, [rsp]",
    "lea r12, [rsp + 8]",
    "lea r13, [r12 + rax * 8 + 8]",
    // rdi: the auxiliary vector, after the null pointer that ends the environment.
    "mov rdi, r13",
    "2: mov rax, [rdi]",
    "add rdi, 8",
    "test rax, rax",
    "jnz 2b",
    // rsi: the value of AT_EXECFN.
    "3: mov rax, [rdi]",
    "mov rsi, [rdi + 8]",
    "add rdi, 16",
    "test rax, rax",
    "jz 9f",
    "cmp rax, 31",
    "jne 3b",
    // rcx: the path's length without the suffix. The kernel limits a path to 4095 bytes.
    "xor ecx, ecx",
    "4: cmp byte ptr [rsi + rcx], 0",
    "lea rcx, [rcx + 1]",
    "jne 4b",
    "sub rcx, {suffix} + 1",
    "jbe 9f",
    "cmp rcx, 4096",
    "ja 9f",
    "sub rsp, 8192",
    "mov rdi, rsp",
    "lea r14, [rsp + rcx]",
    "rep movsb",
    "mov byte ptr [rdi], 0",
    // open(path, O_RDONLY | O_CLOEXEC), and read the ELF header. A shim has no section headers.
    "mov rdi, rsp",
    "mov esi, 0x80000",
    "xor edx, edx",
    "mov eax, 2",
    "syscall",
    "cmp eax, -2",
    "je 5f",
    // The file may be executable but not readable.
    "test eax, eax",
    "js 8f",
    "mov edi, eax",
    "lea rsi, [rsp + 6144]",
    "mov edx, 64",
    "xor eax, eax",
    "syscall",
    "cmp eax, 64",
    "jne 1f",
    "cmp qword ptr [rsp + 6144 + 40], 0",
    "je 8f",
    // Not a shim: the tree was restored after the launch. Its own `-E` must not answer.
    "1: mov rax, r12",
    "7: mov rdi, [rax]",
    "add rax, 8",
    "test rdi, rdi",
    "jz 8f",
    "cmp word ptr [rdi], 0x452d",
    "jne 7b",
    "cmp byte ptr [rdi + 2], 0",
    "jne 7b",
    // kill(getpid(), SIGKILL)
    "mov eax, 39",
    "syscall",
    "mov edi, eax",
    "mov esi, 9",
    "mov eax, 62",
    "syscall",
    "8: mov rdi, rsp",
    "mov rsi, r12",
    "mov rdx, r13",
    "mov eax, 59",
    "syscall",
    // The execution failed. r14: from the end of the path back to the last slash.
    "5: cmp r14, rsp",
    "je 6f",
    "cmp byte ptr [r14 - 1], '/'",
    "je 6f",
    "dec r14",
    "jmp 5b",
    "6: mov rdi, r14",
    "lea rsi, [rip + .Lrock_wrap_trampoline_launcher]",
    "mov ecx, {launcher_len} + 1",
    "rep movsb",
    "mov rdi, rsp",
    "mov rsi, r12",
    "mov rdx, r13",
    "mov eax, 59",
    "syscall",
    // The exit status that a shell uses for a missing program.
    "9: mov edi, 127",
    "mov eax, 231",
    "syscall",
    ".Lrock_wrap_trampoline_launcher: .asciz \"rock-wrap-launcher\"",
    "rock_wrap_trampoline_end:",
    ".popsection",
    base = const 0x40_0000,
    suffix = const crate::shared::paths::STAND_IN_SUFFIX.len(),
    launcher_len = const crate::shared::paths::LAUNCHER_NAME.len(),
);

unsafe extern "C" {
    static rock_wrap_trampoline_start: u8;
    static rock_wrap_trampoline_end: u8;
}

/// The trampoline's bytes.
#[must_use]
pub fn trampoline() -> &'static [u8] {
    let (start, end) = (
        &raw const rock_wrap_trampoline_start,
        &raw const rock_wrap_trampoline_end,
    );
    // SAFETY: the assembler places one contiguous file between the two labels.
    unsafe { core::slice::from_raw_parts(start, end.offset_from_unsigned(start)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::Command;

    /// Writes the program from another process. If this process wrote it, a child that another test
    /// forks could hold it open, and it could not be executed.
    fn place(dir: &Path, name: &str, content: &[u8]) {
        let bytes = dir.join("bytes");
        std::fs::write(&bytes, content).unwrap();
        let mut install = Command::new("install");
        install.arg("-m755").arg(&bytes).arg(dir.join(name));
        assert!(install.status().unwrap().success());
    }

    /// Runs the stand-in in `dir` with another name as `argv[0]`, and returns its status and
    /// output.
    fn run(dir: &Path) -> (Option<i32>, String) {
        run_with(dir, &["a b", ""])
    }

    fn run_with(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(dir.join("clang++.9727"));
        command.arg0("another name").args(args).env("KEPT", "x");
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }

    #[test]
    fn a_stand_in_becomes_the_shim_or_the_launchers_file_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let script = |who: &str| format!("#!/bin/sh\necho {who} $# \"$1\" $KEPT\n");
        place(dir.path(), "clang++.9727", trampoline());
        assert_eq!(run(dir.path()), (Some(127), String::new()));
        place(
            dir.path(),
            "rock-wrap-launcher",
            script("launcher").as_bytes(),
        );
        assert_eq!(run(dir.path()), (Some(0), "launcher 2 a b x\n".to_owned()));
        place(dir.path(), "clang++", script("shim").as_bytes());
        assert_eq!(run(dir.path()), (Some(0), "shim 2 a b x\n".to_owned()));
    }

    #[test]
    fn a_compiler_that_stands_there_again_is_never_asked_for_text() {
        let dir = tempfile::tempdir().unwrap();
        place(dir.path(), "clang++.9727", trampoline());
        place(dir.path(), "clang++", b"#!/bin/sh\necho compiler $#\n");
        for args in [&["-E", "x.c"][..], &["-x", "c", "-E"]] {
            assert_eq!(
                run_with(dir.path(), args),
                (None, String::new()),
                "{args:?}"
            );
        }
        let compile = run_with(dir.path(), &["-c", "-Ex", "E"]);
        assert_eq!(compile, (Some(0), "compiler 3\n".to_owned()));
    }

    #[test]
    fn a_shim_is_known_by_its_header() {
        let shim =
            crate::shim_image::stamp(&crate::shared::shim_config::Config::default()).unwrap();
        assert_eq!(shim[40..48], [0; 8]);
        let compiler = std::fs::read("/proc/self/exe").unwrap();
        assert_ne!(compiler[40..48], [0; 8]);
    }

    #[test]
    fn the_bytes_are_those_that_shared_caches_know() {
        let digest = blake3::hash(trampoline()).to_hex();
        assert_eq!(
            &digest[..16],
            "0f6b238e6bfea297",
            "{} bytes",
            trampoline().len()
        );
    }
}
