//! Jobs on different machines that share a remote cache on a real server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::servers::{Kind, Server};
use super::{github, pull_request};
use crate::support::compilers::full;
use crate::support::launchers::{ccache, sccache, tool};
use crate::support::rocm::{Rocm, assert_has, ran, rock_wrap, sh};
use crate::support::tree::Layout;

/// One unit for the GPU and one for the host; their names and the compilers' are absolute.
const SMALL: &str = r#"
    mkdir -p build && cd build
    for unit in k.hip h.cpp; do
        case $unit in *.hip) hip="-x hip -nogpuinc -nogpulib --offload-arch=gfx942" ;; *) hip= ;; esac
        "$ROCM/lib/llvm/bin/clang++" $hip -c "$ROCK_WRAP_BASE_DIR/$unit" -o "$unit.o"
    done
"#;
const UNITS: u64 = 2;

/// A machine: a tree and a checkout at paths of its own, an empty local cache, a server of sccache's own.
struct Machine {
    rocm: Rocm,
    launcher: PathBuf,
    env: BTreeMap<String, String>,
}

impl Machine {
    fn new(launcher: &Path) -> Self {
        let rocm = Rocm::new(19, Layout::Symlink);
        // Another installation has other times.
        sh(r#"touch -d "@$((1000000000 + $$))" "$1"/*"#, &[&rocm.bin()]);
        let machine = Self {
            rocm,
            launcher: launcher.to_owned(),
            env: BTreeMap::new(),
        };
        std::fs::create_dir(machine.at("checkout")).unwrap();
        let kernel = "void f() {}\n__attribute__((device)) int k = 7;\n";
        std::fs::write(machine.at("checkout/k.hip"), kernel).unwrap();
        std::fs::write(machine.at("checkout/h.cpp"), "int h() { return 7; }\n").unwrap();
        machine
    }

    fn at(&self, name: &str) -> PathBuf {
        self.rocm.beside(name)
    }

    /// `rock-wrap env`, with this in its environment and for later. What it said.
    fn set_up(&mut self, policy: &str, url: &str, more: &[(&str, &str)]) -> String {
        let mut command = rock_wrap([
            "env", "--format", "json", "--policy", policy, "--remote", url,
        ]);
        command
            .arg("--launcher")
            .arg(&self.launcher)
            .arg("--cache-root")
            .arg(self.at("cache"));
        command
            .current_dir(self.at("checkout"))
            .env("HOME", self.at(""));
        self.set_up_by(&mut command, more)
    }

    fn set_up_by(&mut self, command: &mut Command, more: &[(&str, &str)]) -> String {
        let ran = ran(command.envs(more.iter().copied())).ok();
        let json: Value = serde_json::from_str(&ran.out).unwrap();
        let own = more
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.env = own.collect();
        for (name, value) in json["set"].as_object().unwrap() {
            self.env
                .insert(name.clone(), value.as_str().unwrap().to_owned());
        }
        ran.err
    }

    /// Builds under `rock-wrap run`; the report.
    fn build(&self, build: &str) -> Value {
        let mut run = self.rocm.rock_wrap("run");
        run.arg("--launcher")
            .arg(&self.launcher)
            .arg("--report")
            .arg(self.at("report.json"));
        run.args(["--", "bash", "-ec", build])
            .current_dir(self.at("checkout"));
        ran(run.envs(&self.env).env("ROCM", &self.rocm.root)).ok();
        serde_json::from_str(&std::fs::read_to_string(self.at("report.json")).unwrap()).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.env.contains_key("SCCACHE_DIR") {
            let mut stop = Command::new(&self.launcher);
            stop.arg("--stop-server").env_clear().envs(&self.env);
            let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

fn counts(report: &Value) -> (u64, u64, u64) {
    let of = |name: &str| report["cache"][name].as_u64().unwrap();
    (of("hits"), of("misses"), of("errors"))
}

/// A second machine with empty local caches hits everything that the first one has compiled.
#[track_caller]
fn second_machine_hits(kind: Kind, launcher: &Path) {
    let Some(server) = Server::start(kind) else {
        return;
    };
    let (build, units) = (SMALL, UNITS);
    let mut first = Machine::new(launcher);
    let said = first.set_up("ci", &server.url(), server.credentials());
    assert_has(&said, &["remote read-write"]);
    assert_eq!(
        counts(&first.build(build)),
        (0, units, 0),
        "{kind:?} {said}"
    );
    let written = server.writes();
    assert!(written as u64 >= units, "{kind:?}: {written}");

    let mut second = Machine::new(launcher);
    let said = second.set_up("ci", &server.url(), server.credentials());
    let report = second.build(build);
    assert_eq!(counts(&report), (units, 0, 0), "{kind:?} {said} {report}");
    assert_ne!(first.at("checkout"), second.at("checkout"));
}

#[test]
fn redis_with_sccache() {
    second_machine_hits(Kind::Redis, &sccache());
}

#[test]
fn redis_with_ccache() {
    second_machine_hits(Kind::Redis, &ccache());
}

#[test]
fn webdav_with_sccache() {
    second_machine_hits(Kind::WebDav, &sccache());
}

#[test]
fn webdav_with_ccache() {
    second_machine_hits(Kind::WebDav, &ccache());
}

#[test]
fn bazels_layout_with_ccache() {
    second_machine_hits(Kind::Bazel, &ccache());
}

#[test]
fn s3_with_sccache() {
    second_machine_hits(Kind::S3, &sccache());
}

/// A build during which the server is killed ends well, and its report has the errors.
#[track_caller]
fn server_stopped_in_the_middle(kind: Kind, launcher: &Path) {
    let Some(server) = Server::start(kind) else {
        return;
    };
    let mut machine = Machine::new(launcher);
    machine.set_up("ci", &server.url(), server.credentials());
    let stop = server.stop_command();
    let build = format!(
        r#""$ROCM/lib/llvm/bin/clang++" -c h.cpp -o before.o
        {stop}
        {SMALL}
        test -s k.hip.o -a -s h.cpp.o"#
    );
    let report = machine.build(&build);
    let (_, _, errors) = counts(&report);
    assert!(errors > 0, "{report}");
    let advice = report["advice"].as_array().unwrap();
    assert!(
        advice
            .iter()
            .any(|advice| advice["id"] == "launcher-errors"),
        "{report}"
    );
}

#[test]
fn a_server_that_stops_during_a_build_with_ccache_costs_only_its_hits() {
    server_stopped_in_the_middle(Kind::Redis, &ccache());
    server_stopped_in_the_middle(Kind::WebDav, &ccache());
}

#[test]
fn a_server_that_stops_during_a_build_with_sccache_costs_only_its_hits() {
    server_stopped_in_the_middle(Kind::WebDav, &sccache());
    // sccache waits a minute for each call, whatever the server's state (0.16).
    if full() {
        server_stopped_in_the_middle(Kind::Redis, &sccache());
    }
}

/// A job that may only read writes nothing, as the server counts, and hits what is there.
#[track_caller]
fn pull_request_writes_nothing(kind: Kind, launcher: &Path) {
    let Some(server) = Server::start(kind) else {
        return;
    };
    let mut trusted = Machine::new(launcher);
    trusted.set_up("ci", &server.url(), server.credentials());
    let (_, misses, _) = counts(&trusted.build(
        r#"mkdir build && cd build
"$ROCM/lib/llvm/bin/clang++" -c "$ROCK_WRAP_BASE_DIR/h.cpp" -o h.cpp.o"#,
    ));
    assert_eq!(misses, 1);
    let before = server.writes();
    assert!(before > 0);
    let mut request = Machine::new(launcher);
    let said = request.set_up("pull-request", &server.url(), server.credentials());
    assert_has(&said, &["remote read-only"]);
    let (hits, misses, _) = counts(&request.build(SMALL));
    assert_eq!((hits, misses), (1, 1), "{said}");
    assert_eq!(server.writes(), before, "{kind:?}");
}

#[test]
fn a_pull_request_writes_nothing_to_redis_with_ccache() {
    pull_request_writes_nothing(Kind::Redis, &ccache());
}

#[test]
fn a_pull_request_writes_nothing_to_webdav_with_ccache() {
    pull_request_writes_nothing(Kind::WebDav, &ccache());
}

#[test]
fn a_pull_request_writes_nothing_to_redis_with_sccache() {
    pull_request_writes_nothing(Kind::Redis, &sccache());
}

#[test]
fn a_pull_request_writes_nothing_to_s3_with_sccache() {
    pull_request_writes_nothing(Kind::S3, &sccache());
}

#[test]
fn a_forks_job_without_credentials_is_green_with_a_local_cache() {
    let Some(server) = Server::start(Kind::S3) else {
        return;
    };
    let mut machine = Machine::new(&sccache());
    let payload = machine.at("event.json");
    std::fs::write(&payload, pull_request("somebody/torch")).unwrap();
    let mut command = rock_wrap([
        "env",
        "--format",
        "json",
        "--policy",
        "ci",
        "--remote",
        &server.url(),
    ]);
    command
        .arg("--launcher")
        .arg(sccache())
        .arg("--cache-root")
        .arg(machine.at("cache"));
    command.current_dir(machine.at("checkout"));
    github(&mut command, "pull_request", &payload);
    let said = machine.set_up_by(&mut command, &[]);
    assert_has(
        &said,
        &["somebody/torch", "AWS_ACCESS_KEY_ID", "local read-write"],
    );
    assert_eq!(counts(&machine.build(SMALL)), (0, UNITS, 0));
    sh(r#"rm "$1"/*.o"#, &[&machine.at("checkout/build")]);
    assert_eq!(counts(&machine.build(SMALL)), (UNITS, 0, 0));
    assert_eq!(server.writes(), 0);
}

#[test]
fn an_older_sccache_is_given_no_access_that_it_could_exceed() {
    let Some(server) = Server::start(Kind::Redis) else {
        return;
    };
    let mut machine = Machine::new(&tool("sccache-0.17.0/sccache"));
    let said = machine.set_up("pull-request", &server.url(), &[]);
    assert_has(
        &said,
        &[
            "nothing is cached locally",
            "before 0.18.0",
            "remote read-only",
        ],
    );
}
