//! What is to stand where: from a tree and a launcher to the shims that are wanted.
//!
//! Owns: bringing together what [`rocm`](crate::rocm), [`launcher`](crate::launcher) and
//! [`image`](crate::shared::shim_config) know. Changes nothing: that is [`divert`](crate::install)'s.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::fingerprint::{Identity, IdentityError, Memo, Role};
use crate::install::{Entry, Goal, Keep, Kept, Observed, Time, Want};
use crate::launcher::{self, Launcher};
use crate::rocm::compiler::{CompilerError, Said};
use crate::rocm::{Compiler, Hipcc, Layout, Name, Tree};
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::paths::base_name;
use crate::shared::shim_config::{Config, Witness, WitnessKind};
use crate::shim_image;
use crate::support::paths::relative;
use crate::trampoline::trampoline;

/// How a launcher is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Whether its failure fails the compile.
    pub strict: bool,
    /// Whether its direct mode is turned off, in which it trusts a list of headers.
    pub exact: bool,
}

/// What was found, and the shims that follow from it.
#[derive(Debug)]
pub struct Survey {
    /// The compilers that get a shim, in the order in which they do.
    pub compilers: Vec<Compiler>,
    /// The tree's hipcc.
    pub hipcc: Option<Hipcc>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// What the installation engine is to do.
    pub goal: Goal,
}

/// A tree that cannot be wrapped as asked.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// A compiler is not one that can be wrapped.
    #[error(transparent)]
    Compiler(#[from] CompilerError),
    /// An interrupted operation, or somebody else, removed the name, and its original is kept.
    #[error("{0} is missing, but its original is kept")]
    Unfinished(PathBuf),
    /// ccache takes a `=` in a compiler's path for a setting of its own (4.14.2, `ccache.cpp`).
    #[error("{0}: ccache cannot be given a compiler whose path contains `=`")]
    EqualsSign(PathBuf),
    /// ccache takes a compiler with such a name for another ccache (4.14.2, `ccache.cpp`).
    #[error("{0}: ccache cannot be given a compiler whose name begins with `ccache`")]
    CcacheName(PathBuf),
    /// A launcher for all compilers knows one fingerprint.
    #[error("{0} and {1} are different compilers, and a launcher file serves only one")]
    TwoCompilers(PathBuf, PathBuf),
    /// What the compiler consists of cannot be told, and without that nothing may be cached.
    #[error("cannot take the compiler's fingerprint")]
    Identity(#[from] IdentityError),
    /// The real compiler's file cannot be looked at.
    #[error("cannot inspect {path}")]
    Look {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The launcher's path and the rest do not fit into a shim.
    #[error("cannot build the shim for {0}")]
    Image(Name, #[source] shim_image::TooLong),
}

/// Looks at `names`, and at whatever is wrapped already, and makes the shims for them.
///
/// # Errors
/// See [`WrapError`]. Nothing was changed.
pub fn survey(
    tree: &Tree,
    observed: &Observed,
    names: &[Name],
    launcher: Option<&Launcher>,
    policy: Policy,
) -> Result<Survey, WrapError> {
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
    Ok(Survey {
        compilers,
        hipcc,
        warnings,
        goal: Goal::Install(wants),
    })
}

/// Shims that stand outside of the tree and leave it as it is.
#[derive(Debug)]
pub struct Outside {
    /// A shim for each compiler, by its name.
    pub shims: Vec<(Name, Vec<u8>)>,
    /// One that is called as a launcher, for any of them.
    pub launcher: Vec<u8>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Makes shims for `names` that stand outside of the tree.
///
/// # Errors
/// See [`WrapError`]. Nothing was changed.
pub fn outside(
    tree: &Tree,
    observed: &Observed,
    names: &[Name],
    launcher: &Launcher,
    policy: Policy,
) -> Result<Outside, WrapError> {
    let (compilers, identities) = inspect_all(tree, observed, names)?;
    let dir = [tree.bin.as_os_str().as_bytes(), b"/"].concat();
    let image = |name: &Name, called: &[u8], identity: &Identity, watched: &[&Identity]| {
        shim_image::stamp(&Config {
            dir: &dir,
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
    // One for all, which is told one fingerprint and looks at every one's state. The names may be
    // hard links: several files as far as a path tells.
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

/// Identities by their executables.
type Identities = BTreeMap<PathBuf, Identity>;

/// Looks at the compilers, in the order in which they can be wrapped, and takes the fingerprint of
/// each executable.
fn inspect_all(
    tree: &Tree,
    observed: &Observed,
    names: &[Name],
) -> Result<(Vec<Compiler>, Identities), WrapError> {
    let memo = Memo::of_user();
    let mut identities = Identities::new();
    let mut compilers = names
        .iter()
        .map(|name| inspect(tree, observed, name, &memo, &mut identities))
        .collect::<Result<Vec<_>, _>>()?;
    // A name whose alias leads through another one's comes after it.
    compilers.sort_by_key(|compiler| !is_moved(compiler));
    for compiler in &compilers {
        if !identities.contains_key(&compiler.real) {
            let identity = Identity::take(&compiler.real, Some(&tree.root), &memo)?;
            identities.insert(compiler.real.clone(), identity);
        }
    }
    Ok((compilers, identities))
}

/// What is baked into a shim, whatever its place.
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
    }
}

/// What was asked for, and every other name that is wrapped: all have one launcher.
fn all_names(observed: &Observed, asked: &[Name]) -> Vec<Name> {
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
    name: &Name,
    memo: &Memo,
    identities: &mut Identities,
) -> Result<Compiler, WrapError> {
    let known = |file: &Path| {
        let root = Some(tree.root.as_path());
        let taken = identities.get(file).cloned();
        let identity = taken.or_else(|| Identity::remembered(file, root, memo));
        // What an identity is taken from tells this too. Of a file that leads to one that has been
        // taken, as a stub does, one question tells all that is new.
        let identity = match identity {
            None if identities.is_empty() => Identity::take(file, root, memo).ok()?,
            identity => identity?,
        };
        let said = Said {
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
    // Behind our own shim: the alias is the compiler, and what is kept tells how it was reached.
    let mut compiler = Compiler::inspect(name, &tree.bin.join(name.alias()), known)?;
    compiler.layout = match (there.original(), there.original_entry()) {
        (Some(Kept::Moved), _) => compiler.layout,
        (_, Some(Entry::File(_))) => Layout::Stub,
        _ => Layout::Symlink,
    };
    Ok(compiler)
}

/// Whether the name is the executable itself, which moves to the alias.
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

/// What the shim compares the state of, in a fixed order, so that the same compiler gives the same
/// bytes.
fn witness(tree: &Tree, compilers: &[Compiler], identities: &[&Identity]) -> Vec<u8> {
    let mut witnesses: Vec<_> = identities
        .iter()
        .flat_map(|identity| identity.witness(&tree.bin))
        .collect();
    for witness in &mut witnesses {
        // The executable is about to be moved to an alias.
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
    // To open a directory costs two looks: what lies alone in one is seen from the compiler's.
    let mut lying_in = HashMap::<_, usize>::new();
    for witness in &witnesses {
        *lying_in.entry(witness.path.parent()).or_default() += 1;
    }
    // A path that was opened has no NUL in it.
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

/// The text of an alias that leads to `real`: relative within the tree, so that a copy of the tree
/// leads to its own compiler; absolute out of it.
fn alias_target(tree: &Tree, compilers: &[Compiler], real: &Path) -> OsString {
    // The executable may itself be a name that is wrapped, and then stands at that one's alias.
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
