//! Equal objects at scale: units that instantiate rocPRIM and hipRAND, as the compiler makes them,
//! through an empty cache and out of it. Objects and dependency files are compared byte for byte.

use std::path::Path;

use super::site::{CCACHE, Launcher, SCCACHE, Site};
use super::support::rocm::sh;
use super::table::Cell;
use super::trial::Trial;

/// What the short form compiles: of each library one, the quicker ones.
const SHORT: [&str; 3] = ["reduce-int", "merge-int", "philox-float"];

#[test]
fn sccache_gives_the_compilers_own_objects_of_heavy_units() {
    compare(&SCCACHE);
}

#[test]
fn ccache_gives_the_compilers_own_objects_of_heavy_units() {
    compare(&CCACHE);
}

fn compare(launcher: &Launcher) {
    let long = std::env::var_os("ROCK_WRAP_TEST_FULL").is_some();
    let dir = tempfile::tempdir().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/heavy-units.sh");
    let names = sh(
        "exec \"$1\" --list \"$2\"",
        &[Path::new(script), dir.path()],
    );
    let units: Vec<_> = names
        .lines()
        .filter(|name| long || SHORT.contains(name))
        .collect();
    assert!(units.len() >= SHORT.len(), "{names}");
    let clangs: &[u32] = if long { &[15, 19] } else { &[19] };
    let mut wrong = Vec::new();
    for clang in clangs {
        let site = Site::new(*clang, launcher);
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
