//! The first and the last thing that `rock-wrap run` does: bringing the build's compiler calls to
//! rock-wrap, and leaving everything as it was.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::install::{self, installed};
use super::{CliError, RunArgs, output, restore};
use crate::attach::shadow::Shadow;
use crate::attach::{AttachError, Facts, Variables, Way, choose, file};
use crate::install::shims;
use crate::install::{Bin, Goal, Keeper, Share};
use crate::launcher::{HIP_CLANG_LAUNCHER, Launcher};
use crate::rocm::{Name, Tree};
use crate::session::guard::Guard;
use crate::support::paths;
use crate::support::signals::Signals;

/// CMake's own, which it reads when a build directory is configured for the first time.
const HOST_LAUNCHERS: [&str; 2] = ["CMAKE_C_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER"];

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
pub fn attach(
    args: &RunArgs,
    launcher: &Launcher,
    signals: &Signals,
) -> Result<Attached, CliError> {
    let tree = Tree::find(args.tree.rocm_path.as_deref(), &args.wrap.compilers)?;
    let names = &tree.names;
    let bin = Bin::open(&tree.bin)?;
    let observed = bin.observe(&Goal::Restore)?;
    let (way, why) = choose(
        args.attach,
        Facts {
            wrapped: observed.names.iter().any(|known| known.at.is_shim()),
            hipcc: tree.hipcc.as_ref(),
            writable: is_writable(&tree.bin),
        },
    );
    let shims = || shims::outside(&tree, &observed, names, launcher, args.wrap.policy());
    let mut variables = Variables::new();
    let (part, guard) = match way {
        Way::InPlace => in_place(args, &tree, bin, launcher, signals, &mut variables)?,
        Way::Shadow => {
            let outside = shims()?;
            outside.warnings.iter().for_each(output::warning);
            let cache = paths::cache_dir().ok_or(AttachError::NoPlace)?;
            let shadow = Shadow::enter(&tree.bin, &outside.shims, &cache)?;
            variables.extend(shadow.variables(&tree.bin));
            variables.push((HIP_CLANG_LAUNCHER, None));
            guarded(&tree, Part::Shadow(shadow))?
        }
        Way::Launcher => {
            let outside = shims()?;
            outside.warnings.iter().for_each(output::warning);
            let path = place(&outside.launcher)?;
            variables.push((HIP_CLANG_LAUNCHER, Some(path.clone().into())));
            if !is_set("CMAKE_HIP_COMPILER_LAUNCHER") {
                variables.push(("CMAKE_HIP_COMPILER_LAUNCHER", Some(path.into())));
            }
            guarded(&tree, Part::None)?
        }
    };
    if !args.no_host {
        match host_launchers(args, &tree, launcher) {
            Ok(set) => variables.extend(set),
            Err(error) => output::warning(format_args!(
                "host compilers are not cached: {}",
                output::chain(&error)
            )),
        }
    }
    if let Some(text) = tree.misses_hipcc() {
        output::warning(text);
    }
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    output::note(format_args!(
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
fn host_launchers(args: &RunArgs, tree: &Tree, launcher: &Launcher) -> Result<Variables, CliError> {
    let missing = HOST_LAUNCHERS.into_iter().filter(|name| !is_set(name));
    let missing: Vec<_> = missing.collect();
    if missing.is_empty() {
        return Ok(Variables::new());
    }
    // What has just been wrapped looks otherwise now.
    let observed = Bin::open(&tree.bin)?.observe(&Goal::Restore)?;
    // It knows the state of what lies in the tree, and hands on the rest as it is.
    let outside = shims::outside(tree, &observed, &tree.names, launcher, args.wrap.policy())?;
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
    args: &RunArgs,
    tree: &Tree,
    bin: Bin,
    launcher: &Launcher,
    signals: &Signals,
    variables: &mut Variables,
) -> Result<(Part, Guard), CliError> {
    let names = &tree.names;
    let locked = install::lock(&bin, Some(signals))?;
    let observed = bin.observe(&Goal::Restore)?;
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
        if let Some(name) = missing.filter(|_| !args.wrap.compilers.is_empty()) {
            return Err(CliError::OtherNames {
                dir: tree.bin.clone(),
                name: name.clone(),
            });
        }
        let (theirs, _) = installed(&bin)?;
        if theirs.is_some_and(|theirs| theirs.path == launcher.path) {
            variables.push((HIP_CLANG_LAUNCHER, None));
        } else {
            variables.push((HIP_CLANG_LAUNCHER, Some(launcher.path.clone().into())));
        }
        // Who cannot restore is no help in the end: the other sessions will, and a build that is
        // left without shims is only slower.
        if keeper == Keeper::Nobody || !is_writable(&tree.bin) {
            output::note(format_args!(
                "{} is wrapped already and stays so",
                tree.bin.display()
            ));
            return guarded(tree, Part::None);
        }
        let share = locked.join()?;
        drop(locked);
        return guarded(tree, Part::Tree(bin, share));
    }
    // The shims know the launcher. In the environment it would have a new hipcc put the launcher in
    // front of the shim as well.
    variables.push((HIP_CLANG_LAUNCHER, None));
    let wrap = || -> Result<_, CliError> {
        let (survey, plan) =
            install::prepare(tree, &bin, names, Some(launcher), args.wrap.policy())?;
        // On disk from here on: a session's file. Without a shim it means nothing.
        let share = locked.join()?;
        // Before the first shim: who is killed among them leaves none either.
        let guard = guard_of_tree(tree, &share)?;
        let outcome = match install::apply("install", &locked, &plan, signals) {
            Ok(outcome) => outcome,
            Err(error) => {
                guard.dismiss();
                return Err(error);
            }
        };
        let warnings = survey.warnings.iter().chain(&outcome.warnings);
        warnings.for_each(output::warning);
        Ok((share, guard))
    };
    let (share, guard) = wrap().inspect_err(|_| {
        // Shims that still stand, an abandoned session's among them, must not count as installed for
        // good: the next session takes them over, and restores.
        let observed = bin.observe(&Goal::Restore);
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
    drop(locked);
    Ok((Part::Tree(bin, share), guard))
}

/// Starts the process that gives `part` back should this one be killed.
fn guarded(tree: &Tree, part: Part) -> Result<(Part, Guard), CliError> {
    let guard = match &part {
        Part::None => Guard::start(&["guard".into()], None).map_err(CliError::Guard)?,
        Part::Tree(_, share) => guard_of_tree(tree, share)?,
        Part::Shadow(shadow) => {
            let args = ["guard".into(), "--shadow".into(), shadow.root().into()];
            let part = shadow.try_clone();
            let guard = part.and_then(|part| Guard::start(&args, Some(part)));
            guard.map_err(CliError::Guard)?
        }
    };
    Ok((part, guard))
}

fn guard_of_tree(tree: &Tree, share: &Share) -> Result<Guard, CliError> {
    let args = ["guard".into(), "--tree".into(), tree.root.as_path().into()];
    let part = share.try_clone();
    let guard = part.and_then(|part| Guard::start(&args, Some(part)));
    guard.map_err(CliError::Guard)
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
    pub fn detach(self, signals: &Signals) -> Result<(), CliError> {
        match self.part {
            Part::None => {}
            Part::Tree(bin, share) => leave_tree(&self.tree, &bin, &share, signals)?,
            Part::Shadow(shadow) => shadow.leave()?,
        }
        self.guard.dismiss();
        Ok(())
    }
}

/// Ends a session's part in a wrapped tree; restores it if it was the last. A signal does not stop
/// it: it takes milliseconds, and nobody wants half of it.
pub fn leave_tree(
    tree: &Tree,
    bin: &Bin,
    share: &Share,
    signals: &Signals,
) -> Result<(), CliError> {
    let locked = install::lock(bin, None)?;
    if !locked.is_last(share)? {
        return Ok(());
    }
    let outcome = loop {
        match restore::restore(tree, bin, &locked, signals) {
            // It was taken back: the tree is wrapped again.
            Err(error) if error.signal().is_some() => signals.forwarded(),
            outcome => break outcome?,
        }
    };
    // On disk: the originals, and the session's file. Without shims that means nothing.
    if let Err(error) = locked.forget() {
        output::warning(output::chain(&error));
    }
    restore::tell(&outcome);
    Ok(())
}

fn is_writable(dir: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(dir, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.as_bytes().is_empty())
}
