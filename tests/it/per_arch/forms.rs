//! The ways in which a unit is compiled for several architectures, and which of them are split.

use super::site::{Project, unit};
use crate::hazards::site::Call;

/// A way to compile a unit.
pub struct Form {
    pub name: &'static str,
    /// The architectures of the first call. The tests edit a line that the first of them sees.
    pub archs: &'static [&'static str],
    /// The architecture that is then added.
    pub added: &'static str,
    /// The first release of clang that supports the form.
    pub since: u32,
    /// Whether the quick form of the tests has it.
    pub quick: bool,
    /// Makes the call, and writes the files that it needs.
    pub call: fn(&Project<'_>, &[&str]) -> Call,
}

const fn form(name: &'static str, call: fn(&Project<'_>, &[&str]) -> Call) -> Form {
    Form {
        name,
        archs: &["gfx900", "gfx90a"],
        added: "gfx1030",
        since: 15,
        quick: false,
        call,
    }
}

impl Form {
    /// Adds it to the quick form of the tests.
    const fn quick(mut self) -> Self {
        self.quick = true;
        self
    }

    /// Restricts it to this release of clang and later ones.
    const fn since(mut self, clang: u32) -> Self {
        self.since = clang;
        self
    }

    /// Sets other architectures.
    const fn archs(mut self, archs: &'static [&'static str], added: &'static str) -> Self {
        self.archs = archs;
        self.added = added;
        self
    }
}

/// Forms that are split.
pub const SPLIT: &[Form] = &[
    form("plain", |p, archs| p.hip(archs, &[])).quick(),
    form("an id of the call's own", |p, archs| {
        p.hip(archs, &["-cuid=x"])
    }),
    form("-fgpu-rdc", |p, archs| p.hip(archs, &["-fgpu-rdc"])).quick(),
    form("-fgpu-rdc and the new driver", |p, archs| {
        p.hip(archs, &["-fgpu-rdc", "--offload-new-driver"])
    }),
    form("-fgpu-rdc and the old driver", |p, archs| {
        p.hip(archs, &["-fgpu-rdc", "--no-offload-new-driver"])
    }),
    form("the new driver", |p, archs| {
        p.hip(archs, &["--offload-new-driver"])
    }),
    form("the old driver", |p, archs| {
        p.hip(archs, &["--no-offload-new-driver"])
    }),
    form("-fPIC", |p, archs| p.hip(archs, &["-fPIC"])),
    form("-g", |p, archs| p.hip(archs, &["-g"])).quick(),
    form("-g and -fdebug-prefix-map", |p, archs| {
        let map = format!("-fdebug-prefix-map={}=/src", p.text("src"));
        p.hip(archs, &["-g", &map])
    }),
    form("-MD", |p, archs| {
        header(p);
        p.hip(archs, &["-MD"])
    }),
    form("-MD, -MF and -MT", |p, archs| {
        header(p);
        p.hip(archs, &["-MD", "-MT", "a b", "-MF", "k.dep", "-MP"])
    })
    .quick(),
    form("-MMD and -MQ", |p, archs| {
        header(p);
        p.hip(archs, &["-MMD", "-MQ", "a$b", "-MF", "../out/k.dep"])
    }),
    form("--offload-compress", |p, archs| {
        p.hip(archs, &["--offload-compress"])
    })
    .since(19),
    form("-foffload-lto", |p, archs| {
        p.hip(
            archs,
            &["-foffload-lto", "-fgpu-rdc", "--offload-new-driver"],
        )
    }),
    form("a feature", |p, archs| p.hip(archs, &[]))
        .archs(&["gfx90a:xnack-", "gfx906:xnack-"], "gfx90a:xnack+")
        .quick(),
    form("two features", |p, archs| p.hip(archs, &[])).archs(
        &["gfx90a:sramecc+:xnack-", "gfx906"],
        "gfx90a:sramecc+:xnack+",
    ),
    form("gfx942", |p, archs| p.hip(archs, &[]))
        .archs(&["gfx942:xnack-", "gfx950"], "gfx1201")
        .since(22),
    form("generic architectures", |p, archs| {
        p.hip(archs, &["-mcode-object-version=6"])
    })
    .archs(&["gfx9-4-generic", "gfx90a"], "gfx11-generic")
    .since(22),
    form("-Xarch_ of an architecture", |p, archs| {
        p.hip(
            archs,
            &["-Xarch_gfx900", "-DV=7", "-Xarch_gfx1030", "-DV=8"],
        )
    })
    .quick(),
    form("-Xarch_host and -Xarch_device", |p, archs| {
        p.hip(archs, &["-Xarch_host", "-DV=7", "-Xarch_device", "-DV=8"])
    }),
    form("a response file", |p, archs| {
        p.write("src/args", "-DV=7 -O2");
        p.hip(archs, &["@../src/args"])
    }),
    form(
        "a name with a blank and a letter outside ASCII",
        |p, archs| {
            p.write(
                "src/k\u{f6} k.hip",
                std::fs::read(p.path("src/k.hip")).unwrap(),
            );
            let call = p.hip(archs, &["-MD", "-MT", "k.o"]);
            call.with("../src/k.hip", "../src/k\u{f6} k.hip")
                .with("k.o", "k\u{f6} k.o")
        },
    ),
    form("an absolute source", |p, archs| {
        let source = p.text("src/k.hip");
        p.hip(archs, &["-g"]).with("../src/k.hip", &source)
    }),
    form("no -o", |p, archs| {
        p.hip(archs, &[]).without("-o").without("k.o")
    }),
    form("-x hip", |p, archs| {
        p.write("src/k.cpp", std::fs::read(p.path("src/k.hip")).unwrap());
        p.hip(archs, &["-x", "hip"])
            .with("../src/k.hip", "../src/k.cpp")
    }),
    form("-fuse-cuid=none", |p, archs| {
        p.hip(archs, &["-fuse-cuid=none"])
    }),
    form("-mllvm", |p, archs| {
        p.hip(archs, &["-mllvm", "-amdgpu-early-inline-all=true"])
    }),
    form("-Werror where nothing is wrong", |p, archs| {
        p.hip(archs, &["-w", "-Werror"])
    }),
    form("-fcolor-diagnostics", |p, archs| {
        p.hip(archs, &["-fcolor-diagnostics"])
    }),
    form("-ferror-limit and -ftemplate-depth", |p, archs| {
        p.hip(archs, &["-ferror-limit=3", "-ftemplate-depth=30"])
    }),
    form("-fsanitize=address", |p, archs| {
        p.hip(archs, &["-fsanitize=address"])
    })
    .archs(&["gfx90a:xnack+", "gfx908:xnack+"], "gfx906:xnack+")
    .since(22),
    // Without messages, because the compiler itself prints those of two jobs in any order.
    form("--offload-jobs", |p, archs| {
        p.hip(archs, &["--offload-jobs=2", "-w"])
    })
    .since(23),
];

/// Forms that are compiled whole: a name, and one or more options.
pub const WHOLE: &[(&str, &[&str])] = &[
    ("remarks", &["-Rpass=inline"]),
    ("-grecord-command-line", &["-g", "-grecord-command-line"]),
    ("-frecord-command-line", &["-frecord-command-line"]),
    ("-gsplit-dwarf", &["-g", "-gsplit-dwarf"]),
    ("-ftime-trace", &["-ftime-trace"]),
    ("-save-temps", &["-save-temps"]),
    ("-fstack-usage", &["-fstack-usage"]),
    (
        "-fsave-optimization-record",
        &["-fsave-optimization-record"],
    ),
    (
        "--no-gpu-bundle-output",
        &["--no-gpu-bundle-output", "--cuda-device-only"],
    ),
    ("--cuda-device-only", &["--cuda-device-only"]),
    ("--offload-host-only", &["--offload-host-only"]),
    ("-emit-llvm", &["-emit-llvm", "--cuda-device-only"]),
    (
        "--no-offload-arch",
        &["--offload-arch=gfx906", "--no-offload-arch=gfx906"],
    ),
    ("amdgcnspirv", &["--offload-arch=amdgcnspirv"]),
    ("-fsyntax-only", &["-fsyntax-only"]),
];

fn header(p: &Project<'_>) {
    p.write("src/v.h", "#define V 3\n");
    p.write("src/k.hip", format!("#include \"v.h\"\n{}", unit()));
}
