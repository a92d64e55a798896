//! What a cached result depends on and the launcher does not know of.
//!
//! Owns: the key that is handed to a caching launcher, and the compilation unit id. Both are pure
//! functions of the call, the configuration and what [`Machine`] tells; neither depends on time, and
//! on paths only as far as the output does. A launcher that does not cache gets neither.

use crate::shared::decision::reasons::Reason;
use crate::shared::decision::unit::{Role, Unit, default_depfile, default_output};
pub mod hash;
pub mod native;
pub mod paths;
#[cfg(test)]
mod tests;

use self::hash::{Hasher, push_hex};
use self::paths::Paths;
use crate::shared::call::Call;
use crate::shared::decision::environment::Steering;
use crate::shared::decision::language::Language;
use crate::shared::decision::response;
use crate::shared::launchers::Launcher;
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::machine::Machine;
use crate::shared::paths::base_name;
use crate::shared::shim_config::Config;
use crate::shared::stand_in;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

/// Changes whenever the same call may get another key, so that an entry of an older rock-wrap is
/// never taken for one of this.
const FORMAT: &[u8] = b"rock-wrap key 3";

/// What a launch of a caching launcher needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The environment entry, `NAME=VALUE`.
    pub entry: CString,
    /// Where checkouts share, an entry that keeps their directories apart in a launcher's direct mode alone.
    pub directory: Option<CString>,
    /// The name of the dependency file that clang would choose, to be given with `-MF`: where the
    /// launcher would otherwise not write it.
    pub depfile: Option<CString>,
    /// `-cuid=...`: for a HIP compile without one of its own.
    pub cuid: Option<CString>,
}

impl Key {
    /// What is added to the environment.
    pub fn entries(&self) -> impl Iterator<Item = &CStr> {
        [Some(&*self.entry), self.directory.as_deref()]
            .into_iter()
            .flatten()
    }

    /// Whether an entry of the caller's stays beside these.
    #[must_use]
    pub fn keeps(&self, entry: &[u8]) -> bool {
        self.directory.is_none() || !entry.starts_with(DIRECT_MODE_ONLY)
    }

    /// What is added behind the call's own arguments. Nothing else ever is.
    pub fn words(&self) -> impl Iterator<Item = &CStr> {
        let depfile = self.depfile.as_deref().map(|name| [c"-MF", name]);
        depfile.into_iter().flatten().chain(self.cuid.as_deref())
    }
}

/// Directories of device libraries that the fingerprint holds: device and inode of each.
pub type Directories = Vec<(u64, u64)>;

/// The key of a launch, for the launcher's `variable`. `native`: what that word stands for here.
#[allow(clippy::too_many_arguments, reason = "each is another part of the key")]
pub fn key<M: Machine + ?Sized>(
    call: &Call<'_>,
    unit: &Unit<'_>,
    launcher: &Launcher<'_>,
    variable: &[u8],
    native: &[u8],
    steering: &Steering<'_>,
    fingerprinted: &Directories,
    paths: &Paths,
    machine: &M,
) -> Key {
    let uses_id = !unit.new_driver || call.config.new_driver_uses_id;
    let cuid = (unit.language == Language::Hip && !unit.has_cuid && uses_id)
        .then(|| cuid(call.argv, unit, paths, machine));

    let mut hasher = Hasher::new();
    hasher.text(FORMAT);
    hasher.text(stand_in::ANSWER);
    hasher.text(call.config.fingerprint);
    called_as(&mut hasher, call, paths);
    hasher.text(steering.own_key.unwrap_or_default());
    for variable in [
        steering.ld_library_path,
        steering.ld_preload,
        steering.hip_path,
    ] {
        paths.argument(&mut hasher, variable.unwrap_or_default());
    }
    hasher.number(u64::from(steering.no_default_config.is_some()));
    loaded(&mut hasher, steering, call.config, paths, machine);
    libraries(&mut hasher, unit, steering, fingerprinted, paths, machine);
    // Debug information and some names of symbols hold it, and sccache's text has no line markers
    // outside of direct mode (0.16, `clang.rs`).
    paths.argument(&mut hasher, unit.input.to_bytes());
    paths.output(&mut hasher, unit);
    hasher.text(native);
    // sccache has only the text that they lead to, and -fdebug-macro writes them into the object.
    for (_, text) in unit
        .words
        .iter()
        .filter(|(role, _)| *role == Role::Preprocessor)
    {
        paths.argument(&mut hasher, text.to_bytes());
    }
    for (_, path) in unit
        .words
        .iter()
        .filter(|(role, _)| *role == Role::ConfigFile)
    {
        hasher.text(&machine.read(path).unwrap_or_default());
    }
    // What a launcher reads of it differs from version to version, and there is no preprocessor.
    if unit.language == Language::Assembler {
        hasher.text(&machine.read(&unit.input).unwrap_or_default());
    }
    let named = launcher
        .wants_depfile_named(unit)
        .then(|| default_depfile(unit));
    if unit.writes_depfile {
        depfile(&mut hasher, unit, named.as_deref(), paths);
    }
    // ccache has the directory in its own key, and minds prefix maps.
    if launcher.kind == LauncherKind::Sccache && unit.debug_info {
        debug_directory(&mut hasher, unit, &paths.cwd);
    }
    if launcher.kind == LauncherKind::Ccache {
        prefix_maps(&mut hasher, unit, paths);
    }
    let mut entry = Vec::with_capacity(128);
    entry.extend_from_slice(variable);
    entry.push(b'=');
    if launcher.kind == LauncherKind::Ccache {
        entry.extend_from_slice(b"string:");
    }
    push_hex(&mut entry, &hasher.finish());
    Key {
        entry: CString::new(entry).unwrap_or_default(),
        directory: paths.has_base().then(|| directory(&paths.cwd)),
        depfile: named.map(|name| CString::new(name).unwrap_or_default()),
        cuid,
    }
}

/// Adds what the compiler takes from the name by which it is called, where that is not its own. clang up to 18
/// looks from its directory for GCC's headers, whose paths the dependency file and debug information hold, and
/// every release puts the name in front of the driver's messages.
fn called_as(hasher: &mut Hasher, call: &Call<'_>, paths: &Paths) {
    let called = call.called.to_bytes();
    let name = base_name(called);
    let dir = called.strip_suffix(name).unwrap_or_default();
    if call.config.home.is_empty() {
        // Called by its own name, see `Real` in the shim.
        return;
    }
    if dir != call.config.home {
        hasher.text(b"called from");
        paths.path(hasher, dir);
    }
    if name != call.config.name {
        hasher.text(b"called as");
        hasher.text(name);
    }
}

/// Options that choose which architectures are compiled for, or how many at once. They are left out of
/// the id, so that a device's object is the same whatever it is compiled together with.
const CHOICES: [&[u8]; 7] = [
    b"--offload-arch=",
    b"--no-offload-arch=",
    b"--cuda-gpu-arch=",
    b"--no-cuda-gpu-arch=",
    b"--offload-targets=",
    b"--offload-jobs=",
    b"-parallel-jobs=",
];

/// `-cuid=` for a HIP compile that has none.
///
/// clang makes `__hip_cuid_*` from the source's path and all options, `-o` among them; launchers
/// have neither in their keys, and objects that they share cannot be linked together (measured,
/// also without -fgpu-rdc on clang 19). The same call from another checkout gets the same id.
fn cuid<M: Machine + ?Sized>(
    argv: &[&CStr],
    unit: &Unit<'_>,
    paths: &Paths,
    machine: &M,
) -> CString {
    let mut hasher = Hasher::new();
    hasher.text(FORMAT);
    paths.path(&mut hasher, unit.input.to_bytes());
    paths.output(&mut hasher, unit);
    let mut take = |argument: &CStr| {
        let argument = argument.to_bytes();
        if !CHOICES.iter().any(|choice| argument.starts_with(choice)) {
            paths.argument(&mut hasher, argument);
        }
        Ok::<(), Reason>(())
    };
    for argument in argv.iter().skip(1) {
        // What a response file says is what counts, not what it is called. Each could be read, or the
        // call would not be launched.
        let _ = match argument.to_bytes_with_nul() {
            [b'@', name @ ..] if name.len() > 1 => {
                let name = CStr::from_bytes_until_nul(name).unwrap_or_default();
                response::expand(machine, name, &mut take)
            }
            _ => take(argument),
        };
    }
    let mut option = Vec::from(b"-cuid=");
    // As long as clang's own.
    push_hex(&mut option, &hasher.finish()[..8]);
    CString::new(option).unwrap_or_default()
}

/// The target's name stands in the dependency file, so its text counts and not only where it is. A file
/// that the launcher is given the name of counts as one that the call names: the launcher keeps it, and
/// has not where it had no name.
fn depfile(hasher: &mut Hasher, unit: &Unit<'_>, named: Option<&[u8]>, paths: &Paths) {
    hasher.text(b"depfile");
    if let Some(name) = named {
        paths.path(hasher, name);
    }
    let mut explicit = false;
    for (role, text) in &unit.words {
        match role {
            Role::Target => {
                explicit = true;
                hasher.text(text.to_bytes());
            }
            Role::Depfile => paths.path(hasher, text.to_bytes()),
            Role::Output
            | Role::Include
            | Role::Library
            | Role::PrefixMap
            | Role::MacroPrefixMap
            | Role::Preprocessor
            | Role::ConfigFile => {}
        }
    }
    if !explicit {
        match unit.word(Role::Output) {
            Some(output) => hasher.text(output.to_bytes()),
            None => hasher.text(&default_output(&unit.input)),
        }
    }
}

/// The variable for include directories of Objective-C++, which is never launched. Both launchers have it in the
/// key of their direct mode and not in that of the text.
const DIRECT_MODE_ONLY: &[u8] = b"OBJCPLUS_INCLUDE_PATH=";

/// See [`Key::directory`]: in its direct mode a launcher would look for a checkout's headers in the checkout where
/// they were first compiled (sccache under SCCACHE_BASEDIRS), or where another directory's relative names lead.
fn directory(cwd: &[u8]) -> CString {
    let mut hasher = Hasher::new();
    hasher.text(cwd);
    let mut entry = [DIRECT_MODE_ONLY, b"/nonexistent/rock-wrap/"].concat();
    push_hex(&mut entry, &hasher.finish()[..8]);
    CString::new(entry).unwrap_or_default()
}

/// Adds the directory that debug information holds: the working directory, or what prefix maps make
/// of it. Which of several applies differs from clang 15 to 19, so all that could are added; a
/// directory that is named outright (`-fdebug-compilation-dir=`) is in the arguments already.
fn debug_directory(hasher: &mut Hasher, unit: &Unit<'_>, cwd: &[u8]) {
    let mut mapped = false;
    for (role, text) in &unit.words {
        if *role != Role::PrefixMap {
            continue;
        }
        let mut parts = text.to_bytes().splitn(3, |byte| *byte == b'=').skip(1);
        match (parts.next(), parts.next()) {
            (Some(_), None) => return,
            (Some(old), Some(_)) => {
                if let Some(rest) = cwd.strip_prefix(old) {
                    mapped = true;
                    hasher.text(b"mapped");
                    hasher.text(rest);
                }
            }
            _ => {}
        }
    }
    if !mapped {
        hasher.text(b"directory");
        hasher.text(cwd);
    }
}

/// Adds what prefix maps make of paths: ccache has the options in its key without their values (4.14,
/// `ccache.cpp`). A directory that the call is made in counts by where in it that is.
fn prefix_maps(hasher: &mut Hasher, unit: &Unit<'_>, paths: &Paths) {
    for (role, text) in &unit.words {
        if !matches!(role, Role::PrefixMap | Role::MacroPrefixMap) {
            continue;
        }
        hasher.text(b"prefix map");
        let mut parts = text.to_bytes().splitn(3, |byte| *byte == b'=');
        hasher.text(parts.next().unwrap_or_default());
        let old = parts.next().unwrap_or_default();
        match paths.cwd.strip_prefix(old) {
            Some(rest) => hasher.text(rest),
            None => paths.argument(hasher, old),
        }
        hasher.text(parts.next().unwrap_or_default());
    }
}

/// Adds the state of what the loader would take in the place of the compiler's own libraries.
fn loaded<M: Machine + ?Sized>(
    hasher: &mut Hasher,
    steering: &Steering<'_>,
    config: &Config<'_>,
    paths: &Paths,
    machine: &M,
) {
    let mut look = |path: Vec<u8>| {
        let path = CString::new(path).unwrap_or_default();
        if let Some(file_state) = machine.file_state(&path) {
            hasher.text(&paths.absolute(path.to_bytes()));
            hasher.file_state(&file_state);
        }
    };
    // The loader parts the one at colons and semicolons, the other at colons and spaces (ld.so(8)).
    let dirs = steering.ld_library_path.unwrap_or_default();
    let dirs = dirs.split(|byte| matches!(byte, b':' | b';'));
    for dir in dirs.filter(|dir| !dir.is_empty()) {
        for witness in config.witnesses() {
            let name = base_name(witness.name.to_bytes());
            if name.windows(3).any(|part| part == b".so") {
                look([dir, &b"/"[..], name].concat());
            }
        }
    }
    let libraries = steering.ld_preload.unwrap_or_default();
    for library in libraries.split(|byte| matches!(byte, b':' | b' ')) {
        if library.contains(&b'/') {
            look(library.into());
        }
    }
}

/// Where, below what names a ROCm tree, clang looks for device libraries (clang 15 and 19,
/// `AMDGPU.cpp`, and ROCm's own layouts).
const BITCODE_DIRS: [&[u8]; 3] = [
    b"/amdgcn/bitcode",
    b"/lib/amdgcn/bitcode",
    b"/lib/llvm/amdgcn/bitcode",
];

/// Where clang 15 looks if the first of them is not there (measured; 19 does not). Not looked at
/// otherwise: ROCm's `lib` has a thousand entries.
const LATER_BITCODE_DIRS: [&[u8]; 2] = [b"/lib", b"/lib/bitcode"];

/// Adds the device libraries that the call names and the fingerprint does not hold, by path, size,
/// inode and time of change of each.
fn libraries<M: Machine + ?Sized>(
    hasher: &mut Hasher,
    unit: &Unit<'_>,
    steering: &Steering<'_>,
    fingerprinted: &Directories,
    paths: &Paths,
    machine: &M,
) {
    let mut look = |dir: &[u8], below: &[u8]| {
        let mut path = Vec::with_capacity(dir.len() + below.len() + 1);
        path.extend_from_slice(dir);
        path.extend_from_slice(below);
        let path = CString::new(path).unwrap_or_default();
        let Some(file_state) = machine.file_state(&path) else {
            hasher.text(b"nothing");
            return false;
        };
        if fingerprinted.contains(&(file_state.dev, file_state.ino)) {
            hasher.text(b"fingerprinted");
            return true;
        }
        // Entries come in no order, so they are added up.
        let mut sum = [0u64; 4];
        let is_library = |name: &CStr| name.to_bytes().ends_with(b".bc");
        machine.list(&path, is_library, &mut |name, file_state| {
            let mut entry = Hasher::new();
            entry.text(name.to_bytes());
            entry.file_state(&file_state);
            for (sum, bytes) in sum.iter_mut().zip(entry.finish().chunks_exact(8)) {
                let number = bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
                *sum = sum.wrapping_add(number);
            }
        });
        hasher.text(b"libraries");
        hasher.text(&paths.absolute(path.to_bytes()));
        sum.iter().for_each(|sum| hasher.number(*sum));
        false
    };
    if let Some(dir) = steering.hip_device_lib_path {
        look(dir, b"");
    }
    if let Some(root) = steering.rocm_path {
        look_below(root, &mut look);
    }
    for (role, text) in &unit.words {
        let text = text.to_bytes();
        if *role != Role::Library {
            continue;
        }
        match text.iter().position(|byte| *byte == b'=') {
            Some(split) => {
                let (option, value) = (&text[..split], &text[split + 1..]);
                if option.ends_with(b"device-lib-path") {
                    look(value, b"");
                } else {
                    look_below(value, &mut look);
                }
            }
            // The value alone of `-resource-dir`.
            None => look_below(text, &mut look),
        }
    }
}

/// Has `look` see where device libraries may be in the tree `root`; it tells whether that was
/// fingerprinted.
fn look_below(root: &[u8], look: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
    let [is_known, ..] = BITCODE_DIRS.map(|below| look(root, below));
    if !is_known {
        for below in LATER_BITCODE_DIRS {
            look(root, below);
        }
    }
}
