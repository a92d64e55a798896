//! What a call's environment means for the decision.

use crate::shared::bytes;
use crate::shared::decision::reasons::Reason;
use crate::shared::launchers::{NamedLauncher, sccache};
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;

/// The relevant parts of the environment, gathered in one pass.
#[derive(Default)]
#[cfg_attr(test, derive(Debug))]
pub struct Environment<'a> {
    /// `ROCK_WRAP_DISABLE` is set to something other than 0.
    pub disabled: bool,
    /// `HIP_CLANG_LAUNCHER`.
    pub hip_clang_launcher: Option<&'a [u8]>,
    /// `SOURCE_DATE_EPOCH` is set.
    pub source_date: bool,
    /// `CCC_OVERRIDE_OPTIONS` changes the arguments.
    pub overrides: bool,
    /// A variable makes the driver write a log (`CC_PRINT_*`, `CC_LOG_*`).
    pub log: bool,
    /// `COMPILER_PATH` sets where the driver looks for tools.
    pub tools: bool,
    /// An outer shim has launched this call.
    pub guard: bool,
    /// sccache's server started this process.
    pub sccache: bool,
    /// The user wants sccache's client to do the server's work.
    pub client_side: bool,
    /// sccache writes a log.
    pub logs: bool,
    /// `CCACHE_DISABLE` is set.
    pub ccache_disable: bool,
    /// ccache runs this process (`UNCACHED_ERR_FD`).
    pub ccache_stderr: bool,
    /// distcc runs this process.
    pub distcc: bool,
    /// `PWD`.
    pub pwd: Option<&'a [u8]>,
    /// The variables that go into the key.
    pub steering: Steering<'a>,
}

/// What a variable's value changes.
type Take = for<'a> fn(&mut Environment<'a>, &'a [u8]);

/// The relevant variables. If one is given twice, the first counts, as in getenv. A table takes a fifth of
/// the space in the shim that the same comparisons in code would take.
const VARIABLES: [(&str, Take); 20] = [
    ("ROCK_WRAP_DISABLE", |environment, value| {
        environment.disabled = !matches!(value, b"" | b"0");
    }),
    ("HIP_CLANG_LAUNCHER", |environment, value| {
        environment.hip_clang_launcher = Some(value);
    }),
    ("SOURCE_DATE_EPOCH", |environment, _| {
        environment.source_date = true
    }),
    ("CCC_OVERRIDE_OPTIONS", |environment, value| {
        environment.overrides = !value.is_empty();
    }),
    ("COMPILER_PATH", |environment, value| {
        environment.tools = !value.is_empty()
    }),
    ("ROCK_WRAP_GUARD", |environment, _| environment.guard = true),
    // Set in the server's environment, which its probe of the compiler inherits (sccache 0.4 to 0.16,
    // `commands.rs`).
    ("SCCACHE_START_SERVER", |environment, _| {
        environment.sccache = true
    }),
    // The user wants the client to do the server's work; the client does not do so while it logs (0.17 to
    // 0.19, `config.rs`).
    ("SCCACHE_CLIENT_SIDE", |environment, value| {
        environment.client_side = sccache::is_on(value);
    }),
    ("SCCACHE_LOG", |environment, value| {
        environment.logs = !value.is_empty()
    }),
    // ccache sets both for the commands that it runs for a cached compile; the first alone may also be the
    // user's switch (ccache 4.7.5 and 4.14.2).
    ("CCACHE_DISABLE", |environment, _| {
        environment.ccache_disable = true
    }),
    ("UNCACHED_ERR_FD", |environment, _| {
        environment.ccache_stderr = true
    }),
    ("_DISTCC_SAFEGUARD", |environment, _| {
        environment.distcc = true
    }),
    ("HIP_DEVICE_LIB_PATH", |environment, value| {
        environment.steering.hip_device_lib_path = Some(value);
    }),
    ("ROCM_PATH", |environment, value| {
        environment.steering.rocm_path = Some(value)
    }),
    ("HIP_PATH", |environment, value| {
        environment.steering.hip_path = Some(value)
    }),
    ("LD_LIBRARY_PATH", |environment, value| {
        environment.steering.ld_library_path = Some(value);
    }),
    ("LD_PRELOAD", |environment, value| {
        environment.steering.ld_preload = Some(value)
    }),
    ("CLANG_NO_DEFAULT_CONFIG", |environment, value| {
        environment.steering.no_default_config = Some(value);
    }),
    ("ROCK_WRAP_BASE_DIR", |environment, value| {
        environment.steering.base_dir = Some(value);
    }),
    ("PWD", |environment, value| environment.pwd = Some(value)),
];

impl<'a> Environment<'a> {
    /// Reads `env`.
    pub fn of(env: &[&'a CStr]) -> Self {
        let mut environment = Self::default();
        // One bit for each variable of the table that has been seen.
        let mut seen = 0_u32;
        for entry in env {
            let entry = entry.to_bytes();
            // Few variables begin with one of these letters.
            if !matches!(
                entry.first(),
                Some(b'C' | b'H' | b'L' | b'P' | b'R' | b'S' | b'U' | b'_')
            ) {
                continue;
            }
            let Some(split) = entry.iter().position(|byte| *byte == b'=') else {
                continue;
            };
            let (name, value) = entry.split_at(split);
            let value = value.get(1..).unwrap_or_default();
            let Some(at) = VARIABLES.iter().position(|sign| sign.0.as_bytes() == name) else {
                // CC_PRINT_OPTIONS, CC_PRINT_HEADERS, CC_PRINT_PROC_STAT, CC_LOG_DIAGNOSTICS and their
                // _FILE variants (the strings in libclang-cpp 15 and 19).
                environment.log |= name.starts_with(b"CC_PRINT_") || name.starts_with(b"CC_LOG_");
                continue;
            };
            if seen & (1 << at) == 0 {
                seen |= 1 << at;
                (VARIABLES[at].1)(&mut environment, value);
            }
        }
        environment
    }

    /// Why the environment forbids a launch that `argv` would allow.
    pub fn reason(&self, launcher: &NamedLauncher<'_>, env: &[&CStr]) -> Option<Reason> {
        if self.guard {
            Some(Reason::NestedShim)
        } else if self.sccache {
            Some(Reason::NestedSccache)
        } else if self.ccache_disable && self.ccache_stderr {
            Some(Reason::NestedCcache)
        } else if self.distcc {
            Some(Reason::NestedDistcc)
        } else if self.overrides {
            Some(Reason::OverrideOptions)
        } else if self.log {
            Some(Reason::DriverLog)
        } else if self.tools {
            Some(Reason::ExternalTools)
        } else if self.source_date && launcher.hides_variables() {
            Some(Reason::SourceDateEpoch)
        } else if self
            .steering
            .ld_preload
            .is_some_and(|value| !value.is_empty())
            && launcher.hides_variables()
        {
            Some(Reason::Preload)
        } else if contradicts(env) {
            Some(Reason::RepeatedVariable)
        } else {
            None
        }
    }
}

/// Whether a variable has two values. clang uses the first; sccache compiles with the last, and the loader
/// also uses the last LD_LIBRARY_PATH and LD_PRELOAD (0.16 and glibc 2.36, measured).
fn contradicts(env: &[&CStr]) -> bool {
    // The first entry of each name, found by the name's hash: a build may set thousands of variables.
    let mut firsts: Vec<&[u8]> = vec![b""; 2 * env.len() + 1];
    env.iter().any(|entry| {
        let entry = entry.to_bytes();
        let Some(end) = bytes::find(entry, b'=') else {
            return false;
        };
        let name = &entry[..=end];
        let mix =
            |hash: usize, byte: &u8| (hash ^ usize::from(*byte)).wrapping_mul(0x100_0000_01b3);
        let mut at = name.iter().fold(0, mix);
        loop {
            at %= firsts.len();
            match firsts[at] {
                b"" => {
                    firsts[at] = entry;
                    return false;
                }
                first if first.starts_with(name) => return first != entry,
                _ => at += 1,
            }
        }
    })
}

/// The variables that influence clang or otherwise go into the key.
#[derive(Clone, Copy, Default)]
#[cfg_attr(test, derive(Debug))]
pub struct Steering<'a> {
    /// Directory of the device libraries (clang 19, `Driver/ToolChains/AMDGPU.cpp`).
    pub hip_device_lib_path: Option<&'a [u8]>,
    /// The ROCm tree (same source).
    pub rocm_path: Option<&'a [u8]>,
    /// The location of HIP (same source).
    pub hip_path: Option<&'a [u8]>,
    /// Which libLLVM and libclang-cpp the loader uses: it precedes RUNPATH.
    pub ld_library_path: Option<&'a [u8]>,
    /// Libraries that the loader loads before them.
    pub ld_preload: Option<&'a [u8]>,
    /// Tells clang not to read configuration files on its own (clang 19, `Driver/Driver.cpp`).
    pub no_default_config: Option<&'a [u8]>,
    /// The user's own value of the variable that carries the key.
    pub own_key: Option<&'a [u8]>,
    /// Paths below this directory are the same in every checkout.
    pub base_dir: Option<&'a [u8]>,
}
