//! Arbitrary command lines.

use super::clang::tokens;
use super::*;

#[test]
fn response_files_are_looked_into() {
    let mut fake = Fake::new();
    fake.file("c.rsp", "-c a.cpp\n");
    fake.file("link.rsp", "a.o b.o");
    fake.file("two.rsp", "a.cpp b.cpp");
    fake.file("quoted.rsp", "-c 'a.cpp' \"-DX=a b\" -o a\\.o");
    fake.file("outer.rsp", "-O2 @inner.rsp");
    fake.file("inner.rsp", "@c.rsp");
    fake.file("loop.rsp", "@loop.rsp");
    fake.file("gone.rsp", "-c a.cpp @nothing");
    fake.file("bom.rsp", "\u{feff}-c a.cpp");
    fake.file("nul.rsp", "-c a.cpp\0 -E");
    fake.file("save.rsp", "-c a.cpp -save-temps");
    fake.file("value.rsp", "x.o");
    fake.file("empty.rsp", " \n ");
    fake.files
        .insert(b"utf16.rsp".to_vec(), b"\xff\xfe-\0c\0".to_vec());
    for (line, expected) in [
        ("clang++ @c.rsp", "launch"),
        ("clang++ @quoted.rsp", "launch"),
        ("clang++ @outer.rsp", "launch"),
        ("clang++ @bom.rsp", "launch"),
        ("clang++ @empty.rsp -c a.cpp", "launch"),
        ("clang++ -c a.cpp -o @value.rsp", "launch"),
        ("clang++ @c.rsp b.cpp", "several-inputs"),
        ("clang++ -c @two.rsp", "several-inputs"),
        ("clang++ @link.rsp -o x", "not-a-compile"),
        ("clang++ @save.rsp", "save-temps"),
        ("clang++ @loop.rsp", "response-file"),
        ("clang++ @gone.rsp", "response-file"),
        ("clang++ @nothing -c a.cpp", "response-file"),
        ("clang++ @nul.rsp", "response-file"),
        ("clang++ @utf16.rsp", "response-file"),
        ("clang++ -c @", "input-language"),
        ("clang++ --rsp-quoting=windows @c.rsp", "response-quoting"),
    ] {
        assert_eq!(outcome_in(&fake, SCCACHE, line), expected, "{line}");
    }
    let argv = ["clang++", "@quoted.rsp"];
    with("clang++", SCCACHE, &[], &argv, &fake, |decision| {
        let Decision::Launch(launch) = decision else {
            panic!("{decision:?}");
        };
        assert_eq!(launch.unit.word(WordRole::Output), Some(c"a.o"));
        assert_eq!(launch.unit.input.to_bytes(), b"a.cpp");
    });
}

#[test]
fn a_large_response_file_is_read_in_linear_time() {
    let mut fake = Fake::new();
    fake.file("large.rsp", &("-DX='y z' ".repeat(1 << 20) + "-c a.cpp"));
    let start = std::time::Instant::now();
    assert_eq!(outcome_in(&fake, SCCACHE, "clang++ @large.rsp"), "launch");
    // Unoptimised and on a busy machine; a quadratic scan would take hours.
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

fn decide_bytes(argv: &[Vec<u8>], env: &[Vec<u8>], machine: &Fake) -> &'static str {
    let c = |bytes: &Vec<u8>| {
        CString::new(
            bytes
                .iter()
                .copied()
                .filter(|b| *b != 0)
                .collect::<Vec<_>>(),
        )
        .unwrap()
    };
    let (argv, env): (Vec<_>, Vec<_>) = (argv.iter().map(c).collect(), env.iter().map(c).collect());
    let argv: Vec<&CStr> = argv.iter().map(CString::as_c_str).collect();
    let env: Vec<&CStr> = env.iter().map(CString::as_c_str).collect();
    let config = Config {
        name: b"clang++",
        launcher: b"/usr/bin/sccache",
        fingerprint: b"a compiler",
        ..Config::default()
    };
    let call = Call {
        called: c"",
        argv: &argv,
        env: &env,
        config: &config,
    };
    word(&decide(&call, machine))
}

/// Words that occur on command lines, and words that never do.
fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let listed: Vec<Vec<u8>> = options_table::TABLE
        .lines()
        .map(|line| line.split(' ').next().unwrap().into())
        .chain(["a.cpp", "-o", "a.o", "-x", "hip", "@r", "@s", "@", "-", ""].map(Into::into))
        .collect();
    let one = prop_oneof![
        prop::sample::select(listed),
        prop::collection::vec(any::<u8>(), 0..12),
        "-[a-zA-Z=,-]{0,9}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(one, 0..12)
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        argv in words(),
        env in words(),
        r in prop::collection::vec(any::<u8>(), 0..60),
        s in "[ '\"\\\\@rsac.p-]{0,30}",
    ) {
        let mut fake = Fake::new();
        fake.files.insert(b"r".to_vec(), r);
        fake.file("s", &s);
        decide_bytes(&argv, &env, &fake);
        let named: Vec<Vec<u8>> = [b"clang++".to_vec()].into_iter().chain(argv).collect();
        decide_bytes(&named, &env, &fake);
    }

    #[test]
    fn nothing_is_launched_without_c(argv in words()) {
        let named = [b"clang++".to_vec()].into_iter().chain(argv.into_iter().filter(|word| {
            word != b"-c" && word.first() != Some(&b'@')
        }));
        let named: Vec<Vec<u8>> = named.collect();
        prop_assert_ne!(decide_bytes(&named, &[], &Fake::new()), "launch");
    }

    #[test]
    fn tokens_are_never_longer_than_the_text(text in prop::collection::vec(1u8.., 0..200)) {
        let all: usize = tokens(&text).iter().map(|token| token.chars().count() + 1).sum();
        prop_assert!(all <= text.len() + 1);
    }
}
