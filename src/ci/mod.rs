//! What a CI job needs around a build: which caches it may use, and the key of its cache.
//!
//! Owns: the table of policies, the offload architectures as a set, what CI systems say about a job, and keys.
//! Everything here is computed from values; the command line reads the environment and the files.

pub mod arch;
pub mod context;
pub mod error;
pub mod format;
pub mod key;
pub mod manifest;
pub mod plan;
pub mod policy;
pub mod remote;
pub mod settings;

pub use arch::ArchSet;
pub use context::{CiContext, Trust};
pub use error::CiError;
pub use policy::Policy;
pub use settings::Settings;

/// Environment variables, in the order in which they are shown.
pub type Variables = Vec<(String, String)>;
