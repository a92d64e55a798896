//! The example projects, and pip, which builds wheels of them.

use crate::support::tree::Layout;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::compilers::{full, has_own_hip, runtime_flags};
use crate::support::launchers::{Cache, tool};
use crate::support::rocm::{Rocm, ran, sh};

/// How a project builds its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Project {
    /// With setuptools, which calls Debian's hipcc, a script that does not support launchers.
    Setuptools,
    /// With setuptools and a hipcc that obeys `HIP_CLANG_LAUNCHER`.
    NewHipcc,
    /// With scikit-build-core and CMake, which calls clang++.
    Cmake,
}

impl Project {
    fn directory(self) -> &'static str {
        match self {
            Self::Setuptools | Self::NewHipcc => "wheel-setuptools",
            Self::Cmake => "wheel-cmake",
        }
    }

    /// The attachments with which its compiler calls can reach a launcher.
    pub fn attachments(self) -> &'static [&'static str] {
        match self {
            Self::Setuptools => &["in-place", "shadow"],
            Self::NewHipcc | Self::Cmake => &["launcher", "in-place", "shadow"],
        }
    }
}

/// The settings of a `rock-wrap run` around a build.
pub struct Session<'a> {
    /// The launcher and its cache.
    pub cache: &'a Cache,
    /// One of the project's [attachments](Project::attachments).
    pub attach: &'static str,
    /// `--per-arch`.
    pub per_arch: &'static str,
}

/// A project that can be built, and a ROCm tree to build it with.
pub struct Site {
    pub rocm: Rocm,
    pub clang: u32,
    project: Project,
}

impl Site {
    /// Makes a tree, and beside it a copy of the project in the repository.
    pub fn new(project: Project, clang: u32) -> Self {
        let rocm = Rocm::new(clang, Layout::Symlink);
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let copy = r#"cp -a "$1" "$2""#;
        sh(copy, &[&examples, &rocm.beside("examples")]);
        if project == Project::NewHipcc {
            let hipcc = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/wheels/hipcc");
            let replace = r#"rm "$2"/hipcc* && cp "$1" "$2""#;
            sh(replace, &[&hipcc, &rocm.root.join("bin")]);
        }
        let site = Self {
            rocm,
            clang,
            project,
        };
        if !full() {
            site.join_the_samples_kernels();
        }
        site
    }

    /// Makes the kernels of `hip-project` one unit, except one that has a variable of the same name as another. HIP's
    /// headers take almost all of the time that a unit takes.
    fn join_the_samples_kernels(&self) {
        let script = r#"
            cd "$1"
            mv saxpy.hip saxpy
            cat ./*.hip >all
            rm ./*.hip
            mv all all.hip
            mv saxpy saxpy.hip
        "#;
        sh(script, &[&self.rocm.beside("examples/hip-project/src")]);
    }

    /// How many units the project has: those with kernels, and the Python module.
    pub fn units(&self) -> u64 {
        let hip = |dir: &str| {
            let files = self.sources().join(dir).read_dir().unwrap();
            let names = files.map(|file| file.unwrap().path());
            let units = names.filter(|name| name.extension().is_some_and(|end| end == "hip"));
            units.count() as u64
        };
        hip("csrc") + hip("csrc/sample/src") + 1
    }

    fn sources(&self) -> PathBuf {
        self.rocm.beside("examples").join(self.project.directory())
    }

    /// A command that runs in the sources' directory, in the session if there is one.
    fn command(&self, program: &Path, session: Option<&Session<'_>>) -> Command {
        let mut command = match session {
            None => Command::new(program),
            Some(session) => {
                let mut run = self.rocm.rock_wrap("run");
                run.arg("--launcher").arg(&session.cache.program);
                run.args(["--per-arch", session.per_arch]);
                run.args(["--attach", session.attach, "--"]).arg(program);
                run
            }
        };
        command
            .env_clear()
            .env("HOME", self.rocm.beside(""))
            .current_dir(self.sources());
        if let Some(session) = session {
            command.envs(session.cache.env());
        }
        command
    }

    /// A single compile by hipcc.
    pub fn compile(&self, session: &Session<'_>) -> Command {
        let mut command = self.command(&self.rocm.root.join("bin/hipcc"), Some(session));
        command
            .args(["-x", "c++", "-c", "csrc/sample/src/report.cpp"])
            .args(["-Icsrc/sample/include", "-o", "report.o"])
            .args(["-Wno-unused-command-line-argument"])
            .env("PATH", "/usr/bin:/bin");
        command
    }

    /// The command that makes the wheel, in the session if there is one.
    pub fn pip(&self, session: Option<&Session<'_>>) -> Command {
        let python = tool("python-wheels/bin/python");
        let mut command = self.command(&python, session);
        let archs = if full() { "gfx900;gfx906" } else { "gfx900" };
        command
            .args(["-m", "pip", "wheel", ".", "-w", "wheels"])
            .args(["--no-deps", "--no-build-isolation"])
            .args(["--no-index", "--no-cache-dir"])
            .env(
                "PATH",
                format!(
                    "{}:{}:/usr/bin:/bin",
                    python.parent().unwrap().display(),
                    self.rocm.root.join("bin").display()
                ),
            )
            .env("ROCM_PATH", &self.rocm.root)
            .env("LDFLAGS", runtime_flags(&self.rocm.root))
            // For CMake, which uses it for the unit that is not HIP.
            .env("CXX", self.rocm.bin().join("clang++"))
            .env("HIP_ARCHS", archs)
            .env("MAX_JOBS", "2")
            .env("CMAKE_BUILD_PARALLEL_LEVEL", "2")
            .env("CMAKE_ARGS", format!("-DCMAKE_HIP_ARCHITECTURES={archs}"));
        command
    }

    /// Removes what a build has made.
    pub fn clean(&self) {
        sh(
            r#"cd "$1" && rm -rf build wheels unpacked report.o ./*.egg-info"#,
            &[&self.sources()],
        );
    }

    /// Builds a wheel from scratch.
    pub fn build(&self, session: Option<&Session<'_>>) -> Built {
        self.clean();
        let start = Instant::now();
        let ran = ran(&mut self.pip(session)).ok();
        let took = start.elapsed();
        let unpacked = self.sources().join("unpacked");
        let unpack = r#""$1" -m zipfile -e "$2"/wheels/*.whl "$3""#;
        sh(
            unpack,
            &[
                &tool("python-wheels/bin/python"),
                &self.sources(),
                &unpacked,
            ],
        );
        let mut files = BTreeMap::new();
        read_all(&unpacked, Path::new(""), &mut files);
        Built {
            files,
            took,
            said: ran.out + &ran.err,
        }
    }

    /// Calls `act` while a header that two units include is edited to compute something else.
    pub fn with_another_header<T>(&self, act: impl FnOnce() -> T) -> T {
        let header = self.sources().join("csrc/rows.h");
        let text = std::fs::read_to_string(&header).unwrap();
        let other = text.replace("result = mine;", "result = mine * 3;");
        assert_ne!(other, text);
        std::fs::write(&header, other).unwrap();
        let result = act();
        std::fs::write(&header, text).unwrap();
        result
    }
}

fn read_all(dir: &Path, below: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in dir.join(below).read_dir().unwrap() {
        let name = below.join(entry.unwrap().file_name());
        let path = dir.join(&name);
        if path.is_dir() {
            read_all(dir, &name, files);
        } else {
            files.insert(name, std::fs::read(path).unwrap());
        }
    }
}

/// A wheel that was built.
pub struct Built {
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// How long pip took.
    pub took: Duration,
    /// What pip and rock-wrap printed.
    pub said: String,
}

impl Built {
    /// The extension module's bytes.
    pub fn extension(&self) -> &[u8] {
        let mut libraries = self
            .files
            .iter()
            .filter(|(name, _)| name.extension().is_some_and(|extension| extension == "so"));
        libraries.next().expect("an extension module").1
    }

    /// Checks that both wheels contain the same files, byte for byte.
    #[track_caller]
    pub fn assert_same(&self, other: &Self) {
        let names = |built: &Self| built.files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(self), names(other));
        for (name, content) in &self.files {
            assert!(*content == other.files[name], "{name:?} differs");
        }
    }

    /// Checks that Python can load the extension module, unless the tree has another release's HIP runtime, which
    /// cannot be loaded.
    pub fn assert_imports(&self, site: &Site) {
        if !has_own_hip(site.clang) {
            return;
        }
        let mut python = Command::new(tool("python-wheels/bin/python"));
        python
            .args(["-c", "import hip_sample; print(hip_sample.device_count())"])
            .env("LD_LIBRARY_PATH", site.rocm.root.join("lib"))
            .current_dir(site.sources().join("unpacked"));
        let devices = ran(&mut python).ok().out;
        assert!(devices.trim().parse::<u32>().is_ok(), "{devices}");
    }
}
