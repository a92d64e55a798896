//! Creates a cache that nobody else uses, with the user's settings.

use std::net::TcpListener;
use std::path::Path;

use super::scratch::{DoctorError, write};
use crate::launcher::{ChangedEnvironment, Launcher, health};
use crate::shared::launchers::kind::LauncherKind;

/// The environment that selects a cache in `dir` and keeps the user's other settings. If the user's cache is not on
/// disk, that storage is used, through a separate server.
pub fn environment(launcher: &Launcher, dir: &Path) -> Result<ChangedEnvironment, DoctorError> {
    let environment = ChangedEnvironment::default();
    let cache = dir.join("cache");
    match launcher.kind {
        LauncherKind::Sccache => {
            let environment = environment
                .with("SCCACHE_DIR", cache)
                .with("SCCACHE_IDLE_TIMEOUT", "60");
            if health::knows_sockets(launcher.version) {
                return Ok(environment.with("SCCACHE_SERVER_UDS", dir.join("socket")));
            }
            let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
            let free = free.map_err(|source| DoctorError::File {
                path: "127.0.0.1".into(),
                source,
            })?;
            Ok(environment.with("SCCACHE_SERVER_PORT", free.port().to_string()))
        }
        LauncherKind::Ccache => {
            // The user's file may set a cache directory or be in one, so its other settings are
            // copied.
            let settings = health::settings_in_files(launcher);
            let config = dir.join("ccache.conf");
            write(&config, settings.unwrap_or_default())?;
            Ok(environment
                .with("CCACHE_DIR", cache)
                .with("CCACHE_CONFIGPATH", config))
        }
        LauncherKind::Other => Ok(environment),
    }
}
