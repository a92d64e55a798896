//! Implements `rock-wrap cache-key`: prints the key under which a CI system keeps the job's cache.

use super::{CacheKeyArgs, CliError, Exit, job, output};
use crate::ci::key::{KeyFacts, system};
use crate::ci::policy::FORK;
use crate::ci::{ArchSet, Trust};
use crate::fingerprint::{Identity, Memo};
use crate::rocm::Tree;

/// Prints the key, or the keys that may be restored in its place.
pub fn main(args: &CacheKeyArgs) -> Result<Exit, CliError> {
    let archs = job::archs(args.arch.as_deref())?;
    let wider = args.wider_arch.iter().map(|list| ArchSet::parse(list));
    let wider = wider.collect::<Result<Vec<_>, _>>()?;
    let launcher = job::find_launcher(args.launcher.as_deref())?;
    let tree = Tree::find(args.tree.rocm_path.as_deref(), &[])?;
    let compiler = super::fingerprint::first_of(&tree);
    let memo = Memo::of_user();
    let identity = Identity::take(&compiler, Some(&tree.root), &memo)?;
    let policy = match job::context().trust {
        Trust::Trusted => args.policy.as_str(),
        Trust::Untrusted(_) => FORK,
    };
    let os_release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let version = launcher.version;
    let major = version.map_or(String::new(), |version| version.0.to_string());
    let rocm = tree.version();
    let facts = KeyFacts {
        prefix: &args.prefix,
        system: &system(std::env::consts::OS, &os_release),
        machine: std::env::consts::ARCH,
        policy,
        launcher: &format!("{}{major}", launcher.kind.as_str()),
        rocm: rocm.as_deref(),
        compiler: &identity.digest.to_string(),
        archs: &archs,
    };
    if args.restore_keys {
        facts.restore_keys(&wider)?.iter().for_each(output::answer);
    } else {
        output::answer(facts.key()?);
    }
    Ok(Exit::Success)
}
