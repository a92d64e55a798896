//! Everything a cached result depends on that the launcher does not know about.
//!
//! Owns: the key that is passed to a caching launcher, and the compilation unit id. Both are pure functions of the
//! call, the configuration and the answers of [`Machine`]. Neither depends on the time, and they depend on paths
//! only as far as the output does. A launcher that does not cache gets neither.

use crate::shared::decision::reasons::Reason;
use crate::shared::decision::unit::{Unit, WordRole, default_depfile, default_output};
pub mod hash;
pub mod ingredients;
mod libraries;
pub mod native;
pub mod paths;
#[cfg(test)]
mod tests;

use self::hash::{Hasher, push_hex};
use self::ingredients::Ingredients;
use self::libraries::libraries;
use self::paths::Paths;
use crate::shared::call::Call;
use crate::shared::decision::compiler::Directories;
use crate::shared::decision::environment::Steering;
use crate::shared::decision::language::Language;
use crate::shared::decision::response;
use crate::shared::launchers::NamedLauncher;
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::machine::Machine;
use crate::shared::parts;
use crate::shared::paths::base_name;
use crate::shared::shim_config::Config;
use crate::shared::stand_in;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

/// Change this whenever the same call may get a different key, so that an entry of an older rock-wrap is never
/// mistaken for one of this version.
const FORMAT: &[u8] = b"rock-wrap key 3";

/// What a caching launcher is given for a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The environment entry, `NAME=VALUE`.
    pub entry: CString,
    /// If checkouts share results: another environment entry, which keeps their directories apart in the launcher's
    /// direct mode only.
    pub directory: Option<CString>,
    /// The name that clang would choose for the dependency file, to be passed with `-MF`. Set if the launcher would
    /// otherwise not write the file.
    pub depfile: Option<CString>,
    /// `-cuid=...`, for a HIP compile without one of its own.
    pub cuid: Option<CString>,
}

impl Key {
    /// The entries that are added to the environment.
    pub fn entries(&self) -> impl Iterator<Item = &CStr> {
        [Some(&*self.entry), self.directory.as_deref()]
            .into_iter()
            .flatten()
    }

    /// Whether `entry` of the caller's environment is kept beside the added entries.
    #[must_use]
    pub fn keeps(&self, entry: &[u8]) -> bool {
        self.directory.is_none() || !entry.starts_with(DIRECT_MODE_ONLY)
    }

    /// The arguments that are appended to the call's own. Nothing else is ever appended.
    pub fn words(&self) -> impl Iterator<Item = &CStr> {
        let depfile = self.depfile.as_deref().map(|name| [c"-MF", name]);
        depfile.into_iter().flatten().chain(self.cuid.as_deref())
    }
}

/// The inputs of a launch's key.
pub struct Inputs<'k, 'a> {
    /// The call.
    pub call: &'k Call<'a>,
    /// The compile.
    pub unit: &'k Unit<'a>,
    /// The launcher.
    pub launcher: &'k NamedLauncher<'a>,
    /// The environment variables that affect the compile.
    pub steering: Steering<'a>,
    /// The architectures that `native` means on this machine.
    pub native: Vec<u8>,
    /// The device library directories that the fingerprint covers.
    pub fingerprinted: Directories,
    /// Converts paths to the form used in keys.
    pub paths: Paths,
}

impl Inputs<'_, '_> {
    /// Computes the key, for the launcher's `variable`.
    pub fn key<M: Machine + ?Sized>(&self, variable: &[u8], machine: &M) -> Key {
        let mut hasher = Hasher::new();
        self.give(&mut hasher, machine);
        let mut entry = Vec::with_capacity(128);
        entry.extend_from_slice(variable);
        entry.push(b'=');
        if self.launcher.kind == LauncherKind::Ccache {
            entry.extend_from_slice(b"string:");
        }
        push_hex(&mut entry, &hasher.finish());
        let named = self.named_depfile();
        Key {
            entry: CString::new(entry).unwrap_or_default(),
            directory: self.paths.has_base().then(|| directory(&self.paths.cwd)),
            depfile: named.map(|name| CString::new(name).unwrap_or_default()),
            cuid: self.takes_id().then(|| self.id(machine)),
        }
    }

    /// The dependency file whose name has to be passed to the launcher.
    fn named_depfile(&self) -> Option<Vec<u8>> {
        let wanted = self.launcher.wants_depfile_named(self.unit);
        wanted.then(|| default_depfile(self.unit))
    }

    /// Feeds the ingredients of the key.
    pub fn give<I: Ingredients, M: Machine + ?Sized>(&self, into: &mut I, machine: &M) {
        let Self {
            call,
            unit,
            launcher,
            steering,
            paths,
            ..
        } = self;
        into.name("format");
        into.text(FORMAT);
        into.text(stand_in::ANSWER);
        into.name("compiler");
        into.text(call.config.fingerprint);
        into.name("called-as");
        called_as(into, call, paths);
        into.name("user-key");
        into.text(steering.own_key.unwrap_or_default());
        for (name, variable) in [
            ("LD_LIBRARY_PATH", steering.ld_library_path),
            ("LD_PRELOAD", steering.ld_preload),
            ("HIP_PATH", steering.hip_path),
        ] {
            into.name(name);
            paths.argument(into, variable.unwrap_or_default());
        }
        into.name("CLANG_NO_DEFAULT_CONFIG");
        into.number(u64::from(steering.no_default_config.is_some()));
        into.name("loaded-libraries");
        loaded(into, steering, call.config, paths, machine);
        into.name("device-libraries");
        libraries(into, unit, steering, &self.fingerprinted, paths, machine);
        // Debug information and some symbol names contain the input's path, and outside of direct mode sccache's
        // text has no line markers (0.16, `clang.rs`).
        into.name("input");
        paths.argument(into, unit.input.to_bytes());
        into.name("output");
        // A part's output is an intermediate file, whose name is different each time.
        if !parts::is_part(call) {
            paths.output(into, unit);
        }
        into.name("native");
        into.text(&self.native);
        // sccache sees only the resulting text, but -fdebug-macro writes the options themselves into the object.
        into.name("preprocessor-options");
        for (_, text) in unit
            .words
            .iter()
            .filter(|(role, _)| *role == WordRole::Preprocessor)
        {
            paths.argument(into, text.to_bytes());
        }
        into.name("config-files");
        for (_, path) in unit
            .words
            .iter()
            .filter(|(role, _)| *role == WordRole::ConfigFile)
        {
            into.text(&machine.read(path).unwrap_or_default());
        }
        // What a launcher reads of an assembler source differs between versions, and there is no preprocessor to
        // ask.
        into.name("assembler-source");
        if unit.language == Language::Assembler {
            into.text(&machine.read(&unit.input).unwrap_or_default());
        }
        into.name("dependency-file");
        if unit.writes_depfile {
            depfile(into, unit, self.named_depfile().as_deref(), paths);
        }
        // ccache puts the directory into its own key and honours prefix maps.
        into.name("directory");
        if launcher.kind == LauncherKind::Sccache && unit.debug_info {
            debug_directory(into, unit, &paths.cwd);
        }
        into.name("prefix-maps");
        if launcher.kind == LauncherKind::Ccache {
            prefix_maps(into, unit, paths);
        }
    }

    /// Whether the compile is given an id: true for a HIP compile without one of its own.
    #[must_use]
    pub fn takes_id(&self) -> bool {
        let unit = self.unit;
        let uses_id = !unit.new_driver || self.call.config.new_driver_uses_id;
        unit.language == Language::Hip && !unit.has_cuid && uses_id
    }

    /// `-cuid=` for a HIP compile that has none.
    ///
    /// clang derives `__hip_cuid_*` from the source's path and all options, including `-o`. Launchers have neither
    /// in their keys, and objects shared through the cache cannot be linked together (measured, also without
    /// -fgpu-rdc on clang 19). The same call from another checkout gets the same id.
    fn id<M: Machine + ?Sized>(&self, machine: &M) -> CString {
        let mut hasher = Hasher::new();
        self.give_for_id(&mut hasher, machine);
        let mut option = Vec::from(b"-cuid=");
        // As long as the id that clang makes.
        push_hex(&mut option, &hasher.finish()[..8]);
        CString::new(option).unwrap_or_default()
    }

    /// Feeds the ingredients of the id.
    pub fn give_for_id<I: Ingredients, M: Machine + ?Sized>(&self, into: &mut I, machine: &M) {
        into.name("format");
        into.text(FORMAT);
        into.name("input");
        self.paths.path(into, self.unit.input.to_bytes());
        into.name("output");
        self.paths.output(into, self.unit);
        into.name("arguments");
        let mut take = |argument: &CStr| {
            let argument = argument.to_bytes();
            if !CHOICES.iter().any(|choice| argument.starts_with(choice)) {
                self.paths.argument(into, argument);
            }
            Ok::<(), Reason>(())
        };
        for argument in self.call.argv.iter().skip(1) {
            // A response file's content counts, not its name. All of them are readable, or the call would not be
            // launched.
            let _ = match argument.to_bytes_with_nul() {
                [b'@', name @ ..] if name.len() > 1 => {
                    let name = CStr::from_bytes_until_nul(name).unwrap_or_default();
                    response::expand(machine, name, &mut take)
                }
                _ => take(argument),
            };
        }
    }
}

/// Adds what the compiler derives from the name by which it is called, if that is not its own name. clang up to 18
/// looks for GCC's headers from the directory in that name, and their paths end up in the dependency file and in
/// debug information. Every release puts the name in front of the driver's messages.
fn called_as(into: &mut impl Ingredients, call: &Call<'_>, paths: &Paths) {
    let called = call.called.to_bytes();
    let name = base_name(called);
    let dir = called.strip_suffix(name).unwrap_or_default();
    if call.config.home.is_empty() {
        // The compiler is called by its own name, see `Real` in the shim.
        return;
    }
    if dir != call.config.home {
        into.text(b"called from");
        paths.path(into, dir);
    }
    if name != call.config.name {
        into.text(b"called as");
        into.text(name);
    }
}

/// Options that choose which architectures are compiled for, or how many at once. The id leaves them out, so that a
/// device's object is the same regardless of what is compiled together with it.
const CHOICES: [&[u8]; 7] = [
    b"--offload-arch=",
    b"--no-offload-arch=",
    b"--cuda-gpu-arch=",
    b"--no-cuda-gpu-arch=",
    b"--offload-targets=",
    b"--offload-jobs=",
    b"-parallel-jobs=",
];

/// Adds the dependency file. Its content names the target, so the target's text counts as well as its location. A
/// file whose name is passed to the launcher counts like one that the call names: the launcher stores it, which it
/// would not do without a name.
fn depfile(into: &mut impl Ingredients, unit: &Unit<'_>, named: Option<&[u8]>, paths: &Paths) {
    into.text(b"depfile");
    if let Some(name) = named {
        paths.path(into, name);
    }
    let mut explicit = false;
    for (role, text) in &unit.words {
        match role {
            WordRole::Target => {
                explicit = true;
                into.text(text.to_bytes());
            }
            WordRole::Depfile => paths.path(into, text.to_bytes()),
            WordRole::Output
            | WordRole::Include
            | WordRole::Library
            | WordRole::PrefixMap
            | WordRole::MacroPrefixMap
            | WordRole::Preprocessor
            | WordRole::ConfigFile => {}
        }
    }
    if !explicit {
        match unit.word(WordRole::Output) {
            Some(output) => into.text(output.to_bytes()),
            None => into.text(&default_output(&unit.input)),
        }
    }
}

/// The variable for include directories of Objective-C++, which is never launched. Both launchers include it in the
/// key of their direct mode, but not in the key of the preprocessed text.
const DIRECT_MODE_ONLY: &[u8] = b"OBJCPLUS_INCLUDE_PATH=";

/// The entry for [`Key::directory`]. Without it, a launcher in direct mode would look for a checkout's headers in
/// the checkout where they were first compiled (sccache with SCCACHE_BASEDIRS), or wherever another directory's
/// relative names lead.
fn directory(cwd: &[u8]) -> CString {
    let mut hasher = Hasher::new();
    hasher.text(cwd);
    let mut entry = [DIRECT_MODE_ONLY, b"/nonexistent/rock-wrap/"].concat();
    push_hex(&mut entry, &hasher.finish()[..8]);
    CString::new(entry).unwrap_or_default()
}

/// Adds the directory that debug information records: the working directory, or its replacement by prefix maps.
/// clang 15 and 19 differ in which of several maps applies, so every one that could apply is added. A directory
/// given explicitly (`-fdebug-compilation-dir=`) is already among the arguments.
fn debug_directory(into: &mut impl Ingredients, unit: &Unit<'_>, cwd: &[u8]) {
    let mut mapped = false;
    for (role, text) in &unit.words {
        if *role != WordRole::PrefixMap {
            continue;
        }
        let mut parts = text.to_bytes().splitn(3, |byte| *byte == b'=').skip(1);
        match (parts.next(), parts.next()) {
            (Some(_), None) => return,
            (Some(old), Some(_)) => {
                if let Some(rest) = cwd.strip_prefix(old) {
                    mapped = true;
                    into.text(b"mapped");
                    into.text(rest);
                }
            }
            _ => {}
        }
    }
    if !mapped {
        into.text(b"directory");
        into.text(cwd);
    }
}

/// Adds the paths as rewritten by prefix maps: ccache's key contains these options without their values (4.14,
/// `ccache.cpp`). A directory that contains the working directory counts by the working directory's position in it.
fn prefix_maps(into: &mut impl Ingredients, unit: &Unit<'_>, paths: &Paths) {
    for (role, text) in &unit.words {
        if !matches!(role, WordRole::PrefixMap | WordRole::MacroPrefixMap) {
            continue;
        }
        into.text(b"prefix map");
        let mut parts = text.to_bytes().splitn(3, |byte| *byte == b'=');
        into.text(parts.next().unwrap_or_default());
        let old = parts.next().unwrap_or_default();
        match paths.cwd.strip_prefix(old) {
            Some(rest) => into.text(rest),
            None => paths.argument(into, old),
        }
        into.text(parts.next().unwrap_or_default());
    }
}

/// Adds the state of files that the loader would use instead of the compiler's own libraries.
fn loaded<M: Machine + ?Sized>(
    into: &mut impl Ingredients,
    steering: &Steering<'_>,
    config: &Config<'_>,
    paths: &Paths,
    machine: &M,
) {
    let mut look = |path: Vec<u8>| {
        let path = CString::new(path).unwrap_or_default();
        if let Some(file_state) = machine.file_state(&path) {
            into.text(&paths.absolute(path.to_bytes()));
            into.file_state(&file_state);
        }
    };
    // The loader splits LD_LIBRARY_PATH at colons and semicolons, and LD_PRELOAD at colons and spaces (ld.so(8)).
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
