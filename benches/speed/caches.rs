//! Runs sccache and its server, and ccache, each with a cache of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Setup;

/// A launcher with a cache that nobody else uses.
pub struct Cache {
    pub program: PathBuf,
    /// The variables that select the cache.
    pub env: Vec<(String, String)>,
    dir: PathBuf,
}

impl Cache {
    /// An empty cache called `name`.
    pub fn new(setup: &Setup, program: &Path, name: &str) -> Self {
        let dir = setup.work.join(format!("cache-{name}"));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory of our own");
        let at = |name: &str| dir.join(name).to_string_lossy().into_owned();
        let env = [
            ("SCCACHE_DIR", at("sccache")),
            ("SCCACHE_SERVER_UDS", at("socket")),
            ("SCCACHE_IDLE_TIMEOUT", "0".to_owned()),
            ("CCACHE_DIR", at("ccache")),
            ("CCACHE_CONFIGPATH", at("ccache.conf")),
            ("HOME", at("home")),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let cache = Self {
            program: program.to_owned(),
            env,
            dir,
        };
        if cache.is_sccache() {
            cache.ask("--start-server");
        }
        cache
    }

    pub fn is_sccache(&self) -> bool {
        self.program.ends_with("sccache")
    }

    /// Empties the cache.
    pub fn clear(&self) {
        if self.is_sccache() {
            self.ask("--stop-server");
        }
        for name in ["sccache", "ccache"] {
            let _ = std::fs::remove_dir_all(self.dir.join(name));
        }
        if self.is_sccache() {
            self.ask("--start-server");
        }
    }

    /// Resets the counters.
    pub fn zero(&self) {
        self.ask("--zero-stats");
    }

    /// Misses since the last reset.
    pub fn misses(&self) -> u64 {
        if self.is_sccache() {
            let stats: serde_json::Value =
                serde_json::from_slice(&self.ask("--show-stats --stats-format=json"))
                    .expect("JSON");
            let counts = stats["stats"]["cache_misses"]["counts"]
                .as_object()
                .expect("counts");
            return counts.values().filter_map(serde_json::Value::as_u64).sum();
        }
        let stats = String::from_utf8(self.ask("--print-stats")).expect("text");
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix("cache_miss\t"));
        line.expect("a count").parse().expect("a number")
    }

    /// The size of the stored files, in bytes.
    pub fn size(&self) -> f64 {
        let name = if self.is_sccache() {
            "sccache"
        } else {
            "ccache"
        };
        size_of(&self.dir.join(name))
    }

    fn ask(&self, options: &str) -> Vec<u8> {
        let mut command = Command::new(&self.program);
        command
            .args(options.split(' '))
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        let output = command
            .stderr(Stdio::null())
            .output()
            .expect("a launcher that runs");
        assert!(
            output.status.success(),
            "{} {options}",
            self.program.display()
        );
        output.stdout
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        if self.is_sccache() {
            self.ask("--stop-server");
        }
    }
}

fn size_of(dir: &Path) -> f64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => metadata.len() as f64,
        Err(_) => 0.0,
    });
    sizes.sum()
}
