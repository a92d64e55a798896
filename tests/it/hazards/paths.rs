//! Directories and times that an object contains, and the header that a name resolves to.

use super::compiler::with_configuration;
use super::site::Call;
use super::trial::Trial;
use super::{Case, case};

pub const CASES: &[Case] = &[
    case("`-g` in two directories", |t| {
        let calls = two_directories(t, &["-g"]);
        for (dir, call) in ["one", "two"].into_iter().zip(calls) {
            let state = t.state(&call);
            let object = state.made.file(&format!("{dir}/h.o")).to_vec();
            let named = directory(t, &object);
            let own = t.path("out").join(dir).canonicalize().unwrap();
            t.must(
                "DW_AT_comp_dir is the call's directory",
                named == own.to_str().unwrap(),
            );
        }
        t.differs();
    })
    .with_sccache_17(),
    case("`-g` from a configuration file, in two directories", |t| {
        with_configuration(t, "-g", |t| {
            t.site.install();
            for call in two_directories(t, &[]) {
                t.state(&call);
            }
            t.differs();
        });
    })
    .since(19),
    case("`-ffile-prefix-map=` in two directories", |t| {
        let calls = ["one", "two"].map(|dir| {
            std::fs::create_dir(t.path("out").join(dir)).unwrap();
            let map = format!("-ffile-prefix-map={}=/src", t.text(&format!("out/{dir}")));
            t.cxx(&["-g", &map])
                .with("../src/h.cpp", "../../src/h.cpp")
                .within(dir)
        });
        t.write("src/h.cpp", "const char *f() { return __FILE__; }\n");
        for call in calls {
            t.state(&call);
        }
    }),
    case("`-fdebug-prefix-map=`: another target", |t| {
        t.write("src/h.cpp", "int f() { return 1; }\n");
        let call = |to: &str| {
            let map = format!("-fdebug-prefix-map={}={to}", t.text("out"));
            t.cxx(&["-g", &map])
        };
        let (one, two) = (call("/one"), call("/two"));
        t.both(&one, &two);
    }),
    case("`-g` in two checkouts below `ROCK_WRAP_BASE_DIR`", |t| {
        for checkout in ["one", "two"] {
            t.write(&format!("{checkout}/h.cpp"), "int f() { return 1; }\n");
            let mut call = t.cxx(&["-g"]).with("../src/h.cpp", "../h.cpp");
            call.dir = t.path(checkout).join("build");
            call.top = call.dir.clone();
            std::fs::create_dir(&call.dir).unwrap();
            t.state(&call.env("ROCK_WRAP_BASE_DIR", t.text(checkout)));
        }
        t.differs();
    }),
    case("`-g` under a `PWD` that is a link", |t| {
        t.write("src/h.cpp", "int f() { return 1; }\n");
        std::os::unix::fs::symlink(t.path("out"), t.path("link")).unwrap();
        let call = t.cxx(&["-g"]);
        t.both(&call, &call.clone().env("PWD", t.text("link")));
    }),
    case("`SOURCE_DATE_EPOCH` and `__DATE__`", |t| {
        t.write("src/h.cpp", "const char *f() { return __DATE__; }\n");
        let call = |time: &str| t.cxx(&[]).env("SOURCE_DATE_EPOCH", time);
        let (one, two) = (call("1000000000"), call("1500000000"));
        t.both(&one, &two);
    })
    .since(19),
    case("`__FILE__` by two spellings of one path", |t| {
        t.write("src/h.cpp", "const char *f() { return __FILE__; }\n");
        let call = t.cxx(&[]);
        let other = call.clone().without("../src/h.cpp");
        t.both(&call, &other.args(&["../out/../src/h.cpp"]));
    }),
    case("`#include_next`", |t| {
        t.write("src/h.cpp", "#include <v.h>\nint v = V;\n");
        t.write("one/v.h", "#include_next <v.h>\n");
        t.write("two/v.h", "#define V 2\n");
        t.write("three/v.h", "#define V 3\n");
        let call = |dirs: [&str; 3]| t.cxx(&dirs.map(|dir| dir));
        let first = call(["-I../one", "-I../two", "-I../three"]);
        let second = call(["-I../one", "-I../three", "-I../two"]);
        t.both(&first, &second);
    }),
    case(
        "`__has_include`: a header comes and goes with the search path",
        |t| {
            t.write(
                "src/h.cpp",
                "#if __has_include(<v.h>)\nint v = 1;\n#endif\nint w;\n",
            );
            t.write("one/v.h", "");
            let call = t.cxx(&[]);
            t.both(&call, &call.clone().args(&["-I../one"]));
        },
    ),
    case(
        "a header appears earlier on the search path, no direct mode",
        |t| {
            t.write("src/h.cpp", "#include <v.h>\nint v = V;\n");
            t.write("two/v.h", "#define V 2\n");
            let call = t.cxx(&["-I../one", "-I../two"]);
            let call = call
                .env("SCCACHE_DIRECT", "false")
                .env("CCACHE_NODIRECT", "1");
            t.state(&call);
            t.write("one/v.h", "#define V 1\n");
            t.state(&call);
            t.differs();
        },
    ),
    case("two checkouts, absolute names", |t| {
        let shared = checkouts(t, "#include <v.h>\nint f() { return V; }\n", &[]);
        // sccache's server would need SCCACHE_BASEDIRS for this.
        let is_ccache = !t.site.cache.is_sccache();
        t.must(
            "ccache, and only ccache, gives the second checkout the first one's object",
            shared == is_ccache,
        );
    }),
    case(
        "two checkouts, absolute names: `__FILE__` in a header",
        |t| {
            checkouts(t, "#include <v.h>\nconst char *f() { return FILE; }\n", &[]);
        },
    ),
    case("two checkouts, absolute names: `__builtin_FILE()`", |t| {
        checkouts(t, "const char *f() { return __builtin_FILE(); }\n", &[]);
    }),
    case(
        "two checkouts, absolute names: `__PRETTY_FUNCTION__` and a lambda",
        |t| {
            let source = "template <class F> const char *g(F) { return __PRETTY_FUNCTION__; }\n\
                          const char *f() { return g([] {}); }\n";
            checkouts(t, source, &[]);
        },
    ),
    case("two checkouts, absolute names: `-g`", |t| {
        checkouts(t, "#include <v.h>\nint f() { return V; }\n", &["-g"]);
    }),
    case("two checkouts, absolute names: `-flto`", |t| {
        checkouts(t, "#include <v.h>\nint f() { return V; }\n", &["-flto"]);
    }),
    case("the source edited, same size and time", |t| {
        t.write("src/h.cpp", "int v = 1;\n");
        let time =
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let stamp = |t: &Trial<'_>| {
            let file = std::fs::File::options()
                .append(true)
                .open(t.path("src/h.cpp"));
            file.unwrap().set_modified(time).unwrap();
        };
        stamp(t);
        let call = t.cxx(&[]);
        t.state(&call);
        t.write("src/h.cpp", "int v = 2;\n");
        stamp(t);
        t.state(&call);
        t.differs();
    }),
];

/// Compiles `source` in two checkouts, under absolute names as CMake gives them. Returns whether the second checkout
/// got the first one's object. The control is the depfile, which names the checkout.
fn checkouts(t: &mut Trial<'_>, source: &str, args: &[&str]) -> bool {
    let [first, second] = ["one", "the-second"].map(|name| {
        t.write(&format!("{name}/src/h.cpp"), source);
        let header = "#define V 1\n#define FILE __FILE__\n";
        t.write(&format!("{name}/inc/v.h"), header);
        let include = format!("-I{}", t.text(&format!("{name}/inc")));
        let path = t.text(&format!("{name}/src/h.cpp"));
        let mut call = t
            .cxx(args)
            .with("../src/h.cpp", &path)
            .args(&[&include, "-MD", "-MF", "h.d"])
            .env("ROCK_WRAP_BASE_DIR", t.text(name));
        call.dir = t.path(&format!("{name}/build"));
        call.top = call.dir.clone();
        std::fs::create_dir(&call.dir).unwrap();
        t.state(&call)
    });
    t.differs();
    first.missed() && second.hit()
}

pub fn two_directories(t: &Trial<'_>, args: &[&str]) -> [Call; 2] {
    t.write("src/h.cpp", "int f() { return 1; }\n");
    ["one", "two"].map(|dir| {
        std::fs::create_dir(t.path("out").join(dir)).unwrap();
        let call = t.cxx(args).without("../src/h.cpp");
        call.args(&["../../src/h.cpp"]).within(dir)
    })
}

/// The compilation directory in an object's debug information.
fn directory(t: &Trial<'_>, object: &[u8]) -> String {
    t.write("debug.o", object);
    let text = t.tool("llvm-dwarfdump", &["debug.o"]);
    let line = text
        .lines()
        .find_map(|line| line.split_once("DW_AT_comp_dir"));
    let value = line.and_then(|(_, rest)| rest.split('"').nth(1));
    value.unwrap_or_else(|| panic!("{text}")).to_owned()
}
