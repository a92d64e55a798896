//! Takes a compiler's identity: a digest of everything that decides its output, and the metadata
//! that reveals a later change.
//!
//! Owns: which files are part of a compiler, their digests, and the memo of them. It runs the
//! compiler with `-###`, reads its files, and writes only the memo. Must never let a path or a time
//! into the digest: machines with the same digest share a cache.
//!
//! # What is part of a compiler
//!
//! | role | which files | witnessed |
//! |---|---|---|
//! | compiler | the executable that compiles, behind links, stubs and our own shim | yes |
//! | shared-object | objects loaded with it and with each program below ([`loader`]), except the system's | yes |
//! | program | what the driver runs for HIP compiles ([`driver`]), and what these programs run (`survey.rs`) | yes |
//! | config | configuration files clang reads by default, and files they include | yes, and that no other appears |
//! | bitcode | every `*.bc` beside one that clang links by default | yes, and their directory |
//! | header | the resource directory's `include` | the directory alone |
//! | resource | the rest of the resource directory | `share` |
//!
//! The system's objects are those directly in one of the loader's default directories that are not
//! part of LLVM: libc, libstdc++, zlib. Security updates change them often, which has not yet
//! changed any compiler's output, and as members they would keep machines from sharing a cache.
//! libLLVM and libclang-cpp are members wherever they are.
//!
//! # The digest
//!
//! BLAKE3 over role, name and content digest of each member, sorted by these, and over the offload
//! driver that the compiler uses by default. A name is the one by which the compiler looks for the
//! file: `ocml.bc`, `lld`, `libLLVM.so.19.1`, `include/stddef.h`. The executable has no name,
//! because `rock-wrap install` may rename it. A file with two names is read once and counts under
//! both, so a copy in which links became files is the same compiler.
//!
//! # Limitations
//! The host's linker and assembler are not members: links are not cached, and the assembler runs
//! only under `-fno-integrated-as`. Only the configuration files of clang and clang++ are members,
//! not those of clang's other driver modes. For a script only its content counts, not what it runs.
//! See [`loader`] for the limits of finding shared objects.

pub mod driver;
pub mod loader;

mod config;
mod elf;
mod error;
mod hash;
mod identity;
mod ldcache;
mod memo;
mod stamp;
mod survey;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use serde::{Deserialize, Serialize};

use crate::rocm::names::is_companion;
use crate::support::time::Time;

pub use error::IdentityError;
pub use identity::Identity;
pub use memo::Memo;
pub use stamp::Stamp;

/// A BLAKE3 digest, displayed as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

/// The role of a file in the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The executable that compiles, or a script if the compiler is one.
    Compiler,
    /// Loaded with the compiler or with one of its programs.
    SharedObject,
    /// Run by the driver.
    Program,
    /// A configuration file that clang reads by default.
    Config,
    /// Device bitcode that clang links by default.
    Bitcode,
    /// One of the compiler's own headers.
    Header,
    /// Another file of the resource directory: run-time libraries, sanitizers' lists.
    Resource,
}

impl Role {
    /// The role's name, for output and for the digest.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compiler => "compiler",
            Self::SharedObject => "shared-object",
            Self::Program => "program",
            Self::Config => "config",
            Self::Bitcode => "bitcode",
            Self::Header => "header",
            Self::Resource => "resource",
        }
    }
}

/// One file of the compiler. `S` and `P` are the types of its strings and paths; a record that is
/// only compared with the file system borrows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member<S = String, P = PathBuf> {
    /// Its role.
    pub role: Role,
    /// The name by which the compiler looks for it: a base name, or the path relative to the
    /// resource directory for files in there.
    pub name: S,
    /// The path by which the compiler opens it. Links below the tree's directory are kept, so that
    /// a changed link is noticed.
    pub path: P,
    /// Digest of its content.
    pub digest: Digest,
    /// Its metadata when it was read.
    pub stamp: Stamp,
    /// Whether a witness includes it.
    pub witnessed: bool,
}

/// A path that decides which files are members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watched<P = PathBuf> {
    path: P,
    state: WatchedState,
    /// If a witness includes this path: the role of the members that the path decides about.
    witness: Option<Role>,
}

/// The state of a watched path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum WatchedState {
    /// Its stamp; `None` if it does not exist.
    Stamp(Option<Stamp>),
    /// A digest of the names in a directory, except those that an installation creates.
    Names(Digest),
}

impl WatchedState {
    fn of(path: &Path, names: bool) -> Self {
        if names {
            Self::Names(names_in(path))
        } else {
            Self::Stamp(Stamp::of(path).ok())
        }
    }

    fn names(&self) -> bool {
        matches!(self, Self::Names(_))
    }

    fn stamp(&self) -> Option<Stamp> {
        match self {
            Self::Stamp(stamp) => *stamp,
            Self::Names(_) => None,
        }
    }
}

/// Which of its two offload drivers clang uses for a HIP compile.
///
/// The old driver's `-E` produces one text with the host's and every architecture's part. Under the
/// new driver, `-E` prints only the host's text. The compiler is asked with `-###`: the default
/// changed with clang 23, vendors changed it earlier, and a configuration file can select either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffloadDriver {
    /// Whether the new driver is used if no option selects one: by clang or clang++, with or
    /// without the default configuration files.
    pub new_by_default: bool,
    /// Whether the new driver uses `-cuid=`. If not, it warns of an unused argument.
    pub new_uses_id: bool,
}

/// The result of `stat` that one path must have while the identity is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessFile {
    /// The role of the path. An installation may change the path with [`Role::Compiler`]: if the
    /// wrapped name is the executable itself, the executable moves to its alias.
    pub role: Role,
    /// The path, relative to the compilers' directory if it is in the same tree, otherwise
    /// absolute. `stat` follows links.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// Modification time.
    pub mtime: Time,
    /// Inode number; 0 if the path must not exist (no file has that number).
    pub ino: u64,
}

/// A digest of the names in `dir`, except those that an installation creates. If `dir` cannot be
/// listed, this is the digest of no names.
fn names_in(dir: &Path) -> Digest {
    let entries = dir.read_dir().into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    let mut names: Vec<_> = names.filter(|name| !is_companion(name)).collect();
    names.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for name in names {
        hasher.update(name.as_bytes()).update(&[0]);
    }
    Digest(*hasher.finalize().as_bytes())
}

fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}
