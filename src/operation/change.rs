//! Changes the files at the compilers' names: install and restore.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use super::{Messages, OperationError};
use crate::install::per_arch::PerArch;
use crate::install::shims::{self, Policy, ShimSurvey};
use crate::install::{
    Applied, Bin, Entry, Error, Goal, Keeper, Locked, Observed, Plan, PlanError, ProcDrain,
};
use crate::launcher::Launcher;
use crate::rocm::Tree;
use crate::shim_image;
use crate::support::signals::Signals;

/// How long to wait for another install or restore. The work takes milliseconds, but the other
/// process may itself wait as long as [`DRAIN_LIMIT`].
const LOCK_LIMIT: Duration = Duration::from_secs(60);

/// How long to wait for running compiles that still need the real compiler's alias.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// A planned install.
#[derive(Debug)]
pub struct Prepared {
    /// The compilers, and warnings about them.
    pub survey: ShimSurvey,
    /// The steps of the install.
    pub plan: Plan,
    /// The launcher that is written into the shims.
    pub launcher: Option<Launcher>,
}

/// Plans an install from one observation of the directory. If no launcher is named, the existing
/// shims' launcher is kept, and `policy` is merged into theirs.
///
/// # Errors
/// If the tree cannot be wrapped, or the directory's state does not allow it.
pub fn prepare(
    tree: &Tree,
    bin: &Bin,
    observed: Observed,
    named: Option<Launcher>,
    policy: Policy,
) -> Result<Prepared, OperationError> {
    let (launcher, policy) = match named {
        Some(launcher) => (Some(launcher), policy),
        None => {
            let (launcher, kept) = installed_launcher(&observed)?;
            let policy = Policy {
                per_arch: policy.per_arch,
                strict: kept.strict || policy.strict,
                exact: kept.exact || policy.exact,
            };
            (launcher, policy)
        }
    };
    let survey = shims::survey(tree, &observed, &tree.names, launcher.as_ref(), policy)?;
    let plan = plan(tree, bin, observed, &survey.goal)?;
    Ok(Prepared {
        survey,
        plan,
        launcher,
    })
}

/// Plans a restore.
///
/// # Errors
/// If the directory cannot be inspected, or its state does not allow it.
pub fn restore_plan(tree: &Tree, bin: &Bin) -> Result<Plan, OperationError> {
    let observed = bin.observe()?;
    plan(tree, bin, observed, &Goal::Restore)
}

fn plan(tree: &Tree, bin: &Bin, observed: Observed, goal: &Goal) -> Result<Plan, OperationError> {
    bin.plan(observed, goal).map_err(|error| match error {
        PlanError::Look(error) => error.into(),
        PlanError::Refused(refusal) => OperationError::Refused {
            dir: tree.bin.clone(),
            refusal,
        },
    })
}

/// The launcher and policy of the existing shims.
///
/// # Errors
/// If that launcher no longer works.
pub fn installed_launcher(
    observed: &Observed,
) -> Result<(Option<Launcher>, Policy), OperationError> {
    let shims = observed.names.iter().filter_map(|known| match &known.at {
        Entry::Shim { image, .. } => shim_image::read(image)?.ok(),
        _ => None,
    });
    let Some(config) = shims.into_iter().find(|config| !config.launcher.is_empty()) else {
        return Ok((None, Policy::default()));
    };
    let launcher = Launcher::find(OsStr::from_bytes(config.launcher))?;
    let policy = Policy {
        per_arch: PerArch::of(&config),
        strict: config.strict,
        exact: config.exact,
    };
    Ok((Some(launcher), policy))
}

/// A warning if the shims were installed by another version of rock-wrap, which makes other
/// decisions and keys than this one.
pub fn other_version(observed: &Observed) -> Option<String> {
    observed.names.iter().find_map(|known| {
        let Entry::Shim { image, .. } = &known.at else {
            return None;
        };
        let writer = shim_image::read(image)?.ok()?.writer;
        let by = match String::from_utf8_lossy(writer) {
            writer if writer != env!("CARGO_PKG_VERSION") => format!("rock-wrap {writer}"),
            _ if known.has_stand_in() => return None,
            _ => "an older rock-wrap".to_owned(),
        };
        Some(format!(
            "the shims there were installed by {by}; run `rock-wrap install` to upgrade them"
        ))
    })
}

/// A locked directory, to which plans can be applied.
pub struct Change<'a> {
    what: &'static str,
    locked: Locked<'a>,
}

impl<'a> Change<'a> {
    /// Locks the directory for `what`. Reports once who holds the lock if it has to wait. An
    /// arriving signal ends the wait.
    ///
    /// # Errors
    /// If another process holds the lock for too long, the directory cannot be locked, or a signal
    /// arrived.
    pub fn begin(
        what: &'static str,
        bin: &'a Bin,
        signals: Option<&Signals>,
        messages: &dyn Messages,
    ) -> Result<Self, OperationError> {
        /// How long a signal may go unnoticed.
        const SLICE: Duration = Duration::from_millis(100);
        let start = Instant::now();
        let mut told = false;
        let mut tell = |pid: Option<u32>| {
            match pid {
                _ if told => {}
                Some(pid) => messages.note(&format!(
                    "waiting for process {pid}, which changes the tree"
                )),
                None => messages.note("waiting for another process that changes the tree"),
            }
            told = true;
        };
        loop {
            match bin.lock(SLICE, &mut tell) {
                Err(Error::Locked { .. }) if start.elapsed() < LOCK_LIMIT => {}
                locked => {
                    return Ok(Self {
                        what,
                        locked: locked?,
                    });
                }
            }
            if let Some(signal) = signals.and_then(Signals::pending) {
                return Err(OperationError::Interrupted(signal));
            }
        }
    }

    /// The locked directory.
    pub fn locked(&self) -> &Locked<'a> {
        &self.locked
    }

    /// Applies a plan; a signal rolls it back.
    ///
    /// # Errors
    /// If a step failed. The error describes the directory's resulting state.
    pub fn apply(&self, plan: &Plan, signals: &Signals) -> Result<Applied, OperationError> {
        tracing::debug!("plan:\n{plan}");
        let drain = ProcDrain { limit: DRAIN_LIMIT };
        self.locked
            .apply(plan, &|| signals.pending(), &drain)
            .map_err(|failure| OperationError::Failed {
                what: self.what,
                failure,
            })
    }

    /// Applies a plan and, if that succeeds, ends the claims of any sessions that wrapped the tree.
    /// After a failure the tree is as before, and those sessions still have to restore it.
    ///
    /// # Errors
    /// As [`apply`](Self::apply); or if the plan succeeded but the sessions' file could not be
    /// removed.
    pub fn apply_for_good(
        &self,
        plan: &Plan,
        signals: &Signals,
    ) -> Result<Applied, OperationError> {
        let keeper = self.locked.keeper()?;
        let outcome = self.apply(plan, signals)?;
        match keeper {
            Keeper::Nobody => {}
            Keeper::Abandoned | Keeper::Sessions => {
                let what = self.what;
                let forgotten = self.locked.forget();
                forgotten.map_err(|source| OperationError::StillShared { what, source })?;
            }
        }
        Ok(outcome)
    }
}
