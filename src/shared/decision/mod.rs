//! Decides whether a call is launched. One pure function, [`decide`], serves the shim and
//! `rock-wrap explain`.
//!
//! Owns: the allow-list. The default is [`Direct`]: the real compiler runs as if rock-wrap were not there.
//! A call is launched only if it is provably one compile of one regular file into another, and if the
//! launcher is known to handle it correctly. Must never have side effects: it asks a [`Machine`] for what
//! it needs to know, late and rarely. Uses only `core` and `alloc` and no formatting, because it is part of
//! the shim.
//!
//! ```text
//! env -> launcher? -> driver name -> argv (options, hazards, response files) -> env of the call
//!     -> nesting by env -> files -> ancestors -> Launch
//! ```
//!
//! The first reason for Direct ends the decision, so a probe costs next to nothing.

pub mod arguments;
pub mod compiler;
mod config_file;
mod driver_name;
pub mod environment;
pub mod foreign;
mod hazards;
pub mod language;
pub mod nesting;
pub mod options;
mod options_table;
mod probe;
pub mod reasons;
pub mod response;
pub mod sharing;
mod spellings;
#[cfg(test)]
mod tests;
pub mod unit;

use self::compiler::{check_compiler, check_directory, check_stand_in};
use self::driver_name::driver;
use self::environment::{Environment, Steering};
use self::foreign::{Forward, is_foreign};
use self::reasons::{Direct, Reason};
use self::sharing::Shared;
use self::unit::{Unit, WordRole};
use crate::shared::call::{Call, lookup};
use crate::shared::key::paths::Paths;
use crate::shared::key::{self, Key, native};
use crate::shared::launchers::edits::Edits;
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::launchers::{NamedLauncher, failure, settings, since};
use crate::shared::machine::Machine;
use crate::shared::parts;
use alloc::vec::Vec;
use core::ffi::CStr;

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "made once a process, never stored"
)]
pub enum Decision<'a> {
    /// The real compiler runs it unchanged.
    Direct(Direct),
    /// A launcher runs it.
    Launch(Launch<'a>),
    /// A launcher gets it unchanged: the compiler is not one of ours.
    Forward(Forward<'a>),
}

/// A call that goes through a launcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch<'a> {
    /// The launcher.
    pub launcher: NamedLauncher<'a>,
    /// The changes to its environment.
    pub edits: Edits,
    /// What is compiled.
    pub unit: Unit<'a>,
    /// What a caching launcher must be told in addition to the call.
    pub key: Option<Key>,
    /// The checkout, if other checkouts may share the result.
    pub shared: Option<Shared>,
}

/// Decides what happens to `call`.
#[must_use]
pub fn decide<'a, M: Machine + ?Sized>(call: &Call<'a>, machine: &M) -> Decision<'a> {
    let decision = if is_foreign(call, machine) {
        foreign::forward(call, machine).map(Decision::Forward)
    } else {
        launch(call, machine).map(Decision::Launch)
    };
    decision.unwrap_or_else(Decision::Direct)
}

fn launch<'a, M: Machine + ?Sized>(call: &Call<'a>, machine: &M) -> Result<Launch<'a>, Direct> {
    let environment = Environment::of(call.env);
    if environment.disabled {
        return Err(Reason::Disabled.into());
    }
    let mut launcher = NamedLauncher::choose(environment.hip_clang_launcher, call.config)
        .ok_or(Reason::NoLauncher)?;
    if environment.client_side && !environment.logs && launcher.since(since::SCCACHE_CLIENT_SIDE) {
        launcher.asks_server = false;
    }
    let cxx_driver = driver(call).ok_or(Direct {
        reason: Reason::DriverName,
        at: Some(0),
    })?;
    let new_driver = call.config.new_driver;
    let scan = arguments::Scan::run(call.argv, cxx_driver, &launcher, new_driver, machine)?;
    // The environment is judged before anything that costs system calls, and after anything that explains
    // the call itself.
    let unit = scan.finish(machine, || environment.reason(&launcher, call.env))?;
    if launcher.kind != LauncherKind::Other
        && probe::is_configure_probe(unit.word(WordRole::Output), machine)
    {
        return Err(Reason::ConfigureProbe.into());
    }
    if nesting::among_ancestors(machine, launcher.word) {
        return Err(Reason::NestedAncestor.into());
    }
    if !call.config.strict && failure::failed_lately(call, &launcher, machine) {
        return Err(Reason::LauncherFailed.into());
    }
    // For a part, direct mode would save nothing, since the part's text exists already, and it would store
    // a list of headers beside every part.
    let exact = call.config.exact || parts::is_part(call);
    if let Some((mark, word)) = launcher.blind_to(exact, unit.language)
        && machine.holds(&unit.input, mark, word)
    {
        return Err(Reason::IncludedData.into());
    }
    let (key, shared) = match launcher.kind.key_variable() {
        Some(variable) => {
            let inputs = key_inputs(call, &unit, &launcher, variable, &environment, machine)?;
            let paths = &inputs.paths;
            (
                Some(inputs.key(variable, machine)),
                sharing::shared(call, &unit, &paths.bases, &paths.cwd),
            )
        }
        None => (None, None),
    };
    Ok(Launch {
        edits: match launcher.kind {
            LauncherKind::Sccache => {
                let sloppy = || settings::sccache_is_sloppy(call.env, machine);
                launcher.edits(exact || sloppy())
            }
            LauncherKind::Ccache => {
                let sloppiness = settings::ccache_sloppiness(call.env, machine);
                launcher.edits_for_ccache(exact, sloppiness)
            }
            LauncherKind::Other => launcher.edits(exact),
        },
        shared,
        launcher,
        unit,
        key,
    })
}

/// The inputs of a launch's key, if the call can have a key.
fn key_inputs<'k, 'a, M: Machine + ?Sized>(
    call: &'k Call<'a>,
    unit: &'k Unit<'a>,
    launcher: &'k NamedLauncher<'a>,
    variable: &[u8],
    environment: &Environment<'a>,
    machine: &M,
) -> Result<key::Inputs<'k, 'a>, Direct> {
    let paths = Paths::new(
        machine,
        environment.steering.base_dir,
        unit.input.to_bytes(),
    );
    if !paths.has_directory() {
        return Err(Reason::DirectoryGone.into());
    }
    let fingerprinted = check_compiler(call.config, machine)?;
    check_stand_in(call.config, machine)?;
    let steering = Steering {
        own_key: lookup(call.env, variable).map(CStr::to_bytes),
        ..environment.steering
    };
    let native = match unit.native {
        true => native::architectures(call, machine).ok_or(Reason::NativeTarget)?,
        false => Vec::new(),
    };
    if unit.debug_info && launcher.kind == LauncherKind::Sccache {
        check_directory(environment.pwd, &paths.cwd, machine)?;
    }
    Ok(key::Inputs {
        call,
        unit,
        launcher,
        steering,
        native,
        fingerprinted,
        paths,
    })
}

/// The inputs of the key of `launch`, the decision for `call`; `None` if it has no key.
pub fn ingredients<'k, 'a, M: Machine + ?Sized>(
    call: &'k Call<'a>,
    launch: &'k Launch<'a>,
    machine: &M,
) -> Option<key::Inputs<'k, 'a>> {
    let variable = launch.launcher.kind.key_variable()?;
    let environment = Environment::of(call.env);
    key_inputs(
        call,
        &launch.unit,
        &launch.launcher,
        variable,
        &environment,
        machine,
    )
    .ok()
}
