//! `-Xarch_host`, `-Xarch_device` and `-Xarch_<architecture>`: options for one side only.

use super::trial::Trial;
use super::{Case, case, paths};

pub const CASES: &[Case] = &[
    case("`-Xarch_host -D`", |t| both(t, "host", "-DV=1", "-DV=2")).with_sccache_17(),
    case("`-Xarch_device -D`", |t| {
        both(t, "device", "-DV=1", "-DV=2")
    }),
    case("`-Xarch_gfx900 -D`", |t| {
        both(t, "gfx900", "-DV=1", "-DV=2")
    })
    .with_sccache_17(),
    case("`-Xarch_gfx900 -D` behind `-D`", |t| {
        let call = |value: &str| t.hip(&["-w", "-DV=0", "-Xarch_gfx900", value]);
        let (before, after) = (call("-DV=1"), call("-DV=2"));
        t.both(&before, &after);
    })
    .with_sccache_17(),
    case("`-Xarch_host -I`", |t| include(t, "host")),
    case("`-Xarch_device -I`", |t| include(t, "device")).long(),
    case("`-Xarch_gfx900 -I`", |t| include(t, "gfx900")).long(),
    case("`-Xarch_device -include`", |t| {
        headers(t);
        both(t, "device", "-include../one/v.h", "-include../two/v.h");
    }),
    case("`-Xarch_gfx900 -include`", |t| {
        headers(t);
        both(t, "gfx900", "-include../one/v.h", "-include../two/v.h");
    })
    .long(),
    case("`-Xarch_host -g` in two directories", |t| {
        for call in paths::two_directories(t, &["-Xarch_host", "-g"]) {
            t.state(&call);
        }
        t.differs();
    }),
    case("`-Xarch_host -O`", |t| both(t, "host", "-O0", "-O3")),
    case("`-Xarch_device -O`", |t| both(t, "device", "-O0", "-O3")).long(),
    case("`-Xarch_gfx900 -O`", |t| both(t, "gfx900", "-O0", "-O3")).long(),
    case("`-Xarch_host` and `-Xarch_device`", |t| {
        let call = |host: &str, device: &str| {
            t.hip(&[
                "-Xarch_host",
                host,
                "-Xarch_device",
                device,
                "-fno-exceptions",
            ])
        };
        let (one, two) = (call("-DV=1", "-DV=2"), call("-DV=2", "-DV=1"));
        t.both(&one, &two);
    }),
];

fn both(t: &mut Trial<'_>, side: &str, before: &str, after: &str) {
    let side = format!("-Xarch_{side}");
    let call = |option: &str| t.hip(&[&side, option]);
    let (before, after) = (call(before), call(after));
    t.both(&before, &after);
}

fn headers(t: &Trial<'_>) {
    t.write("one/v.h", "#define V 1\n");
    t.write("two/v.h", "#define V 2\n");
}

fn include(t: &mut Trial<'_>, side: &str) {
    headers(t);
    both(t, side, "-I../one", "-I../two");
}
