//! The integration tests: one program, linked once, with a module for each subject.
//!
//! Add a test to the module of its subject, and a module here for a new subject. Code that two modules need goes into
//! [`support`]. `cargo test --test it hazards::` runs one module; `cargo test FILTER` runs the tests whose paths
//! contain `FILTER`.
//!
//! All tests run side by side in one process. None may change process-wide state: environment, working directory,
//! umask, signal dispositions, limits. Give children what they need instead.

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
