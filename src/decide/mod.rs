//! May this call be launched? One pure function, [`decide`], for the shim and for
//! `rock-wrap explain`.
//!
//! Owns: the allow-list. The default is [`Direct`]: the real compiler runs as if rock-wrap were not
//! there. A call is launched only if it is provably one compile of one regular file into another,
//! and if the launcher at hand is known to get it right. Must never do anything: what it needs to
//! know of the machine it asks a [`World`], late and seldom. Uses `core` and `alloc` only, and no
//! formatting, since the shim is made of it.
//!
//! ```text
//! env -> launcher? -> driver name -> argv (options, hazards, response files) -> env of the call
//!     -> nesting by env -> files -> ancestors -> Launch
//! ```
//!
//! The first reason to be Direct ends it, so that a probe costs next to nothing.

mod argv;
mod config_file;
mod direct;
mod foreign;
pub(crate) mod hash;
mod hazards;
mod key;
#[cfg(all(test, not(rock_wrap_shim)))]
mod key_tests;
mod language;
mod launchers;
pub mod markers;
mod native;
mod nesting;
#[cfg(all(test, not(rock_wrap_shim)))]
mod offload_tests;
mod options;
mod options_table;
pub mod preprocessed;
mod probe;
mod response;
pub mod sccache;
pub mod stand_in;
#[cfg(all(test, not(rock_wrap_shim)))]
mod tests;
pub mod trouble;

pub use argv::{Role, Sides, Text, Unit, default_depfile, default_output};
pub use direct::{Direct, Reason};
pub use foreign::{Forward, is_foreign};
pub use key::Key;
pub use language::Language;
pub use launchers::{Edits, Launcher, Source, since};
pub use nesting::GUARD;
pub use response::BUDGET;

use crate::image::{Config, LauncherKind, STAND_IN_SUFFIX, WitnessKind, base_name};
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;
use key::Steering;

/// A call of the compiler.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The arguments, the program's name first.
    pub argv: &'a [&'a CStr],
    /// The path by which the compiler was found: its name in `argv`, or where that has no slash, what the
    /// caller's search of `PATH` came to.
    pub called: &'a CStr,
    /// The environment, `NAME=VALUE`.
    pub env: &'a [&'a CStr],
    /// What the shim was installed with.
    pub config: &'a Config<'a>,
}

/// What is at a path, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Nothing.
    Missing,
    /// A regular file.
    Regular,
    /// Something else, or nothing that can be looked at.
    Other,
}

/// The state of a file: as long as it is equal, the content is taken to be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The device. Not compared over time: a reboot or another container changes it.
    pub dev: u64,
    /// The inode.
    pub ino: u64,
    /// The size in bytes.
    pub size: u64,
    /// When the content last changed, in seconds since 1970; two's complement.
    pub mtime: u64,
    /// The nanoseconds of that.
    pub mtime_nsec: u64,
}

/// Is shown a process: the kernel's name of it, and how to find out the path of its executable. True ends
/// it.
pub type Visitor<'v> = dyn FnMut(&[u8], &dyn Fn() -> Vec<u8>) -> bool + 'v;

/// What [`decide`] may ask of the machine.
pub trait World {
    /// A directory that was found: a look from there is a third cheaper than by the whole path.
    type Place;

    /// What is at `path`.
    fn kind(&self, path: &CStr) -> FileKind;

    /// The content of a response file; `None` if it is not a regular file, cannot be read or is
    /// longer than [`BUDGET`].
    fn read(&self, path: &CStr) -> Option<Vec<u8>>;

    /// Whether `word` stands behind `mark` in the file at `path`, in capitals or not, with at most a few
    /// blanks between them; also true where that cannot be told.
    fn holds(&self, path: &CStr, mark: u8, word: &[u8]) -> bool;

    /// The working directory, as the kernel knows it; empty if it cannot be told.
    fn cwd(&self) -> Vec<u8>;

    /// The state of what is at `path`, links followed; relative to the working directory.
    fn stamp(&self, path: &CStr) -> Option<Stamp>;

    /// The directory at `dir`, a path relative to the compiler's own, or that where it is empty; `None` if it
    /// cannot be found.
    fn place(&self, dir: &CStr) -> Option<Self::Place>;

    /// The state of what is at `path`, relative to a place; links followed.
    fn seen_from(&self, place: &Self::Place, path: &CStr) -> Option<Stamp>;

    /// Shows the wanted entries of a directory with their state, in any order. A look at each of a
    /// library directory's thousand files would cost more than everything else.
    fn list(&self, dir: &CStr, wanted: fn(&CStr) -> bool, visit: &mut dyn FnMut(&CStr, Stamp));

    /// Seconds since 1970.
    fn now(&self) -> u64;

    /// What the program `tool` beside the compiler says, given that argument; `None` where it fails or
    /// nothing can be run.
    fn ask(&self, tool: &CStr, argument: Option<&CStr>) -> Option<Vec<u8>>;

    /// Writes a file in the user's cache directory, for [`read`](World::read) to find later; in vain where
    /// that cannot be done.
    fn keep(&self, path: &CStr, content: &[u8]);

    /// Shows up to four ancestors of this process, the nearest first: the kernel's name of the process
    /// and, if that is asked for, the path of the executable (empty if it cannot be read). Ends when
    /// `visit` returns true.
    fn ancestors(&self, visit: &mut Visitor<'_>);
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "made once a process, never stored"
)]
pub enum Decision<'a> {
    /// The real compiler runs it, untouched.
    Direct(Direct),
    /// A launcher runs it.
    Launch(Launch<'a>),
    /// A launcher is handed it as it is: the compiler is none of ours.
    Forward(Forward<'a>),
}

/// A call that goes through a launcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch<'a> {
    /// The launcher.
    pub launcher: Launcher<'a>,
    /// What changes in its environment.
    pub edits: Edits,
    /// What is compiled.
    pub unit: Unit<'a>,
    /// What a caching launcher has to be told beside the call.
    pub key: Option<Key>,
}

/// Decides about `call`.
#[must_use]
pub fn decide<'a, W: World + ?Sized>(call: &Call<'a>, world: &W) -> Decision<'a> {
    let decision = if is_foreign(call, world) {
        foreign::forward(call, world).map(Decision::Forward)
    } else {
        launch(call, world).map(Decision::Launch)
    };
    decision.unwrap_or_else(Decision::Direct)
}

fn launch<'a, W: World + ?Sized>(call: &Call<'a>, world: &W) -> Result<Launch<'a>, Direct> {
    let signs = Signs::of(call.env);
    if signs.disabled {
        return Err(Reason::Disabled.into());
    }
    let mut launcher =
        Launcher::choose(signs.hip_clang_launcher, call.config).ok_or(Reason::NoLauncher)?;
    if signs.client_side && !signs.logs && launcher.since(since::SCCACHE_CLIENT_SIDE) {
        launcher.asks_server = false;
    }
    let cxx_driver = driver(call).ok_or(Direct {
        reason: Reason::DriverName,
        at: Some(0),
    })?;
    let new_driver = call.config.new_driver;
    let scan = argv::Scan::run(call.argv, cxx_driver, &launcher, new_driver, world)?;
    // Before what costs system calls; after what explains the call itself.
    let unit = scan.finish(world, || signs.reason(&launcher, call.env))?;
    if launcher.kind != LauncherKind::Other
        && probe::is_configure_probe(unit.word(Role::Output), world)
    {
        return Err(Reason::ConfigureProbe.into());
    }
    if nesting::among_ancestors(world, launcher.word) {
        return Err(Reason::NestedAncestor.into());
    }
    if !call.config.strict && trouble::failed_lately(call, &launcher, world) {
        return Err(Reason::LauncherFailed.into());
    }
    if let Some((mark, word)) = launcher.blind_to(call.config.exact, unit.language)
        && world.holds(&unit.input, mark, word)
    {
        return Err(Reason::IncludedData.into());
    }
    let key = if let Some(variable) = key::variable(launcher.kind) {
        let fingerprinted = check_compiler(call.config, world)?;
        check_stand_in(call.config, world)?;
        let own_key = lookup(call.env, variable).map(CStr::to_bytes);
        let steering = Steering {
            own_key,
            ..signs.steering
        };
        let native = match unit.native {
            true => native::architectures(call, world).ok_or(Reason::NativeTarget)?,
            false => Vec::new(),
        };
        if unit.debug_info && launcher.kind == LauncherKind::Sccache {
            check_directory(signs.pwd, world)?;
        }
        Some(key::key(
            call,
            &unit,
            &launcher,
            variable,
            &native,
            &steering,
            &fingerprinted,
            world,
        ))
    } else {
        None
    };
    Ok(Launch {
        edits: launcher.edits_for_launch(call.config.exact),
        launcher,
        unit,
        key,
    })
}

/// Whether the compiler still is the one whose fingerprint was taken at install, and where its device
/// libraries are.
fn check_compiler<W: World + ?Sized>(
    config: &Config<'_>,
    world: &W,
) -> Result<key::Directories, Direct> {
    if config.fingerprint.is_empty() {
        return Err(Reason::NoFingerprint.into());
    }
    let mut directories = key::Directories::new();
    let (mut dir, mut place) = (None, None);
    for (at, witness) in config.witnesses().enumerate() {
        if !dir.is_some_and(|known| core::ptr::eq(known, witness.dir)) {
            dir = Some(witness.dir);
            place = world.place(witness.dir);
        }
        let found = place
            .as_ref()
            .and_then(|place| world.seen_from(place, witness.name));
        let same = match &found {
            Some(stamp) => witness.is_of(stamp.ino, stamp.size, stamp.mtime, stamp.mtime_nsec),
            None => witness.kind == WitnessKind::Absent,
        };
        if !same {
            return Err(Direct {
                reason: Reason::CompilerChanged,
                at: Some(at),
            });
        }
        if let (WitnessKind::Directory, Some(stamp)) = (witness.kind, found) {
            directories.push((stamp.dev, stamp.ino));
        }
    }
    Ok(directories)
}

/// Whether the stand-in is there, which a launcher would be given as the compiler. That of a shim outside of
/// the tree lies in a directory of rock-wrap's own.
fn check_stand_in<W: World + ?Sized>(config: &Config<'_>, world: &W) -> Result<(), Direct> {
    if !config.dir.is_empty() || config.is_launcher() {
        return Ok(());
    }
    let name = CString::new([config.name, STAND_IN_SUFFIX].concat()).unwrap_or_default();
    let found = world
        .place(c"")
        .and_then(|dir| world.seen_from(&dir, &name));
    found.map(drop).ok_or(Reason::NoStandIn.into())
}

/// What of the compiler has changed, where `direct` is for that.
#[must_use]
pub fn changed(direct: &Direct, config: &Config<'_>) -> Option<Vec<u8>> {
    let at = direct
        .at
        .filter(|_| direct.reason == Reason::CompilerChanged)?;
    let witness = config.witnesses().nth(at)?;
    Some([witness.dir.to_bytes(), witness.name.to_bytes()].concat())
}

/// Whether clang, which prefers PWD where it leads to the working directory, would name that as
/// sccache's compile does, which has no PWD (0.16, `cmdline.rs`).
fn check_directory<W: World + ?Sized>(pwd: Option<&[u8]>, world: &W) -> Result<(), Direct> {
    let cwd = world.cwd();
    let leads_there = |pwd: &[u8]| {
        let stamp = |path: &[u8]| world.stamp(&CString::new(path).ok()?);
        let same = |a: Stamp, b: Stamp| (a.dev, a.ino) == (b.dev, b.ino);
        pwd.first() == Some(&b'/') && stamp(pwd).zip(stamp(b".")).is_some_and(|(a, b)| same(a, b))
    };
    match pwd {
        Some(pwd) if pwd != cwd && leads_there(pwd) => Err(Reason::LogicalDirectory.into()),
        _ => Ok(()),
    }
}

/// The value of a variable.
pub fn lookup<'a>(env: &[&'a CStr], name: &[u8]) -> Option<&'a CStr> {
    env.iter().find_map(|entry| {
        let value = entry
            .to_bytes_with_nul()
            .strip_prefix(name)?
            .strip_prefix(b"=")?;
        CStr::from_bytes_until_nul(value).ok()
    })
}

/// Whether the call reaches a C++ driver; `None` where `argv[0]` does not say the shim's own name,
/// apart from a version.
///
/// clang takes mode, target and configuration files from the name (19, `Driver/ToolChain.cpp`,
/// `getTargetAndModeFromProgramName`); the launcher is given the shim's name whatever the call's.
fn driver(call: &Call<'_>) -> Option<bool> {
    let called = versionless(base_name(call.argv.first()?.to_bytes()));
    let own = versionless(base_name(call.config.name));
    match called {
        _ if called != own && !call.config.is_launcher() => None,
        b"clang++" => Some(true),
        b"clang" => Some(false),
        _ => None,
    }
}

/// `clang++-15` without `-15`.
fn versionless(name: &[u8]) -> &[u8] {
    let version = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let kept = name.iter().rposition(|byte| !version(byte));
    match kept {
        Some(dash) if dash + 1 < name.len() && name.get(dash) == Some(&b'-') => {
            name.get(..dash).unwrap_or(name)
        }
        _ => name,
    }
}

/// What the environment says, gathered in one pass.
#[derive(Default)]
#[cfg_attr(test, derive(Debug))]
struct Signs<'a> {
    disabled: bool,
    hip_clang_launcher: Option<&'a [u8]>,
    source_date: bool,
    overrides: bool,
    log: bool,
    tools: bool,
    guard: bool,
    sccache: bool,
    client_side: bool,
    logs: bool,
    ccache_disable: bool,
    ccache_stderr: bool,
    distcc: bool,
    pwd: Option<&'a [u8]>,
    steering: Steering<'a>,
}

/// What a variable's value changes.
type Take = for<'a> fn(&mut Signs<'a>, &'a [u8]);

/// The variables that count; of one that is given twice the first, which is what getenv finds. A
/// table, which takes a fifth of the room of as many comparisons in the shim.
const SIGNS: [(&str, Take); 20] = [
    ("ROCK_WRAP_DISABLE", |signs, value| {
        signs.disabled = !matches!(value, b"" | b"0");
    }),
    ("HIP_CLANG_LAUNCHER", |signs, value| {
        signs.hip_clang_launcher = Some(value);
    }),
    ("SOURCE_DATE_EPOCH", |signs, _| signs.source_date = true),
    ("CCC_OVERRIDE_OPTIONS", |signs, value| {
        signs.overrides = !value.is_empty();
    }),
    ("COMPILER_PATH", |signs, value| {
        signs.tools = !value.is_empty()
    }),
    ("ROCK_WRAP_GUARD", |signs, _| signs.guard = true),
    // In the server's environment, which its probe of the compiler inherits (sccache 0.4 to 0.16,
    // `commands.rs`).
    ("SCCACHE_START_SERVER", |signs, _| signs.sccache = true),
    // The user wants the client to do the server's work, which it does not while it logs (0.17 to
    // 0.19, `config.rs`).
    ("SCCACHE_CLIENT_SIDE", |signs, value| {
        signs.client_side = sccache::is_on(value);
    }),
    ("SCCACHE_LOG", |signs, value| signs.logs = !value.is_empty()),
    // ccache sets both around what it runs for a cached compile; the first alone is also a user's
    // switch (ccache 4.7.5 and 4.14.2).
    ("CCACHE_DISABLE", |signs, _| signs.ccache_disable = true),
    ("UNCACHED_ERR_FD", |signs, _| signs.ccache_stderr = true),
    ("_DISTCC_SAFEGUARD", |signs, _| signs.distcc = true),
    ("HIP_DEVICE_LIB_PATH", |signs, value| {
        signs.steering.hip_device_lib_path = Some(value);
    }),
    ("ROCM_PATH", |signs, value| {
        signs.steering.rocm_path = Some(value)
    }),
    ("HIP_PATH", |signs, value| {
        signs.steering.hip_path = Some(value)
    }),
    ("LD_LIBRARY_PATH", |signs, value| {
        signs.steering.ld_library_path = Some(value);
    }),
    ("LD_PRELOAD", |signs, value| {
        signs.steering.ld_preload = Some(value)
    }),
    ("CLANG_NO_DEFAULT_CONFIG", |signs, value| {
        signs.steering.no_default_config = Some(value);
    }),
    ("ROCK_WRAP_BASE_DIR", |signs, value| {
        signs.steering.base_dir = Some(value);
    }),
    ("PWD", |signs, value| signs.pwd = Some(value)),
];

impl<'a> Signs<'a> {
    fn of(env: &[&'a CStr]) -> Self {
        let mut signs = Self::default();
        // A bit for each variable of the table that has been seen.
        let mut seen = 0_u32;
        for entry in env {
            let entry = entry.to_bytes();
            // Few variables begin with one of these.
            if !matches!(
                entry.first(),
                Some(b'C' | b'H' | b'L' | b'P' | b'R' | b'S' | b'U' | b'_')
            ) {
                continue;
            }
            let Some(split) = entry.iter().position(|byte| *byte == b'=') else {
                continue;
            };
            let (name, value) = entry.split_at(split);
            let value = value.get(1..).unwrap_or_default();
            let Some(at) = SIGNS.iter().position(|sign| sign.0.as_bytes() == name) else {
                // CC_PRINT_OPTIONS, CC_PRINT_HEADERS, CC_PRINT_PROC_STAT, CC_LOG_DIAGNOSTICS and
                // their _FILE (the strings in libclang-cpp 15 and 19).
                signs.log |= name.starts_with(b"CC_PRINT_") || name.starts_with(b"CC_LOG_");
                continue;
            };
            if seen & (1 << at) == 0 {
                seen |= 1 << at;
                (SIGNS[at].1)(&mut signs, value);
            }
        }
        signs
    }

    /// Why the environment speaks against launching what `argv` would allow.
    fn reason(&self, launcher: &Launcher<'_>, env: &[&CStr]) -> Option<Reason> {
        if self.guard {
            Some(Reason::NestedShim)
        } else if self.sccache {
            Some(Reason::NestedSccache)
        } else if self.ccache_disable && self.ccache_stderr {
            Some(Reason::NestedCcache)
        } else if self.distcc {
            Some(Reason::NestedDistcc)
        } else if self.overrides {
            Some(Reason::OverrideOptions)
        } else if self.log {
            Some(Reason::DriverLog)
        } else if self.tools {
            Some(Reason::ExternalTools)
        } else if self.source_date && launcher.hides_variables() {
            Some(Reason::SourceDateEpoch)
        } else if self
            .steering
            .ld_preload
            .is_some_and(|value| !value.is_empty())
            && launcher.hides_variables()
        {
            Some(Reason::Preload)
        } else if contradicts(env) {
            Some(Reason::RepeatedVariable)
        } else {
            None
        }
    }
}

/// Whether a variable has two values. clang takes the first; sccache compiles with the last, which is
/// also what the loader takes of LD_LIBRARY_PATH and LD_PRELOAD (0.16 and glibc 2.36, measured).
fn contradicts(env: &[&CStr]) -> bool {
    env.iter().enumerate().any(|(at, entry)| {
        let entry = entry.to_bytes();
        let end = entry.iter().position(|byte| *byte == b'=');
        let Some(name) = end.and_then(|end| entry.get(..=end)) else {
            return false;
        };
        env.iter().take(at).any(|before| {
            let before = before.to_bytes();
            before.first() == name.first() && before.starts_with(name) && before != entry
        })
    })
}
