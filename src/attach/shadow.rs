//! Builds a shadow: a directory that looks like the tree's LLVM, with shims at the compilers'
//! names. For trees that cannot or must not be written to.
//!
//! Owns: this directory in the user's cache. Its path depends only on the tree, since command lines
//! and CMake's caches contain it. Each session that uses the shadow holds a shared `flock` on it,
//! and the last one removes it.
//!
//! ```text
//! <cache>/shadow/<digest of the compilers' directory>/
//!   bin/clang++      a shim that runs the tree's own clang++
//!   bin/clang++.9727 its stand-in
//!   bin/ld.lld       a link to the tree's
//!   lib, share, ...  links to the tree's
//! ```

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::{AttachError, Variables};
use crate::rocm::CompilerName;
use crate::trampoline::trampoline;

/// A session's share of a shadow.
#[derive(Debug)]
pub struct Shadow {
    /// The shadow's top directory.
    root: PathBuf,
    /// The top directory, open, with a shared lock on it.
    held: File,
}

impl Shadow {
    /// Creates a shadow of the compilers' directory `bin` with these shims, or joins the sessions
    /// that use it.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn enter(
        bin: &Path,
        shims: &[(CompilerName, Vec<u8>)],
        cache: &Path,
    ) -> Result<Self, AttachError> {
        let base = cache.join("shadow");
        let _among_ourselves = lock_base(&base)?;
        let digest = blake3::hash(bin.as_os_str().as_bytes()).to_hex();
        let root = base.join(&digest[..16]);
        fs::create_dir_all(&root).map_err(|source| AttachError::Directory(root.clone(), source))?;
        let held = open(&root)?;
        let shadow = Self { root, held };
        if shadow.is_last()? {
            // Not in use: any content was left behind by a session that was killed.
            shadow.build(bin, shims)?;
        }
        let directory = |source| AttachError::Directory(shadow.root.clone(), source);
        shadow.held.lock_shared().map_err(directory)?;
        Ok(shadow)
    }

    /// Takes over the share of another process.
    #[must_use]
    pub fn from_fd(root: PathBuf, fd: OwnedFd) -> Self {
        Self {
            root,
            held: fd.into(),
        }
    }

    /// Duplicates the share's descriptor, for another process.
    ///
    /// # Errors
    /// If no descriptors are left.
    pub fn try_clone(&self) -> io::Result<OwnedFd> {
        Ok(self.held.try_clone()?.into())
    }

    /// The shadow's top directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Gives the share up, and removes the shadow if it was the last.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn leave(self) -> Result<(), AttachError> {
        let base = self.root.parent().unwrap_or(&self.root);
        let _among_ourselves = lock_base(base)?;
        if !self.is_last()? {
            return Ok(());
        }
        match fs::remove_dir_all(&self.root) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(AttachError::Remove(self.root.clone(), source))
            }
            _ => Ok(()),
        }
    }

    /// The variables that make a build use the shadow instead of the compilers in `bin`.
    #[must_use]
    pub fn variables(&self, bin: &Path) -> Variables {
        let own = self.root.join("bin");
        let is_trees = |dir: &Path| dir.canonicalize().is_ok_and(|dir| dir == bin);
        let mut variables = Variables::new();
        let named = std::env::var_os("HIP_CLANG_PATH").filter(|value| !value.is_empty());
        if named.is_none_or(|named| is_trees(Path::new(&named))) {
            variables.push(("HIP_CLANG_PATH", Some(own.clone().into())));
        }
        // Variables that name one of the tree's compilers.
        for variable in ["HIPCXX", "CXX", "CC"] {
            let named = std::env::var_os(variable).map(PathBuf::from);
            let shim = named.and_then(|named| {
                let shim = own.join(named.file_name()?);
                (is_trees(named.parent()?) && shim.is_file()).then_some(shim)
            });
            if let Some(shim) = shim {
                variables.push((variable, Some(shim.into())));
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs: Vec<PathBuf> = std::env::split_paths(&path)
            .flat_map(|dir| {
                let front = is_trees(&dir).then(|| own.clone());
                front.into_iter().chain([dir])
            })
            .collect();
        if let Ok(path) = std::env::join_paths(dirs) {
            variables.push(("PATH", Some(path)));
        }
        variables
    }

    fn is_last(&self) -> Result<bool, AttachError> {
        match self.held.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(source)) => {
                Err(AttachError::Directory(self.root.clone(), source))
            }
        }
    }

    fn build(&self, bin: &Path, shims: &[(CompilerName, Vec<u8>)]) -> Result<(), AttachError> {
        for entry in list(&self.root)? {
            let path = self.root.join(entry);
            let is_dir = path.symlink_metadata().is_ok_and(|it| it.is_dir());
            let removed = if is_dir {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(|source| AttachError::Remove(path, source))?;
        }
        let own = self.root.join("bin");
        fs::create_dir(&own).map_err(|source| AttachError::Make(own.clone(), source))?;
        // Skip the files that an installation put beside the tree's compilers: they belong to its
        // shims.
        let is_own = |name: &OsStr| {
            let is_shim = shims.iter().any(|(shim, _)| shim.as_os_str() == name);
            is_shim || shims.iter().any(|(shim, _)| shim.stand_in() == name)
        };
        let prefix = bin.parent().unwrap_or(bin);
        for (from, to, leave_out) in [
            (
                prefix,
                &self.root,
                &(|name: &OsStr| Some(name) == bin.file_name()) as &dyn Fn(&OsStr) -> bool,
            ),
            (bin, &own, &is_own),
        ] {
            for entry in list(from)?.into_iter().filter(|name| !leave_out(name)) {
                let (original, link) = (from.join(&entry), to.join(&entry));
                // Keep a link to a file in the same directory, because that file may be a shim
                // here.
                let neighbour = fs::read_link(&original)
                    .ok()
                    .filter(|text| text.file_name() == Some(text.as_os_str()));
                symlink(neighbour.unwrap_or(original), &link)
                    .map_err(|source| AttachError::Make(link, source))?;
            }
        }
        for (name, image) in shims {
            let compiler = bin.join(name.as_os_str());
            for (file, content) in [
                (name.stand_in(), trampoline()),
                (name.as_os_str().to_owned(), image),
            ] {
                let path = own.join(file);
                // Give the file its compiler's mtime, so that a cache in front of it finds this
                // session's results in the next session.
                let write = || {
                    let mut file = File::create(&path)?;
                    file.write_all(content)?;
                    file.set_permissions(fs::Permissions::from_mode(0o755))?;
                    file.set_modified(fs::metadata(&compiler)?.modified()?)
                };
                write().map_err(|source| AttachError::Make(path.clone(), source))?;
            }
        }
        Ok(())
    }
}

/// Serialises this user's sessions that enter or leave, until the result is dropped.
fn lock_base(base: &Path) -> Result<File, AttachError> {
    let directory = |source| AttachError::Directory(base.to_owned(), source);
    fs::create_dir_all(base).map_err(directory)?;
    let file = open(base)?;
    file.lock().map_err(directory)?;
    Ok(file)
}

fn open(dir: &Path) -> Result<File, AttachError> {
    File::open(dir).map_err(|source| AttachError::Directory(dir.to_owned(), source))
}

fn list(dir: &Path) -> Result<Vec<OsString>, AttachError> {
    let names =
        fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    names.map_err(|source| AttachError::List(dir.to_owned(), source))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(dir.path().join("llvm/bin")).unwrap();
            fs::create_dir(dir.path().join("llvm/lib")).unwrap();
            for name in ["clang++", "ld.lld"] {
                fs::write(dir.path().join("llvm/bin").join(name), name).unwrap();
            }
            Self { dir }
        }

        fn enter(&self, image: &str) -> Shadow {
            let shims = [("clang++".parse().unwrap(), image.into())];
            let (bin, cache) = (
                self.dir.path().join("llvm/bin"),
                self.dir.path().join("cache"),
            );
            Shadow::enter(&bin, &shims, &cache).unwrap()
        }
    }

    #[test]
    fn everything_but_the_shims_leads_to_the_tree() {
        let place = Place::new();
        let shadow = place.enter("shim");
        let root = shadow.root().to_owned();
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        assert_eq!(
            (read("bin/clang++"), read("bin/ld.lld")),
            ("shim".into(), "ld.lld".into())
        );
        assert_eq!(
            fs::read(root.join("bin/clang++.9727")).unwrap(),
            trampoline()
        );
        assert!(root.join("lib").is_dir());
        shadow.leave().unwrap();
        assert!(!root.exists());
    }

    #[test]
    fn a_shim_and_its_stand_in_can_be_run_and_have_the_time_of_the_compiler() {
        let place = Place::new();
        let compiler = File::open(place.dir.path().join("llvm/bin/clang++")).unwrap();
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
        compiler.set_modified(time).unwrap();
        let shadow = place.enter("shim");
        for name in ["clang++", "clang++.9727"] {
            let file = shadow.root().join("bin").join(name);
            let file = file.symlink_metadata().unwrap();
            assert_eq!(file.modified().unwrap(), time, "{name}");
            assert_eq!(file.permissions().mode() & 0o7777, 0o755, "{name}");
        }
    }

    #[test]
    fn the_stand_in_is_the_shadows_own_where_the_tree_is_wrapped() {
        let place = Place::new();
        let trees = place.dir.path().join("llvm/bin/clang++.9727");
        fs::write(&trees, "another release's").unwrap();
        let shadow = place.enter("shim");
        let own = shadow.root().join("bin/clang++.9727");
        assert_eq!(fs::read(own).unwrap(), trampoline());
        assert_eq!(fs::read(trees).unwrap(), b"another release's");
    }

    #[test]
    fn another_name_of_a_compiler_leads_to_the_shim() {
        let place = Place::new();
        let bin = place.dir.path().join("llvm/bin");
        symlink("clang++", bin.join("clang++-15")).unwrap();
        symlink("clang++-15", bin.join("c++")).unwrap();
        let shadow = place.enter("shim");
        for name in ["clang++-15", "c++"] {
            let path = shadow.root().join("bin").join(name);
            assert_eq!(fs::read(&path).unwrap(), b"shim", "{name}");
        }
    }

    #[test]
    fn sessions_share_it_and_the_last_one_out_removes_it() {
        let place = Place::new();
        let (one, two) = (place.enter("first"), place.enter("second"));
        assert_eq!(one.root(), two.root());
        let shim = one.root().join("bin/clang++");
        assert_eq!(
            fs::read(&shim).unwrap(),
            b"first",
            "it is in use and stays as it is"
        );
        one.leave().unwrap();
        assert!(shim.exists());
        two.leave().unwrap();
        assert!(!shim.exists());
    }

    #[test]
    fn what_a_killed_session_left_is_made_anew_at_the_same_path() {
        let place = Place::new();
        let killed = place.enter("old");
        let root = killed.root().to_owned();
        drop(killed);
        let next = place.enter("new");
        assert_eq!(next.root(), root);
        assert_eq!(fs::read(root.join("bin/clang++")).unwrap(), b"new");
    }
}
