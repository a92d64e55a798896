//! The calls that must have the same result with and without a shim, and the sources that they use.
//!
//! Each line of a table is a call. Words are separated by spaces; a word that contains spaces is in single quotes.
//! `{rocm}` is the tree, `{bin}` its compilers' directory. `<file` is standard input.

use std::path::Path;

use crate::support::run;
use crate::support::tree::Tree;

/// Calls of `clang` and of `clang++`, as CMake, Meson, hipcc, PyTorch, sccache and people make them.
pub const ANY: &str = r#"
--version
-v
-V
--help

-dumpmachine
-dumpversion
-dumpfullversion -dumpversion
-print-target-triple
-print-targets
-v -print-targets
-print-resource-dir
--print-resource-dir
-print-search-dirs
-print-multiarch
-print-libgcc-file-name --rtlib=compiler-rt
--print-file-name=libclang_rt.asan-x86_64.so
-print-prog-name=ld.lld
--print-supported-cpus
-print-effective-triple
--rocm-path={rocm} -v
--rocm-path=X -v
-vV
-cc1 -version
-cc1as --help
-Wl,--version
-### -c a.cpp
-no-canonical-prefixes -### -c a.cpp
-no-canonical-prefixes -c a.c
-E testfile.c
-x c++ -E -P a.cpp
-E -x c++-header CXX-DetectStdlib.h -o -
-x c -E -dM - <empty
-xc++ -E -v - <empty
-c -x c++ - -o in.o <a.cpp
-x c++ -c - <a.cpp
-x assembler --target=amdgcn-amd-amdhsa -mcpu=gfx900 -c - -o as.o <gpu.s
CMakeCCompilerId.c
CMakeCXXCompilerId.cpp
--rocm-path={rocm} -v CMakeHIPCompilerId.hip
-v -MD -MT x -MF x.d -o y.o -c CMakeCXXCompilerABI.cpp
-DHAVE_W -Wall -MD -MT x -MF x.d -o y.o -c src.cxx
-v -Wl,-v x.o -o x
-o sanity.exe sanity.c
x.o missing.o -o x
t.cpp -o t.obj -c -Werror=unknown-warning-option -Wfoo
t.cpp -o t.obj -c -Wfoo
@args.rsp
@missing.rsp
-c 'a b.cpp' '-DS="x y"' -o 'o ut.o'
--no-default-config -o img --target=amdgcn-amd-amdhsa -mcpu=gfx942 in.o -Wl,--no-undefined
--driver-mode=g++ -O3 --hip-link x.o -o a
-c a.cpp
-c a.cpp -o sub/o.o
-c ./sub/../a.cpp -o ./y.o
-c a.cpp -o nodir/y.o
-c a.cpp -o sub
-c a.cpp -o /dev/null
-c a.cpp -o -
-c missing.cpp -o y.o
-c sub -o y.o
-c
-c a.cpp a.c
-c a.cpp -o
-c a.c -o y.o
-c a.s -o y.o
-c pre.ii -o y.o
-x c++ -c a.c -o y.o
-x hip -c missing.hip
-c warn.cpp -o y.o -Wall
-c warn.cpp -o y.o -Wall -fdiagnostics-color=always
-c warn.cpp -o y.o -Wall -fno-caret-diagnostics -fdiagnostics-show-option
-c warn.cpp -o y.o -w
-c src.cxx -o y.o -Wall -Werror
-c bad.cpp -o y.o
-c bad.cpp -o y.o -ferror-limit=1
-c noheader.cpp -o y.o -MD -MF y.d
-c a.cpp -o y.o -lm -Wl,-z,now
-c a.cpp -o y.o --no-such-option
-c a.cpp -o y.o -std=c++0815
-c a.cpp -o y.o -g
-c a.cpp -o y.o -g -fdebug-prefix-map={rocm}=/rocm
-c a.cpp -o y.o -MD
-c a.cpp -o y.o -MMD -MP -MF deps.d -MT one -MT two
-c a.cpp -o y.o -MD -MF nodir/y.d
-c sub/inc.cpp -Isub -DVALUE=7 -include first.h -o y.o -MD -MF y.d
-c a.cpp -o y.o -flto
-c a.cpp -o y.o -emit-llvm
-c a.cpp -o y.o -save-temps
-c a.cpp -o y.o -ffile-prefix-map={rocm}=. -D__DATE__= -Wno-builtin-macro-redefined
-S a.cpp -o -
-fsyntax-only warn.cpp -Wall
-M a.cpp
-MM sub/inc.cpp -Isub -include first.h
-H -c sub/inc.cpp -Isub -include first.h -DVALUE=1 -o y.o
-c a.cpp -fstack-usage -fsave-optimization-record -o y.o
-c a.cpp -MJ compile.json -o y.o
"#;

/// Calls of `clang++` in which a preprocessor warning is an error, with more errors after it.
pub const HALF_SAID_BY_SCCACHE: &str = r"
-c warn.cpp -o y.o -Wall -Werror
";

/// HIP calls of `clang++`. `{hip}` stands for the options that all of them need.
pub const HIP: &str = r#"
{hip} --offload-arch=gfx900 -c k.hip -o k.o -cuid=0123456789abcdef
{hip} --offload-arch=gfx900 -fgpu-rdc -c k.hip -o k.o -cuid=0123456789abcdef
{hip} --offload-arch=gfx900 -c warn.hip -o k.o -Wall -MD -MF k.d -cuid=1
{hip} --offload-arch=gfx900 -c bad.hip -o k.o
{hip} -std=c++17 --cuda-gpu-arch=gfx900 --cuda-device-only -c -O3 -Wno-unused-command-line-argument -I. k.hip -o k.hip.o -cuid=2
{hip} --offload-arch=gfx900 --cuda-device-only -c k.hip -cuid=3
{hip} --offload-arch=gfx900 --cuda-host-only -E k.hip
{hip} --offload-arch=gfx900 -### -c k.hip -o k.o
{hip} --offload-arch=nonsense -c k.hip -o k.o
"#;

/// HIP calls without `-cuid=`: clang makes an id out of the arguments, which launchers rewrite.
/// All are calls of `clang++`. The first one is made to `clang` too.
pub const HIP_WITHOUT_CUID: &str = r#"
{hip} --offload-arch=gfx900 --offload-arch=gfx906 -c k.hip -o k.o
{hip} --offload-arch=gfx900 -fgpu-rdc -c k.hip -o k.o
"#;

/// Calls of the tree's hipcc. Compiles have a `-cuid=`: clang from 19 on puts an id into every object, and launchers
/// change the id that it makes up.
pub const HIPCC: &str = r"
{rocm}/bin/hipcc --version
{rocm}/bin/hipconfig --full
{rocm}/bin/hipconfig --platform
{rocm}/bin/hipconfig --compiler
{rocm}/bin/hipconfig --cpp_config
{rocm}/bin/hipconfig --rocmpath
{rocm}/bin/hipconfig --hipclangpath
{rocm}/bin/hipconfig --version
{rocm}/bin/hipcc --offload-arch=gfx900 -cuid=1 -w -c k.hip -o k.o
{rocm}/bin/hipcc --offload-arch=gfx900 -cuid=1 -w -c k.hip -o k.o -MD -MF k.d
{rocm}/bin/hipcc --offload-arch=gfx900 -cuid=1 -c warn.hip -o k.o -Wall
{rocm}/bin/hipcc --offload-arch=gfx900 -c bad.hip -o k.o
{rocm}/bin/hipcc --offload-arch=gfx900 -c missing.hip -o k.o
{rocm}/bin/hipcc --offload-arch=gfx900 x.o -o x
{rocm}/bin/hipcc --offload-arch=gfx900 -w main.cpp -o main
{rocm}/bin/hipcc --offload-arch=gfx900 -E k.hip
";

/// Calls of a compiler by unusual paths.
pub const ATTACHED: &str = r#"
--version

-print-resource-dir
-### -c a.cpp
-c warn.cpp -Wall -o y.o -MD
-c bad.cpp -o y.o
x.o -o x
-no-canonical-prefixes -c a.c
"#;

const SOURCES: &[(&str, &str)] = &[
    ("empty", ""),
    (
        "testfile.c",
        "#if defined(__clang__) && defined(__cplusplus)\ncompiler_id=clang++\n\
         #elif defined(__clang__)\ncompiler_id=clang\n#endif\ncompiler_version=__VERSION__\n",
    ),
    ("CXX-DetectStdlib.h", "#include <ciso646>\n"),
    (
        "CMakeCCompilerId.c",
        "char const *info = \"INFO\" \":\" \"compiler[Clang]\";\n\
         int main(int argc, char *argv[]) { return info[argc] + argv[0][0]; }\n",
    ),
    (
        "CMakeCXXCompilerId.cpp",
        "char const *info = \"INFO\" \":\" \"compiler[Clang]\";\n\
         int main(int argc, char *argv[]) { return info[argc] + argv[0][0]; }\n",
    ),
    (
        "CMakeCXXCompilerABI.cpp",
        "#include <cstddef>\nint main(int argc, char **) { return argc + int(sizeof(size_t)); }\n",
    ),
    ("CMakeHIPCompilerId.hip", "int main() { return 0; }\n"),
    (
        "src.cxx",
        "int main(int argc, char **argv) { int unused; return 0; }\n",
    ),
    (
        "sanity.c",
        "int main(void) { int class = 0; return class; }\n",
    ),
    (
        "main.cpp",
        "#include <iostream>\nint main() { std::cout << std::string(\"runs\") << std::endl; }\n",
    ),
    ("t.cpp", "int i;\n"),
    (
        "a.c",
        "#include <stddef.h>\nint f(int n) { return n + (int)sizeof(size_t); }\n",
    ),
    (
        "a.cpp",
        "#include <cstddef>\nstatic int g(int n) { return n * __LINE__; }\n\
         int f(int n) { return g(n) + int(sizeof(size_t)); }\nchar const *file = __FILE__;\n",
    ),
    ("a b.cpp", "char const *s = S;\n"),
    (
        "args.rsp",
        "-c 'a b.cpp' \"-DS=\\\"in a file\\\"\"\n-o from\\ file.o -Wall\n",
    ),
    ("a.s", "\t.text\n\t.globl f\nf:\n\tret\n"),
    ("gpu.s", "\ts_nop 0\n\ts_endpgm\n"),
    (
        "pre.ii",
        "# 1 \"pre.cpp\"\nint preprocessed() { return 1; }\n",
    ),
    (
        "warn.cpp",
        "#warning \"a warning of the preprocessor\"\nint f(unsigned n, int k) {\n\tint unused;\n\
         \tif (n = k) return -1 < n;\n\treturn \"\\y\"[0]; // ä, and a long line ............................................................................................................\n}\n",
    ),
    (
        "bad.cpp",
        "#include \"sub/bad.h\"\ntemplate <class T> int f(T t) { return t.none(); }\n\
         int g() { return f(1) + undeclared; }\n",
    ),
    ("sub/bad.h", "#pragma once\nint broken(;\n"),
    ("noheader.cpp", "#include \"no/such/header.h\"\n"),
    (
        "sub/inc.cpp",
        "#include \"own.h\"\n#include <second.h>\nint f() { return VALUE + FIRST + OWN + SECOND; }\n",
    ),
    ("first.h", "#define FIRST 1\n"),
    ("sub/own.h", "#define OWN 2\n"),
    ("sub/second.h", "#define SECOND __LINE__\n"),
    ("k.hip", KERNEL),
];

/// A kernel that needs no header, so that a compile takes one second instead of several.
const KERNEL: &str = "typedef struct dim3 { unsigned x, y, z; } dim3;\n\
extern \"C\" int hipLaunchKernel(const void *, dim3, dim3, void **, unsigned long, void *);\n\
__attribute__((device)) static int counter;\n\
__attribute__((global)) void scale(float *x, float a) { x[0] *= a; counter++; }\n\
int *where() { return &counter; }\n";

/// Writes the sources to `dir`, and has the bare compiler make the objects that some calls link.
pub fn write_sources(dir: &Path, tree: &Tree) {
    std::fs::create_dir_all(dir.join("sub")).unwrap();
    for (name, text) in SOURCES {
        std::fs::write(dir.join(name), text).unwrap();
    }
    let more = [
        (
            "warn.hip",
            "__attribute__((device)) int f(unsigned n) { int unused; return -1 < int(n); }\n",
        ),
        (
            "bad.hip",
            "__attribute__((device)) int f() { return undeclared; }\n",
        ),
    ];
    for (name, text) in more {
        std::fs::write(dir.join(name), format!("{KERNEL}{text}")).unwrap();
    }
    let clang = tree.bin().join("clang");
    for args in [
        &["-x", "c++", "-c", "CMakeCXXCompilerABI.cpp", "-o", "x.o"][..],
        &[
            "-x",
            "assembler",
            "--target=amdgcn-amd-amdhsa",
            "-mcpu=gfx942",
            "-c",
            "gpu.s",
            "-o",
            "in.o",
        ],
    ] {
        let mut command = std::process::Command::new(&clang);
        // clang 15 does not know gfx942. An object for gfx90a serves as well.
        let args = args.iter().map(|arg| {
            if tree.kind.clang < 19 {
                arg.replace("gfx942", "gfx90a")
            } else {
                (*arg).to_owned()
            }
        });
        let output = run(command.args(args).current_dir(dir));
        assert!(output.status.success(), "{output:?}");
    }
    // All copies have the same, old modification time: launchers mistrust a file that is newer than the compile.
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for path in super::files::list(dir) {
        if path.is_file() {
            std::fs::File::open(&path)
                .unwrap()
                .set_modified(old)
                .unwrap();
        }
    }
}

/// The lines of a table, split into words.
pub fn lines(table: &str) -> impl Iterator<Item = Vec<String>> {
    let table = table.strip_prefix('\n').unwrap_or(table);
    table.lines().map(words)
}

/// Splits at spaces, except between single quotes.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
