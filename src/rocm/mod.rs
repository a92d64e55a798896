//! Describes a ROCm tree: where its compilers are, how they are laid out, what its hipcc can do.
//!
//! Owns: finding and describing trees. It reads and runs programs of the tree, and never writes to
//! it.

pub mod compiler;
pub mod hipcc;
pub mod names;
pub mod tree;

mod bin_dir;
mod program;
mod tree_error;

pub use compiler::{Compiler, CompilerName, Layout, NamedCompiler};
pub use hipcc::Hipcc;
pub use program::{Program, ProgramError, ProgramOutput};
pub use tree::Tree;
pub use tree_error::TreeError;
