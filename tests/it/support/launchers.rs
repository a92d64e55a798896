//! Real sccache and ccache, each with a cache (and a server) of its own, and their counters.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;

use super::skips::skip;

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools")
}

/// The path of a tool that `scripts/setup.sh` installed.
pub fn tool(path: &str) -> PathBuf {
    let path = tools().join(path);
    assert!(path.exists(), "no {path:?}; run scripts/setup.sh");
    path
}

/// A launcher that tests can do without. `path` is absolute or relative to `target/tools`. If the launcher is missing,
/// the running test is recorded as skipped.
pub fn find(name: &str, path: &str) -> Option<PathBuf> {
    let path = tools().join(path);
    if !path.exists() {
        let why = format!(
            "{} is not there; scripts/setup.sh tells why",
            path.display()
        );
        skip(name, &why);
        return None;
    }
    Some(path)
}

/// The sccache that most tests use.
pub fn sccache() -> PathBuf {
    tool("sccache-0.16.0/sccache")
}

/// The ccache that most tests use.
pub fn ccache() -> PathBuf {
    tool("ccache-4.14.2/ccache")
}

/// The index of the port in the environment of a [`Cache`].
const PORT: usize = 0;

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A launcher with an empty cache.
pub struct Cache {
    /// The executable.
    pub program: PathBuf,
    dir: TempDir,
    /// The environment variables that lead to the cache.
    env: Vec<(&'static str, String)>,
    /// ccache's counters when they were last zeroed, to be subtracted. Its own `--zero-stats` writes 256 files.
    zero: Mutex<Asked>,
}

/// How many calls a launcher got, and what it found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Results from the cache.
    pub hits: u64,
    /// Results that were compiled and stored.
    pub misses: u64,
    /// Calls that reached the launcher and were neither hits nor misses.
    pub others: u64,
}

impl Asked {
    /// Only hits and misses.
    pub const fn new(hits: u64, misses: u64) -> Self {
        Self {
            hits,
            misses,
            others: 0,
        }
    }
}

impl Cache {
    /// Makes the cache. Starts sccache's server at once: one that a client starts would have the client's environment
    /// and, under a time limit, end with the client.
    pub fn new(program: &Path) -> Self {
        Self::start(program, || Command::new(program))
    }

    /// A cache of sccache's, with direct mode and these lines for it in its configuration file.
    pub fn configured(program: &Path, lines: &str) -> Self {
        let table = "[cache.disk.preprocessor_cache_mode]\nuse_preprocessor_cache_mode = true";
        let change = |env: &mut Vec<(&'static str, String)>, dir: &Path| {
            // SCCACHE_DIR would replace the whole table.
            env.retain(|(name, _)| *name != "SCCACHE_DIR");
            let file = dir.join("sccache.toml");
            let text = format!(
                "[cache.disk]\ndir = {:?}\n{table}\n{lines}\n",
                dir.join("sccache")
            );
            std::fs::write(&file, text).unwrap();
            env.push(("SCCACHE_CONF", file.to_str().unwrap().to_owned()));
        };
        Self::made(program, change, || Command::new(program))
    }

    /// A cache with one more variable, which sccache's server has too.
    pub fn told(program: &Path, name: &'static str, value: &str) -> Self {
        let change = |env: &mut Vec<_>, _: &Path| env.push((name, value.to_owned()));
        Self::made(program, change, || Command::new(program))
    }

    /// A cache whose server finds one core and so does one thing at a time.
    pub fn on_one_core(program: &Path) -> Self {
        Self::on_cores(program, 1)
    }

    /// A cache whose server finds `count` cores, or all if there are fewer.
    pub fn on_cores(program: &Path, count: usize) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let allowed = status.split("Cpus_allowed_list:").nth(1).unwrap();
        let allowed = allowed
            .lines()
            .next()
            .unwrap()
            .trim()
            .split(',')
            .flat_map(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                first.parse::<usize>().unwrap()..=last.parse().unwrap()
            });
        let cores: Vec<_> = allowed.take(count).map(|core| core.to_string()).collect();
        Self::start(program, || {
            let mut starter = Command::new("taskset");
            starter.args(["-c", &cores.join(",")]).arg(program);
            starter
        })
    }

    fn start(program: &Path, starter: impl Fn() -> Command) -> Self {
        Self::made(program, |_, _| {}, starter)
    }

    fn made(
        program: &Path,
        change: impl FnOnce(&mut Vec<(&'static str, String)>, &Path),
        starter: impl Fn() -> Command,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let mut env = vec![
            // For releases before 0.9, which do not support sockets in the file system.
            ("SCCACHE_SERVER_PORT", String::new()),
            ("SCCACHE_DIR", at("sccache")),
            ("SCCACHE_SERVER_UDS", at("socket")),
            // If this process is killed, its servers end by themselves.
            ("SCCACHE_IDLE_TIMEOUT", "240".to_owned()),
            ("CCACHE_DIR", at("ccache")),
            ("CCACHE_CONFIGPATH", at("ccache.conf")),
        ];
        change(&mut env, dir.path());
        let mut cache = Self {
            program: program.to_owned(),
            dir,
            env,
            zero: Mutex::default(),
        };
        if cache.is_sccache() {
            // Another process may take the port before the server does.
            let started = (0..3).any(|_| {
                cache.env[PORT].1 = free_port().to_string();
                cache.quietly(starter(), "--start-server")
            });
            assert!(started, "{program:?} starts no server");
        }
        cache
    }

    /// Whether the launcher is sccache. Otherwise it is ccache.
    pub fn is_sccache(&self) -> bool {
        self.program
            .file_name()
            .is_some_and(|name| name == "sccache")
    }

    /// The environment that leads to this cache.
    pub fn env(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.env.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// A directory that lives as long as the cache.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self) -> Command {
        self.prepared(Command::new(&self.program))
    }

    fn prepared(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(self.env())
            .current_dir(self.dir.path());
        command
    }

    /// Runs the launcher with one of its own options. Returns whether it succeeded. There is no pipe, because a server
    /// would hold it open.
    fn quietly(&self, command: Command, option: &str) -> bool {
        let mut command = self.prepared(command);
        command.arg(option).stdout(Stdio::null());
        command.stderr(Stdio::null()).stdin(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// The calls since the cache was made or zeroed.
    pub fn asked(&self) -> Asked {
        self.since_zeroed("")
    }

    /// The HIP calls since the cache was made or zeroed. ccache does not count by language, so for ccache these are all
    /// calls.
    pub fn asked_for_hip(&self) -> Asked {
        self.since_zeroed("HIP")
    }

    fn since_zeroed(&self, language: &str) -> Asked {
        let (counted, zero) = (self.counted(language), self.zero.lock().unwrap());
        Asked {
            hits: counted.hits - zero.hits,
            misses: counted.misses - zero.misses,
            others: counted.others - zero.others,
        }
    }

    /// The launcher's own counters.
    fn counted(&self, language: &str) -> Asked {
        let mut command = self.command();
        if !self.is_sccache() {
            let output = super::run(command.arg("--print-stats"));
            let text = String::from_utf8(output.stdout).unwrap();
            let counters: BTreeMap<&str, u64> = text
                .lines()
                .filter_map(|line| line.split_once('\t'))
                .map(|(name, count)| (name, count.parse().unwrap()))
                .collect();
            let of = |name| counters.get(name).copied().unwrap_or(0);
            let hits = of("direct_cache_hit") + of("preprocessed_cache_hit");
            let misses = of("cache_miss");
            // A call that is neither a hit nor a miss is counted in one of these.
            let ends = [
                "autoconf_test",
                "bad_compiler_arguments",
                "called_for_link",
                "called_for_preprocessing",
                "compile_failed",
                "could_not_find_compiler",
                "internal_error",
                "multiple_source_files",
                "no_input_file",
                "output_to_stdout",
                "preprocessor_error",
                "recache",
                "unsupported_code_directive",
                "unsupported_compiler_option",
                "unsupported_source_language",
            ];
            return Asked {
                hits,
                misses,
                others: ends.into_iter().map(of).sum(),
            };
        }
        let output = super::run(command.args(["--show-stats", "--stats-format", "json"]));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let stats = &json["stats"];
        let count = |field: &str| stats[field].as_u64().unwrap_or(0);
        let sum = |field: &str| {
            let counts = stats[field]["counts"].as_object();
            let counts = counts.into_iter().flatten();
            counts
                .filter(|(name, _)| name.starts_with(language))
                .filter_map(|(_, count)| count.as_u64())
                .sum::<u64>()
        };
        let (hits, misses) = (sum("cache_hits"), sum("cache_misses"));
        let all = count("compile_requests");
        let others = if language.is_empty() {
            all - hits - misses
        } else {
            0
        };
        Asked {
            hits,
            misses,
            others,
        }
    }

    /// Sets the counters to zero.
    pub fn zero(&self) {
        if self.is_sccache() {
            assert!(self.quietly(self.command(), "--zero-stats"));
        } else {
            *self.zero.lock().unwrap() = self.counted("");
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        if self.is_sccache() {
            self.quietly(self.command(), "--stop-server");
        }
    }
}
