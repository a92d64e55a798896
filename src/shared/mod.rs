//! Code shared by both programs: the decision about a call, its inputs, and the way its result is passed on.
//!
//! Owns: everything that the command line and the shim must agree on. `rock-wrap explain` calls the same functions
//! that a compile goes through. Uses only `core` and `alloc`, and no formatting, because the shim has no C library
//! and must stay small.
//!
//! `build.rs` compiles this folder a second time, for the shim: see `src/freestanding.rs`.

pub mod access_list;
pub mod bytes;
pub mod call;
pub mod call_log;
pub mod decision;
pub mod key;
pub mod launchers;
pub mod listener;
pub mod machine;
pub mod namespaces;
pub mod parts;
pub mod paths;
pub mod shim_config;
pub mod socket;
pub mod stand_in;
pub mod sys;
pub mod this_machine;
