//! A PyTorch extension, which `torch.utils.cpp_extension` builds with ninja from a host unit and a HIP unit.

use crate::support::tree::Layout;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::report;
use crate::support::compilers::full;
use crate::support::launchers::{self, Asked, Cache, tool};
use crate::support::manifest::Manifest;
use crate::support::rocm::{Rocm, ran, sh};

struct Extension {
    rocm: Rocm,
}

impl Extension {
    fn new() -> Self {
        let rocm = Rocm::new(15, Layout::Symlink);
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/wheels/torch");
        sh(r#"cp -r "$1" "$2""#, &[&sources, &rocm.beside("torch")]);
        Self { rocm }
    }

    fn python(&self) -> Command {
        let python = tool("python-torch/bin/python");
        let mut command = Command::new(&python);
        self.in_place(&mut command);
        command
    }

    /// Sets the environment and the working directory of a build.
    fn in_place(&self, command: &mut Command) {
        let bin = tool("python-torch/bin");
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("HOME", self.rocm.beside(""))
            .env("ROCM_PATH", &self.rocm.root)
            .env("LD_LIBRARY_PATH", self.rocm.root.join("lib"))
            .env("PYTORCH_ROCM_ARCH", "gfx900;gfx906")
            .env("CXX", self.rocm.bin().join("clang++"))
            .env("MAX_JOBS", "2")
            .current_dir(self.rocm.beside("torch"));
    }

    /// Builds the extension from scratch, in a session if there is a cache. Returns the library and the time taken.
    fn build(&self, cache: Option<&Cache>) -> (Vec<u8>, Duration) {
        let sources = self.rocm.beside("torch");
        sh(r#"cd "$1" && rm -rf build out"#, &[&sources]);
        let mut command = match cache {
            None => self.python(),
            Some(cache) => {
                let mut run = self.rocm.rock_wrap("run");
                run.arg("--launcher").arg(&cache.program).arg("--");
                run.arg(tool("python-torch/bin/python"));
                self.in_place(&mut run);
                run.envs(cache.env());
                run
            }
        };
        command.args(["setup.py", "build_ext", "--build-lib", "out"]);
        let start = Instant::now();
        ran(&mut command).ok();
        let took = start.elapsed();
        let library = sh(r#"ls "$1"/out/*.so"#, &[&sources]);
        (
            std::fs::read(PathBuf::from(library.trim_end())).unwrap(),
            took,
        )
    }

    /// Checks that PyTorch can load and call the extension. There may be no GPU.
    fn assert_works(&self) {
        let call = "import torch, scaled
assert scaled.twice(torch.ones(2)).tolist() == [2, 2]
values = torch.ones(2)
assert not scaled.scale(values, 3) or values.tolist() == [3, 3]";
        let mut python = self.python();
        python.args(["-c", call]).env("PYTHONPATH", "out");
        // The host compiler has linked the extension without HIP's library.
        ran(python.env("LD_PRELOAD", self.rocm.root.join("lib/libamdhip64.so"))).ok();
    }
}

#[test]
fn a_pytorch_extension_equals_a_bare_build_and_hits() {
    if !full() {
        return;
    }
    let extension = Extension::new();
    let before = Manifest::of(&extension.rocm.root);
    extension.build(None);
    let (bare, bare_took) = extension.build(None);
    extension.assert_works();
    report!("PyTorch, bare: {:.1} s", bare_took.as_secs_f64());
    for launcher in [launchers::sccache(), launchers::ccache()] {
        let cache = Cache::new(&launcher);
        for (what, asked) in [("cold", Asked::new(0, 2)), ("warm", Asked::new(2, 0))] {
            cache.zero();
            let (library, took) = extension.build(Some(&cache));
            let name = launcher.file_name().unwrap().to_str().unwrap();
            report!(
                "PyTorch, {name}, {what}: {:.1} s, {:.2} of bare",
                took.as_secs_f64(),
                took.as_secs_f64() / bare_took.as_secs_f64()
            );
            assert_eq!(cache.asked(), asked, "{name}, {what}");
            assert!(library == bare, "{name}, {what}: the library differs");
        }
        extension.assert_works();
        before.assert_same(&Manifest::of(&extension.rocm.root), "the tree");
    }
}
