//! Files that the compiler writes besides the object: a hit must leave the same files.

use super::{Case, case};

pub const CASES: &[Case] = &[
    case("`-ftime-trace`", |t| {
        t.state(&t.hip(&["-ftime-trace", "-ftime-trace-granularity=0"]));
    }),
    case("`-MJ`", |t| {
        t.state(&t.hip(&["-MJ", "k.json"]));
    }),
    case("`-fstack-usage`", |t| {
        t.state(&t.hip(&["-fstack-usage"]));
    }),
    case("`-fsave-optimization-record`", |t| {
        t.state(&t.hip(&["-fsave-optimization-record"]));
    }),
    case("`-gsplit-dwarf`", |t| {
        t.state(&t.hip(&["-g", "-gsplit-dwarf"]));
    }),
    case("`--coverage`", |t| {
        t.write("src/h.cpp", "int f(int x) { return x ? 1 : 2; }\n");
        t.state(&t.cxx(&["--coverage"]));
    })
    .with_sccache_17(),
    case("`-save-temps`", |t| {
        t.state(&t.hip(&["-save-temps"]));
    }),
    case("`-fcrash-diagnostics-dir=`, without a crash", |t| {
        t.state(&t.hip(&["-fcrash-diagnostics-dir=."]));
    }),
    case("`--serialize-diagnostics`", |t| {
        t.state(&t.hip(&["--serialize-diagnostics", "k.dia"]));
    }),
    case("`-Wp,-MD,`", |t| {
        t.write("src/h.cpp", "int f(int x) { return x ? 1 : 2; }\n");
        t.state(&t.cxx(&["-Wp,-MD,h.d"]));
    }),
];
