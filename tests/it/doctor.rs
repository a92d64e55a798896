//! `rock-wrap doctor` on set-ups that work and on broken ones: its findings and its exit status.

use crate::support::tree::Layout;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::compilers::{clangs, full};
use crate::support::launchers::{self, Cache};
use crate::support::manifest::Manifest;
use crate::support::rewrite;
use crate::support::rocm::{Rocm, ran, rock_wrap};
use serde_json::Value;

/// A tree, and a launcher whose cache stands for the user's.
struct Patient {
    rocm: Rocm,
    cache: Cache,
}

/// The answer of `doctor --json`.
#[derive(Debug)]
struct Examined {
    code: Option<i32>,
    json: Value,
}

impl Patient {
    fn new(clang: u32, layout: Layout, launcher: &Path) -> Self {
        Self {
            rocm: Rocm::new(clang, layout),
            cache: Cache::new(launcher),
        }
    }

    fn doctor(&self) -> Command {
        let mut doctor = self.rocm.rock_wrap("doctor");
        doctor
            .arg("--launcher")
            .arg(&self.cache.program)
            .envs(self.cache.env())
            .current_dir(self.cache.dir());
        doctor
    }

    fn examine(&self) -> Examined {
        examine(&mut self.doctor())
    }
}

fn examine(doctor: &mut Command) -> Examined {
    let ran = ran(doctor.arg("--json"));
    let json = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!(ran.err, "", "standard error must be empty with --json");
    Examined {
        code: ran.status.code(),
        json,
    }
}

impl Examined {
    fn findings(&self) -> &[Value] {
        self.json["findings"].as_array().unwrap()
    }

    /// The findings of `check` with this severity.
    fn of(&self, check: &str, severity: &str) -> Vec<&Value> {
        let is = |found: &&Value| found["check"] == check && found["severity"] == severity;
        self.findings().iter().filter(is).collect()
    }

    /// Checks that doctor found nothing wrong, and that it made the important checks.
    #[track_caller]
    fn healthy(self) -> Self {
        assert_eq!(self.json["verdict"], "ok", "{:#}", self.json);
        assert_eq!(self.code, Some(0));
        for check in [
            "compile",
            "bitcode",
            "names",
            "depfile",
            "probes",
            "your-cache",
        ] {
            assert!(!self.of(check, "ok").is_empty(), "{check}: {:#}", self.json);
        }
        self
    }

    /// Checks that caching does not work because of one error; returns its statement and evidence.
    #[track_caller]
    fn broken(&self, check: &str) -> String {
        assert_eq!(self.code, Some(1), "{:#}", self.json);
        assert_eq!(self.json["verdict"], "error");
        let errors = self
            .findings()
            .iter()
            .filter(|found| found["severity"] == "error");
        assert_eq!(errors.count(), 1, "{:#}", self.json);
        self.told(check, "error")
    }

    /// Checks that caching works with one warning; returns its statement and evidence.
    #[track_caller]
    fn warned(&self, check: &str) -> String {
        assert_eq!(self.code, Some(0), "{:#}", self.json);
        assert_eq!(self.json["verdict"], "warning");
        self.told(check, "warning")
    }

    #[track_caller]
    fn told(&self, check: &str, severity: &str) -> String {
        let found = self.of(check, severity);
        let [found] = found[..] else {
            panic!("{check}: {:#}", self.json);
        };
        assert!(found["remedy"].is_string(), "{found:#}");
        let evidence = found["evidence"].as_str().unwrap_or_default();
        format!("{} ({evidence})", found["statement"].as_str().unwrap())
    }
}

#[track_caller]
fn assert_has(text: &str, part: &str) {
    assert!(text.contains(part), "no {part:?} in {text:?}");
}

#[test]
fn doctor_proves_caching_with_sccache_and_leaves_the_tree_unchanged() {
    for clang in clangs(&[19, 23]) {
        is_proved_with_sccache(clang);
    }
}

fn is_proved_with_sccache(clang: u32) {
    let patient = Patient::new(clang, Layout::Symlink, &launchers::sccache());
    let before = Manifest::with_changes(&patient.rocm.root);
    let examined = patient.examine().healthy();
    before.assert_same(&Manifest::with_changes(&patient.rocm.root), "the tree");
    let names = examined.of("names", "ok")[0];
    assert_has(names["evidence"].as_str().unwrap(), "__hip_cuid_");
    // A compile, and three edits that only device code sees.
    assert_eq!(examined.of("edits", "ok").len(), 4);
    let cache = examined.of("cache", "ok")[0];
    assert_eq!(cache["statement"], "cache: disk, direct mode");
    // One compile and one hit; the rest of the proof had a server of its own.
    assert_eq!(patient.cache.asked(), launchers::Asked::new(1, 1));
}

#[test]
fn the_installed_shims_of_a_wrapped_tree_are_tested() {
    let launcher = launchers::ccache();
    // The quick form skips symbolic links, which other tests here examine.
    let layouts = [Layout::Regular, Layout::Symlink];
    for layout in &layouts[..if full() { 2 } else { 1 }] {
        let patient = Patient::new(19, *layout, &launcher);
        patient.rocm.wrap(&launcher);
        let before = Manifest::with_changes(&patient.rocm.root);
        let examined = patient.examine().healthy();
        before.assert_same(&Manifest::with_changes(&patient.rocm.root), "the tree");
        let installation = examined.of("installation", "ok")[0];
        assert_has(installation["statement"].as_str().unwrap(), "is wrapped");
        assert_eq!(patient.cache.asked(), launchers::Asked::new(1, 1));
    }
}

#[test]
fn the_text_output_has_evidence_and_remedies() {
    let patient = Patient::new(19, Layout::Symlink, &launchers::ccache());
    let ran = ran(patient.doctor().env("CCACHE_COMPILER", "/usr/bin/gcc"));
    assert_eq!(ran.status.code(), Some(1));
    assert_eq!(ran.err, "", "progress is shown only on a terminal");
    for line in [
        "  error  compiler = /usr/bin/gcc: it compiles everything, in place of the compiler that \
         the build calls\n",
        "         set in environment\n",
        "         remedy: unset it\n",
        "caching is not safe or does not work; see the errors\n",
    ] {
        assert_has(&ran.out, line);
    }
}

#[test]
fn an_sccache_without_hip_is_reported() {
    let rocm = Rocm::new(19, Layout::Symlink);
    let mut doctor = rocm.rock_wrap("doctor");
    doctor
        .args(["--launcher", "/usr/bin/sccache"])
        .env("SCCACHE_DIR", rocm.beside("cache"))
        .env("SCCACHE_SERVER_PORT", free_port())
        // The server that doctor starts counts as the user's and stays.
        .env("SCCACHE_IDLE_TIMEOUT", "5");
    let examined = examine(&mut doctor);
    examined.broken("environment");
    assert_has(&examined.told("launcher", "warning"), "caches no HIP");
}

/// A port that nobody listens at. The kernel does not give it to another test soon.
fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

#[test]
fn a_process_that_does_not_answer_on_the_port_is_reported() {
    let patient = Patient::new(19, Layout::Symlink, &launchers::sccache());
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port().to_string();
    let mut doctor = patient.doctor();
    doctor.env_remove("SCCACHE_SERVER_UDS");
    let examined = examine(doctor.env("SCCACHE_SERVER_PORT", port));
    assert_has(&examined.broken("cache"), "has not answered for");
}

#[test]
fn a_cache_directory_that_cannot_be_written_is_reported() {
    let patient = Patient::new(19, Layout::Symlink, &launchers::ccache());
    let file = patient.cache.dir().join("file");
    std::fs::write(&file, "").unwrap();
    let examined = examine(patient.doctor().env("CCACHE_DIR", file.join("cache")));
    assert_has(&examined.broken("cache"), "file/cache: Not a directory");
}

#[test]
fn a_command_in_front_of_the_compiler_is_a_warning() {
    let patient = Patient::new(19, Layout::Symlink, &launchers::ccache());
    let config = patient.cache.dir().join("ccache.conf");
    std::fs::write(&config, "prefix_command = /usr/bin/env\n").unwrap();
    let told = patient.examine().warned("settings");
    assert_has(&told, "prefix_command = /usr/bin/env");
    assert_has(&told, config.to_str().unwrap());
}

#[test]
fn remote_storage_that_is_down_is_a_warning() {
    let patient = Patient::new(19, Layout::Symlink, &launchers::ccache());
    let mut doctor = patient.doctor();
    doctor.env("CCACHE_REMOTE_STORAGE", "http://me:secret@127.0.0.1:1/");
    let told = examine(&mut doctor).warned("remote");
    assert_has(&told, "does not answer");
    assert_has(&told, "http://127.0.0.1:1/");
}

#[test]
fn shared_storage_is_tested_too() {
    let patient = Patient::new(19, Layout::Symlink, &launchers::ccache());
    let shared = patient.cache.dir().join("shared");
    let mut doctor = patient.doctor();
    doctor.env(
        "CCACHE_REMOTE_STORAGE",
        format!("file:{}", shared.display()),
    );
    let examined = examine(&mut doctor).healthy();
    let remote = examined.of("remote", "ok")[0];
    assert_eq!(remote["statement"], "the storage (disk+file) answers");
    assert!(shared.exists());
}

#[test]
fn missing_device_libraries_are_reported() {
    let patient = Patient::new(19, Layout::Symlink, &launchers::ccache());
    let rocm = &patient.rocm;
    for libraries in [rocm.root.join("amdgcn"), rocm.root.join("lib/llvm/amdgcn")] {
        let _ = std::fs::remove_file(libraries);
    }
    let told = patient.examine().broken("compiler");
    assert_has(&told, "no device libraries");
}

#[test]
fn a_compiler_that_changed_since_the_install_is_reported_with_the_file() {
    let patient = Patient::new(19, Layout::Symlink, &launchers::ccache());
    patient.rocm.wrap(&launchers::ccache());
    let lld = patient.rocm.bin().join("lld");
    let copy: PathBuf = patient.rocm.beside("lld");
    std::fs::copy(&lld, &copy).unwrap();
    std::fs::rename(&copy, &lld).unwrap();
    let told = patient.examine().broken("installation");
    assert_has(&told, "has changed since the install");
    assert_has(&told, "/lld");
}

#[test]
fn a_compiler_that_was_rewritten_with_unchanged_times_is_reported() {
    let patient = Patient::new(19, Layout::Symlink, &launchers::ccache());
    patient.rocm.wrap(&launchers::ccache());
    let lld = patient.rocm.bin().join("lld");
    std::fs::hard_link(&lld, patient.rocm.beside("lld")).unwrap();
    patient.examine().healthy();
    rewrite(&lld);
    let told = patient.examine().broken("installation");
    assert_has(&told, "was modified after the installation");
}

#[test]
fn a_launcher_that_returns_stale_objects_is_reported() {
    let rocm = Rocm::new(19, Layout::Symlink);
    // Removes what the shim tells ccache about the device libraries.
    let real = launchers::ccache();
    let body = format!("unset CCACHE_COMPILERCHECK; exec {} \"$@\"", real.display());
    let cache = Cache::new(&rocm.script("ccache", &body));
    let told = Patient { rocm, cache }.examine().broken("bitcode");
    assert_has(
        &told,
        "the object is not the one that the compiler makes (1 hits",
    );
}

#[test]
fn an_environment_that_keeps_compiles_from_the_launcher_is_reported() {
    let patient = Patient::new(19, Layout::Symlink, &launchers::sccache());
    let told = examine(patient.doctor().env("SOURCE_DATE_EPOCH", "1")).broken("environment");
    assert_has(&told, "SOURCE_DATE_EPOCH");
    let told = examine(
        patient
            .doctor()
            .env("CMAKE_HIP_COMPILER_LAUNCHER", "ccache"),
    );
    assert_has(
        &told.warned("environment"),
        "CMAKE_HIP_COMPILER_LAUNCHER=ccache",
    );
}

#[test]
fn without_a_tree_there_is_nothing_to_examine() {
    let mut doctor = crate::support::rocm::rock_wrap(["doctor", "--rocm-path", "/nonexistent"]);
    let message = ran(&mut doctor).refused(4);
    assert_has(&message, "hint: name the ROCm tree with --rocm-path DIR");
}

#[test]
fn debians_hipcc_names_the_device_libraries_that_its_compiler_does_not_find() {
    let cache = Cache::new(&launchers::ccache());
    let mut doctor = rock_wrap(["doctor", "--launcher"]);
    doctor.arg(&cache.program).envs(cache.env());
    let examined = examine(doctor.env("HOME", cache.dir()).current_dir(cache.dir()));
    let named = examined.of("compiler", "ok");
    let libraries = named.iter().filter(|it| {
        let statement = it["statement"].as_str().unwrap();
        statement.starts_with("hipcc names the device libraries in /usr/lib/")
    });
    assert_eq!(libraries.count(), 1, "{:#}", examined.json);
    examined.healthy();
}
