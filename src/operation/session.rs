//! Runs a build's session: makes its compiler calls reach rock-wrap, and later restores everything.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::change::{Change, installed_launcher, other_version, prepare, restore_plan};
use super::{Messages, OperationError};
use crate::attach::shadow::Shadow;
use crate::attach::{Attach, AttachError, AttachFacts, Variables, Way, choose, file};
use crate::install::shims::{self, Policy};
use crate::install::{Applied, Bin, Keeper, Share};
use crate::launcher::{HIP_CLANG_LAUNCHER, Launcher};
use crate::rocm::{CompilerName, NamedCompiler, Tree};
use crate::session::guard::Guard;
use crate::support::error_chain::chain;
use crate::support::paths;
use crate::support::signals::Signals;

/// CMake reads these variables when it configures a build directory for the first time.
const HOST_LAUNCHERS: [&str; 2] = ["CMAKE_C_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER"];

/// The options of a session.
pub struct Request<'a> {
    /// The ROCm tree, if named.
    pub rocm_path: Option<&'a Path>,
    /// The compilers, if named.
    pub compilers: &'a [NamedCompiler],
    /// How their calls should reach rock-wrap.
    pub attach: Attach,
    /// How the launcher is used.
    pub policy: Policy,
    /// Whether CMake's host compilers use the launcher too.
    pub host: bool,
}

/// A tree whose compiler calls reach rock-wrap while a build runs.
pub struct Attached {
    tree: Tree,
    way: Way,
    part: Part,
    guard: Guard,
    variables: Variables,
}

/// What the session gives up when it ends.
enum Part {
    /// Nothing: the tree was wrapped before and stays so, or it was not touched.
    None,
    /// A share of a wrapped tree.
    Tree(Bin, Share),
    /// A share of a shadow.
    Shadow(Shadow),
}

/// Attaches as requested, and reports how.
///
/// # Errors
/// If there is no such tree, it cannot be wrapped, or a file outside it cannot be created.
pub fn attach(
    request: &Request<'_>,
    launcher: &Launcher,
    signals: &Signals,
    messages: &dyn Messages,
) -> Result<Attached, OperationError> {
    let tree = Tree::find(request.rocm_path, request.compilers)?;
    let names = &tree.names;
    let bin = Bin::open(&tree.bin)?;
    let observed = bin.observe()?;
    let (way, why) = choose(
        request.attach,
        AttachFacts {
            wrapped: observed.has_shims(),
            hipcc: tree.hipcc.as_ref(),
            writable: is_writable(&tree.bin),
        },
    );
    let shims = || shims::outside(&tree, &observed, names, launcher, request.policy);
    let mut variables = Variables::new();
    let (part, guard) = match way {
        Way::InPlace => in_place(
            request,
            &tree,
            bin,
            launcher,
            signals,
            messages,
            &mut variables,
        )?,
        Way::Shadow => {
            let outside = shims()?;
            messages.warnings(&outside.warnings);
            let cache = paths::cache_dir().ok_or(AttachError::NoPlace)?;
            let shadow = Shadow::enter(&tree.bin, &outside.shims, &cache)?;
            variables.extend(shadow.variables(&tree.bin));
            variables.push((HIP_CLANG_LAUNCHER, None));
            guarded(&tree, Part::Shadow(shadow))?
        }
        Way::Launcher => {
            let outside = shims()?;
            messages.warnings(&outside.warnings);
            let path = place(&outside.launcher)?;
            variables.push((HIP_CLANG_LAUNCHER, Some(path.clone().into())));
            if !is_set("CMAKE_HIP_COMPILER_LAUNCHER") {
                variables.push(("CMAKE_HIP_COMPILER_LAUNCHER", Some(path.into())));
            }
            guarded(&tree, Part::None)?
        }
    };
    if request.host {
        match host_launchers(request, &tree, launcher) {
            Ok(set) => variables.extend(set),
            Err(error) => {
                messages.warning(&format!("host compilers are not cached: {}", chain(&error)))
            }
        }
    }
    if let Some(text) = tree.misses_hipcc() {
        messages.warning(&text);
    }
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    messages.note(&format!(
        "{} with {launcher}, attached {}{why}",
        tree.bin.display(),
        way.as_str()
    ));
    Ok(Attached {
        tree,
        way,
        part,
        guard,
        variables,
    })
}

/// CMake's launcher variables for host compilers, except those that the user has set.
fn host_launchers(
    request: &Request<'_>,
    tree: &Tree,
    launcher: &Launcher,
) -> Result<Variables, OperationError> {
    let missing = HOST_LAUNCHERS.into_iter().filter(|name| !is_set(name));
    let missing: Vec<_> = missing.collect();
    if missing.is_empty() {
        return Ok(Variables::new());
    }
    // Observe again: the tree may have just been wrapped.
    let observed = Bin::open(&tree.bin)?.observe()?;
    // The launcher file checks the state of compilers in the tree, and passes calls of all other
    // compilers on.
    let outside = shims::outside(tree, &observed, &tree.names, launcher, request.policy)?;
    let path = place(&outside.launcher)?;
    let set = |name| (name, Some(path.clone().into()));
    Ok(missing.into_iter().map(set).collect())
}

fn place(image: &[u8]) -> Result<PathBuf, AttachError> {
    file::place(image, &paths::cache_dir().ok_or(AttachError::NoPlace)?)
}

/// Puts shims in the compilers' place. Permanently installed shims are used as they are; shims of
/// other sessions are shared.
fn in_place(
    request: &Request<'_>,
    tree: &Tree,
    bin: Bin,
    launcher: &Launcher,
    signals: &Signals,
    messages: &dyn Messages,
    variables: &mut Variables,
) -> Result<(Part, Guard), OperationError> {
    let names = &tree.names;
    let change = Change::begin("install", &bin, Some(signals), messages)?;
    let locked = change.locked();
    let observed = bin.observe()?;
    let is_wrapped = |name: &CompilerName| {
        let known = observed.name(name.as_os_str());
        known.is_some_and(|known| known.at.is_shim())
    };
    let wrapped = observed.has_shims();
    let keeper = locked.keeper()?;
    if wrapped && keeper != Keeper::Abandoned {
        // Do not wrap further names for this build: afterwards nothing would tell them from the names
        // that were wrapped before.
        let missing = names.iter().find(|name| !is_wrapped(name));
        if let Some(name) = missing.filter(|_| !request.compilers.is_empty()) {
            return Err(OperationError::OtherNames {
                dir: tree.bin.clone(),
                name: name.clone(),
            });
        }
        let (theirs, _) = installed_launcher(&observed)?;
        if theirs.is_some_and(|theirs| theirs.path == launcher.path) {
            variables.push((HIP_CLANG_LAUNCHER, None));
        } else {
            variables.push((HIP_CLANG_LAUNCHER, Some(launcher.path.clone().into())));
        }
        // Without write access this session could not restore, so it does not join. The other
        // sessions will restore, and a build that loses the shims only becomes slower.
        if keeper == Keeper::Nobody || !is_writable(&tree.bin) {
            messages.note(&format!(
                "{} is wrapped already and stays so",
                tree.bin.display()
            ));
            if let Some(warning) = other_version(&observed) {
                messages.warning(&warning);
            }
            return guarded(tree, Part::None);
        }
        let share = locked.join()?;
        drop(change);
        return guarded(tree, Part::Tree(bin, share));
    }
    // The shims contain the launcher. If the variable were set too, a recent hipcc would put the
    // launcher in front of the shim.
    variables.push((HIP_CLANG_LAUNCHER, None));
    let wrap = || -> Result<_, OperationError> {
        let prepared = prepare(tree, &bin, observed, Some(launcher.clone()), request.policy)?;
        // From here on the session's file is on disk. Without a shim it has no effect.
        let share = locked.join()?;
        // Start the guard before the first shim, so that shims are removed if we are killed while
        // they are written.
        let guard = guard_of_tree(tree, &share)?;
        let outcome = match change.apply(&prepared.plan, signals) {
            Ok(outcome) => outcome,
            Err(error) => {
                guard.dismiss();
                return Err(error);
            }
        };
        messages.warnings(&prepared.survey.warnings);
        messages.warnings(&outcome.warnings);
        Ok((share, guard))
    };
    let (share, guard) = wrap().inspect_err(|_| {
        // Remaining shims, even those of an abandoned session, must not count as installed
        // permanently. The next session takes them over and restores.
        let observed = bin.observe();
        let stands = observed.map_or(true, |observed| observed.has_shims());
        if stands {
            return;
        }
        if let Err(error) = locked.forget() {
            tracing::debug!(%error, "the session's file stays");
        }
    })?;
    drop(change);
    Ok((Part::Tree(bin, share), guard))
}

/// Starts the guard process, which gives up `part` if this process is killed.
fn guarded(tree: &Tree, part: Part) -> Result<(Part, Guard), OperationError> {
    let guard = match &part {
        Part::None => Guard::start(&["guard".into()], None).map_err(OperationError::Guard)?,
        Part::Tree(_, share) => guard_of_tree(tree, share)?,
        Part::Shadow(shadow) => {
            let args = ["guard".into(), "--shadow".into(), shadow.root().into()];
            let part = shadow.try_clone();
            let guard = part.and_then(|part| Guard::start(&args, Some(part)));
            guard.map_err(OperationError::Guard)?
        }
    };
    Ok((part, guard))
}

fn guard_of_tree(tree: &Tree, share: &Share) -> Result<Guard, OperationError> {
    let args = ["guard".into(), "--tree".into(), tree.root.as_path().into()];
    let part = share.try_clone();
    let guard = part.and_then(|part| Guard::start(&args, Some(part)));
    guard.map_err(OperationError::Guard)
}

impl Attached {
    /// The directory of the tree's compilers.
    pub fn bin(&self) -> &Path {
        &self.tree.bin
    }

    /// The tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// How the tree's compiler calls reach rock-wrap.
    pub fn way(&self) -> Way {
        self.way
    }

    /// The changes to the build's environment.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The process that detaches if this one is killed.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Restores the previous state, unless other sessions still need the current one.
    ///
    /// # Errors
    /// If the state cannot be restored. The error lists what remains.
    pub fn detach(self, signals: &Signals, messages: &dyn Messages) -> Result<(), OperationError> {
        match self.part {
            Part::None => {}
            Part::Tree(bin, share) => leave_tree(&self.tree, &bin, &share, signals, messages)?,
            Part::Shadow(shadow) => shadow.leave()?,
        }
        self.guard.dismiss();
        Ok(())
    }
}

fn restore(
    tree: &Tree,
    bin: &Bin,
    change: &Change<'_>,
    signals: &Signals,
) -> Result<Applied, OperationError> {
    change.apply(&restore_plan(tree, bin)?, signals)
}

/// Gives up a session's share of a wrapped tree, and restores the tree if that share was the last.
/// Signals do not interrupt this: it takes milliseconds, and half of it would be useless.
///
/// # Errors
/// If the directory cannot be locked, or the restore failed.
pub fn leave_tree(
    tree: &Tree,
    bin: &Bin,
    share: &Share,
    signals: &Signals,
    messages: &dyn Messages,
) -> Result<(), OperationError> {
    let change = Change::begin("restore", bin, None, messages)?;
    let locked = change.locked();
    if !locked.is_last(share)? {
        return Ok(());
    }
    let outcome = loop {
        match restore(tree, bin, &change, signals) {
            // The restore was rolled back: the tree is wrapped again, so try again.
            Err(error) if error.signal().is_some() => signals.forwarded(),
            outcome => break outcome?,
        }
    };
    // On disk are the originals and the session's file, which has no effect without shims.
    if let Err(error) = locked.forget() {
        messages.warning(&chain(&error));
    }
    messages.warnings(&outcome.notable());
    Ok(())
}

fn is_writable(dir: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(dir, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.as_bytes().is_empty())
}
