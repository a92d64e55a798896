//! A compiler's identity: how it is taken and remembered, and the witnesses of it.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::error::IdentityError;
use super::loader::System;
use super::memo::{Digests, LookupEnvironment, Memo, Slot};
use super::stamp::{Stamp, Stamps};
use super::survey::Survey;
use super::{
    Digest, Member, OffloadDriver, Role, Watched, WatchedState, WitnessFile, hash, survey,
};

use crate::support::paths::relative;
use crate::support::time::Time;

/// What decides a compiler's output. `S` and `P` as in [`Member`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity<S = String, P = PathBuf> {
    /// Its files, sorted by role and name.
    pub members: Vec<Member<S, P>>,
    /// Digest of all members. The same tree has the same digest anywhere and at any time.
    pub digest: Digest,
    /// Messages about what was not found or is not covered.
    pub notes: Vec<String>,
    /// The line in which clang prints its version; `None` if the compiler is not clang.
    pub version: Option<String>,
    /// Which offload driver it uses.
    pub offload_driver: OffloadDriver,
    root: PathBuf,
    watched: Vec<Watched<P>>,
    /// The value of PATH, if a program was found by it.
    path: Option<Vec<u8>>,
}

impl Identity {
    /// Takes the identity of the compiler at `compiler`: an executable, something that leads to it
    /// (a link, a stub, our own shim), or a script. `root` is its tree, if known; the tree's device
    /// libraries are then part of the identity.
    ///
    /// # Errors
    /// See [`IdentityError`]. A compiler without device libraries, or that is not clang, is not an
    /// error.
    pub fn take(compiler: &Path, root: Option<&Path>, memo: &Memo) -> Result<Self, IdentityError> {
        Self::take_in(compiler, root, memo, &LookupEnvironment::current())
    }

    /// The identity of the compiler at `compiler`, if `memo` has a valid one. Runs no program.
    #[must_use]
    pub fn remembered(compiler: &Path, root: Option<&Path>, memo: &Memo) -> Option<Self> {
        let (named, root) = without_links(compiler, root).ok()?;
        memo.slot(&named, root.as_deref(), &LookupEnvironment::current())
            .identity()
            .ok()
    }

    /// The digest and notes of the compiler at `compiler`, if `memo` has them and their validity can
    /// be decided without reading a file of the compiler. Runs no program.
    #[must_use]
    pub fn remembered_digest(
        compiler: &Path,
        root: Option<&Path>,
        memo: &Memo,
    ) -> Option<(Digest, Vec<String>)> {
        Self::remembered_digest_in(compiler, root, memo, &LookupEnvironment::current())
    }

    pub(super) fn remembered_digest_in(
        compiler: &Path,
        root: Option<&Path>,
        memo: &Memo,
        environment: &LookupEnvironment,
    ) -> Option<(Digest, Vec<String>)> {
        let (named, root) = without_links(compiler, root).ok()?;
        memo.slot(&named, root.as_deref(), environment).digest()
    }

    /// Records the identity in `memo` for the path that the executable is about to be moved to. Like
    /// any record, it is valid only once the file is there.
    pub fn keep_moved(&self, to: &Path, root: &Path, memo: &Memo) {
        if let Ok(root) = survey::canonical(root) {
            let environment = LookupEnvironment::current();
            self.moved(to, &memo.slot(to, Some(&root), &environment));
        }
    }

    pub(super) fn moved(&self, to: &Path, slot: &Slot<'_>) {
        let mut moved = self.clone();
        let members = moved.members.iter_mut();
        for member in members.filter(|member| member.role == Role::Compiler) {
            member.path = to.to_owned();
        }
        slot.keep(&moved);
    }

    /// The executable that compiles.
    #[must_use]
    pub fn executable(&self) -> Option<&Path> {
        let mut members = self.members.iter();
        let compiler = members.find(|member| member.role == Role::Compiler);
        compiler.map(|member| member.path.as_path())
    }

    pub(super) fn take_in(
        compiler: &Path,
        root: Option<&Path>,
        memo: &Memo,
        environment: &LookupEnvironment,
    ) -> Result<Self, IdentityError> {
        let (named, root) = without_links(compiler, root)?;
        let slot = memo.slot(&named, root.as_deref(), environment);
        let mut digests = match slot.identity() {
            Ok(identity) => return Ok(identity),
            Err(digests) => digests,
        };
        let system = System::new(environment.get("LD_LIBRARY_PATH"));
        // The shared objects are most of the bytes. Read them while the compiler answers.
        let (survey, early) = rayon::join(
            || Survey::of(&named, root.as_deref(), environment, &system),
            || read_early(&named, &system, &digests),
        );
        let survey = survey?;
        digests.extend(early);
        let path = environment.path.as_bytes();
        let path = survey.path_matters.then(|| path.to_owned());
        let identity = Self::read(survey, path, &digests)?;
        slot.keep(&identity);
        Ok(identity)
    }

    /// Reads the files that `survey` found, except those with a digest in `known`.
    pub(super) fn read(
        survey: Survey,
        path: Option<Vec<u8>>,
        known: &Digests,
    ) -> Result<Self, IdentityError> {
        // A link and its target are one file, and so are hard links.
        let mut files = HashMap::new();
        let mut numbers = Vec::with_capacity(survey.files.len());
        for found in &survey.files {
            let stamp = Stamp::of(&found.path)
                .map_err(|source| IdentityError::read(&found.path, source))?;
            let remembered = known.get(&found.path).filter(|(known, _)| *known == stamp);
            let number = (stamp.dev, stamp.ino);
            let content = remembered.map(|(stamp, digest)| hash::HashedFile {
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
            let (read_as, content) = files[&number];
            let content = content.unwrap_or_else(|| read[read_as]);
            members.push(Member {
                role: found.role,
                name: found.name.clone(),
                path: found.path.clone(),
                digest: content.digest,
                stamp: content.stamp,
                witnessed: found.witnessed,
            });
        }
        // A member's own stamp is enough.
        let paths: HashSet<_> = survey
            .files
            .iter()
            .map(|found| found.path.as_os_str())
            .collect();
        let is_member = |path: &Path| paths.contains(path.as_os_str());
        let watched = survey.watched.into_iter();
        let watched = watched.filter(|watch| watch.witness.is_some() || !is_member(&watch.path));
        let watched = watched.map(|watch| Watched {
            state: WatchedState::of(&watch.path, watch.names),
            path: watch.path,
            witness: watch.witness,
        });
        Ok(Self {
            digest: digest(&members, survey.offload_driver),
            members,
            notes: survey.notes,
            version: survey.version,
            offload_driver: survey.offload_driver,
            root: survey.root,
            path,
            watched: watched.collect(),
        })
    }

    /// What `stat` must return for these files as long as the compilers in `bin`, a directory
    /// without links, have this identity. Unordered; each path occurs once.
    ///
    /// A directory's mtime shows files that are added, removed or replaced. For headers only the
    /// directories are watched, since the headers' text is part of the text that launchers hash.
    #[must_use]
    pub fn witness(&self, bin: &Path) -> Vec<WitnessFile> {
        let members = self.members.iter().filter(|member| member.witnessed);
        let members = members.map(|member| (member.role, &member.path, Some(member.stamp)));
        let watched = self.watched.iter().filter_map(|watched| {
            let role = watched.witness?;
            Some((role, &watched.path, watched.state.stamp()))
        });
        let mut seen = HashMap::new();
        for (role, path, stamp) in members.chain(watched) {
            let zero = Time { sec: 0, nsec: 0 };
            seen.entry(path).or_insert_with(|| WitnessFile {
                role,
                path: self.seen_from(bin, path),
                size: stamp.map_or(0, |stamp| stamp.size),
                mtime: stamp.map_or(zero, |stamp| stamp.mtime),
                ino: stamp.map_or(0, |stamp| stamp.ino),
            });
        }
        seen.into_values().collect()
    }

    pub(super) fn seen_from(&self, bin: &Path, path: &Path) -> PathBuf {
        let (Ok(up), Ok(down)) = (bin.strip_prefix(&self.root), path.strip_prefix(&self.root))
        else {
            return path.to_owned();
        };
        relative(up, down)
    }

    /// Reads these members again, and returns whether their contents are unchanged.
    pub(super) fn reread(&mut self, members: &[usize]) -> bool {
        members.iter().all(|index| {
            let member = &mut self.members[*index];
            let read = hash::one(&member.path).ok();
            let same = read.filter(|content| content.digest == member.digest);
            // The stamp is updated only if the content is the same: a digest must never be kept with
            // the stamp of different content.
            same.map(|content| member.stamp = content.stamp).is_some()
        })
    }

    pub(super) fn stamps(&self) -> impl Iterator<Item = Stamp> {
        let watched = self
            .watched
            .iter()
            .filter_map(|watched| watched.state.stamp());
        self.members
            .iter()
            .map(|member| member.stamp)
            .chain(watched)
    }
}

impl<S, P: AsRef<Path>> Identity<S, P> {
    /// Compares the identity with the file system. `None` if something changed, otherwise the
    /// members that must be read to be sure: those with only a new change time. `path` is the value
    /// of PATH.
    pub(super) fn stands(&self, path: &OsStr) -> Option<Vec<usize>> {
        let same = |watched: &Watched<P>| {
            WatchedState::of(watched.path.as_ref(), watched.state.names()) == watched.state
        };
        let same_path = self
            .path
            .as_deref()
            .is_none_or(|known| known == path.as_bytes());
        if !same_path || !self.watched.iter().all(same) {
            return None;
        }
        let (mut touched, mut stamps) = (Vec::new(), Stamps::default());
        for (index, member) in self.members.iter().enumerate() {
            match stamps.of(member.path.as_ref()) {
                Ok(now) if now == member.stamp => {}
                Ok(now) if now.has_content_of(&member.stamp) => touched.push(index),
                _ => return None,
            }
        }
        Some(touched)
    }
}

/// The compiler that `compiler` leads to through links and our own shim, and `root` with links
/// resolved.
pub(super) fn without_links(
    compiler: &Path,
    root: Option<&Path>,
) -> Result<(PathBuf, Option<PathBuf>), IdentityError> {
    let named = survey::behind_shim(&survey::canonical(compiler)?)?;
    Ok((named, root.map(survey::canonical).transpose()?))
}

/// Reads the shared objects of the executable at `compiler` that are not in `known`. Errors are
/// ignored here; the later read reports them.
pub(super) fn read_early(compiler: &Path, system: &System, known: &Digests) -> Digests {
    let Ok(closure) = system.closure(compiler) else {
        return Digests::new();
    };
    let objects = closure.loaded.iter().filter(|loaded| !loaded.system);
    let objects = objects.map(|loaded| survey::folded(&loaded.path));
    let unread: Vec<_> = objects.filter(|path| !known.contains_key(path)).collect();
    let unread: Vec<_> = unread.iter().map(PathBuf::as_path).collect();
    let read = hash::all(&unread).into_iter().flatten();
    read.map(|(path, content)| (path, (content.stamp, content.digest)))
        .collect()
}

pub(super) fn digest(members: &[Member], driver: OffloadDriver) -> Digest {
    let mut parts: Vec<_> = members
        .iter()
        .map(|member| (member.role.as_str(), member.name.as_str(), member.digest))
        .collect();
    parts.sort_unstable();
    // Two programs may load two copies of the same object.
    parts.dedup();
    let mut hasher = blake3::Hasher::new_derive_key("rock-wrap compiler identity 1");
    for (role, name, digest) in parts {
        for text in [role, name] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&digest.0);
    }
    // Hashed only for the new driver, so that compilers with the old default keep their digests and
    // their caches.
    if driver.new_by_default {
        hasher.update(b"new offload driver by default");
    }
    Digest(*hasher.finalize().as_bytes())
}
