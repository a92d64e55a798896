//! Checkouts of one project in different directories, built by CMake and Ninja, which name every file by its absolute
//! path. The second checkout hits for objects that cannot hold a path, and for no others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::compilers::{QUICK, clangs};
use crate::support::launchers::{Asked, Cache, ccache, sccache};
use crate::support::tree::{Kind, Layout, Tree};
use crate::support::{run, stderr};
use tempfile::TempDir;

const PROJECT: &str = "cmake_minimum_required(VERSION 3.20)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
project(p CXX)
set(units plain warned coloured kernel named checked located shown debug sanitized)
list(TRANSFORM units PREPEND src/)
list(TRANSFORM units APPEND .cpp)
add_library(p STATIC ${units})
target_include_directories(p PRIVATE inc)
set_source_files_properties(src/warned.cpp PROPERTIES COMPILE_OPTIONS -Wall)
set_source_files_properties(src/coloured.cpp PROPERTIES COMPILE_OPTIONS \"-Wall;-fcolor-diagnostics\")
set_source_files_properties(src/debug.cpp PROPERTIES COMPILE_OPTIONS -g)
set_source_files_properties(src/sanitized.cpp PROPERTIES COMPILE_OPTIONS -fsanitize=undefined)
set_source_files_properties(src/kernel.cpp PROPERTIES COMPILE_FLAGS
    \"-x hip -nogpuinc -nogpulib --offload-arch=gfx900 --offload-arch=gfx906 -cuid=1 -munsafe-fp-atomics \
-fclang-abi-compat=15 -fgpu-default-stream=legacy -mllvm -amdgpu-early-inline-all=true \
-mllvm -amdgpu-function-calls=false\")
";

/// Units, and whether their objects are the same in every checkout.
const UNITS: [(&str, &str, bool); 10] = [
    (
        // When paths are sorted, the compiler's own header comes between the checkouts.
        "plain",
        "#include <stddef.h>\n#include <value.h>\nsize_t f() { return VALUE; }\n",
        true,
    ),
    (
        "warned",
        "#include <value.h>\nint g() { int unused; return VALUE; }\n",
        true,
    ),
    (
        "coloured",
        "#include <value.h>\nint o() { int unused; return VALUE; }\n",
        true,
    ),
    (
        "kernel",
        "#include <value.h>\n__attribute__((device)) float state;\nint host = VALUE;\n",
        true,
    ),
    (
        "named",
        "#include <value.h>\nconst char *h() { return __FILE__; }\n",
        false,
    ),
    (
        "checked",
        "#include <cassert>\nvoid i(int x) { assert(x); }\n",
        false,
    ),
    (
        "located",
        "#include <value.h>\nconst char *j() { return file(); }\n",
        false,
    ),
    (
        "shown",
        "template <class F> const char *k(F) { return __PRETTY_FUNCTION__; }\n\
         const char *l() { return k([] {}); }\n",
        false,
    ),
    (
        "debug",
        "#include <value.h>\nint m() { return VALUE; }\n",
        false,
    ),
    (
        "sanitized",
        "#include <value.h>\nint n(int x) { return x + VALUE; }\n",
        false,
    ),
];

const HEADER: &str = "#define VALUE 7\n\
    inline const char *file(const char *own = __builtin_FILE()) { return own; }\n";

/// The results of a build.
struct Build {
    /// By the units' names.
    objects: BTreeMap<String, Vec<u8>>,
    /// The dependencies that Ninja has read from the dependency files.
    depends: Vec<String>,
    said: String,
}

struct Site {
    dir: TempDir,
    tree: Tree,
    cache: Cache,
}

impl Site {
    fn new(clang: u32, launcher: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let tree = Kind::new(clang, Layout::Symlink).build(&top.join("rocm"));
        tree.install(Some(launcher));
        let checkouts = ["one", "the-second", "three"].map(|name| top.join(name));
        for checkout in &checkouts {
            for below in ["src", "inc"] {
                std::fs::create_dir_all(checkout.join(below)).unwrap();
            }
            std::fs::write(checkout.join("CMakeLists.txt"), PROJECT).unwrap();
            // file() has a header of its own: a unit that includes it may hold a path.
            for (name, source, _) in UNITS {
                let path = checkout.join(format!("src/{name}.cpp"));
                let source = match name {
                    "located" => source.replace("value.h", "file.h"),
                    _ => source.to_owned(),
                };
                std::fs::write(path, source).unwrap();
            }
            let (value, file) = HEADER.split_once('\n').unwrap();
            std::fs::write(checkout.join("inc/value.h"), format!("{value}\n")).unwrap();
            std::fs::write(checkout.join("inc/file.h"), file).unwrap();
        }
        let link = top.join("link");
        std::os::unix::fs::symlink(&checkouts[2], &link).unwrap();
        // The checkouts, by every name that a build uses for them.
        let names = checkouts.iter().chain([&link]);
        let names: Vec<&str> = names.map(|name| name.to_str().unwrap()).collect();
        let cache = Cache::told(launcher, "SCCACHE_BASEDIRS", &names.join(":"));
        Self { dir, tree, cache }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn command(&self, program: &str, base: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("ROCM_PATH", &self.tree.root)
            .env("ROCK_WRAP_BASE_DIR", base)
            .envs(self.cache.env());
        command
    }

    /// Builds the checkout from scratch; without rock-wrap if `bare`.
    fn build(&self, checkout: &Path, base: &Path, bare: bool) -> Build {
        let ready = |mut command: Command| {
            if bare {
                command.env("ROCK_WRAP_DISABLE", "1");
            }
            let output = run(&mut command);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{said}{}", stderr(&output));
            said
        };
        let build = checkout.join("build");
        let _ = std::fs::remove_dir_all(&build);
        let mut configure = self.command("cmake", base);
        configure
            .args(["-G", "Ninja", "-S"])
            .arg(checkout)
            .arg("-B")
            .arg(&build)
            .arg(format!(
                "-DCMAKE_CXX_COMPILER={}",
                self.tree.bin().join("clang++").display()
            ));
        ready(configure);
        self.cache.zero();
        let ninja = |args: &[&str]| {
            let mut ninja = self.command("ninja", base);
            // Otherwise Ninja removes the colours.
            ninja.env("CLICOLOR_FORCE", "1");
            ninja.args(args).current_dir(&build);
            ready(ninja)
        };
        let said = ninja(&["-j1"]);
        let depends = ninja(&["-t", "deps"]);
        let depends = depends.lines().filter(|line| line.starts_with(' '));
        let object = |name: &str| build.join(format!("CMakeFiles/p.dir/src/{name}.cpp.o"));
        Build {
            objects: UNITS
                .iter()
                .map(|(name, ..)| ((*name).to_owned(), std::fs::read(object(name)).unwrap()))
                .collect(),
            depends: depends.map(str::to_owned).collect(),
            said,
        }
    }
}

#[test]
fn a_second_checkout_hits_for_objects_that_hold_no_path_and_for_no_others() {
    for (number, launcher) in [ccache(), sccache()].into_iter().enumerate() {
        // The quick form uses a different compiler for each launcher.
        for clang in clangs(&QUICK[number..=number]) {
            let site = Site::new(clang, &launcher);
            let what = format!("{launcher:?}, clang {clang}");
            let units = UNITS.len() as u64;
            let alike = UNITS.iter().filter(|(.., alike)| *alike).count() as u64;
            let mut first: Option<Build> = None;
            for (name, base, expected) in [
                ("one", "one", Asked::new(0, units)),
                ("the-second", "the-second", Asked::new(alike, units - alike)),
                // Here every file is named through a link to the base directory.
                ("link", "three", Asked::new(alike, units - alike)),
                ("one", "one", Asked::new(units, 0)),
            ] {
                let (checkout, base) = (site.path(name), site.path(base));
                let truth = site.build(&checkout, &base, true);
                let made = site.build(&checkout, &base, false);
                assert_eq!(site.cache.asked(), expected, "{what}, {name}");
                for (unit, _, alike) in UNITS {
                    assert!(made.objects[unit] == truth.objects[unit], "{what}: {unit}");
                    let Some(first) = first.as_ref().filter(|_| name != "one") else {
                        continue;
                    };
                    let same = first.objects[unit] == truth.objects[unit];
                    assert_eq!(same, alike, "the control, {what}: {unit}");
                }
                assert_eq!(made.depends, truth.depends, "{what}, {name}");
                assert!(!truth.depends.is_empty(), "{what}");
                // ccache's stand-in names sources relative to the working directory in every checkout.
                for (unit, mark) in [("warned", "warning:"), ("coloured", "\u{1b}[")] {
                    let source = format!("{}/src/{unit}.cpp", checkout.display());
                    let shown = match launcher == sccache() {
                        true => source.clone(),
                        false => format!("../src/{unit}.cpp"),
                    };
                    let about = |said: &str, source: &str| {
                        let lines = said
                            .lines()
                            .filter(|line| line.contains(&format!("{source}:")));
                        lines.map(str::to_owned).collect::<Vec<_>>()
                    };
                    let mut due = about(&truth.said, &source);
                    assert!(due[0].contains(mark), "the control: {due:?}");
                    due.iter_mut()
                        .for_each(|line| *line = line.replace(&source, &shown));
                    assert_eq!(about(&made.said, &shown), due, "{what}, {name}");
                }
                first.get_or_insert(truth);
            }
        }
    }
}

#[test]
fn a_checkout_whose_header_differs_gets_its_own_object() {
    for launcher in [ccache(), sccache()] {
        for clang in clangs(&[19]) {
            let site = Site::new(clang, &launcher);
            let compile = |checkout: &str, bare: bool| {
                let dir = site.path(checkout);
                let clang = site.tree.bin().join("clang++");
                let mut command = site.command(clang.to_str().unwrap(), &dir);
                command
                    .args(["-Iinc", "-c", "src/plain.cpp", "-o", "plain.o"])
                    .current_dir(&dir);
                if bare {
                    command.env("ROCK_WRAP_DISABLE", "1");
                }
                let output = run(&mut command);
                assert!(output.status.success(), "{}", stderr(&output));
                std::fs::read(dir.join("plain.o")).unwrap()
            };
            let first = compile("one", true);
            site.cache.zero();
            for _ in 0..3 {
                assert!(compile("one", false) == first);
            }
            assert_eq!(site.cache.asked(), Asked::new(2, 1), "{launcher:?}");
            // In its direct mode, sccache would look for the header where it was first found.
            let header = site.path("the-second").join("inc/value.h");
            std::fs::write(header, "#define VALUE 8\n").unwrap();
            let second = compile("the-second", true);
            assert!(second != first, "the control: the objects differ");
            assert!(compile("the-second", false) == second, "{launcher:?}");
            // A checkout whose header does not differ shares the object.
            site.cache.zero();
            assert!(compile("three", false) == first);
            assert_eq!(site.cache.asked(), Asked::new(1, 0), "{launcher:?}");
        }
    }
}
