//! Shares a result between checkouts in different directories.
//!
//! Owns: which calls may share although they name files by absolute path, the placeholder for the
//! checkout's directory in shared results, and the replacement of the directory by the placeholder and
//! back. Must refuse anything that it does not know: an object may contain a path in ways that only the
//! options reveal.

use crate::shared::bytes::find;
use crate::shared::call::Call;
use crate::shared::decision::language::Language;
use crate::shared::decision::options;
use crate::shared::decision::unit::{Unit, WordRole};
use crate::shared::machine::Machine;
use crate::shared::shim_config::WitnessKind;
use alloc::ffi::CString;
use alloc::vec::Vec;

/// Replaces a checkout's directory in a file or message that a launcher stores. The path works wherever a
/// build runs, even if nothing converts it back.
const HERE: &[u8] = b"/proc/self/cwd/";

/// A shared checkout, as one call sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The directory by the name that the call uses, with a trailing slash.
    pub root: Vec<u8>,
    /// The path to it from the working directory: `../`, repeated as needed.
    pub up: Vec<u8>,
}

/// What replaces a checkout's directory in stored results: `HERE`, then `up`, the path to it from the working
/// directory.
#[must_use]
pub fn placeholder(up: &[u8]) -> Vec<u8> {
    [HERE, up].concat()
}

/// The names of the directory below which checkouts share.
#[derive(Default)]
pub struct Bases(Vec<Vec<u8>>);

impl Bases {
    /// `base` as given, plus the name that the working directory or `input` uses for it, if that differs (a
    /// symbolic link). None of them ends with a slash.
    pub fn of<M: Machine + ?Sized>(
        base: Option<&[u8]>,
        input: &[u8],
        cwd: &[u8],
        machine: &M,
    ) -> Self {
        let base = base.unwrap_or_default();
        let base = base.strip_suffix(b"/").unwrap_or(base);
        // A relative path could mean anything.
        if base.first() != Some(&b'/') {
            return Self::default();
        }
        let mut bases = Vec::from([base.to_vec()]);
        for path in [cwd, input] {
            if path.first() != Some(&b'/') || bases.iter().any(|base| below(path, base).is_some()) {
                continue;
            }
            bases.extend(by_another_name(base, path, machine));
        }
        Self(bases)
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// The part of `path` below one of the names.
    pub fn below<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        self.iter().find_map(|base| below(path, base))
    }

    /// What follows one of the names at the start of `text`: nothing, or text that begins with a slash.
    pub fn behind<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        if text.first() != Some(&b'/') {
            return None;
        }
        self.iter().find_map(|base| {
            let rest = text.strip_prefix(base)?;
            matches!(rest.first(), None | Some(b'/')).then_some(rest)
        })
    }
}

/// The part of `path` below `base`, with the slash.
fn below<'p>(path: &'p [u8], base: &[u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(base)?;
    (rest.first() == Some(&b'/')).then_some(rest)
}

/// The ancestor of `path` that is the same directory as `base`.
fn by_another_name<M: Machine + ?Sized>(base: &[u8], path: &[u8], machine: &M) -> Option<Vec<u8>> {
    let is = |path: &[u8]| {
        let stamp = machine.file_state(&CString::new(path).ok()?)?;
        Some((stamp.dev, stamp.ino))
    };
    let wanted = is(base)?;
    let ends = (1..path.len()).filter(|at| path.get(*at) == Some(&b'/'));
    let mut dirs = ends.chain([path.len()]).filter_map(|end| path.get(..end));
    dirs.find(|dir| is(dir) == Some(wanted)).map(<[u8]>::to_vec)
}

/// The checkout, if other checkouts may share the result of `call`: as far as the options reveal, its
/// object cannot contain the checkout's path, and the call uses only one name for it.
pub fn shared(call: &Call<'_>, unit: &Unit<'_>, bases: &Bases, cwd: &[u8]) -> Option<Shared> {
    let up = bases.below(&[cwd, b"/"].concat()).map(|below| {
        let parts = below.split(|byte| *byte == b'/');
        b"../".repeat(parts.filter(|part| !part.is_empty()).count())
    })?;
    // Bitcode contains the name of its source.
    let tells = unit.debug_info
        || unit.relocatable_device_code
        || unit.language == Language::Assembler
        || unit.writes_depfile && unit.word(WordRole::Depfile).is_none()
        || is_configured(call);
    if tells || !is_neutral(call) {
        return None;
    }
    let is_named = |base: &&[u8]| {
        let mut arguments = call.argv.iter().skip(1);
        arguments.any(|argument| holds(argument.to_bytes(), base))
    };
    let mut named = bases.iter().filter(is_named);
    let root = named.next().filter(|_| named.next().is_none())?;
    is_plain(root).then(|| Shared {
        root: [root, b"/"].concat(),
        up,
    })
}

/// Whether the compiler reads configuration files on its own; their options are not examined here.
fn is_configured(call: &Call<'_>) -> bool {
    call.config.witnesses().any(|witness| {
        witness.kind != WitnessKind::Absent && witness.name.to_bytes().ends_with(b".cfg")
    })
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Whether a path is written the same way in line markers, dependency files and messages.
fn is_plain(path: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._+-,@~%=".contains(byte);
    path.iter().all(plain)
}

/// Options that add no path to an object, whatever is joined to them.
const NEUTRAL: [&[u8]; 50] = [
    b"--cuda-",
    b"--gcc-toolchain=",
    b"--hip-",
    b"--no-offload-arch=",
    b"--offload-arch=",
    b"--offload-compress",
    b"--offload-device-only",
    b"--offload-host-only",
    b"--offload-jobs=",
    b"--offload-new-driver",
    b"--no-offload-new-driver",
    b"--rocm-",
    b"--std=",
    b"--sysroot=",
    b"--target=",
    b"-D",
    b"-I",
    b"-L",
    b"-M",
    b"-O",
    b"-U",
    b"-ansi",
    b"-cuid=",
    b"-fuse-cuid=",
    b"-idirafter",
    b"-imacros",
    b"-include",
    b"-iquote",
    b"-isysroot",
    b"-isystem",
    b"-march=",
    b"-mcmodel=",
    b"-mcode-object-version=",
    b"-mcpu=",
    b"-mavx",
    b"-mbmi",
    b"-mf16c",
    b"-mfma",
    b"-mno-",
    b"-msse",
    b"-mtune=",
    b"-munsafe-fp-atomics",
    b"-nogpu",
    b"-nostdinc",
    b"-parallel-jobs=",
    b"-pedantic",
    b"-std=",
    b"-stdlib=",
    b"-target",
    b"-x",
];

/// Options that add no path to an object if nothing is joined to them.
const NEUTRAL_ALONE: [&[u8]; 6] = [b"-c", b"-g0", b"-o", b"-pipe", b"-pthread", b"-w"];

/// Options of the `-f` family that add no path to an object, with or without `no-` in front of the name. A
/// value may follow after `=`; after a name that ends with `-` or `=`, and after `visibility`, anything.
const NEUTRAL_FEATURES: [&[u8]; 55] = [
    b"PIC",
    b"PIE",
    b"aligned-allocation",
    b"approx-func",
    b"associative-math",
    b"builtin",
    b"caret-diagnostics",
    b"char8_t",
    b"clang-abi-compat=",
    b"color-diagnostics",
    b"common",
    b"constexpr-",
    b"cuda-flush-denormals-to-zero",
    b"data-sections",
    b"delete-null-pointer-checks",
    b"diagnostics-color",
    b"diagnostics-show-",
    b"exceptions",
    b"fast-math",
    b"finite-math-only",
    b"fp-contract=",
    b"fp-model=",
    b"freestanding",
    b"function-sections",
    b"gpu-default-stream=",
    b"gpu-flush-denormals-to-zero",
    b"gpu-rdc",
    b"hip-",
    b"honor-infinities",
    b"honor-nans",
    b"inline",
    b"inline-functions",
    b"lax-vector-conversions",
    b"math-errno",
    b"merge-all-constants",
    b"ms-extensions",
    b"offload-uniform-block",
    b"omit-frame-pointer",
    b"openmp",
    b"pic",
    b"pie",
    b"plt",
    b"reciprocal-math",
    b"rtti",
    b"semantic-interposition",
    b"signed-char",
    b"signed-zeros",
    b"slp-vectorize",
    b"stack-protector",
    b"strict-aliasing",
    b"threadsafe-statics",
    b"trapping-math",
    b"unroll-loops",
    b"vectorize",
    b"visibility",
];

/// Values of `-mllvm` that add no path to an object, whatever is joined to them. Values with the first prefix are in
/// the flags of every target that CMake compiles for HIP.
const NEUTRAL_BACKEND: [&[u8]; 4] = [
    b"amdgpu-",
    b"enable-post-misched",
    b"greedy-reverse-local-assignment",
    b"lsr-drop-solution",
];

/// Whether every argument of `call` is an input, or an option that is known to add no path to the object.
fn is_neutral(call: &Call<'_>) -> bool {
    let mut arguments = call.argv.iter().skip(1);
    while let Some(argument) = arguments.next() {
        let argument = argument.to_bytes();
        match argument {
            b"-mllvm" => {
                let value = arguments.next().map_or(&b""[..], |value| value.to_bytes());
                if !is_neutral_backend(value) {
                    return false;
                }
            }
            [b'-', ..] if !is_neutral_option(argument) => return false,
            // The contents of a response file are not examined.
            [b'@', ..] => return false,
            [b'-', ..] => {
                let values = options::find(argument).map_or(0, |found| found.values);
                if values > 0 {
                    arguments.nth(values - 1);
                }
            }
            _ => {}
        }
    }
    true
}

fn is_neutral_backend(value: &[u8]) -> bool {
    let dashes = value.iter().take_while(|byte| **byte == b'-').count();
    let name = value.get(dashes..).unwrap_or_default();
    NEUTRAL_BACKEND.iter().any(|start| name.starts_with(start))
}

fn is_neutral_option(option: &[u8]) -> bool {
    if let [b'-', b'W', rest @ ..] = option {
        // With a comma, the option is for the preprocessor, the assembler or the linker.
        return !rest.contains(&b',');
    }
    let feature = option.strip_prefix(b"-f");
    let feature = feature.map(|name| name.strip_prefix(b"no-").unwrap_or(name));
    NEUTRAL_ALONE.contains(&option)
        || NEUTRAL.iter().any(|name| option.starts_with(name))
        || feature.is_some_and(|feature| {
            let mut names = NEUTRAL_FEATURES.iter();
            names.any(|name| match feature.strip_prefix(*name) {
                Some(b"") => true,
                Some([b'=', ..]) => true,
                Some(_) => matches!(name.last(), Some(b'-' | b'=')) || *name == b"visibility",
                None => false,
            })
        })
}

/// Appends `text` to `out` with the directory `from` replaced by `to` wherever it begins a path.
pub fn respell(text: &[u8], from: &[u8], to: &[u8], out: &mut Vec<u8>) {
    let mut done = 0;
    let mut at = 0;
    while let Some(slash) = text.get(at..).and_then(|rest| find(rest, b'/')) {
        at += slash;
        let begins = text.get(..at).is_none_or(begins_path);
        if begins && text.get(at..).is_some_and(|rest| rest.starts_with(from)) {
            out.extend_from_slice(text.get(done..at).unwrap_or_default());
            out.extend_from_slice(to);
            at += from.len();
            done = at;
        } else {
            at += 1;
        }
    }
    out.extend_from_slice(text.get(done..).unwrap_or_default());
}

/// Whether a path can begin after `before`, rather than continue. The letter `m` may be the end of a
/// message's colour sequence, after which a path can begin.
fn begins_path(before: &[u8]) -> bool {
    match before.last() {
        Some(b'm') => {
            let code = |byte: &&u8| byte.is_ascii_digit() || **byte == b';';
            let digits = before.iter().rev().skip(1).take_while(code).count();
            let start = before.len() - 1 - digits;
            before
                .get(..start)
                .is_some_and(|before| before.ends_with(b"\x1b["))
        }
        Some(b'/' | b'.' | b'_' | b'-' | b'+' | b'~') => false,
        Some(byte) => !byte.is_ascii_alphanumeric(),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_put_into_another_form_where_a_path_begins() {
        for (text, expected) in [
            (
                "a.o: /co/src/a.c \\\n  /co/inc/a.h",
                "a.o: ../src/a.c \\\n  ../inc/a.h",
            ),
            ("/co/a.c:1: error", "../a.c:1: error"),
            ("\u{1b}[1m/co/a.c\u{1b}[0m", "\u{1b}[1m../a.c\u{1b}[0m"),
            ("'/co/a.c' \"/co/b\"", "'../a.c' \"../b\""),
            ("/x/co/a.c /cow/b /co", "/x/co/a.c /cow/b /co"),
            ("x/co/a.c", "x/co/a.c"),
        ] {
            let mut out = Vec::new();
            respell(text.as_bytes(), b"/co/", b"../", &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn only_options_that_are_known_to_hold_no_path_are_neutral() {
        for option in [
            "-O3",
            "-fPIC",
            "-fno-exceptions",
            "-fvisibility-inlines-hidden",
            "-fopenmp=libomp",
            "-Wall",
            "-Werror=unused",
            "-std=gnu++17",
            "-DX=1",
            "-MD",
            "--offload-arch=gfx942",
            "-mavx2",
            "-fdiagnostics-color=always",
            "-fvisibility=hidden",
            "-munsafe-fp-atomics",
            "-fclang-abi-compat=17",
            "-fno-offload-uniform-block",
        ] {
            assert!(is_neutral_option(option.as_bytes()), "{option}");
        }
        for option in [
            "-g",
            "-fsanitize=undefined",
            "-flto",
            "-emit-llvm",
            "-Wa,-g",
            "-fembed-bitcode",
            "-funique-internal-linkage-names",
            "-fopenmp-targets=amdgcn",
            "-mllvm",
            "-Xclang",
            "-frecord-command-line",
            "-fprofile-generate",
            "-unknown",
            "-fpicture",
            "-fcommonx",
        ] {
            assert!(!is_neutral_option(option.as_bytes()), "{option}");
        }
        for (value, neutral) in [
            ("-amdgpu-early-inline-all=true", true),
            ("--amdgpu-kernarg-preload-count=16", true),
            ("--lsr-drop-solution=1", true),
            ("-unknown", false),
            ("", false),
        ] {
            assert_eq!(is_neutral_backend(value.as_bytes()), neutral, "{value}");
        }
    }
}
