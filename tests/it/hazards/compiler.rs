//! What the compiler is made of, beside the executable that a launcher hashes.

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
        // Another executable is one that follows another variable.
        t.write("src/h.cpp", "#ifdef V\nint v;\n#endif\nint w;\n");
        let call = t.cxx(&[]).env("OCC_OVERRIDE_OPTIONS", "+-DV=1");
        t.patched(
            &call,
            &program,
            "CCC_OVERRIDE_OPTIONS",
            "OCC_OVERRIDE_OPTIONS",
        );
    })
    .everywhere(),
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
        // A plugin that registers nothing, as LLVM's PassPlugin.h declares it; the last member is of version 2.
        let version = if t.site.clang < 22 { 1 } else { 2 };
        let source = "struct info { unsigned version; const char *name, *text; void (*add)(void *), *later; };
             static void nothing(void *builder) { (void)builder; }
             struct info llvmGetPassPluginInfo(void) { return (struct info){VERSION, \"p\", \"1\", nothing, 0}; }";
        plugin(t, &source.replace("VERSION", &version.to_string()));
        t.state(&call);
        t.differs();
    }),
];

/// How clang's library spells its version in what it puts into an object, and another version of the same
/// length. The NUL in front keeps "clang -cc1 version" out, which no object names.
pub fn versions(t: &Trial<'_>) -> (String, String) {
    let own = format!("\0 version {}.", t.site.clang);
    let other = own.replace(&t.site.clang.to_string(), "99");
    (own, other)
}

/// The tree's library whose name begins so.
fn library(t: &Trial<'_>, name: &str) -> String {
    let dir = t.site.tree.root.join("lib/llvm/lib");
    let mut files = dir.read_dir().unwrap().map(|entry| entry.unwrap());
    let file = files.find(|file| file.file_name().to_str().unwrap().starts_with(name));
    format!(
        "lib/llvm/lib/{}",
        file.unwrap().file_name().to_str().unwrap()
    )
}

/// Writes the configuration file that clang++ reads by itself.
fn configure(t: &Trial<'_>, options: &str) {
    let path = t.site.tree.bin().join("clang++.cfg");
    std::fs::write(path, format!("{options}\n")).unwrap();
}

/// Has a configuration file for `body`, and looks at the compiler again behind it.
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
