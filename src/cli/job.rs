//! Looks up what the commands for CI need to know of the job: its architectures, its launcher, its context.

use std::ffi::OsStr;

use super::CliError;
use crate::ci::{ArchSet, CiContext};
use crate::launcher::Launcher;
use crate::operation::OperationError;

/// Where PyTorch's build looks for the architectures, if --arch is not given.
const ARCHS: &str = "PYTORCH_ROCM_ARCH";

/// The architectures that the job builds for.
pub fn archs(list: Option<&str>) -> Result<ArchSet, CliError> {
    let list = match list {
        Some(list) => list.to_owned(),
        None => std::env::var(ARCHS).unwrap_or_default(),
    };
    Ok(ArchSet::parse(&list)?)
}

/// The launcher that `word` names, or else the one that hipcc would use, or one on PATH.
pub fn find_launcher(word: Option<&OsStr>) -> Result<Launcher, CliError> {
    if let Some(word) = word {
        return Ok(Launcher::find(word)?);
    }
    match Launcher::from_environment()? {
        Some(launcher) => Ok(launcher),
        None => Ok(Launcher::find_any()?.ok_or(OperationError::NoLauncher)?),
    }
}

/// What the CI system says about this job.
pub fn context() -> CiContext {
    CiContext::of(
        |name| std::env::var(name).ok(),
        |path| std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}")),
    )
}
