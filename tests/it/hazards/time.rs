//! Dates and times that the compiler puts into an object, in places where launchers do not look for them.

use std::time::{Duration, SystemTime};

use super::site::Call;
use super::trial::{SOURCE, Trial};
use super::{Case, case};

pub const CASES: &[Case] = &[
    case("`__DATE__` in the source, another day", |t| {
        t.write("src/h.cpp", "const char *f() { return __DATE__; }\n");
        two_days(t, named);
    }),
    case("`__DATE__` in a header, another day", |t| {
        with_header(t, "#define DAY __DATE__\n");
        two_days(t, named);
    })
    .everywhere(),
    case("`__DATE__` put together by macros, another day", |t| {
        with_header(t, "#define CAT(a, b) a##b\n#define DAY CAT(__DA, TE__)\n");
        two_days(t, named);
    }),
    case("`-DDAY=__DATE__`, another day", |t| {
        t.write("src/h.cpp", "const char *f() { return DAY; }\n");
        two_days(t, |t| named(t).args(&["-DDAY=__DATE__"]));
    })
    .everywhere(),
    case("`__DATE__` in device code, another day", |t| {
        let head = "void kernel(float *x) {\n";
        let line = format!("{head}x[7] = DAY[5];\n");
        let include = "#include \"day.h\"\n";
        t.write(
            "src/k.hip",
            format!("{include}{}", SOURCE.replace(head, &line)),
        );
        // Only the device sees the date.
        let header = "#if __HIP_DEVICE_COMPILE__\n#define DAY __DATE__\n#else\n#define DAY \"Jan  1 1970\"\n#endif\n";
        t.write("src/day.h", header);
        two_days(t, |t| {
            let source = t.text("src/k.hip");
            t.hip(&[]).with("../src/k.hip", &source)
        });
    }),
    case(
        "`__TIMESTAMP__` in a header, another time of the file",
        |t| {
            t.write("src/h.cpp", "#include \"day.h\"\nint g();\n");
            t.write(
                "src/day.h",
                "inline const char *f() { return __TIMESTAMP__; }\nconst char *(*h)() = f;\n",
            );
            let call = named(t);
            for seconds in [1_000_000_000, 1_500_000_000] {
                touch(t, "src/day.h", seconds);
                t.state(&call);
            }
            t.differs();
        },
    )
    .everywhere(),
    case(
        "`__TIMESTAMP__` in the source, another time of the file",
        |t| {
            t.write("src/h.cpp", "const char *f() { return __TIMESTAMP__; }\n");
            let call = named(t);
            for seconds in [1_000_000_000, 1_500_000_000] {
                touch(t, "src/h.cpp", seconds);
                t.state(&call);
            }
            t.differs();
        },
    ),
    case(
        "a header that only mentions `__DATE__`, edited to the same size",
        |t| {
            let call = named(t);
            for day in ["\"1\"", "\"2\""] {
                with_header(t, &format!("// not __DATE__\n#define DAY {day}\n"));
                t.state(&call);
            }
            t.differs();
        },
    )
    .everywhere(),
];

/// A C++ compile of `src/h.cpp` by its absolute name: by one with `..` in it, sccache has no direct mode.
fn named(t: &Trial<'_>) -> Call {
    let source = t.text("src/h.cpp");
    t.cxx(&[]).with("../src/h.cpp", &source)
}

fn with_header(t: &Trial<'_>, header: &str) {
    t.write("src/day.h", header);
    let source = "#include \"day.h\"\nconst char *f() { return DAY; }\n";
    t.write("src/h.cpp", source);
}

/// Makes the call in two time zones, in which it is never the same day.
fn two_days(t: &mut Trial<'_>, call: fn(&Trial<'_>) -> Call) {
    for zone in ["AAA12", "AAA-14"] {
        let call = call(t).env("TZ", zone);
        t.state(&call);
    }
    t.differs();
}

fn touch(t: &Trial<'_>, name: &str, seconds: u64) {
    let file = std::fs::File::options().append(true).open(t.path(name));
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    file.unwrap().set_modified(time).unwrap();
}
