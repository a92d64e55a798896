//! rock-wrap: a compiler-cache launcher for AMD ROCm's clang.
//!
//! See `docs/architecture.md` for how the modules work together.

extern crate alloc;

pub mod access;
pub mod attach;
pub mod causes;
pub mod cli;
pub mod decide;
pub mod divert;
pub mod doctor;
pub mod identity;
pub mod image;
pub mod installed;
pub mod launcher;
mod paths;
pub mod report;
pub mod rocm;
pub mod session;
pub mod shim;
pub mod signals;
pub mod stand_in;
mod user;
pub mod wrap;
