//! Settings of the launcher's own that concern its key: ccache.conf, and the variables in which a
//! user adds to the key.

use super::trial::{SOURCE, Trial};
use super::{Case, case};

pub const CASES: &[Case] = &[
    case(
        "`SCCACHE_C_CUSTOM_CACHE_BUSTER`, `CCACHE_COMPILERCHECK` of the user's",
        |t| {
            let names = ["SCCACHE_C_CUSTOM_CACHE_BUSTER", "CCACHE_COMPILERCHECK"];
            t.write("src/h.cpp", "int v;\n");
            let set = |value: &str| {
                let call = t.cxx(&[]);
                names.iter().fold(call, |call, name| call.env(name, value))
            };
            let calls = [set("string:1"), set("string:2")];
            for call in calls {
                let missed = t.state(&call).missed;
                t.must("another value is another key", missed);
            }
        },
    ),
    case(
        "ccache.conf: `compiler_check = none`, bitcode replaced",
        |t| {
            configured(t, "compiler_check = none", |t| {
                super::bitcode::by_variable(t);
            });
        },
    )
    .long(),
    case("ccache.conf: `compiler = gcc`", |t| {
        t.write("src/h.cpp", "int f() { return 1; }\n");
        configured(t, "compiler = /usr/bin/gcc", |t| {
            t.state(&t.cxx(&[]));
        });
    }),
    case("ccache.conf: `compiler_type = gcc`", |t| {
        configured(t, "compiler_type = gcc", edited);
    })
    .long(),
    case(
        "ccache.conf: `depend_mode`, a header for device code edited",
        |t| {
            let include = "#if __HIP_DEVICE_COMPILE__\n#include \"device.h\"\n#endif\n";
            t.write("src/k.hip", format!("{include}{SOURCE}"));
            configured(t, "depend_mode = true", |t| {
                let call = t.hip(&["-MD", "-MF", "a.d"]);
                t.write("src/device.h", "#define V 1\n");
                t.state(&call);
                t.write("src/device.h", "#define V 2\n");
                t.state(&call);
                t.differs();
            });
        },
    ),
    case("ccache.conf: `run_second_cpp = false`", |t| {
        configured(t, "run_second_cpp = false", edited);
    })
    .long(),
    case("ccache.conf: `direct_mode = false`", |t| {
        configured(t, "direct_mode = false", edited);
    })
    .long(),
    case("ccache.conf: `prefix_command`", |t| {
        configured(t, "prefix_command = env", edited);
    })
    .long(),
    case(
        "ccache.conf: `sloppiness` of TheRock, `hard_link`, `inode_cache`",
        |t| {
            let text = "sloppiness = include_file_ctime,pch_defines,time_macros\n\
                    hard_link = true\ninode_cache = true";
            configured(t, text, edited);
        },
    )
    .long(),
];

/// With ccache.conf as it is given, where the launcher is ccache.
fn configured(t: &mut Trial<'_>, text: &str, body: fn(&mut Trial<'_>)) {
    if t.site.cache.is_sccache() {
        return;
    }
    let file = t.site.cache.dir().join("ccache.conf");
    std::fs::write(&file, format!("{text}\n")).unwrap();
    body(t);
    std::fs::remove_file(&file).unwrap();
}

/// A HIP compile with a header that is edited.
fn edited(t: &mut Trial<'_>) {
    let call = t.hip(&["-MD", "-MF", "a.d"]);
    t.write("src/v.h", "#define V 1\n");
    t.state(&call);
    t.write("src/v.h", "#define V 2\n");
    t.state(&call);
    t.differs();
}
