//! Checks whether a launcher works here and now: its server, its cache, its settings.
//!
//! Owns: the queries made before a build, and the meaning of each answer. It starts sccache's
//! server if none runs, as the first compile would, and never stops one.

mod ccache;
mod sccache;
mod settings;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::{ChangedEnvironment, Launcher};
use crate::rocm::{Program, ProgramError};
use crate::shared::launchers::kind::{LauncherKind, Version};

pub use ccache::{remote_failures, settings_in_files};
pub use sccache::knows_sockets;
pub use settings::{Harm, Setting};

/// Time limit for an answer, including the start of a server. sccache itself gives up on a server
/// that does not come up within 10 seconds (0.16, `commands.rs`); this limit leaves it time to
/// report that.
pub const LIMIT: Duration = Duration::from_secs(15);

/// The state of a launcher that works.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// The kind of storage: `disk`, `redis`, `s3`, ...; `disk+http` if there are two.
    pub storage: String,
    /// The location of the cache as the launcher states it, without passwords.
    pub location: String,
    /// The location that a newly started server would use, if it differs from that of the running
    /// server. A server reads its configuration only when it starts.
    pub configured: Option<String>,
    /// The directory of a cache on disk.
    pub dir: Option<PathBuf>,
    /// Bytes in the cache; `None` if the launcher does not report it.
    pub used: Option<u64>,
    /// Limit in bytes; `None` if the launcher does not report it or there is no limit.
    pub max: Option<u64>,
    /// How compiles are looked up.
    pub mode: Mode,
    /// sccache's server.
    pub server: Option<ServerFacts>,
    /// The settings in effect that the user should know about.
    pub settings: Vec<Setting>,
}

/// How a launcher looks compiles up, and whether it stores results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// By the digests of source and headers, without running the preprocessor.
    Direct,
    /// By the preprocessed text.
    Preprocessor,
    /// By the compiler's depfile (ccache).
    Depend,
    /// Results are found but never stored.
    ReadOnly,
    /// Results are stored but never found.
    Recache,
    /// Results are neither found nor stored.
    Off,
}

/// sccache's server.
#[derive(Clone, Debug, Serialize)]
pub struct ServerFacts {
    /// The address that it listens at.
    pub address: String,
    /// Whether this check started it. It keeps running, as one that a compile starts.
    pub started: bool,
}

/// A launcher does not work.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// It could not be asked.
    #[error("the launcher does not answer")]
    Ask(PathBuf, #[source] ProgramError),
    /// It rejects its own configuration.
    #[error("{0} rejects its configuration")]
    Settings(PathBuf, #[source] LauncherMessage),
    /// Its answer is in an unknown format.
    #[error("cannot parse the answer of {0}")]
    Answer(PathBuf, #[source] LauncherMessage),
    /// Something accepted the connection but did not answer.
    #[error(
        "the server at {address} has not answered for {} seconds; compiles would hang",
        limit.as_secs_f32()
    )]
    Mute {
        /// The address of sccache's server.
        address: String,
        /// How long the check waited.
        limit: Duration,
    },
    /// The server that accepted the connection is another user's, or in another container.
    #[error("the server at {address} belongs to another user or runs in another container")]
    Stranger {
        /// The address of sccache's server.
        address: String,
    },
    /// Something accepted the connection but is not a server of this sccache.
    #[error("the program that listens at {address} does not speak this sccache's protocol")]
    Foreign {
        /// The address of sccache's server.
        address: String,
        /// sccache's own message.
        #[source]
        source: LauncherMessage,
    },
    /// The server has another version than the client.
    #[error("the server at {address} is sccache {server}, but the launcher is sccache {client}")]
    OtherVersion {
        /// The server's address.
        address: String,
        /// The server's version.
        server: Version,
        /// The launcher's version.
        client: Version,
    },
    /// No server runs, and none could be started.
    #[error("cannot start sccache's server (configured cache: {cache})")]
    Start {
        /// The configured location of the cache.
        cache: String,
        /// sccache's own message.
        #[source]
        source: LauncherMessage,
    },
    /// No server could be started, and sccache did not report a reason in time.
    #[error("sccache's server did not start in time (configured cache: {cache})")]
    Slow {
        /// The configured location of the cache.
        cache: String,
        /// How the attempt ended.
        #[source]
        source: ProgramError,
    },
    /// Files cannot be written to the cache directory.
    #[error("cannot write to the cache directory {dir}")]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why: permissions, a full disk, a file in the way.
        #[source]
        source: io::Error,
    },
}

/// A launcher's own message about its failure.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LauncherMessage(pub String);

impl LauncherMessage {
    /// The relevant line of standard error, without the prefix that every line has.
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
    /// What the user can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Ask(..) | Self::Answer(..) => {
                "run it by hand with --version, and reinstall it if that fails"
            }
            Self::Settings(..) => "fix or unset the setting that it names",
            Self::Mute { .. } | Self::Stranger { .. } | Self::Foreign { .. } => {
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

/// Checks whether `launcher` works in this process's environment. Each query may take `limit`.
///
/// # Errors
/// See [`HealthError`]. `Ok(None)` for a launcher of an unknown kind.
pub fn check(launcher: &Launcher, limit: Duration) -> Result<Option<Health>, HealthError> {
    check_in(&ChangedEnvironment::default(), launcher, limit)
}

/// As [`check`], in another environment.
pub fn check_in(
    environment: &ChangedEnvironment,
    launcher: &Launcher,
    limit: Duration,
) -> Result<Option<Health>, HealthError> {
    let asked = HealthQuery {
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

/// The launcher of a check, with its environment and time limit.
struct HealthQuery<'a> {
    environment: &'a ChangedEnvironment,
    launcher: &'a Launcher,
    limit: Duration,
}

impl HealthQuery<'_> {
    fn program(&self) -> Program {
        let path = &self.launcher.path;
        self.environment.program(path).within(self.limit)
    }
}

/// Writes an unnamed file to `dir`, or to its closest existing parent. Only a write shows a full
/// disk or missing permissions.
///
/// # Errors
/// The system's.
pub fn try_to_write(dir: &Path) -> io::Result<()> {
    let there = dir.ancestors().find(|dir| dir.symlink_metadata().is_ok());
    let mut file = tempfile::tempfile_in(there.unwrap_or(dir))?;
    file.write_all(&[0; 64 * 1024])
}

/// Turns `redis://user:secret@host` into `redis://host`.
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
        let said = LauncherMessage::on(said).to_string();
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
