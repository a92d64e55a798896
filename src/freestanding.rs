//! Root of the library that the shim links: the modules shared with the command line, compiled
//! without `std`. See `build.rs`.

#![no_std]

extern crate alloc;

pub mod shared;
