//! `action.yml`: its shell steps, run in order in the environment that GitHub gives them. Also the linters, run on
//! the workflows and the Dockerfile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml_ng::Value;

use super::pull_request;
use crate::support::golden::source;
use crate::support::launchers::{ccache, find};
use crate::support::rocm::{Rocm, assert_has, ran, scratch};

/// A runner: the state that outlives a step.
struct Runner {
    rocm: Rocm,
    /// The inputs of the action. Those that a test does not set get the action's defaults.
    inputs: BTreeMap<String, String>,
    /// The outputs of earlier steps, by the step's id.
    outputs: BTreeMap<String, BTreeMap<String, String>>,
    event: &'static str,
    payload: String,
    branch: &'static str,
}

/// The results of a job.
struct Job {
    outputs: BTreeMap<String, BTreeMap<String, String>>,
    said: String,
    summary: String,
    failed: bool,
}

const BUILD: &str = r#"
    printf 'void f(){} __attribute__((device)) int k = 7;' >k.hip
    "$ROCM"/lib/llvm/bin/clang++ -x hip -nogpuinc -nogpulib --offload-arch=gfx942 -c k.hip -o k.o
"#;

impl Runner {
    fn new() -> Self {
        let rocm = Rocm::small();
        let inputs = [
            ("run", BUILD.to_owned()),
            ("launcher", ccache().display().to_string()),
            ("rocm-path", rocm.root.display().to_string()),
            ("arch", "gfx942".to_owned()),
            ("policy", "ci".to_owned()),
        ];
        Self {
            inputs: inputs.map(|(name, value)| (name.to_owned(), value)).into(),
            outputs: BTreeMap::new(),
            event: "push",
            payload: "{}".to_owned(),
            branch: "main",
            rocm,
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.inputs.insert(name.to_owned(), value.to_owned());
        self
    }

    fn at(&self, name: &str) -> PathBuf {
        self.rocm.beside(name)
    }

    /// Runs the steps of `action.yml`. `restore` stands in for the step that restores the cache.
    fn run(&mut self, restore: impl Fn(&Path)) -> Job {
        let text = std::fs::read_to_string(source("action.yml")).unwrap();
        let action: Value = serde_yaml_ng::from_str(&text).unwrap();
        for (name, input) in action["inputs"].as_mapping().unwrap() {
            let default = input["default"].as_str().unwrap_or_default().to_owned();
            let name = name.as_str().unwrap().to_owned();
            self.inputs.entry(name).or_insert(default);
        }
        let mut job = Job {
            outputs: BTreeMap::new(),
            said: String::new(),
            summary: String::new(),
            failed: false,
        };
        let mut shells = 0;
        std::fs::write(self.at("event.json"), &self.payload).unwrap();
        for step in action["runs"]["steps"].as_sequence().unwrap() {
            let id = step["id"].as_str().unwrap();
            let condition = step["if"].as_str().unwrap_or("success()");
            if job.failed && !condition.contains("!cancelled()") {
                continue;
            }
            let Some(script) = step["run"].as_str() else {
                if id == "restore" {
                    restore(Path::new(&self.outputs["key"]["root"]));
                }
                continue;
            };
            shells += 1;
            assert_eq!(step["shell"], Value::from("bash"));
            let mut bash = Command::new("bash");
            // The options with which GitHub runs bash.
            bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]);
            self.surround(&mut bash, step);
            let ran = ran(&mut bash);
            job.said += &format!("{}{}", ran.out, ran.err);
            job.failed |= !ran.status.success();
            let written = std::fs::read_to_string(self.at("output")).unwrap();
            self.outputs.insert(id.to_owned(), variables(&written));
        }
        assert_eq!(
            shells, 5,
            "the number of shell steps has changed: does this test run them all?"
        );
        job.outputs = self.outputs.clone();
        job.summary = std::fs::read_to_string(self.at("summary")).unwrap_or_default();
        job
    }

    /// Gives a step its environment.
    fn surround(&self, bash: &mut Command, step: &Value) {
        let exe = Path::new(env!("CARGO_BIN_EXE_rock-wrap")).parent().unwrap();
        bash.env_clear().current_dir(self.at(""));
        bash.env("PATH", format!("{}:/usr/bin:/bin", exe.display()));
        bash.env("HOME", self.at("")).env("ROCM", &self.rocm.root);
        bash.env("RUNNER_TEMP", self.at("temp"));
        bash.env("GITHUB_ACTION_PATH", source(""));
        bash.env("GITHUB_ACTIONS", "true")
            .env("GITHUB_EVENT_NAME", self.event);
        bash.env("GITHUB_EVENT_PATH", self.at("event.json"));
        bash.env("GITHUB_REPOSITORY", "ROCm/torch")
            .env("GITHUB_REF_NAME", self.branch);
        bash.env("GITHUB_RUN_ID", "7")
            .env("GITHUB_RUN_ATTEMPT", "1");
        for (name, file) in [
            ("GITHUB_OUTPUT", "output"),
            ("GITHUB_PATH", "path"),
            ("GITHUB_ENV", "env"),
            ("GITHUB_STEP_SUMMARY", "summary"),
        ] {
            let file = self.at(file);
            let append = std::fs::File::options()
                .create(true)
                .append(true)
                .open(&file);
            append.unwrap();
            bash.env(name, &file);
        }
        std::fs::write(self.at("output"), "").unwrap();
        let earlier = std::fs::read_to_string(self.at("env")).unwrap();
        bash.envs(variables(&earlier));
        for (name, value) in step["env"].as_mapping().into_iter().flatten() {
            let value = self.evaluate(value.as_str().unwrap());
            bash.env(name.as_str().unwrap(), value);
        }
    }

    /// The value of an expression that `action.yml` uses.
    fn evaluate(&self, text: &str) -> String {
        let expression = text
            .strip_prefix("${{ ")
            .and_then(|rest| rest.strip_suffix(" }}"));
        let words: Vec<_> = expression.expect(text).split('.').collect();
        match words[..] {
            ["inputs", name] => self.inputs[name].clone(),
            ["steps", id, "outputs", name] => self.outputs[id][name].clone(),
            ["github", "event", "repository", "default_branch"] => "main".to_owned(),
            _ => panic!("{text}"),
        }
    }
}

/// Parses `NAME=VALUE` and `NAME<<END ... END`, as in GitHub's files.
fn variables(text: &str) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((name, end)) = line.split_once("<<") {
            let value: Vec<_> = lines.by_ref().take_while(|line| *line != end).collect();
            variables.insert(name.to_owned(), value.join("\n"));
        } else {
            let (name, value) = line.split_once('=').unwrap();
            variables.insert(name.to_owned(), value.to_owned());
        }
    }
    variables
}

fn report(job: &Job) -> serde_json::Value {
    let text = std::fs::read_to_string(&job.outputs["key"]["report"]).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_second_job_on_another_machine_hits_what_the_first_one_saved() {
    let mut first = Runner::new();
    // The cache is kept here between the jobs.
    let saved = scratch();
    let root = first.at(".cache/rock-wrap");
    let job = first.run(|root| assert!(root.is_dir()));
    assert!(!job.failed, "{}", job.said);
    assert_eq!(report(&job)["cache"]["misses"], 1, "{}", job.said);
    assert_eq!(job.outputs["check"]["save"], "true");
    assert_has(
        &job.outputs["key"]["key"],
        &["rock-wrap-v1-linux", "-ci-ccache4-gfx942-", "-7-1"],
    );
    assert_has(&job.said, &["cache mode: ccache 4.14.2, local read-write"]);
    assert_has(&job.summary, &["### rock-wrap"]);
    crate::support::tree::copy(&root, &saved.path().join("root"));
    let restore_keys = job.outputs["key"]["restore-keys"]
        .lines()
        .next()
        .unwrap()
        .to_owned();
    assert!(job.outputs["key"]["key"].starts_with(&restore_keys));

    let mut second = Runner::new();
    let job = second.run(|root| {
        std::fs::remove_dir_all(root).unwrap();
        crate::support::tree::copy(&saved.path().join("root"), root);
    });
    assert!(!job.failed, "{}", job.said);
    assert_eq!(report(&job)["cache"]["hits"], 1, "{}", job.said);
}

#[test]
fn only_the_chosen_branches_save() {
    for (branches, branch, saved) in [
        ("", "main", "true"),
        ("", "feature", "false"),
        ("main release/*", "release/2.9", "true"),
        ("main release/*", "7/merge", "false"),
    ] {
        let mut runner = Runner::new()
            .with("save-branches", branches)
            .with("run", BUILD);
        runner.branch = branch;
        let job = runner.run(|_| {});
        assert_eq!(job.outputs["check"]["save"], saved, "{branches} {branch}");
    }
}

#[test]
fn a_build_that_stores_nothing_saves_nothing_and_says_so() {
    let job = Runner::new().with("run", "true").run(|_| {});
    assert_eq!(job.outputs["check"]["save"], "false");
    assert_has(&job.said, &["::warning title=rock-wrap::no cache is saved"]);
}

#[test]
fn a_failed_build_fails_the_job_and_what_it_compiled_is_kept() {
    let job = Runner::new()
        .with("run", &format!("{BUILD}\nfalse\ntouch went-on"))
        .run(|_| {});
    assert!(job.failed);
    assert_eq!(job.outputs["check"]["save"], "true");
    assert_has(&job.summary, &["### rock-wrap"]);
}

#[test]
fn a_forks_job_is_green_with_a_cache_of_its_own() {
    let mut runner = Runner::new();
    (runner.event, runner.payload) = ("pull_request", pull_request("somebody/torch"));
    let root = runner.at(".cache/rock-wrap/fork/ccache");
    let job = runner.run(|_| {});
    assert!(!job.failed, "{}", job.said);
    assert_has(&job.outputs["key"]["key"], &["-fork-ccache4-"]);
    assert!(root.is_dir());
}

#[test]
fn a_release_builds_without_a_cache_and_the_summary_can_be_switched_off() {
    let job = Runner::new().with("policy", "release").run(|_| {});
    assert!(!job.failed, "{}", job.said);
    assert_has(&job.said, &["cache mode: none"]);
    let job = Runner::new().with("job-summary", "false").run(|_| {});
    assert_eq!(job.summary, "");
}

#[test]
fn the_workflows_and_the_dockerfile_are_clean() {
    if let Some(actionlint) = find("actionlint", "actionlint-1.17.0/actionlint") {
        let mut lint = Command::new(actionlint);
        for dir in ["examples/workflows", ".github/workflows"] {
            let files = std::fs::read_dir(source(dir)).unwrap();
            lint.args(files.map(|file| file.unwrap().path()));
        }
        ran(&mut lint).ok();
    }
    if let Some(hadolint) = find("hadolint", "hadolint-2.15.1/hadolint") {
        ran(Command::new(hadolint).arg(source("examples/docker/Dockerfile"))).ok();
    }
}
