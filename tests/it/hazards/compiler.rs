//! The files that make up the compiler. Launchers hash only its executable.

use super::trial::Trial;
use super::{Case, case};

pub const CASES: &[Case] = &[
    case("libLLVM replaced", |t| {
        let library = library(t, "libLLVM");
        t.patched(&t.hip(&[]), &library, "amdhsa.kernels", "amdhsa.kernelz");
    }),
    case("libclang-cpp replaced", |t| {
        let library = library(t, "libclang-cpp");
        t.write("src/h.cpp", "int f() { return 1; }\n");
        let (own, other) = versions(t);
        t.patched(&t.cxx(&[]), &library, &own, &other);
    }),
    case("the executable replaced, same size and time", |t| {
        let program = format!("lib/llvm/bin/clang-{}", t.site.clang);
        // The patched executable reads another environment variable, so its results differ.
        t.write("src/h.cpp", "#ifdef V\nint v;\n#endif\nint w;\n");
        let call = t.cxx(&[]).env("OCC_OVERRIDE_OPTIONS", "+-DV=1");
        t.patched(
            &call,
            &program,
            "CCC_OVERRIDE_OPTIONS",
            "OCC_OVERRIDE_OPTIONS",
        );
    })
    .with_sccache_17(),
    case("lld replaced", |t| {
        t.patched(&t.hip(&[]), "lib/llvm/bin/lld", "Linker: ", "Linker= ");
    })
    .long(),
    case("a default configuration file appears, is edited", |t| {
        let call = t.hip(&[]);
        t.state(&call);
        with_configuration(t, "-DV=1", |t| {
            t.state(&call);
            t.differs();
            t.site.install();
            t.state(&call);
            configure(t, "-DV=2");
            t.state(&call);
            t.differs();
        });
        t.state(&call);
    })
    .since(19),
    case("`--config`: the file edited", |t| {
        let call = t.hip(&["--config", &t.text("own.cfg")]);
        t.write("own.cfg", "-DV=1\n");
        t.state(&call);
        t.write("own.cfg", "-DV=2\n");
        t.state(&call);
        t.differs();
    }),
    case("`-fplugin=` replaced", |t| {
        let call = t.hip(&[&format!("-fplugin={}", t.text("plugin.so"))]);
        let refuses = "#include <unistd.h>\n__attribute__((constructor)) void f() { _exit(7); }\n";
        plugin(t, refuses);
        t.state(&call);
        plugin(t, "");
        t.state(&call);
        t.differs();
    }),
    case("`-fpass-plugin=` replaced", |t| {
        let call = t.hip(&[&format!("-fpass-plugin={}", t.text("plugin.so"))]);
        plugin(t, "");
        t.state(&call);
        // A plugin that registers nothing, declared as in LLVM's PassPlugin.h. Only version 2 has the last member.
        let version = if t.site.clang < 22 { 1 } else { 2 };
        let source = "struct info { unsigned version; const char *name, *text; void (*add)(void *), *later; };
             static void nothing(void *builder) { (void)builder; }
             struct info llvmGetPassPluginInfo(void) { return (struct info){VERSION, \"p\", \"1\", nothing, 0}; }";
        plugin(t, &source.replace("VERSION", &version.to_string()));
        t.state(&call);
        t.differs();
    }),
];

/// The version string that clang's library writes into objects, and another version of the same length. The leading
/// NUL excludes the string "clang -cc1 version", which is in no object.
pub fn versions(t: &Trial<'_>) -> (String, String) {
    let own = format!("\0 version {}.", t.site.clang);
    let other = own.replace(&t.site.clang.to_string(), "99");
    (own, other)
}

/// The path, relative to the tree, of the library whose file name begins with `name`.
fn library(t: &Trial<'_>, name: &str) -> String {
    let dir = t.site.tree.root.join("lib/llvm/lib");
    let mut files = dir.read_dir().unwrap().map(|entry| entry.unwrap());
    let file = files.find(|file| file.file_name().to_str().unwrap().starts_with(name));
    format!(
        "lib/llvm/lib/{}",
        file.unwrap().file_name().to_str().unwrap()
    )
}

/// Writes clang++'s default configuration file.
fn configure(t: &Trial<'_>, options: &str) {
    let path = t.site.tree.bin().join("clang++.cfg");
    std::fs::write(path, format!("{options}\n")).unwrap();
}

/// Runs `body` with a default configuration file. Then removes the file and installs again.
pub fn with_configuration(t: &mut Trial<'_>, options: &str, body: impl FnOnce(&mut Trial<'_>)) {
    configure(t, options);
    body(t);
    std::fs::remove_file(t.site.tree.bin().join("clang++.cfg")).unwrap();
    t.site.install();
}

fn plugin(t: &Trial<'_>, source: &str) {
    t.write("plugin.c", source);
    t.tool("cc", &["-shared", "-fPIC", "plugin.c", "-o", "new.so"]);
    t.tool("mv", &["new.so", "plugin.so"]);
}
