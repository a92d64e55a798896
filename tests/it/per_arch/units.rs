//! Equal objects at scale: units that instantiate rocPRIM and hipRAND. In the long form only, because they take minutes.

use super::site::missed;
use super::with_clangs;
use crate::hazards::site::{CCACHE_14, Launcher, SCCACHE_16};
use crate::hazards::units::heavy_units;
use crate::support::compilers::{full, has_own_hip};

#[test]
fn sccache_gives_the_compilers_own_objects_of_heavy_units() {
    compare(&SCCACHE_16);
}

#[test]
fn ccache_gives_the_compilers_own_objects_of_heavy_units() {
    compare(&CCACHE_14);
}

fn compare(launcher: &Launcher) {
    const ARCHS: [&str; 2] = ["gfx900", "gfx906"];
    if !full() {
        return;
    }
    with_clangs(&[19], launcher, |site| {
        // rocPRIM and hipRAND are Debian 12's, and so is the HIP that they are made for.
        if !has_own_hip(site.base.clang) {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        for unit in heavy_units(dir.path()) {
            let p = site.project();
            let source = dir.path().join(unit).with_extension("hip");
            let call = p.hip(&ARCHS, &["-std=c++17", "-O2", "-w", "-MD"]);
            let call = call.without("-nogpuinc");
            let call = call.with("../src/k.hip", source.to_str().unwrap());
            assert_eq!(missed(&p.split(&call)), ARCHS, "cold: {source:?}");
            let warm = p.right(&call);
            assert_eq!(warm.parts, None, "warm: {source:?}");
        }
    });
}
