//! The commands for CI: the key of a job's cache, its environment, and the record of what it built.

mod action;
mod env;
mod key;
mod manifest;
mod policies;
mod remote;
mod servers;
mod stages;
mod systems;

use std::path::Path;
use std::process::Command;

use crate::support::rocm::Rocm;

/// `rock-wrap WHAT --rocm-path TREE` in a GitHub job that `event` started.
pub fn in_github(rocm: &Rocm, what: &str, event: &str, payload: &str) -> Command {
    let path = rocm.beside(&format!("{event}.json"));
    std::fs::write(&path, payload).unwrap();
    let mut command = rocm.rock_wrap(what);
    github(&mut command, event, &path);
    command
}

/// Sets the variables that GitHub sets in a job.
pub fn github(command: &mut Command, event: &str, payload: &Path) {
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_EVENT_NAME", event)
        .env("GITHUB_EVENT_PATH", payload)
        .env("GITHUB_REPOSITORY", "ROCm/torch");
}

/// The payload of a pull request from the repository `from`.
pub fn pull_request(from: &str) -> String {
    serde_json::json!({"pull_request": {
        "head": {"repo": {"full_name": from}},
        "base": {"repo": {"full_name": "ROCm/torch"}},
    }})
    .to_string()
}
