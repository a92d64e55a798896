//! Compiles `src/shim/main.rs` into the freestanding executable that `rock-wrap install` writes
//! in place of the compiler, so that the library can embed it with `include_bytes!`.
//!
//! Cargo cannot do this by itself: the shim needs its own panic strategy, no C start-up files and
//! no libc, and an artifact dependency (the only way to embed one target in another) is unstable.
//! `rustc` is called as Cargo would call it, with the toolchain that builds the rest: once for
//! `src/shared`, as a library without `std`, and once for the executable that is linked with it. Only
//! `core` and `alloc` are linked besides, which every stock toolchain carries for its host.

use std::path::PathBuf;
use std::process::Command;

/// What the shim is made of.
const SOURCES: [&str; 3] = ["src/shim", "src/shared", "src/freestanding.rs"];

fn main() {
    for dir in SOURCES {
        println!("cargo::rerun-if-changed={dir}");
    }
    let var = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let target = var("TARGET");
    assert!(
        target.starts_with("x86_64-") && target.contains("-linux-"),
        "the shim makes raw x86-64 Linux system calls; {target} is not supported"
    );
    let out = PathBuf::from(var("OUT_DIR"));
    let (shared, shim) = (out.join("librock_wrap_shared.rlib"), out.join("shim"));
    let rustc = || {
        let mut rustc = Command::new(var("RUSTC"));
        rustc
            .args(["--edition", "2024", "--target", &target])
            .args(["--cfg", "rock_wrap_shim"])
            // Small before fast: s instead of z takes a tenth fewer instructions, none of which can be
            // measured in time, and 5 KB more.
            .args(["-C", "opt-level=z", "-C", "panic=abort", "-C", "lto=fat"])
            .args(["-C", "codegen-units=1", "-C", "force-unwind-tables=no"])
            .args(["-C", "llvm-args=-inline-threshold=15"])
            // Fixed addresses: nothing has to be relocated before the first instruction.
            .args(["-C", "relocation-model=static"])
            .args(["-C", "target-feature=+crt-static"]);
        rustc
    };
    compile(
        rustc()
            .args(["src/freestanding.rs", "--crate-name", "rock_wrap_shared"])
            .args(["--crate-type", "rlib", "-o"])
            .arg(&shared),
    );
    let mut program = rustc();
    program
        .args(["src/shim/main.rs", "--crate-name", "rock_wrap_shim"])
        .args(["--crate-type", "bin", "-C", "strip=debuginfo"])
        .arg("--extern")
        .arg(format!("rock_wrap_shared={}", shared.display()))
        .args([
            "-C",
            "link-args=-nostartfiles -nostdlib -static -no-pie",
            // One page of alignment, no build id, no unwind tables: fewer pages to map and to touch.
            "-C",
            "link-args=-Wl,--build-id=none,--gc-sections,-z,noseparate-code,-z,norelro",
            "-C",
            "link-args=-Wl,--no-eh-frame-hdr,-T,src/shim/link.ld",
        ])
        .arg("-o")
        .arg(&shim);
    if target.ends_with("-musl") {
        // That target brings start-up files of its own, whatever it is told with -nostartfiles.
        program.args(["-C", "link-self-contained=no"]);
    }
    compile(&mut program);
    println!("cargo::rustc-env=ROCK_WRAP_SHIM={}", shim.display());
}

fn compile(rustc: &mut Command) {
    let status = rustc.status().expect("rustc can be started");
    assert!(status.success(), "the shim did not compile: {rustc:?}");
}
