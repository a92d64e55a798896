//! `__hip_cuid_*`: objects that are linked together must not share an id.

use std::collections::BTreeSet;

use super::site::{Call, Made};
use super::trial::Trial;
use super::{Case, case};

pub const CASES: &[Case] = &[
    case("one source, two objects", |t| {
        let other = |call: Call| call.with("k.o", "two.o");
        let call = t.hip_without_id(&[]);
        linked(t, [call.clone(), other(call)]);
    })
    .with_sccache_17(),
    case("one source, two objects, `-fgpu-rdc`", |t| {
        let other = |call: Call| call.with("k.o", "two.o");
        let call = t.hip_without_id(&["-fgpu-rdc"]);
        linked(t, [call.clone(), other(call)]);
    }),
    case("one source, two objects, `-fuse-cuid=hash`", |t| {
        let call = t.hip_without_id(&["-fgpu-rdc", "-fuse-cuid=hash"]);
        linked(t, [call.clone(), call.with("k.o", "two.o")]);
    }),
    case("`-fuse-cuid=none`", |t| {
        let call = |value| t.hip_without_id(&["-fgpu-rdc", "-fuse-cuid=none", value]);
        let (one, two) = (call("-DV=1"), call("-DV=2"));
        t.both(&one, &two);
    })
    .long(),
    case("equal sources in two directories", |t| {
        two_directories(t, &[], &[])
    }),
    case("equal sources in two directories, `-fgpu-rdc`", |t| {
        two_directories(t, &["-fgpu-rdc"], &[]);
    })
    .long(),
    case("equal sources in two directories, no direct mode", |t| {
        let off = [("SCCACHE_DIRECT", "false"), ("CCACHE_NODIRECT", "1")];
        two_directories(t, &[], &off);
    }),
    case(
        "one checkout moved: the same id below `ROCK_WRAP_BASE_DIR`",
        |t| {
            let source = std::fs::read(t.path("src/k.hip")).unwrap();
            let [_, second] = ["one", "two"].map(|checkout| {
                t.write(&format!("{checkout}/k.hip"), &source);
                let mut call = t.hip_without_id(&[]).without("../src/k.hip");
                call.dir = t.path(checkout).join("build");
                call.top = call.dir.clone();
                std::fs::create_dir(&call.dir).unwrap();
                let call = call.env("ROCK_WRAP_BASE_DIR", t.text(checkout));
                t.state(&call.args(&["../k.hip"]))
            });
            t.must("the second checkout hits", second.hit());
        },
    ),
];

/// Compiles two copies of the source, each in its own directory under the same names, and links the objects.
fn two_directories(t: &mut Trial<'_>, args: &[&str], env: &[(&str, &str)]) {
    let source = std::fs::read(t.path("src/k.hip")).unwrap();
    let calls = ["one", "two"].map(|dir| {
        t.write(&format!("{dir}/k.hip"), &source);
        std::fs::create_dir(t.path("out").join(dir)).unwrap();
        let call = t.hip_without_id(args).without("../src/k.hip");
        let call = call.args(&[&format!("../../{dir}/k.hip")]).within(dir);
        env.iter()
            .fold(call, |call, (name, value)| call.env(name, *value))
    });
    linked(t, calls);
}

/// Checks that the objects of two calls have different ids and can be linked together, as those of the bare compiler.
fn linked(t: &mut Trial<'_>, calls: [Call; 2]) {
    let states = calls.map(|call| t.state(&call));
    let own = states.each_ref().map(|state| &state.made);
    let bare = states.each_ref().map(|state| &state.truth);
    assert!(
        go_together(t, bare),
        "the control: the compiler's own objects can be linked"
    );
    let ids = own.map(|made| ids(t, made));
    t.must("each object has its own ids", ids[0].is_disjoint(&ids[1]));
    let go = go_together(t, own);
    t.must("`ld -r` of both objects works", go);
    if let [Some(one), Some(two)] = states.each_ref().map(|state| state.alone.as_ref())
        && !go_together(t, [one, two])
    {
        t.alone_is_wrong();
    }
}

fn object(made: &Made) -> &[u8] {
    let content = made.files.values().next();
    content.unwrap_or_else(|| panic!("no object: {}", made.stderr))
}

fn ids(t: &Trial<'_>, made: &Made) -> BTreeSet<String> {
    t.write("ids.o", object(made));
    let symbols = t.tool("nm", &["ids.o"]);
    let symbols = symbols
        .lines()
        .filter_map(|line| line.split("__hip_cuid_").nth(1));
    symbols.map(str::to_owned).collect()
}

/// Whether the linker accepts both objects. Both define the same kernel, so all symbols but the ids are made weak.
fn go_together(t: &Trial<'_>, made: [&Made; 2]) -> bool {
    t.write("one.o", object(made[0]));
    t.write("two.o", object(made[1]));
    for name in ["one.o", "two.o"] {
        let weaken = ["--weaken-symbol=!__hip_cuid_*", "--weaken-symbol=*"];
        t.tool("objcopy", &[&["--wildcard"], &weaken[..], &[name]].concat());
    }
    let mut linker = std::process::Command::new("ld");
    let linker = linker.args(["-r", "one.o", "two.o", "-o", "both.o"]);
    crate::support::run(linker.current_dir(t.path(".")))
        .status
        .success()
}
