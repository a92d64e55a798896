//! The device libraries that clang links into device code.

use super::trial::Trial;
use super::{Case, case};

/// The source of a library whose `exp` is not ROCm's.
const OTHER: &str = "float __ocml_exp_f32(float x) { return x * 3; }\n";

pub const CASES: &[Case] = &[
    case("`--rocm-path=`: a library replaced", |t| {
        let dir = libraries(t, "amdgcn/bitcode");
        changed(t, &dir, &[&format!("--rocm-path={}", t.text("rocm"))], &[]);
    })
    .with_sccache_17(),
    case("`--rocm-device-lib-path=`: a library replaced", |t| {
        let dir = libraries(t, "bitcode");
        changed(t, &dir, &[&format!("--rocm-device-lib-path={dir}")], &[]);
    }),
    case("`--hip-device-lib-path=`: a library replaced", |t| {
        let dir = libraries(t, "bitcode");
        changed(t, &dir, &[&format!("--hip-device-lib-path={dir}")], &[]);
    })
    .long(),
    case("`HIP_DEVICE_LIB_PATH`: a library replaced", by_variable),
    case("`ROCM_PATH`: a library replaced", |t| {
        let dir = libraries(t, "amdgcn/bitcode");
        changed(t, &dir, &[], &[("ROCM_PATH", &t.text("rocm"))]);
    }),
    case("`ROCM_PATH`: another tree", |t| {
        let dir = libraries(t, "amdgcn/bitcode");
        replace(t, &format!("{dir}/ocml.bc"));
        let call = t.hip(&[]);
        t.both(&call, &call.clone().env("ROCM_PATH", t.text("rocm")));
    })
    .long(),
    case("the tree's own: a library replaced", |t| {
        let new = t.text("ocml.bc");
        replace(t, &new);
        let call = t.hip(&[]);
        t.replaced(&call, "amdgcn/bitcode/ocml.bc", |path, _| {
            std::fs::copy(&new, path).unwrap();
        });
    }),
];

pub fn by_variable(t: &mut Trial<'_>) {
    let dir = libraries(t, "bitcode");
    changed(t, &dir, &[], &[("HIP_DEVICE_LIB_PATH", &dir)]);
}

/// Copies the tree's device libraries to the directory `below` in `rocm`. Returns the copy's path.
fn libraries(t: &Trial<'_>, below: &str) -> String {
    let dir = t.path("rocm").join(below);
    std::fs::create_dir_all(dir.parent().unwrap()).unwrap();
    let own = t.site.tree.root.join("amdgcn/bitcode");
    let dir = dir.to_str().unwrap().to_owned();
    t.tool("cp", &["-rL", own.to_str().unwrap(), &dir]);
    dir
}

/// Checks the call with `args` and `env` before and after one library of `dir` is replaced.
fn changed(t: &mut Trial<'_>, dir: &str, args: &[&str], env: &[(&str, &str)]) {
    let mut call = t.hip(args);
    for (name, value) in env {
        call = call.env(name, *value);
    }
    t.state(&call);
    replace(t, &format!("{dir}/ocml.bc"));
    t.state(&call);
    t.differs();
}

/// Replaces the library at `path` by one that is compiled from [`OTHER`].
fn replace(t: &Trial<'_>, path: &str) {
    t.write("other.c", OTHER);
    let options =
        "--target=amdgcn-amd-amdhsa -mcpu=gfx900 -nogpulib -emit-llvm -O1 -c other.c -o other.bc";
    let clang = format!("clang-{}", t.site.clang);
    t.tool(&clang, &options.split(' ').collect::<Vec<_>>());
    t.tool("mv", &["other.bc", path]);
}
