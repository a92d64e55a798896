//! Depfiles: one from the cache must be the one that the call itself would write.

use super::trial::{SOURCE, Trial};
use super::{Case, case};

pub const CASES: &[Case] = &[
    case("other `-MT`, `-MF`, `-o`", |t| {
        let call = |object: &str, args: &[&str]| t.hip(&["-MD"]).args(args).with("k.o", object);
        let calls = [
            call("k.o", &["-MF", "a.d", "-MT", "one"]),
            call("k.o", &["-MF", "a.d", "-MT", "two"]),
            call("l.o", &["-MF", "b.d", "-MT", "two"]),
            call("l.o", &["-MF", "b.d"]),
        ];
        t.write("src/v.h", "#define V 1\n");
        for (number, call) in calls.iter().enumerate() {
            t.state(call);
            if number > 0 {
                t.differs();
            }
        }
    })
    .with_sccache_17(),
    case("`-MD` without `-MF`", |t| {
        t.write("src/v.h", "#define V 1\n");
        let call = t.hip(&["-MD"]);
        t.both(&call, &call.clone().with("k.o", "l.o"));
    }),
    case("`-MMD`, `-MP`, `-MQ`", |t| {
        t.write("src/v.h", "#define V 1\n");
        let call = |target: &str| t.hip(&["-MMD", "-MP", "-MF", "a.d", "-MQ", target]);
        let (one, two) = (call("$one"), call("$two"));
        t.both(&one, &two);
    })
    .long(),
    case("two `-MT`", |t| {
        let call = |target: &str| t.hip(&["-MD", "-MF", "a.d", "-MT", "one", "-MT", target]);
        let (one, two) = (call("two"), call("three"));
        t.both(&one, &two);
    }),
    case("a header edited", |t| header_edited(t, &[])),
    case("a header edited that only device code includes", |t| {
        let include = "#if __HIP_DEVICE_COMPILE__\n#include \"device.h\"\n#endif\n";
        t.write("src/k.hip", format!("{include}{SOURCE}"));
        let call = t.hip(&["-MD", "-MF", "a.d"]);
        t.write("src/device.h", "#define V 1\n");
        t.state(&call);
        t.write("src/device.h", "#define V 2\n");
        t.state(&call);
        t.differs();
    }),
];

fn header_edited(t: &mut Trial<'_>, args: &[&str]) {
    let call = t.hip(args);
    t.write("src/v.h", "#define V 1\n");
    t.state(&call);
    t.write("src/v.h", "#define V 2\n");
    t.state(&call);
    t.differs();
}
