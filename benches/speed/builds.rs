//! Measures whole builds: a small project, and units that are mostly templates.

use std::path::Path;

use super::Setup;
use super::caches::Cache;
use super::contest::{Call, Contest};
use super::report::{Bar, Report};

/// A project to build.
struct Project<'a> {
    name: &'static str,
    dir: &'a Path,
    /// The make variable for the compiler.
    compiler: &'static str,
    objects: &'static str,
    targets: Vec<String>,
    /// Number of cold builds in the full form.
    rounds: usize,
}

/// Measures both projects, with one job and with two.
pub fn all(setup: &Setup, report: &mut Report) {
    let sample = setup.source.join("examples/hip-project");
    let heavy = setup.work.join("heavy");
    let objects = setup.work.join("objects");
    let units = |dir: &Path, endings: &[(&str, &str)]| {
        let names = dir.read_dir().expect("a project").flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let mut targets: Vec<_> = names
            .filter_map(|name| {
                let (stem, object) = endings
                    .iter()
                    .find_map(|(ending, object)| Some((name.strip_suffix(ending)?, object)))?;
                Some(
                    objects
                        .join(format!("{stem}{object}"))
                        .to_string_lossy()
                        .into_owned(),
                )
            })
            .collect();
        targets.sort();
        targets
    };
    let mut projects = [
        Project {
            name: "sample",
            targets: units(&sample.join("src"), &[(".hip", ".hip.o"), (".cpp", ".o")]),
            dir: &sample,
            compiler: "HIPCC",
            objects: "BUILD",
            rounds: 4,
        },
        Project {
            name: "heavy",
            targets: units(&heavy, &[(".hip", ".o")]),
            dir: &heavy,
            compiler: "CXX",
            objects: "OBJ",
            rounds: 1,
        },
    ];
    // The quick form compiles each algorithm for one type instead of three.
    if setup.quick {
        let mut number = 0;
        projects[1].targets.retain(|_| {
            number += 1;
            number % 3 == 1
        });
    }
    for project in projects {
        for jobs in [1, 2] {
            for program in [&setup.sccache, &setup.ccache] {
                one(setup, report, &project, &objects, jobs, program);
            }
        }
    }
}

/// Measures the bare compiler, a launcher alone and rock-wrap against each other, cold and warm, unless `--only`
/// excludes this contest.
fn one(
    setup: &Setup,
    report: &mut Report,
    project: &Project<'_>,
    objects: &Path,
    jobs: usize,
    program: &Path,
) {
    let launcher = program.file_name().expect("a program").to_string_lossy();
    let named = |what: &str| format!("{}, -j{jobs}, {what}", project.name);
    if !named(&launcher).contains(&setup.only) {
        return;
    }
    let make = |tree: &str, launcher: Option<&Path>| {
        let root = setup.tree(tree);
        let clang = root.join("lib/llvm/bin/clang++");
        let launcher =
            launcher.map_or_else(String::new, |launcher| format!("{} ", launcher.display()));
        Call::new(
            Path::new("/usr/bin/make"),
            [
                "-C".to_owned(),
                project.dir.display().to_string(),
                format!("-j{jobs}"),
                format!(
                    "{}={launcher}{} --rocm-path={}",
                    project.compiler,
                    clang.display(),
                    root.display()
                ),
                format!("ROCM={}", root.display()),
                format!("{}={}", project.objects, objects.display()),
            ],
        )
    };
    let build = |call: &Call, targets: &[String]| {
        let _ = std::fs::remove_dir_all(objects);
        std::fs::create_dir_all(objects).expect("a directory of our own");
        targets.iter().fold(call.clone(), Call::arg).run()
    };
    let [mine, theirs, again] =
        ["mine", "theirs", "again"].map(|name| Cache::new(setup, program, name));
    let wrapped = make(&launcher, None).envs(&mine.env);
    let bare = |cache: &Cache| make("bare", Some(program)).envs(&cache.env);
    let alone = make("bare", None);

    // Interleave parts of the builds, so that a slow minute of the machine affects all of them.
    let parts: Vec<_> = project.targets.chunks(2 * jobs).collect();
    let cold = |cache: &Cache, call: &Call, part: usize| {
        if part == 0 {
            cache.clear();
        }
        build(call, parts[part])
    };
    let mut contest = Contest::new_in_parts(
        &named(&format!("{launcher}, cold")),
        parts.len(),
        |part| cold(&theirs, &bare(&theirs), part),
        |part| cold(&again, &bare(&again), part),
    );
    let shim = contest.add_in_parts(&named(&format!("rock-wrap + {launcher}, cold")), |part| {
        cold(&mine, &wrapped, part)
    });
    let cold = contest.run_cold(setup.rounds(project.rounds));
    report.contest("builds", &cold, &[(shim, Bar::AtMost(1.03))]);

    let (bare, whole) = (bare(&theirs), &project.targets[..]);
    let mut contest =
        Contest::new_timed(&named(&format!("{launcher}, warm")), || build(&bare, whole));
    let shim = contest.add_rare(&named(&format!("rock-wrap + {launcher}, warm")), 1, || {
        build(&wrapped, whole)
    });
    // All of these take fractions of a second, except the bare compiler's build.
    let rounds = setup.rounds(100);
    let every = rounds / setup.rounds(project.rounds);
    let compiler = contest.add_rare(&named("compiler"), every, || build(&alone, whole));
    let warm = contest.run_after(rounds, || {
        mine.zero();
        theirs.zero();
    });
    assert_eq!(
        (mine.misses(), theirs.misses()),
        (0, 0),
        "a warm build compiled something"
    );
    report.contest("builds", &warm, &[(shim, Bar::AtMost(1.05))]);
    report.number(
        "builds",
        &named(&format!("rock-wrap + {launcher}, warm, over the compiler")),
        warm.ratio_of(shim, compiler),
        "x",
        None,
    );
}
