//! The policies: which caches a job may read, and which it may write.
//!
//! Owns: the table. Everything that the commands and the documents say about a policy comes from it.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What a job may do with a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// The cache is not used.
    None,
    /// Results are found, and none is stored.
    Read,
    /// Results are found and stored.
    ReadWrite,
}

/// Who runs the job, and so which caches it may use.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Developers' machines: read and write the shared remote cache
    Dev,
    /// Jobs on reviewed code: read and write the shared remote cache
    Ci,
    /// Pull requests: read the shared remote cache, write only the local one
    PullRequest,
    /// Nightly builds: use a remote cache or namespace of their own
    Nightly,
    /// Prereleases: use only the local cache
    Prerelease,
    /// Releases: use no cache, or the local one with --allow-local
    Release,
    /// Use only the local cache
    #[default]
    Local,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The access to the remote cache.
    pub remote: Access,
    /// The access to the local cache.
    pub local: Access,
    /// Whether the remote cache, or the namespace in it, is for this policy alone.
    pub own_namespace: bool,
}

impl Policy {
    /// All policies, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::Dev,
        Self::Ci,
        Self::PullRequest,
        Self::Nightly,
        Self::Prerelease,
        Self::Release,
        Self::Local,
    ];

    /// The policy's name in options, keys and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Ci => "ci",
            Self::PullRequest => "pull-request",
            Self::Nightly => "nightly",
            Self::Prerelease => "prerelease",
            Self::Release => "release",
            Self::Local => "local",
        }
    }

    /// The policy's row of the table.
    #[must_use]
    pub fn rules(self) -> Rules {
        use Access::{None, Read, ReadWrite};
        let (remote, local, own_namespace) = match self {
            Self::Dev | Self::Ci => (ReadWrite, ReadWrite, false),
            Self::PullRequest => (Read, ReadWrite, false),
            Self::Nightly => (ReadWrite, ReadWrite, true),
            Self::Prerelease | Self::Local => (None, ReadWrite, true),
            Self::Release => (None, None, true),
        };
        Rules {
            remote,
            local,
            own_namespace,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name under which an untrusted job keeps its cache, whatever its policy: nobody else may read what it
/// wrote.
pub const FORK: &str = "fork";
