//! Finds the shared objects that a program is loaded with, as glibc's loader does, but without
//! running anything.
//!
//! For each name that an object needs, in loading order (ld.so(8), glibc's `elf/dl-load.c`):
//!
//! 1. an object that is already loaded, by file name or DT_SONAME;
//! 2. DT_RPATH of the object and of its chain of loaders, up to the program. The DT_RPATH of an
//!    object that also has DT_RUNPATH does not count. If the object that needs the name has
//!    DT_RUNPATH, this step is skipped;
//! 3. LD_LIBRARY_PATH;
//! 4. DT_RUNPATH of the object itself;
//! 5. the loader's cache, then the default directories, unless the object has DF_1_NODEFLIB.
//!
//! Candidates for another machine or word size are skipped.
//!
//! # Limitations
//! Not considered: sub-directories for particular processors (`glibc-hwcaps/x86-64-v3`),
//! LD_PRELOAD, LD_AUDIT, /etc/ld.so.preload, and what a program loads by `dlopen` (clang: plugins,
//! which the key of a call covers).

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::fingerprint::elf::Dynamic;
use crate::fingerprint::ldcache::LdCache;
use crate::fingerprint::{IdentityError, elf, is_missing, ldcache};

/// The loader's default directories on Debian, Fedora and Arch. Files directly in one of them
/// belong to the system.
pub const SYSTEM_DIRS: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/lib32",
    "/usr/lib32",
];

/// What the search depends on besides the objects themselves.
pub struct System {
    library_path: Vec<PathBuf>,
    /// Read on first use.
    cache: LazyLock<LdCache>,
}

/// A loaded object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loaded {
    /// The file name that was asked for.
    pub name: OsString,
    /// The path by which the loader opens it.
    pub path: PathBuf,
    /// Whether it belongs to the system.
    pub system: bool,
}

/// The objects that a program is loaded with.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// The loaded objects. The dependencies of system objects are left out; they belong to the
    /// system too.
    pub loaded: Vec<Loaded>,
    /// Paths where the loader looked in vain before it found an object. A file that appeared at one
    /// of them would be loaded instead.
    pub vain: BTreeSet<PathBuf>,
    /// The names that were not found, as messages.
    pub missing: Vec<String>,
}

struct Object {
    path: PathBuf,
    dynamic: Dynamic,
    /// The object that first needed this one; `None` for the program.
    loader: Option<usize>,
}

impl System {
    /// This machine, with `library_path` for LD_LIBRARY_PATH.
    #[must_use]
    pub fn new(library_path: Option<&OsStr>) -> Self {
        let library_path = library_path.unwrap_or_default().as_bytes();
        // In this variable the loader treats a semicolon as a colon. It takes an empty entry for
        // the working directory, which differs from call to call, so empty entries are left out.
        let library_path = library_path
            .split(|byte| matches!(byte, b':' | b';'))
            .filter(|dir| !dir.is_empty())
            .map(|dir| PathBuf::from(OsStr::from_bytes(dir)))
            .collect();
        Self {
            library_path,
            cache: LazyLock::new(|| LdCache::read(Path::new(ldcache::PATH))),
        }
    }

    /// Finds the objects that the program at `path` is loaded with. `path` has no symbolic links.
    ///
    /// # Errors
    /// If an object cannot be read. A missing object is not an error: the loader reports it better,
    /// and a tool that is never run need not be loadable.
    pub fn closure(&self, path: &Path) -> Result<Closure, IdentityError> {
        let mut closure = Closure::default();
        let mut objects = vec![Object {
            path: path.to_owned(),
            dynamic: elf::read(path)?,
            loader: None,
        }];
        let mut known = BTreeSet::new();
        let mut next = 0;
        while next < objects.len() {
            for needed in objects[next].dynamic.needed.clone() {
                if !known.insert(needed.clone()) {
                    continue;
                }
                match self.find(&objects, next, &needed, &mut closure.vain)? {
                    None => closure.missing.push(format!(
                        "{} needs {}, which is not found",
                        objects[next].path.display(),
                        needed.display()
                    )),
                    Some((path, dynamic)) => {
                        known.extend(dynamic.soname.clone());
                        let system = is_system(&path);
                        closure.loaded.push(Loaded {
                            name: file_name(&needed),
                            path: path.clone(),
                            system,
                        });
                        if !system {
                            objects.push(Object {
                                path,
                                dynamic,
                                loader: Some(next),
                            });
                        }
                    }
                }
            }
            next += 1;
        }
        closure.loaded.sort();
        Ok(closure)
    }

    fn find(
        &self,
        objects: &[Object],
        by: usize,
        name: &OsString,
        vain: &mut BTreeSet<PathBuf>,
    ) -> Result<Option<(PathBuf, Dynamic)>, IdentityError> {
        let object = &objects[by];
        let candidates = if name.as_bytes().contains(&b'/') {
            vec![expand(name, &object.path)]
        } else {
            self.candidates(objects, by, name)
        };
        for path in candidates {
            match elf::read(&path) {
                Ok(dynamic) if dynamic.abi == objects[0].dynamic.abi => {
                    return Ok(Some((path, dynamic)));
                }
                // Like the loader, skip a file of another kind, such as a linker script.
                Ok(_) | Err(IdentityError::Elf { .. }) => {}
                Err(IdentityError::Read { source, .. }) if is_missing(&source) => {
                    vain.insert(path);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The files that the loader would try, in its order.
    fn candidates(&self, objects: &[Object], by: usize, name: &OsString) -> Vec<PathBuf> {
        let object = &objects[by];
        let dirs = |list: &Option<OsString>, origin: &Path| -> Vec<PathBuf> {
            let list = list
                .as_ref()
                .map(|list| list.as_bytes())
                .unwrap_or_default();
            let entries = list
                .split(|byte| *byte == b':')
                .filter(|dir| !dir.is_empty());
            entries
                .map(|dir| expand(OsStr::from_bytes(dir), origin))
                .collect()
        };
        let mut search = Vec::new();
        if object.dynamic.runpath.is_none() {
            let mut at = Some(by);
            while let Some(index) = at {
                let object = &objects[index];
                if object.dynamic.runpath.is_none() {
                    search.extend(dirs(&object.dynamic.rpath, &object.path));
                }
                at = object.loader;
            }
        }
        search.extend(self.library_path.iter().cloned());
        search.extend(dirs(&object.dynamic.runpath, &object.path));
        let mut files: Vec<_> = search.iter().map(|dir| dir.join(name)).collect();
        if !object.dynamic.no_default_dirs {
            files.extend_from_slice(self.cache.get(name));
            files.extend(SYSTEM_DIRS.iter().map(|dir| Path::new(dir).join(name)));
        }
        files
    }
}

/// Whether the file, with links resolved, is directly in one of the system's directories and not
/// part of a compiler. Distributions keep libLLVM in these directories too.
fn is_system(path: &Path) -> bool {
    const COMPILER: [&str; 3] = ["libLLVM", "libclang", "liblld"];
    let name = path.file_name().unwrap_or_default().as_bytes();
    if COMPILER
        .iter()
        .any(|prefix| name.starts_with(prefix.as_bytes()))
    {
        return false;
    }
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    SYSTEM_DIRS
        .iter()
        .any(|dir| real.parent() == Some(Path::new(dir)))
}

/// The value of `$LIB`, which depends on the distribution: Debian's, or everybody else's.
static LIB: LazyLock<&[u8]> = LazyLock::new(|| {
    if Path::new("/lib/x86_64-linux-gnu").is_dir() {
        b"lib/x86_64-linux-gnu"
    } else {
        b"lib64"
    }
});

/// Expands the loader's variables in `text` for the object at `path`.
fn expand(text: &OsStr, path: &Path) -> PathBuf {
    let origin = path
        .parent()
        .unwrap_or(Path::new("/"))
        .as_os_str()
        .as_bytes();
    let variables = [("ORIGIN", origin), ("LIB", *LIB), ("PLATFORM", b"x86_64")];
    let mut parts = text.as_bytes().split(|byte| *byte == b'$');
    let mut out = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let known = variables.iter().find_map(|(variable, value)| {
            let braced = format!("{{{variable}}}");
            let rest = part.strip_prefix(braced.as_bytes());
            Some((
                *value,
                rest.or_else(|| part.strip_prefix(variable.as_bytes()))?,
            ))
        });
        let (value, rest) = known.unwrap_or((b"$", part));
        out.extend_from_slice(value);
        out.extend_from_slice(rest);
    }
    PathBuf::from(OsString::from_vec(out))
}

fn file_name(name: &OsStr) -> OsString {
    Path::new(name).file_name().unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests;
