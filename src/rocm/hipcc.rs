//! Finds a hipcc, the compiler that it calls, and whether it supports a launcher itself.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Program, ProgramError, ProgramOutput};
use crate::shim_image;
use crate::support::error_chain::chain;

/// The variable that names a launcher to recent versions of hipcc.
const LAUNCHER: &str = "HIP_CLANG_LAUNCHER";

/// Shims are smaller than this many bytes. A larger file is not read to check whether it is one.
const SHIM_LIMIT: u64 = 256 * 1024;

/// A hipcc.
#[derive(Clone, Debug)]
pub struct Hipcc {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it forwards compiles through HIP_CLANG_LAUNCHER itself. hipcc does so from ROCm 7.13
    /// on (llvm-project of ROCm, `amd/hipcc/src/hipBin_amd.h`).
    pub knows_launcher: bool,
}

impl Hipcc {
    /// The hipcc of the tree at `root`, if it has one.
    #[must_use]
    pub fn of(root: &Path) -> Option<Self> {
        let path = root.join("bin/hipcc");
        path.exists().then(|| Self::at(path))
    }

    /// The hipcc that a shell would run.
    #[must_use]
    pub fn on_path() -> Option<Self> {
        which::which("hipcc").ok().map(Self::at)
    }

    /// Searches the program's bytes for the variable's name. No option of hipcc reports the
    /// feature, and its version is not reliable because distributions patch it.
    fn at(path: PathBuf) -> Self {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        // The logic may be in a script beside it: hipcc.pl, or hipcc.bin behind a wrapper.
        let knows_launcher = ["hipcc", "hipcc.bin", "hipcc.pl"].iter().any(|file| {
            std::fs::read(real.with_file_name(file))
                .is_ok_and(|bytes| memchr::memmem::find(&bytes, LAUNCHER.as_bytes()).is_some())
        });
        Self {
            path,
            knows_launcher,
        }
    }

    /// Asks hipcc which compiler it calls in this environment, including HIP_CLANG_PATH.
    ///
    /// Only the command line that a verbose hipcc prints contains the compiler's name. `hipconfig
    /// -l` prints only the directory (5.2, 5.7, 7.2). `--cxxflags` runs no compile, and the
    /// explicit architecture avoids the search for a GPU.
    ///
    /// # Errors
    /// The reason why the compiler is unknown, as a clause for a message.
    pub fn ask(&self) -> Result<PathBuf, String> {
        let answer = self.verbose("1").map_err(|error| chain(&error))?;
        let calls = command(&answer.stdout).ok_or("does not say what it calls")?;
        Ok(behind_shadow(calls))
    }

    /// Asks hipcc which device libraries it passes to the compiler. Debian keeps its device
    /// libraries where its compiler does not look by itself.
    #[must_use]
    pub fn device_libraries(&self) -> Option<PathBuf> {
        let answer = self.verbose("2").ok()?;
        let mut lines = answer.stdout.split(|byte| *byte == b'\n');
        let dir = lines.find_map(|line| line.strip_prefix(b"DEVICE_LIB_PATH="))?;
        let dir = PathBuf::from(OsStr::from_bytes(dir));
        dir.join("ocml.bc").exists().then_some(dir)
    }

    fn verbose(&self, level: &str) -> Result<ProgramOutput, ProgramError> {
        const LIMIT: Duration = Duration::from_secs(20);
        Program::at(&self.path)
            .args(["--offload-arch=gfx906", "--cxxflags"])
            .with([("HIPCC_VERBOSE", level)])
            // hipcc would print the launcher in front of the compiler.
            .without([LAUNCHER.into()])
            .within(LIMIT)
            .ask()
    }
}

/// The program of the first `hipcc-cmd:` line.
fn command(output: &[u8]) -> Option<PathBuf> {
    let mut lines = output.split(|byte| *byte == b'\n');
    let command = lines.find_map(|line| line.strip_prefix(b"hipcc-cmd:"))?;
    let program = shlex::bytes::Shlex::new(command).next()?;
    Some(PathBuf::from(OsStr::from_bytes(&program)))
}

/// Resolves a session's shadow to the tree's own compiler. Inside a session, HIP_CLANG_PATH may
/// name the shadow.
fn behind_shadow(compiler: PathBuf) -> PathBuf {
    let is_small = compiler.metadata().is_ok_and(|it| it.len() <= SHIM_LIMIT);
    let file = is_small.then(|| std::fs::read(&compiler).unwrap_or_default());
    let config = file
        .as_deref()
        .and_then(shim_image::read)
        .and_then(Result::ok);
    match (config, compiler.file_name()) {
        (Some(config), Some(name)) if !config.dir.is_empty() => {
            Path::new(OsStr::from_bytes(config.dir)).join(name)
        }
        _ => compiler,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::shim_config::Config;

    #[test]
    fn the_compiler_is_the_first_word_of_the_command() {
        for (line, expected) in [
            // 5.2, 7.2, and 5.7 in a directory with a space.
            ("/usr/bin/clang++-15  -std=c++11 -O3", "/usr/bin/clang++-15"),
            (
                "/opt/rocm/lib/llvm/bin/clang++ --driver-mode=g++",
                "/opt/rocm/lib/llvm/bin/clang++",
            ),
            (r"/a\ b/clang++-17  -O3", "/a b/clang++-17"),
            (r#""/a b/clang++" -O3"#, "/a b/clang++"),
        ] {
            let output = format!("HIP version: 1\nhipcc-cmd: {line}\n -O3\n");
            assert_eq!(command(output.as_bytes()).unwrap(), Path::new(expected));
        }
        for output in ["", "-O3", "hipcc-cmd:", "hipcc-args: a"] {
            assert_eq!(command(output.as_bytes()), None, "{output}");
        }
    }

    #[test]
    fn the_shim_of_a_shadow_leads_to_the_trees_own_compiler() {
        let dir = tempfile::tempdir().unwrap();
        let shim = dir.path().join("clang++");
        let image = |dir| {
            let config = Config {
                name: b"clang++",
                dir,
                ..Config::default()
            };
            shim_image::stamp(&config).unwrap()
        };
        std::fs::write(&shim, image(b"/rocm/llvm/bin/")).unwrap();
        assert_eq!(
            behind_shadow(shim.clone()),
            Path::new("/rocm/llvm/bin/clang++")
        );
        std::fs::write(&shim, image(b"")).unwrap();
        assert_eq!(behind_shadow(shim.clone()), shim, "in the compiler's place");
    }
}
