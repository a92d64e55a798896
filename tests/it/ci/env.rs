//! `rock-wrap env` with the real launchers. The table of what each policy means for each launcher is in
//! `src/ci/plan/tests.rs`.

use std::path::Path;
use std::process::Command;

use super::{github, pull_request};
use crate::support::launchers::{ccache, sccache};
use crate::support::rocm::{Ran, as_nobody, assert_has, ran, rock_wrap, scratch, script, sh};
use crate::support::skips::skip;

const SECRET: &str = "hunter2";

/// `rock-wrap env` with ccache.
fn env(root: &Path, more: &[&str]) -> Command {
    let mut command = rock_wrap(["env", "--cache-root"]);
    command.arg(root).arg("--launcher").arg(ccache()).args(more);
    command
}

fn mode(ran: &Ran) -> &str {
    let mut modes = ran
        .err
        .lines()
        .filter_map(|line| line.strip_prefix("cache mode: "));
    let mode = modes.next().unwrap_or_else(|| panic!("{}", ran.err));
    assert_eq!(modes.next(), None, "there is only one line");
    mode
}

#[test]
fn a_shell_evaluates_the_answer_and_finds_its_caches_below_the_root() {
    let dir = scratch();
    let root = dir.path().join("it's a cache");
    let answer = ran(&mut env(&root, &["--policy", "ci"])).ok();
    let check = r#"set -eu
        unset CCACHE_DIR
        eval "$1"
        test -d "$CCACHE_DIR" && test -d "$PIP_CACHE_DIR"
        "$2" --get-config cache_dir; "$2" --get-config max_size; "$2" --get-config namespace"#;
    let said = sh(check, &[Path::new(&answer.out), &ccache()]);
    let expected = format!("{}/ci/ccache\n5.0 GiB\nrock-wrap-v1\n", root.display());
    assert_eq!(said, expected);
    assert_has(
        mode(&answer),
        &[
            "ccache 4.14.2, local read-write, at most 5.0 GiB: ",
            "it's a cache/ci/ccache",
        ],
    );
}

#[test]
fn the_results_of_an_earlier_job_are_cleared() {
    let dir = scratch();
    let log = dir.path().join("ci/ccache-results.log");
    ran(&mut env(dir.path(), &["--policy", "ci"])).ok();
    std::fs::write(&log, "# a.c\ncache_miss\n").unwrap();
    ran(&mut env(dir.path(), &["--policy", "ci"])).ok();
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "");
}

#[test]
fn each_format_holds_the_same_variables() {
    let dir = scratch();
    let root = dir.path();
    let json = ran(&mut env(root, &["--format", "json", "--policy", "dev"])).json();
    let set = json["set"].as_object().unwrap();
    assert_has(set["CCACHE_DIR"].as_str().unwrap(), &["/dev/ccache"]);
    let lines: String = [
        "ROCK_WRAP_POLICY",
        "CCACHE_DIR",
        "CCACHE_CONFIGPATH",
        "CCACHE_STATSLOG",
        "PIP_CACHE_DIR",
    ]
    .map(|name| format!("{name}={}\n", set[name].as_str().unwrap()))
    .concat();
    let dotenv = ran(&mut env(root, &["--format", "dotenv", "--policy", "dev"])).ok();
    assert_eq!(dotenv.out, lines);

    let file = root.join("github-env");
    std::fs::write(&file, "BEFORE=1\n").unwrap();
    let mut github = env(root, &["--format", "github", "--policy", "dev"]);
    let ran = ran(github.env("GITHUB_ENV", &file)).ok();
    assert_eq!(ran.out, "");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        format!("BEFORE=1\n{lines}")
    );
}

#[test]
fn a_password_is_in_no_output_and_in_no_file() {
    let dir = scratch();
    let root = dir.path().join("cache");
    for format in ["sh", "json", "dotenv"] {
        let remote = "http://me@127.0.0.1:1/cache?layout=bazel";
        let options = [
            "--policy",
            "pull-request",
            "--remote",
            remote,
            "--format",
            format,
        ];
        let mut command = env(&root, &options);
        let ran = ran(command.env("CCACHE_REMOTE_PASSWORD", SECRET)).ok();
        assert!(
            !ran.out.contains(SECRET) && !ran.err.contains(SECRET),
            "{ran:?}"
        );
        assert_has(
            mode(&ran),
            &[
                "local read-write, remote read-only",
                "http://127.0.0.1:1/cache|layout=bazel|read-only",
            ],
        );
    }
    let found = sh(r#"grep -rl "$2" "$1" || true"#, &[&root, Path::new(SECRET)]);
    assert_eq!(found, "");
    // ccache inserts the password itself.
    let conf = root.join("pull-request/ccache.conf");
    let ask = r#"CCACHE_CONFIGPATH=$1 CCACHE_REMOTE_PASSWORD=$3 "$2" --get-config remote_storage"#;
    let storage = sh(ask, &[&conf, &ccache(), Path::new(SECRET)]);
    assert_has(&storage, &["http://me:hunter2@127.0.0.1:1/cache"]);
    let refused = ran(&mut env(&root, &["--remote", "http://me:hunter2@host"])).refused(4);
    assert!(!refused.contains(SECRET), "{refused}");
}

#[test]
fn a_prerelease_reads_no_cache_that_others_write_whatever_the_job_has_set() {
    let dir = scratch();
    let mut command = env(
        dir.path(),
        &["--policy", "prerelease", "--remote", "http://127.0.0.1:1"],
    );
    let stranger = "http://127.0.0.1:1/theirs";
    let answer = ran(command.env("CCACHE_REMOTE_STORAGE", stranger)).ok();
    assert!(!mode(&answer).contains("remote"), "{}", answer.err);
    let check = r#"export CCACHE_REMOTE_STORAGE=http://127.0.0.1:1/theirs
        eval "$1"; "$2" --get-config remote_storage"#;
    assert_eq!(sh(check, &[Path::new(&answer.out), &ccache()]).trim(), "");
}

#[test]
fn a_release_has_no_cache_unless_that_is_allowed() {
    let dir = scratch();
    let root = dir.path().join("cache");
    let none = ran(&mut env(&root, &["--policy", "release"])).ok();
    assert_eq!(mode(&none), "none");
    assert_has(
        &none.out,
        &[
            "export ROCK_WRAP_DISABLE='1'\n",
            "export CCACHE_DISABLE='1'\n",
        ],
    );
    assert!(!root.exists());
    let local = ran(&mut env(&root, &["--policy", "release", "--allow-local"])).ok();
    assert_has(mode(&local), &["local read-write", "/release/ccache"]);
}

#[test]
fn a_forks_job_gets_a_local_cache_and_is_told_why() {
    let dir = scratch();
    let root = dir.path().join("cache");
    let payload = dir.path().join("event.json");
    std::fs::write(&payload, pull_request("somebody/torch")).unwrap();
    for event in ["pull_request", "pull_request_target"] {
        let mut command = env(
            &root,
            &["--policy", "ci", "--remote", "redis://me@127.0.0.1:1"],
        );
        github(&mut command, event, &payload);
        let ran = ran(&mut command).ok();
        assert_has(
            &ran.err,
            &["somebody/torch", "CCACHE_REMOTE_PASSWORD not set"],
        );
        assert_has(mode(&ran), &["local read-write", "/fork/ccache"]);
        assert!(!mode(&ran).contains("remote"), "{}", ran.err);
    }
}

#[test]
fn a_remote_cache_that_cannot_be_reached_leaves_the_job_its_local_cache() {
    let dir = scratch();
    let mut command = rock_wrap(["env", "--policy", "ci", "--cache-root"]);
    command.arg(dir.path()).arg("--launcher").arg(sccache());
    // Nobody listens at port 1.
    let ran = ran(command.args(["--remote", "webdav://127.0.0.1:1"])).ok();
    stop(&ran);
    assert_has(&ran.err, &["the remote cache is not used: "]);
    assert_has(
        mode(&ran),
        &["sccache 0.16.0, local read-write, at most 5.0 GiB: Local disk: "],
    );
}

/// Stops the sccache server of the environment that `answer` sets.
fn stop(answer: &Ran) {
    let stop = r#"eval "$1"; "$2" --stop-server >/dev/null 2>&1 || true"#;
    sh(stop, &[Path::new(&answer.out), &sccache()]);
}

#[test]
fn sccache_has_a_server_of_its_own_for_each_policy() {
    let dir = scratch();
    let of = |policy| {
        let mut command = rock_wrap(["env", "--cache-root"]);
        command
            .arg(dir.path())
            .args(["--policy", policy, "--launcher"])
            .arg(sccache());
        ran(&mut command).ok()
    };
    let (ci, local) = (of("ci"), of("local"));
    assert_has(mode(&ci), &["/ci/sccache"]);
    assert_has(mode(&local), &["/local/sccache"]);
    assert_has(
        &ci.out,
        &[
            "export SCCACHE_IDLE_TIMEOUT='0'\n",
            r"export SCCACHE_SERVER_UDS='\x00rock-wrap-",
        ],
    );
    stop(&ci);
    stop(&local);
}

#[test]
fn an_error_in_the_settings_is_reported_with_its_line() {
    let dir = scratch();
    let file = dir.path().join("rock-wrap.toml");
    let with = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut command = env(
            &dir.path().join("cache"),
            &["--policy", "nightly", "--config"],
        );
        ran(command.arg(&file))
    };
    let message =
        with("namespace = 'torch'\n\n[policy.nightly]\nremotee = 'redis://host'\n").refused(4);
    assert_has(&message, &["rock-wrap.toml:4: ", "remotee"]);
    let message = with("remote = 'ftp://host'\n").refused(4);
    assert_has(&message, &["ftp", "supported are: s3, redis"]);
    let message = with("remote = 's3://bucket'\n").refused(4);
    assert_has(
        &message,
        &[
            "ccache cannot use the remote cache s3://bucket",
            "use sccache",
        ],
    );
    let nightly =
        with("remote = 'redis://127.0.0.1:1'\nnamespace = 'torch'\nnamespace-version = 2\n").ok();
    assert_has(
        mode(&nightly),
        &["remote read-write", "redis://127.0.0.1:1"],
    );
    let conf = std::fs::read_to_string(dir.path().join("cache/nightly/ccache.conf")).unwrap();
    assert_has(&conf, &["namespace = torch-nightly-v2\n"]);
}

#[test]
fn a_request_that_makes_no_sense_is_refused() {
    let dir = scratch();
    let root = dir.path().join("cache");
    for (options, code, wrong) in [
        (&["--policy", "nobody"][..], 2, "nobody"),
        (&["--policy", "ci", "--policy", "dev"], 2, "--policy"),
        (&["--format", "xml"], 2, "xml"),
        (&["--format", "github"], 4, "GITHUB_ENV"),
        (&["--max-size", "5 GB"], 4, "5 GB"),
        (&["--arch", "native"], 4, "native"),
        (
            &["--config", "/nonexistent/rock-wrap.toml"],
            4,
            "/nonexistent/rock-wrap.toml",
        ),
    ] {
        let message = ran(&mut env(&root, options)).refused(code);
        assert_has(&message, &[wrong]);
    }
    assert!(!root.exists(), "a refused command created the directory");
    let other = dir.path().join("distcc");
    script(&other, "exit 0");
    let mut command = rock_wrap(["env", "--cache-root"]);
    let message = ran(command.arg(&root).arg("--launcher").arg(&other)).refused(4);
    assert_has(&message, &["distcc", "sccache or ccache"]);
}

#[test]
fn a_root_that_cannot_be_written_is_refused_before_the_build() {
    let dir = scratch();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let message = ran(&mut env(&file.join("cache"), &[])).refused(4);
    assert_has(
        &message,
        &["cannot write to the cache directory", "--cache-root"],
    );
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    let command = env(&closed.join("cache"), &[]);
    let mut plain = as_nobody(&command, Path::new(env!("CARGO_BIN_EXE_rock-wrap")));
    let message = ran(&mut plain).refused(4);
    assert_has(
        &message,
        &["cannot write to the cache directory", "Permission denied"],
    );
}

#[test]
fn a_full_or_read_only_disk_is_refused_and_a_small_one_gets_a_warning() {
    let dir = scratch();
    let on = |options: &str, fill: &str| {
        let script = format!(
            r#"mount -t tmpfs -o {options} none "$1" || exit 99
            head -c {fill} /dev/zero 2>/dev/null >"$1/full"
            shift; exec "$@""#
        );
        let env = env(&dir.path().join("cache"), &[]);
        let mut command = Command::new("unshare");
        command
            .args(["-m", "sh", "-c", &script, "sh"])
            .arg(dir.path());
        command.arg(env.get_program()).args(env.get_args());
        ran(command.env_clear().env("PATH", "/usr/bin:/bin"))
    };
    let small = on("size=8m", "0");
    if small.status.code() == Some(99) || small.err.starts_with("unshare:") {
        skip("a file system of its own", &small.err);
        return;
    }
    assert_has(&small.ok().err, &["has 0.0 GiB left", "--max-size"]);
    for (options, why) in [
        ("size=64k", "No space left on device"),
        ("ro", "Read-only file system"),
    ] {
        let message = on(options, "64k").refused(4);
        let said = "cannot write to the cache directory";
        assert_has(&message, &[said, &dir.path().display().to_string(), why]);
    }
}

#[test]
fn a_broken_event_file_makes_the_job_untrusted_and_is_named() {
    let dir = scratch();
    let payload = dir.path().join("event.json");
    std::fs::write(&payload, r#"{"pull_request": {"#).unwrap();
    let options = ["--policy", "ci", "--remote", "http://127.0.0.1:1"];
    let mut command = env(&dir.path().join("cache"), &options);
    github(&mut command, "pull_request", &payload);
    let ran = ran(&mut command).ok();
    assert_has(
        &ran.err,
        &["the remote cache is not written", "event.json: "],
    );
    assert_has(mode(&ran), &["remote read-only", "/fork/ccache"]);
}

#[test]
fn a_root_that_git_would_commit_gets_a_warning() {
    let dir = scratch();
    let top = dir.path();
    sh(r#"git init -q "$1""#, &[top]);
    let told = |root: &str| {
        let ran = ran(&mut env(&top.join(root), &[])).ok();
        ran.err.contains("git does not ignore it")
    };
    assert!(told("cache"));
    std::fs::write(top.join(".gitignore"), "/cache\n").unwrap();
    assert!(!told("cache"));
}

#[test]
fn the_limit_fits_the_architectures_and_a_smaller_one_gets_a_warning() {
    let dir = scratch();
    let archs = "gfx1100,gfx1101,gfx1102,gfx942,gfx90a";
    let fitting = ran(&mut env(dir.path(), &["--arch", archs])).ok();
    assert_has(mode(&fitting), &["at most 9.0 GiB"]);
    let mut little = env(dir.path(), &["--arch", archs]);
    let little = ran(little.env("CCACHE_MAXSIZE", "500M")).ok();
    assert_has(
        &little.err,
        &["CCACHE_MAXSIZE=500M is little for 5 architectures"],
    );
    assert_has(mode(&little), &["at most 0.5 GiB"]);
}
