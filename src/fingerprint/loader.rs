//! Which shared objects a program is loaded with, found as glibc's loader finds them, without
//! running anything.
//!
//! For each name that an object needs, in order of loading (ld.so(8), glibc's `elf/dl-load.c`):
//!
//! 1. an object that is loaded already, by file name or DT_SONAME;
//! 2. DT_RPATH of the object and of those that had it loaded, up to the program; of an object that
//!    also has DT_RUNPATH it does not count, and an object that needs something and has DT_RUNPATH
//!    itself skips this step;
//! 3. LD_LIBRARY_PATH;
//! 4. DT_RUNPATH of the object itself;
//! 5. the loader's cache, then the default directories, unless the object says DF_1_NODEFLIB.
//!
//! A candidate for another machine or word size is passed over.
//!
//! # Limitations
//! Sub-directories for particular processors (`glibc-hwcaps/x86-64-v3`) are not looked into, nor
//! LD_PRELOAD, LD_AUDIT and /etc/ld.so.preload, nor what a program loads by `dlopen` (clang:
//! plugins, which the key of a call covers).

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::fingerprint::elf;
use crate::fingerprint::elf::Dynamic;
use crate::fingerprint::ldcache;
use crate::fingerprint::ldcache::LdCache;
use crate::fingerprint::{IdentityError, is_missing};

/// The loader's default directories, those of Debian, Fedora and Arch. What lies directly in one of
/// them belongs to the system.
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

/// What the search depends on beside the objects themselves.
pub struct System {
    library_path: Vec<PathBuf>,
    /// Not before somebody looks something up there.
    cache: LazyLock<LdCache>,
}

/// One object that is loaded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loaded {
    /// The file name under which it is asked for.
    pub name: OsString,
    /// The file, by the name under which the loader opens it.
    pub path: PathBuf,
    /// Whether it is one of the system's own.
    pub system: bool,
}

/// Everything that a program is loaded with.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// What is loaded. The dependencies of the system's own objects are left out, which are the
    /// system's own too.
    pub loaded: Vec<Loaded>,
    /// Where the loader looked in vain before it found an object: a file that appeared there would
    /// be loaded instead.
    pub vain: BTreeSet<PathBuf>,
    /// What was not found, for a person.
    pub missing: Vec<String>,
}

struct Object {
    path: PathBuf,
    dynamic: Dynamic,
    /// The object that first needed this one; none for the program.
    loader: Option<usize>,
}

impl System {
    /// The machine as it is, with `library_path` for LD_LIBRARY_PATH.
    #[must_use]
    pub fn new(library_path: Option<&OsStr>) -> Self {
        let library_path = library_path.unwrap_or_default().as_bytes();
        // The loader takes a semicolon for a colon here, and an empty entry for the working
        // directory, which is another one in each call: it is left out.
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

    /// What the program at `path`, without links, is loaded with.
    ///
    /// # Errors
    /// Where one of the objects cannot be read. One that is not there is no error: the loader's
    /// own message is better, and a tool that is never run may well not be runnable.
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
                // A file of another kind is passed over as the loader does, and a linker's script
                // with it.
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

/// Whether the file, links followed, lies directly in one of the system's own directories and is
/// no part of a compiler: distributions keep libLLVM there too.
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

/// What `$LIB` stands for, a matter of the distribution: Debian's, then everybody else's.
static LIB: LazyLock<&[u8]> = LazyLock::new(|| {
    if Path::new("/lib/x86_64-linux-gnu").is_dir() {
        b"lib/x86_64-linux-gnu"
    } else {
        b"lib64"
    }
});

/// `text` with the loader's own variables replaced, as for the object at `path`.
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
