//! The arguments of the launcher call for a part, and the calls that are not split.
//!
//! Owns: the table of options that lose their effect when a compile is split. Pure.

use std::ffi::CStr;

use crate::shared::decision::options;
use crate::shared::parts::PART_OPTION;

/// Options with which a compile is not split, and why. The first row that an argument starts with applies; `-v` and
/// `-###` must be the whole argument.
const REFUSED: [(&str, &str); 22] = [
    ("-grecord-command-line", COMMAND_LINE),
    ("-grecord-gcc-switches", COMMAND_LINE),
    ("-frecord-command-line", COMMAND_LINE),
    ("-frecord-gcc-switches", COMMAND_LINE),
    ("-gsplit-dwarf", SIDE_FILE),
    ("-ftime-trace", SIDE_FILE),
    ("-ftime-report", SIDE_FILE),
    ("-save-temps", SIDE_FILE),
    ("--save-temps", SIDE_FILE),
    ("-fstack-usage", SIDE_FILE),
    ("-fsave-optimization-record", SIDE_FILE),
    ("-foptimization-record", SIDE_FILE),
    ("-fproc-stat-report", SIDE_FILE),
    ("-fprofile", SIDE_FILE),
    ("--gpu-bundle-output", OTHER_OUTPUT),
    ("--no-gpu-bundle-output", OTHER_OUTPUT),
    ("--offload-targets", OTHER_OUTPUT),
    ("-emit-llvm", OTHER_OUTPUT),
    ("-fsyntax-only", OTHER_OUTPUT),
    ("-Rpass", REMARKS),
    ("-v", COMMAND_LINE),
    ("-###", COMMAND_LINE),
];

const COMMAND_LINE: &str = "the object or the messages contain the whole command line";
const SIDE_FILE: &str = "the compiler writes another file, named after its intermediate files";
const OTHER_OUTPUT: &str = "the output is not an object with all architectures";
const REMARKS: &str = "remarks come in another order";

/// Returns the first argument because of which the call is not split, with the reason.
#[must_use]
pub fn refusal<'a>(args: &[&'a CStr]) -> Option<(&'a CStr, &'static str)> {
    args.iter().find_map(|arg| {
        let bytes = arg.to_bytes();
        let exact = |name: &str| matches!(name, "-v" | "-###");
        let row = REFUSED.iter().find(|(name, _)| match exact(name) {
            true => bytes == name.as_bytes(),
            false => bytes.starts_with(name.as_bytes()),
        })?;
        Some((*arg, row.1))
    })
}

/// Whether an option chooses architectures, limits parallel jobs or compresses the bundle: a part's call leaves it out.
fn chooses(argument: &[u8]) -> bool {
    const NAMES: [&[u8]; 7] = [
        b"--offload-arch=",
        b"--no-offload-arch=",
        b"--cuda-gpu-arch=",
        b"--no-cuda-gpu-arch=",
        b"--offload-jobs=",
        b"-parallel-jobs=",
        b"--offload-compress",
    ];
    NAMES.iter().any(|name| argument.starts_with(name))
}

/// Whether an option is about the dependency file, which only the host's compile writes.
fn is_for_depfile(name: &[u8]) -> bool {
    matches!(
        name,
        b"-MD" | b"-MMD" | b"-MP" | b"-MF" | b"-MT" | b"-MQ" | b"-MV" | b"-MG"
    )
}

/// What [`arguments`](Self::arguments) needs to know about a part.
pub struct PartCall<'a> {
    /// The architecture, with its features.
    pub arch: &'a [u8],
    /// The digest of the part's commands.
    pub digest: &'a str,
    /// The file to write.
    pub output: &'a [u8],
    /// `-cuid=...`, if the whole compile has it.
    pub cuid: Option<&'a [u8]>,
    /// Whether the compiler colours its messages.
    pub coloured: bool,
}

impl PartCall<'_> {
    /// The arguments of the part's call, given those of the whole call.
    #[must_use]
    pub fn arguments(&self, args: &[&CStr]) -> Vec<Vec<u8>> {
        let mut out = Vec::with_capacity(args.len() + 10);
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let bytes = arg.to_bytes();
            let found = options::find(bytes);
            let (name, values) = found.map_or((&b""[..], 0), |found| (found.name, found.values));
            let values: Vec<_> = rest.by_ref().take(values).collect();
            let dropped = chooses(bytes)
                || is_for_depfile(name)
                || name == b"-o"
                || bytes.starts_with(b"-cuid=")
                || bytes
                    .strip_prefix(b"-Xarch_")
                    .is_some_and(|arch| self.is_for_another(arch));
            if !dropped {
                out.push(bytes.to_vec());
                out.extend(values.iter().map(|value| value.to_bytes().to_vec()));
            }
        }
        out.extend(self.cuid.map(<[u8]>::to_vec));
        if self.coloured {
            out.push(b"-fdiagnostics-color=always".to_vec());
        }
        out.extend([
            b"--offload-device-only".to_vec(),
            b"--no-gpu-bundle-output".to_vec(),
            [b"--offload-arch=", self.arch].concat(),
            b"-mllvm".to_vec(),
            [PART_OPTION, self.digest.as_bytes()].concat(),
            b"-o".to_vec(),
            self.output.to_vec(),
        ]);
        out
    }

    /// Whether the `ARCH` of `-Xarch_ARCH` is a GPU architecture other than this part's.
    fn is_for_another(&self, arch: &[u8]) -> bool {
        let own = self
            .arch
            .split(|byte| *byte == b':')
            .next()
            .unwrap_or_default();
        arch.starts_with(b"gfx") && arch != own && arch != self.arch
    }
}
