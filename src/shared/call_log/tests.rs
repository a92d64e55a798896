use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::shared::decision::reasons::Reason;

fn direct(argv: &[&CStr], cwd: &str) -> Vec<u8> {
    let decision = Decision::Direct(Reason::SaveTemps.into());
    let cwd = || cwd.as_bytes().to_vec();
    line(argv, &decision, 42, 1_700_000_000, cwd)
}

#[test]
fn a_direct_call_is_one_line_with_its_reason_and_what_it_looks_like() {
    let argv = [
        c"clang++",
        c"-x",
        c"hip",
        c"--offload-arch=gfx906",
        c"--offload-arch=gfx942",
        c"-save-temps",
        c"-c",
        c"a b.cpp",
        c"-o",
        c"/out/a\tb.o",
    ];
    let line = direct(&argv, "/src");
    let text = std::str::from_utf8(&line).unwrap();
    assert_eq!(
        text,
        "direct\tsave-temps\thip\t2\t42\t1700000000\t/src\ta b.cpp\t/out/a\\09b.o\n"
    );
    let event = Event {
        launched: false,
        forwarded: false,
        detail: "save-temps".to_owned(),
        language: Some(Language::Hip),
        archs: 2,
        pid: 42,
        start: Duration::from_nanos(1_700_000_000),
        cwd: Some(PathBuf::from("/src")),
        source: Some(PathBuf::from("a b.cpp")),
        output: Some(PathBuf::from("/out/a\tb.o")),
    };
    assert_eq!(read(&line), [event]);
}

#[test]
fn what_a_call_does_not_have_is_a_dash() {
    let line = direct(&[c"clang++", c"--version"], "/src");
    let text = std::str::from_utf8(&line).unwrap();
    assert_eq!(text, "direct\tsave-temps\t-\t0\t42\t1700000000\t-\t-\t-\n");
    let event = read(&line).remove(0);
    assert_eq!((event.cwd, event.source, event.output), (None, None, None));
}

#[test]
fn lines_of_somebody_else_are_passed_over() {
    let log = b"launch\tsccache\thip\t2\t1\t2\t-\t-\t-\n\nnonsense\ndirect\tcut\n\
        launch\tsccache\thip\t2\t1\t2\t-\tbad\\zz\t-\n";
    let events = read(log);
    assert_eq!(events.len(), 1);
    assert!(events[0].launched && events[0].language == Some(Language::Hip));
}

#[test]
fn what_the_stand_in_adds_belongs_to_the_process_at_its_end_however_it_is_cut() {
    let log = b"# 1 \"/a b.h\"\n#pragma rock-wrap 0123456789abcdef0123\n# 1 \"gone.h\"\n\
        #pragma rock-wrap absent\n#pragma rock-wrap says fedcba9876543210ff\n\
        # 1 \"/nonexistent/rock-wrap/dated\"\n#pragma rock-wrap dated\n42\n\
        direct\tx\t-\t0\t7\t1\t-\t-\t-\n42\n#memory 3\n42\n";
    let text = Text {
        files: vec![
            (PathBuf::from("/a b.h"), "0123456789abcdef".to_owned()),
            (PathBuf::from("gone.h"), "absent".to_owned()),
        ],
        literals: Some("fedcba9876543210".to_owned()),
        unnamed: false,
        dated: true,
    };
    let whole = Reader::default().read(log);
    assert_eq!(whole[0], Record::Text(42, text));
    assert!(matches!(&whole[1], Record::Call(event) if event.pid == 7));
    assert_eq!(whole[2..], [Record::Compiled(42), Record::Memory(42, 3072)]);
    let mut reader = Reader::default();
    let lines = log.split_inclusive(|byte| *byte == b'\n');
    let pieces: Vec<_> = lines.flat_map(|line| reader.read(line)).collect();
    assert_eq!(pieces, whole);
    assert_eq!(read(log).len(), 1);
}

proptest! {
    #[test]
    fn a_path_of_any_bytes_survives_and_stays_on_its_line(bytes in prop::collection::vec(1u8.., 1..40)) {
        let mut source = bytes.clone();
        source.extend_from_slice(b"/a.cpp");
        let argument = CString::new(source.clone()).unwrap();
        prop_assume!(!bytes.starts_with(b"-"));
        let line = direct(&[c"clang", &argument], "/");
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let event = read(&line).remove(0);
        prop_assert_eq!(event.source.as_deref(), Some(Path::new(OsStr::from_bytes(&source))));
    }
}
