//! Dates and times that the compiler puts into an object, in places where launchers do not look for them.

use std::time::{Duration, SystemTime};

use super::site::{CCACHE_14, Call, Launcher, SCCACHE_16, Site};
use super::trial::{SOURCE, Trial};
use super::{Case, case};
use crate::support::compilers;

pub const CASES: &[Case] = &[
    case("`__DATE__` in the source, another day", |t| {
        t.write("src/h.cpp", "const char *f() { return __DATE__; }\n");
        two_days(t, named);
    }),
    case("`__DATE__` in a header, another day", |t| {
        with_header(t, "#define DAY __DATE__\n");
        two_days(t, named);
    })
    .with_sccache_17(),
    case("`__DATE__` put together by macros, another day", |t| {
        with_header(t, "#define CAT(a, b) a##b\n#define DAY CAT(__DA, TE__)\n");
        two_days(t, named);
    }),
    case("`-DDAY=__DATE__`, another day", |t| {
        t.write("src/h.cpp", "const char *f() { return DAY; }\n");
        two_days(t, |t| named(t).args(&["-DDAY=__DATE__"]));
    })
    .with_sccache_17(),
    case("`__DATE__` in device code, another day", |t| {
        let head = "void kernel(float *x) {\n";
        let line = format!("{head}x[7] = DAY[5];\n");
        let include = "#include \"day.h\"\n";
        t.write(
            "src/k.hip",
            format!("{include}{}", SOURCE.replace(head, &line)),
        );
        // Only device code sees the date.
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
    .with_sccache_17(),
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
    .with_sccache_17(),
];

/// A C++ compile of `src/h.cpp` under its absolute name. With `..` in the name, sccache would not use direct mode.
fn named(t: &Trial<'_>) -> Call {
    let source = t.text("src/h.cpp");
    t.cxx(&[]).with("../src/h.cpp", &source)
}

fn with_header(t: &Trial<'_>, header: &str) {
    t.write("src/day.h", header);
    let source = "#include \"day.h\"\nconst char *f() { return DAY; }\n";
    t.write("src/h.cpp", source);
}

/// Makes the call in two time zones whose dates always differ.
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

#[test]
fn ccache_returns_no_object_with_an_earlier_time() {
    compiled_now(&CCACHE_14);
}

#[test]
fn sccache_returns_no_object_with_an_earlier_time() {
    compiled_now(&SCCACHE_16);
}

/// Checks that an object contains the time of its own call, also when the call moves to a time zone with another hour.
/// `__TIME__` has no row in the table, because the bare compiler makes another object each second.
fn compiled_now(launcher: &Launcher) {
    let Some(program) = launcher.program() else {
        return;
    };
    let in_source = ("h.cpp", "const char *f() { return __TIME__; }\n", "");
    let by_header = "#include \"day.h\"\nconst char *f() { return NOW; }\n";
    let in_header = ("h.cpp", by_header, "#define NOW __TIME__\n");
    let by_macros = (
        "h.cpp",
        by_header,
        "#define CAT(a, b) a##b\n#define NOW CAT(__TI, ME__)\n",
    );
    let on_device = format!(
        "#include \"day.h\"\n{SOURCE}__attribute__((global)) void now(const char **now) {{ *now = NOW; }}\n"
    );
    let in_device = (
        "k.hip",
        on_device.as_str(),
        "#if __HIP_DEVICE_COMPILE__\n#define NOW __TIME__\n#else\n#define NOW \"\"\n#endif\n",
    );
    for clang in compilers::clangs(&[19]) {
        let site = Site::new(clang, launcher, &program);
        for (name, source, header) in [in_source, in_header, by_macros, in_device] {
            let t = Trial::new(&site);
            t.write(&format!("src/{name}"), source);
            t.write("src/day.h", header);
            let call = match name {
                "h.cpp" => named(&t),
                _ => t.hip(&[]),
            };
            // Two calls in the first zone, so that direct mode knows the source.
            for zone in [0, 0, 5] {
                let call = call.clone().env("TZ", format!("AAA-{zone}"));
                let before = day_time(zone);
                let (made, direct) = t.wrapped(&call);
                let after = day_time(zone);
                assert_eq!((made.status.code(), direct), (Some(0), None));
                let mut files = made.files.values();
                let is_now = |time: u64| match before <= after {
                    true => (before..=after).contains(&time),
                    false => time >= before || time <= after,
                };
                let object = files.find(|file| !times(file).is_empty());
                let times = times(object.unwrap_or_else(|| panic!("{name}: no time")));
                assert!(
                    times.iter().copied().all(is_now),
                    "clang {clang}, {name}, zone {zone}: {times:?}, now is {before}"
                );
            }
        }
    }
}

/// The seconds since midnight in the time zone that is `zone` hours ahead of UTC.
fn day_time(zone: u64) -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    (now + 3600 * zone) % 86400
}

/// The times in an object that have the form of `__TIME__`, in seconds since midnight.
fn times(object: &[u8]) -> Vec<u64> {
    let number = |two: &[u8]| {
        let text = std::str::from_utf8(two).ok()?;
        text.parse::<u64>().ok()
    };
    let time = |text: &[u8]| match text {
        [h1, h2, b':', m1, m2, b':', s1, s2, 0] => {
            Some(3600 * number(&[*h1, *h2])? + 60 * number(&[*m1, *m2])? + number(&[*s1, *s2])?)
        }
        _ => None,
    };
    object.windows(9).filter_map(time).collect()
}
