//! Describes one compiler of a tree: what kind of file its name is, and the executable that the
//! name leads to.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Program, ProgramError};
use crate::rocm::names;

/// A file name that a clang driver can have: `clang` or `clang++`, with or without a version
/// suffix.
///
/// Other names of the same executable (`clang-cl`, `clang-cpp`, target-prefixed names) are other
/// tools, which do not run a build's compiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompilerName(OsString);

/// The name is not one that a wrappable compiler can have.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not a compiler that rock-wrap can wrap; names are clang, clang++, clang-19 and the like"
)]
pub struct UnknownName(String);

impl std::str::FromStr for CompilerName {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let rest = name
            .strip_prefix("clang")
            .map(|rest| rest.strip_prefix("++").unwrap_or(rest));
        let known = match rest.map(|rest| rest.strip_prefix('-')) {
            Some(Some(version)) => {
                version.starts_with(|first: char| first.is_ascii_digit())
                    && version.chars().all(|c| c.is_ascii_digit() || c == '.')
            }
            Some(None) => rest == Some(""),
            None => false,
        };
        if known {
            Ok(Self(name.into()))
        } else {
            Err(UnknownName(name.to_owned()))
        }
    }
}

impl fmt::Display for CompilerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl CompilerName {
    /// The names that are wrapped when the user names none.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        vec![Self("clang".into()), Self("clang++".into())]
    }

    /// The file name.
    #[must_use]
    pub fn as_os_str(&self) -> &OsStr {
        &self.0
    }

    /// The file name of the real compiler while this name is wrapped.
    #[must_use]
    pub fn alias(&self) -> OsString {
        names::alias(&self.0)
    }

    /// The file name of the stand-in while this name is wrapped. Launchers are given the stand-in
    /// as their compiler.
    #[must_use]
    pub fn stand_in(&self) -> OsString {
        names::stand_in(&self.0)
    }
}

/// A compiler as named on the command line: by its name or by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCompiler {
    /// The directory of the compiler, if a path was given.
    pub dir: Option<PathBuf>,
    /// Its name.
    pub name: CompilerName,
}

impl std::str::FromStr for NamedCompiler {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        let (dir, name) = match word.rsplit_once('/') {
            Some(("", name)) => (Some("/"), name),
            Some((dir, name)) => (Some(dir), name),
            None => (None, word),
        };
        let name = name.parse().map_err(|_| UnknownName(word.to_owned()))?;
        let dir = dir.map(PathBuf::from);
        Ok(Self { dir, name })
    }
}

/// How a compiler's name leads to the real executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A symbolic link or a chain of them, as in ROCm's packages.
    Symlink,
    /// The executable itself, as in Debian's packages.
    Regular,
    /// The executable itself, with other hard links to it (devel wheel, conda, uv).
    HardLink,
    /// A small executable that starts the real one, as in ROCm's wheels.
    Stub,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Symlink => "symbolic link",
            Self::Regular => "regular file",
            Self::HardLink => "regular file with hard links",
            Self::Stub => "executable stub",
        })
    }
}

/// The description of one compiler.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// Its name in the tree.
    pub name: CompilerName,
    /// How the name leads to [`real`](Self::real).
    pub layout: Layout,
    /// The executable that finally runs, with symbolic links resolved.
    pub real: PathBuf,
    /// The line in which clang prints its version.
    pub version: String,
}

/// What a compiler reports about itself.
#[derive(Clone, Debug)]
pub struct CompilerVersion {
    /// The executable that finally compiles, with symbolic links resolved.
    pub real: PathBuf,
    /// The line in which clang prints its version.
    pub version: String,
}

/// A compiler that cannot be wrapped.
#[derive(Debug, thiserror::Error)]
pub enum CompilerError {
    /// The name does not exist.
    #[error("{0} does not exist")]
    Missing(PathBuf),
    /// The name is neither a file nor a link to one.
    #[error("{0} is neither a file nor a link to one")]
    NotAFile(PathBuf),
    /// The name is a script or link that forwards to a launcher.
    #[error("{path} is already a wrapper for {launcher}")]
    Foreign {
        /// The wrapper.
        path: PathBuf,
        /// The launcher that it calls.
        launcher: &'static str,
    },
    /// The name is a script that does more than call the compiler.
    #[error("{0} is a script, and wrapping it would lose what the script does")]
    Script(PathBuf),
    /// ccache would misinterpret the compiler's path.
    #[error("{path} cannot be passed to ccache: {why}")]
    Path {
        /// The real executable, or the directory of the compilers.
        path: PathBuf,
        /// How ccache would misinterpret it.
        why: &'static str,
    },
    /// A path could not be read.
    #[error("cannot inspect {path}")]
    Look {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The compiler cannot be run.
    #[error("the compiler does not run")]
    Run {
        /// The compiler.
        path: PathBuf,
        /// Why.
        #[source]
        source: ProgramError,
    },
    /// The compiler runs but does not answer as clang does.
    #[error("{path} does not behave like clang ({status}){output}")]
    NotClang {
        /// The compiler.
        path: PathBuf,
        /// Its exit status.
        status: String,
        /// The first line of its output, for the message.
        output: String,
    },
}

impl Compiler {
    /// Describes the compiler called `name` at `path`, which must not be one of our shims. The
    /// compiler is run to ask for its details, unless `known` has the answer for the file that
    /// `path` leads to.
    ///
    /// # Errors
    /// See [`CompilerError`].
    pub fn inspect(
        name: &CompilerName,
        path: &Path,
        known: impl FnOnce(&Path) -> Option<CompilerVersion>,
    ) -> Result<Self, CompilerError> {
        let look = |source| CompilerError::Look {
            path: path.to_owned(),
            source,
        };
        let link = path
            .symlink_metadata()
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::NotFound => CompilerError::Missing(path.to_owned()),
                _ => look(source),
            })?;
        let target = path.canonicalize().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => CompilerError::NotAFile(path.to_owned()),
            _ => look(source),
        })?;
        refuse_wrapper(path, &target)?;
        let CompilerVersion { real, version } =
            known(&target).map_or_else(|| CompilerVersion::ask(path), Ok)?;
        let metadata = target.metadata().map_err(look)?;
        if !metadata.is_file() {
            return Err(CompilerError::NotAFile(path.to_owned()));
        }
        let layout = if link.is_symlink() {
            Layout::Symlink
        } else if target != real {
            Layout::Stub
        } else if metadata.nlink() > 1 {
            Layout::HardLink
        } else {
            Layout::Regular
        };
        Ok(Self {
            name: name.clone(),
            layout,
            version,
            real,
        })
    }
}

/// The error for the wrapper that another tool or a packager has put in the place of the compiler at `path`; `None`
/// if there is no wrapper, or `path` cannot be read.
#[must_use]
pub fn wrapper(path: &Path) -> Option<CompilerError> {
    let refused = refuse_wrapper(path, &path.canonicalize().ok()?).err();
    refused.filter(|error| !matches!(error, CompilerError::Look { .. }))
}

/// Fails if another tool or a packager has put a wrapper in the compiler's place.
fn refuse_wrapper(path: &Path, target: &Path) -> Result<(), CompilerError> {
    for (launcher, file) in [("sccache", "sccache"), ("ccache", "ccache")] {
        if target.file_name() == Some(OsStr::new(file)) {
            return Err(CompilerError::Foreign {
                path: path.to_owned(),
                launcher,
            });
        }
    }
    let mut head = Vec::new();
    std::fs::File::open(target)
        .and_then(|file| file.take(64 * 1024).read_to_end(&mut head))
        .map_err(|source| CompilerError::Look {
            path: target.to_owned(),
            source,
        })?;
    if !head.starts_with(b"#!") {
        return Ok(());
    }
    let mentions = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
    if mentions(b"sccache") {
        Err(CompilerError::Foreign {
            path: path.to_owned(),
            launcher: "sccache",
        })
    } else if mentions(b"ccache") {
        Err(CompilerError::Foreign {
            path: path.to_owned(),
            launcher: "ccache",
        })
    } else {
        Err(CompilerError::Script(path.to_owned()))
    }
}

impl CompilerVersion {
    /// Asks the compiler at `path` with `-###`. clang then prints its version and the command lines
    /// that the driver would run. The compile's command line begins with the driver's own canonical
    /// path (clang 15 and 19).
    fn ask(path: &Path) -> Result<Self, CompilerError> {
        let answer = Program::at(path)
            .args(["-###", "-x", "c", "-c", "/dev/null"])
            .ask()
            .map_err(|source| CompilerError::Run {
                path: path.to_owned(),
                source,
            })?;
        let lines = || answer.stderr.split(|byte| *byte == b'\n');
        let version = lines().find(|line| is_version(line));
        let real = lines().find_map(first_word_of_cc1);
        let (Some(version), Some(real), true) = (version, real, answer.status.success()) else {
            return Err(not_clang(path, &answer));
        };
        let real = PathBuf::from(OsString::from_vec(real));
        Ok(Self {
            version: String::from_utf8_lossy(version).trim().to_owned(),
            real: real
                .canonicalize()
                .map_err(|source| CompilerError::Look { path: real, source })?,
        })
    }
}

/// Whether `line` is the one in which clang prints its version.
#[must_use]
pub fn is_version(line: &[u8]) -> bool {
    const MARK: &[u8] = b"clang version ";
    line.windows(MARK.len()).any(|window| window == MARK)
}

/// The program of a ` "PROGRAM" "-cc1" ...` line.
fn first_word_of_cc1(line: &[u8]) -> Option<Vec<u8>> {
    line.trim_ascii_start().strip_prefix(b"\"")?;
    let mut words = words(line).into_iter();
    let program = words.next()?;
    (words.next()? == b"-cc1").then_some(program)
}

/// Splits a command line that `-###` printed into words. clang quotes each word and puts a
/// backslash before a quote, a backslash or a dollar sign. gcc quotes only where necessary.
#[must_use]
pub fn words(line: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quoted = false;
    let mut bytes = line.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            b'\\' => word.get_or_insert_default().extend(bytes.next()),
            b' ' if !quoted => words.extend(word.take()),
            byte => word.get_or_insert_default().push(*byte),
        }
    }
    words.extend(word);
    words
}

fn not_clang(path: &Path, answer: &super::program::ProgramOutput) -> CompilerError {
    let said = if answer.stderr.is_empty() {
        &answer.stdout
    } else {
        &answer.stderr
    };
    let line = said
        .split(|byte| *byte == b'\n')
        .find(|line| !line.trim_ascii().is_empty());
    CompilerError::NotClang {
        path: path.to_owned(),
        status: answer.status.to_string(),
        output: line
            .map(|line| format!(": {}", String::from_utf8_lossy(line)))
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_c_and_cxx_drivers_are_known() {
        for name in ["clang", "clang++", "clang-19", "clang++-15", "clang-19.1"] {
            assert!(name.parse::<CompilerName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in [
            "",
            "gcc",
            "clang-cl",
            "clang-cpp",
            "clang+++",
            "clang-",
            "clang--1",
            "flang",
            "clang/x",
            "xclang",
            "clang-cl-19",
            "CLANG",
        ] {
            assert!(name.parse::<CompilerName>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_path_names_the_directory_too() {
        let asked = |word: &str| word.parse::<NamedCompiler>().map(|asked| asked.dir);
        assert_eq!(asked("clang++-17").unwrap(), None);
        for (word, dir) in [
            ("/usr/lib/llvm-21/bin/clang++", "/usr/lib/llvm-21/bin"),
            ("bin/clang", "bin"),
            ("./clang", "."),
            ("/clang", "/"),
        ] {
            assert_eq!(asked(word).unwrap(), Some(dir.into()), "{word}");
        }
        for word in ["/usr/bin/hipcc", "/usr/bin/", "/usr/bin/clang/", "/"] {
            let error = asked(word).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn the_program_is_read_from_clangs_own_quoting() {
        let line = br#" "/o p\"t\\/\$x/clang-19" "-cc1" "-triple" "x""#;
        assert_eq!(first_word_of_cc1(line).unwrap(), br#"/o p"t\/$x/clang-19"#);
        assert_eq!(first_word_of_cc1(b" \"/usr/bin/ld\" \"-o\""), None);
        assert_eq!(first_word_of_cc1(b"InstalledDir: /usr/bin"), None);
        assert_eq!(first_word_of_cc1(b" \"/unterminated"), None);
    }
}
