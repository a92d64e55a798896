//! What both programs are made of: the decision about a call, what it is made by, and how its answers are
//! passed on.
//!
//! Owns: everything on which the command line and the shim must agree. `rock-wrap explain` calls the very
//! functions that a compile goes through. `core` and `alloc` only, and no formatting, since the shim has
//! neither a C library nor the room.
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
pub mod paths;
pub mod shim_config;
pub mod socket;
pub mod stand_in;
pub mod sys;
pub mod this_machine;
