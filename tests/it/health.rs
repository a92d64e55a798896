//! `rock_wrap::launcher::health`, which finds out whether a launcher can work, with real launchers.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use crate::support::launchers::{self, Cache};
use rock_wrap::launcher::health::{self, Harm, Health, HealthError, LIMIT, Mode};
use rock_wrap::launcher::{ChangedEnvironment, Launcher};

const DEBIAN_SCCACHE: &str = "/usr/bin/sccache";
const DEBIAN_CCACHE: &str = "/usr/bin/ccache";

fn launcher(path: &Path) -> Launcher {
    Launcher::find(path.as_os_str()).unwrap()
}

fn environment(cache: &Cache) -> ChangedEnvironment {
    let with = |all: ChangedEnvironment, (name, value): (&str, &str)| all.with(name, value);
    cache.env().fold(ChangedEnvironment::default(), with)
}

fn check(environment: &ChangedEnvironment, path: &Path) -> Result<Health, HealthError> {
    let health = health::check_in(environment, &launcher(path), LIMIT)?;
    Ok(health.expect("sccache and ccache can be asked"))
}

/// The text of an error with all its causes, as it is printed.
fn text(error: &HealthError) -> String {
    rock_wrap::support::error_chain::chain(error)
}

/// A listener that never answers, and its port, which is free once the listener is dropped.
fn port() -> (TcpListener, OsString) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port.to_string().into())
}

#[test]
fn a_running_server_is_found_and_left_running() {
    let cache = Cache::new(&launchers::sccache());
    let environment = environment(&cache);
    for _ in 0..2 {
        let health = check(&environment, &cache.program).unwrap();
        assert_eq!(
            (health.storage.as_str(), health.mode),
            ("disk", Mode::Direct)
        );
        assert_eq!(
            health.dir.as_deref(),
            Some(cache.dir().join("sccache").as_path())
        );
        assert_eq!(health.max, Some(10 << 30));
        assert!(health.settings.is_empty());
        assert_eq!(health.configured, None);
        assert!(!health.server.unwrap().started);
    }
    let other = environment.clone().with("SCCACHE_DIR", "/other");
    let configured = check(&other, &cache.program).unwrap().configured;
    assert_eq!(configured.as_deref(), Some("Local disk: \"/other\""));
    let off = environment.with("SCCACHE_DIRECT", "false");
    assert_eq!(
        check(&off, &cache.program).unwrap().mode,
        Mode::Preprocessor
    );
}

#[test]
fn a_server_is_started_if_none_runs() {
    let dir = tempfile::tempdir().unwrap();
    let program = launchers::sccache();
    let environment = ChangedEnvironment::default()
        .with("SCCACHE_DIR", dir.path().join("cache"))
        .with("SCCACHE_SERVER_UDS", dir.path().join("socket"))
        .with("SCCACHE_IDLE_TIMEOUT", "5");
    let started = || {
        check(&environment, &program)
            .unwrap()
            .server
            .unwrap()
            .started
    };
    assert_eq!((started(), started()), (true, false));
}

#[test]
fn the_wait_for_a_process_that_does_not_answer_is_limited() {
    let (mute, port) = port();
    let environment = ChangedEnvironment::default().with("SCCACHE_SERVER_PORT", &port);
    let limit = Duration::from_millis(300);
    let launcher = launcher(&launchers::sccache());
    let error = health::check_in(&environment, &launcher, limit).unwrap_err();
    let address = mute.local_addr().unwrap().to_string();
    assert!(matches!(error, HealthError::Mute { address: at, .. } if at == address));
}

#[test]
fn a_server_with_another_protocol_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let (free, port) = port();
    let environment = ChangedEnvironment::default()
        .with("SCCACHE_DIR", dir.path().join("cache"))
        .with("SCCACHE_SERVER_PORT", &port)
        .with("SCCACHE_IDLE_TIMEOUT", "60");
    drop(free);
    let old = check(&environment, Path::new(DEBIAN_SCCACHE)).unwrap();
    assert!(old.server.unwrap().started);
    let error = check(&environment, &launchers::sccache()).unwrap_err();
    assert!(matches!(error, HealthError::Foreign { .. }), "{error:?}");
    assert!(
        text(&error).ends_with("Unexpected server response!"),
        "{}",
        text(&error)
    );
    check(&environment, Path::new(DEBIAN_SCCACHE)).expect("the older server still runs");
}

#[test]
fn a_back_end_that_cannot_be_reached_is_named_without_its_password() {
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("sccache.toml");
    std::fs::write(&settings, "server_startup_timeout_ms = 1000\n").unwrap();
    let environment = ChangedEnvironment::default()
        .with("SCCACHE_CONF", settings)
        .with("SCCACHE_SERVER_UDS", dir.path().join("socket"))
        .with("SCCACHE_IDLE_TIMEOUT", "5")
        .with("SCCACHE_REDIS_ENDPOINT", "redis://me:secret@127.0.0.1:1");
    let error = check(&environment, &launchers::sccache()).unwrap_err();
    assert_eq!(
        text(&error),
        "cannot start sccache's server (configured cache: redis, name: \
         redis://127.0.0.1:1, prefix: /): Timed out waiting for server startup"
    );
}

#[test]
fn a_cache_directory_that_cannot_be_written_is_an_error_for_each_launcher() {
    let cache = Cache::new(&launchers::sccache());
    let blocked = cache.dir().join("file/cache");
    std::fs::write(cache.dir().join("file"), "").unwrap();
    let private = ChangedEnvironment::default()
        .with("SCCACHE_SERVER_UDS", cache.dir().join("other"))
        .with("SCCACHE_IDLE_TIMEOUT", "5")
        .with("SCCACHE_DIR", &blocked)
        .with("CCACHE_DIR", &blocked);
    for program in [
        launchers::sccache(),
        launchers::ccache(),
        DEBIAN_CCACHE.into(),
    ] {
        let error = check(&private, &program).unwrap_err();
        let HealthError::Directory { dir, .. } = &error else {
            panic!("{program:?}: {error:?}");
        };
        assert_eq!(*dir, blocked);
    }
}

#[test]
fn the_settings_of_ccache_are_found_with_their_origin() {
    for program in [launchers::ccache(), DEBIAN_CCACHE.into()] {
        let cache = Cache::new(&program);
        let settings = cache.dir().join("ccache.conf");
        std::fs::write(&settings, "prefix_command = icecc\nmax_size = 2G\n").unwrap();
        let health = check(&environment(&cache), &program).unwrap();
        assert_eq!(
            (health.storage.as_str(), health.mode),
            ("disk", Mode::Direct)
        );
        assert_eq!(health.used, Some(0));
        assert_eq!(health.max, Some(2_000_000_000));
        let [prefix] = &health.settings[..] else {
            panic!("{:?}", health.settings);
        };
        assert_eq!(
            (prefix.name, prefix.value.as_str()),
            ("prefix_command", "icecc")
        );
        assert_eq!(prefix.from, settings.to_str().unwrap());

        let other = environment(&cache)
            .with("CCACHE_COMPILER", "/usr/bin/gcc")
            .with("CCACHE_RECACHE", "1")
            .with("CCACHE_REMOTE_STORAGE", "http://me:secret@localhost:1/");
        let health = check(&other, &program).unwrap();
        assert_eq!(health.mode, Mode::Recache);
        assert_eq!(health.storage, "disk+http");
        assert!(!health.location.contains("secret"), "{}", health.location);
        let worst = &health.settings[0];
        assert_eq!((worst.name, worst.harm), ("compiler", Harm::Wrong));
        assert_eq!(worst.from, "environment");
    }
}

#[test]
fn a_setting_that_ccache_refuses_is_an_error_with_ccaches_message() {
    let cache = Cache::new(&launchers::ccache());
    let wrong = environment(&cache).with("CCACHE_DISABLE", "0");
    let error = check(&wrong, &cache.program).unwrap_err();
    assert!(matches!(error, HealthError::Settings(..)), "{error:?}");
    assert!(text(&error).contains("CCACHE_DISABLE"), "{}", text(&error));
}
