//! Every way in which the commands for CI refuse a request.

use std::path::PathBuf;

use super::remote::SCHEMES;

/// A request that cannot be fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum CiError {
    /// A word in a list of architectures is not one.
    #[error("{0:?} is not an offload architecture")]
    NotAnArch(String),
    /// `native` means different architectures on different machines.
    #[error(
        "\"native\" means other architectures on other machines, which a shared cache cannot tell apart"
    )]
    NativeArch,
    /// The prefix of a key contains a character that CI systems do not accept in a key.
    #[error("--prefix {0:?}: only letters, digits and the characters ._/- can be in a cache key")]
    Prefix(String),
    /// The prefix of a key leaves no room for the rest.
    #[error("--prefix has {0} bytes; at most {limit} fit into a cache key", limit = super::key::MAX_PREFIX)]
    LongPrefix(usize),
    /// The scheme of a remote cache's URL is unknown.
    #[error("{0:?} is not a supported kind of remote cache; supported are: {list}", list = schemes())]
    Scheme(String),
    /// The URL of a remote cache is wrong.
    #[error("the remote cache {url}: {why}")]
    Remote {
        /// The URL without its credentials.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The URL of a remote cache contains a password.
    #[error("the URL of the remote cache {0} holds a password, which others could read")]
    SecretInUrl(String),
    /// The launcher cannot use the remote cache.
    #[error("{launcher} cannot use the remote cache {url}")]
    Unusable {
        /// The URL.
        url: String,
        /// The launcher.
        launcher: &'static str,
        /// What can be used instead.
        remedy: &'static str,
    },
    /// The launcher is neither sccache nor ccache.
    #[error("the launcher {0} is not sccache or ccache, so its cache cannot be set up")]
    Launcher(PathBuf),
    /// The file with the settings cannot be read.
    #[error("cannot read the settings in {path}")]
    ReadSettings {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file with the settings contains something unknown.
    #[error("{path}{at}: {why}", at = .line.map_or(String::new(), |line| format!(":{line}")))]
    Settings {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
        /// What is wrong there.
        why: String,
    },
    /// A size is not a number with a unit.
    #[error("{0:?} is not a size")]
    Size(String),
    /// The directory for the caches has a name that cannot be written into a file of variables.
    #[error("the cache root {0:?} has a line break in its name")]
    RootName(PathBuf),
    /// A directory for a cache cannot be made or written to.
    #[error("cannot write to the cache directory {path}")]
    Directory {
        /// The directory or file.
        path: PathBuf,
        /// Why: permissions, a full disk, a file in the way.
        #[source]
        source: std::io::Error,
    },
    /// `--source` is not a name and a directory.
    #[error("--source {0:?} is not NAME=DIR")]
    SourceForm(String),
    /// Two sources have one name.
    #[error("--source names {0:?} twice")]
    SourceTwice(String),
    /// A pattern for artifacts cannot be parsed.
    #[error("--artifact {pattern:?} is not a pattern: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A pattern for artifacts matches nothing.
    #[error("--artifact {0:?} matches no file")]
    NoArtifact(String),
    /// An artifact cannot be read.
    #[error("cannot read the artifact {path}")]
    ReadArtifact {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The report of the build cannot be read.
    #[error("cannot read the report {path}: {why}")]
    ReadReport {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The manifest cannot be written.
    #[error("cannot write the manifest {path}")]
    WriteManifest {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A manifest cannot be read.
    #[error("cannot read the manifest {path}: {why}")]
    ReadManifest {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// An artifact differs from the manifest.
    #[error("{path} differs from the manifest: {what}")]
    Changed {
        /// The artifact.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// GITHUB_ENV, which names the file for GitHub's variables, is not set.
    #[error("--format github needs GITHUB_ENV, which is not set")]
    NoGithubEnv,
    /// The file for GitHub's variables cannot be written.
    #[error("cannot append to {path}, which GITHUB_ENV names")]
    GithubEnv {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn schemes() -> String {
    SCHEMES
        .iter()
        .map(|scheme| scheme.name)
        .collect::<Vec<_>>()
        .join(", ")
}

impl CiError {
    /// What the user can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotAnArch(_) => {
                "name architectures as clang does, separated by commas: --arch gfx942,gfx90a:xnack-"
            }
            Self::NativeArch => "name the architectures that the build is for with --arch",
            Self::Prefix(_) | Self::LongPrefix(_) => "choose a short word, such as `pytorch`",
            Self::Scheme(_) | Self::Remote { .. } => {
                "write the URL as docs/ci-policies.md shows for each kind of cache"
            }
            Self::SecretInUrl(_) => {
                "leave the password out, and set it in the environment of the job: \
                 CCACHE_REMOTE_PASSWORD, SCCACHE_REDIS_PASSWORD or SCCACHE_WEBDAV_PASSWORD"
            }
            Self::Unusable { remedy, .. } => remedy,
            Self::Launcher(_) => "name one of them with --launcher",
            Self::ReadSettings { .. } => "name a file that this user may read with --config",
            Self::Settings { .. } => "correct that line; docs/ci-policies.md lists all keys",
            Self::Size(_) => "write a number and K, M, G or T, such as 20G",
            Self::RootName(_) => "name another directory with --cache-root",
            Self::Directory { .. } => {
                "free some space or correct the permissions, or name another directory with \
                 --cache-root"
            }
            Self::SourceForm(_) | Self::SourceTwice(_) => {
                "name each checkout once: --source pytorch=/src/pytorch"
            }
            Self::Pattern { .. } => "quote the pattern, and write * for any text: 'dist/*.whl'",
            Self::NoArtifact(_) => {
                "look into the directory that the build writes to; --allow-empty lets a pattern match nothing"
            }
            Self::ReadArtifact { .. } => "name files that this user may read with --artifact",
            Self::ReadReport { .. } => "name the file that `rock-wrap run --report` wrote",
            Self::WriteManifest { .. } => {
                "name a file in a directory that this user may write to with --output"
            }
            Self::ReadManifest { .. } => "name a file that `rock-wrap manifest` wrote",
            Self::Changed { .. } => {
                "do not publish it: build it again, or get the file that the manifest describes"
            }
            Self::NoGithubEnv => "use --format sh outside of GitHub Actions",
            Self::GithubEnv { .. } => "run it in a step of a GitHub job, or use --format sh",
        }
    }
}
