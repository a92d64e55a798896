//! Handles options that have a value.

use super::forwarded::backend_option;
use super::{GPU, Scan, ScanResult, Word};
use crate::shared::decision::language::Language;
use crate::shared::decision::reasons::Reason;
use crate::shared::decision::unit::WordRole;
use crate::shared::launchers::kind::LauncherKind;
use alloc::ffi::CString;

impl<'a, 'l> Scan<'a, 'l> {
    /// An option that is identified by its family or by what follows its `=`.
    pub(super) fn with_value(&mut self, bytes: &[u8]) -> ScanResult {
        if let Some(how) = bytes.strip_suffix(b"gpu-bundle-output") {
            self.unbundled = how.ends_with(b"no-");
        } else if bytes.starts_with(b"-g") {
            // Only `-g0` disables it. Assuming too much debug information is safe.
            self.unit.debug_info = bytes != b"-g0";
        } else if bytes.starts_with(b"--debug=") {
            self.unit.debug_info = true;
        } else if bytes.starts_with(b"-fopenmp") {
            self.openmp = true;
        } else if bytes == b"-fgpu-rdc" || bytes == b"-fcuda-rdc" {
            self.unit.relocatable_device_code = true;
        } else if bytes == b"-fno-gpu-rdc" || bytes == b"-fno-cuda-rdc" {
            self.unit.relocatable_device_code = false;
        } else if bytes == b"--offload-new-driver" || bytes == b"--no-offload-new-driver" {
            // The last one wins.
            self.unit.new_driver = bytes == b"--offload-new-driver";
        } else if bytes.starts_with(b"--no-offload-arch=")
            || bytes.starts_with(b"--no-cuda-gpu-arch=")
        {
            self.unit.drops_archs = true;
        } else if let Some(id) = bytes.strip_prefix(b"-cuid=") {
            self.cuid = !id.is_empty();
        } else if let Some(how) = bytes.strip_prefix(b"-fuse-cuid=") {
            // `hash`, the default, hashes all words of the compiler's command line, and launchers rewrite
            // those (clang 15 to 23, `Driver.cpp`).
            self.hashed_cuid = how == b"hash";
        } else if let Some(value) = bytes.strip_prefix(b"-mllvm=") {
            backend_option(value)?;
        } else if let Some(value) = bytes.strip_prefix(b"-Xclang=") {
            for value in value.split(|byte| *byte == b',') {
                self.frontend_option(value)?;
            }
        } else if let Some(mode) = bytes.strip_prefix(b"--driver-mode=") {
            self.cxx_driver = match mode {
                b"gcc" => false,
                b"g++" => true,
                _ => return Err(Reason::DriverMode),
            };
        } else if let Some(target) = bytes.strip_prefix(b"--target=") {
            self.gpu_target = target.starts_with(GPU);
        } else if let Some(targets) = bytes.strip_prefix(b"--offload-targets=") {
            self.offload_targets = true;
            if !targets
                .split(|byte| *byte == b',')
                .all(|target| target.starts_with(GPU))
            {
                return Err(Reason::OffloadKind);
            }
        } else if let Some(archs) = bytes
            .strip_prefix(b"--offload-arch=")
            .or_else(|| bytes.strip_prefix(b"--cuda-gpu-arch="))
        {
            for arch in archs.split(|byte| *byte == b',') {
                if arch == b"native" {
                    // A launcher without a key may compile on another machine.
                    if self.launcher.kind == LauncherKind::Other {
                        return Err(Reason::NativeTarget);
                    }
                    self.unit.native = true;
                }
                // Its code records the command line, and ccache adds an option to that (clang 23,
                // measured).
                if arch == b"amdgcnspirv" {
                    return Err(Reason::RecordedCommand);
                }
                self.unit.archs.push(CString::new(arch).unwrap_or_default());
            }
        }
        Ok(())
    }

    pub(super) fn word(&mut self, role: WordRole, word: Word<'_, 'a>) -> ScanResult {
        let reason = match role {
            WordRole::Output => Reason::OutputNotAFile,
            WordRole::Depfile => Reason::Depfile,
            _ => {
                self.unit.words.push((role, word.keep()));
                return Ok(());
            }
        };
        if self.unit.word(role).is_some() {
            return Err(Reason::RepeatedOption);
        }
        let bytes = word.text.to_bytes();
        if bytes == b"-" || bytes.is_empty() || bytes.starts_with(b"/dev/") {
            return Err(reason);
        }
        self.unit.words.push((role, word.keep()));
        Ok(())
    }

    /// Replaces `word` with `start` and `end`, which mean the same to clang.
    pub(super) fn respell(&mut self, word: Word<'_, 'a>, start: &[u8], end: &[u8]) -> ScanResult {
        let text = CString::new([start, end].concat());
        match (word.argv, text) {
            (Some(_), Ok(text)) => {
                self.unit.respelled.push((self.at, text));
                Ok(())
            }
            // Words in a file cannot be replaced.
            _ => Err(Reason::UnusualSpelling),
        }
    }

    /// sccache 0.16 mistakes a value that is a separate word for an input.
    pub(super) fn resource_dir(&mut self, option: Option<usize>, word: Word<'_, 'a>) -> ScanResult {
        if self.launcher.kind == LauncherKind::Sccache {
            let at = option.ok_or(Reason::UnusualSpelling)?;
            let value = word.text.to_bytes();
            // Replaces both words, so the option appears twice; clang obeys the last one.
            self.respell(word, b"-resource-dir=", value)?;
            let same = self.unit.respelled.last().map(|(_, text)| text.clone());
            self.unit.respelled.extend(same.map(|text| (at, text)));
        }
        self.word(WordRole::Library, word)
    }

    pub(super) fn set_language(&mut self, name: &[u8]) -> ScanResult {
        // clang ignores an `-x` after the input; launchers do not.
        if self.input_at != 0 {
            return Err(Reason::RepeatedOption);
        }
        let language = Language::of_x(name).ok_or(Reason::InputLanguage)?;
        if self.x.is_some_and(|before| before != language) {
            return Err(Reason::RepeatedOption);
        }
        self.x = Some(language);
        Ok(())
    }
}
