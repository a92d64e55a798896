//! Makes the shims for a tree and a launcher.
//!
//! Owns: combining the information of [`rocm`](crate::rocm), [`launcher`](crate::launcher) and
//! [`shim_config`](crate::shared::shim_config). Changes nothing: [`install`](crate::install) does.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::fingerprint::{Identity, IdentityError, Memo, Role};
use crate::install::per_arch::PerArch;
use crate::install::{Entry, Goal, Keep, Kept, Observed, Want};
use crate::launcher::{self, Launcher};
use crate::rocm::compiler::{CompilerError, CompilerVersion};
use crate::rocm::{Compiler, CompilerName, Hipcc, Layout, Tree};
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::paths::base_name;
use crate::shared::shim_config::{Config, Witness, WitnessKind};
use crate::shim_image;
use crate::support::paths::relative;
use crate::support::time::Time;
use crate::trampoline::trampoline;

/// Options for using a launcher.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Whether compiles are cached by architecture.
    pub per_arch: PerArch,
    /// Whether a launcher failure fails the compile.
    pub strict: bool,
    /// Whether to turn off the launcher's direct mode, in which it relies on a list of headers.
    pub exact: bool,
}

/// The compilers that were found, and the shims for them.
#[derive(Debug)]
pub struct ShimSurvey {
    /// The compilers that get a shim, in installation order.
    pub compilers: Vec<Compiler>,
    /// The tree's hipcc.
    pub hipcc: Option<Hipcc>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// The goal for the installation engine.
    pub goal: Goal,
}

/// Why a tree cannot be wrapped as requested.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// A compiler cannot be wrapped.
    #[error(transparent)]
    Compiler(#[from] CompilerError),
    /// The name was removed by an interrupted operation or somebody else, but its original is kept.
    #[error("{0} is missing, but its original is kept")]
    Unfinished(PathBuf),
    /// ccache parses a compiler path that contains `=` as a setting (4.14.2, `ccache.cpp`).
    #[error("{0}: ccache cannot be given a compiler whose path contains `=`")]
    EqualsSign(PathBuf),
    /// ccache takes a compiler with such a name for a ccache (4.14.2, `ccache.cpp`).
    #[error("{0}: ccache cannot be given a compiler whose name begins with `ccache`")]
    CcacheName(PathBuf),
    /// A shim that is called as a launcher has only one fingerprint.
    #[error("{0} and {1} are different compilers, and a launcher file serves only one")]
    TwoCompilers(PathBuf, PathBuf),
    /// The compiler's files cannot be determined, and without them nothing may be cached.
    #[error("cannot take the compiler's fingerprint")]
    Identity(#[from] IdentityError),
    /// The real compiler's file cannot be inspected.
    #[error("cannot inspect {path}")]
    Look {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The configuration, such as the launcher's path, does not fit into a shim.
    #[error("cannot build the shim for {0}")]
    Image(CompilerName, #[source] shim_image::TooLong),
}

/// Makes the shims for `names` and for all names that are already wrapped.
///
/// # Errors
/// See [`WrapError`]. Nothing was changed.
pub fn survey(
    tree: &Tree,
    observed: &Observed,
    names: &[CompilerName],
    launcher: Option<&Launcher>,
    policy: Policy,
) -> Result<ShimSurvey, WrapError> {
    if tree.bin.as_os_str().as_bytes().contains(&b'=') {
        return Err(WrapError::EqualsSign(tree.bin.clone()));
    }
    let (compilers, identities) = inspect_all(tree, observed, &all_names(observed, names))?;
    for compiler in compilers.iter().filter(|compiler| is_moved(compiler)) {
        let alias = tree.bin.join(compiler.name.alias());
        identities[&compiler.real].keep_moved(&alias, &tree.root, &Memo::of_user());
    }
    let wants = compilers
        .iter()
        .map(|compiler| {
            let identity = &identities[&compiler.real];
            want(tree, &compilers, compiler, identity, launcher, policy)
        })
        .collect::<Result<_, _>>()?;
    let hipcc = tree.hipcc.clone();
    let mut warnings = warnings(launcher, hipcc.as_ref());
    let used = tree.root.display();
    let passed_over = tree.passed_over.iter();
    warnings.extend(passed_over.map(|why| format!("{why}; {used} is used instead")));
    for note in identities.into_values().flat_map(|identity| identity.notes) {
        tracing::debug!("fingerprint: {note}");
    }
    Ok(ShimSurvey {
        compilers,
        hipcc,
        warnings,
        goal: Goal::Install(wants),
    })
}

/// Shims outside the tree, which is left unchanged.
#[derive(Debug)]
pub struct Outside {
    /// A shim for each compiler, with its name.
    pub shims: Vec<(CompilerName, Vec<u8>)>,
    /// A shim that is called as a launcher, for any of the compilers.
    pub launcher: Vec<u8>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

/// Makes shims for `names` outside the tree.
///
/// # Errors
/// See [`WrapError`]. Nothing was changed.
pub fn outside(
    tree: &Tree,
    observed: &Observed,
    names: &[CompilerName],
    launcher: &Launcher,
    policy: Policy,
) -> Result<Outside, WrapError> {
    let (compilers, identities) = inspect_all(tree, observed, names)?;
    let dir = [tree.bin.as_os_str().as_bytes(), b"/"].concat();
    let image = |name: &CompilerName, called: &[u8], identity: &Identity, watched: &[&Identity]| {
        shim_image::stamp(&Config {
            dir: &dir,
            parts: &policy.per_arch.record(),
            ..config(
                called,
                Some(launcher),
                policy,
                identity,
                &witness(tree, &[], watched),
            )
        })
        .map_err(|source| WrapError::Image(name.clone(), source))
    };
    let mut shims = Vec::new();
    for compiler in &compilers {
        let (name, identity) = (&compiler.name, &identities[&compiler.real]);
        shims.push((
            name.clone(),
            image(name, name.as_os_str().as_bytes(), identity, &[identity])?,
        ));
    }
    // The launcher serves all compilers: it has one fingerprint and the witnesses of all. The names may
    // be hard links, which look like different files by their paths.
    let first = &compilers[0];
    let identity = &identities[&first.real];
    let other = compilers
        .iter()
        .find(|compiler| identities[&compiler.real].digest != identity.digest);
    if let Some(other) = other {
        return Err(WrapError::TwoCompilers(
            first.real.clone(),
            other.real.clone(),
        ));
    }
    let all: Vec<_> = identities.values().collect();
    let as_launcher = image(&first.name, b"", identity, &all)?;
    Ok(Outside {
        shims,
        launcher: as_launcher,
        warnings: warnings(Some(launcher), None),
    })
}

/// Identities by the path of the executable.
type Identities = BTreeMap<PathBuf, Identity>;

/// Inspects the compilers and takes the fingerprint of each executable. Returns the compilers in an order
/// in which they can be wrapped.
fn inspect_all(
    tree: &Tree,
    observed: &Observed,
    names: &[CompilerName],
) -> Result<(Vec<Compiler>, Identities), WrapError> {
    let memo = Memo::of_user();
    let mut identities = Identities::new();
    let mut compilers = names
        .iter()
        .map(|name| inspect(tree, observed, name, &memo, &mut identities))
        .collect::<Result<Vec<_>, _>>()?;
    // A name whose alias leads through another name's alias must follow it.
    compilers.sort_by_key(|compiler| !is_moved(compiler));
    for compiler in &compilers {
        if !identities.contains_key(&compiler.real) {
            let identity = Identity::take(&compiler.real, Some(&tree.root), &memo)?;
            identities.insert(compiler.real.clone(), identity);
        }
    }
    Ok((compilers, identities))
}

/// The configuration of a shim, without what depends on its place.
fn config<'a>(
    name: &'a [u8],
    launcher: Option<&'a Launcher>,
    policy: Policy,
    identity: &'a Identity,
    witness: &'a [u8],
) -> Config<'a> {
    let path = launcher.map_or(OsStr::new(""), |launcher| launcher.path.as_os_str());
    Config {
        name,
        launcher: path.as_bytes(),
        launcher_version: launcher.and_then(|launcher| launcher.version),
        asks_server: launcher.is_some_and(Launcher::server_can_be_asked),
        strict: policy.strict,
        exact: policy.exact,
        new_driver: identity.offload_driver.new_by_default,
        new_driver_uses_id: identity.offload_driver.new_uses_id,
        writer: env!("CARGO_PKG_VERSION").as_bytes(),
        fingerprint: &identity.digest.0,
        witness,
        dir: b"",
        home: b"",
        parts: b"",
    }
}

/// The requested names and all wrapped ones, since all use the same launcher.
fn all_names(observed: &Observed, asked: &[CompilerName]) -> Vec<CompilerName> {
    let wrapped = observed.names.iter().filter(|known| known.at.is_shim());
    let wrapped = wrapped.filter_map(|known| known.name.to_str()?.parse().ok());
    let mut names = asked.to_vec();
    for name in wrapped {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn inspect(
    tree: &Tree,
    observed: &Observed,
    name: &CompilerName,
    memo: &Memo,
    identities: &mut Identities,
) -> Result<Compiler, WrapError> {
    let known = |file: &Path| {
        let root = Some(tree.root.as_path());
        let taken = identities.get(file).cloned();
        let identity = taken.or_else(|| Identity::remembered(file, root, memo));
        // Taking an identity also yields the version and the executable. A file that leads to an
        // executable whose identity was taken, such as a stub, need only be asked for that.
        let identity = match identity {
            None if identities.is_empty() => Identity::take(file, root, memo).ok()?,
            identity => identity?,
        };
        let said = CompilerVersion {
            real: identity.executable()?.to_owned(),
            version: identity.version.clone()?,
        };
        identities.insert(said.real.clone(), identity);
        Some(said)
    };
    let path = tree.bin.join(name.as_os_str());
    let there = observed.name(name.as_os_str());
    let Some(there) = there.filter(|there| there.at.is_shim()) else {
        if there.is_some_and(|there| there.at.is_missing() && there.original().is_some()) {
            return Err(WrapError::Unfinished(path));
        }
        return Ok(Compiler::inspect(name, &path, known)?);
    };
    // Behind one of our shims, the alias is the compiler, and the kept original shows the layout.
    let mut compiler = Compiler::inspect(name, &tree.bin.join(name.alias()), known)?;
    compiler.layout = match (there.original(), there.original_entry()) {
        (Some(Kept::Moved), _) => compiler.layout,
        (_, Some(Entry::File(_))) => Layout::Stub,
        _ => Layout::Symlink,
    };
    Ok(compiler)
}

/// Whether the name is the executable itself, which an install moves to the alias.
fn is_moved(compiler: &Compiler) -> bool {
    matches!(compiler.layout, Layout::Regular | Layout::HardLink)
}

fn want(
    tree: &Tree,
    compilers: &[Compiler],
    compiler: &Compiler,
    identity: &Identity,
    launcher: Option<&Launcher>,
    policy: Policy,
) -> Result<Want, WrapError> {
    let real = &compiler.real;
    let file = real.file_name().unwrap_or_default();
    if file.as_bytes().starts_with(b"ccache") {
        return Err(WrapError::CcacheName(real.clone()));
    }
    let metadata = real.metadata().map_err(|source| WrapError::Look {
        path: real.clone(),
        source,
    })?;
    let home = [tree.bin.as_os_str().as_bytes(), b"/"].concat();
    let image = shim_image::stamp(&Config {
        home: &home,
        parts: &policy.per_arch.record(),
        ..config(
            compiler.name.as_os_str().as_bytes(),
            launcher,
            policy,
            identity,
            &witness(tree, compilers, &[identity]),
        )
    })
    .map_err(|source| WrapError::Image(compiler.name.clone(), source))?;
    let keep = if is_moved(compiler) {
        Keep::Move
    } else {
        Keep::Aside {
            alias_target: alias_target(tree, compilers, real),
        }
    };
    Ok(Want {
        name: compiler.name.as_os_str().to_owned(),
        image,
        stand_in: Some(trampoline().to_vec()),
        keep,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: Time {
            sec: metadata.mtime(),
            nsec: metadata.mtime_nsec().unsigned_abs() as u32,
        },
    })
}

/// Encodes the files whose state the shim compares, in a fixed order, so that the same compiler results
/// in the same bytes.
fn witness(tree: &Tree, compilers: &[Compiler], identities: &[&Identity]) -> Vec<u8> {
    let mut witnesses: Vec<_> = identities
        .iter()
        .flat_map(|identity| identity.witness(&tree.bin))
        .collect();
    for witness in &mut witnesses {
        // The install will move this executable to an alias.
        let path = tree.bin.join(&witness.path);
        let moved = compilers
            .iter()
            .find(|other| is_moved(other) && other.real == path);
        if let Some(moved) = moved.filter(|_| witness.role == Role::Compiler) {
            witness.path = moved.name.alias().into();
        }
    }
    witnesses.sort_by(|a, b| a.path.cmp(&b.path));
    witnesses.dedup_by(|a, b| a.path == b.path);
    // Opening a directory costs as much as two `stat` calls. A file that is the only one in its directory
    // is therefore addressed from the compiler's directory.
    let mut lying_in = HashMap::<_, usize>::new();
    for witness in &witnesses {
        *lying_in.entry(witness.path.parent()).or_default() += 1;
    }
    // A path that was opened cannot contain NUL.
    let string = |bytes: &[u8]| CString::new(bytes).unwrap_or_default();
    let place = |path: &Path| {
        let bytes = path.as_os_str().as_bytes();
        let is_alone = lying_in[&path.parent()] == 1;
        let dir = if is_alone {
            0
        } else {
            bytes.len() - base_name(bytes).len()
        };
        (string(&bytes[..dir]), string(&bytes[dir..]))
    };
    let places: Vec<_> = witnesses
        .iter()
        .map(|witness| place(&witness.path))
        .collect();
    let baked = witnesses
        .iter()
        .zip(&places)
        .map(|(witness, (dir, name))| Witness {
            kind: if witness.ino == 0 {
                WitnessKind::Absent
            } else if tree.bin.join(&witness.path).is_dir() {
                WitnessKind::Directory
            } else {
                WitnessKind::File
            },
            dir,
            name,
            ino: witness.ino,
            size: witness.size,
            mtime: witness.mtime.sec.cast_unsigned(),
            mtime_nsec: u64::from(witness.mtime.nsec),
        });
    shim_image::encode_witnesses(&baked.collect::<Vec<_>>())
}

/// The target of an alias to `real`: relative within the tree, so that in a copy of the tree it leads to
/// the copy's compiler, and absolute outside it.
fn alias_target(tree: &Tree, compilers: &[Compiler], real: &Path) -> OsString {
    // The executable may itself be a wrapped name, and is then at that name's alias.
    if let Some(moved) = compilers
        .iter()
        .find(|other| is_moved(other) && other.real == real)
    {
        return moved.name.alias();
    }
    let root = tree
        .root
        .canonicalize()
        .unwrap_or_else(|_| tree.root.clone());
    if !real.starts_with(&root) || !tree.bin.starts_with(&root) {
        return real.as_os_str().to_owned();
    }
    relative(&tree.bin, real).into_os_string()
}

fn warnings(launcher: Option<&Launcher>, hipcc: Option<&Hipcc>) -> Vec<String> {
    let mut warnings = launcher.map(Launcher::warnings).unwrap_or_default();
    if launcher.is_some_and(|launcher| launcher.kind == LauncherKind::Other) {
        warnings.push(
            "this launcher is neither sccache nor ccache: it is handed the same compiles, and \
             whether it gets them right is not known"
                .to_owned(),
        );
    }
    if launcher::passes_shims_by() && hipcc.is_some_and(|hipcc| hipcc.knows_launcher) {
        warnings.push(
            "this hipcc obeys HIP_CLANG_LAUNCHER itself, and it is set: hipcc's compiles reach the \
             launcher without a shim; unset it to have them go through rock-wrap"
                .to_owned(),
        );
    }
    warnings
}
