//! Lists the files that are part of a compiler, without reading their contents.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use crate::fingerprint::driver::DriverOutput;
use crate::fingerprint::loader::System;
use crate::fingerprint::memo::LookupEnvironment;
use crate::fingerprint::{
    IdentityError, OffloadDriver, Role, config, driver, elf, is_missing, ldcache,
};
use crate::shared::paths::{ALIAS_SUFFIX, base_name};
use crate::shim_image;

/// Programs that the compiler's other programs run, which `-###` therefore does not show.
/// clang-offload-bundler runs llvm-objcopy (clang 15 to 19, `clang/lib/Driver/OffloadBundler.cpp`).
/// With the new offload driver, the only one in LLVM after 21, clang-linker-wrapper runs lld and
/// the bundler. They are looked for beside clang.
const BESIDE: [&str; 3] = ["clang-offload-bundler", "lld", "llvm-objcopy"];

/// One file of the compiler.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundFile {
    pub role: Role,
    pub name: String,
    pub path: PathBuf,
    pub witnessed: bool,
}

/// A path besides the members whose change may change the list of members.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchedPath {
    pub path: PathBuf,
    /// If a witness includes this path: the role of the members that the path decides about.
    pub witness: Option<Role>,
    /// Whether it is a directory of which only the names count.
    pub names: bool,
}

/// The files of one compiler, not yet read.
#[derive(Debug, Default)]
pub struct Survey {
    /// The tree that the compiler belongs to, with links resolved.
    pub root: PathBuf,
    pub files: BTreeSet<FoundFile>,
    pub watched: BTreeSet<WatchedPath>,
    pub notes: Vec<String>,
    /// The version line of clang.
    pub version: Option<String>,
    /// Which offload driver clang uses.
    pub offload_driver: OffloadDriver,
    /// Whether a program was found outside the compiler's directory, so that PATH matters.
    pub path_matters: bool,
}

impl Survey {
    /// Finds the files of the compiler at `compiler`, which has no links in its path and is not one
    /// of our shims. `root`, also without links, is its tree, if known.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn of(
        compiler: &Path,
        root: Option<&Path>,
        environment: &LookupEnvironment,
        system: &System,
    ) -> Result<Self, IdentityError> {
        let mut survey = Self::default();
        survey.watch_place(compiler);
        if !elf::is_elf(compiler)? {
            survey.add(Role::Compiler, "script", compiler, true);
            let what = "is a script: what it runs is not covered";
            survey.notes.push(format!("{} {what}", compiler.display()));
            survey.root = directory(compiler).to_owned();
            return Ok(survey);
        }
        if environment.get("LD_LIBRARY_PATH").is_some() {
            let note = "LD_LIBRARY_PATH is set: shared objects were looked for there too";
            survey.notes.push(note.to_owned());
        }
        let first = driver::ask_first(compiler)?;
        let (real, said) = match &first.clang {
            Some(clang) => {
                let real = canonical(clang)?;
                let guess = guess_root(directory(&real));
                survey.root = root.unwrap_or(&guess).to_owned();
                let (said, driver) = driver::ask_clang(&real, &survey.root, first)?;
                survey.offload_driver = driver;
                (real, said)
            }
            None => {
                survey.root = root.unwrap_or(directory(compiler)).to_owned();
                let said = driver::ask(compiler, &["-x", "c++", "-c"])?;
                let said = first.merge(said);
                if said.programs.is_empty() {
                    let what = "does not say what it runs: no other program is covered";
                    survey.notes.push(format!("{} {what}", compiler.display()));
                }
                (compiler.to_owned(), said)
            }
        };
        survey.watch_place(&real);
        survey.add(Role::Compiler, "compiler", &real, true);
        survey.add_objects(&real, system)?;
        survey.add_programs(&said, directory(&real), system)?;
        if said.clang.is_some() {
            survey.add_configs(&said, directory(&real))?;
            survey.add_bitcode(&said)?;
        }
        if let Some(dir) = &said.resource_dir {
            survey.add_resources(dir)?;
        }
        // A compiler that does not print a `-cc1` command is not clang, whatever it calls itself.
        survey.version = said.version.filter(|_| said.clang.is_some());
        Ok(survey)
    }

    fn add(&mut self, role: Role, name: &str, path: &Path, witnessed: bool) {
        self.files.insert(FoundFile {
            role,
            name: name.to_owned(),
            path: folded(path),
            witnessed,
        });
    }

    fn watch(&mut self, path: &Path, witness: Option<Role>) {
        self.watched.insert(WatchedPath {
            path: folded(path),
            witness,
            names: false,
        });
    }

    /// Watches a file that leads to the compiler, and the names in its directory, where clang looks
    /// for its programs and configuration files. The directory's mtime is not used because
    /// installing and restoring change it.
    fn watch_place(&mut self, path: &Path) {
        self.watch(path, None);
        self.watched.insert(WatchedPath {
            path: folded(directory(path)),
            witness: None,
            names: true,
        });
    }

    fn add_objects(&mut self, program: &Path, system: &System) -> Result<(), IdentityError> {
        let closure = system.closure(program)?;
        for loaded in closure.loaded.iter().filter(|loaded| !loaded.system) {
            let name = loaded.name.to_string_lossy();
            self.add(Role::SharedObject, &name, &loaded.path, true);
        }
        for path in &closure.vain {
            self.watch(path, None);
        }
        self.watch(Path::new(ldcache::PATH), None);
        for missing in closure.missing {
            if !self.notes.contains(&missing) {
                self.notes.push(missing);
            }
        }
        Ok(())
    }

    fn add_programs(
        &mut self,
        said: &DriverOutput,
        bin: &Path,
        system: &System,
    ) -> Result<(), IdentityError> {
        let beside = BESIDE.iter().filter(|_| said.clang.is_some());
        let beside: Vec<_> = beside.map(|program| bin.join(program)).collect();
        for path in said.programs.iter().chain(&beside) {
            let real = match path.canonicalize() {
                Ok(real) => real,
                // clang would run this program, but it is not installed.
                Err(source) if is_missing(&source) => continue,
                Err(source) => return Err(IdentityError::read(path, source)),
            };
            self.path_matters |= directory(&real) != bin;
            self.add(Role::Program, &file_name(path), path, true);
            if elf::is_elf(&real)? {
                self.add_objects(&real, system)?;
            }
        }
        Ok(())
    }

    fn add_configs(&mut self, said: &DriverOutput, bin: &Path) -> Result<(), IdentityError> {
        for path in config::with_included(&said.configs)? {
            self.add(Role::Config, &file_name(&path), &path, true);
        }
        // A configuration file that appears here would be read.
        let target = said.target.as_deref().unwrap_or_default();
        for mode in ["clang", "clang++"] {
            for name in [
                format!("{mode}.cfg"),
                format!("{target}-{mode}.cfg"),
                format!("{target}.cfg"),
            ] {
                let path = bin.join(name);
                if !path.exists() {
                    self.watch(&path, Some(Role::Config));
                }
            }
        }
        Ok(())
    }

    fn add_bitcode(&mut self, said: &DriverOutput) -> Result<(), IdentityError> {
        if said.bitcode_dirs.is_empty() {
            let note = "no device libraries were found: HIP compiles need --rocm-path";
            self.notes.push(note.to_owned());
        }
        // A directory may be reached both through a link and directly. Keep the path with the link,
        // since the link may change.
        let mut dirs = BTreeMap::new();
        for dir in &said.bitcode_dirs {
            let real = canonical(dir)?;
            let dir = folded(dir);
            if dir != real || !dirs.contains_key(&real) {
                dirs.insert(real, dir);
            }
        }
        for dir in dirs.values() {
            self.watch(dir, Some(Role::Bitcode));
            for (name, path) in list(dir)? {
                if path.extension().is_some_and(|extension| extension == "bc") {
                    self.add(Role::Bitcode, &name, &path, true);
                }
            }
        }
        Ok(())
    }

    /// Adds the files of the resource directory `dir`. Headers are part of the preprocessed text,
    /// which every launcher hashes, and libraries are for links, which are not cached. So neither
    /// is witnessed file by file. The lists in `share` (sanitizers' exceptions) affect code
    /// generation and are in no text.
    fn add_resources(&mut self, dir: &Path) -> Result<(), IdentityError> {
        let mut left = vec![(String::new(), dir.to_owned())];
        let mut seen = BTreeSet::new();
        while let Some((prefix, dir)) = left.pop() {
            // Follow a link to a parent directory only once.
            if !seen.insert(canonical(&dir)?) {
                continue;
            }
            self.watch(&dir, (prefix == "include/").then_some(Role::Header));
            for (name, path) in list(&dir)? {
                let name = format!("{prefix}{name}");
                match path.metadata() {
                    Ok(metadata) if metadata.is_dir() => left.push((name + "/", path)),
                    Ok(metadata) if metadata.is_file() => {
                        let role = if name.starts_with("include/") {
                            Role::Header
                        } else {
                            Role::Resource
                        };
                        self.add(role, &name, &path, name.starts_with("share/"));
                    }
                    Ok(_) => {}
                    Err(source) if is_missing(&source) => {}
                    Err(source) => return Err(IdentityError::read(&path, source)),
                }
            }
        }
        Ok(())
    }
}

/// The compiler at `path`, or its alias if one of our shims is at `path`.
pub fn behind_shim(path: &Path) -> Result<PathBuf, IdentityError> {
    let error = |source| IdentityError::read(path, source);
    let metadata = path.metadata().map_err(error)?;
    if !metadata.is_file() {
        return Err(IdentityError::NotAFile(path.to_owned()));
    }
    if metadata.len() > shim_image::MAX_LEN {
        return Ok(path.to_owned());
    }
    let bytes = std::fs::read(path).map_err(error)?;
    let Some(config) = shim_image::read(&bytes) else {
        return Ok(path.to_owned());
    };
    let name = match config {
        Ok(config) => config.name,
        Err(_) => base_name(path.as_os_str().as_bytes()),
    };
    let alias = OsString::from_vec([name, ALIAS_SUFFIX].concat());
    canonical(&path.with_file_name(alias))
}

/// The tree of the compilers in `bin`, guessed from the usual layouts.
fn guess_root(bin: &Path) -> PathBuf {
    let mut root = bin;
    for part in ["bin", "llvm", "lib"] {
        if root.ends_with(part) {
            root = root.parent().unwrap_or(root);
        }
    }
    root.to_owned()
}

/// `path` with links resolved.
pub fn canonical(path: &Path) -> Result<PathBuf, IdentityError> {
    path.canonicalize().map_err(|source| IdentityError::Find {
        path: path.to_owned(),
        source,
    })
}

/// `path` without each `..` that follows a real directory. Links are kept, so that a changed link
/// is noticed.
pub fn folded(path: &Path) -> PathBuf {
    let mut folded = PathBuf::new();
    for part in path.components() {
        let is_back = part == Component::ParentDir;
        if is_back && folded.canonicalize().is_ok_and(|real| real == folded) {
            folded.pop();
        } else {
            folded.push(part);
        }
    }
    folded
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The entries of `dir`; empty if it does not exist.
fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>, IdentityError> {
    let error = |source| IdentityError::read(dir, source);
    let entries = match dir.read_dir() {
        Ok(entries) => entries,
        Err(source) if is_missing(&source) => return Ok(Vec::new()),
        Err(source) => return Err(error(source)),
    };
    entries
        .map(|entry| {
            let path = entry.map_err(error)?.path();
            Ok((file_name(&path), path))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::testing::Fixture;

    #[test]
    fn dots_are_folded_but_behind_a_link() {
        let dir = Fixture::new();
        dir.write("a/b/file", b"");
        std::os::unix::fs::symlink("a/b", dir.path().join("link")).unwrap();
        for (path, expected) in [
            ("a/b/../x", "a/x"),
            ("a/b/../../a/x", "a/x"),
            ("link/../x", "link/../x"),
            ("gone/../x", "gone/../x"),
        ] {
            assert_eq!(folded(&dir.path().join(path)), dir.path().join(expected));
        }
    }

    #[test]
    fn the_tree_is_guessed_from_the_compilers_directory() {
        for (bin, root) in [
            ("/opt/rocm-7/lib/llvm/bin", "/opt/rocm-7"),
            ("/opt/rocm-5/llvm/bin", "/opt/rocm-5"),
            ("/usr/lib/llvm-19/bin", "/usr/lib/llvm-19"),
            ("/usr/bin", "/usr"),
            ("/odd", "/odd"),
        ] {
            assert_eq!(guess_root(Path::new(bin)), Path::new(root));
        }
    }
}
