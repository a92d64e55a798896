//! Decides which caches a job gets, from the policy, the trust in its code, its credentials and its launcher.
//!
//! Owns: the order in which these apply, and the settings for each launcher. Pure. Trust, credentials and launcher can
//! only take access away, and a note says why.

use std::path::{Path, PathBuf};

use super::policy::{Access, FORK};
use super::remote::{Credentials, Remote};
use super::settings::PolicyFacts;
use super::{CiError, Policy, Trust, Variables};
use crate::shared::launchers::kind::{LauncherKind, Version};
use crate::shared::launchers::since;

/// The facts from which a plan is made.
pub struct PlanRequest<'a> {
    /// The requested policy.
    pub policy: Policy,
    /// The policy's settings.
    pub facts: &'a PolicyFacts,
    /// Whether `--allow-local` was given.
    pub allow_local: bool,
    /// Whether the job's code is trusted.
    pub trust: &'a Trust,
    /// The launcher.
    pub launcher: LauncherKind,
    /// The launcher's version.
    pub version: Option<Version>,
    /// The number of architectures that the build is for; 0 if it is not known.
    pub archs: usize,
    /// The directory that contains all caches.
    pub root: &'a Path,
    /// The directory below which checkouts share results.
    pub base: Option<&'a Path>,
    /// Whether a variable is set and not empty.
    pub is_set: &'a dyn Fn(&str) -> bool,
    /// Whether the remote cache has been found not to work.
    pub without_remote: bool,
}

/// The caches of a job, and how to set them up.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// The policy, or [`FORK`].
    pub label: &'static str,
    /// The access to the local cache.
    pub local: Access,
    /// The remote cache and the access to it.
    pub remote: Option<(Remote, Access)>,
    /// The directories to create.
    pub directories: Vec<PathBuf>,
    /// The files to write, and their content.
    pub files: Vec<(PathBuf, String)>,
    /// The variables to set.
    pub set: Variables,
    /// The variables that must not have a value: they would lead to another cache.
    pub unset: Vec<&'static str>,
    /// Why the job has less than its policy allows, and what else the user should know.
    pub notes: Vec<String>,
}

/// Tells later commands of the job which policy it has.
pub const POLICY: &str = "ROCK_WRAP_POLICY";

/// Variables of sccache that select a cache or the access to one. Those that a plan does not set must be unset.
const SCCACHE_CHOICES: [&str; 28] = [
    "SCCACHE_AZURE_BLOB_CONTAINER",
    "SCCACHE_AZURE_KEY_PREFIX",
    "SCCACHE_AZURE_RW_MODE",
    "SCCACHE_BUCKET",
    "SCCACHE_COS_BUCKET",
    "SCCACHE_GCS_BUCKET",
    "SCCACHE_GCS_KEY_PREFIX",
    "SCCACHE_GCS_RW_MODE",
    "SCCACHE_GHA_ENABLED",
    "SCCACHE_GHA_RW_MODE",
    "SCCACHE_GHA_VERSION",
    "SCCACHE_LOCAL_RW_MODE",
    "SCCACHE_MEMCACHED",
    "SCCACHE_MEMCACHED_ENDPOINT",
    "SCCACHE_MULTILEVEL_CHAIN",
    "SCCACHE_NO_CACHE",
    "SCCACHE_OSS_BUCKET",
    "SCCACHE_RECACHE",
    "SCCACHE_REDIS",
    "SCCACHE_REDIS_CLUSTER_ENDPOINTS",
    "SCCACHE_REDIS_ENDPOINT",
    "SCCACHE_REDIS_KEY_PREFIX",
    "SCCACHE_REDIS_RW_MODE",
    "SCCACHE_S3_KEY_PREFIX",
    "SCCACHE_S3_RW_MODE",
    "SCCACHE_WEBDAV_ENDPOINT",
    "SCCACHE_WEBDAV_KEY_PREFIX",
    "SCCACHE_WEBDAV_RW_MODE",
];

/// The same for ccache, whose variables override its configuration file.
const CCACHE_CHOICES: [&str; 10] = [
    "CCACHE_DISABLE",
    "CCACHE_NAMESPACE",
    "CCACHE_READONLY",
    "CCACHE_READONLY_DIRECT",
    "CCACHE_RECACHE",
    "CCACHE_REMOTE_ONLY",
    "CCACHE_REMOTE_STORAGE",
    "CCACHE_RESHARE",
    "CCACHE_SECONDARY_STORAGE",
    "CCACHE_STATSLOG",
];

/// The limit of a local cache in GiB if the user sets none. A unit is stored once for each list of architectures that
/// it was compiled for, and its size grows with the list: llama.cpp's cache of 500 MB held 45 % of what a build for 22
/// architectures needs.
#[must_use]
pub fn fitting_size(archs: usize) -> u64 {
    const FIRST: u64 = 5;
    FIRST + u64::try_from(archs.saturating_sub(1)).unwrap_or(u64::MAX - FIRST)
}

impl Plan {
    /// Makes the plan.
    ///
    /// # Errors
    /// If the policy names a cache that the launcher cannot use.
    pub fn new(request: &PlanRequest<'_>) -> Result<Self, CiError> {
        let mut notes = Vec::new();
        let (local, remote) = caches(request, &mut notes)?;
        let label = match request.trust {
            Trust::Trusted => request.policy.as_str(),
            Trust::Untrusted(_) => FORK,
        };
        let dir = request.root.join(label);
        let size = match &request.facts.max_size {
            Some(size) => size.clone(),
            None => format!("{}G", fitting_size(request.archs)),
        };
        let mut plan = Self {
            label,
            local,
            remote,
            directories: Vec::new(),
            files: Vec::new(),
            set: Vec::new(),
            unset: Vec::new(),
            notes,
        };
        plan.put(POLICY, request.policy.as_str());
        match request.launcher {
            _ if plan.is_off() => plan.turn_off(request),
            LauncherKind::Ccache => plan.set_ccache(request, &dir, &size),
            _ => plan.set_sccache(request, &dir, &size),
        }
        if !plan.is_off() {
            plan.directory("PIP_CACHE_DIR", dir.join("pip"));
        }
        let choices: &[&str] = match request.launcher {
            LauncherKind::Ccache => &CCACHE_CHOICES,
            _ => &SCCACHE_CHOICES,
        };
        let off: &[&str] = &["ROCK_WRAP_DISABLE", "PIP_NO_CACHE_DIR"];
        let leftover =
            |name: &&&str| (request.is_set)(name) && !plan.set.iter().any(|(set, _)| set == *name);
        plan.unset = choices
            .iter()
            .chain(off)
            .filter(leftover)
            .copied()
            .collect();
        Ok(plan)
    }

    /// Whether nothing is cached at all.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.local == Access::None && self.remote.is_none()
    }

    fn put(&mut self, name: &str, value: impl Into<String>) {
        self.set.push((name.to_owned(), value.into()));
    }

    fn directory(&mut self, name: &str, path: PathBuf) {
        self.put(name, path.display().to_string());
        self.directories.push(path);
    }

    fn turn_off(&mut self, request: &PlanRequest<'_>) {
        self.put("ROCK_WRAP_DISABLE", "1");
        match request.launcher {
            LauncherKind::Ccache => self.put("CCACHE_DISABLE", "1"),
            _ => self.put("SCCACHE_NO_CACHE", "1"),
        }
        self.put("PIP_NO_CACHE_DIR", "1");
    }

    fn set_ccache(&mut self, request: &PlanRequest<'_>, dir: &Path, size: &str) {
        let mut conf = String::from("# Written by `rock-wrap env`, which overwrites it.\n");
        let mut line = |name: &str, value: &str| {
            conf.push_str(&format!("{name} = {value}\n"));
        };
        line("namespace", &request.facts.namespace);
        if !(request.is_set)("CCACHE_MAXSIZE") {
            // To ccache, `G` is a power of 1000 and `Gi` a power of 1024.
            line("max_size", &format!("{size}i"));
        }
        if let Some((remote, access)) = &self.remote {
            line(
                "remote_storage",
                &remote.for_ccache(*access, request.is_set),
            );
            if self.local == Access::None {
                line("remote_only", "true");
            }
        }
        let file = dir.join("ccache.conf");
        self.directory("CCACHE_DIR", dir.join("ccache"));
        self.put("CCACHE_CONFIGPATH", file.display().to_string());
        self.files.push((file, conf));
        let results = dir.join("ccache-results.log");
        self.put("CCACHE_STATSLOG", results.display().to_string());
        // Emptied: it grows with every call, and is of no use to a later job.
        self.files.push((results, String::new()));
    }

    fn set_sccache(&mut self, request: &PlanRequest<'_>, dir: &Path, size: &str) {
        self.directory("SCCACHE_DIR", dir.join("sccache"));
        if !(request.is_set)("SCCACHE_CACHE_SIZE") {
            self.put("SCCACHE_CACHE_SIZE", size);
        }
        // Otherwise the server ends when it is idle, and loses its counters.
        self.put("SCCACHE_IDLE_TIMEOUT", "0");
        self.put(
            "SCCACHE_ERROR_LOG",
            dir.join("sccache.log").display().to_string(),
        );
        if request.version >= Some(since::SCCACHE_BASE_DIRS)
            && !(request.is_set)("SCCACHE_BASEDIRS")
            && let Some(base) = request.base.and_then(Path::to_str)
            // The variable is a list, separated by colons.
            && !base.contains(':')
        {
            self.put("SCCACHE_BASEDIRS", base);
        }
        // The user's own configuration file could name another cache.
        let file = dir.join("sccache.toml");
        self.put("SCCACHE_CONF", file.display().to_string());
        let text =
            "# Written by `rock-wrap env`, which overwrites it. Variables hold the settings.\n";
        self.files.push((file, text.to_owned()));
        if let Some((remote, access)) = &self.remote {
            let names_access = request.version >= Some(since::SCCACHE_ACCESS);
            let mut set = remote.for_sccache(*access, &request.facts.namespace, names_access);
            self.set.append(&mut set);
            if self.local != Access::None {
                let chain = format!("disk,{}", remote.level());
                self.put("SCCACHE_MULTILEVEL_CHAIN", chain);
            }
        }
        let has_server = ["SCCACHE_SERVER_UDS", "SCCACHE_SERVER_PORT"];
        if request.version >= Some(since::SCCACHE_SOCKETS)
            && !has_server.into_iter().any(request.is_set)
        {
            // A server keeps the cache and the access that it was started with, so a server that runs for another
            // policy must not be used for this one. The socket's name is abstract, so no file has to be removed.
            let mut hasher = blake3::Hasher::new();
            for (name, value) in &self.set {
                hasher
                    .update(name.as_bytes())
                    .update(b"=")
                    .update(value.as_bytes());
                hasher.update(b"\n");
            }
            let name = &hasher.finalize().to_hex()[..16];
            self.put("SCCACHE_SERVER_UDS", format!(r"\x00rock-wrap-{name}"));
        }
    }
}

/// The local cache's access, and the remote cache with its own.
type Caches = (Access, Option<(Remote, Access)>);

/// Which caches the job uses.
fn caches(request: &PlanRequest<'_>, notes: &mut Vec<String>) -> Result<Caches, CiError> {
    let rules = request.facts.rules;
    let mut local = rules.local;
    if request.policy == Policy::Release && request.allow_local {
        local = Access::ReadWrite;
    }
    // Report a wrong URL even if it is not used.
    let parse = |url: &Option<String>| url.as_deref().map(Remote::parse).transpose();
    let shared = parse(&request.facts.remote)?;
    let open = parse(&request.facts.read_remote)?;
    let remote = match rules.remote {
        Access::None => None,
        access => remote(request, shared, open, access, notes)?,
    };
    let remote = remote.filter(|(remote, access)| can_use(request, remote, *access, notes));
    let Some((remote, access)) = remote else {
        return Ok((local, None));
    };
    if request.launcher == LauncherKind::Sccache && local != Access::None {
        let version = request.version;
        let (needed, what) = match access {
            Access::ReadWrite => (since::SCCACHE_LEVELS, "a remote one"),
            _ => (
                since::SCCACHE_READ_ONLY_LEVEL,
                "a remote one that is only read",
            ),
        };
        if version < Some(needed) {
            notes.push(format!(
                "nothing is cached locally: sccache cannot have a local cache beside {what} before {needed}"
            ));
            local = Access::None;
        }
    }
    Ok((local, Some((remote, access))))
}

/// The remote cache that policy, trust and credentials allow.
fn remote(
    request: &PlanRequest<'_>,
    shared: Option<Remote>,
    open: Option<Remote>,
    access: Access,
    notes: &mut Vec<String>,
) -> Result<Option<(Remote, Access)>, CiError> {
    for remote in [&shared, &open].into_iter().flatten() {
        remote.usable_by(request.launcher)?;
    }
    if request.without_remote {
        return Ok(None);
    }
    let Some(shared) = shared else {
        if open.is_none() {
            notes.push(format!(
                "policy {}: no remote cache is configured, by --remote or in --config",
                request.policy
            ));
        }
        return Ok(open.map(|open| (open, Access::Read)));
    };
    let mut access = access;
    if let Trust::Untrusted(why) = request.trust {
        notes.push(format!("the remote cache is not written: {why}"));
        access = Access::Read;
        if let Some(open) = open {
            return Ok(Some((open, access)));
        }
    }
    match shared.credentials(request.launcher, request.is_set) {
        Credentials::There => Ok(Some((shared, access))),
        Credentials::Missing(names) => {
            notes.push(format!(
                "the remote cache {shared} cannot be used: {names} not set"
            ));
            Ok(open.map(|open| (open, Access::Read)))
        }
    }
}

/// Whether this version of the launcher can use the cache with this access.
fn can_use(
    request: &PlanRequest<'_>,
    remote: &Remote,
    access: Access,
    notes: &mut Vec<String>,
) -> bool {
    let before = |needed| request.version < Some(needed);
    let why = match request.launcher {
        LauncherKind::Ccache if before(since::CCACHE_REMOTE) => {
            format!(
                "ccache has no remote_storage before {}",
                since::CCACHE_REMOTE
            )
        }
        LauncherKind::Ccache if remote.needs_ccache_helper() && before(since::CCACHE_HELPERS) => {
            format!("ccache has no TLS before {}", since::CCACHE_HELPERS)
        }
        LauncherKind::Sccache if before(since::SCCACHE_HIP) => {
            format!(
                "sccache caches no HIP compiles before {}",
                since::SCCACHE_HIP
            )
        }
        LauncherKind::Sccache
            if access == Access::Read
                && remote.level() != "gcs"
                && before(since::SCCACHE_ACCESS) =>
        {
            let needed = since::SCCACHE_ACCESS;
            format!("sccache cannot be kept from writing to it before {needed}")
        }
        _ => return true,
    };
    notes.push(format!("the remote cache {remote} is not used: {why}"));
    false
}

#[cfg(test)]
mod tests;
