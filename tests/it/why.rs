//! `rock-wrap why`: each cause of misses, provoked in real builds.

use std::path::Path;
use std::process::Command;

use crate::support::launchers::{Cache, ccache, sccache};
use crate::support::rocm::{Ran, Rocm, assert_has, ran, rock_wrap};
use crate::support::tree::Layout;
use serde_json::Value;

/// Compiles two HIP units and one host unit that the test can make miss, and one host unit that it leaves alone.
const BUILD: &str = r#"
    set -e
    hip="-x hip -nogpuinc -nogpulib"
    "$BIN/clang++" $hip --offload-arch=gfx900 -I"$INCLUDE" -c path.hip -o path.o
    "$BIN/clang++" $hip $ARCHS -c arch.hip -o arch.o
    "$BIN/clang++" -c header.cpp -o header.o
    "$BIN/clang++" -c steady.cpp -o steady.o
"#;

struct Project {
    rocm: Rocm,
    cache: Cache,
}

impl Project {
    fn new(program: &Path) -> Self {
        let project = Self {
            rocm: Rocm::new(19, Layout::Symlink),
            cache: Cache::new(program),
        };
        for (name, content) in [
            ("path.hip", "__attribute__((device)) int p;\n"),
            ("arch.hip", "__attribute__((device)) int a;\n"),
            ("header.cpp", "#include \"own.h\"\nint h;\n"),
            ("own.h", "int own();\n"),
            ("steady.cpp", "int s;\n"),
        ] {
            project.write(name, content);
        }
        project
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.rocm.beside(name), content).unwrap();
    }

    /// Runs [`BUILD`] under `rock-wrap run` and returns the report too.
    fn build(&self, include: &str, archs: &str) -> (Ran, Value) {
        self.run(BUILD, include, archs, &[])
    }

    fn run(&self, build: &str, include: &str, archs: &str, options: &[&str]) -> (Ran, Value) {
        let mut run = self.rocm.rock_wrap("run");
        run.arg("--launcher").arg(&self.cache.program);
        run.args(options);
        run.args(["--report", "report.json", "--", "sh", "-c", build]);
        run.envs(self.cache.env()).env("BIN", self.rocm.bin());
        run.env("INCLUDE", include).env("ARCHS", archs);
        let ran = ran(run.current_dir(self.rocm.beside(""))).ok();
        let report = std::fs::read(self.rocm.beside("report.json")).unwrap();
        (ran, serde_json::from_slice(&report).unwrap())
    }

    fn why(&self, args: &[&str]) -> Command {
        let mut why = rock_wrap(["why"]);
        why.args(args).env("HOME", self.rocm.beside(""));
        why.current_dir(self.rocm.beside(""));
        why
    }

    /// The causes of the last build's misses: id, text, and the names of the units.
    fn causes(&self) -> Vec<(String, String, Vec<String>)> {
        let why = ran(&mut self.why(&["--json"])).json();
        let causes = why["causes"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let name = |unit: &Value| text(unit).rsplit('/').next().unwrap().to_owned();
        causes
            .map(|cause| {
                let units = cause["units"].as_array().unwrap().iter().map(name);
                let mut units: Vec<_> = units.collect();
                units.sort();
                (text(&cause["id"]), text(&cause["text"]), units)
            })
            .collect()
    }
}

#[test]
fn each_cause_of_misses_is_named_with_the_units_that_it_made_miss() {
    std::thread::scope(|scope| {
        for program in [sccache(), ccache()] {
            scope.spawn(move || each_cause(&program));
        }
    });
}

fn each_cause(program: &Path) {
    const ONE: &str = "--offload-arch=gfx900";
    const TWO: &str = "--offload-arch=gfx900 --offload-arch=gfx906";
    let mut project = Project::new(program);
    let all = ["arch.hip", "header.cpp", "path.hip", "steady.cpp"].map(ToOwned::to_owned);

    project.build("/tmp/pip-build-env-x1/include", ONE);
    let message = ran(&mut project.why(&[])).refused(4);
    assert_has(&message, &["no earlier run of this build"]);
    let (warm, report) = project.build("/tmp/pip-build-env-x1/include", ONE);
    assert_eq!(report["cache"]["hits"], 4, "{report:#}");
    assert!(report["why"].is_null(), "{report:#}");
    assert!(!warm.err.contains("missed:"), "{}", warm.err);

    // The last build had only hits, so its dependencies are known from the build before it.
    project.write("own.h", "long own();\n");
    let (changed, report) = project.build("/tmp/pip-build-env-x2/include", TWO);
    assert_eq!(report["cache"]["hits"], 1, "{report:#}");
    let mut causes = project.causes();
    causes.sort();
    let cause =
        |id: &str, text: &str, unit: &str| (id.to_owned(), text.to_owned(), vec![unit.to_owned()]);
    let moved = "/tmp/pip-build-env-x2 is another path than before (/tmp/pip-build-env-x1)";
    assert_eq!(
        causes,
        [
            cause("architectures", "gfx906 is new", "arch.hip"),
            cause("directory", moved, "path.hip"),
            cause("files", "./own.h changed", "header.cpp"),
        ],
        "{program:?}"
    );
    assert_has(
        &changed.err,
        &[
            "note: 1 missed: gfx906 is new",
            "note: 1 missed: ./own.h changed",
        ],
    );
    assert_eq!(report["why"]["causes"].as_array().unwrap().len(), 3);
    let text = ran(&mut project.why(&["path.hip"])).ok().out;
    assert_has(
        &text,
        &[
            "1 of 1 launched calls missed",
            moved,
            "--no-build-isolation",
        ],
    );

    // A file that the compiler reads by default counts as part of the compiler.
    std::fs::write(project.rocm.bin().join("clang++.cfg"), "-DOF_THE_SITE\n").unwrap();
    let (upgraded, _) = project.build("/tmp/pip-build-env-x2/include", TWO);
    let causes = project.causes();
    let [(id, text, units)] = &causes[..] else {
        panic!("{program:?}: {causes:?}")
    };
    assert_eq!(
        (id.as_str(), text.as_str()),
        ("compiler", "clang++.cfg changed"),
        "{program:?}"
    );
    assert_eq!(units[..], all);
    assert_has(
        &upgraded.err,
        &[
            "note: 4 missed: clang++.cfg changed",
            "hint: nothing, if the compiler was upgraded",
        ],
    );

    project.cache = Cache::new(program);
    project.build("/tmp/pip-build-env-x2/include", TWO);
    let causes = project.causes();
    let [(id, _, units)] = &causes[..] else {
        panic!("{program:?}: {causes:?}")
    };
    assert_eq!(
        (id.as_str(), &units[..]),
        ("other-cache", &all[..]),
        "{program:?}"
    );

    // A cache that holds other results, like one that has evicted those of this build.
    project.cache = Cache::new(program);
    let other = BUILD.replace("-c ", "-O1 -c ");
    project.run(&other, "/elsewhere", TWO, &[]);
    project.build("/tmp/pip-build-env-x2/include", TWO);
    let causes = project.causes();
    let [(id, text, units)] = &causes[..] else {
        panic!("{program:?}: {causes:?}")
    };
    assert_eq!(text, "nothing differs: evicted, or never stored");
    assert_eq!(
        (id.as_str(), &units[..]),
        ("evicted", &all[..]),
        "{program:?}"
    );
}

#[test]
fn a_new_architecture_is_distinguished_from_those_that_hit() {
    for program in [sccache(), ccache()] {
        let project = Project::new(&program);
        let build = r#""$BIN/clang++" -w -x hip -nogpuinc -nogpulib $ARCHS -c arch.hip -o arch.o"#;
        let source = |of_gfx906: &str| {
            let text = "__attribute__((device)) int a;\n#ifdef __gfx906__\n";
            project.write("arch.hip", &format!("{text}{of_gfx906}\n#endif\n"));
        };
        source("__attribute__((device)) int b;");
        let two = "--offload-arch=gfx900 --offload-arch=gfx906";
        let three = format!("{two} --offload-arch=gfx90a");
        let by_arch = ["--per-arch", "always"];
        project.run(build, "", two, &by_arch);
        let (_, report) = project.run(build, "", &three, &by_arch);
        let told = format!("{program:?}: {report:#}");
        assert_eq!(report["units"][0]["parts"][0]["outcome"], "hit", "{told}");
        assert_eq!(report["units"][0]["parts"][2]["outcome"], "miss", "{told}");
        // Each part has a time within its unit's time, and a part that was compiled has its memory.
        let unit = &report["units"][0];
        let number = |of: &Value, name: &str| of[name].as_f64();
        let end = number(unit, "start").unwrap() + number(unit, "seconds").unwrap();
        let parts = unit["parts"].as_array().unwrap();
        let names: Vec<_> = parts.iter().map(|part| &part["arch"]).collect();
        assert_eq!(names, ["gfx900", "gfx906", "gfx90a", "host"], "{told}");
        for part in parts {
            let start = number(part, "start").unwrap();
            let seconds = number(part, "seconds").unwrap();
            assert!(number(unit, "start") < Some(start), "{told}");
            assert!(seconds > 0.0 && start + seconds <= end, "{told}");
        }
        let memory = |part: &Value| number(part, "peak_memory");
        assert_eq!((memory(&parts[0]), memory(&parts[1])), (None, None));
        assert!(memory(&parts[2]) > Some(1e7), "{told}");
        assert!(memory(unit) >= memory(&parts[2]), "{told}");
        let cause = &report["why"]["causes"][0];
        let text = "gfx90a is new, and the other architectures hit";
        assert_eq!(cause["text"], text, "{told}");

        source("__attribute__((device)) long b;");
        let (_, report) = project.run(build, "", &three, &by_arch);
        let text = "the source changed, and only gfx906 was compiled";
        assert_eq!(report["why"]["causes"][0]["text"], text, "{report:#}");
    }
}

#[test]
fn without_a_recorded_build_why_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut why = rock_wrap(["why"]);
    why.env("HOME", dir.path()).current_dir(dir.path());
    assert_has(
        &ran(&mut why).refused(4),
        &["no build has been recorded", "rock-wrap run -- BUILD"],
    );
}
