//! Finds the launcher and asks it everything that is not part of a compile: its version, its
//! health, its counters.
//!
//! Owns: every query of sccache and ccache outside a compile. How a compile is passed to them
//! belongs to [`decision`](crate::shared::decision).

pub mod alive;
mod client_side;
pub mod health;
pub mod results;
pub mod stats;

mod environment;

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use environment::ChangedEnvironment;
pub use results::CacheOutcome;

use crate::rocm::ProgramError;
use crate::shared::launchers::kind::{LauncherKind, Version};
use crate::shared::launchers::since;
use crate::shared::paths::{LAUNCHER_NAME, base_name};
use crate::shim_image;

/// Names the launcher for hipcc and for the shim; a single word.
pub const HIP_CLANG_LAUNCHER: &str = "HIP_CLANG_LAUNCHER";

/// A launcher that was found and has answered.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// Its absolute path. Links are kept: after an upgrade behind a link it is still the same
    /// launcher.
    pub path: PathBuf,
    /// Which program it is.
    pub kind: LauncherKind,
    /// The version that it printed; `None` for a kind that is not asked.
    pub version: Option<Version>,
}

/// A launcher that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LauncherError {
    /// The program does not exist.
    #[error("launcher {0}: not found")]
    NotFound(PathBuf),
    /// The file exists but this user may not execute it.
    #[error("launcher {0}: not executable")]
    NotExecutable(PathBuf),
    /// It is one of our shims and would call itself.
    #[error("launcher {0} is itself a rock-wrap shim")]
    Shim(PathBuf),
    /// It could not be run.
    #[error("the launcher does not run")]
    Run {
        /// The launcher.
        path: PathBuf,
        /// Why.
        #[source]
        source: ProgramError,
    },
    /// It runs but does not print a version as sccache and ccache do.
    #[error("launcher {path} does not work: with --version it ended with {status}{output}")]
    Broken {
        /// The launcher.
        path: PathBuf,
        /// Its exit status.
        status: String,
        /// The first line of its output, for the message.
        output: String,
    },
}

impl Launcher {
    /// The launcher that `word` names: a path if it contains a slash, otherwise looked up on PATH.
    ///
    /// # Errors
    /// See [`LauncherError`].
    pub fn find(word: &OsStr) -> Result<Self, LauncherError> {
        let path = which::which(word).map_err(|_| {
            let named = PathBuf::from(word);
            let is_path = word.as_bytes().contains(&b'/');
            if is_path && named.exists() {
                LauncherError::NotExecutable(named)
            } else {
                LauncherError::NotFound(named)
            }
        })?;
        let path = std::path::absolute(&path).unwrap_or(path);
        if shim_image::is_shim_file(&path) {
            return Err(LauncherError::Shim(path));
        }
        let kind = LauncherKind::of_path(path.as_os_str().as_bytes());
        let version = match kind {
            LauncherKind::Other => None,
            LauncherKind::Sccache | LauncherKind::Ccache => Some(ask_version(&path)?),
        };
        Ok(Self {
            path,
            kind,
            version,
        })
    }

    /// The launcher that HIP_CLANG_LAUNCHER names. Inside a session it names the session's launcher
    /// file, and this returns the launcher behind it.
    ///
    /// # Errors
    /// See [`LauncherError`]. `Ok(None)` if the variable is unset or empty.
    pub fn from_environment() -> Result<Option<Self>, LauncherError> {
        let Some(word) = std::env::var_os(HIP_CLANG_LAUNCHER).filter(|word| !word.is_empty())
        else {
            return Ok(None);
        };
        if !is_sessions_file(&word) {
            return Self::find(&word).map(Some);
        }
        let image = std::fs::read(&word).unwrap_or_default();
        match shim_image::read(&image) {
            Some(Ok(config)) if !config.launcher.is_empty() => {
                Self::find(OsStr::from_bytes(config.launcher)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The first of sccache and ccache that is on PATH.
    ///
    /// # Errors
    /// If one exists but does not work. `Ok(None)` if neither exists.
    pub fn find_any() -> Result<Option<Self>, LauncherError> {
        for name in ["sccache", "ccache"] {
            match Self::find(OsStr::new(name)) {
                Err(LauncherError::NotFound(_)) => {}
                found => return found.map(Some),
            }
        }
        Ok(None)
    }

    /// Whether this is sccache's own program, of a version whose protocol [`sccache`] implements. A
    /// script of that name may do more than start sccache. False if the user has the client do the
    /// server's work.
    ///
    /// [`sccache`]: crate::shared::launchers::sccache
    #[must_use]
    pub fn server_can_be_asked(&self) -> bool {
        // Before SCCACHE_SOCKETS, a server could not listen at a path, and the client did not look for one there.
        let known = since::SCCACHE_SOCKETS..since::SCCACHE_UNKNOWN;
        let mut start = [0; 4];
        self.kind == LauncherKind::Sccache
            && self.version.is_some_and(|version| known.contains(&version))
            && File::open(&self.path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok())
            && start == *b"\x7fELF"
            && self
                .client_side_in(&ChangedEnvironment::default())
                .is_none()
    }

    /// The configuration file that makes sccache's client do the server's work, if any.
    fn client_side_in(&self, environment: &ChangedEnvironment) -> Option<PathBuf> {
        let can =
            self.kind == LauncherKind::Sccache && self.version >= Some(since::SCCACHE_CLIENT_SIDE);
        client_side::in_file(environment).filter(|_| can)
    }

    /// Warnings that the user should read before relying on this launcher.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        // 0.4 and 0.7 pass `-x hip` to the compiler uncached.
        let mut warnings = Vec::new();
        if self.kind == LauncherKind::Sccache
            && let Some(version) = self.version.filter(|version| *version < since::SCCACHE_HIP)
        {
            warnings.push(format!(
                "sccache {version} caches no HIP compiles; 0.8 and later do (0.14 or later is best)"
            ));
        }
        warnings
    }
}

impl std::fmt::Display for Launcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.path.display())?;
        match self.version {
            Some(version) => write!(f, " ({} {version})", self.kind.as_str()),
            None => Ok(()),
        }
    }
}

/// Whether HIP_CLANG_LAUNCHER names a program other than a session's file. A hipcc that knows the
/// variable would run that program without a shim.
#[must_use]
pub fn passes_shims_by() -> bool {
    std::env::var_os(HIP_CLANG_LAUNCHER)
        .is_some_and(|word| !word.is_empty() && !is_sessions_file(&word))
}

/// Whether `word` has the name of the shim that a session sets as launcher.
fn is_sessions_file(word: &OsStr) -> bool {
    base_name(word.as_bytes()) == LAUNCHER_NAME
}

fn ask_version(path: &Path) -> Result<Version, LauncherError> {
    let answer = ChangedEnvironment::default()
        .program(path)
        .args(["--version"])
        .ask()
        .map_err(|source| LauncherError::Run {
            path: path.to_owned(),
            source,
        })?;
    let text = String::from_utf8_lossy(&answer.stdout);
    let version = text
        .lines()
        .next()
        .and_then(|line| parse_version(line.split(' ').next_back()?));
    version.filter(|_| answer.status.success()).ok_or_else(|| {
        let said = if answer.stderr.is_empty() {
            answer.stdout
        } else {
            answer.stderr
        };
        let said = String::from_utf8_lossy(&said);
        LauncherError::Broken {
            path: path.to_owned(),
            status: answer.status.to_string(),
            output: said
                .lines()
                .next()
                .map(|line| format!(": {line}"))
                .unwrap_or_default(),
        }
    })
}

/// Parses `0.16.0`, `4.7.5`, `0.4.0-pre.6` or `4.14.2+git`; ignores any suffix.
fn parse_version(word: &str) -> Option<Version> {
    let numbers = word.split(['-', '+', '~', '_']).next()?;
    let mut parts = numbers.split('.').map(str::parse::<u16>);
    let mut next = || parts.next().unwrap_or(Ok(0)).ok();
    let version = Version(next()?, next()?, next()?);
    numbers.contains('.').then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_the_launchers_print_them() {
        assert_eq!(parse_version("0.16.0"), Some(Version(0, 16, 0)));
        assert_eq!(parse_version("0.4.0-pre.6"), Some(Version(0, 4, 0)));
        assert_eq!(parse_version("4.7.5"), Some(Version(4, 7, 5)));
        assert_eq!(parse_version("4.14.2+1_gabc"), Some(Version(4, 14, 2)));
        assert_eq!(parse_version("4.8"), Some(Version(4, 8, 0)));
        assert_eq!(parse_version("error"), None);
        assert_eq!(parse_version("7"), None);
    }

    #[test]
    fn a_launcher_that_is_not_there_is_named() {
        let error = Launcher::find(OsStr::new("/nonexistent/sccache")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "launcher /nonexistent/sccache: not found"
        );
    }

    #[test]
    fn a_launcher_that_may_not_be_run_is_told_from_a_missing_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sccache");
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        let error = Launcher::find(path.as_os_str()).unwrap_err();
        assert!(matches!(error, LauncherError::NotExecutable(_)), "{error}");
    }

    #[test]
    fn a_launcher_that_fails_its_version_is_broken() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ccache");
        std::fs::write(&path, "#!/bin/sh\necho no such library >&2\nexit 1\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = Launcher::find(path.as_os_str()).unwrap_err().to_string();
        assert!(error.contains("no such library"), "{error}");
    }
}
