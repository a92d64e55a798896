//! Computes the digests of the files that a compile's texts name.
//!
//! Owns: reading the files, and determining which of them cannot be relied upon.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use crate::shared::key::hash::{Hasher, LEN};
use crate::shared::parts::Phase;
use crate::shared::stand_in::StandInPlan;
use crate::shared::stand_in::known::{self, KnownDigests};
use crate::shared::stand_in::markers::path_of;
use crate::shared::stand_in::text::{LONGEST_DATE, names_date};
use crate::shared::sys::{self, Errno, File};

/// The size of a read in bytes.
pub const PIECE: usize = 64 * 1024;

/// What is known about a file's content.
#[derive(PartialEq, Eq)]
pub enum NamedContent {
    Unknown,
    Known {
        /// Whether it names a macro for the date, used or not.
        dated: bool,
    },
}

/// Computes the digest of one file after another.
pub struct NamedFiles<'a> {
    /// A file that has changed at this time or later does not count as known.
    since: u64,
    /// Whether the digests are part of the answer.
    tells: bool,
    known: KnownDigests<'a>,
    /// The digests that were computed here, in the form of [`known`].
    taken: Vec<u8>,
    /// Memory is never freed (see `heap`): one buffer serves all files.
    piece: Vec<u8>,
}

/// The digests that an earlier call for the same compile has computed.
pub fn kept_digests(plan: &StandInPlan<'_>) -> Vec<u8> {
    let parts = plan.parts.filter(|parts| parts.phase != Phase::Ask);
    let file = parts.and_then(|parts| File::open(&parts.file(known::FILE)).ok());
    let mut kept = Vec::new();
    if let Some(file) = file {
        let mut more = || {
            kept.reserve(PIECE);
            file.read_more(&mut kept).is_ok_and(|read| read > 0)
        };
        while more() {}
    }
    kept
}

impl<'a> NamedFiles<'a> {
    pub fn new(plan: &StandInPlan<'_>, kept: &'a [u8]) -> Self {
        let later = plan.parts.filter(|parts| parts.phase != Phase::Ask);
        Self {
            since: later.map_or(u64::MAX, |parts| parts.unchanged_since()),
            // Without digests, a part is found even after an edit that its architecture does not see. The parts program
            // then checks whether the edit matters.
            tells: plan.parts.is_none_or(|parts| parts.phase != Phase::Part),
            known: KnownDigests::new(kept),
            taken: Vec::new(),
            piece: Vec::with_capacity(PIECE),
        }
    }

    /// Appends a line marker for the file `name`, displayed as `shown`, and, if digests are part of the answer, a line
    /// with the digest of its content. Both launchers treat this form as inert, and both record the file for their
    /// direct mode from it. The content of a missing file also counts as known.
    pub fn add(&mut self, name: &[u8], shown: &[u8], out: &mut Vec<u8>) -> NamedContent {
        out.extend_from_slice(b"# 1 \"");
        out.extend_from_slice(shown);
        out.extend_from_slice(b"\"\n");
        let told = out.len();
        out.extend_from_slice(b"#pragma rock-wrap ");
        let path = path_of(name)
            .and_then(|path| CString::new(path).ok())
            .unwrap_or_default();
        let named = match sys::stat(&path) {
            Ok(stat) if stat.is_regular() && stat.changed < self.since => {
                self.content(name, &path, out)
            }
            // A pipe or a device, which has been read and cannot be read again, or a file that has changed too
            // recently.
            Ok(_) => NamedContent::Unknown,
            Err(_) => {
                out.extend_from_slice(b"absent");
                NamedContent::Known { dated: false }
            }
        };
        out.push(b'\n');
        if !self.tells {
            out.truncate(told);
        }
        named
    }

    /// Appends the digest of a file's content.
    fn content(&mut self, name: &[u8], path: &CStr, out: &mut Vec<u8>) -> NamedContent {
        if let Some((digest, dated)) = self.known.get(name) {
            out.extend_from_slice(digest);
            return NamedContent::Known { dated };
        }
        let Some((digest, dated)) = read(path, &mut self.piece) else {
            return NamedContent::Unknown;
        };
        let line = self.taken.len();
        known::push(&mut self.taken, name, &digest, dated);
        out.extend_from_slice(&self.taken[line..line + 2 * LEN]);
        NamedContent::Known { dated }
    }

    /// Keeps the digests for the calls that follow, if the compile may be made by architecture.
    pub fn keep(&self, plan: &StandInPlan<'_>) {
        let Some(parts) = plan.parts.filter(|parts| parts.phase == Phase::Ask) else {
            return;
        };
        let path = parts.file(known::FILE);
        let file = File::create(&path);
        if !file.is_ok_and(|file| sys::write_all(file.descriptor(), &self.taken)) {
            // The disk is full: each call reads the files for itself.
            sys::remove_file(&path);
        }
    }
}

/// The digest of a file's content, and whether it names a macro for the date.
fn read(path: &CStr, piece: &mut Vec<u8>) -> Option<([u8; LEN], bool)> {
    let file = File::open(path).ok()?;
    let mut hasher = Hasher::new();
    let mut dated = false;
    piece.clear();
    loop {
        // The last bytes may be the start of a word that continues in the next piece.
        let kept = piece.len().min(LONGEST_DATE - 1);
        piece.drain(..piece.len() - kept);
        match file.read_more(piece) {
            Ok(0) => return Some((hasher.finish(), dated)),
            Ok(_) => {
                hasher.bytes(piece.get(kept..).unwrap_or_default());
                dated = dated || names_date(piece);
            }
            Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}
