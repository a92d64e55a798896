//! Keeps sccache's server from timing out during a build.
//!
//! Owns: the requests that keep it running. A server ends after ten minutes without a request, and its counters are
//! lost (0.16, `server.rs`: any request restarts the time). The last link of a wheel can take longer than that.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Launcher;
use super::stats::Snapshot;
use crate::shared::launchers::kind::LauncherKind;

/// Seconds after which an idle server ends, unless `SCCACHE_IDLE_TIMEOUT` is set (0.4 to 0.16,
/// `server.rs`); 0 means never.
const IDLE: u64 = 600;

/// Keeps a server running until dropped.
#[derive(Debug)]
pub struct Alive {
    /// Dropping this ends the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Alive {
    /// Starts sending requests if `launcher` has a server that times out.
    #[must_use]
    pub fn keep(launcher: &Launcher) -> Self {
        let idle = std::env::var("SCCACHE_IDLE_TIMEOUT").ok();
        let idle = idle.and_then(|idle| idle.parse().ok()).unwrap_or(IDLE);
        if launcher.kind != LauncherKind::Sccache || idle == 0 {
            return Self {
                end: None,
                thread: None,
            };
        }
        let pause = Duration::from_millis(idle * 1000 / 3);
        let launcher = launcher.clone();
        let (end, ended) = channel();
        let thread = thread::spawn(move || {
            while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                if let Err(error) = Snapshot::take(&launcher) {
                    tracing::debug!(%error, "sccache's server cannot be kept awake");
                }
            }
        });
        Self {
            end: Some(end),
            thread: Some(thread),
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread does not matter here.
            let _ = thread.join();
        }
    }
}
