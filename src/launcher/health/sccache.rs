//! Checks sccache: its server, and what the server reports.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use super::{
    Health, HealthError, HealthQuery, LIMIT, LauncherMessage, Mode, ServerFacts, settings,
    without_password,
};
use crate::launcher::{ChangedEnvironment, parse_version};
use crate::rocm::ProgramError;
use crate::shared::launchers::kind::Version;
use crate::shared::launchers::{sccache, since};
use crate::shared::listener;
use crate::shared::socket::{Socket, Wait};

/// Whether clients of this version support a server at a socket (SCCACHE_SERVER_UDS). Older ones
/// only support ports.
#[must_use]
pub fn knows_sockets(client: Option<Version>) -> bool {
    client.is_some_and(|version| version >= since::SCCACHE_SOCKETS)
}

pub(super) fn check(asked: &HealthQuery<'_>) -> Result<Health, HealthError> {
    let address = ClientAddress::of(asked.environment, asked.launcher.version);
    let limit = asked.limit;
    // Do not try `--start-server` if a server listens: with a socket in the file system, the new
    // server would replace the old one (0.16, measured).
    let started = match address.connect(limit) {
        Connection::Nobody => start(asked, &address)?,
        Connection::Taken if !address.is_ours() => {
            let address = address.to_string();
            return Err(HealthError::Stranger { address });
        }
        Connection::Taken => false,
        Connection::Unanswered => {
            let address = address.to_string();
            return Err(HealthError::Mute { address, limit });
        }
    };
    let stats = stats(asked).map_err(|error| match error {
        ServerStatsError::Program(ProgramError::Hangs { .. }) => HealthError::Mute {
            address: address.to_string(),
            limit,
        },
        ServerStatsError::Program(source) => HealthError::Ask(asked.launcher.path.clone(), source),
        ServerStatsError::Failed(source) if refuses(asked) => {
            HealthError::Settings(asked.launcher.path.clone(), source)
        }
        ServerStatsError::Failed(source) => HealthError::Foreign {
            address: address.to_string(),
            source,
        },
        ServerStatsError::Unreadable(source) => {
            HealthError::Answer(asked.launcher.path.clone(), source)
        }
    })?;
    if let (Some(server), Some(client)) = (stats.version, asked.launcher.version)
        && server != client
    {
        return Err(HealthError::OtherVersion {
            address: address.to_string(),
            server,
            client,
        });
    }
    let configured = match started && stats.levels_are_known() {
        true => None,
        false => without_server(asked).and_then(Result::ok),
    };
    let stats = stats.with_levels_of(configured.as_ref());
    let configured = configured.map(|stats| stats.location).filter(|_| !started);
    let settings = settings::noteworthy(settings::SCCACHE, |name| setting(asked, name));
    let set = |name| settings.iter().any(|setting| setting.name == name);
    let direct = asked.environment.get("SCCACHE_DIRECT");
    let direct = direct.is_none_or(|value| !matches!(value.as_bytes(), b"false" | b"off" | b"0"));
    let mode = if set("SCCACHE_NO_CACHE") {
        Mode::Off
    } else if set("SCCACHE_RECACHE") {
        Mode::Recache
    } else if set("SCCACHE_LOCAL_RW_MODE") {
        Mode::ReadOnly
    } else if stats.direct && direct {
        Mode::Direct
    } else {
        Mode::Preprocessor
    };
    Ok(Health {
        storage: stats.storage(),
        dir: stats.dir(),
        configured: configured.filter(|configured| *configured != stats.location),
        location: stats.location,
        used: stats.used,
        max: stats.max,
        mode,
        server: Some(ServerFacts {
            address: address.to_string(),
            started,
        }),
        settings,
    })
}

/// The value of a setting, and where it was set.
fn setting(asked: &HealthQuery<'_>, name: &str) -> Option<(String, String)> {
    if name == settings::CLIENT_SIDE && asked.launcher.version < Some(since::SCCACHE_CLIENT_SIDE) {
        return None;
    }
    if let Some(value) = asked.environment.get(name) {
        let value = value.to_string_lossy().into_owned();
        return Some((value, "environment".to_owned()));
    }
    let file = (name == settings::CLIENT_SIDE).then_some(asked.launcher);
    let file = file?.client_side_in(asked.environment)?;
    Some(("true".to_owned(), file.display().to_string()))
}

/// Where a newly started server would have its cache.
fn configured(asked: &HealthQuery<'_>) -> Option<String> {
    Some(without_server(asked)?.ok()?.location)
}

/// Whether the client rejects its own configuration, independent of any server.
fn refuses(asked: &HealthQuery<'_>) -> bool {
    matches!(
        without_server(asked),
        Some(Err(ServerStatsError::Failed(_)))
    )
}

/// The client's statistics with no server to connect to; `None` for a client that cannot be pointed
/// at a socket.
fn without_server(asked: &HealthQuery<'_>) -> Option<Result<Stats, ServerStatsError>> {
    if !knows_sockets(asked.launcher.version) {
        return None;
    }
    let nowhere = asked
        .environment
        .clone()
        .with("SCCACHE_SERVER_UDS", "/nonexistent/socket");
    Some(stats(&HealthQuery {
        environment: &nowhere,
        ..*asked
    }))
}

/// Starts a server. Returns false if another process started one first.
fn start(asked: &HealthQuery<'_>, address: &ClientAddress) -> Result<bool, HealthError> {
    let cache = || configured(asked).unwrap_or_else(|| "unknown".to_owned());
    let answer = asked.program().args(["--start-server"]).ask();
    match answer {
        Ok(answer) if answer.status.success() => Ok(true),
        Ok(_) if matches!(address.connect(asked.limit), Connection::Taken) => Ok(false),
        Ok(answer) if refuses(asked) => Err(HealthError::Settings(
            asked.launcher.path.clone(),
            LauncherMessage::on(&answer.stderr),
        )),
        Ok(answer) => Err(HealthError::Start {
            source: LauncherMessage::on(&answer.stderr),
            cache: cache(),
        }),
        Err(source) => Err(HealthError::Slow {
            source,
            cache: cache(),
        }),
    }
}

enum ServerStatsError {
    Program(ProgramError),
    Failed(LauncherMessage),
    Unreadable(LauncherMessage),
}

/// The part of `--show-stats` that is about the cache.
#[derive(Debug, PartialEq, Eq)]
struct Stats {
    location: String,
    /// The location of each level; empty if there is one, or if a server has not opened them yet.
    levels: Vec<String>,
    used: Option<u64>,
    max: Option<u64>,
    direct: bool,
    /// Old versions do not report it.
    version: Option<Version>,
}

fn stats(asked: &HealthQuery<'_>) -> Result<Stats, ServerStatsError> {
    let question = ["--show-stats", "--stats-format", "json"];
    let answer = asked.program().args(question).ask();
    let answer = answer.map_err(ServerStatsError::Program)?;
    if !answer.status.success() {
        return Err(ServerStatsError::Failed(LauncherMessage::on(
            &answer.stderr,
        )));
    }
    Stats::read(&answer.stdout)
        .map_err(|error| ServerStatsError::Unreadable(LauncherMessage(error.to_string())))
}

impl Stats {
    fn read(json: &[u8]) -> serde_json::Result<Self> {
        let json: serde_json::Value = serde_json::from_slice(json)?;
        let levels = json["stats"]["multi_level"].as_array();
        let levels = levels.into_iter().flatten();
        let levels = levels.filter_map(|level| Some(without_password(level["location"].as_str()?)));
        let levels: Vec<_> = levels.collect();
        let location = json["cache_location"].as_str().unwrap_or("unknown");
        Ok(Self {
            location: match levels.is_empty() {
                true => without_password(location),
                false => levels.join(", "),
            },
            levels,
            used: json["cache_size"].as_u64(),
            max: json["max_cache_size"].as_u64(),
            direct: json["use_preprocessor_cache_mode"].as_bool() == Some(true),
            version: json["version"].as_str().and_then(parse_version),
        })
    }

    /// Whether the levels are known. Before the first compile, a server has not opened its levels and tells only their
    /// number (0.16).
    fn levels_are_known(&self) -> bool {
        !self.location.starts_with("Multi-level ")
    }

    /// Takes over the levels of `configured` if the server's are not known and their number is equal.
    fn with_levels_of(self, configured: Option<&Self>) -> Self {
        let fits =
            |other: &&Self| self.location == format!("Multi-level ({} levels)", other.levels.len());
        let Some(other) = configured.filter(fits) else {
            return self;
        };
        Self {
            location: other.location.clone(),
            levels: other.levels.clone(),
            ..self
        }
    }

    fn all_levels(&self) -> &[String] {
        match self.levels.is_empty() {
            true => std::slice::from_ref(&self.location),
            false => &self.levels,
        }
    }

    fn storage(&self) -> String {
        let kinds: Vec<_> = self.all_levels().iter().map(|level| kind(level)).collect();
        kinds.join("+")
    }

    fn dir(&self) -> Option<PathBuf> {
        self.all_levels().iter().find_map(|level| disk(level))
    }
}

/// Parses `Local disk: "/path"` and `redis, name: redis://host, prefix: /`.
fn kind(location: &str) -> String {
    if disk(location).is_some() {
        return "disk".to_owned();
    }
    let word = location.split([',', ':']).next().unwrap_or_default();
    word.trim().to_lowercase()
}

fn disk(location: &str) -> Option<PathBuf> {
    let quoted = location.strip_prefix("Local disk: ")?;
    // A string quoted by Rust, which except for odd paths is a JSON string.
    let path: String = serde_json::from_str(quoted).ok()?;
    Some(path.into())
}

/// [The server's address](sccache::Address), according to its clients' environment.
enum ClientAddress {
    Port(u16),
    Socket(PathBuf),
    /// In Linux's abstract socket namespace.
    Abstract(Vec<u8>),
}

enum Connection {
    Nobody,
    Taken,
    /// The queue of connections is full: nobody accepts any.
    Unanswered,
}

impl ClientAddress {
    fn of(environment: &ChangedEnvironment, client: Option<Version>) -> Self {
        let socket = environment
            .get("SCCACHE_SERVER_UDS")
            .filter(|_| knows_sockets(client));
        let port = environment.get("SCCACHE_SERVER_PORT");
        match sccache::Address::of(
            socket.as_deref().map(OsStr::as_bytes),
            port.as_deref().map(OsStr::as_bytes),
        ) {
            sccache::Address::Port(port) => Self::Port(port),
            sccache::Address::Path(path) => Self::Socket(OsStr::from_bytes(path).into()),
            sccache::Address::Abstract(name) => Self::Abstract(name.to_owned()),
        }
    }

    /// Whether the shim would send a compile to the listener at this address, see [`listener`].
    fn is_ours(&self) -> bool {
        let path = match self {
            Self::Port(port) => return listener::is_ours(*port, &[]),
            Self::Socket(path) => path.as_os_str().as_bytes().to_vec(),
            Self::Abstract(name) => [b"\0", &name[..]].concat(),
        };
        let socket = Socket::of_path(&path, Wait::Seconds(LIMIT.as_secs()));
        socket.is_some_and(|socket| socket.is_ours())
    }

    fn connect(&self, limit: Duration) -> Connection {
        let connected = match self {
            Self::Port(port) => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
                TcpStream::connect_timeout(&address, limit).map(drop)
            }
            Self::Socket(path) => UnixStream::connect(path).map(drop),
            Self::Abstract(name) => UnixAddr::from_abstract_name(name)
                .and_then(|address| UnixStream::connect_addr(&address))
                .map(drop),
        };
        match connected {
            Ok(()) => Connection::Taken,
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Connection::Unanswered,
            Err(_) => Connection::Nobody,
        }
    }
}

impl std::fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Port(port) => write!(f, "{}:{port}", Ipv4Addr::LOCALHOST),
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_on_disk_has_a_directory() {
        let json = br#"{"cache_location":"Local disk: \"/a/b\"","cache_size":7,
            "max_cache_size":10737418240,"use_preprocessor_cache_mode":true,"version":"0.16.0"}"#;
        let stats = Stats::read(json).unwrap();
        assert_eq!(stats.dir(), Some("/a/b".into()));
        assert_eq!(stats.storage(), "disk");
        assert_eq!((stats.used, stats.max), (Some(7), Some(10 << 30)));
        assert_eq!(stats.version, Some(Version(0, 16, 0)));
    }

    #[test]
    fn levels_that_a_server_has_not_opened_are_those_of_its_configuration() {
        // Both texts are from sccache 0.16. Without a server, the client opens the configured levels.
        let server =
            Stats::read(br#"{"cache_location":"Multi-level (2 levels)","stats":{}}"#).unwrap();
        let client = br#"{"cache_location":"Multi-level (2 levels)","stats":{"multi_level":[
            {"location":"Local disk: \"/a\""},{"location":"redis, name: redis://u:p@h, prefix: /"}]}}"#;
        let client = Stats::read(client).unwrap();
        assert!(!server.levels_are_known());
        let known = server.with_levels_of(Some(&client));
        assert_eq!(known.storage(), "disk+redis");
        assert_eq!(known.dir(), Some("/a".into()));
        assert_eq!(
            known.location,
            "Local disk: \"/a\", redis, name: redis://h, prefix: /"
        );
        let other = Stats::read(br#"{"cache_location":"Multi-level (3 levels)"}"#).unwrap();
        assert_eq!(
            other.with_levels_of(Some(&client)).location,
            "Multi-level (3 levels)"
        );
    }

    #[test]
    fn other_caches_are_known_by_their_kind() {
        for (location, kind) in [
            ("redis, name: redis://127.0.0.1:1, prefix: /", "redis"),
            ("S3, bucket: Bucket(name=x)", "s3"),
            ("ghac, name: sccache-v0, prefix: /", "ghac"),
        ] {
            let json = format!("{{\"cache_location\":{location:?}}}");
            let stats = Stats::read(json.as_bytes()).unwrap();
            assert_eq!((stats.storage().as_str(), stats.dir()), (kind, None));
        }
    }

    #[test]
    fn the_address_is_that_of_the_clients() {
        let new = Some(Version(0, 16, 0));
        let of = |name: &str, value: &str, client| {
            let environment = ChangedEnvironment::default()
                .with("SCCACHE_SERVER_UDS", "")
                .with("SCCACHE_SERVER_PORT", "")
                .with(name, value);
            ClientAddress::of(&environment, client).to_string()
        };
        assert_eq!(of("SCCACHE_SERVER_PORT", "99", new), "127.0.0.1:99");
        assert_eq!(of("SCCACHE_SERVER_PORT", "", new), "127.0.0.1:4226");
        assert_eq!(of("SCCACHE_SERVER_UDS", "/s", new), "/s");
        assert_eq!(of("SCCACHE_SERVER_UDS", r"\x00s", new), "@s");
        let old = Some(Version(0, 4, 0));
        assert_eq!(of("SCCACHE_SERVER_UDS", "/s", old), "127.0.0.1:4226");
    }
}
