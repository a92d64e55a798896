//! Jobs of GitLab and Jenkins, in every command that reads their variables.

use serde_json::{Value, json};

use crate::support::launchers::ccache;
use crate::support::rocm::{Rocm, assert_has, ran};

/// The variables of a job, those that a change from a fork adds, and the record that is expected.
type System = (
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
    fn() -> Value,
);

const GITLAB: System = (
    &[
        ("GITLAB_CI", "true"),
        ("CI_PROJECT_PATH", "rocm/torch"),
        ("CI_PIPELINE_SOURCE", "push"),
        ("CI_COMMIT_REF_NAME", "release/2.9"),
        ("CI_COMMIT_SHA", "abc"),
        ("CI_PIPELINE_ID", "7"),
        ("CI_JOB_NAME", "wheel"),
        (
            "CI_JOB_URL",
            "https://gitlab.example.org/rocm/torch/-/jobs/8",
        ),
    ],
    &[
        ("CI_PIPELINE_SOURCE", "merge_request_event"),
        ("CI_MERGE_REQUEST_PROJECT_PATH", "rocm/torch"),
        ("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", "somebody/torch"),
    ],
    || {
        json!({"system": "gitlab", "repository": "rocm/torch", "event": "push", "reference": "release/2.9",
            "commit": "abc", "run": "7", "attempt": null, "job": "wheel",
            "url": "https://gitlab.example.org/rocm/torch/-/jobs/8", "trust": "trusted"})
    },
);

const JENKINS: System = (
    &[
        ("JENKINS_URL", "https://jenkins.example.org/"),
        ("GIT_URL", "https://me:hunter2@example.org/rocm/torch.git"),
        ("BRANCH_NAME", "release/2.9"),
        ("GIT_COMMIT", "abc"),
        ("BUILD_NUMBER", "7"),
        ("JOB_NAME", "torch/wheel"),
        ("BUILD_URL", "https://jenkins.example.org/job/torch/7/"),
    ],
    &[("CHANGE_ID", "9"), ("CHANGE_FORK", "somebody")],
    || {
        json!({"system": "jenkins", "repository": "https://example.org/rocm/torch.git", "event": null,
            "reference": "release/2.9", "commit": "abc", "run": "7", "attempt": null, "job": "torch/wheel",
            "url": "https://jenkins.example.org/job/torch/7/", "trust": "trusted"})
    },
);

#[test]
fn every_command_recognizes_jobs_of_gitlab_and_jenkins_and_changes_from_forks() {
    let rocm = Rocm::small();
    for (job, fork, recorded) in [GITLAB, JENKINS] {
        for (more, label, remote) in [(&[][..], "ci", "read-write"), (fork, "fork", "read-only")] {
            let said = |what: &str, args: &[&str]| {
                let mut command = rocm.rock_wrap(what);
                if what == "env" {
                    command = crate::support::rocm::rock_wrap(["env"]);
                }
                command.args(args).arg("--launcher").arg(ccache());
                command.env("CCACHE_DIR", rocm.beside("ccache"));
                ran(command
                    .envs([job, more].concat())
                    .current_dir(rocm.beside("")))
                .ok()
            };
            let key = said("cache-key", &["--policy", "ci"]).out;
            assert_has(&key, &[&format!("-{label}-ccache4-")]);
            let remote_cache = ["--remote", "http://127.0.0.1:1", "--policy", "ci"];
            let env = said(
                "env",
                &[&["--cache-root", "cache"], &remote_cache[..]].concat(),
            );
            assert_has(
                &env.err,
                &[&format!("remote {remote}"), &format!("/{label}/ccache")],
            );
            said("manifest", &["--output", "m.json"]);
            let manifest = std::fs::read_to_string(rocm.beside("m.json")).unwrap();
            assert!(!manifest.contains("hunter2"), "{manifest}");
            let ci = &serde_json::from_str::<Value>(&manifest).unwrap()["ci"];
            if more.is_empty() {
                assert_eq!(*ci, recorded());
            } else {
                assert_has(ci["trust"]["untrusted"].as_str().unwrap(), &["somebody"]);
                assert_has(&env.err, &["the remote cache is not written", "somebody"]);
            }
        }
    }
}
