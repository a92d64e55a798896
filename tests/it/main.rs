//! The integration tests: a module for each part of what a user sees, in one program that is linked once.
//!
//! A new test goes into the module that its subject has, a new subject gets a module here. What two modules
//! need is in [`support`]. `cargo test --test it hazards::` runs one module, `cargo test FILTER` what has
//! `FILTER` in its path.
//!
//! Tests run side by side in one process. None may change what the process has only one of: environment,
//! current directory, umask, signal dispositions, limits. Children are given what they need instead.

mod attach;
mod ci;
mod cli;
mod completions;
mod doctor;
mod elsewhere;
mod exact;
mod explain;
mod found;
mod hazards;
mod health;
mod install;
mod links;
mod modes;
mod nested;
mod older;
mod packages;
mod page;
mod per_arch;
mod reference;
mod report;
mod restore;
mod run;
mod server;
mod session;
mod sharing;
mod shim;
mod snapshots;
mod status;
mod support;
mod survive;
mod transparency;
mod trouble;
mod wheels;
mod why;
