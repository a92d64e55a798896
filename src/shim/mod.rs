//! The parts of the shim that the command line uses too, so that `rock-wrap explain` asks the
//! machine exactly what a call through the shim would ask.
//!
//! The shim itself is an executable of its own: see `main.rs` beside this file, and `build.rs`.

pub mod events;
pub mod sys;
pub mod world;
