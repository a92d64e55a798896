//! Compiles `src/shim/main.rs` into the freestanding executable that `rock-wrap install` writes in
//! place of the compiler. The library embeds it with `include_bytes!`.
//!
//! Cargo cannot build it: the shim needs its own panic strategy, no C start-up files and no libc,
//! and artifact dependencies (the only way to embed one target in another) are unstable. This
//! script calls `rustc` as Cargo would, with the toolchain of the rest of the build. It compiles
//! `src/shared` as a library without `std`, and then the executable that links to it. The only
//! other libraries are `core` and `alloc`, which every stock toolchain has for its host.

use std::path::PathBuf;
use std::process::Command;

/// The shim's sources.
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
            // Optimise for size: `s` instead of `z` saves a tenth of the instructions, which makes
            // no measurable difference in time, and costs 5 KB.
            .args(["-C", "opt-level=z", "-C", "panic=abort", "-C", "lto=fat"])
            .args(["-C", "codegen-units=1", "-C", "force-unwind-tables=no"])
            // Little inlining keeps an installed shim below 128 KiB.
            .args(["-C", "llvm-args=-inline-threshold=0"])
            // Fixed addresses: nothing has to be relocated at start-up.
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
            // One page of alignment, no build id, no unwind tables: fewer pages to map and to
            // touch.
            "-C",
            "link-args=-Wl,--build-id=none,--gc-sections,-z,noseparate-code,-z,norelro",
            "-C",
            "link-args=-Wl,--no-eh-frame-hdr,-T,src/shim/link.ld",
        ])
        .arg("-o")
        .arg(&shim);
    if target.ends_with("-musl") {
        // Otherwise this target links its own start-up files, even with -nostartfiles.
        program.args(["-C", "link-self-contained=no"]);
    }
    compile(&mut program);
    println!("cargo::rustc-env=ROCK_WRAP_SHIM={}", shim.display());
}

fn compile(rustc: &mut Command) {
    let status = rustc.status().expect("rustc can be started");
    assert!(status.success(), "the shim did not compile: {rustc:?}");
}
