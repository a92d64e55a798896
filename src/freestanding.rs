//! The root of the library that the shim is linked with: what it shares with the command line, compiled
//! without `std`. See `build.rs`.

#![no_std]

extern crate alloc;

pub mod shared;
