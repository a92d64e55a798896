//! Sets up the place of the test compiles: a directory with sources, a shim if the tree has none,
//! and a cache of its own with the user's settings.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::scratch::{DoctorError, write, write_program};
use super::{Subject, own_cache};

use crate::fingerprint::{Identity, Role};
use crate::launcher::stats::{Counts, Snapshot};
use crate::launcher::{ChangedEnvironment, HIP_CLANG_LAUNCHER, Launcher};
use crate::rocm::{Program, ProgramOutput};
use crate::shared::call_log;
use crate::shared::launchers::kind::LauncherKind;
use crate::trampoline::trampoline;

/// Time limit for a compile of a few lines with a cold file cache.
const LIMIT: Duration = Duration::from_secs(30);

/// A HIP source that needs no header: a device variable and a kernel that calls into the device
/// libraries. Without device code, nothing of the libraries would be in the object, and their
/// changes would not show.
const SOURCE: &str = r#"typedef __SIZE_TYPE__ size_t;
struct dim3 { unsigned x, y, z; };
enum hipError_t {};
extern "C" hipError_t hipLaunchKernel(const void *, dim3, dim3, void **, size_t, struct ihipStream_t *);
extern "C" __attribute__((device)) float __ocml_exp_f32(float);
__attribute__((device)) float STATE;
__attribute__((global)) void kernel(float *x) {
    STATE += __ocml_exp_f32(x[0]);
    x[0] = STATE;
#ifdef __HIP_DEVICE_COMPILE__
#include "device.h"
    x[1] = 1; // the device's
#endif
#ifdef __ARCHITECTURE__
    x[2] = 1; // one architecture's
#endif
}
"#;

/// A header that only device code includes.
const HEADER: &str = "x[3] = 1;\n";

/// A device library in which the function that the kernel calls differs.
const OTHER_OCML: &str = "float __ocml_exp_f32(float x) { return x * 3; }\n";

/// The cache that a compile uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchCache {
    /// A cache that only these test compiles use.
    Own,
    /// The cache that a build would use.
    Users,
}

/// The shim's decision about a call, as logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// The call was passed to a launcher.
    Launched,
    /// The call went straight to the compiler, for the reason with this id.
    Direct(String),
    /// Nothing was logged: the call did not reach the shim.
    Unseen,
}

/// The observed result of a shim's call.
#[derive(Debug)]
pub struct Seen {
    /// Whether it succeeded.
    pub success: bool,
    /// Its standard error.
    pub stderr: String,
    /// The shim's decision.
    pub decided: Decided,
    /// The launcher's counts for the call.
    pub counts: Counts,
    /// The object; empty if there is none.
    pub object: Vec<u8>,
}

/// The directory and everything needed to compile in it.
pub struct Bench {
    dir: TempDir,
    shim: PathBuf,
    real: PathBuf,
    launcher: Launcher,
    called: PathBuf,
    by_environment: Option<PathBuf>,
    own: ChangedEnvironment,
    /// Most compiles use only the first.
    architectures: [String; 2],
    /// The option by which hipcc names the device libraries, if it has to.
    libraries: Option<OsString>,
}

impl Bench {
    /// Creates the directory.
    ///
    /// # Errors
    /// If the directory or a file in it cannot be written.
    pub fn new(subject: &Subject) -> Result<Self, DoctorError> {
        let dir = tempfile::Builder::new()
            .prefix("rock-wrap-doctor-")
            .tempdir();
        let dir = dir.map_err(|source| DoctorError::File {
            path: std::env::temp_dir(),
            source,
        })?;
        let name = subject.name.as_os_str();
        let shim = if subject.installed {
            subject.tree.bin.join(name)
        } else {
            write_program(&dir.path().join(subject.name.stand_in()), trampoline())?;
            let path = dir.path().join(name);
            write_program(&path, &subject.image)?;
            path
        };
        // The directory's name makes the source one that no cache has seen.
        let state = dir.path().file_name().unwrap_or_default().to_string_lossy();
        let architectures = architectures(&subject.identity);
        let source = SOURCE
            .replace("STATE", &state.replace('-', "_"))
            .replace("ARCHITECTURE", &architectures[1]);
        write(&dir.path().join("unit.hip"), source)?;
        write(&dir.path().join("device.h"), HEADER)?;
        write(&dir.path().join("ocml.c"), OTHER_OCML)?;
        write(&dir.path().join("events"), "")?;
        let own = own_cache::environment(&subject.launcher, dir.path())?;
        Ok(Self {
            shim,
            real: subject.real.clone(),
            launcher: subject.launcher.clone(),
            called: subject.tree.bin.join(name),
            by_environment: subject.launcher_by_environment().map(Path::to_owned),
            own,
            architectures,
            libraries: subject.named_libraries.as_ref().map(|dir| {
                let mut option = OsString::from("--hip-device-lib-path=");
                option.push(dir);
                option
            }),
            dir,
        })
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The path of `name` in the directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// The shim under test.
    #[must_use]
    pub fn shim(&self) -> &Path {
        &self.shim
    }

    /// The environment that selects `cache`.
    #[must_use]
    pub fn environment(&self, cache: BenchCache) -> ChangedEnvironment {
        match cache {
            BenchCache::Own => self.own.clone(),
            BenchCache::Users => ChangedEnvironment::default(),
        }
    }

    /// The arguments of a HIP compile to `object`, with the options `more` added before the input.
    #[must_use]
    pub fn compile(&self, object: &str, more: &[&str]) -> Vec<OsString> {
        let words = ["-x", "hip", "-nogpuinc", "-O1"].map(OsString::from);
        let arch = OsString::from(format!("--offload-arch={}", self.architectures[0]));
        let more = more.iter().map(OsString::from);
        let files = [
            "-c".into(),
            self.path("unit.hip").into(),
            "-o".into(),
            self.path(object).into(),
        ];
        let before = words.into_iter().chain([arch]);
        let before = before.chain(self.libraries.clone());
        before.chain(more).chain(files).collect()
    }

    /// The option that adds the second architecture to a compile.
    #[must_use]
    pub fn second_architecture(&self) -> String {
        format!("--offload-arch={}", self.architectures[1])
    }

    /// Replaces `before` with `after` in a source.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn edit(&self, name: &str, before: &str, after: &str) -> Result<(), DoctorError> {
        let text = String::from_utf8_lossy(&self.read(name)).replace(before, after);
        write(&self.path(name), text)
    }

    /// Creates a device library at `to` that differs from ROCm's.
    pub fn make_other_library(&self, to: &Path) -> Result<(), DoctorError> {
        let arch = format!("-mcpu={}", self.architectures[0]);
        let words = ["--target=amdgcn-amd-amdhsa", &arch, "-nogpulib", "-O1"];
        let words = words.map(OsString::from).into_iter();
        let words = words.chain(["-x", "c", "-emit-llvm", "-c"].map(OsString::from));
        let files = [
            self.path("ocml.c").into(),
            "-o".into(),
            to.as_os_str().to_owned(),
        ];
        self.bare(words.chain(files))?;
        Ok(())
    }

    /// Runs the real compiler without shim or launcher, by the name that builds call.
    pub fn bare<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<ProgramOutput, DoctorError> {
        Ok(self
            .program(&self.real)
            .called(&self.called)
            .args(args)
            .ask()?)
    }

    /// Runs the shim.
    pub fn shimmed<S: AsRef<OsStr>>(
        &self,
        cache: BenchCache,
        args: impl IntoIterator<Item = S>,
    ) -> Result<ProgramOutput, DoctorError> {
        let environment = self.environment(cache);
        let program = self
            .program(&self.shim)
            .without(["ROCK_WRAP_DISABLE".into()])
            .with(environment.changes())
            .with([(call_log::VARIABLE, self.path("events"))]);
        Ok(program.args(args).ask()?)
    }

    /// Compiles with the real compiler and returns the object.
    pub fn bare_object(&self, object: &str, more: &[&str]) -> Result<Vec<u8>, DoctorError> {
        self.remove(object);
        self.bare(self.compile(object, more))?;
        Ok(self.read(object))
    }

    /// Compiles with the shim and returns the observed result.
    pub fn seen(
        &self,
        cache: BenchCache,
        object: &str,
        more: &[&str],
    ) -> Result<Seen, DoctorError> {
        self.remove(object);
        write(&self.path("events"), "")?;
        let environment = self.environment(cache);
        let before = Snapshot::take_in(&environment, &self.launcher)?;
        let answer = self.shimmed(cache, self.compile(object, more))?;
        let after = Snapshot::take_in(&environment, &self.launcher)?;
        // A launcher may run the shim again; the first line is the call itself.
        let decided = match call_log::read(&self.read("events")).into_iter().next() {
            Some(event) if event.launched => Decided::Launched,
            Some(event) => Decided::Direct(event.detail),
            None => Decided::Unseen,
        };
        Ok(Seen {
            success: answer.status.success(),
            stderr: String::from_utf8_lossy(&answer.stderr).into_owned(),
            decided,
            counts: after.since(&before),
            object: self.read(object),
        })
    }

    /// The content of a file; empty if it does not exist.
    #[must_use]
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_default()
    }

    fn remove(&self, name: &str) {
        // If the file is missing or cannot be removed, the compile will show it.
        let _ = std::fs::remove_file(self.path(name));
    }

    fn program(&self, path: &Path) -> Program {
        let launcher = self.by_environment.iter();
        Program::at(path)
            .without([HIP_CLANG_LAUNCHER.into()])
            .with(launcher.map(|path| (HIP_CLANG_LAUNCHER, path)))
            .at_work_in(self.dir())
            .within(LIMIT)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if self.launcher.kind == LauncherKind::Sccache {
            // Stop the server that was started for these compiles. If it does not listen, it ends
            // by itself.
            let stop = self
                .own
                .program(&self.launcher.path)
                .args(["--stop-server"]);
            let _ = stop.within(LIMIT).ask();
        }
    }
}

/// Two architectures that have device libraries; common ones first.
fn architectures(identity: &Identity) -> [String; 2] {
    const USUAL: [&str; 4] = ["90a", "906", "900", "942"];
    let libraries = identity
        .members
        .iter()
        .filter(|member| member.role == Role::Bitcode);
    let mut versions: Vec<_> = libraries
        .filter_map(|member| {
            let version = member.name.strip_prefix("oclc_isa_version_")?;
            version.strip_suffix(".bc")
        })
        .collect();
    let rank = |version: &str| USUAL.iter().position(|usual| *usual == version);
    versions.sort_by_key(|version| rank(version).unwrap_or(USUAL.len()));
    versions.extend(USUAL);
    let first = versions[0];
    let second = versions.iter().find(|version| **version != first);
    [first, second.unwrap_or(&USUAL[1])].map(|version| format!("gfx{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Memo;

    #[test]
    fn a_compiler_without_device_libraries_is_asked_for_a_usual_architecture() {
        let identity = Identity::take(Path::new("/bin/sh"), None, &Memo::none()).unwrap();
        assert_eq!(architectures(&identity), ["gfx90a", "gfx906"]);
    }
}
