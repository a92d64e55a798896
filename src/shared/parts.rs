//! Caching by architecture: what the shim, the stand-in and the parts program tell each other.
//!
//! Owns: which calls are offered to the parts program, and the words by which the programs recognise each other's
//! calls. The parts program is rock-wrap itself; its work is in [`parts`](../../parts/index.html). Pure.
//!
//! ```text
//! shim:   asks the launcher for the whole compile ---- hit: done
//!   stand-in: the launcher missed; the parts program notes the compile and declines it (DECLINED)
//! shim:   becomes the parts program
//!   asks the launcher, through the shim, for each architecture's part      (Phase::Part)
//!   bundles the parts, compiles the host
//!   asks the launcher, through the shim, for the whole compile once more   (Phase::Ready)
//!     stand-in: the parts program hands over what was made
//! ```

use crate::shared::bytes::decimal;
use crate::shared::call::{Call, lookup};
use crate::shared::decision::language::Language;
use crate::shared::decision::unit::{Sides, Unit};
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

/// The variable by which the parts program marks the calls that it makes. Its value is the letter of a [`Phase`],
/// followed by the directory of the compile, or [`WHOLE`].
pub const VARIABLE: &[u8] = b"ROCK_WRAP_PARTS";

/// The variable's value for a call that is to be compiled whole.
pub const WHOLE: &[u8] = b"w";

/// The value of `-mllvm` in the call for a part, followed by a digest of the part's command lines. It puts the
/// digest into every launcher's key. No compiler knows the option: if one were run in place of the stand-in, it
/// would fail, and the launcher would store nothing.
pub const PART_OPTION: &[u8] = b"-rock-wrap-part=";

/// The exit status by which the stand-in tells the shim that a launcher has missed. Both launchers pass it on and
/// store nothing (sccache 0.16 to 0.19, ccache 4.14.2, measured). clang has no such status.
pub const DECLINED: i32 = 97;

/// The first byte of a shim's record for `--per-arch=auto`.
pub const AUTO: u8 = b'a';

/// The first byte of a shim's record for `--per-arch=always`.
pub const ALWAYS: u8 = b'w';

/// `argv[0]` of the parts program if the shim becomes it. The arguments are the directory of the compile, the
/// shim's path, and the shim's own arguments from `argv[0]` on.
pub const MAKER: &CStr = c"rock-wrap-parts";

/// `argv[0]` of the parts program if the stand-in becomes it. The arguments are the launcher's.
pub const COMPILER: &CStr = c"rock-wrap-part";

/// The start of the name of a compile's directory. The time of the call in nanoseconds since 1970 and the process
/// ID follow, each after a dash.
pub const DIRECTORY: &[u8] = b"rock-wrap-parts";

/// What a call to a launcher is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Finding out whether the launcher has the whole compile.
    Ask,
    /// One architecture's part.
    Part,
    /// The whole compile, whose files the parts program has made.
    Ready,
}

impl Phase {
    /// The letter that stands for the phase.
    #[must_use]
    pub fn letter(self) -> u8 {
        match self {
            Self::Ask => b'a',
            Self::Part => b'p',
            Self::Ready => b'r',
        }
    }

    /// The phase of a letter.
    #[must_use]
    pub fn of_letter(letter: u8) -> Option<Self> {
        match letter {
            b'a' => Some(Self::Ask),
            b'p' => Some(Self::Part),
            b'r' => Some(Self::Ready),
            _ => None,
        }
    }
}

/// What the stand-in has to know about a compile that is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// What the call is for.
    pub phase: Phase,
    /// The directory of the compile. It does not exist before the launcher has missed.
    pub dir: &'a [u8],
    /// The shim's record: [`AUTO`] or [`ALWAYS`], and the path of the parts program.
    pub record: &'a [u8],
}

/// How far a file's times may lag behind the clock, in nanoseconds. The kernel sets them to the time of its last tick,
/// which is at most ten milliseconds ago.
const TICK: u64 = 20_000_000;

impl<'a> Parts<'a> {
    /// Parses a phase's letter and a directory, with the shim's record.
    #[must_use]
    pub fn parse(value: &'a [u8], record: &'a [u8]) -> Option<Self> {
        let (letter, dir) = value.split_first()?;
        let phase = Phase::of_letter(*letter)?;
        (record.len() > 1 && dir.starts_with(b"/")).then_some(Self { phase, dir, record })
    }

    /// The path of the parts program.
    #[must_use]
    pub fn program(&self) -> &'a [u8] {
        self.record.get(1..).unwrap_or_default()
    }

    /// The path of the file that holds the text of one side while the compile is made.
    #[must_use]
    pub fn text(&self, side: &[u8]) -> CString {
        self.file(&[b"text.", side].concat())
    }

    /// The path of a file in the directory of the compile.
    #[must_use]
    pub fn file(&self, name: &[u8]) -> CString {
        CString::new([self.dir, b"/", name].concat()).unwrap_or_default()
    }

    /// The time, in nanoseconds since 1970, since which no file that the compile reads may have changed. Otherwise some
    /// parts would come from an earlier state than the whole, and would not fit together.
    #[must_use]
    pub fn unchanged_since(&self) -> u64 {
        self.started().saturating_sub(TICK)
    }

    /// When the compile was asked for, in nanoseconds since 1970. A file that changes at least a tick after this time
    /// gets this time or a later one.
    #[must_use]
    pub fn started(&self) -> u64 {
        let name = self
            .dir
            .split(|byte| *byte == b'/')
            .next_back()
            .unwrap_or_default();
        let time = name.get(DIRECTORY.len() + 1..).unwrap_or_default();
        let time = time.split(|byte| *byte == b'-').next().and_then(decimal);
        time.unwrap_or(0)
    }
}

/// The letter and the directory for the launch of `unit`; `None` if it is not to be split. `unique` returns the end of
/// the directory's name, see [`DIRECTORY`].
#[must_use]
pub fn value(
    call: &Call<'_>,
    unit: &Unit<'_>,
    unique: impl FnOnce() -> Vec<u8>,
) -> Option<Vec<u8>> {
    if call.config.parts.is_empty() {
        return None;
    }
    if let Some(value) = lookup(call.env, VARIABLE) {
        return Some(value.to_bytes().to_vec());
    }
    can_split(unit).then(|| {
        let temporary = lookup(call.env, b"TMPDIR").map_or(&b""[..], CStr::to_bytes);
        let temporary = if temporary.starts_with(b"/") {
            temporary
        } else {
            b"/tmp"
        };
        let mut value = Vec::with_capacity(128);
        value.push(Phase::Ask.letter());
        for piece in [temporary, b"/", DIRECTORY, b"-", &unique()] {
            value.extend_from_slice(piece);
        }
        value
    })
}

/// Whether the parts program makes this call for a part.
#[must_use]
pub fn is_part(call: &Call<'_>) -> bool {
    let value = lookup(call.env, VARIABLE).map_or(&b""[..], CStr::to_bytes);
    value.first() == Some(&Phase::Part.letter())
}

/// The name of the host's side. No architecture has this name.
pub const HOST: &[u8] = b"host";

/// Whether `unit` compiles several architectures that the call names.
#[must_use]
pub fn can_split(unit: &Unit<'_>) -> bool {
    unit.language == Language::Hip
        && unit.sides == Sides::Both
        && unit.archs.len() > 1
        && !(unit.drops_archs || unit.native || unit.bitcode)
        // An architecture's name becomes part of a file name, see [`Parts::text`].
        && !unit.archs.iter().any(|arch| arch.to_bytes().contains(&b'/'))
}
