//! Equal objects at scale: units that instantiate rocPRIM and hipRAND, compiled bare, with a cold cache and with a warm
//! one. Objects and depfiles are compared byte for byte.

use std::path::Path;

use super::site::{CCACHE_14, Launcher, SCCACHE_16, Site};
use super::table::Cell;
use super::trial::Trial;
use crate::support::compilers;
use crate::support::rocm::sh;

#[test]
fn sccache_gives_the_compilers_own_objects_of_heavy_units() {
    compare(&SCCACHE_16, "reduce-int");
}

#[test]
fn ccache_gives_the_compilers_own_objects_of_heavy_units() {
    compare(&CCACHE_14, "philox-float");
}

/// Compares all units, or in the quick form the unit `short` alone: one of the quicker units, of another library for
/// each launcher.
fn compare(launcher: &Launcher, short: &str) {
    let Some(program) = launcher.program() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let names = heavy_units(dir.path());
    let units: Vec<_> = names
        .iter()
        .filter(|name| compilers::full() || *name == short)
        .collect();
    assert!(!units.is_empty(), "{names:?}");
    // rocPRIM and hipRAND are Debian 12's, and so is the HIP that they are made for.
    let clangs = compilers::clangs(&[19]);
    let clangs = clangs
        .into_iter()
        .filter(|clang| compilers::has_own_hip(*clang));
    let mut wrong = Vec::new();
    for clang in clangs {
        let site = Site::new(clang, launcher, &program);
        for unit in &units {
            let source = dir.path().join(unit).with_extension("hip");
            let (cell, faults) = compiled(&site, source.to_str().unwrap());
            wrong.extend(
                faults
                    .iter()
                    .map(|fault| format!("{unit}, clang {clang}: {fault}")),
            );
            if !cell.is_right() {
                wrong.push(format!("{unit}, clang {clang}: {cell}"));
            }
        }
        let (units, results) = (units.len(), site.objects.get());
        println!(
            "{}, clang {clang}: {units} units, {results} results compared",
            launcher.name
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Writes the units, each in a file `NAME.hip`. Returns their names.
pub fn heavy_units(dir: &Path) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/heavy-units.sh");
    let names = sh("exec \"$1\" --list \"$2\"", &[Path::new(script), dir]);
    names.lines().map(str::to_owned).collect()
}

fn compiled(site: &Site, source: &str) -> (Cell, Vec<String>) {
    let mut trial = Trial::new(site);
    let options = [
        "-std=c++17",
        "-O2",
        "-w",
        "--offload-arch=gfx900",
        "--offload-arch=gfx906",
    ];
    let files = ["-MD", "-MF", "unit.d", "-c", source, "-o", "unit.o"];
    let call = trial.call("clang++", &options).args(&files);
    let state = trial.state(&call);
    trial.must("an object is made", state.truth.status.success());
    trial.end()
}
