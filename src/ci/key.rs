//! The key under which a CI system stores a job's cache.
//!
//! Owns: what is in the key, in which order, and which other keys may be used instead. CI systems look up a restore key
//! as a prefix, so a `-` separates the fields, and no field contains one.

use super::{ArchSet, CiError};

/// The longest key that GitHub accepts.
pub const MAX_KEY: usize = 512;

/// The longest prefix that a user may choose.
pub const MAX_PREFIX: usize = 128;

/// The longest list of architectures that a key spells out. A digest replaces a longer one.
const MAX_ARCHS: usize = 160;

/// The maximum length of every other field. A longer value is cut, and a digest is added.
const MAX_FIELD: usize = 32;

/// Raised when the fields or their order change.
const VERSION: &str = "v1";

/// Everything that decides which jobs can use a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFacts<'a> {
    /// What distinguishes this cache from others of the same repository.
    pub prefix: &'a str,
    /// The operating system and its release, such as `linux.debian12`.
    pub system: &'a str,
    /// The machine's architecture.
    pub machine: &'a str,
    /// The policy, or [`FORK`](super::policy::FORK) for an untrusted job.
    pub policy: &'a str,
    /// The launcher and its major version, such as `ccache4`.
    pub launcher: &'a str,
    /// The ROCm release, if the tree states one.
    pub rocm: Option<&'a str>,
    /// The compiler's fingerprint.
    pub compiler: &'a str,
    /// The architectures that the build is for.
    pub archs: &'a ArchSet,
}

impl KeyFacts<'_> {
    /// The key.
    ///
    /// # Errors
    /// If the prefix is not allowed in a key.
    pub fn key(&self) -> Result<String, CiError> {
        check(self.prefix)?;
        Ok(self.full(self.archs))
    }

    /// The keys whose caches may be restored, the job's own first, then the most specific ones. `wider` are lists of
    /// architectures whose caches contain what this job needs, if objects are cached by architecture.
    ///
    /// All have the same operating system, machine, policy and launcher: a cache that differs in one of these is of no
    /// use, or must not be used. A cache for other architectures is of no use either, however fresh it is, and GitHub
    /// restores only one.
    ///
    /// # Errors
    /// As [`key`](Self::key).
    pub fn restore_keys(&self, wider: &[ArchSet]) -> Result<Vec<String>, CiError> {
        let mut wider: Vec<_> = wider
            .iter()
            .filter(|other| !self.archs.is_empty() && self.archs.is_part_of(other))
            .collect();
        // The smallest cache downloads fastest.
        wider.sort_by_key(|other| other.len());
        let lists: Vec<_> = std::iter::once(self.archs).chain(wider).collect();
        let mut keys = vec![self.key()?];
        keys.extend(lists[1..].iter().map(|archs| self.full(archs)));
        keys.extend(lists.iter().map(|archs| self.of_release(archs)));
        keys.extend(lists.iter().map(|archs| self.of_archs(archs)));
        keys.dedup();
        Ok(keys)
    }

    fn full(&self, archs: &ArchSet) -> String {
        let compiler: String = self.compiler.chars().take(16).collect();
        format!("{}{}", self.of_release(archs), field(&compiler))
    }

    /// The start of the keys of this ROCm release, whichever compiler it has.
    fn of_release(&self, archs: &ArchSet) -> String {
        let rocm = field(self.rocm.unwrap_or("unknown"));
        format!("{}rocm{rocm}-", self.of_archs(archs))
    }

    /// The start of the keys for these architectures, whichever ROCm release.
    fn of_archs(&self, archs: &ArchSet) -> String {
        let fields = [self.system, self.machine, self.policy, self.launcher].map(field);
        format!(
            "{}-{VERSION}-{}-{}-",
            self.prefix,
            fields.join("-"),
            shown(archs)
        )
    }
}

fn check(prefix: &str) -> Result<(), CiError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
    if prefix.is_empty() || !prefix.chars().all(plain) {
        return Err(CiError::Prefix(prefix.to_owned()));
    }
    if prefix.len() > MAX_PREFIX {
        return Err(CiError::LongPrefix(prefix.len()));
    }
    Ok(())
}

/// Turns a value into a field: without `-`, and without characters that CI systems reject in a key.
fn field(value: &str) -> String {
    let plain = |c: char| match c {
        _ if c.is_ascii_alphanumeric() => c,
        '_' | '.' => c,
        _ => '.',
    };
    let text: String = value.chars().map(plain).collect();
    match text.len() > MAX_FIELD {
        true => format!("{}.{}", &text[..MAX_FIELD - 9], digest(value, 8)),
        false => text,
    }
}

/// The architectures as a field.
fn shown(archs: &ArchSet) -> String {
    if archs.is_empty() {
        return "all".to_owned();
    }
    let names = archs.iter().map(|arch| {
        let arch = arch.replace('+', "on");
        match arch.split_once(':') {
            // A feature may end with `-`, and the names of generic architectures contain it.
            Some((name, features)) => {
                let features = features.replace('-', "off").replace(':', ".");
                format!("{}.{features}", name.replace('-', "."))
            }
            None => arch.replace('-', "."),
        }
    });
    let names = names.collect::<Vec<_>>().join("_");
    match names.len() > MAX_ARCHS {
        true => format!("{}archs.{}", archs.len(), digest(&names, 16)),
        false => names,
    }
}

fn digest(text: &str, length: usize) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..length].to_owned()
}

/// The operating system as a field: the kernel, and the distribution that `/etc/os-release` names.
#[must_use]
pub fn system(kernel: &str, os_release: &str) -> String {
    let value = |name: &str| {
        let mut lines = os_release.lines();
        let line = lines.find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim_matches(['"', '\'']).to_owned())
    };
    let id = value("ID").unwrap_or_default();
    let version = value("VERSION_ID").unwrap_or_default();
    match id.is_empty() {
        true => kernel.to_owned(),
        false => format!("{kernel}.{id}{version}"),
    }
}

#[cfg(test)]
mod tests;
