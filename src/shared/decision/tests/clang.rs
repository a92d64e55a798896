//! Assumptions about clang, checked against clang.

use super::*;

#[test]
fn clang_agrees_about_the_names_of_dependency_files() {
    for version in ["15", "19"] {
        for (input, output) in [
            ("a.c", None),
            ("dir.d/b.x.c", None),
            ("plain", None),
            ("a.c", Some("o.o")),
            ("a.c", Some("dir.d/o")),
            ("a.c", Some("dir.d/o.a.b")),
            ("a.c", Some("dir.d/.o")),
            ("a.c", Some("o.")),
            ("a.c", Some("./..o")),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = |name: &str| dir.path().join(name);
            std::fs::create_dir(path("dir.d")).unwrap();
            std::fs::write(path(input), "int v;\n").unwrap();
            let mut clang = Command::new(format!("clang-{version}"));
            clang.args(["-x", "c", "-c", "-MD", input]);
            let output = output.map(|output| CString::new(output).unwrap());
            let mut words = Vec::new();
            if let Some(output) = &output {
                clang.arg("-o").arg(output.to_str().unwrap());
                words.push((WordRole::Output, output.as_c_str().into()));
            }
            assert!(clang.current_dir(dir.path()).status().unwrap().success());
            let input = CString::new(input).unwrap();
            let name = default_depfile(&Unit {
                input: input.as_c_str().into(),
                language: Language::C,
                words,
                writes_depfile: true,
                debug_info: false,
                bitcode: false,
                has_cuid: false,
                sides: Sides::Both,
                new_driver: false,
                relocatable_device_code: false,
                archs: Vec::new(),
                drops_archs: false,
                native: false,
                respelled: Vec::new(),
                verbatim: Vec::new(),
            });
            let name = String::from_utf8(name).unwrap();
            assert!(
                path(&name).is_file(),
                "clang {version}: {input:?} {output:?}: {name}"
            );
        }
    }
}

pub(super) fn tokens(text: &[u8]) -> Vec<String> {
    let mut text = text.to_vec();
    text.push(b' ');
    let mut out = Vec::new();
    let result: Result<(), ()> = response::tokenize(&mut text, 0, &mut |token| {
        out.push(String::from_utf8_lossy(token.to_bytes()).into_owned());
        Ok(())
    });
    result.unwrap();
    out
}

/// Runs one of the test compilers: `apt-get install clang-15 clang-19`.
fn clang(version: &str, args: &[&str]) -> (bool, String) {
    // For some options clang creates directories and leaves them behind, even if it runs nothing.
    let temporary = tempfile::tempdir().unwrap();
    let mut command = Command::new(format!("clang-{version}"));
    let output = command
        .args(args)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TMPDIR", temporary.path())
        .output();
    let output = output.unwrap_or_else(|error| panic!("clang-{version}: {error}"));
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn response_files_are_quoted_as_clang_quotes() {
    let texts = [
        "a b\tc\r\nd",
        "'a b' \"c d\"",
        "a'b c'd",
        r"a\ b",
        r#""a\"b" 'c\'d'"#,
        r"\\ \n",
        "''",
        "a''b",
        r#"'a"b' "c'd""#,
        "'open",
        "\"open \\\" x",
        "end\\",
        "'end\\",
        "a\\\nb",
        "  \n\n ",
        "\"a\nb\"",
        "a\u{b}b a\u{c}b",
        "# no comment",
        "é 'ü ß'",
        r"\'a b\'",
        "'a'\"b\"c\\d",
        "\\",
    ];
    let dir = tempfile::tempdir().unwrap();
    for (number, text) in texts.iter().enumerate() {
        // -D before each argument makes it visible as a front-end argument.
        let mut content = String::new();
        for token in tokens(text.as_bytes()) {
            content += &token;
            content.push('\u{1}');
        }
        let path = dir.path().join(format!("{number}.rsp"));
        std::fs::write(&path, text).unwrap();
        let argument = format!("@{}", path.display());
        for version in ["15", "19"] {
            // An argument that is not an option is an input, and the driver reports each missing input.
            let (_, stderr) = clang(version, &["-fsyntax-only", "-x", "c", &argument]);
            let mut seen = String::new();
            let marker = "no such file or directory: '";
            for part in stderr.split(marker).skip(1) {
                let end = part.find("'\nclang").or_else(|| part.rfind('\'')).unwrap();
                seen += &part[..end];
                seen.push('\u{1}');
            }
            assert_eq!(seen, content, "clang {version} of {text:?}: {stderr}");
        }
    }
}

/// Whether clang takes the word after `option` as its value; otherwise it reports the word as a missing input.
fn consumed(version: &str, option: &str, values: usize) -> Option<bool> {
    let mut args = vec!["-###", "-fsyntax-only", "-x", "c", option];
    args.extend(std::iter::repeat_n("/nonexistent/value.c", values));
    args.extend(["/dev/null"]);
    let (_, stderr) = clang(version, &args);
    if stderr.contains("unknown argument") || stderr.contains("unsupported option") {
        return None;
    }
    Some(!stderr.contains("no such file or directory: '/nonexistent/value.c'"))
}

/// The result of LLVM's search in the table: the longest spelling that is a prefix of the argument and
/// whose kind accepts the rest.
fn longest_listed(argument: &[u8]) -> Option<&'static [u8]> {
    let lines = options_table::TABLE.lines();
    let fits = lines.filter_map(|line| {
        let (spelling, kind) = line.split_once(' ').unwrap();
        let behind = argument.strip_prefix(spelling.as_bytes())?;
        (behind.is_empty() || "JSA".contains(kind)).then_some(spelling.as_bytes())
    });
    fits.max_by_key(|spelling| spelling.len())
}

#[test]
fn the_longest_spelling_is_found_whatever_is_in_front_of_it_or_behind() {
    for line in options_table::TABLE.lines() {
        let (spelling, _) = line.split_once(' ').unwrap();
        let cut = (1..=spelling.len()).map(|len| spelling[..len].to_owned());
        let longer = ["=", "x", "=x", "-", "\x01", "\x7f"].map(|more| format!("{spelling}{more}"));
        for argument in cut.chain(longer) {
            let found = options::find(argument.as_bytes()).map(|found| found.name);
            let found = found.filter(|name| !name.is_empty());
            assert_eq!(found, longest_listed(argument.as_bytes()), "{argument:?}");
        }
    }
}

#[test]
fn clang_agrees_about_values() {
    let mut compared = 0;
    for line in options_table::TABLE.lines() {
        let (spelling, kind) = line.split_once(' ').unwrap();
        // An argument of kind A needs something after the spelling.
        let (option, values) = match kind {
            "A" => (format!("{spelling}gfx906"), 1),
            "S" => (spelling.to_owned(), 1),
            "1" | "2" | "3" => (spelling.to_owned(), kind.parse().unwrap()),
            _ => continue,
        };
        let found = options::find(option.as_bytes()).unwrap();
        assert_eq!(
            (found.name, found.values),
            (spelling.as_bytes(), values),
            "{option}"
        );
        for version in ["15", "19"] {
            // These make the driver stop, or read the value as a file, before it looks at inputs.
            let reads = [
                "--config",
                "-ivfsoverlay",
                "-vfsoverlay",
                "--vfsoverlay",
                "-x",
            ];
            if reads.contains(&spelling) || spelling == "--language" {
                continue;
            }
            match consumed(version, &option, values) {
                Some(true) => compared += 1,
                Some(false) => {
                    // The versions disagree, and the generator has an entry for it.
                    let line = format!("clang++ -c a.cpp {option} x");
                    assert_ne!(outcome(OTHER, &line), "launch", "clang {version}");
                }
                None => {}
            }
        }
    }
    assert!(compared > 200, "only {compared} compared");
}

/// Flags of the table that a launched call may contain: the word after each is an input.
fn harmless_flags() -> Vec<&'static str> {
    let lines = options_table::TABLE.lines();
    let flags = lines.filter_map(|line| line.strip_suffix(" F").or(line.strip_suffix(" J")));
    flags
        .filter(|flag| outcome(OTHER, &format!("clang++ {flag} -c a.cpp")) == "launch")
        .collect()
}

#[test]
fn clang_takes_what_is_behind_a_flag_for_an_input() {
    let flags = harmless_flags();
    assert!(flags.len() > 120, "only {}", flags.len());
    for version in ["15", "19"] {
        // All in one call: the driver reports every missing input.
        let mut args = vec!["-###".to_owned(), "-fsyntax-only".into(), "-xc".into()];
        for (number, flag) in flags.iter().enumerate() {
            args.extend([(*flag).to_owned(), format!("/nonexistent/{number}.c")]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (_, stderr) = clang(version, &args);
        for (number, flag) in flags.iter().enumerate() {
            let missing = format!("no such file or directory: '/nonexistent/{number}.c'");
            assert!(stderr.contains(&missing), "clang {version}: {flag}");
        }
    }
}

#[test]
fn the_committed_option_table_is_what_the_script_writes() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/generate-options.sh");
    let output = Command::new(script).arg("--check").output().unwrap();
    // Bypasses the test harness, which captures the output of a passing test: the test may have had nothing
    // to compare.
    std::io::stderr().write_all(&output.stderr).unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&text)
    );
}
