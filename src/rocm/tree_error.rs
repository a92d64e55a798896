//! Why there is no usable tree.

use std::path::PathBuf;

use super::CompilerName;
use super::bin_dir::BIN_DIRS;

/// No usable tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The named directory does not exist.
    #[error("{path} (from {found_by}): no such directory")]
    Missing {
        /// The directory.
        path: PathBuf,
        /// The option, variable or program that named it.
        found_by: &'static str,
    },
    /// The named directory holds no compiler.
    #[error(
        "{path} (from {found_by}) has no compiler: looked for {names} in {}{hipcc}",
        bin_dirs()
    )]
    NoCompiler {
        /// The directory.
        path: PathBuf,
        /// The option, variable or program that named it.
        found_by: &'static str,
        /// The names that were looked for.
        names: String,
        /// What its hipcc reported, after a semicolon.
        hipcc: String,
    },
    /// A compiler that was named by its path does not exist.
    #[error("{dir} (from --compiler) has no {name}; {}", holds(.held))]
    NotInDirectory {
        /// The directory.
        dir: PathBuf,
        /// The name.
        name: CompilerName,
        /// The compilers that do exist there.
        held: Vec<String>,
    },
    /// Compilers in two directories were named by path.
    #[error(
        "--compiler names compilers in {0} and in {1}, but only one directory can be wrapped at a time"
    )]
    TwoDirectories(PathBuf, PathBuf),
    /// A compiler was named by path, and a tree that does not contain it was named too.
    #[error(
        "{dir} (from --compiler) is not in {root} (from --rocm-path), where compilers are in {}",
        bin_dirs()
    )]
    NotOfTree {
        /// The directory of the compiler.
        dir: PathBuf,
        /// The tree.
        root: PathBuf,
    },
    /// No tree was named, and none was found in the usual places.
    #[error("cannot find a ROCm tree: {}", .answers.join("; "))]
    NotFound {
        /// Each source that was asked, with its answer.
        answers: Vec<String>,
    },
    /// A path could not be inspected.
    #[error("cannot inspect {path}")]
    Look {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn bin_dirs() -> String {
    let dirs = BIN_DIRS.map(|dir| if dir.is_empty() { "." } else { dir });
    dirs.map(|dir| format!("{dir}/")).join(", ")
}

fn holds(held: &[String]) -> String {
    match held {
        [] => "it has no clang at all".to_owned(),
        held => format!("it has {}", held.join(", ")),
    }
}
