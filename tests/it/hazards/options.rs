//! Options that launchers interpret differently from clang, or do not know.

use std::path::Path;

use super::trial::Trial;
use super::{Case, case};

pub const CASES: &[Case] = &[
    case("`--no-gpu-bundle-output`, one architecture", |t| {
        values(t, &["--cuda-device-only", "--no-gpu-bundle-output"])
    }),
    case("`--no-gpu-bundle-output`, two architectures", |t| {
        let more = ["--no-gpu-bundle-output", "--offload-arch=gfx906"];
        t.state(&t.hip(&more));
    })
    .long(),
    case("`-Xoffload-linker`", |t| {
        // The object of this source is the same at every optimisation level, so two levels alone are no control.
        let call = |level| t.hip(&["-Xoffload-linker", level]);
        let (before, after) = (call("-O0"), call("-O3"));
        t.state(&before);
        t.state(&after);
        values(t, &["-Xoffload-linker", "-O3"]);
    }),
    case("`-Xoffload-linker`, warnings are errors", |t| {
        values(t, &["-Werror", "-Xoffload-linker", "-O3"])
    })
    .since(19),
    case("`--output=`, `--output`", |t| {
        let call = t.hip(&["-DV=1"]).without("-o").without("k.o");
        let other = t.hip(&["-DV=2"]).with("-o", "--output");
        t.both(&call.args(&["--output=k.o"]), &other);
        t.both(
            &other,
            &other.clone().with("k.o", "other.o").args(&["-DV=3"]),
        );
    }),
    case("`-resource-dir` and a directory", |t| {
        let own = resource_dir(t);
        values(t, &["-resource-dir", &own]);
    }),
    case("`-Wp,-D`, `-Wp,-U`", |t| {
        let (one, two) = (t.hip(&["-Wp,-DV=1"]), t.hip(&["-Wp,-UV,-DV=2"]));
        t.both(&one, &two);
        // An unused macro shows only in debug information.
        t.write("src/h.cpp", "int v;\n");
        let macros = ["-g", "-fdebug-macro"];
        let (one, two) = (t.cxx(&["-Wp,-DA=1"]), t.cxx(&["-Wp,-DA=2"]));
        t.both(&one.args(&macros), &two.args(&macros));
    }),
    case("`--offload-arch=native`: another GPU", |t| {
        // clang up to 21 runs the first tool, later releases the second.
        let tools = ["amdgpu-arch", "offload-arch"].map(|tool| t.site.tree.bin().join(tool));
        let aside = |tool: &Path| tool.with_extension("aside");
        for tool in &tools {
            // If the tool does not exist, there is nothing to put aside.
            let _ = std::fs::rename(tool, aside(tool));
        }
        let call = t.hip(&["--offload-arch=native"]);
        let call = call.without("--offload-arch=gfx900");
        for gpu in ["gfx900", "gfx906"] {
            let script = format!("#!/bin/sh\necho {gpu}\n");
            for tool in &tools {
                crate::support::write_program(tool, script.as_bytes());
            }
            t.state(&call);
        }
        t.differs();
        for tool in &tools {
            std::fs::remove_file(tool).unwrap();
            let _ = std::fs::rename(aside(tool), tool);
        }
    })
    .since(19),
    case("assembler for a device", |t| {
        let call = assembler(t);
        t.write("src/k.s", source("s_nop 1"));
        t.state(&call);
        t.write("src/k.s", source("s_nop 2"));
        t.state(&call);
        t.differs();
    }),
    case("assembler for a device, no direct mode", |t| {
        let call = assembler(t).env("SCCACHE_DIRECT", "false");
        let call = call.env("CCACHE_NODIRECT", "1");
        t.write("src/k.s", source("s_nop 3"));
        t.state(&call);
        t.write("src/k.s", source("s_nop 4"));
        t.state(&call);
        t.differs();
    })
    .long(),
    case("assembler for a device: an `.include` edited", |t| {
        let call = assembler(t);
        t.write("src/k.s", source(".include \"../src/k.inc\""));
        t.write("src/k.inc", "s_nop 1\n");
        t.state(&call);
        t.write("src/k.inc", "s_nop 2\n");
        t.state(&call);
        t.differs();
    }),
];

/// Compiles with `args` and two values of `V`.
fn values(t: &mut Trial<'_>, args: &[&str]) {
    let call = t.hip(args);
    let value = |value: &str| call.clone().args(&[value]);
    t.both(&value("-DV=1"), &value("-DV=2"));
}

/// The resource directory, as the compiler itself prints it.
fn resource_dir(t: &Trial<'_>) -> String {
    let mut command = t.call("clang", &["-print-resource-dir"]).bare(t.site);
    let output = crate::support::run(&mut command);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn assembler(t: &Trial<'_>) -> super::site::Call {
    let target = ["-x", "assembler", "-target", "amdgcn-amd-amdhsa"];
    let files = ["-mcpu=gfx900", "-c", "../src/k.s", "-o", "k.o"];
    t.call("clang++", &target).args(&files)
}

fn source(line: &str) -> String {
    format!("\t.text\n\t.globl k\nk:\n\t{line}\n\ts_endpgm\n")
}
