//! Options that the driver forwards: to the front end, the back end, the assembler, the preprocessor, the
//! device linker, or one architecture.

use super::{Scan, ScanResult, Word};
use crate::shared::decision::reasons::Reason;
use crate::shared::decision::{hazards, options};
use crate::shared::launchers::kind::LauncherKind;

impl<'a, 'l> Scan<'a, 'l> {
    /// The value of `-Xoffload-linker`: an optimisation level. sccache and ccache do not know this option,
    /// so they keep the value after it in their command and key (measured).
    pub(super) fn linker_option(&mut self, bytes: &[u8]) -> ScanResult {
        self.offload_linker = true;
        if bytes.starts_with(b"-O") || bytes.starts_with(b"--lto-O") {
            Ok(())
        } else {
            Err(Reason::TargetForwarding)
        }
    }

    /// The value of `-Xclang`. The front end has a thousand options; only those that control code
    /// generation or warnings are allowed.
    #[cold]
    pub(super) fn frontend_option(&mut self, bytes: &[u8]) -> ScanResult {
        if core::mem::take(&mut self.frontend_value) {
            // The name of a CPU, a feature, or an option of LLVM.
            return backend_option(bytes);
        }
        if let Some(reason) = hazards::reason(bytes, self.launcher) {
            return Err(reason);
        }
        self.frontend_value = matches!(
            bytes,
            b"-target-feature" | b"-target-cpu" | b"-tune-cpu" | b"-mllvm"
        );
        let class = bytes.get(..2).unwrap_or_default();
        let known = self.frontend_value
            || (!bytes.starts_with(b"-mllvm=")
                && matches!(class, b"-f" | b"-m" | b"-O" | b"-W" | b"-D" | b"-U"))
            || bytes.starts_with(b"-disable-")
            || bytes.starts_with(b"-dwarf-")
            || bytes.starts_with(b"-vectorize-")
            || bytes.starts_with(b"-cl-")
            || bytes.starts_with(b"-std=");
        let separate = options::find(bytes).is_some_and(|found| found.values > 0);
        let file = bytes.contains(&b'/') && class != b"-D";
        if !known || file || (separate && !self.frontend_value) {
            return Err(Reason::FrontendOption);
        }
        Ok(())
    }

    /// An option for one side or architecture. `option` is the index of the `-Xarch_` option before it, or
    /// `None` if that is in a file.
    pub(super) fn xarch(&mut self, option: Option<usize>, word: Word<'_, 'a>) -> ScanResult {
        let bytes = word.text.to_bytes();
        if let Some(reason) = hazards::reason(bytes, self.launcher) {
            return Err(reason);
        }
        let alone = options::find(bytes).is_some_and(|found| found.values == 0);
        if !alone || !self.launcher.keeps_xarch(bytes) {
            return Err(Reason::Xarch);
        }
        if self.launcher.kind == LauncherKind::Ccache {
            match (option, word.argv) {
                (Some(option), Some(_)) => self.unit.verbatim.extend([option, self.at]),
                // In a file, no `--ccache-skip` can be put before the words.
                _ => return Err(Reason::Xarch),
            }
        }
        let before = (self.unit.debug_info, self.unit.relocatable_device_code);
        self.with_value(bytes)?;
        // What one side disables stays enabled for the other side.
        self.unit.debug_info |= before.0;
        self.unit.relocatable_device_code |= before.1;
        Ok(())
    }
}

/// The value of `-mllvm`: an option of LLVM's code generators, which launchers treat as plain text.
pub(super) fn backend_option(bytes: &[u8]) -> ScanResult {
    const PRINTS: &[&[u8]] = &[
        b"print",
        b"debug",
        b"stats",
        b"time-",
        b"info-",
        b"dot-",
        b"view-",
        b"pass-remarks",
        b"save-",
        b"dump",
        b"load",
        b"filter-print",
        b"opt-bisect",
        b"track-memory",
        b"ir-dump",
        b"help",
        b"version",
        b"profile-",
        b"sample-profile",
        b"o=",
    ];
    let dashes = bytes.iter().take_while(|byte| **byte == b'-').count();
    let name = bytes.get(dashes..).unwrap_or_default();
    if bytes.contains(&b'/') || PRINTS.iter().any(|start| name.starts_with(start)) {
        return Err(Reason::BackendOption);
    }
    Ok(())
}

/// The values of `-Wp,`: macros, whose effect every launcher sees in the preprocessed text.
pub(super) fn preprocessor_options(values: &[u8]) -> ScanResult {
    let mut values = values.split(|byte| *byte == b',');
    if values.all(|value| matches!(value, [b'-', b'D' | b'U', _, ..])) {
        Ok(())
    } else {
        Err(Reason::Passthrough)
    }
}

/// The values of `-Wa,`: only those that read and write no file.
pub(super) fn assembler_options(values: &[u8]) -> ScanResult {
    const KNOWN: &[&[u8]] = &[
        b"--noexecstack",
        b"--fatal-warnings",
        b"--warn",
        b"--no-warn",
        b"-W",
        b"-mbig-obj",
        b"-mrelax-relocations=yes",
        b"-mrelax-relocations=no",
        b"--compress-debug-sections",
        b"--compress-debug-sections=none",
        b"--compress-debug-sections=zlib",
        b"--nocompress-debug-sections",
    ];
    let mut values = values.split(|byte| *byte == b',');
    if values.all(|value| KNOWN.contains(&value)) {
        Ok(())
    } else {
        Err(Reason::Passthrough)
    }
}
