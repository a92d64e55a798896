//! Finds a ROCm tree and the directory of its compilers.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::bin_dir::{
    BIN_DIRS, Called, compilers_in, holds_name, holds_one_of, holds_ours, is_bin_of,
    leads_to_one_of, names_for, root_of,
};
use super::hipcc::Hipcc;
use super::tree_error::TreeError;
use super::{CompilerName, NamedCompiler, Program};
use crate::support::error_chain::chain;

/// A ROCm tree.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The root of the tree, as it was named.
    pub root: PathBuf,
    /// The directory of its compilers, with symbolic links resolved, so that a directory has one
    /// name.
    pub bin: PathBuf,
    /// How the tree was found: an option, a variable, a program or a default.
    pub found_by: &'static str,
    /// The names to wrap: the ones that the user named, or else the ones by which hipcc and other
    /// tools call the tree's compiler.
    pub names: Vec<CompilerName>,
    /// The hipcc that belongs to the tree.
    pub hipcc: Option<Hipcc>,
    /// The compiler that this hipcc calls, if it was asked and answered.
    pub calls: Option<PathBuf>,
    /// Places that variables and programs named first but that hold no compiler, one clause each.
    pub passed_over: Vec<String>,
}

/// What a tree must hold to count as found.
#[derive(Clone, Copy, Debug)]
enum Sought<'a> {
    /// One of these compilers, or if the list is empty, one that is wrapped by default.
    Compilers(&'a [NamedCompiler]),
    /// Files of an installation, for any names; or else a compiler that is wrapped by default.
    Installed,
}

impl Sought<'_> {
    fn asked(self) -> Vec<CompilerName> {
        match self {
            Self::Compilers(asked) => asked.iter().map(|asked| asked.name.clone()).collect(),
            Self::Installed => Vec::new(),
        }
    }
}

impl Tree {
    /// Finds the tree at `named`, or around compilers in `asked` that have a path. Otherwise takes
    /// the first of ROCM_PATH, ROCM_HOME, `rocm-sdk path --root`, hipcc, `hipconfig --rocmpath` and
    /// /opt/rocm that holds a compiler in `asked`.
    ///
    /// # Errors
    /// See [`TreeError`]. A directory that was named by an option must hold a tree.
    pub fn find(named: Option<&Path>, asked: &[NamedCompiler]) -> Result<Self, TreeError> {
        let mut dirs = asked.iter().filter_map(|asked| asked.dir.as_deref());
        let Some(dir) = dirs.next() else {
            return Self::search(named, Sought::Compilers(asked));
        };
        if let Some(other) = dirs.find(|other| *other != dir) {
            return Err(TreeError::TwoDirectories(dir.to_owned(), other.to_owned()));
        }
        Self::around(dir, named, Sought::Compilers(asked).asked())
    }

    /// Like [`find`](Self::find), but for inspecting or removing an installation: finds it whatever
    /// names it wraps.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn find_installed(named: Option<&Path>) -> Result<Self, TreeError> {
        Self::search(named, Sought::Installed)
    }

    fn search(named: Option<&Path>, sought: Sought<'_>) -> Result<Self, TreeError> {
        if let Some(root) = named {
            return Self::at(root, "--rocm-path", sought);
        }
        let variable = |name| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from).ok_or("not set".to_owned())
        };
        // Lazy: programs run only if the variables name no tree.
        type TreeSource<'a> = (&'static str, &'a dyn Fn() -> Result<PathBuf, String>);
        let sources: [TreeSource<'_>; 6] = [
            ("ROCM_PATH", &|| variable("ROCM_PATH")),
            ("ROCM_HOME", &|| variable("ROCM_HOME")),
            ("rocm-sdk path --root", &|| {
                ask("rocm-sdk", &["path", "--root"])
            }),
            (HIPCC, &|| Err(String::new())),
            ("hipconfig --rocmpath", &|| {
                ask("hipconfig", &["--rocmpath"])
            }),
            ("the default", &|| Ok(PathBuf::from("/opt/rocm"))),
        ];
        let mut passed_over = Vec::new();
        let mut answers = Vec::new();
        for (found_by, root) in sources {
            let found = if found_by == HIPCC {
                Self::by_hipcc(sought)
            } else {
                match root() {
                    Ok(root) => match Self::at(&root, found_by, sought) {
                        Err(error @ (TreeError::Missing { .. } | TreeError::NoCompiler { .. })) => {
                            Err(Silence::Nothing(error.to_string()))
                        }
                        found => Ok(found?),
                    },
                    Err(why) => Err(Silence::Mute(format!("{found_by}: {why}"))),
                }
            };
            match found {
                Ok(tree) => {
                    return Ok(Self {
                        passed_over,
                        ..tree
                    });
                }
                Err(Silence::Nothing(why)) => {
                    passed_over.push(why.clone());
                    answers.push(why);
                }
                Err(Silence::Mute(why)) => answers.push(why),
            }
        }
        Err(TreeError::NotFound { answers })
    }

    /// The tree of the compiler that the hipcc on PATH calls.
    fn by_hipcc(sought: Sought<'_>) -> Result<Self, Silence> {
        let mute = |why: &str| Silence::Mute(format!("{HIPCC}: {why}"));
        let hipcc = Hipcc::on_path().ok_or_else(|| mute("not on PATH"))?;
        let calls = hipcc.ask().map_err(|why| mute(&why))?;
        let says = |what: String| format!("{} ({HIPCC}) {what}", hipcc.path.display());
        let called = Called::of(&calls).map_err(|what| Silence::Nothing(says(what)))?;
        let asked = sought.asked();
        if !asked.is_empty() && !holds_one_of(&called.dir, &asked) {
            let what = format!("calls {}; {} is not there", calls.display(), list(&asked));
            return Err(Silence::Nothing(says(what)));
        }
        // Prefer hipcc's own tree if it has these compilers.
        let real = hipcc.path.canonicalize().ok();
        let own = real
            .as_deref()
            .and_then(Path::parent)
            .and_then(Path::parent);
        let root = own.unwrap_or(&called.dir).to_owned();
        let (dir, called) = (called.dir.clone(), Some(called));
        Ok(Self::new(root, dir, HIPCC, asked, called).with(Some(hipcc), Some(calls)))
    }

    /// The tree that contains `dir`, the directory of the compilers that were named by path.
    fn around(
        dir: &Path,
        named: Option<&Path>,
        asked: Vec<CompilerName>,
    ) -> Result<Self, TreeError> {
        let bin = dir.canonicalize().map_err(|source| TreeError::Look {
            path: dir.to_owned(),
            source,
        })?;
        if let Some(name) = asked.iter().find(|name| !holds_name(&bin, name)) {
            return Err(TreeError::NotInDirectory {
                dir: dir.to_owned(),
                name: name.clone(),
                held: compilers_in(&bin),
            });
        }
        let root = match named {
            Some(root) if is_bin_of(root, &bin) => root.to_owned(),
            Some(root) => {
                return Err(TreeError::NotOfTree {
                    dir: dir.to_owned(),
                    root: root.to_owned(),
                });
            }
            None => root_of(&bin),
        };
        let tree = Self::new(root, bin, "--compiler", asked, None);
        let own = Hipcc::of(&tree.root).map(|hipcc| (hipcc.ask().ok(), hipcc));
        if let Some((calls, hipcc)) = own {
            return Ok(tree.with(Some(hipcc), calls));
        }
        // A hipcc elsewhere belongs to the tree if it calls these compilers.
        let others = Hipcc::on_path().and_then(|hipcc| Some((hipcc.ask().ok()?, hipcc)));
        let ours = others
            .filter(|(calls, _)| Called::of(calls).is_ok_and(|called| called.dir == tree.bin));
        Ok(match ours {
            Some((calls, hipcc)) => tree.with(Some(hipcc), Some(calls)),
            None => tree,
        })
    }

    fn at(root: &Path, found_by: &'static str, sought: Sought<'_>) -> Result<Self, TreeError> {
        let look = |source| TreeError::Look {
            path: root.to_owned(),
            source,
        };
        match root.metadata() {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(look(std::io::ErrorKind::NotADirectory.into())),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(TreeError::Missing {
                    path: root.to_owned(),
                    found_by,
                });
            }
            Err(source) => return Err(look(source)),
        }
        let dirs = BIN_DIRS.map(|dir| root.join(dir));
        let asked = sought.asked();
        let hipcc = Hipcc::of(root);
        let installed = |dirs: &[PathBuf]| {
            let wanted = matches!(sought, Sought::Installed);
            dirs.iter().find(|dir| wanted && holds_ours(dir)).cloned()
        };
        // An installation in one of the usual places is found without running hipcc.
        if let Some(bin) = installed(&dirs) {
            let bin = bin.canonicalize().map_err(look)?;
            return Ok(Self::new(root.to_owned(), bin, found_by, asked, None).with(hipcc, None));
        }
        let calls = hipcc.as_ref().map(Hipcc::ask);
        let called = match &calls {
            Some(Ok(calls)) => Some(Called::of(calls)),
            Some(Err(why)) => Some(Err(why.clone())),
            None => None,
        };
        let (called, silence) = match called {
            Some(Ok(called)) => (Some(called), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        // A tree named by --rocm-path takes precedence over a compiler outside it that its hipcc calls
        // because of HIP_CLANG_PATH or the like.
        let is_inside = |dir: &Path| root.canonicalize().is_ok_and(|root| dir.starts_with(root));
        let first = |called: &&Called| found_by != "--rocm-path" || is_inside(&called.dir);
        let of_hipcc = called.as_ref().map(|called| called.dir.clone());
        let before = called
            .as_ref()
            .filter(first)
            .map(|called| called.dir.clone());
        let dirs: Vec<_> = before.into_iter().chain(dirs).chain(of_hipcc).collect();
        let holds = |dir: &&PathBuf| match &called {
            _ if !asked.is_empty() => holds_one_of(dir, &asked),
            Some(called) if called.dir == **dir => true,
            _ => holds_one_of(dir, &CompilerName::defaults()),
        };
        let bin = installed(&dirs).or_else(|| dirs.iter().find(holds).cloned());
        let Some(bin) = bin else {
            let names = match asked.is_empty() {
                true => CompilerName::defaults(),
                false => asked,
            };
            let says = |why| format!("; its hipcc {why}");
            return Err(TreeError::NoCompiler {
                path: root.to_owned(),
                found_by,
                names: list(&names),
                hipcc: silence.map(says).unwrap_or_default(),
            });
        };
        let bin = bin.canonicalize().map_err(look)?;
        let tree = Self::new(root.to_owned(), bin, found_by, asked, called);
        Ok(tree.with(hipcc, calls.and_then(Result::ok)))
    }

    /// A tree with its compilers in `bin`. Its root is `root` if `bin` is one of the usual places
    /// below it.
    fn new(
        root: PathBuf,
        bin: PathBuf,
        found_by: &'static str,
        asked: Vec<CompilerName>,
        called: Option<Called>,
    ) -> Self {
        let called = called.filter(|called| called.dir == bin);
        Self {
            root: if is_bin_of(&root, &bin) {
                root
            } else {
                root_of(&bin)
            },
            names: match asked.is_empty() {
                true => names_for(&bin, called.map(|called| called.name)),
                false => asked,
            },
            bin,
            found_by,
            hipcc: None,
            calls: None,
            passed_over: Vec::new(),
        }
    }

    fn with(self, hipcc: Option<Hipcc>, calls: Option<PathBuf>) -> Self {
        Self {
            hipcc,
            calls,
            ..self
        }
    }

    /// The release that the tree states in `.info/version`.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.root.join(".info/version")).ok()?;
        Some(text.lines().next()?.trim().to_owned())
    }

    /// The compilers to wrap, for a message.
    #[must_use]
    pub fn shown_names(&self) -> String {
        format!("{} in {}", list(&self.names), self.bin.display())
    }

    /// Whether a call of `compiler` reaches one of the names to wrap.
    #[must_use]
    pub fn covers(&self, compiler: &Path) -> bool {
        Called::of(compiler).is_ok_and(|called| {
            called.dir == self.bin
                && (self.names.contains(&called.name)
                    || leads_to_one_of(&self.bin, &called.name, &self.names))
        })
    }

    /// A warning if the tree's hipcc calls a compiler that is not wrapped.
    #[must_use]
    pub fn misses_hipcc(&self) -> Option<String> {
        let (hipcc, calls) = (self.hipcc.as_ref()?, self.calls.as_ref()?);
        (!self.covers(calls)).then(|| {
            format!(
                "{} calls {}, which is not among what is wrapped: {}",
                hipcc.path.display(),
                calls.display(),
                self.shown_names()
            )
        })
    }
}

/// How messages name a hipcc that was found on PATH.
const HIPCC: &str = "hipcc";

/// Why a source yielded no tree.
enum Silence {
    /// It named a place that is not a tree.
    Nothing(String),
    /// It named nothing.
    Mute(String),
}

fn list(names: &[CompilerName]) -> String {
    let names: Vec<_> = names.iter().map(CompilerName::to_string).collect();
    names.join(", ")
}

/// Runs `program`, looked up on PATH, and takes the first line of its output as a directory.
fn ask(program: &str, args: &[&str]) -> Result<PathBuf, String> {
    let path = which::which(program).map_err(|_| "not on PATH".to_owned())?;
    let answer = Program::at(&path).args(args).ask();
    let answer = answer.map_err(|error| chain(&error))?;
    let line = answer
        .stdout
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if !answer.status.success() {
        return Err(format!("{} failed ({})", path.display(), answer.status));
    }
    match line {
        b"" => Err(format!("{} said nothing", path.display())),
        line => Ok(PathBuf::from(OsStr::from_bytes(line))),
    }
}

#[cfg(test)]
mod tests;
