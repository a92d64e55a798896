//! Provides helpers that several parts of the command line need and that know nothing of compilers.

pub mod access;
pub mod error_chain;
pub mod memory;
pub mod paths;
pub mod signals;
pub mod time;
