//! Paths in a form that two checkouts share.

use crate::shared::decision::unit::{Role, Unit, default_output};
use crate::shared::key::hash::Hasher;
use crate::shared::machine::Machine;
use alloc::vec::Vec;

/// Paths, in a form that two checkouts share.
pub struct Paths<'a> {
    base: &'a [u8],
    pub(super) cwd: Vec<u8>,
}

impl<'a> Paths<'a> {
    pub fn new<M: Machine + ?Sized>(machine: &M, base: Option<&'a [u8]>) -> Self {
        let base = base.unwrap_or_default();
        let base = base.strip_suffix(b"/").unwrap_or(base);
        // A base that is no absolute path could mean anything.
        let base = if base.first() == Some(&b'/') {
            base
        } else {
            b""
        };
        Self {
            base,
            cwd: machine.cwd(),
        }
    }

    /// Adds `path`, made absolute, relative to the base where it lies below it. `..` stays: behind a
    /// link it leads elsewhere than its spelling says. Never relative to the working directory: two directories of one build would give
    /// the same (measured: their objects then share `__hip_cuid_*`).
    pub fn path(&self, hasher: &mut Hasher, path: &[u8]) {
        let absolute = self.absolute(path);
        let below = absolute
            .strip_prefix(self.base)
            .filter(|rest| rest.first() == Some(&b'/'));
        match below.filter(|_| !self.base.is_empty()) {
            Some(rest) => {
                hasher.text(b"below");
                hasher.text(rest);
            }
            None => {
                hasher.text(b"at");
                hasher.text(&absolute);
            }
        }
    }

    pub fn absolute(&self, path: &[u8]) -> Vec<u8> {
        let cwd: &[u8] = if path.first() == Some(&b'/') {
            b""
        } else {
            &self.cwd
        };
        let mut absolute = Vec::with_capacity(cwd.len() + path.len() + 1);
        let parts = cwd
            .split(|byte| *byte == b'/')
            .chain(path.split(|byte| *byte == b'/'));
        for part in parts.filter(|part| !matches!(*part, b"" | b".")) {
            absolute.push(b'/');
            absolute.extend_from_slice(part);
        }
        absolute
    }

    /// Adds an argument, in which the base may stand anywhere.
    pub fn argument(&self, hasher: &mut Hasher, argument: &[u8]) {
        if self.base.is_empty() {
            hasher.text(argument);
            return;
        }
        let mut shared = Vec::with_capacity(argument.len());
        let mut rest = argument;
        while let Some((first, behind)) = rest.split_first() {
            match rest.strip_prefix(self.base) {
                Some(below) if matches!(below.first(), None | Some(b'/')) => {
                    shared.push(0);
                    rest = below;
                }
                _ => {
                    shared.push(*first);
                    rest = behind;
                }
            }
        }
        hasher.text(&shared);
    }

    pub fn output(&self, hasher: &mut Hasher, unit: &Unit<'_>) {
        match unit.word(Role::Output) {
            Some(output) => self.path(hasher, output.to_bytes()),
            None => self.path(hasher, &default_output(&unit.input)),
        }
    }
}
