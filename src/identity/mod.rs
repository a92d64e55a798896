//! A compiler's identity: a digest of everything that decides what it produces, and the metadata by
//! which a change of any of it is noticed.
//!
//! Owns: which files are part of a compiler, their digests, the memo of them. Runs the compiler to
//! ask it (`-###`), reads its files, and writes nothing but the memo. Must never let a path or a
//! time into the digest: machines share caches by it.
//!
//! # What is part of a compiler
//!
//! | role | which files | witnessed |
//! |---|---|---|
//! | compiler | the executable that compiles in the end, behind links, stubs and our own shim | yes |
//! | shared-object | what it, and each program below, is loaded with ([`loader`]), but the system's own | yes |
//! | program | what the driver runs for HIP compiles ([`driver`]), and llvm-objcopy, which the bundler runs | yes |
//! | config | the configuration files that clang reads by itself, with what they include | yes, and that no other appears |
//! | bitcode | every `*.bc` beside one that clang links by itself | yes, and their directory |
//! | header | the resource directory's `include` | the directory alone |
//! | resource | the rest of the resource directory | `share` |
//!
//! *The system's own* are objects that lie directly in one of the loader's default directories and
//! are no part of LLVM: libc, libstdc++, zlib. They come with security updates, of which no
//! compiler's output has changed yet, and would keep machines from sharing a cache. libLLVM and
//! libclang-cpp are members wherever they lie.
//!
//! # The digest
//!
//! BLAKE3 over role, name and content digest of each member, in the order of these. A name is
//! the one by which the compiler looks for the file: `ocml.bc`, `lld`, `libLLVM.so.19.1`,
//! `include/stddef.h`. The executable has none, as it has another after `rock-wrap install`. One
//! file under two names is read once and counts under both, so that a copy in which links became
//! files is the same compiler.
//!
//! # Limitations
//! The host's linker and assembler are not members: links are not cached, and the assembler runs
//! under `-fno-integrated-as` only. A script is its content, whatever it runs. See [`loader`] for
//! what is not known of shared objects.

pub mod driver;
pub mod loader;

mod config;
mod elf;
mod error;
mod hash;
mod ldcache;
mod memo;
mod stamp;
mod survey;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use error::IdentityError;
pub use memo::Memo;
pub use stamp::{Stamp, Time};

use memo::{Environment, Known};
use survey::Survey;

/// A BLAKE3 digest. Shown as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

/// What a file is to the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The executable that compiles; or a script, where the compiler is one.
    Compiler,
    /// Loaded with the compiler or one of its programs.
    SharedObject,
    /// Run by the driver.
    Program,
    /// Options that clang reads by itself.
    Config,
    /// Device code that clang links by itself.
    Bitcode,
    /// A header of the compiler's own.
    Header,
    /// Another file of the resource directory: run-time libraries, sanitizers' lists.
    Resource,
}

impl Role {
    /// The name that a person reads, and that enters the digest.
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

/// One file of the compiler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What it is for.
    pub role: Role,
    /// The name by which the compiler looks for it: a base name, or for what is in the resource
    /// directory the path from there.
    pub name: String,
    /// Where it is, by the path that the compiler opens. Links below the tree's directory are kept
    /// in it, so that one that comes to lead elsewhere is noticed.
    pub path: PathBuf,
    /// Of its content.
    pub digest: Digest,
    /// Its metadata when it was read.
    pub stamp: Stamp,
    /// Whether a witness includes it.
    pub witnessed: bool,
}

/// A place on which the list of members depends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watched {
    path: PathBuf,
    /// Nothing where nothing is there.
    stamp: Option<Stamp>,
    /// What it decides about, where a witness includes it.
    witness: Option<Role>,
}

/// What decides a compiler's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its files, by role and name.
    pub members: Vec<Member>,
    /// Of all of them. The same for the same tree anywhere, at any time.
    pub digest: Digest,
    /// What a person should know: what was not found or is not covered.
    pub notes: Vec<String>,
    root: PathBuf,
    watched: Vec<Watched>,
}

/// What `stat` must say of one path while the identity holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// What the path is for. That of [`Role::Compiler`] may move by an installation, which puts the
    /// executable at its alias where the name that gets a shim is the executable itself.
    pub role: Role,
    /// Relative to the compilers' directory where it is in the same tree, else absolute. Links are
    /// followed.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
    /// Of the content.
    pub mtime: Time,
    /// 0 where nothing may be there: no file has that number.
    pub ino: u64,
}

impl Identity {
    /// Takes the identity of the compiler at `compiler`: an executable, something that leads to it
    /// (a link, a stub, our own shim), or a script. `root` is the tree to which it belongs, where
    /// that is known; its device libraries are part of the identity then.
    ///
    /// # Errors
    /// See [`IdentityError`]. A compiler without device libraries, or one that is not clang, is no
    /// error.
    pub fn take(compiler: &Path, root: Option<&Path>, memo: &Memo) -> Result<Self, IdentityError> {
        Self::take_in(compiler, root, memo, &Environment::current())
    }

    fn take_in(
        compiler: &Path,
        root: Option<&Path>,
        memo: &Memo,
        environment: &Environment,
    ) -> Result<Self, IdentityError> {
        let named = survey::canonical(compiler)?;
        let root = root.map(survey::canonical).transpose()?;
        let slot = memo.slot(&named, root.as_deref(), environment);
        let digests = match slot.known() {
            Known::All(identity) => return Ok(*identity),
            Known::Some(digests) => digests,
        };
        let survey = Survey::of(&named, root.as_deref(), environment)?;
        let path_matters = survey.path_matters;
        let identity = Self::read(survey, &digests)?;
        slot.keep(&identity, path_matters);
        Ok(identity)
    }

    /// Reads what `survey` found, but the files of which `known` has the digest.
    fn read(
        survey: Survey,
        known: &HashMap<PathBuf, (Stamp, Digest)>,
    ) -> Result<Self, IdentityError> {
        // A link and what it leads to are one file, and so are hard links.
        let mut files = HashMap::new();
        let mut numbers = Vec::with_capacity(survey.files.len());
        for found in &survey.files {
            let stamp = Stamp::of(&found.path)
                .map_err(|source| IdentityError::read(&found.path, source))?;
            let remembered = known.get(&found.path).filter(|(known, _)| *known == stamp);
            let number = (stamp.dev, stamp.ino);
            let content = remembered.map(|(stamp, digest)| hash::Content {
                digest: *digest,
                stamp: *stamp,
            });
            let file = files.entry(number).or_insert((&found.path, None));
            file.1 = file.1.or(content);
            numbers.push(number);
        }
        let unread = files.values().filter(|(_, content)| content.is_none());
        let unread: Vec<_> = unread.map(|(path, _)| path.as_path()).collect();
        let start = Instant::now();
        let read: HashMap<_, _> = hash::all(&unread)?.into_iter().collect();
        let bytes: u64 = read.values().map(|content| content.stamp.size).sum();
        tracing::debug!(
            "{} files, {bytes} bytes, read in {:?}",
            read.len(),
            start.elapsed()
        );
        let mut members = Vec::with_capacity(survey.files.len());
        for (found, number) in survey.files.iter().zip(numbers) {
            let (path, content) = files[&number];
            let content = content.unwrap_or_else(|| read[path]);
            members.push(Member {
                role: found.role,
                name: found.name.clone(),
                path: found.path.clone(),
                digest: content.digest,
                stamp: content.stamp,
                witnessed: found.witnessed,
            });
        }
        let watched = survey.watched.into_iter().map(|watch| Watched {
            stamp: Stamp::of(&watch.path).ok(),
            path: watch.path,
            witness: watch.witness,
        });
        Ok(Self {
            digest: digest(&members),
            members,
            notes: survey.notes,
            root: survey.root,
            watched: watched.collect(),
        })
    }

    /// What must hold of the file system for this identity to be that of the compilers in `bin`,
    /// a directory without links. In no particular order; each path once.
    ///
    /// The mtime of a directory tells of files that come, go or are replaced in it; headers are
    /// watched in this way alone, since their text is in the text that a launcher's key stands on.
    #[must_use]
    pub fn witness(&self, bin: &Path) -> Vec<Witness> {
        let members = self.members.iter().filter(|member| member.witnessed);
        let members = members.map(|member| (member.role, &member.path, Some(member.stamp)));
        let watched = self.watched.iter().filter_map(|watched| {
            let role = watched.witness?;
            Some((role, &watched.path, watched.stamp))
        });
        let mut seen = HashMap::new();
        for (role, path, stamp) in members.chain(watched) {
            let zero = Time { sec: 0, nsec: 0 };
            seen.entry(path).or_insert_with(|| Witness {
                role,
                path: self.seen_from(bin, path),
                size: stamp.map_or(0, |stamp| stamp.size),
                mtime: stamp.map_or(zero, |stamp| stamp.mtime),
                ino: stamp.map_or(0, |stamp| stamp.ino),
            });
        }
        seen.into_values().collect()
    }

    /// The members whose change time moved since, while all that a witness has stayed: a new hard
    /// link does that, and so does somebody who wrote to the file and set its time back. Whether
    /// the content is the same only reading tells.
    pub fn touched(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| {
            let then = member.stamp;
            Stamp::of(&member.path).is_ok_and(|now| {
                (now.size, now.mtime, now.ino) == (then.size, then.mtime, then.ino)
                    && now.ctime != then.ctime
            })
        })
    }

    fn seen_from(&self, bin: &Path, path: &Path) -> PathBuf {
        let (Ok(up), Ok(down)) = (bin.strip_prefix(&self.root), path.strip_prefix(&self.root))
        else {
            return path.to_owned();
        };
        let same = |(a, b): &(Component<'_>, Component<'_>)| a == b;
        let shared = up
            .components()
            .zip(down.components())
            .take_while(same)
            .count();
        let back = up.components().skip(shared).map(|_| Component::ParentDir);
        back.chain(down.components().skip(shared)).collect()
    }

    /// Whether nothing changed since.
    fn stands(&self) -> bool {
        let member = |member: &Member| Stamp::of(&member.path).is_ok_and(|now| now == member.stamp);
        let watched = |watched: &Watched| Stamp::of(&watched.path).ok() == watched.stamp;
        self.watched.iter().all(watched) && self.members.iter().all(member)
    }

    fn stamps(&self) -> impl Iterator<Item = Stamp> {
        let watched = self.watched.iter().filter_map(|watched| watched.stamp);
        self.members
            .iter()
            .map(|member| member.stamp)
            .chain(watched)
    }
}

fn digest(members: &[Member]) -> Digest {
    let mut parts: Vec<_> = members
        .iter()
        .map(|member| (member.role.as_str(), member.name.as_str(), member.digest))
        .collect();
    parts.sort_unstable();
    // The same object may be loaded by two programs from two copies.
    parts.dedup();
    let mut hasher = blake3::Hasher::new_derive_key("rock-wrap compiler identity 1");
    for (role, name, digest) in parts {
        for text in [role, name] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&digest.0);
    }
    Digest(*hasher.finalize().as_bytes())
}

fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}
