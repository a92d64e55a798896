//! Environment variables that clang 15 or 19 reads (they are among the strings in its libraries), that its loader
//! reads, or that hipcc reads.

use super::compiler::{versions, with_configuration};
use super::trial::Trial;
use super::{Case, case};

pub const CASES: &[Case] = &[
    case("`CCC_OVERRIDE_OPTIONS`", |t| {
        let call = t.hip(&[]);
        t.state(&call);
        let set = |value: &str| call.clone().env("CCC_OVERRIDE_OPTIONS", value);
        t.both(&set("+-DV=1"), &set("+-DV=2"));
    }),
    case("`CLANG_NO_DEFAULT_CONFIG`", |t| {
        with_configuration(t, "-g", |t| {
            t.site.install();
            let call = t.hip(&[]);
            t.both(&call, &call.clone().env("CLANG_NO_DEFAULT_CONFIG", "1"));
        });
    })
    .since(19),
    case("`HIP_PATH`", |t| {
        for (dir, value) in [("a", "1"), ("b", "2")] {
            t.write(&format!("{dir}/include/hip/hip_version.h"), "");
            t.write(
                &format!("{dir}/include/own.h"),
                format!("#define OWN {value}\n"),
            );
            t.write(&format!("{dir}/share/hip/version"), "HIP_VERSION_MAJOR=6\n");
        }
        t.write("src/k.hip", "#include <own.h>\nint host = OWN;\n");
        let call = t.hip(&[]).without("-nogpuinc");
        let set = |dir: &str| call.clone().env("HIP_PATH", t.text(dir));
        let (a, b) = (set("a"), set("b"));
        t.both(&a, &b);
    })
    .long()
    .since(19),
    case("`COMPILER_PATH`", |t| {
        let call = t.hip(&[]).env("COMPILER_PATH", t.text("tools"));
        t.state(&call);
    }),
    case(
        "`LD_LIBRARY_PATH`: a library of the compiler replaced there",
        |t| {
            let call = t.hip(&[]).env("LD_LIBRARY_PATH", t.text("lib"));
            let own = t.site.tree.root.join("lib/llvm/lib");
            let mut names = own.read_dir().unwrap().map(|entry| entry.unwrap().path());
            let library = names.find(|path| path.to_str().unwrap().contains("/libclang-cpp"));
            let library = library.unwrap();
            let mut content = std::fs::read(&library).unwrap();
            let name = format!("lib/{}", library.file_name().unwrap().to_str().unwrap());
            t.write(&name, &content);
            t.state(&call);
            let (version, other) = versions(t);
            let at = memchr::memmem::find(&content, version.as_bytes()).unwrap();
            content[at..at + other.len()].copy_from_slice(other.as_bytes());
            t.write("new.so", &content);
            t.tool("mv", &["new.so", &name]);
            t.state(&call);
            t.differs();
        },
    ),
    case("`LD_PRELOAD`: another library, and one replaced", |t| {
        let set = |name: &str| t.hip(&[]).env("LD_PRELOAD", t.text(name));
        let (one, two) = (set("one.so"), set("two.so"));
        preload(t, "one.so", 1);
        preload(t, "two.so", 2);
        t.both(&one, &two);
        preload(t, "two.so", 3);
        t.state(&two);
        t.differs();
    }),
    case("`CPATH`, `CPLUS_INCLUDE_PATH`", |t| {
        for name in ["CPATH", "CPLUS_INCLUDE_PATH"] {
            include_path(t, name);
        }
    })
    .long(),
    case("`C_INCLUDE_PATH`", |t| {
        t.write("src/h.c", "#include <v.h>\nint host = V;\n");
        let set = |dir: &str| t.c(&[]).env("C_INCLUDE_PATH", t.text(dir));
        let (one, two) = (set("one"), set("two"));
        headers(t);
        t.both(&one, &two);
    }),
    case("`LIBRARY_PATH`, `TMPDIR`, `COLUMNS`, `PATH`, `LANG`", |t| {
        for (name, value) in [
            ("LIBRARY_PATH", t.text("out")),
            ("TMPDIR", t.text("src")),
            ("COLUMNS", "40".to_owned()),
            ("PATH", format!("{}:/usr/bin:/bin", t.text("out"))),
            ("LANG", "C.UTF-8".to_owned()),
        ] {
            let call = t.hip(&[]).env(name, value);
            t.state(&call);
        }
    })
    .long(),
    case("`CC_PRINT_OPTIONS`", |t| {
        let call = t.hip(&[]).env("CC_PRINT_OPTIONS", "1");
        t.state(&call.env("CC_PRINT_OPTIONS_FILE", t.text("out/log.json")));
    }),
    case(
        "`SDKROOT`, `RC_DEBUG_OPTIONS`, `CLANG_MODULE_CACHE_PATH`",
        |t| {
            for name in ["SDKROOT", "RC_DEBUG_OPTIONS", "CLANG_MODULE_CACHE_PATH"] {
                let call = t.hip(&["-g"]).env(name, t.text("src"));
                t.state(&call);
            }
        },
    )
    .long(),
];

fn headers(t: &Trial<'_>) {
    t.write("one/v.h", "#define V 1\n");
    t.write("two/v.h", "#define V 2\n");
}

fn include_path(t: &mut Trial<'_>, name: &str) {
    headers(t);
    let set = |dir: &str| t.hip(&[]).env(name, t.text(dir));
    let (one, two) = (set("one"), set("two"));
    t.both(&one, &two);
}

/// Builds a library that, when preloaded, gives the compiler and no other program one more option.
fn preload(t: &Trial<'_>, name: &str, value: u32) {
    let source = format!(
        "#include <stdlib.h>
         #include <string.h>
         extern char *program_invocation_short_name;
         __attribute__((constructor)) static void add(void) {{
             if (!strncmp(program_invocation_short_name, \"clang\", 5))
                 setenv(\"CCC_OVERRIDE_OPTIONS\", \"+-DV={value}\", 1);
         }}\n"
    );
    t.write("preload.c", source);
    t.tool(
        "cc",
        &[
            "-D_GNU_SOURCE",
            "-shared",
            "-fPIC",
            "preload.c",
            "-o",
            "new.so",
        ],
    );
    t.tool("mv", &["new.so", name]);
}
