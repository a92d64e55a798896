//! However many launchers are configured for one compile, only one of them does the work.
//!
//! A launcher in front of the shim, put there by the user or by hipcc, calls a shim that has a launcher of its own.
//! Two look-ups would cost twice, fill two caches and, with sccache inside of sccache, hang or fail. How often each
//! launcher was asked is taken from its own counters, and from a fake launcher that records its calls.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::compilers::{clangs, runtime_flags};
use crate::support::launchers::{self, Asked, Cache};
use crate::support::tree::{Kind, Layout, Tree, alias};
use crate::support::{Told, run, stderr};
use tempfile::TempDir;
use wait_timeout::ChildExt;

/// A call that is launched: one compile of one file.
const COMPILE: [&str; 4] = ["-c", "a.cpp", "-o", "a.o"];
const NOTHING: Asked = Asked::new(0, 0);
const ONE_MISS: Asked = Asked::new(0, 1);
const ONE_HIT: Asked = Asked::new(1, 0);

/// A wrapped tree, a directory with sources, and both launchers with empty caches.
struct Site {
    dir: TempDir,
    tree: Tree,
    sccache: Cache,
    ccache: Cache,
}

impl Site {
    /// A site for each compiler of this run, with `installed` as the installed launcher.
    fn each(installed: fn() -> PathBuf) -> impl Iterator<Item = Self> {
        let clangs = clangs(&[19]).into_iter();
        clangs.map(move |clang| Self::new(clang, installed))
    }

    fn new(clang: u32, installed: fn() -> PathBuf) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let tree = Kind::new(clang, Layout::Symlink).build(&root.join("tree"));
        tree.install(Some(&installed()));
        let site = Self {
            dir,
            tree,
            sccache: Cache::new(&launchers::sccache()),
            ccache: Cache::new(&launchers::ccache()),
        };
        site.write(
            "a.cpp",
            "#include <string>\nstd::string f() { return __FILE__; }\n",
        );
        site.write(
            "k.hip",
            "#include <hip/hip_runtime.h>\n__global__ void k(float *x) { *x *= 2; }\n",
        );
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn compiler(&self, name: &str) -> PathBuf {
        self.tree.bin().join(name)
    }

    /// A command in the sources' directory, in an environment that leads to both caches.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", "/nonexistent")
            .envs(self.sccache.env())
            .envs(
                self.ccache
                    .env()
                    .filter(|(name, _)| name.starts_with("CCACHE_")),
            )
            .current_dir(self.dir.path());
        command
    }

    /// What sccache and ccache were asked since the last call of this function.
    fn asked(&self) -> (Asked, Asked) {
        let asked = (self.sccache.asked(), self.ccache.asked());
        self.sccache.zero();
        self.ccache.zero();
        asked
    }

    /// Runs a compile cold and warm and returns both answers.
    fn twice(&self, command: &mut Command, object: &str) -> [(Asked, Asked); 2] {
        [(), ()].map(|()| {
            let object = self.path(object);
            drop(std::fs::remove_file(&object));
            succeeds(command);
            assert!(object.metadata().unwrap().len() > 0, "{command:?}");
            self.asked()
        })
    }
}

fn succeeds(command: &mut Command) -> Output {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    output
}

/// Only sccache was asked; a miss, then a hit.
const BY_SCCACHE: [(Asked, Asked); 2] = [(ONE_MISS, NOTHING), (ONE_HIT, NOTHING)];
/// Only ccache was asked; a miss, then a hit.
const BY_CCACHE: [(Asked, Asked); 2] = [(NOTHING, ONE_MISS), (NOTHING, ONE_HIT)];

#[test]
fn a_launcher_in_front_of_the_shim_is_the_only_one() {
    let installed = [launchers::sccache, launchers::ccache];
    for site in installed.into_iter().flat_map(Site::each) {
        for name in ["clang++", "amdclang++"] {
            let shim = site.compiler(name);
            for (launcher, expected) in [
                (launchers::sccache(), BY_SCCACHE),
                (launchers::ccache(), BY_CCACHE),
            ] {
                let mut command = site.command(&launcher);
                command.arg(&shim).args(COMPILE).arg(format!("-DBY={name}"));
                assert_eq!(site.twice(&mut command, "a.o"), expected, "{command:?}");
            }
        }
    }
}

/// Like the test above, with an installed launcher that records its calls.
#[test]
fn an_installed_launcher_is_not_called_behind_another_one() {
    for site in Site::each(launchers::ccache) {
        let noting = site.path("noting");
        std::fs::copy(crate::support::witness(), &noting).unwrap();
        site.tree.install(Some(&noting));
        let notes = site.path("notes");
        let calls = || Told::all(&std::fs::read(&notes).unwrap_or_default());
        let shim = site.compiler("clang++");
        let noted = |program: &Path| {
            let mut command = site.command(program);
            command
                .env("WITNESS_FILE", &notes)
                .env("WITNESS_DO", "exec");
            command
        };
        for launcher in [launchers::sccache(), launchers::ccache()] {
            succeeds(noted(&launcher).arg(&shim).args(COMPILE));
            succeeds(
                noted(&shim)
                    .args(COMPILE)
                    .env("HIP_CLANG_LAUNCHER", &launcher),
            );
            assert_eq!(calls(), [], "behind {launcher:?}");
        }
        // The control: it does record a call.
        succeeds(noted(&shim).args(COMPILE));
        let [call] = &calls()[..] else {
            panic!("{:?}", calls())
        };
        assert_eq!(
            call.argv[1],
            site.compiler(&alias("clang++")).to_str().unwrap()
        );
    }
}

#[test]
fn a_launcher_in_front_of_a_hip_compile_is_the_only_one() {
    for site in Site::each(launchers::sccache) {
        let rocm = format!("--rocm-path={}", site.tree.root.display());
        for (launcher, expected) in [
            (launchers::sccache(), BY_SCCACHE),
            (launchers::ccache(), BY_CCACHE),
        ] {
            let mut command = site.command(&launcher);
            command
                .arg(site.compiler("clang++"))
                .args([&rocm, "-x", "hip", "--offload-arch=gfx900", "-w"])
                .args(["-c", "k.hip", "-o", "k.o"]);
            assert_eq!(site.twice(&mut command, "k.o"), expected, "{command:?}");
        }
    }
}

#[test]
fn hip_clang_launcher_takes_the_place_of_the_installed_launcher() {
    for (installed, named, expected) in [
        (
            launchers::ccache as fn() -> PathBuf,
            launchers::sccache(),
            BY_SCCACHE,
        ),
        (launchers::sccache, launchers::ccache(), BY_CCACHE),
    ] {
        for site in Site::each(installed) {
            let mut command = site.command(site.compiler("clang++"));
            command.args(COMPILE).env("HIP_CLANG_LAUNCHER", &named);
            assert_eq!(site.twice(&mut command, "a.o"), expected, "{command:?}");
        }
    }
}

/// hipcc from ROCm 7.13 on (`hipBin_amd.h`): the launcher and the compiler in double quotes, then
/// the flags, all to `/bin/sh`.
#[test]
fn a_hipcc_that_obeys_hip_clang_launcher_leads_to_one_lookup() {
    let installed = [launchers::sccache, launchers::ccache];
    for site in installed.into_iter().flat_map(Site::each) {
        let compiler = site.compiler("clang++");
        for (launcher, expected) in [
            (launchers::sccache(), BY_SCCACHE),
            (launchers::ccache(), BY_CCACHE),
        ] {
            let line = format!(
                "\"{}\" \"{}\" --rocm-path={} -O3 --offload-arch=gfx900 -w -c -x hip k.hip -o k.o",
                launcher.display(),
                compiler.display(),
                site.tree.root.display(),
            );
            let mut command = site.command("/bin/sh");
            command.args(["-c", &line]);
            command.env("HIP_CLANG_LAUNCHER", &launcher);
            assert_eq!(site.twice(&mut command, "k.o"), expected, "{line}");
        }
    }
}

#[test]
fn hipccs_link_through_a_launcher_works() {
    for site in Site::each(launchers::sccache) {
        let compiler = site.compiler("clang++");
        site.write("main.cpp", "int main() { return 0; }\n");
        succeeds(
            site.command(&compiler)
                .args(["-c", "main.cpp", "-o", "main.o"]),
        );
        for launcher in [launchers::sccache(), launchers::ccache()] {
            let line = format!(
                "\"{}\" \"{}\" --driver-mode=g++ -O3 --hip-link main.o -o main {}",
                launcher.display(),
                compiler.display(),
                runtime_flags(&site.tree.root)
            );
            drop(std::fs::remove_file(site.path("main")));
            succeeds(
                site.command("/bin/sh")
                    .args(["-c", &line])
                    .env("HIP_CLANG_LAUNCHER", &launcher),
            );
            succeeds(&mut site.command(site.path("main")));
        }
    }
}

#[test]
fn cmakes_launchers_in_front_of_wrapped_compilers_are_the_only_ones() {
    for site in Site::each(launchers::sccache) {
        site.write(
            "CMakeLists.txt",
            "cmake_minimum_required(VERSION 3.21)\nproject(nested LANGUAGES CXX HIP)\n\
             add_library(parts STATIC a.cpp k.hip)\n",
        );
        let setting = |name: &str, value: &Path| format!("-D{name}={}", value.display());
        let sccache = launchers::sccache();
        let build = site.path("build");
        let mut configure = site.command("cmake");
        configure
            .args(["-S", ".", "-B"])
            .arg(&build)
            .arg(setting("CMAKE_CXX_COMPILER", &site.compiler("clang++")))
            .arg(setting("CMAKE_HIP_COMPILER", &site.compiler("clang++")))
            .arg(setting("CMAKE_HIP_COMPILER_ROCM_ROOT", &site.tree.root))
            .arg(setting("CMAKE_PREFIX_PATH", &site.tree.root))
            .arg(setting("CMAKE_CXX_COMPILER_LAUNCHER", &sccache))
            .arg(setting("CMAKE_HIP_COMPILER_LAUNCHER", &sccache))
            .args(["-DCMAKE_HIP_ARCHITECTURES=gfx900", "-DCMAKE_HIP_FLAGS=-w"])
            .env("ROCM_PATH", &site.tree.root)
            .env("LDFLAGS", runtime_flags(&site.tree.root))
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", site.tree.root.join("bin").display()),
            );
        succeeds(&mut configure);
        site.asked();
        for expected in [Asked::new(0, 2), Asked::new(2, 0)] {
            let mut make = site.command("cmake");
            make.arg("--build").arg(&build).arg("--clean-first");
            make.env("ROCM_PATH", &site.tree.root);
            succeeds(&mut make);
            assert_eq!(site.asked(), (expected, NOTHING));
        }
    }
}

#[test]
fn the_device_link_of_clang_linker_wrapper_meets_no_launcher() {
    for site in Site::each(launchers::sccache) {
        let compiler = site.compiler("clang");
        site.write("gpu.s", "\ts_endpgm\n");
        let target = ["--target=amdgcn-amd-amdhsa", "-mcpu=gfx900"];
        succeeds(
            site.command(&compiler)
                .args(target)
                .args(["-c", "gpu.s", "-o", "in.o"]),
        );
        // That was a compile, which a launcher may be given. This resets the counters.
        site.asked();
        let mut link = site.command(&compiler);
        link.args(["--no-default-config", "-o", "img"]).args(target);
        succeeds(link.args(["in.o", "-Wl,--no-undefined"]));
        assert!(site.path("img").exists());
        assert_eq!(site.asked(), (NOTHING, NOTHING));
    }
}

/// With `-no-canonical-prefixes` clang runs itself by the name that it was called by, which is the shim's: one more
/// process for each architecture, none of which may be given to a launcher.
#[test]
fn a_compiler_that_calls_itself_by_the_shims_name_meets_no_launcher() {
    for site in Site::each(launchers::sccache) {
        let rocm = format!("--rocm-path={}", site.tree.root.display());
        for input in [
            &["a.cpp"][..],
            &["-x", "hip", "--offload-arch=gfx900", "-w", "k.hip"],
        ] {
            let mut compile = site.command(site.compiler("clang++"));
            compile.args(["-no-canonical-prefixes", &rocm, "-c", "-o", "out.o"]);
            succeeds(compile.args(input));
            assert!(site.path("out.o").exists());
            assert_eq!(site.asked(), (NOTHING, NOTHING));
            std::fs::remove_file(site.path("out.o")).unwrap();
        }
    }
}

/// sccache's server gives one token to each process that it runs. If a compile below it requested another compile,
/// all would wait for each other.
#[test]
fn many_nested_compiles_under_a_server_with_one_token_finish() {
    for mut site in Site::each(launchers::sccache) {
        site.sccache = Cache::on_one_core(&launchers::sccache());
        let shim = site.compiler("clang++");
        let mut children: Vec<_> = (0..8)
            .map(|index| {
                let mut command = site.command(launchers::sccache());
                command
                    .arg(&shim)
                    .args([
                        "-c",
                        "a.cpp",
                        "-o",
                        &format!("{index}.o"),
                        &format!("-DN={index}"),
                    ])
                    .stdin(Stdio::null());
                command.spawn().unwrap()
            })
            .collect();
        let deadline = Instant::now() + Duration::from_secs(120);
        for child in &mut children {
            let left = deadline.saturating_duration_since(Instant::now());
            let status = child.wait_timeout(left).unwrap();
            if status.is_none() {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            assert!(status.expect("a compile that hangs").success());
        }
        assert_eq!(site.asked(), (Asked::new(0, 8), NOTHING));
    }
}

/// clang up to 18 takes the directory through which it is called for its installation directory, and names GCC's
/// headers relative to it. hipcc 5.7 calls /usr/bin/clang++-17, which is such a link.
#[test]
fn a_compiler_that_is_called_by_a_link_elsewhere_is_launched_and_names_the_same_headers() {
    for installed in [launchers::sccache, launchers::ccache] {
        let site = Site::new(15, installed);
        std::fs::create_dir_all(site.path("usr/bin")).unwrap();
        std::fs::create_dir(site.path("usr/lib")).unwrap();
        std::os::unix::fs::symlink("/usr/lib/gcc", site.path("usr/lib/gcc")).unwrap();
        let called = site.path("usr/bin/clang++-15");
        std::os::unix::fs::symlink(site.compiler("clang++"), &called).unwrap();
        let compile = |disabled: &str| {
            let mut command = site.command(&called);
            command.args(["-g", "-MD", "-MF", "a.d"]).args(COMPILE);
            succeeds(command.env("ROCK_WRAP_DISABLE", disabled));
            ["a.o", "a.d"].map(|file| std::fs::read(site.path(file)).unwrap())
        };
        let by_itself = compile("1");
        let depfile = String::from_utf8_lossy(&by_itself[1]).into_owned();
        assert!(depfile.contains("usr/bin/../lib/gcc"), "{depfile}");
        site.asked();
        for (miss, hit) in [(1, 0), (0, 1)] {
            assert!(compile("0") == by_itself, "{miss} misses, {hit} hits");
            let (sccache, ccache) = site.asked();
            assert_eq!(sccache.misses + ccache.misses, miss);
            assert_eq!(sccache.hits + ccache.hits, hit);
        }
    }
}

/// With `--sysroot=/` clang names headers through `/lib/../`, and `/lib` is a link: sccache would look for them in
/// another place, and turn direct mode off. In direct mode a hit starts no compiler.
#[test]
fn sccache_keeps_its_direct_mode_for_headers_that_are_named_through_a_link() {
    let site = Site::new(19, launchers::sccache);
    let compile = |direct: &str| {
        let mut command = site.command(site.compiler("clang++"));
        command.arg("--sysroot=/").args(COMPILE);
        succeeds(command.env("SCCACHE_DIRECT", direct));
    };
    let mut ask = site.command(site.compiler("clang++"));
    let text = succeeds(ask.args(["--sysroot=/", "-E", "a.cpp"])).stdout;
    assert!(
        String::from_utf8_lossy(&text).contains("\"/lib/gcc/"),
        "the control: a header is named through the link"
    );
    compile("true");
    assert_eq!(site.asked(), (ONE_MISS, NOTHING));
    let stand_in = site.compiler("clang++.9727");
    let modified = stand_in.metadata().unwrap().modified().unwrap();
    let log = site.path("started");
    let script = format!(
        "#!/bin/sh\necho started >>{}\nexec {} \"$@\"\n",
        log.display(),
        site.compiler("clang++.7625").display()
    );
    crate::support::write_program(&stand_in, script.as_bytes());
    let file = std::fs::File::options().append(true).open(&stand_in);
    file.unwrap().set_modified(modified).unwrap();
    compile("true");
    assert_eq!(site.asked(), (ONE_HIT, NOTHING));
    assert!(!log.exists(), "the compiler was started for a hit");
    compile("false");
    assert!(
        log.exists(),
        "the control: without direct mode the compiler is started"
    );
}
