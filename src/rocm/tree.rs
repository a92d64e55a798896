//! Finding the tree and, in it, the directory of its compilers.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Name, Program};
use crate::divert::JOURNAL;
use crate::image::ALIAS_SUFFIX;

/// Where a tree keeps clang, in the order of preference. ROCm has both of the first two, one of
/// them a link to the other; the last is that of an LLVM prefix such as Debian's.
const BIN_DIRS: [&str; 3] = ["lib/llvm/bin", "llvm/bin", "bin"];

/// A ROCm tree.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The tree's own directory, as it was named.
    pub root: PathBuf,
    /// The directory of its compilers, without links: two ways to name it are one directory.
    pub bin: PathBuf,
    /// How the tree was found: an option, a variable, a program or a default.
    pub found_by: &'static str,
    /// What was named by variables or programs before, and holds no compiler.
    pub passed_over: Vec<String>,
}

/// No usable tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The directory that was named does not exist.
    #[error("{path} (from {found_by}): no such directory")]
    Missing {
        /// The directory.
        path: PathBuf,
        /// Who named it.
        found_by: &'static str,
    },
    /// The directory that was named holds no compiler.
    #[error("{path} (from {found_by}) holds none of {} of {names}", BIN_DIRS.map(|dir| format!("{dir}/")).join(", "))]
    NoCompiler {
        /// The directory.
        path: PathBuf,
        /// Who named it.
        found_by: &'static str,
        /// What was looked for.
        names: String,
    },
    /// Nothing was named, and no usual place holds a tree.
    #[error("no ROCm tree was found; looked at {looked_at}")]
    NotFound {
        /// What was tried, for a person.
        looked_at: String,
    },
    /// A path on the way could not be read.
    #[error("cannot look at {path}")]
    Look {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What a tree has to hold.
#[derive(Clone, Copy, Debug)]
enum Sought<'a> {
    /// A compiler of one of these names.
    Names(&'a [Name]),
    /// What an installation left, whatever its names; else a compiler of one of these.
    Installed(&'a [Name]),
}

impl<'a> Sought<'a> {
    fn names(self) -> &'a [Name] {
        match self {
            Self::Names(names) | Self::Installed(names) => names,
        }
    }

    /// The one of `dirs` that holds it.
    fn among(self, dirs: &[PathBuf]) -> Option<&PathBuf> {
        let installed = match self {
            Self::Names(_) => None,
            Self::Installed(_) => dirs.iter().find(|dir| holds_ours(dir)),
        };
        installed.or_else(|| dirs.iter().find(|dir| holds_one_of(dir, self.names())))
    }
}

impl Tree {
    /// The tree at `named`, or else the first of ROCM_PATH, ROCM_HOME, `rocm-sdk path --root`,
    /// `hipconfig --rocmpath` and /opt/rocm that holds one of `names`.
    ///
    /// # Errors
    /// See [`TreeError`]. A directory that was named by the option must hold a tree.
    pub fn find(named: Option<&Path>, names: &[Name]) -> Result<Self, TreeError> {
        Self::search(named, Sought::Names(names))
    }

    /// The same, to look at an installation or to end it: which names it was made for need not be
    /// known.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn find_installed(named: Option<&Path>) -> Result<Self, TreeError> {
        Self::search(named, Sought::Installed(&Name::defaults()))
    }

    fn search(named: Option<&Path>, sought: Sought<'_>) -> Result<Self, TreeError> {
        if let Some(root) = named {
            return Self::at(root, "--rocm-path", sought);
        }
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        // Asked one after the other: the programs only where the variables do not tell.
        type Source<'a> = (&'static str, &'a dyn Fn() -> Option<PathBuf>);
        let sources: [Source<'_>; 5] = [
            ("ROCM_PATH", &|| Some(variable("ROCM_PATH")?.into())),
            ("ROCM_HOME", &|| Some(variable("ROCM_HOME")?.into())),
            ("rocm-sdk path --root", &|| {
                ask("rocm-sdk", &["path", "--root"])
            }),
            ("hipconfig --rocmpath", &|| {
                ask("hipconfig", &["--rocmpath"])
            }),
            ("the default", &|| Some(PathBuf::from("/opt/rocm"))),
        ];
        let mut passed_over = Vec::new();
        let mut silent = Vec::new();
        for (found_by, root) in sources {
            let Some(root) = root() else {
                silent.push(found_by);
                continue;
            };
            match Self::at(&root, found_by, sought) {
                Ok(tree) => {
                    return Ok(Self {
                        passed_over,
                        ..tree
                    });
                }
                Err(TreeError::Missing { .. } | TreeError::NoCompiler { .. }) => {
                    passed_over.push(format!("{} ({found_by})", root.display()));
                }
                Err(error) => return Err(error),
            }
        }
        let silent = silent
            .iter()
            .map(|source| format!("{source} (not set, or no answer)"));
        Err(TreeError::NotFound {
            looked_at: passed_over
                .into_iter()
                .chain(silent)
                .collect::<Vec<_>>()
                .join(", "),
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
        if let Some(bin) = sought.among(&dirs) {
            let bin = bin.canonicalize().map_err(look)?;
            return Ok(Self {
                root: root.to_owned(),
                bin,
                found_by,
                passed_over: Vec::new(),
            });
        }
        let names = sought
            .names()
            .iter()
            .map(Name::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        Err(TreeError::NoCompiler {
            path: root.to_owned(),
            found_by,
            names,
        })
    }

    /// The release that the tree says it is, where it says so.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.root.join(".info/version")).ok()?;
        Some(text.lines().next()?.trim().to_owned())
    }
}

/// Whether a compiler of one of `names` stands in `dir`, or stood there and only our own files still
/// know it.
fn holds_one_of(dir: &Path, names: &[Name]) -> bool {
    let exists = |name: &OsStr| dir.join(name).symlink_metadata().is_ok();
    names
        .iter()
        .any(|name| exists(name.as_os_str()) || exists(&name.alias()))
}

/// Whether an installation has files in `dir`: its record, or should that be lost, an alias.
fn holds_ours(dir: &Path) -> bool {
    dir.read_dir().is_ok_and(|entries| {
        let names = entries.flatten().map(|entry| entry.file_name());
        names.into_iter().any(|name| {
            let name = name.as_bytes();
            name == JOURNAL.as_bytes() || name.starts_with(b"clang") && name.ends_with(ALIAS_SUFFIX)
        })
    })
}

/// The first line that `program`, looked up on PATH, prints: a directory.
fn ask(program: &str, args: &[&str]) -> Option<PathBuf> {
    let path = which::which(program).ok()?;
    let answer = Program::at(&path).args(args).ask().ok()?;
    let line = answer
        .stdout
        .split(|byte| *byte == b'\n')
        .next()?
        .trim_ascii();
    (answer.status.success() && !line.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(line)))
}
