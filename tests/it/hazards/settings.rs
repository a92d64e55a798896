//! The launcher's own settings that affect its key: ccache.conf, and the variables with which a user adds to the key.

use super::site::Call;
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
                let missed = t.state(&call).missed();
                t.must("another value makes another key", missed);
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
    case(
        "ccache.conf: `sloppiness = time_macros`, `__DATE__` in a header",
        |t| {
            configured(t, "sloppiness = time_macros", |t| {
                t.write("src/day.h", "#define DAY __DATE__\n");
                t.write(
                    "src/h.cpp",
                    "#include \"day.h\"\nconst char *f() { return DAY; }\n",
                );
                let call = |zone: &str| t.cxx(&[]).env("TZ", zone);
                let (one, two) = (call("AAA12"), call("AAA-14"));
                t.both(&one, &two);
            });
        },
    ),
    case(
        "ccache.conf: `sloppiness = system_headers`, such a header edited",
        |t| {
            configured(t, "sloppiness = system_headers", |t| {
                let call = t.hip(&["-isystem", "../sys"]);
                system_header_edited(t, &call);
            });
        },
    ),
    case(
        "ccache.conf: `sloppiness = file_stat_matches,file_stat_matches_ctime`, size and time kept",
        |t| {
            let text = "sloppiness = file_stat_matches,file_stat_matches_ctime";
            configured(t, text, same_size_and_time);
        },
    ),
    case("ccache.conf: `ignore_headers_in_manifest`", |t| {
        let header = format!(
            "ignore_headers_in_manifest = {}:../src/v.h:src/v.h",
            t.text("src")
        );
        configured(t, &header, edited);
    }),
    case("ccache.conf: `ignore_options = -D*`", |t| {
        configured(t, "ignore_options = -D*", |t| {
            let (one, two) = (t.hip(&["-DV=1"]), t.hip(&["-DV=2"]));
            t.both(&one, &two);
        });
    }),
    case(
        "ccache.conf: `hash_dir = false`, `-g` in two directories",
        |t| {
            configured(t, "hash_dir = false", |t| {
                let calls = super::paths::two_directories(t, &["-g"]);
                for call in calls {
                    t.state(&call);
                }
                t.differs();
            });
        },
    ),
    case("ccache.conf: `base_dir`, `__FILE__` in a header", |t| {
        let text = format!("base_dir = {}", t.text(""));
        configured(t, &text, |t| {
            t.write("inc/v.h", "static const char *v = __FILE__;\n");
            t.write(
                "src/h.cpp",
                "#include <v.h>\nconst char *f() { return v; }\n",
            );
            let include = format!("-I{}", t.text("inc"));
            let call = t.cxx(&[&include]);
            t.state(&call);
        });
    }),
    case("the same settings by variables", |t| {
        let call = t.hip(&["-isystem", "../sys"]);
        let call = [
            ("CCACHE_SLOPPINESS", "system_headers,time_macros".to_owned()),
            ("CCACHE_IGNOREHEADERS", t.text("sys")),
            ("CCACHE_IGNOREOPTIONS", "-D*".to_owned()),
            ("CCACHE_BASEDIR", t.text("")),
            ("CCACHE_NOHASHDIR", "1".to_owned()),
        ]
        .into_iter()
        .fold(call, |call, (name, value)| call.env(name, value));
        system_header_edited(t, &call);
    }),
    case(
        "`-ffile-prefix-map=`: another name for a header's directory",
        |t| {
            let source = "inline const char *v(const char *f = __builtin_FILE()) { return f; }\n";
            t.write("inc/v.h", source);
            t.write(
                "src/h.cpp",
                "#include <v.h>\nconst char *f() { return v(); }\n",
            );
            let call = |to: &str| {
                let map = format!("-ffile-prefix-map=../src={to}");
                t.cxx(&["-I../inc", &map])
            };
            let (one, two) = (call("/one"), call("/two"));
            t.both(&one, &two);
        },
    ),
];

/// Replaces a header by another one with the same size and modification time.
fn same_size_and_time(t: &mut Trial<'_>) {
    let call = t.hip(&[]);
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for header in ["#define V 1\n", "#define V 2\n"] {
        t.write("src/v.h", header);
        let file = std::fs::File::options()
            .append(true)
            .open(t.path("src/v.h"));
        file.unwrap().set_modified(time).unwrap();
        t.state(&call);
    }
    t.differs();
}

/// Runs `body` with `text` as ccache.conf. Does nothing if the launcher is sccache.
fn configured(t: &mut Trial<'_>, text: &str, body: fn(&mut Trial<'_>)) {
    if t.site.cache.is_sccache() {
        return;
    }
    let file = t.site.cache.dir().join("ccache.conf");
    std::fs::write(&file, format!("{text}\n")).unwrap();
    body(t);
    std::fs::remove_file(&file).unwrap();
}

/// Edits a header of a HIP compile.
fn edited(t: &mut Trial<'_>) {
    let call = t.hip(&["-MD", "-MF", "a.d"]);
    t.write("src/v.h", "#define V 1\n");
    t.state(&call);
    t.write("src/v.h", "#define V 2\n");
    t.state(&call);
    t.differs();
}

/// Edits a header in `sys` that `call` includes.
fn system_header_edited(t: &mut Trial<'_>, call: &Call) {
    t.write("src/k.hip", format!("#include <s.h>\n{SOURCE}"));
    t.write("sys/s.h", "#define V 1\n");
    t.state(call);
    t.write("sys/s.h", "#define V 2\n");
    t.state(call);
    t.differs();
}
