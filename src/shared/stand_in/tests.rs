use super::*;

fn plan<'a>(texts: &[TextSide<'a>]) -> StandInPlan<'a> {
    StandInPlan {
        kind: LauncherKind::Sccache,
        real: b"/opt/a b/bin/clang++.7625",
        name: b"../bin/clang++",
        input: b"src/3:k.hip",
        root: b"/a b/",
        up: b"../",
        colours: true,
        parts: None,
        call: 4711,
        texts: texts.to_vec(),
    }
}

#[test]
fn a_plan_survives_the_environment() {
    for texts in [
        &[TextSide::Whole][..],
        &[
            TextSide::Device(b"gfx942:xnack-"),
            TextSide::Device(b""),
            TextSide::Host,
        ],
    ] {
        let plan = plan(texts);
        let entry = plan.entry();
        let value = entry
            .to_bytes()
            .strip_prefix(b"ROCK_WRAP_STAND_IN=")
            .unwrap();
        assert_eq!(StandInPlan::parse(value), Some(plan));
        for len in 0..value.len() {
            assert_eq!(StandInPlan::parse(&value[..len]), None, "{len}");
        }
    }
    assert_eq!(StandInPlan::parse(b"99999999999999999999999:x"), None);
}

#[test]
fn a_compile_is_asked_for_colours_unless_the_call_has_its_own_mind() {
    let mut plan = plan(&[TextSide::Whole]);
    let words = plan.words(&[c"-c", c"-fno-color-diagnostics", c"k.hip"]);
    let expected = [
        c"-fcolor-diagnostics",
        c"-c",
        c"-fno-color-diagnostics",
        c"k.hip",
    ];
    assert_eq!(words, expected);
    let words = plan.words(&[c"-fdiagnostics-color=auto", c"-c", c"k.hip"]);
    let expected = [
        c"-fcolor-diagnostics",
        c"-fdiagnostics-color=always",
        c"-c",
        c"k.hip",
    ];
    assert_eq!(words, expected);
    assert_eq!(plan.words(&[c"--version"]), [c"--version"]);
    plan.colours = false;
    let words = [c"-fdiagnostics-color=auto", c"-c", c"a.s"];
    assert_eq!(plan.words(&words), words);
}

#[test]
fn the_text_of_the_compile_is_told_from_the_launchers_own_questions() {
    let plan = plan(&[TextSide::Whole]);
    let asked = |words: &[&CStr]| plan.question(words).is_some();
    assert!(asked(&[c"-x", c"hip", c"-E", c"-DX", c"src/3:k.hip"]));
    // ccache may make a path relative.
    assert!(asked(&[c"-E", c"-o", c"/tmp/x", c"../3:k.hip"]));
    assert!(!asked(&[c"-x", c"c", c"-E", c"/tmp/sccache/testfile.c"]));
    assert!(!asked(&[c"-c", c"src/3:k.hip", c"-o", c"k.o"]));
    assert!(!asked(&[c"--version"]));
    // A value is not an option.
    assert!(!asked(&[c"-MT", c"-E", c"-c", c"src/3:k.hip"]));
    assert!(!asked(&[c"-I", c"-E", c"-c", c"src/3:k.hip"]));
}

#[test]
fn what_would_change_the_texts_form_is_left_out() {
    let question = Question::of(&[
        c"-x",
        c"hip",
        c"-E",
        c"-P",
        c"-fminimize-whitespace",
        c"--offload-compress",
        c"-D",
        c"-P",
        c"-o",
        c"out.i",
        c"-MF",
        c"-o",
        c"k.hip",
    ])
    .unwrap();
    let words = [c"-x", c"hip", c"-E", c"-D", c"-P", c"-MF", c"-o", c"k.hip"];
    assert_eq!(question.words, words);
    assert_eq!(question.output, Some(c"out.i"));
    let output = |word| Question::of(&[c"-E", word]).unwrap().output;
    assert_eq!(output(c"-oout.i"), Some(c"out.i"));
    assert_eq!(output(c"-object"), None);
}

#[test]
fn each_side_is_asked_for_by_the_drivers_own_options() {
    let words = |side| {
        let words = Question::for_side(side).into_iter();
        words
            .map(|word| word.into_string().unwrap())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(words(TextSide::Whole), "");
    assert_eq!(
        words(TextSide::Host),
        "--offload-host-only -Qunused-arguments"
    );
    assert_eq!(
        words(TextSide::Device(b"")),
        "--offload-device-only -Qunused-arguments"
    );
    assert_eq!(
        words(TextSide::Device(b"gfx942")),
        "--offload-device-only --no-offload-arch=all --offload-arch=gfx942 -Qunused-arguments"
    );
}
