//! Describes a checkout: its repository, commit and state.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use super::Known;
use crate::ci::context::without_credentials;

/// A checkout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Its directory.
    pub directory: String,
    /// The URL of the repository that it was cloned from, without credentials.
    pub repo: Known<String>,
    /// The commit that is checked out.
    pub commit: Known<String>,
    /// The branch that is checked out.
    pub branch: Known<String>,
    /// What `git describe --tags` prints: the nearest tag and the distance from it.
    pub describe: Known<String>,
    /// Whether a file differs from the commit, or is neither tracked nor ignored.
    pub dirty: Known<bool>,
    /// Whether the clone is shallow.
    pub shallow: Known<bool>,
    /// The first line of `version.txt`.
    pub version: Option<String>,
    /// The submodules, including nested ones.
    pub submodules: Known<Vec<Submodule>>,
}

/// A submodule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Submodule {
    /// Its directory.
    pub path: String,
    /// The commit that is checked out or, if none is, the one that the superproject records.
    pub commit: String,
    /// Whether it is checked out.
    pub present: bool,
    /// Whether the checked-out commit is the recorded one.
    pub current: bool,
}

impl Source {
    /// A checkout of which nothing is known.
    #[must_use]
    pub fn unknown(directory: &str, reason: &str) -> Self {
        Self {
            directory: directory.to_owned(),
            repo: Known::not(reason),
            commit: Known::not(reason),
            branch: Known::not(reason),
            describe: Known::not(reason),
            dirty: Known::not(reason),
            shallow: Known::not(reason),
            version: None,
            submodules: Known::not(reason),
        }
    }

    /// Asks git about the checkout in `directory`.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        let shown = directory.display().to_string();
        let version = std::fs::read_to_string(directory.join("version.txt")).ok();
        let version = version.and_then(|text| Some(text.lines().next()?.trim().to_owned()));
        let git = |args: &[&str]| git(directory, args);
        if let Err(reason) = git(&["rev-parse", "--git-dir"]) {
            return Self {
                version,
                ..Self::unknown(&shown, &reason)
            };
        }
        let shallow = git(&["rev-parse", "--is-shallow-repository"]).map(|answer| answer == "true");
        let describe = git(&["describe", "--tags"]).map_err(|reason| match shallow {
            Ok(true) => "the clone is shallow: its tags are not there".to_owned(),
            _ => reason,
        });
        // The remote need not be called origin.
        let remote = git(&["remote"]).and_then(|names| {
            let mut names = names.lines();
            let first = names.clone().next().ok_or("the repository has no remote")?;
            let name = names.find(|name| *name == "origin").unwrap_or(first);
            git(&["remote", "get-url", name])
        });
        let repo = remote.map(|url| {
            let url = without_credentials(&url);
            url.strip_suffix(".git").unwrap_or(&url).to_owned()
        });
        let branch = git(&["symbolic-ref", "--short", "--quiet", "HEAD"]);
        let branch = branch.map_err(|_| "no branch is checked out".to_owned());
        let dirty = git(&["status", "--porcelain"]).map(|changes| !changes.is_empty());
        let submodules = git(&["submodule", "status", "--recursive"]);
        Self {
            directory: shown,
            repo: repo.into(),
            commit: git(&["rev-parse", "--verify", "HEAD"]).into(),
            branch: branch.into(),
            describe: describe.into(),
            dirty: dirty.into(),
            shallow: shallow.into(),
            version,
            submodules: submodules.map(|text| self::submodules(&text)).into(),
        }
    }
}

/// What git prints, or why it prints nothing.
fn git(directory: &Path, args: &[&str]) -> Result<String, String> {
    if !directory.is_dir() {
        return Err("there is no such directory".to_owned());
    }
    let mut git = Command::new("git");
    git.arg("-C").arg(directory).args(args).env("LC_ALL", "C");
    // A repository around an unpacked source is not the source's own. The variable takes absolute paths only.
    let directory = directory
        .canonicalize()
        .unwrap_or_else(|_| directory.to_owned());
    git.env(
        "GIT_CEILING_DIRECTORIES",
        directory.parent().unwrap_or(&directory),
    );
    let output = git.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "git is not installed".to_owned(),
        _ => format!("git: {error}"),
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().next().unwrap_or("it failed").to_owned();
        return Err(without_credentials(&format!("git: {first}")));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim_end().to_owned())
}

/// Parses `git submodule status`: a mark, the commit, the directory, and a description of the commit.
fn submodules(text: &str) -> Vec<Submodule> {
    let one = |line: &str| {
        let mark = line.chars().next()?;
        let (commit, rest) = line.get(1..)?.split_once(' ')?;
        let path = rest.rsplit_once(" (").map_or(rest, |(path, _)| path);
        Some(Submodule {
            path: path.to_owned(),
            commit: commit.to_owned(),
            present: mark != '-',
            current: mark == ' ',
        })
    };
    text.lines().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submodules_are_read_with_their_state() {
        let text = " 0a1 third_party/a (v1.0)\n-0b2 third_party/b c\n+0d3 d (heads/x)\n";
        let found = submodules(text);
        let shown: Vec<_> = found
            .iter()
            .map(|it| (it.path.as_str(), it.commit.as_str(), it.present, it.current))
            .collect();
        let expected = [
            ("third_party/a", "0a1", true, true),
            ("third_party/b c", "0b2", false, false),
            ("d", "0d3", true, false),
        ];
        assert_eq!(shown, expected);
    }
}
