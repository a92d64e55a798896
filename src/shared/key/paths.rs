//! Paths in a form that is the same in two checkouts.

use crate::shared::decision::sharing::Bases;
use crate::shared::decision::unit::{Unit, WordRole, default_output};
use crate::shared::key::ingredients::Ingredients;
use crate::shared::machine::Machine;
use alloc::vec::Vec;

/// Paths in a form that is the same in two checkouts.
pub struct Paths {
    /// The names of the directory below which checkouts share results.
    pub bases: Bases,
    /// The working directory; empty if it has no name.
    pub cwd: Vec<u8>,
}

impl Paths {
    /// The paths of a call for `input` on `machine`, shared below `base`.
    pub fn new<M: Machine + ?Sized>(machine: &M, base: Option<&[u8]>, input: &[u8]) -> Self {
        let cwd = machine.cwd();
        let bases = Bases::of(base, input, &cwd, machine);
        Self { bases, cwd }
    }

    /// Whether a base directory is set, below which checkouts share results.
    pub fn has_base(&self) -> bool {
        self.bases.iter().next().is_some()
    }

    /// Whether the working directory has a name. The kernel has none for a directory that was removed, and reports
    /// no absolute path for one outside of this process's root.
    pub fn has_directory(&self) -> bool {
        self.cwd.first() == Some(&b'/')
    }

    /// Adds `path`, made absolute, and then relative to the base if it lies below the base. `..` stays: behind a
    /// symbolic link it leads elsewhere than its spelling suggests. Paths are never relative to the working
    /// directory, because two directories of one build would then produce the same key (measured: their objects
    /// then share `__hip_cuid_*`).
    pub fn path(&self, into: &mut impl Ingredients, path: &[u8]) {
        let absolute = self.absolute(path);
        match self.bases.below(&absolute) {
            Some(rest) => {
                into.text(b"below");
                into.text(rest);
            }
            None => {
                into.text(b"at");
                into.text(&absolute);
            }
        }
    }

    /// `path` as an absolute path, without empty components and dots.
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

    /// Adds an argument, which may contain the base anywhere.
    pub fn argument(&self, into: &mut impl Ingredients, argument: &[u8]) {
        let mut shared = Vec::with_capacity(argument.len());
        let mut rest = argument;
        while let Some((first, behind)) = rest.split_first() {
            match self.bases.behind(rest) {
                Some(below) => {
                    shared.push(0);
                    rest = below;
                }
                None => {
                    shared.push(*first);
                    rest = behind;
                }
            }
        }
        into.text(&shared);
    }

    /// Adds the path of the object.
    pub fn output(&self, into: &mut impl Ingredients, unit: &Unit<'_>) {
        match unit.word(WordRole::Output) {
            Some(output) => self.path(into, output.to_bytes()),
            None => self.path(into, &default_output(&unit.input)),
        }
    }
}
