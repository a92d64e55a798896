//! A build's session: bringing its compiler calls to rock-wrap, and leaving everything as it was.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::change::{Change, installed_launcher, prepare, restore_plan};
use super::{Messages, OperationError};
use crate::attach::shadow::Shadow;
use crate::attach::{Attach, AttachError, Facts, Variables, Way, choose, file};
use crate::install::shims::{self, Policy};
use crate::install::{Bin, Keeper, Outcome, Share};
use crate::launcher::{HIP_CLANG_LAUNCHER, Launcher};
use crate::rocm::{Asked, Name, Tree};
use crate::session::guard::Guard;
use crate::support::error_chain::chain;
use crate::support::paths;
use crate::support::signals::Signals;

/// CMake's own, which it reads when a build directory is configured for the first time.
const HOST_LAUNCHERS: [&str; 2] = ["CMAKE_C_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER"];

/// What a session is to be.
pub struct Request<'a> {
    /// The ROCm tree, where one was named.
    pub rocm_path: Option<&'a Path>,
    /// The compilers, where some were named.
    pub compilers: &'a [Asked],
    /// How their calls are to come to rock-wrap.
    pub attach: Attach,
    /// How the launcher is used.
    pub policy: Policy,
    /// Whether CMake's host compilers are launched too.
    pub host: bool,
}

/// A tree whose compiler calls come to rock-wrap for as long as a build runs.
pub struct Attached {
    tree: Tree,
    way: Way,
    part: Part,
    guard: Guard,
    variables: Variables,
}

/// What there is to be given back at the end.
enum Part {
    /// Nothing: the tree was wrapped before, and stays so; or nothing of it was touched.
    None,
    /// A part in a wrapped tree.
    Tree(Bin, Share),
    /// A part in a shadow.
    Shadow(Shadow),
}

/// Attaches as asked, and says how.
///
/// # Errors
/// There is no such tree, it cannot be wrapped, or what is needed beside it cannot be made.
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
        Facts {
            wrapped: observed.names.iter().any(|known| known.at.is_shim()),
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
            outside
                .warnings
                .iter()
                .for_each(|text| messages.warning(text));
            let cache = paths::cache_dir().ok_or(AttachError::NoPlace)?;
            let shadow = Shadow::enter(&tree.bin, &outside.shims, &cache)?;
            variables.extend(shadow.variables(&tree.bin));
            variables.push((HIP_CLANG_LAUNCHER, None));
            guarded(&tree, Part::Shadow(shadow))?
        }
        Way::Launcher => {
            let outside = shims()?;
            outside
                .warnings
                .iter()
                .for_each(|text| messages.warning(text));
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

/// CMake's variables for host compilers, as far as the user has not set them.
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
    // What has just been wrapped looks otherwise now.
    let observed = Bin::open(&tree.bin)?.observe()?;
    // It knows the state of what lies in the tree, and hands on the rest as it is.
    let outside = shims::outside(tree, &observed, &tree.names, launcher, request.policy)?;
    let path = place(&outside.launcher)?;
    let set = |name| (name, Some(path.clone().into()));
    Ok(missing.into_iter().map(set).collect())
}

fn place(image: &[u8]) -> Result<PathBuf, AttachError> {
    file::place(image, &paths::cache_dir().ok_or(AttachError::NoPlace)?)
}

/// Has shims stand in the compilers' own place; those that somebody has installed are used as they
/// are, and those of other sessions shared with them.
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
    let is_wrapped = |name: &Name| {
        let known = observed.name(name.as_os_str());
        known.is_some_and(|known| known.at.is_shim())
    };
    let wrapped = observed.names.iter().any(|known| known.at.is_shim());
    let keeper = locked.keeper()?;
    if wrapped && keeper != Keeper::Abandoned {
        // Were more names wrapped for this build, none of them could be told from the others
        // afterwards.
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
        // Who cannot restore is no help in the end: the other sessions will, and a build that is
        // left without shims is only slower.
        if keeper == Keeper::Nobody || !is_writable(&tree.bin) {
            messages.note(&format!(
                "{} is wrapped already and stays so",
                tree.bin.display()
            ));
            return guarded(tree, Part::None);
        }
        let share = locked.join()?;
        drop(change);
        return guarded(tree, Part::Tree(bin, share));
    }
    // The shims know the launcher. In the environment it would have a new hipcc put the launcher in
    // front of the shim as well.
    variables.push((HIP_CLANG_LAUNCHER, None));
    let wrap = || -> Result<_, OperationError> {
        let prepared = prepare(tree, &bin, Some(launcher.clone()), request.policy)?;
        // On disk from here on: a session's file. Without a shim it means nothing.
        let share = locked.join()?;
        // Before the first shim: who is killed among them leaves none either.
        let guard = guard_of_tree(tree, &share)?;
        let outcome = match change.apply(&prepared.plan, signals) {
            Ok(outcome) => outcome,
            Err(error) => {
                guard.dismiss();
                return Err(error);
            }
        };
        let warnings = prepared.survey.warnings.iter().chain(&outcome.warnings);
        warnings.for_each(|text| messages.warning(text));
        Ok((share, guard))
    };
    let (share, guard) = wrap().inspect_err(|_| {
        // Shims that still stand, an abandoned session's among them, must not count as installed for
        // good: the next session takes them over, and restores.
        let observed = bin.observe();
        let stands = observed.map_or(true, |observed| {
            observed.names.iter().any(|known| known.at.is_shim())
        });
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

/// Starts the process that gives `part` back should this one be killed.
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

    /// How it is attached.
    pub fn way(&self) -> Way {
        self.way
    }

    /// What changes in the build's environment.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The process that detaches should this one be killed.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Leaves everything as it was before, unless other sessions still need it.
    ///
    /// # Errors
    /// What was attached cannot be taken away; says what is left.
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
) -> Result<Outcome, OperationError> {
    change.apply(&restore_plan(tree, bin)?, signals)
}

/// Ends a session's part in a wrapped tree; restores it if it was the last. A signal does not stop
/// it: it takes milliseconds, and nobody wants half of it.
///
/// # Errors
/// The directory cannot be locked, or the restore failed.
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
            // It was taken back: the tree is wrapped again.
            Err(error) if error.signal().is_some() => signals.forwarded(),
            outcome => break outcome?,
        }
    };
    // On disk: the originals, and the session's file. Without shims that means nothing.
    if let Err(error) = locked.forget() {
        messages.warning(&chain(&error));
    }
    outcome
        .notable()
        .iter()
        .for_each(|text| messages.warning(text));
    Ok(())
}

fn is_writable(dir: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(dir, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.as_bytes().is_empty())
}
