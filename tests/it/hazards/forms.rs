//! The ways in which a HIP unit is compiled.

use super::site::Call;
use super::trial::{SOURCE, Trial};
use super::{Case, case};

pub const CASES: &[Case] = &[
    case("a plain compile for two architectures", |t| {
        form(t, &["--offload-arch=gfx906"])
    })
    .with_sccache_17(),
    case("an edit that only the device sees", |t| device(t, &[])).with_sccache_17(),
    case("the same, for two architectures", |t| {
        device(t, &["--offload-arch=gfx906"]);
    }),
    case("an edit that one of two architectures sees", |t| {
        let edit = "#ifdef __gfx906__\nx[7] = V2;\n#endif";
        edited(t, &["--offload-arch=gfx906"], edit);
    })
    .with_sccache_17(),
    case("a header that only the device includes, edited", |t| {
        let call = t.hip(&["--offload-arch=gfx906"]);
        t.write(
            "src/k.hip",
            kernel("#ifdef __HIP_DEVICE_COMPILE__\n#include \"d.h\"\n#endif"),
        );
        t.write("src/d.h", "x[7] = 1;\n");
        t.state(&call);
        t.write("src/d.h", "x[7] = 2;\n");
        t.state(&call);
        t.differs();
    })
    .with_sccache_17(),
    case("an edit that only the device sees, `-fgpu-rdc`", |t| {
        device(t, &["-fgpu-rdc"]);
    }),
    case("the same, `-emit-llvm`, device only", |t| {
        device(t, &["--cuda-device-only", "-emit-llvm"]);
    })
    .long(),
    case("the same, `--offload-device-only`", |t| {
        device(t, &["--offload-device-only"]);
    })
    .long(),
    case("the same, `--offload-compress`", |t| {
        device(t, &["--offload-arch=gfx906", "--offload-compress"]);
    })
    .since(19),
    case("the same, `--offload-new-driver`", |t| {
        device(t, &["--offload-arch=gfx906", "--offload-new-driver"]);
    }),
    case("the same, `--no-offload-new-driver`", |t| {
        device(t, &["--offload-arch=gfx906", "--no-offload-new-driver"]);
    })
    .long(),
    case("the same, `--offload-new-driver -fgpu-rdc`", |t| {
        device(t, &["--offload-new-driver", "-fgpu-rdc"]);
    })
    .long(),
    case("the same, `--offload-new-driver -foffload-lto`", |t| {
        device(t, &["--offload-new-driver", "-foffload-lto", "-fgpu-rdc"]);
    })
    .long(),
    case("the same, `--offload-new-driver --offload-compress`", |t| {
        device(t, &["--offload-new-driver", "--offload-compress"]);
    })
    .since(19)
    .long(),
    case(
        "the same, `--offload-new-driver --offload-device-only`",
        |t| {
            device(t, &["--offload-new-driver", "--offload-device-only"]);
        },
    )
    .long(),
    case("a plain compile of C++", |t| {
        t.write("src/h.cpp", "int v = V;\n");
        let (one, two) = (t.cxx(&["-DV=1"]), t.cxx(&["-DV=2"]));
        t.both(&one, &two);
    })
    .with_sccache_17(),
    case("`-fgpu-rdc`", |t| form(t, &["-fgpu-rdc"])),
    case("`--offload-new-driver`", |t| {
        form(t, &["--offload-new-driver"])
    })
    .long(),
    case("`--cuda-device-only`", |t| form(t, &["--cuda-device-only"])),
    case("`--offload-device-only`", |t| {
        form(t, &["--offload-device-only"])
    })
    .long(),
    case("`--cuda-host-only`", |t| form(t, &["--cuda-host-only"])),
    case("`--cuda-device-only` without `-o`", |t| {
        let call = t.hip(&["--cuda-device-only"]).without("-o").without("k.o");
        variants(t, &call);
    }),
    case("a plain compile without `-o`", |t| {
        let call = t.hip(&[]).without("-o").without("k.o");
        variants(t, &call);
    }),
    case("`-emit-llvm`", |t| {
        form(t, &["--cuda-device-only", "-emit-llvm"])
    }),
    case("`--offload-compress`", |t| form(t, &["--offload-compress"])).since(19),
    case("`-fdirectives-only`, `-frewrite-includes`", |t| {
        form(t, &["-fdirectives-only"]);
        form(t, &["-frewrite-includes"]);
    }),
    case("`--no-line-commands`, a header edited", |t| {
        t.write("src/h.cpp", "#include \"h.h\"\n");
        let call = t.cxx(&["--no-line-commands"]);
        t.write("src/h.h", "int v = 1;\n");
        t.state(&call);
        t.write("src/h.h", "int v = 2;\n");
        t.state(&call);
        t.differs();
    }),
    case("`-foffload-lto`", |t| {
        form(t, &["-foffload-lto", "-fgpu-rdc", "--offload-new-driver"])
    })
    .long(),
    case("`-mllvm`", |t| {
        form(t, &["-mllvm", "-amdgpu-early-inline-all=true"])
    })
    .long(),
    case("`-ffp-contract`, `-munsafe-fp-atomics`", |t| {
        form(t, &["-ffp-contract=off", "-munsafe-fp-atomics"]);
    })
    .long(),
    case("`-x hip` of a `.cpp` file", |t| {
        let source = std::fs::read(t.path("src/k.hip")).unwrap();
        t.write("src/k.cpp", source);
        let call = t.hip(&["-x", "hip"]).with("../src/k.hip", "../src/k.cpp");
        variants(t, &call);
    })
    .long(),
    case("`--offload-arch=native`, without a GPU", |t| {
        t.state(&t.hip(&["--offload-arch=native"]));
    }),
    case("`-parallel-jobs=`, which these releases refuse", |t| {
        t.state(&t.hip(&["-parallel-jobs=2"]));
    }),
    case("a response file, edited", |t| response(t, "-DV=1", "-DV=2")).long(),
    case("a response file, nested", |t| {
        let inner = format!("@{}", t.text("src/inner"));
        t.write("src/inner", "-DV=1");
        response(t, &inner, &format!("{inner} -UV -DV=2"));
        t.write("src/inner", "-DV=3");
        response(t, &inner, "-DV=4");
    }),
    case("a response file with quotes", |t| {
        response(t, "\"-DV=(1 + 2)\" '-DW=a b'", "\"-DV=(1 + 3)\" -DW=a\\ b");
    }),
    case("a space in an argument", |t| {
        let (one, two) = (t.hip(&["-DV=1 + 2"]), t.hip(&["-DV=1 + 3"]));
        t.both(&one, &two);
    })
    .long(),
];

/// Compiles with `args` and two values of `V`.
fn form(t: &mut Trial<'_>, args: &[&str]) {
    let call = t.hip(args);
    variants(t, &call);
}

fn variants(t: &mut Trial<'_>, call: &Call) {
    let value = |value: &str| call.clone().args(&[value]);
    t.both(&value("-DV=1"), &value("-DV=2"));
}

/// [`SOURCE`] with `lines` at the beginning of its kernel.
fn kernel(lines: &str) -> String {
    let head = "void kernel(float *x) {\n";
    SOURCE.replace(head, &format!("{head}{lines}\n"))
}

/// Edits a line that only device code has.
fn device(t: &mut Trial<'_>, args: &[&str]) {
    edited(t, args, "#ifdef __HIP_DEVICE_COMPILE__\nx[7] = V2;\n#endif");
}

/// Edits `lines` in the kernel: `V2` stands for 1 in the first state and for 2 in the second.
fn edited(t: &mut Trial<'_>, args: &[&str], lines: &str) {
    let call = t.hip(args);
    t.write("src/k.hip", kernel(&lines.replace("V2", "1")));
    t.state(&call);
    t.write("src/k.hip", kernel(&lines.replace("V2", "2")));
    t.state(&call);
    t.differs();
}

/// Edits a response file between two states.
fn response(t: &mut Trial<'_>, before: &str, after: &str) {
    let call = t.hip(&["@../src/outer"]);
    t.write("src/outer", before);
    t.state(&call);
    t.write("src/outer", after);
    t.state(&call);
    t.differs();
}
