//! Judges a command line as a whole, after all of its arguments have been read.

use super::{Expect, Scan};
use crate::shared::decision::language::Language;
use crate::shared::decision::reasons::{Direct, Reason};
use crate::shared::decision::unit::{Sides, Unit, WordRole};
use crate::shared::launchers::kind::LauncherKind;
use crate::shared::machine::{FileKind, Machine};
use crate::shared::stand_in;
use alloc::vec::Vec;
use core::ffi::CStr;

impl<'a, 'l> Scan<'a, 'l> {
    /// Judges the call as a whole: first its arguments, then whatever `outside` finds, then its files.
    pub fn finish<M: Machine + ?Sized>(
        mut self,
        machine: &M,
        outside: impl FnOnce() -> Option<Reason>,
    ) -> Result<Unit<'a>, Direct> {
        self.check_arguments()?;
        if let Some(reason) = outside() {
            return Err(reason.into());
        }
        self.check_files(machine)?;
        Ok(self.unit)
    }

    pub(super) fn check_arguments(&mut self) -> Result<(), Direct> {
        let input = |reason| Direct {
            reason,
            at: Some(self.input_at),
        };
        // The most frequent case first: a link or a probe needs no further explanation.
        if !self.compiles {
            return Err(Reason::NotACompile.into());
        }
        if self.side_output_at != 0 {
            return Err(Direct {
                reason: Reason::SideOutput,
                at: Some(self.side_output_at),
            });
        }
        if self.expect != Expect::Anything {
            return Err(Reason::MissingValue.into());
        }
        if self.input_at == 0 {
            return Err(Reason::NoInput.into());
        }
        if self.second_at != 0 {
            return Err(Direct {
                reason: Reason::SeveralInputs,
                at: Some(self.second_at),
            });
        }
        if self.after_unknown {
            return Err(input(Reason::UnclearInputs));
        }
        let by_name = || Language::of_file(self.unit.input.to_bytes());
        let Some(language) = self.x.or_else(by_name) else {
            return Err(input(Reason::InputLanguage));
        };
        // clang 15 and 19 in g++ mode treat a plain .c file as C++ and warn about it. sccache 0.16 passes
        // an explicit language, so the warning is lost (measured; ccache 4.7.5 keeps it).
        if self.cxx_driver
            && self.x.is_none()
            && language == Language::C
            && self.launcher.kind == LauncherKind::Sccache
        {
            return Err(input(Reason::LanguageMode));
        }
        self.unit.language = language;
        if language == Language::Hip {
            if let Some(reason) = self.launcher.lacks_hip() {
                return Err(reason.into());
            }
            // The stand-in preprocesses for each architecture by name.
            let is_told =
                stand_in::is_used(self.launcher) && !self.unit.drops_archs && !self.offload_targets;
            if self.unit.hides_device_text() && !is_told {
                return Err(Reason::NewOffloadDriver.into());
            }
        } else if self.openmp && !self.unit.archs.is_empty() || self.offload_targets {
            return Err(Reason::OffloadKind.into());
        }
        if language == Language::Assembler {
            // Only for these targets does clang never run a system assembler.
            if !self.gpu_target {
                return Err(input(Reason::InputLanguage));
            }
            // clang writes no dependency file here, and sccache would expect one.
            if self.unit.writes_depfile {
                return Err(Reason::Depfile.into());
            }
        }
        if self.unbundled && (self.unit.archs.len() != 1 || self.unit.native) {
            return Err(Reason::UnbundledOutput.into());
        }
        // The preprocessor, which sccache 0.16 runs with these options, reports them as unused (measured).
        if self.offload_linker
            && self.strict_warnings
            && self.launcher.kind == LauncherKind::Sccache
        {
            return Err(Reason::TargetForwarding.into());
        }
        // sccache 0.16 assumes <stem>.o; clang writes x.hip-hip-amdgcn-amd-amdhsa.hipfb or x.bc.
        if (self.unit.sides == Sides::Device || self.unit.bitcode)
            && self.unit.word(WordRole::Output).is_none()
        {
            return Err(Reason::DefaultOutput.into());
        }
        // clang writes no dependency file for a device side, and sccache would expect one.
        if self.unit.sides == Sides::Device
            && self.unit.writes_depfile
            && language == Language::Hip
            && self.launcher.kind == LauncherKind::Sccache
        {
            return Err(Reason::Depfile.into());
        }
        // Without -MD clang writes no dependency file, and sccache would expect one. Of several targets,
        // sccache writes only the last one (0.16, measured).
        let targets = self
            .unit
            .words
            .iter()
            .filter(|(role, _)| *role == WordRole::Target);
        let several = self.launcher.kind == LauncherKind::Sccache && targets.count() > 1;
        if several || self.unit.word(WordRole::Depfile).is_some() && !self.unit.writes_depfile {
            return Err(Reason::Depfile.into());
        }
        self.unit.has_cuid = self.cuid || !self.hashed_cuid;
        Ok(())
    }

    pub(super) fn check_files<M: Machine + ?Sized>(&self, machine: &M) -> Result<(), Direct> {
        use crate::shared::machine::FileKind::{Missing, Other, Regular};
        let input = &self.unit.input;
        if machine.kind(input) != Regular {
            return Err(Direct {
                reason: Reason::InputNotAFile,
                at: Some(self.input_at),
            });
        }
        if !can_write(machine, &self.unit.output(), !self.unit.replaces_output()) {
            return Err(Reason::OutputNotAFile.into());
        }
        let named = self.unit.word(WordRole::Depfile).is_some()
            || self.launcher.wants_depfile_named(&self.unit);
        if let Some(depfile) = self.unit.depfile().filter(|_| named)
            && !can_write(machine, &depfile, false)
        {
            return Err(Reason::Depfile.into());
        }
        for (role, text) in &self.unit.words {
            let reason = match role {
                // A pipe can be read only once, and a launcher reads it before the compiler does.
                WordRole::Include if machine.kind(text) == Other => Reason::FileInput,
                // `-include x.h` uses x.h.pch or x.h.gch if one exists (measured on clang 15 and 19).
                WordRole::Include
                    if [b".pch", b".gch"]
                        .into_iter()
                        .any(|end| kind_of(machine, text.to_bytes().into(), end) != Missing) =>
                {
                    Reason::PrecompiledHeader
                }
                _ => continue,
            };
            return Err(reason.into());
        }
        Ok(())
    }
}

/// Whether `path` is a writable regular file, or could be created. If the directory is missing, sccache
/// fails with an error of its own instead of clang's (0.16, measured).
fn can_write<M: Machine + ?Sized>(machine: &M, path: &CStr, keeps_mode: bool) -> bool {
    use crate::shared::machine::FileKind::{Missing, Other, Regular};
    match machine.kind_to_write(path, keeps_mode) {
        Regular => true,
        Other => false,
        Missing => {
            let path = path.to_bytes();
            match path.len() - crate::shared::paths::base_name(path).len() {
                0 => true,
                // A directory is neither a regular file nor absent.
                dir => kind_of(machine, path[..dir].into(), b"") == Other,
            }
        }
    }
}

/// What exists at the path `name` + `end`.
fn kind_of<M: Machine + ?Sized>(machine: &M, mut name: Vec<u8>, end: &[u8]) -> FileKind {
    name.extend_from_slice(end);
    name.push(0);
    machine.kind(CStr::from_bytes_until_nul(&name).unwrap_or_default())
}
