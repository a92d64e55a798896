//! Units that cannot be compiled: the status and the messages, printed once, are those of the whole compile.

use super::running::assert_nothing_left;
use super::site::{missed, unit};
use super::{in_turn, with_clangs};
use crate::hazards::site::{CCACHE_14, Launcher, SCCACHE_16};

#[test]
fn errors_under_sccache_are_those_of_the_whole_compile() {
    errors(&SCCACHE_16);
}

#[test]
fn errors_under_ccache_are_those_of_the_whole_compile() {
    errors(&CCACHE_14);
}

fn errors(launcher: &Launcher) {
    const ARCHS: [&str; 3] = ["gfx900", "gfx906", "gfx90a"];
    with_clangs(&[19], launcher, |site| {
        for (what, line) in in_turn(
            site,
            [
                (
                    "one architecture's code",
                    "#ifdef __gfx906__\nint x = no;\n#endif",
                ),
                (
                    "one architecture's text",
                    "#ifdef __gfx90a__\n#error no\n#endif",
                ),
                ("all", "int x = no;"),
                (
                    "the host's code",
                    "#ifndef __HIP_DEVICE_COMPILE__\nint x = no;\n#endif",
                ),
                (
                    "two architectures' code",
                    "#if defined(__gfx900__) || defined(__gfx90a__)\nint x = no;\n#endif",
                ),
                (
                    "a back end",
                    "__attribute__((global)) void f() { asm volatile(\"no_such\"); }",
                ),
            ],
        ) {
            let p = site.project();
            p.write("src/k.hip", format!("{}{line}\n", unit()));
            // clang 22 and 23 remove the depfile of a compile that fails. sccache leaves it, also without rock-wrap.
            let keeps_depfile = site.base.clang >= 22 && site.base.cache.is_sccache();
            let call = p.hip(&ARCHS, if keeps_depfile { &[] } else { &["-MD"] });
            for _ in 0..2 {
                let done = p
                    .compared(&call)
                    .unwrap_or_else(|how| panic!("{what}: {how}"));
                assert!(!done.made.status.success(), "{what}");
                assert_eq!(done.direct, None, "{what}");
                assert_nothing_left(&p);
            }
            // What was stored for the broken unit does no harm after it is fixed.
            p.write(
                "src/k.hip",
                format!("{}{}\n", unit(), line.replace("no", "9")),
            );
            if what.ends_with("code") || what == "all" {
                p.split(&call);
            }
        }
    });
}

#[test]
fn a_warning_of_the_driver_is_printed_first() {
    with_clangs(&[19, 23], &CCACHE_14, |site| {
        let p = site.project();
        let call = p.hip(&["gfx900", "gfx90a"], &["-Wl,-z,now"]);
        assert_eq!(missed(&p.split(&call)).len(), 2);
        assert_eq!(p.right(&call).parts, None);
    });
}
