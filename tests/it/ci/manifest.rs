//! `rock-wrap manifest`: the record of a build, validated against the schema; and `manifest verify`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{github, pull_request};
use crate::support::golden::source;
use crate::support::launchers::{ccache, find};
use crate::support::rocm::{Rocm, assert_has, ran, rock_wrap, sh};

/// A directory with a checkout, a wheel with device code for three architectures, and a wheel with none.
struct Site {
    rocm: Rocm,
}

const WHEEL: &str = "torch-2.9.0+rocm7.2-1-cp312-cp312-manylinux_2_28_x86_64.whl";

impl Site {
    fn new() -> Self {
        let site = Self {
            rocm: Rocm::small(),
        };
        let make = r#"
            set -e
            mkdir -p "$1/src" "$1/dist" && cd "$1/src"
            git init -q -b release/2.9 . && echo 2.9.0 > version.txt
            git add . && git -c user.name=a -c user.email=a@b commit -q -m first
            git remote add origin https://me:hunter2@example.org/ROCm/pytorch.git
            cd "$1"
            printf 'void f(){} __attribute__((device)) int k = 7;' > k.hip
            /usr/lib/llvm-19/bin/clang++ -x hip -nogpuinc -nogpulib -c k.hip -o k.o \
                --offload-arch=gfx942 --offload-arch=gfx1100
            /usr/lib/llvm-19/bin/clang++ -x hip -nogpuinc -nogpulib -c k.hip -o kz.o \
                --offload-arch=gfx90a:xnack- --offload-compress
            python3 - "$2" <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile("dist/" + sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:
    z.write("k.o", "torch/lib/libtorch_hip.so")
    z.write("kz.o", "torch/lib/libmore.so")
    z.writestr("torch/archs.txt", "amdgcn-amd-amdhsa--gfx906")
with zipfile.ZipFile("dist/six-1.16.0-py2.py3-none-any.whl", "w") as z:
    z.writestr("six.py", "pass")
PYTHON
        "#;
        sh(make, &[&site.top(), Path::new(WHEEL)]);
        site
    }

    fn top(&self) -> PathBuf {
        self.rocm.beside("")
    }

    /// `rock-wrap manifest` in the directory.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.rocm.rock_wrap("manifest");
        command.args(args).current_dir(self.top());
        if !args.contains(&"--therock") {
            command
                .arg("--launcher")
                .arg(ccache())
                .env("CCACHE_DIR", self.rocm.beside("ccache"));
        }
        command
    }

    fn read(&self, name: &str) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.top().join(name)).unwrap()).unwrap()
    }

    fn verify(&self, name: &str) -> Command {
        let mut command = rock_wrap(["manifest", "verify", name]);
        command.current_dir(self.top());
        command
    }
}

/// Validates a record against the schema, and checks that the schema rejects broken copies of it. Only records a skip
/// if the validator is not installed.
#[track_caller]
fn assert_valid(manifest: &Value) {
    let module = "/usr/lib/python3/dist-packages/fastjsonschema/__init__.py";
    if find("python3-fastjsonschema", module).is_none() {
        return;
    }
    let validate = r#"
import fastjsonschema, json, sys
fastjsonschema.compile(json.load(open(sys.argv[1])))(json.loads(sys.argv[2]))
"#;
    let check = |manifest: &Value| {
        let mut python = Command::new("/usr/bin/python3");
        python
            .args(["-c", validate])
            .arg(source("docs/manifest.schema.json"));
        ran(python.arg(manifest.to_string()))
    };
    check(manifest).ok();
    // The schema rejects a wrong value and an unknown field.
    let mut other = manifest.clone();
    other["clang"]["fingerprint"] = Value::from("short");
    let refused = check(&other);
    assert!(
        refused.err.contains("fingerprint must match pattern"),
        "{}",
        refused.err
    );
    other = manifest.clone();
    other["more"] = Value::from(1);
    assert!(!check(&other).status.success());
}

#[test]
fn a_record_of_a_build_has_everything_and_is_valid() {
    let site = Site::new();
    std::fs::write(site.top().join("event.json"), pull_request("ROCm/torch")).unwrap();
    std::fs::write(
        site.top().join("report.json"),
        r#"{"version":1,"session":{},"calls":{},"cache":null,"verdict":"used"}"#,
    )
    .unwrap();
    let mut command = site.command(&[
        "--output",
        "dist/",
        "--source",
        "pytorch=src",
        "--artifact",
        "dist/*.whl",
        "--report",
        "report.json",
    ]);
    github(&mut command, "pull_request", Path::new("event.json"));
    command
        .env("ROCK_WRAP_POLICY", "ci")
        .env("GITHUB_SHA", "abc");
    ran(&mut command).ok();
    let manifest = site.read("dist/rock-wrap-manifest_torch_py3.12_release-2.9.json");
    assert_valid(&manifest);
    let text = manifest.to_string();
    assert!(!text.contains("hunter2"), "{text}");

    let of = &manifest["sources"]["pytorch"];
    assert_eq!(of["repo"], "https://example.org/ROCm/pytorch");
    assert_eq!(
        (of["branch"].as_str(), of["dirty"].as_bool()),
        (Some("release/2.9"), Some(false))
    );
    assert_eq!(manifest["therock"]["pytorch"]["version"], "2.9.0");
    assert_eq!(
        (&manifest["policy"], &manifest["ci"]["commit"]),
        (&Value::from("ci"), &Value::from("abc"))
    );
    assert_eq!(manifest["report"]["verdict"], "used");
    assert_has(
        manifest["launcher"]["version"].as_str().unwrap(),
        &["4.14.2"],
    );
    assert_eq!(manifest["cache_mode"]["storage"], "disk");

    let artifacts = manifest["artifacts"].as_array().unwrap();
    let [six, torch] = &artifacts[..] else {
        panic!("{artifacts:?}")
    };
    let archs = serde_json::json!(["gfx1100", "gfx90a:xnack-", "gfx942"]);
    assert_eq!(
        torch["offload_archs"], archs,
        "only the architectures of the bundles"
    );
    assert_eq!(six["offload_archs"], serde_json::json!([]));
    assert_eq!(
        (torch["path"].as_str(), torch["wheel"]["build_tag"].as_str()),
        (Some(WHEEL), Some("1"))
    );
    assert_eq!(torch["wheel"]["local_version"], "rocm7.2");
    let sums = sh(
        r#"cd "$1" && sha256sum -- *.whl"#,
        &[&site.top().join("dist")],
    );
    for artifact in artifacts {
        let line = format!(
            "{}  {}",
            artifact["sha256"].as_str().unwrap(),
            artifact["file"].as_str().unwrap()
        );
        assert_has(&sums, &[&line]);
    }
}

#[test]
fn a_changed_wheel_is_caught_even_after_its_directory_was_moved() {
    let site = Site::new();
    ran(&mut site.command(&["--output", "dist/m.json", "--artifact", "dist/*.whl"])).ok();
    std::fs::rename(site.top().join("dist"), site.top().join("moved")).unwrap();
    let same = ran(&mut site.verify("moved/m.json")).ok();
    assert_eq!(same.out, "2 artifacts are as recorded\n");
    let wheel = site.top().join("moved").join(WHEEL);
    let bytes = std::fs::read(&wheel).unwrap();
    let mut changed = bytes.clone();
    changed[100] ^= 1;
    std::fs::write(&wheel, &changed).unwrap();
    let message = ran(&mut site.verify("moved/m.json")).refused(1);
    assert_has(&message, &[WHEEL, "its SHA-256 is"]);
    std::fs::write(&wheel, &bytes[1..]).unwrap();
    let message = ran(&mut site.verify("moved/m.json")).refused(1);
    assert_has(&message, &[WHEEL, "bytes, and had"]);
    std::fs::remove_file(&wheel).unwrap();
    let message = ran(&mut site.verify("moved/m.json")).refused(1);
    assert_has(&message, &[WHEEL, "No such file"]);
}

#[test]
fn unknown_values_are_null_with_a_reason() {
    let site = Site::new();
    let change = r#"cd "$1"
        git clone -q --depth 1 "file://$1/src" shallow && cd shallow && git checkout -q --detach
        echo x > new && mkdir "$1/none""#;
    sh(change, &[&site.top()]);
    let record = |git: bool| {
        let sources = [
            "--source",
            "shallow=shallow",
            "--source",
            "none=none",
            "--source",
            "gone=gone",
        ];
        let mut command = site.command(&[&["--output", "m.json"][..], &sources].concat());
        if !git {
            command.env("PATH", "/nonexistent");
        }
        ran(&mut command).ok();
        let manifest = site.read("m.json");
        assert_valid(&manifest);
        manifest["sources"].clone()
    };
    let sources = record(true);
    let reason = |of: &Value| {
        assert!(of["value"].is_null(), "{of}");
        of["reason"].as_str().unwrap().to_owned()
    };
    let shallow = &sources["shallow"];
    assert_eq!(
        (shallow["shallow"].as_bool(), shallow["dirty"].as_bool()),
        (Some(true), Some(true))
    );
    assert_has(&reason(&shallow["branch"]), &["no branch"]);
    assert_has(&reason(&shallow["describe"]), &["shallow"]);
    assert_has(
        &reason(&sources["none"]["commit"]),
        &["not a git repository"],
    );
    assert_has(&reason(&sources["gone"]["commit"]), &["no such directory"]);
    assert_has(
        &reason(&record(false)["shallow"]["commit"]),
        &["git is not installed"],
    );
}

#[test]
fn therocks_source_manifest_is_printed_alone() {
    let site = Site::new();
    let printed = ran(&mut site.command(&["--therock", "--source", "pytorch=src"])).json();
    assert_eq!(printed["schema_version"], 1);
    assert_eq!(printed["pytorch"]["branch"], "release/2.9");
    assert_eq!(printed["pytorch"]["commit"].as_str().unwrap().len(), 40);
    assert_eq!(printed.as_object().unwrap().len(), 2);
    let without = ran(&mut site.command(&["--therock", "--source", "apex=dist"])).ok();
    assert_has(&without.err, &["source apex is left out"]);
}

#[test]
fn a_record_that_would_be_wrong_is_not_written() {
    let site = Site::new();
    for (options, code, wrong) in [
        (&["--artifact", "dist/*.tar"][..], 4, "matches no file"),
        (&["--artifact", "dist/["], 4, "is not a pattern"),
        (&["--source", "pytorch"], 4, "NAME=DIR"),
        (&["--source", "a=src", "--source", "a=dist"], 4, "twice"),
        (&["--report", "k.hip"], 4, "cannot read the report"),
    ] {
        let options = [&["--output", "m.json"], options].concat();
        let message = ran(&mut site.command(&options)).refused(code);
        assert_has(&message, &[wrong]);
        assert!(!site.top().join("m.json").exists());
    }
    ran(&mut site.command(&[
        "--output",
        "m.json",
        "--artifact",
        "dist/*.tar",
        "--allow-empty",
    ]))
    .ok();
    ran(&mut site.command(&["--output", "none/m.json"])).refused(4);
    ran(&mut site.verify("k.hip")).refused(4);
    std::fs::write(site.top().join("m.json"), r#"{"schema_version": 9}"#).unwrap();
    assert_has(
        &ran(&mut site.verify("m.json")).refused(4),
        &["schema_version is 9"],
    );
    ran(&mut rock_wrap(["manifest"])).refused(2);
}
