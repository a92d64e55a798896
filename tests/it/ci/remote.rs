//! Jobs on different machines that share a remote cache on a real server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::servers::{Kind, Server};
use super::{github, pull_request};
use crate::support::compilers::{QUICK, clangs, full, runtime_flags};
use crate::support::golden::source;
use crate::support::launchers::{ccache, sccache, tool};
use crate::support::rocm::{Rocm, assert_has, ran, rock_wrap, sh};
use crate::support::tree::{Layout, copy};

/// Compiles one HIP unit and one host unit, with absolute paths of sources and compiler.
const SMALL: &str = r#"
    mkdir -p build && cd build
    for unit in k.hip h.cpp; do
        case $unit in *.hip) hip="-x hip -nogpuinc -nogpulib --offload-arch=gfx942" ;; *) hip= ;; esac
        "$ROCM/lib/llvm/bin/clang++" $hip -c "$ROCK_WRAP_BASE_DIR/$unit" -o "$unit.o"
    done
"#;
const UNITS: u64 = 2;

/// A machine: a tree and a checkout at their own paths, an empty local cache, and its own sccache server.
struct Machine {
    rocm: Rocm,
    checkout: PathBuf,
    launcher: PathBuf,
    env: BTreeMap<String, String>,
}

impl Machine {
    fn new(launcher: &Path) -> Self {
        let machine = Self::with(launcher, Rocm::new(19, Layout::Symlink));
        std::fs::create_dir(&machine.checkout).unwrap();
        let kernel = "void f() {}\n__attribute__((device)) int k = 7;\n";
        std::fs::write(machine.checkout.join("k.hip"), kernel).unwrap();
        std::fs::write(machine.checkout.join("h.cpp"), "int h() { return 7; }\n").unwrap();
        machine
    }

    /// A machine with a checkout of the sample project, and a tree that shares no files with other trees.
    fn with_project(launcher: &Path, clang: u32) -> Self {
        let rocm = Rocm::for_everybody(clang, Layout::Symlink);
        let machine = Self::with(launcher, rocm);
        copy(&source("examples/hip-project"), &machine.checkout);
        machine
    }

    fn with(launcher: &Path, rocm: Rocm) -> Self {
        // Each installation has its own file times.
        sh(
            r#"find "$1" -exec touch -h -d "@$((1000000000 + $$))" {} +"#,
            &[&rocm.root],
        );
        Self {
            checkout: rocm.beside("checkout"),
            rocm,
            launcher: launcher.to_owned(),
            env: BTreeMap::new(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.rocm.beside(name)
    }

    /// Moves this machine's tree to the path of `other`'s tree, which is moved away, and this machine's checkout to a
    /// deeper path, which sorts after the tree's.
    fn install_where(&mut self, other: &Self) {
        let place = &other.rocm.root;
        std::fs::rename(place, other.at("their-own")).unwrap();
        std::fs::rename(&self.rocm.root, place).unwrap();
        self.rocm.root.clone_from(place);
        let checkout = other.at("user/home/project");
        std::fs::create_dir_all(checkout.parent().unwrap()).unwrap();
        std::fs::rename(&self.checkout, &checkout).unwrap();
        self.checkout = checkout;
    }

    /// Runs `rock-wrap env` with `more` in its environment, and keeps the variables for builds. Returns what it
    /// printed on standard error.
    fn set_up(&mut self, policy: &str, url: &str, more: &[(&str, &str)]) -> String {
        let mut command = rock_wrap([
            "env", "--format", "json", "--policy", policy, "--remote", url,
        ]);
        command
            .arg("--launcher")
            .arg(&self.launcher)
            .arg("--cache-root")
            .arg(self.at("cache"));
        command.current_dir(&self.checkout).env("HOME", self.at(""));
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

    /// Builds under `rock-wrap run` and returns the report.
    fn build(&self, build: &str) -> Value {
        let mut run = self.rocm.rock_wrap("run");
        run.arg("--launcher")
            .arg(&self.launcher)
            .arg("--report")
            .arg(self.at("report.json"));
        run.args(["--", "bash", "-ec", build])
            .current_dir(&self.checkout);
        run.env("ROCM", &self.rocm.root)
            .env("ROCK_WRAP", env!("CARGO_BIN_EXE_rock-wrap"));
        ran(run.envs(&self.env)).ok();
        serde_json::from_str(&std::fs::read_to_string(self.at("report.json")).unwrap()).unwrap()
    }

    /// Builds what no machine has built before: every unit misses and is written to the server.
    #[track_caller]
    fn fills(&mut self, server: &Server, build: &str, units: u64) {
        let said = self.set_up("ci", &server.url(), server.credentials());
        assert_has(&said, &["remote read-write"]);
        let report = self.build(build);
        assert_eq!(counts(&report), (0, units, 0), "{said} {report}");
        let written = server.writes();
        assert!(written as u64 >= units, "{written}");
    }

    /// Builds what another machine has built: every unit hits.
    #[track_caller]
    fn hits_all(&mut self, server: &Server, build: &str, units: u64) {
        let said = self.set_up("ci", &server.url(), server.credentials());
        let report = self.build(build);
        assert_eq!(counts(&report), (units, 0, 0), "{said} {report}");
    }

    /// Checks that the objects of the project's last build are those that the bare compiler makes from the same calls.
    #[track_caller]
    fn assert_objects_are_the_compilers(&self, units: u64) {
        let build = self.checkout.join("build");
        let lines = |name: &str| {
            let text = std::fs::read_to_string(build.join(name)).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let (calls, launched) = (lines("calls"), lines("launched"));
        assert_eq!((calls.len() as u64, launched.len()), (units, calls.len()));
        for (call, launched) in calls.iter().zip(launched) {
            let (_, output) = call.split_once(" -o ").unwrap();
            let (output, _) = output.split_once(' ').unwrap();
            let added = launched.split(' ').find(|word| word.starts_with("-cuid="));
            assert_eq!(added.is_some(), output.ends_with(".hip.o"), "{launched}");
            let call = format!("{call} {}", added.unwrap_or_default());
            let bare =
                r#"mkdir -p "$1/bare/$(dirname "$2")" && cd "$1/bare" && ROCM_PATH=$4 eval "$3""#;
            let paths = [&build, Path::new(output), Path::new(&call), &self.rocm.root];
            sh(bare, &paths);
            let object = |below: &str| std::fs::read(build.join(below).join(output)).unwrap();
            assert!(object("") == object("bare"), "{output}");
        }
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

/// Checks that a second machine with empty local caches hits everything that the first one has compiled.
#[track_caller]
fn second_machine_hits(kind: Kind, launcher: &Path) {
    let Some(server) = Server::start(kind) else {
        return;
    };
    Machine::new(launcher).fills(&server, SMALL, UNITS);
    Machine::new(launcher).hits_all(&server, SMALL, UNITS);
    if full() {
        for clang in clangs(&QUICK) {
            second_machine_hits_the_project(kind, launcher, clang, &[]);
        }
    }
}

/// Like [`second_machine_hits`], with `units` of the sample project, or with all if there are none. ROCm is at the
/// same path on both machines; everything else is not.
#[track_caller]
fn second_machine_hits_the_project(kind: Kind, launcher: &Path, clang: u32, units: &[&str]) {
    let Some(server) = Server::start(kind) else {
        return;
    };
    let objects: Vec<_> = units
        .iter()
        .map(|unit| format!("CMakeFiles/sample.dir/src/{unit}.o"))
        .collect();
    let count = if units.is_empty() {
        10
    } else {
        units.len() as u64
    };
    let [mut first, mut second] = [(); 2].map(|()| Machine::with_project(launcher, clang));
    let build = format!(
        r#"export ROCM_PATH=$ROCM LDFLAGS='{1}'
        cmake -G Ninja -S "$PWD" -B build -DCMAKE_HIP_FLAGS=-w \
            -DCMAKE_CXX_COMPILER="$ROCM/llvm/bin/clang++" -DCMAKE_HIP_COMPILER="$ROCM/llvm/bin/clang++" \
            "-DCMAKE_HIP_ARCHITECTURES=gfx900;gfx906"
        ninja -C build {0}
        cd build
        ninja -t commands {0} | sed -n "s|.*\($ROCM/llvm/bin/clang++ .* -c \)|\1|p" >calls
        while read -r call; do "$ROCK_WRAP" explain -- $call; done <calls | sed -n "s/^ *runs: //p" >launched"#,
        objects.join(" "),
        runtime_flags(&first.rocm.root)
    );
    first.fills(&server, &build, count);
    second.install_where(&first);
    second.hits_all(&server, &build, count);
    second.assert_objects_are_the_compilers(count);
}

#[test]
fn a_second_machine_hits_what_cmake_builds() {
    let units = ["saxpy.hip", "reference.cpp"];
    second_machine_hits_the_project(Kind::Redis, &ccache(), 19, &units);
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

/// Checks that a build succeeds although the server is killed during it, and that its report has the errors.
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
    // sccache 0.16 waits a minute for each call, whatever the state of Redis.
    if full() {
        server_stopped_in_the_middle(Kind::Redis, &sccache());
    }
}

/// Checks that a job that may only read hits what is there and writes nothing, by the server's own count.
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
    command.current_dir(&machine.checkout);
    github(&mut command, "pull_request", &payload);
    let said = machine.set_up_by(&mut command, &[]);
    assert_has(
        &said,
        &["somebody/torch", "AWS_ACCESS_KEY_ID", "local read-write"],
    );
    assert_eq!(counts(&machine.build(SMALL)), (0, UNITS, 0));
    sh(r#"rm "$1"/*.o"#, &[&machine.checkout.join("build")]);
    assert_eq!(counts(&machine.build(SMALL)), (UNITS, 0, 0));
    assert_eq!(server.writes(), 0);
}

#[test]
fn an_older_sccache_gets_no_local_cache_beside_a_read_only_remote_one() {
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
