//! Whether a launcher can do its work here and now: its server, its cache, its settings.
//!
//! Owns: what is asked before a build, and what each answer means. Starts sccache's server where
//! none runs, as the first compile would; never stops one.

mod ccache;
mod sccache;
mod settings;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::{Environment, Launcher};
use crate::rocm::{Program, ProgramError};
use crate::shared::launchers::kind::{LauncherKind, Version};

pub use ccache::{remote_failures, settings_in_files};
pub use sccache::knows_sockets;
pub use settings::{Harm, Setting};

/// Time for a healthy launcher to answer, with a server to start. sccache itself gives up on a
/// server that does not come up after 10 seconds (0.16, `commands.rs`) and says so, if it may.
pub const LIMIT: Duration = Duration::from_secs(15);

/// A launcher that works, and how.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// Where the cache is: `disk`, `redis`, `s3`, ...; `disk+http` where there are two.
    pub storage: String,
    /// The same in the launcher's own words, without passwords.
    pub location: String,
    /// Where a server that is started now would have the cache, if not where the one has it that
    /// runs: a server reads its configuration when it starts.
    pub configured: Option<String>,
    /// The directory of a cache on disk.
    pub dir: Option<PathBuf>,
    /// Bytes in the cache; `None` where the launcher does not say.
    pub used: Option<u64>,
    /// Bytes that it may take; `None` where the launcher does not say or there is no limit.
    pub max: Option<u64>,
    /// How compiles are looked up.
    pub mode: Mode,
    /// sccache's server.
    pub server: Option<Server>,
    /// The settings in effect that a person should know of.
    pub settings: Vec<Setting>,
}

/// How a launcher looks compiles up, and whether it stores them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// By the digests of source and headers, without running the preprocessor.
    Direct,
    /// By the preprocessed text.
    Preprocessor,
    /// By the compiler's own dependency file (ccache).
    Depend,
    /// Found, and never stored.
    ReadOnly,
    /// Stored, and never found.
    Recache,
    /// Neither.
    Off,
}

/// sccache's server.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// Where it listens.
    pub address: String,
    /// Whether it was started to answer us; it goes on running, as one that a compile starts.
    pub started: bool,
}

/// A launcher that does not work.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// It cannot be asked at all.
    #[error("the launcher does not answer")]
    Ask(PathBuf, #[source] ProgramError),
    /// It refuses its own configuration.
    #[error("{0} rejects its configuration")]
    Settings(PathBuf, #[source] Said),
    /// It answers in no form that is known.
    #[error("cannot parse the answer of {0}")]
    Answer(PathBuf, #[source] Said),
    /// Something took the connection and said nothing.
    #[error(
        "the server at {address} has not answered for {} seconds; compiles would hang",
        limit.as_secs_f32()
    )]
    Mute {
        /// The address of sccache's server.
        address: String,
        /// How long it had time.
        limit: Duration,
    },
    /// Something took the connection and is no server of this sccache.
    #[error("the program that listens at {address} does not speak this sccache's protocol")]
    Foreign {
        /// The address of sccache's server.
        address: String,
        /// What sccache made of it.
        #[source]
        source: Said,
    },
    /// The server is another version's.
    #[error("the server at {address} is sccache {server}, but the launcher is sccache {client}")]
    OtherVersion {
        /// The server's address.
        address: String,
        /// Its version.
        server: Version,
        /// That of the launcher.
        client: Version,
    },
    /// No server runs, and none can be started.
    #[error("cannot start sccache's server (configured cache: {cache})")]
    Start {
        /// Where the cache would be.
        cache: String,
        /// What sccache said.
        #[source]
        source: Said,
    },
    /// The same, and sccache did not even say so in time.
    #[error("sccache's server did not start in time (configured cache: {cache})")]
    Slow {
        /// Where the cache would be.
        cache: String,
        /// What became of the try.
        #[source]
        source: ProgramError,
    },
    /// The cache's directory takes no files.
    #[error("cannot write to the cache directory {dir}")]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why: rights, a full disk, a file in the way.
        #[source]
        source: io::Error,
    },
}

/// What a launcher said of its failure.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Said(pub String);

impl Said {
    /// One line of what was said on standard error, without what every line begins with.
    fn on(stderr: &[u8]) -> Self {
        let text = String::from_utf8_lossy(stderr);
        let lines = text.lines().filter_map(|line| {
            let line = line.trim();
            let line = ["sccache: ", "ccache: ", "error: ", "caused by: "]
                .iter()
                .fold(line, |line, start| line.strip_prefix(start).unwrap_or(line));
            let empty = line.is_empty() || line == "Starting the server...";
            (!empty).then(|| without_password(line))
        });
        let mut lines: Vec<_> = lines.collect();
        lines.dedup();
        Self(lines.join(": "))
    }
}

impl HealthError {
    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Ask(..) | Self::Answer(..) => {
                "run it by hand with --version, and reinstall it if that fails"
            }
            Self::Settings(..) => "fix or unset the setting that it names",
            Self::Mute { .. } | Self::Foreign { .. } => {
                "stop the program that listens there, or give sccache another port with SCCACHE_SERVER_PORT"
            }
            Self::OtherVersion { .. } => {
                "stop the old server with `sccache --stop-server` when no build uses it"
            }
            Self::Start { .. } | Self::Slow { .. } => {
                "check that the cache's storage is reachable and its credentials are right; \
                 `SCCACHE_LOG=debug SCCACHE_START_SERVER=1 SCCACHE_NO_DAEMON=1 sccache` shows details"
            }
            Self::Directory { .. } => {
                "free some space or fix the permissions, or name another directory with SCCACHE_DIR \
                 or CCACHE_DIR"
            }
        }
    }
}

/// Asks `launcher` whether it works, in this process's environment. Each question may take `limit`.
///
/// # Errors
/// See [`HealthError`]. `Ok(None)` for a launcher of a kind that cannot be asked.
pub fn check(launcher: &Launcher, limit: Duration) -> Result<Option<Health>, HealthError> {
    check_in(&Environment::default(), launcher, limit)
}

/// The same in another environment.
///
/// # Errors
/// As [`check`].
pub fn check_in(
    environment: &Environment,
    launcher: &Launcher,
    limit: Duration,
) -> Result<Option<Health>, HealthError> {
    let asked = Asked {
        environment,
        launcher,
        limit,
    };
    let health = match launcher.kind {
        LauncherKind::Sccache => sccache::check(&asked)?,
        LauncherKind::Ccache => ccache::check(&asked)?,
        LauncherKind::Other => return Ok(None),
    };
    if let Some(dir) = health.dir.as_deref().filter(|_| health.mode.stores()) {
        try_to_write(dir).map_err(|source| HealthError::Directory {
            dir: dir.to_owned(),
            source,
        })?;
    }
    Ok(Some(health))
}

impl Mode {
    /// Whether results are stored.
    #[must_use]
    pub fn stores(self) -> bool {
        !matches!(self, Self::ReadOnly | Self::Off)
    }

    /// Whether results are found.
    #[must_use]
    pub fn finds(self) -> bool {
        !matches!(self, Self::Recache | Self::Off)
    }
}

/// A launcher that is being asked.
struct Asked<'a> {
    environment: &'a Environment,
    launcher: &'a Launcher,
    limit: Duration,
}

impl Asked<'_> {
    fn program(&self) -> Program {
        let path = &self.launcher.path;
        self.environment.program(path).within(self.limit)
    }
}

/// Writes a file without a name to `dir`, or to where it would be made: a full disk and a missing
/// right show by nothing less.
fn try_to_write(dir: &Path) -> io::Result<()> {
    let there = dir.ancestors().find(|dir| dir.symlink_metadata().is_ok());
    let mut file = tempfile::tempfile_in(there.unwrap_or(dir))?;
    file.write_all(&[0; 64 * 1024])
}

/// `redis://user:secret@host` without `user:secret@`.
fn without_password(text: &str) -> String {
    let hide = |part: &str| {
        let end = part.find(['/', ' ', ',', '"']).unwrap_or(part.len());
        match part[..end].rfind('@') {
            Some(at) => part[at + 1..].to_owned(),
            None => part.to_owned(),
        }
    };
    let mut parts = text.split("://");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}://{}", hide(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_repeated() {
        for (text, expected) in [
            (
                "redis, name: redis://u:p@ss@host:1/2, prefix: /",
                "redis, name: redis://host:1/2, prefix: /",
            ),
            ("http://host/a@b", "http://host/a@b"),
            ("Local disk: \"/a\"", "Local disk: \"/a\""),
            ("a://u@b c://d:e@f", "a://b c://f"),
        ] {
            assert_eq!(without_password(text), expected);
        }
    }

    #[test]
    fn what_a_launcher_says_is_one_line() {
        let said = b"sccache: Starting the server...\nsccache: error: failed to get stats\n\
                     sccache: caused by: Unexpected server response!\n";
        let said = Said::on(said).to_string();
        assert_eq!(said, "failed to get stats: Unexpected server response!");
    }

    #[test]
    fn a_directory_that_would_have_to_be_made_in_a_file_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(try_to_write(&file.join("cache")).is_err());
        try_to_write(&dir.path().join("a/b")).unwrap();
        assert!(!dir.path().join("a").exists(), "nothing is left behind");
    }
}
