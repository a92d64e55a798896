//! Real wheels, built by pip through `rock-wrap run`: they contain what a bare build puts into them, the second build
//! compiles nothing, and the tree is unchanged.
//!
//! The quick form builds fewer units for one architecture, with one launcher and attachment for each project.
//! `ROCK_WRAP_TEST_FULL` builds all for two, combines every launcher with every attachment, and adds a hipcc that calls
//! the launcher itself, wheels that are compiled by architecture, and a PyTorch extension. A table of times is printed
//! past the test harness's capture.

mod kill;
mod project;
mod torch;

use std::path::PathBuf;
use std::time::Duration;

use crate::support::compilers::{clangs, full};
use crate::support::launchers::{self, Asked, Cache};
use crate::support::manifest::Manifest;
use project::{Built, Project, Session, Site};

/// Prints a line that must be visible even when the test passes.
macro_rules! report {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        // The test harness does not capture this stream. Nothing depends on the line.
        let _ = writeln!(std::io::stderr(), "wheels: {}", format_args!($($arg)*));
    }};
}
use report;

type Launcher = fn() -> PathBuf;

/// The units that include `rows.h`. Both have kernels.
const WITH_ROWS: u64 = 2;

/// Prints a line of the table.
fn row(what: &str, bare: Duration, built: &Built, asked: &Asked) {
    let (took, bare) = (built.took.as_secs_f64(), bare.as_secs_f64());
    report!(
        "{what:47} {took:6.1} s  {:4.2} of bare  {:2} hits {:2} misses",
        took / bare,
        asked.hits,
        asked.misses
    );
}

/// Builds `project` with each compiler, bare and then in sessions: with a cold cache, with a warm one, and after one
/// header was edited.
fn bare_cold_warm_changed(project: Project, cells: &[(Launcher, &'static str)]) {
    for clang in clangs(&[15]) {
        with_clang(clang, project, cells);
    }
}

fn with_clang(clang: u32, project: Project, cells: &[(Launcher, &'static str)]) {
    let site = Site::new(project, clang);
    let before = Manifest::of(&site.rocm.root);
    // The very first build reads the compiler and headers from disk. The table must not show that time.
    if full() {
        site.build(None);
    }
    let bare = site.build(None);
    report!(
        "{project:?}, clang {clang}, bare: {:.1} s",
        bare.took.as_secs_f64()
    );
    bare.assert_imports(&site);
    let changed = full().then(|| site.with_another_header(|| site.build(None)));
    for (launcher, attach) in cells {
        let cache = Cache::new(&launcher());
        let session = Session {
            cache: &cache,
            attach,
            per_arch: "never",
        };
        let step = |what: &str, asked: Asked| {
            cache.zero();
            let built = site.build(Some(&session));
            let name = cache.program.file_name().unwrap().to_str().unwrap();
            let what = format!("{project:?}, {name}, {attach}, {what}");
            row(&what, bare.took, &built, &cache.asked());
            assert_eq!(cache.asked(), asked, "{what}: {}", built.said);
            before.assert_same(&Manifest::of(&site.rocm.root), "the tree");
            built
        };
        // CMake's own compiles, which test the compiler, are direct.
        let all = site.units();
        let cold = step("cold", Asked::new(0, all));
        let warm = step("warm", Asked::new(all, 0));
        warm.assert_same(&cold);
        let asked = Asked::new(all - WITH_ROWS, WITH_ROWS);
        let other = site.with_another_header(|| step("one header changed", asked));
        assert!(
            other.extension() != cold.extension(),
            "the control: the header makes no difference"
        );
        // Later releases put an id into every object, and with rock-wrap it is not the one that clang makes up.
        if clang == 15 {
            cold.assert_same(&bare);
            changed
                .iter()
                .for_each(|changed| other.assert_same(changed));
        } else {
            cold.assert_imports(&site);
        }
    }
}

/// The launcher and the attachment of the quick form, or all combinations.
fn cells(project: Project, quick: (Launcher, &'static str)) -> Vec<(Launcher, &'static str)> {
    if !full() {
        return vec![quick];
    }
    let launchers = [launchers::sccache, launchers::ccache];
    let attachments = project.attachments();
    let cells = attachments
        .iter()
        .flat_map(|attach| launchers.map(|launcher| (launcher as Launcher, *attach)));
    cells.collect()
}

#[test]
fn a_wheel_built_by_setuptools_and_hipcc_equals_a_bare_build() {
    let quick = (launchers::sccache as Launcher, "shadow");
    bare_cold_warm_changed(Project::Setuptools, &cells(Project::Setuptools, quick));
}

#[test]
fn a_wheel_built_by_a_hipcc_that_calls_the_launcher_equals_a_bare_build() {
    if full() {
        let project = Project::NewHipcc;
        bare_cold_warm_changed(project, &cells(project, (launchers::sccache, "launcher")));
    }
}

#[test]
fn a_wheel_built_by_cmake_equals_a_bare_build() {
    let quick = (launchers::ccache as Launcher, "launcher");
    bare_cold_warm_changed(Project::Cmake, &cells(Project::Cmake, quick));
}

#[test]
fn a_wheel_compiled_by_architecture_equals_a_bare_build() {
    if !full() {
        return;
    }
    // Later releases put an id into every object, so that a whole wheel cannot be compared.
    let (clang, project) = (15, Project::Setuptools);
    if !clangs(&[clang]).contains(&clang) {
        return;
    }
    let site = Site::new(project, clang);
    let bare = site.build(None);
    let changed = site.with_another_header(|| site.build(None));
    for launcher in [launchers::sccache, launchers::ccache] {
        let cache = Cache::new(&launcher());
        let session = Session {
            cache: &cache,
            attach: "in-place",
            per_arch: "always",
        };
        let kernels = site.units() - 1;
        let cold = site.build(Some(&session));
        cold.assert_same(&bare);
        let parts = format!("{kernels} units of {} parts: 0 found", 2 * kernels);
        assert!(cold.said.contains(&parts), "{}", cold.said);
        let warm = site.build(Some(&session));
        warm.assert_same(&bare);
        assert!(!warm.said.contains("parts:"), "{}", warm.said);
        site.with_another_header(|| {
            let built = site.build(Some(&session));
            built.assert_same(&changed);
            let parts = format!("{WITH_ROWS} units of {} parts: 0 found", 2 * WITH_ROWS);
            assert!(built.said.contains(&parts), "{}", built.said);
        });
    }
}
