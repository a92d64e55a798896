//! Never a wrong object: what sccache and ccache return from their caches, for a compiler whose parts
//! change under them. Each test has a control: that the true results differ.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::launchers::{self, Asked, Cache};
use support::tree::{Kind, Tree};
use support::{run, stderr};
use tempfile::TempDir;

const SOURCE: &str = "#include <hip/hip_runtime.h>
__device__ float state;
__global__ void k(float *x) { state += expf(x[0]) / sinf(x[1]); x[0] = state; }
";

/// A library of device code in which `expf` and `sinf` are other functions than in ROCm's.
const OTHER_OCML: &str = "float __ocml_exp_f32(float x) { return x * 3; }
float __ocml_native_exp_f32(float x) { return x * 3; }
float __ocml_sin_f32(float x) { return x * 5; }
float __ocml_native_sin_f32(float x) { return x * 5; }
";

/// A tree that is wrapped with a launcher, and a source beside it.
struct Site {
    dir: TempDir,
    tree: Tree,
    cache: Cache,
}

impl Site {
    fn new(clang: u32, launcher: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = Kind::new(clang, "symlink").build(&dir.path().join("rocm"));
        tree.install(Some(launcher));
        std::fs::write(dir.path().join("k.hip"), SOURCE).unwrap();
        let cache = Cache::new(launcher);
        Self { dir, tree, cache }
    }

    /// Every clang with every launcher.
    fn all() -> impl Iterator<Item = Self> {
        [15, 19].into_iter().flat_map(|clang| {
            [launchers::sccache(), launchers::ccache()].map(|launcher| Self::new(clang, &launcher))
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A HIP compile by the wrapped compiler, in the tree's own device libraries.
    fn compile(&self, args: &[&str]) -> Command {
        let mut compile = Command::new(self.tree.bin().join("clang++"));
        compile
            .args(["-O2", "--offload-arch=gfx900", "-c", "k.hip"])
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("ROCM_PATH", &self.tree.root)
            .envs(self.cache.env())
            .current_dir(self.dir.path());
        compile
    }

    /// The object that a compile makes, and what its launcher was asked.
    fn made(&self, compile: &mut Command, object: &str) -> (Vec<u8>, Asked) {
        self.cache.zero();
        drop(std::fs::remove_file(self.path(object)));
        let output = run(compile);
        assert!(output.status.success(), "{compile:?}: {}", stderr(&output));
        (
            std::fs::read(self.path(object)).unwrap(),
            self.cache.asked(),
        )
    }

    /// Compiles until the launcher answers from its cache, then changes the libraries in `dir`, and
    /// requires what the bare compiler makes of them.
    fn notices_new_bitcode(&self, dir: &Path, compile: &dyn Fn() -> Command) {
        let make = |env: &str| {
            let mut compile = compile();
            self.made(compile.arg("-o").arg("k.o").env(env, "1"), "k.o")
        };
        let first = make("COLD").0;
        let (warm, asked) = make("WARM");
        assert_eq!(asked.hits, 1, "{asked:?}");
        assert!(warm == first);
        self.replace_ocml(&dir.join("ocml.bc"));
        let bare = make("ROCK_WRAP_DISABLE").0;
        assert!(
            bare != first,
            "the control: the bare compiler makes another object"
        );
        assert!(make("AFTER").0 == bare, "a stale object");
    }

    fn replace_ocml(&self, path: &Path) {
        std::fs::write(self.path("ocml.c"), OTHER_OCML).unwrap();
        let mut compile = Command::new(self.tree.bin().join("clang"));
        compile
            .args([
                "--target=amdgcn-amd-amdhsa",
                "-mcpu=gfx900",
                "-nogpulib",
                "-emit-llvm",
            ])
            .args(["-O1", "-c", "ocml.c", "-o", "new.bc"])
            .env("ROCK_WRAP_DISABLE", "1")
            .current_dir(self.dir.path());
        let output = run(&mut compile);
        assert!(output.status.success(), "{}", stderr(&output));
        std::fs::rename(self.path("new.bc"), path).unwrap();
    }
}

#[test]
fn device_libraries_that_are_named_and_changed_are_noticed() {
    for site in Site::all() {
        for (number, how) in ["env", "--rocm-device-lib-path=", "--hip-device-lib-path="]
            .into_iter()
            .enumerate()
        {
            let libraries = site.path(&format!("bitcode-{number}"));
            let mut copy = Command::new("cp");
            copy.arg("-rL")
                .arg(site.tree.root.join("amdgcn/bitcode"))
                .arg(&libraries);
            assert!(copy.status().unwrap().success());
            site.notices_new_bitcode(&libraries, &|| {
                let mut compile = site.compile(&["-cuid=1"]);
                match how {
                    "env" => compile.env("HIP_DEVICE_LIB_PATH", &libraries),
                    option => compile.arg(format!("{option}{}", libraries.display())),
                };
                compile
            });
        }
    }
}

#[test]
fn device_libraries_of_the_tree_itself_are_noticed_when_they_change() {
    for site in Site::all() {
        let libraries = site.tree.root.join("amdgcn/bitcode");
        site.notices_new_bitcode(&libraries, &|| site.compile(&["-cuid=1"]));
    }
}

#[test]
fn two_objects_of_one_source_have_ids_of_their_own_and_both_hit() {
    for site in Site::all() {
        for options in [&[][..], &["-fgpu-rdc"]] {
            for round in 0..2 {
                for object in ["one.o", "two.o"] {
                    let mut compile = site.compile(options);
                    compile.args(["-o", object]);
                    let (_, asked) = site.made(&mut compile, object);
                    assert_eq!(asked, Asked::new(round, 1 - round), "{object}");
                }
            }
            let ids = |object: &str| {
                let mut nm = Command::new("nm");
                let output = run(nm.arg(site.path(object)));
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let ids = text.lines().filter(|line| line.contains("__hip_cuid_"));
                ids.map(str::to_owned).collect::<Vec<_>>()
            };
            let (one, two) = (ids("one.o"), ids("two.o"));
            assert!(one.is_empty() || one != two, "{one:?}");
        }
    }
}

#[test]
fn a_tool_of_the_compiler_that_changed_ends_caching_until_the_next_install() {
    let site = Site::new(19, &launchers::ccache());
    let asked = || {
        site.made(
            site.compile(&["-o", "k.o"]).env("HOME", site.dir.path()),
            "k.o",
        )
        .1
    };
    assert_eq!(asked(), Asked::new(0, 1));
    assert_eq!(asked(), Asked::new(1, 0));
    // Another file with the same content is another state; the content decides at install.
    let lld = site.tree.bin().join("lld");
    let copy = site.tree.bin().join("lld.new");
    std::fs::copy(&lld, &copy).unwrap();
    std::fs::rename(&copy, &lld).unwrap();
    assert_eq!(asked(), Asked::default());
    site.tree.install(Some(&launchers::ccache()));
    assert_eq!(
        asked(),
        Asked::new(1, 0),
        "the same content has the same fingerprint"
    );
}

#[test]
fn a_hit_writes_the_dependency_file_of_its_own_call() {
    for site in Site::all() {
        for (target, depfile) in [
            ("one", "a.d"),
            ("two", "a.d"),
            ("two", "b.d"),
            ("one", "a.d"),
        ] {
            let args = ["-o", "k.o", "-MD", "-MF", depfile, "-MT", target];
            drop(std::fs::remove_file(site.path(depfile)));
            site.made(&mut site.compile(&args), "k.o");
            let written = std::fs::read(site.path(depfile)).unwrap();
            let mut bare = site.compile(&args);
            site.made(bare.env("ROCK_WRAP_DISABLE", "1"), "k.o");
            assert_eq!(
                written,
                std::fs::read(site.path(depfile)).unwrap(),
                "{target} {depfile}"
            );
        }
    }
}
