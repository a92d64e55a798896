//! What the preprocessed text does not show: layout, and files that inline assembly reads.

use super::trial::{SOURCE, Trial};
use super::{Case, case};

pub const CASES: &[Case] = &[
    case("`-g`, a comment edited inside a line", |t| {
        layout(t, &["-g"], "int f(); int g() { /*C*/ return f(); }\n");
    })
    .with_sccache_17(),
    case(
        "`__builtin_COLUMN()`, a comment edited in front of it",
        |t| {
            layout(t, &[], "int f() { /*C*/ return __builtin_COLUMN(); }\n");
        },
    ),
    case("the same in a header with a name beyond ASCII", |t| {
        let call = t.cxx(&[]);
        t.write("src/h.cpp", "#include \"gr\u{f6}\u{df}e x.h\"\n");
        for comment in ["/* a */", "/* longer */"] {
            let header = format!("int f() {{ {comment} return __builtin_COLUMN(); }}\n");
            t.write("src/gr\u{f6}\u{df}e x.h", header);
            t.state(&call);
        }
        t.differs();
    }),
    case(
        "`-fsanitize=undefined`, a comment edited inside a line",
        |t| {
            let args = ["-fsanitize=undefined"];
            layout(t, &args, "int g(int a, int b) { /*C*/ return a + b; }\n");
        },
    ),
    case(
        "`-g`, a comment of a HIP kernel's edited inside a line",
        |t| {
            let call = t.hip(&["-g"]);
            for comment in ["/* a */", "/* longer */"] {
                let head = "void kernel(float *x) {\n";
                let line = format!("{head}{comment} x[7] = 1;\n");
                t.write("src/k.hip", SOURCE.replace(head, &line));
                t.state(&call);
            }
            t.differs();
        },
    ),
    case("a warning's column, a comment edited in front of it", |t| {
        let call = t.cxx(&["-Wall"]);
        let mut told = Vec::new();
        for comment in ["/* a */", "/* longer */"] {
            let source = format!("int f() {{ {comment} int unused; return 1; }}\n");
            t.write("src/h.cpp", source);
            let state = t.state(&call);
            t.must(
                "the compiler's own warning is shown",
                state.made.stderr == state.truth.stderr,
            );
            told.push(state.truth.stderr);
        }
        t.must("the control: the warnings differ", told[0] != told[1]);
    })
    .with_sccache_17(),
    case("`-Werror`, re-indented into an error", |t| {
        let call = t.cxx(&["-Wall", "-Werror"]);
        let source = |blanks: &str| {
            format!("int f(int a) {{\n  if (a)\n    ++a;\n{blanks}++a;\n  return a;\n}}\n")
        };
        t.write("src/h.cpp", source("  "));
        let before = t.state(&call);
        t.write("src/h.cpp", source("    "));
        let after = t.state(&call);
        t.must("the control: it compiles", before.truth.status.success());
        t.must("the control: it is an error", !after.truth.status.success());
    }),
    case("`.incbin` in a header", |t| {
        data(
            t,
            "asm(\".section .data\\n.incbin \\\"DATA\\\"\\n.text\");\n",
        );
    })
    .with_sccache_17(),
    case("`.incbin`, a tab behind it, in two literals", |t| {
        data(
            t,
            "asm(\".section .data\\n.inc\" \"bin\\t\\\"DATA\\\"\\n.text\");\n",
        );
    }),
    case("`.INCBIN`, made by macros", |t| {
        let text = "#define CAT(a, b) a b\nasm(CAT(\".section .data\\n.INC\", \"BIN \\\"DATA\\\"\\n.text\"));\n";
        data(t, text);
    }),
    case("`.include` in inline assembly", |t| {
        data(t, "asm(\".include \\\"DATA\\\"\");\n");
    }),
];

/// Compiles a C++ source in which the comment `/*C*/` becomes a longer one.
fn layout(t: &mut Trial<'_>, args: &[&str], source: &str) {
    let call = t.cxx(args);
    t.write("src/h.cpp", source);
    t.state(&call);
    t.write("src/h.cpp", source.replace("/*C*/", "/* longer */"));
    t.state(&call);
    t.differs();
}

/// Compiles a header with inline assembly that reads the file `DATA`, and edits that file.
fn data(t: &mut Trial<'_>, header: &str) {
    let call = t.cxx(&[]);
    let file = t.text("src/data.inc");
    t.write("src/h.h", header.replace("DATA", &file));
    t.write("src/h.cpp", "#include \"h.h\"\nint v;\n");
    for content in [".long 1\n", ".long 2\n"] {
        t.write("src/data.inc", content);
        t.state(&call);
    }
    t.differs();
}
