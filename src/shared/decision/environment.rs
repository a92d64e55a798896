//! What the environment of a call says about it.

use crate::shared::decision::reasons::Reason;
use crate::shared::launchers::{NamedLauncher, sccache};
use core::ffi::CStr;

/// What the environment says, gathered in one pass.
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
    /// `COMPILER_PATH` says where the driver looks for tools.
    pub tools: bool,
    /// A shim further out has launched this call.
    pub guard: bool,
    /// The process was started by sccache's server.
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
    /// What comes into the key.
    pub steering: Steering<'a>,
}

/// What a variable's value changes.
type Take = for<'a> fn(&mut Environment<'a>, &'a [u8]);

/// The variables that count; of one that is given twice the first, which is what getenv finds. A
/// table, which takes a fifth of the room of as many comparisons in the shim.
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
    // In the server's environment, which its probe of the compiler inherits (sccache 0.4 to 0.16,
    // `commands.rs`).
    ("SCCACHE_START_SERVER", |environment, _| {
        environment.sccache = true
    }),
    // The user wants the client to do the server's work, which it does not while it logs (0.17 to
    // 0.19, `config.rs`).
    ("SCCACHE_CLIENT_SIDE", |environment, value| {
        environment.client_side = sccache::is_on(value);
    }),
    ("SCCACHE_LOG", |environment, value| {
        environment.logs = !value.is_empty()
    }),
    // ccache sets both around what it runs for a cached compile; the first alone is also a user's
    // switch (ccache 4.7.5 and 4.14.2).
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
        // A bit for each variable of the table that has been seen.
        let mut seen = 0_u32;
        for entry in env {
            let entry = entry.to_bytes();
            // Few variables begin with one of these.
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
                // CC_PRINT_OPTIONS, CC_PRINT_HEADERS, CC_PRINT_PROC_STAT, CC_LOG_DIAGNOSTICS and
                // their _FILE (the strings in libclang-cpp 15 and 19).
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

    /// Why the environment speaks against launching what `argv` would allow.
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

/// Whether a variable has two values. clang takes the first; sccache compiles with the last, which is
/// also what the loader takes of LD_LIBRARY_PATH and LD_PRELOAD (0.16 and glibc 2.36, measured).
fn contradicts(env: &[&CStr]) -> bool {
    env.iter().enumerate().any(|(at, entry)| {
        let entry = entry.to_bytes();
        let end = entry.iter().position(|byte| *byte == b'=');
        let Some(name) = end.and_then(|end| entry.get(..=end)) else {
            return false;
        };
        env.iter().take(at).any(|before| {
            let before = before.to_bytes();
            before.first() == name.first() && before.starts_with(name) && before != entry
        })
    })
}

/// What of the environment steers clang, or comes into the key otherwise.
#[derive(Clone, Copy, Default)]
#[cfg_attr(test, derive(Debug))]
pub struct Steering<'a> {
    /// Directory of the device libraries (clang 19, `Driver/ToolChains/AMDGPU.cpp`).
    pub hip_device_lib_path: Option<&'a [u8]>,
    /// The ROCm tree (as above).
    pub rocm_path: Option<&'a [u8]>,
    /// Where HIP is (as above).
    pub hip_path: Option<&'a [u8]>,
    /// Which libLLVM and libclang-cpp the loader takes: it comes before RUNPATH.
    pub ld_library_path: Option<&'a [u8]>,
    /// What the loader puts in front of them.
    pub ld_preload: Option<&'a [u8]>,
    /// That clang shall read no configuration file by itself (clang 19, `Driver/Driver.cpp`).
    pub no_default_config: Option<&'a [u8]>,
    /// The user's own value of the variable that the key is handed over in.
    pub own_key: Option<&'a [u8]>,
    /// Paths below it are the same in every checkout.
    pub base_dir: Option<&'a [u8]>,
}
