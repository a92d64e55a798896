//! Finds the directories of a tree that hold compilers, and the compiler that hipcc calls.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::CompilerName;
use crate::rocm::names::{JOURNAL, is_companion};

/// The compiler that a hipcc calls, if it exists and can be wrapped.
pub(super) struct Called {
    /// Its directory, with symbolic links resolved.
    pub(super) dir: PathBuf,
    pub(super) name: CompilerName,
}

impl Called {
    pub(super) fn of(compiler: &Path) -> Result<Self, String> {
        let shown = compiler.display();
        let name = compiler.file_name().and_then(OsStr::to_str);
        let Some(name) = name.and_then(|name| name.parse().ok()) else {
            return Err(format!("calls {shown}, which is not clang"));
        };
        let dir = compiler.parent().and_then(|dir| dir.canonicalize().ok());
        match dir.filter(|dir| holds_name(dir, &name)) {
            Some(dir) => Ok(Self { dir, name }),
            None => Err(format!("calls {shown}, which is not there")),
        }
    }
}

/// The names to wrap in `bin` if the user named none and hipcc calls `called` there.
///
/// If `called` has no version suffix or is a link to a default name, they are the default names.
/// Otherwise, as in Debian's /usr/bin, a default name may lead to another directory and another
/// release, which hipcc does not use: such a name is left out.
pub(super) fn names_for(bin: &Path, called: Option<CompilerName>) -> Vec<CompilerName> {
    let defaults = CompilerName::defaults();
    let Some(called) = called else {
        return defaults;
    };
    if defaults.contains(&called) || leads_to_one_of(bin, &called, &defaults) {
        return defaults;
    }
    let place = |name: &CompilerName| {
        let alias = bin.join(name.alias()).canonicalize();
        let real = alias.or_else(|_| bin.join(name.as_os_str()).canonicalize());
        Some(real.ok()?.parent()?.to_owned())
    };
    let own = place(&called);
    let of_same = |name: &CompilerName| own.is_some() && place(name) == own;
    let others = defaults.into_iter().filter(of_same);
    std::iter::once(called.clone()).chain(others).collect()
}

/// Whether `name` is a link, or a chain of links, to one of `names` in the same directory, so that
/// a call of `name` reaches that name's shim.
pub(super) fn leads_to_one_of(bin: &Path, name: &CompilerName, names: &[CompilerName]) -> bool {
    /// The kernel's limit on symbolic links in one look-up.
    const LINKS: usize = 40;
    let mut file = name.as_os_str().to_owned();
    for _ in 0..LINKS {
        match std::fs::read_link(bin.join(&file)) {
            Ok(target) if target.file_name() == Some(target.as_os_str()) => {
                file = target.into_os_string();
            }
            _ => return false,
        }
        if names.iter().any(|name| name.as_os_str() == file) {
            return true;
        }
    }
    false
}

/// Whether `bin`, with links resolved, is where the tree at `root` keeps its compilers.
pub(super) fn is_bin_of(root: &Path, bin: &Path) -> bool {
    let mut dirs = BIN_DIRS.iter().map(|dir| root.join(dir).canonicalize());
    dirs.any(|dir| dir.is_ok_and(|dir| dir == bin))
}

/// The root of the tree with its compilers in `bin`, derived from the path.
pub(super) fn root_of(bin: &Path) -> PathBuf {
    let above = |dir: &&str| {
        let levels = Path::new(dir).components().count();
        bin.ancestors().nth(levels).filter(|_| bin.ends_with(dir))
    };
    let mut roots = BIN_DIRS.iter().filter_map(above);
    roots.next().unwrap_or(bin).to_owned()
}

/// Whether `dir` has a compiler called `name`, or its alias, which remains if the name was removed.
pub(super) fn holds_name(dir: &Path, name: &CompilerName) -> bool {
    let is_there = |name: &OsStr| {
        let metadata = dir.join(name).symlink_metadata();
        metadata.is_ok_and(|metadata| !metadata.is_dir())
    };
    is_there(name.as_os_str()) || is_there(&name.alias())
}

pub(super) fn holds_one_of(dir: &Path, names: &[CompilerName]) -> bool {
    names.iter().any(|name| holds_name(dir, name))
}

/// The compilers in `dir`, by names that a user could give.
pub(super) fn compilers_in(dir: &Path) -> Vec<String> {
    let entries = dir.read_dir().into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names
        .filter(|name| {
            name.parse::<CompilerName>()
                .is_ok_and(|name| holds_name(dir, &name))
        })
        .collect();
    names.sort();
    names
}

/// Whether an installation has files in `dir`: its journal, or if that was lost, an alias or a
/// stand-in.
pub(super) fn holds_ours(dir: &Path) -> bool {
    dir.read_dir().is_ok_and(|entries| {
        let names = entries.flatten().map(|entry| entry.file_name());
        names.into_iter().any(|name| {
            name == JOURNAL || name.as_bytes().starts_with(b"clang") && is_companion(&name)
        })
    })
}

/// Where a tree keeps clang, in order of preference. ROCm has both of the first two, one of them a
/// link to the other. The third is for an LLVM prefix such as Debian's. The last is for a compiler
/// directory with any other name.
pub(super) const BIN_DIRS: [&str; 4] = ["lib/llvm/bin", "llvm/bin", "bin", ""];
