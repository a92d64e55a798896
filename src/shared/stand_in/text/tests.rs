//! Texts and the files they name.

use super::*;
use proptest::prelude::*;

fn scanned(text: &str) -> Scanner {
    let mut scanner = Scanner::default();
    scanner.feed(text.as_bytes());
    scanner.end_text();
    scanner
}

fn names(text: &str) -> Vec<String> {
    let scanner = scanned(text);
    let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    scanner.names().map(name).collect()
}

#[test]
fn every_file_that_a_marker_names_is_found_once() {
    let text = "# 1 \"k.hip\"\n# 1 \"<built-in>\" 1\n# 1 \"a b.h\" 1 3\nint x;\n# 2 \"k.hip\" 2\n\
                #line 7 \"by line.h\"\n  # 1 \"q\\\"\\\\.h\"\n#pragma GCC x \"no\"\n";
    let expected = ["a b.h", "by line.h", "k.hip", "q\\\"\\\\.h"];
    assert_eq!(names(text), expected);
}

#[test]
fn a_name_is_read_as_clang_writes_it() {
    for (written, path) in [
        (&b"q\\\"\\\\.h"[..], &b"q\"\\.h"[..]),
        (br"gr\303\266\303\237e.h", "gr\u{f6}\u{df}e.h".as_bytes()),
        (br"a\tb\nc\001", b"a\tb\nc\x01"),
        (b"as it is", b"as it is"),
    ] {
        assert_eq!(path_of(written).as_deref(), Some(path));
    }
    for odd in [&br"\x41"[..], br"\4", br"\08a", br"\400", b"\\"] {
        assert_eq!(path_of(odd), None, "{odd:?}");
    }
    assert!(scanned("# 1 \"\\x41\"\n").is_untold());
}

#[test]
fn what_only_looks_like_a_marker_is_none() {
    for text in [
        "const char *a = \"\\\n# 1 \\\"no\\\"\";\n",
        "auto a = R\"x(\n# 1 \"no\"\n)x\";\n",
        "/*\n# 1 \"no\"\n*/\n",
        "int a; # 1 \"no\"\n",
    ] {
        assert_eq!(names(text), [""; 0], "{text}");
    }
}

#[test]
fn assembly_that_reads_a_file_is_noticed_however_it_is_spelled() {
    for text in [
        r#"asm(".incbin \"data\"");"#,
        r#"__asm__ volatile (".INCBIN\t\"data\"" : : "r"(x));"#,
        r#"__asm volatile("nop\n\t.inc" "bin \"data\"");"#,
        "asm(\".inc\"\n# 7 \"x.h\"\n\"bin 'data'\");",
        r#"asm(R"(.include "file")");"#,
        r#"asm goto(".include \"file\"" : : : : label);"#,
        r#"asm("\x2eincb\x69n \"data\"");"#,
        r#"asm(".macro m\n.inc\\()bin \"d\"\n.endm");"#,
        r#"asm((text()));"#,
        r#"asm { mov eax, 1 }"#,
        r#"_asm .include "data""#,
        r#"__asm .include "data""#,
        r#"_asm(".include \"data\"");"#,
        r#"asm(".macro m a\n.inc\\a \"d\"\n.endm\nm bin");"#,
        r#"asm(".irp x,bin\n.inc\\x \"d\"\n.endr");"#,
        r#"asm(".inc{bin|x} \"data\"" ::);"#,
        r#"asm(".incl%c0 \"data\"" :: "i"(ude));"#,
        "#pragma GCC dependency \"y\"\n",
        r#"int a = 1'000; asm(".incbin \"data\"");"#,
        r#"char c = '"'; asm(".incbin \"data\"");"#,
        r#"auto s = R"(")"; asm(".incbin \"data\"");"#,
    ] {
        assert!(scanned(text).is_untold(), "{text}");
    }
}

#[test]
fn other_assembly_and_other_texts_are_not_taken_for_it() {
    for text in [
        r#"asm volatile("s_waitcnt lgkmcnt(0)\n\tv_mov_b32 %0, %1" : "=v"((x)) : "v"(y) : "memory");"#,
        r#"const char *s = "asm(\".incbin\")"; int include = 1;"#,
        r#"void f(void) asm("include_me_not" "x"); "#.replace("include", "inc_lude").as_str(),
        "#pragma message \"asm(.incbin)\"\nint x;",
        r#"asm inline volatile goto(".L%=: mov{l %0, %%eax|eax, %0}" : : "r"(x) : : l);"#,
        "register int a __asm__ (\"eax\");",
        "#error don't\nint y;",
        "// __CLANG_OFFLOAD_BUNDLE____START__ hip-amdgcn-amd-amdhsa--gfx906\nint don;",
        "int a = 0x1'0000; char b = 'x', c = L'\\''; const char *d = u8\"\\\"\";",
    ] {
        assert!(!scanned(text).is_untold(), "{text}");
    }
}

#[test]
fn a_date_or_a_time_is_seen_wherever_a_macro_may_have_put_it() {
    for text in [
        r#"const char *a = "Nov 30 2026";"#,
        r#"const char *a = "Jan  1 1970";"#,
        r#"const char *a = "built " "09:41:00";"#,
        r#"const char *a = "Mon Nov 30 09:41:00 2026";"#,
        r#"const char *a = "\"Nov 30 2026\"";"#,
        "#pragma message(\"Nov 30 2026\")\n",
    ] {
        assert!(scanned(text).is_dated(), "{text}");
    }
    for text in [
        "# 12 \"on Nov 30 2026/09:41:00.h\" 1\n",
        r#"const char *a = "__DATE__", *b = "Nov 30, 2026", *c = "9:41:00";"#,
        "int Nov = 30 + 2026; // Nov 30 2026\n",
    ] {
        assert!(!scanned(text).is_dated(), "{text}");
    }
}

#[test]
fn a_text_that_breaks_off_is_not_known() {
    assert!(scanned("/* open").is_untold());
    assert!(scanned("auto a = R\"(open").is_untold());
    assert!(!scanned("int x").is_untold());
}

proptest! {
    #[test]
    fn the_pieces_in_which_a_text_comes_do_not_matter(
        pieces in prop::collection::vec("(asm|\\(|\\)|\"|'|R|\\\\|#|\n| 1 |inc|bin|/|\\*|x|7|:){0,6}", 0..12)
    ) {
        let whole = scanned(&pieces.concat());
        let mut scanner = Scanner::default();
        pieces.iter().for_each(|piece| scanner.feed(piece.as_bytes()));
        scanner.end_text();
        prop_assert_eq!(scanner.is_untold(), whole.is_untold());
        prop_assert!(scanner.names().eq(whole.names()));
    }
}
