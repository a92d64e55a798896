//! Remote caches by URL.
//!
//! Owns: which URLs exist, which launcher can use which of them, the credentials that each needs, and how each launcher
//! is configured. Must never hold a secret: the launcher reads it from the environment itself.

use std::collections::BTreeMap;

use super::policy::Access;
use super::{CiError, Variables};
use crate::shared::launchers::kind::LauncherKind;

/// The kind of a remote cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Amazon S3, and services with its protocol.
    S3,
    /// Redis.
    Redis,
    /// WebDAV.
    WebDav,
    /// GitHub's cache.
    Gha,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
    /// An HTTP server that accepts PUT, such as bazel-remote.
    Http,
    /// A directory that several machines have mounted.
    File,
}

/// A URL scheme: the kind of cache, whether the connection is encrypted, and the accepted options.
pub struct Scheme {
    /// The scheme.
    pub name: &'static str,
    /// An example.
    pub example: &'static str,
    backend: Backend,
    secure: bool,
    options: &'static [&'static str],
}

const S3_OPTIONS: &[&str] = &["credentials", "endpoint", "region", "ssl"];

/// All schemes.
#[rustfmt::skip]
pub const SCHEMES: [Scheme; 12] = [
    Scheme { name: "s3", example: "s3://bucket/prefix?region=us-east-1", backend: Backend::S3, secure: true, options: S3_OPTIONS },
    Scheme { name: "redis", example: "redis://user@host:6379/0", backend: Backend::Redis, secure: false, options: &[] },
    Scheme { name: "rediss", example: "rediss://user@host:6379/0", backend: Backend::Redis, secure: true, options: &[] },
    Scheme { name: "webdav", example: "webdav://user@host/path", backend: Backend::WebDav, secure: false, options: &[] },
    Scheme { name: "webdavs", example: "webdavs://user@host/path", backend: Backend::WebDav, secure: true, options: &[] },
    Scheme { name: "gha", example: "gha:", backend: Backend::Gha, secure: true, options: &[] },
    Scheme { name: "gcs", example: "gcs://bucket/prefix", backend: Backend::Gcs, secure: true, options: &["credentials"] },
    Scheme { name: "gs", example: "gs://bucket/prefix", backend: Backend::Gcs, secure: true, options: &["credentials"] },
    Scheme { name: "azure", example: "azure://container/prefix", backend: Backend::Azure, secure: true, options: &[] },
    Scheme { name: "http", example: "http://user@host/path?layout=bazel", backend: Backend::Http, secure: false, options: &["layout"] },
    Scheme { name: "https", example: "https://user@host/path?layout=bazel", backend: Backend::Http, secure: true, options: &["layout"] },
    Scheme { name: "file", example: "file:///mnt/cache", backend: Backend::File, secure: true, options: &["layout"] },
];

/// A remote cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Where it is.
    pub backend: Backend,
    secure: bool,
    user: Option<String>,
    /// Host and port, a bucket or a container.
    host: String,
    /// Without slashes at its start and end.
    path: String,
    options: BTreeMap<String, String>,
}

/// Whether a job has the credentials for a remote cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// It has them, or needs none.
    There,
    /// Some are missing; names them.
    Missing(String),
}

impl Remote {
    /// Parses a URL.
    ///
    /// # Errors
    /// If this kind of cache does not exist, or if the URL is malformed or contains a secret.
    pub fn parse(url: &str) -> Result<Self, CiError> {
        let shown = super::context::without_credentials(url);
        let wrong = |why: &str| CiError::Remote {
            url: shown.clone(),
            why: why.to_owned(),
        };
        let (name, rest) = url
            .split_once(':')
            .ok_or_else(|| wrong("it has no scheme"))?;
        let scheme = SCHEMES.iter().find(|scheme| scheme.name == name);
        let scheme = scheme.ok_or_else(|| CiError::Scheme(name.to_owned()))?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let plain =
            |c: char| c.is_ascii_graphic() && !matches!(c, '\'' | '"' | '|' | '$' | '\\' | '#');
        if !rest.chars().all(plain) {
            return Err(wrong("it holds a character that has to be percent-encoded"));
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match place.split_once('/') {
            Some((authority, path)) => (authority, path),
            None => (place, ""),
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err(CiError::SecretInUrl(shown)),
            Some((user, host)) => (Some(user.to_owned()).filter(|user| !user.is_empty()), host),
            None => (None, authority),
        };
        let needs_host = !matches!(scheme.backend, Backend::Gha | Backend::File);
        if needs_host && host.is_empty() {
            return Err(wrong("it names no host, bucket or container"));
        }
        if scheme.backend == Backend::File && (!host.is_empty() || path.is_empty()) {
            return Err(wrong("a file URL has three slashes and an absolute path"));
        }
        let mut options = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !scheme.options.contains(&name) {
                let known = match scheme.options.is_empty() {
                    true => "none".to_owned(),
                    false => scheme.options.join(", "),
                };
                return Err(wrong(&format!(
                    "unknown option {name:?}; there are: {known}"
                )));
            }
            let taken: Option<&[&str]> = match name {
                "layout" => Some(&["subdirs", "flat", "bazel"]),
                "credentials" => Some(&["none", "machine"]),
                "ssl" => Some(&["true", "false"]),
                _ => None,
            };
            if taken.is_some_and(|taken| !taken.contains(&value)) {
                let taken = taken.unwrap_or_default().join(", ");
                return Err(wrong(&format!("{name}={value:?} is none of {taken}")));
            }
            options.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self {
            backend: scheme.backend,
            secure: scheme.secure,
            user,
            host: host.to_owned(),
            path: path.trim_matches('/').to_owned(),
            options,
        })
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// Whether the environment, through `variable`, has the credentials that `launcher` needs for this cache.
    pub fn credentials(
        &self,
        launcher: LauncherKind,
        variable: impl Fn(&str) -> bool,
    ) -> Credentials {
        if self.option("credentials").is_some() {
            return Credentials::There;
        }
        // One of these sets of variables is enough.
        let sets: &[&[&str]] = match (self.backend, launcher, &self.user) {
            (Backend::S3, ..) => &[
                &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
                &["AWS_PROFILE"],
                &["AWS_WEB_IDENTITY_TOKEN_FILE"],
                &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
                &["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
                &["AWS_SHARED_CREDENTIALS_FILE"],
            ],
            (Backend::Gcs, ..) => &[
                &["SCCACHE_GCS_KEY_PATH"],
                &["SCCACHE_GCS_CREDENTIALS_URL"],
                &["SCCACHE_GCS_SERVICE_ACCOUNT"],
                &["GOOGLE_APPLICATION_CREDENTIALS"],
            ],
            (Backend::Azure, ..) => &[&["SCCACHE_AZURE_CONNECTION_STRING"]],
            (Backend::Gha, ..) => &[
                &["ACTIONS_RUNTIME_TOKEN", "ACTIONS_RESULTS_URL"],
                &["ACTIONS_RUNTIME_TOKEN", "ACTIONS_CACHE_URL"],
            ],
            (_, LauncherKind::Ccache, Some(_)) => &[&["CCACHE_REMOTE_PASSWORD"]],
            (Backend::Redis, _, Some(_)) => &[&["SCCACHE_REDIS_PASSWORD"]],
            (Backend::WebDav, _, Some(_)) => {
                &[&["SCCACHE_WEBDAV_PASSWORD"], &["SCCACHE_WEBDAV_TOKEN"]]
            }
            _ => &[&[]],
        };
        if sets.iter().any(|set| set.iter().all(|name| variable(name))) {
            return Credentials::There;
        }
        let missing: Vec<_> = sets[0]
            .iter()
            .filter(|name| !variable(name))
            .copied()
            .collect();
        Credentials::Missing(missing.join(" and "))
    }

    /// Whether `launcher` can use this cache.
    ///
    /// # Errors
    /// If it cannot; says what to use instead.
    pub fn usable_by(&self, launcher: LauncherKind) -> Result<(), CiError> {
        let why = match (launcher, self.backend) {
            (LauncherKind::Sccache, Backend::Http) => "use a webdav URL, or ccache",
            (LauncherKind::Sccache, Backend::File) => "use ccache",
            (LauncherKind::Ccache, Backend::S3 | Backend::Gha | Backend::Gcs | Backend::Azure) => {
                "use sccache, or an http, webdav, redis or file URL"
            }
            (LauncherKind::Ccache, Backend::Redis) if self.secure => "use a redis URL, or sccache",
            (LauncherKind::Other, _) => "use sccache or ccache",
            _ => return Ok(()),
        };
        Err(CiError::Unusable {
            url: self.to_string(),
            launcher: launcher.as_str(),
            remedy: why,
        })
    }

    /// The name of sccache's level for this cache.
    #[must_use]
    pub fn level(&self) -> &'static str {
        match self.backend {
            Backend::S3 => "s3",
            Backend::Redis => "redis",
            Backend::WebDav | Backend::Http => "webdav",
            Backend::Gha => "gha",
            Backend::Gcs => "gcs",
            Backend::Azure => "azure",
            Backend::File => "disk",
        }
    }

    /// The variables that make sccache use this cache. `names_access`: whether this version has a setting for the
    /// access to every kind of cache.
    #[must_use]
    pub fn for_sccache(&self, access: Access, namespace: &str, names_access: bool) -> Variables {
        let mut set = Vec::new();
        let mut put = |name: &str, value: String| set.push((name.to_owned(), value));
        let prefix = match self.path.is_empty() || self.backend == Backend::Redis {
            true => namespace.to_owned(),
            false => format!("{}/{namespace}", self.path),
        };
        let switch = |on: bool| if on { "true" } else { "false" }.to_owned();
        let variable = match self.backend {
            Backend::S3 => {
                put("SCCACHE_BUCKET", self.host.clone());
                put("SCCACHE_S3_KEY_PREFIX", prefix);
                if let Some(region) = self.option("region") {
                    put("SCCACHE_REGION", region.to_owned());
                }
                if let Some(endpoint) = self.option("endpoint") {
                    put("SCCACHE_ENDPOINT", endpoint.to_owned());
                }
                let ssl = self.option("ssl") != Some("false");
                put("SCCACHE_S3_USE_SSL", switch(ssl));
                if self.option("credentials") == Some("none") {
                    put("SCCACHE_S3_NO_CREDENTIALS", switch(true));
                }
                "SCCACHE_S3_RW_MODE"
            }
            Backend::Redis => {
                let scheme = if self.secure { "rediss" } else { "redis" };
                put(
                    "SCCACHE_REDIS_ENDPOINT",
                    format!("{scheme}://{}", self.host),
                );
                if !self.path.is_empty() {
                    put("SCCACHE_REDIS_DB", self.path.clone());
                }
                if let Some(user) = &self.user {
                    put("SCCACHE_REDIS_USERNAME", user.clone());
                }
                put("SCCACHE_REDIS_KEY_PREFIX", prefix);
                "SCCACHE_REDIS_RW_MODE"
            }
            Backend::WebDav | Backend::Http => {
                let scheme = if self.secure { "https" } else { "http" };
                put(
                    "SCCACHE_WEBDAV_ENDPOINT",
                    format!("{scheme}://{}", self.host),
                );
                if let Some(user) = &self.user {
                    put("SCCACHE_WEBDAV_USERNAME", user.clone());
                }
                put("SCCACHE_WEBDAV_KEY_PREFIX", prefix);
                "SCCACHE_WEBDAV_RW_MODE"
            }
            Backend::Gha => {
                put("SCCACHE_GHA_ENABLED", "on".to_owned());
                put("SCCACHE_GHA_VERSION", namespace.to_owned());
                "SCCACHE_GHA_RW_MODE"
            }
            Backend::Gcs => {
                put("SCCACHE_GCS_BUCKET", self.host.clone());
                put("SCCACHE_GCS_KEY_PREFIX", prefix);
                "SCCACHE_GCS_RW_MODE"
            }
            Backend::Azure => {
                put("SCCACHE_AZURE_BLOB_CONTAINER", self.host.clone());
                put("SCCACHE_AZURE_KEY_PREFIX", prefix);
                "SCCACHE_AZURE_RW_MODE"
            }
            Backend::File => return set,
        };
        // sccache treats Google's storage as read-only unless told otherwise.
        if names_access || self.backend == Backend::Gcs {
            let mode = match access {
                Access::ReadWrite => "READ_WRITE",
                Access::Read | Access::None => "READ_ONLY",
            };
            put(variable, mode.to_owned());
        }
        set
    }

    /// The value of ccache's `remote_storage`. For secrets it contains the names of variables, which ccache expands.
    pub fn for_ccache(&self, access: Access, variable: impl Fn(&str) -> bool) -> String {
        let both = ["CCACHE_REMOTE_USER", "CCACHE_REMOTE_PASSWORD"].map(&variable);
        let login = match (&self.user, both) {
            (Some(user), [_, true]) => format!("{user}:${{CCACHE_REMOTE_PASSWORD}}@"),
            (None, [true, true]) => "${CCACHE_REMOTE_USER}:${CCACHE_REMOTE_PASSWORD}@".to_owned(),
            _ => String::new(),
        };
        let (host, path) = (&self.host, &self.path);
        let mut storage = match self.backend {
            Backend::File => format!("file:/{path}"),
            // ccache takes what follows a slash for the number of a database, so there must be no slash without one.
            Backend::Redis if path.is_empty() => format!("redis://{login}{host}"),
            Backend::Redis => format!("redis://{login}{host}/{path}"),
            _ if self.secure => format!("https://{login}{host}/{path}"),
            _ => format!("http://{login}{host}/{path}"),
        };
        if let Some(layout) = self.option("layout") {
            storage.push_str("|layout=");
            storage.push_str(layout);
        }
        let is_http = matches!(self.backend, Backend::Http | Backend::WebDav);
        if is_http && variable("CCACHE_REMOTE_TOKEN") {
            storage.push_str("|bearer-token=${CCACHE_REMOTE_TOKEN}");
        }
        if access == Access::Read {
            storage.push_str("|read-only");
        }
        storage
    }

    /// Whether ccache needs a helper program for this cache: its built-in client has no TLS.
    #[must_use]
    pub fn needs_ccache_helper(&self) -> bool {
        self.secure && matches!(self.backend, Backend::Http | Backend::WebDav)
    }
}

impl std::fmt::Display for Remote {
    /// As a URL without the user and the options.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |scheme: &&Scheme| scheme.backend == self.backend && scheme.secure == self.secure;
        let scheme = SCHEMES.iter().find(of).map_or("", |scheme| scheme.name);
        let (host, path) = (&self.host, &self.path);
        match self.backend {
            Backend::Gha => write!(f, "{scheme}:"),
            _ if path.is_empty() => write!(f, "{scheme}://{host}"),
            _ => write!(f, "{scheme}://{host}/{path}"),
        }
    }
}

#[cfg(test)]
mod tests;
