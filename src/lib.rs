//! rock-wrap: a compiler-cache launcher for AMD ROCm's clang.
//!
//! See `docs/architecture.md` for how the modules work together.

extern crate alloc;

pub mod attach;
pub mod ci;
pub mod cli;
pub mod doctor;
pub mod fingerprint;
pub mod install;
pub mod launcher;
pub mod operation;
pub mod parts;
pub mod report;
pub mod rocm;
pub mod session;
pub mod shared;
pub mod shim_image;
pub mod support;
pub mod trampoline;
