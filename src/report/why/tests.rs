use super::*;
use crate::report::ingredients::Ingredients;
use crate::report::parts::Part;

/// A report with one call, from its arguments and files.
fn report(words: &[&str], files: &[(&str, &str)]) -> StoredReport {
    let number = |count: usize| (0..).take(count).collect::<Vec<u32>>();
    let own = |text: &&str| (*text).to_owned();
    StoredReport {
        units: vec![Unit {
            source: Some("/src/a.hip".to_owned()),
            output: Some("a.o".to_owned()),
            launched: true,
            outcome: Some(CacheOutcome::Miss),
            made_of: Some(CallIngredients {
                arguments: Some(number(words.len())),
                environment: Some(Vec::new()),
                groups: Some(vec![0]),
                ..CallIngredients::default()
            }),
            ..Unit::default()
        }],
        ingredients: Some(Ingredients {
            words: words.iter().map(own).collect(),
            files: files
                .iter()
                .map(|(name, digest)| (own(name), own(digest)))
                .collect(),
            groups: vec![number(files.len())],
            ..Ingredients::NONE
        }),
        ..StoredReport::default()
    }
}

fn cause(new: &StoredReport, old: &StoredReport) -> (String, &'static str) {
    let why = explain(new, old, None);
    let [cause] = &why.causes[..] else {
        panic!("{why:?}")
    };
    (cause.text.clone(), cause.id)
}

#[test]
fn a_difference_is_named_as_what_it_is() {
    let files = &[("/src/a.hip", "1"), ("g.h", "2")][..];
    let base = [
        "clang++",
        "-O2",
        "-DX=1",
        "-I",
        "/b/x1/inc",
        "-c",
        "/src/a.hip",
        "-o",
        "a.o",
    ];
    let with = |from: &'static str, to: &'static str| {
        base.map(move |word| if word == from { to } else { word })
    };
    let old = report(&base, files);
    for (words, text, id) in [
        (
            &base[..],
            "nothing differs: evicted, or never stored",
            "evicted",
        ),
        (&with("-DX=1", "-DX=2"), "-DX=2 was -DX=1", "arguments"),
        (&with("-O2", "-O3"), "-O3 was -O2", "arguments"),
        (
            &with("/b/x1/inc", "/b/x2/inc"),
            "/b/x2 is another path than before (/b/x1)",
            "directory",
        ),
        (&[&base[..], &["-g"]].concat(), "-g is new", "arguments"),
        (
            &base[..8]
                .iter()
                .chain(&["a.o", "--offload-arch=gfx950"])
                .copied()
                .collect::<Vec<_>>(),
            "gfx950 is new",
            "architectures",
        ),
        (
            &[&["clang++", "-DX=1", "-O2"][..], &base[3..]].concat(),
            "the arguments are in another order",
            "arguments",
        ),
    ] {
        assert_eq!(
            cause(&report(words, files), &old),
            (text.to_owned(), id),
            "{words:?}"
        );
    }
    for (files, text, id) in [
        (
            &[("/src/a.hip", "1"), ("g.h", "3")][..],
            "g.h changed",
            "files",
        ),
        (
            &[("/src/a.hip", "9"), ("g.h", "2")],
            "the source changed",
            "source",
        ),
        (
            &[("/src/a.hip", "1"), ("g.h", "2"), ("n.h", "3")],
            "n.h is included now",
            "files",
        ),
    ] {
        assert_eq!(
            cause(&report(&base, files), &old),
            (text.to_owned(), id),
            "{files:?}"
        );
    }
}

#[test]
fn a_build_elsewhere_is_compared_by_the_names_of_its_files() {
    let old = report(&["clang++", "-c", "/tmp/pip-1/a.hip"], &[("x.h", "1")]);
    let mut new = report(&["clang++", "-c", "/tmp/pip-2/a.hip"], &[("x.h", "1")]);
    new.units[0].source = Some("/tmp/pip-2/a.hip".to_owned());
    let (text, id) = cause(&new, &old);
    assert_eq!(
        (text.as_str(), id),
        (
            "/tmp/pip-2 is another path than before (/tmp/pip-1)",
            "directory"
        )
    );
    new.units[0].source = Some("/tmp/pip-2/b.hip".to_owned());
    assert_eq!(cause(&new, &old).1, "new");
}

#[test]
fn what_most_calls_have_in_common_is_the_cause() {
    let mut new = report(&["clang++", "-DA=2", "-DB=2"], &[]);
    let mut old = report(&["clang++", "-DA=1", "-DB=1"], &[]);
    // Ten more calls that differ in the second macro only.
    new.ingredients
        .as_mut()
        .unwrap()
        .words
        .push("-DA=1".to_owned());
    for number in 0..10 {
        for (report, words) in [(&mut new, vec![0, 3, 2]), (&mut old, vec![0, 1, 2])] {
            let mut unit = report.units[0].clone();
            unit.output = Some(format!("{number}.o"));
            unit.made_of.as_mut().unwrap().arguments = Some(words);
            report.units.push(unit);
        }
    }
    let why = explain(&new, &old, None);
    let causes: Vec<_> = why
        .causes
        .iter()
        .map(|cause| (cause.text.as_str(), cause.units.len()))
        .collect();
    assert_eq!(causes, [("-DB=2 was -DB=1", 11)]);
}

#[test]
fn of_a_compile_that_was_split_it_says_what_was_compiled() {
    let words = ["clang++", "-c", "/src/a.hip", "-o", "a.o"];
    let (old, mut new) = (
        report(&words, &[("g.h", "1")]),
        report(&words, &[("g.h", "2")]),
    );
    for (parts, text) in [
        ("", "g.h changed"),
        ("gfx942=miss gfx950=miss host=host", "g.h changed"),
        (
            "gfx942=hit gfx950=miss host=host",
            "g.h changed, and only gfx950 was compiled",
        ),
        (
            "gfx90a=miss gfx942=hit gfx950=miss host=host",
            "g.h changed, and only gfx90a, gfx950 were compiled",
        ),
        (
            "gfx942=hit gfx950=hit host=host",
            "g.h changed, and only the host was compiled",
        ),
    ] {
        let part = |(arch, outcome): (&str, &str)| Part {
            arch: arch.to_owned(),
            outcome: match outcome {
                "hit" => CacheOutcome::Hit,
                "miss" => CacheOutcome::Miss,
                _ => CacheOutcome::Uncached,
            },
            start: None,
            seconds: None,
            peak_memory: None,
        };
        let parts = parts.split(' ').filter_map(|part| part.split_once('='));
        new.units[0].parts = parts.map(part).collect();
        assert_eq!(cause(&new, &old), (text.to_owned(), "files"));
    }
}

#[test]
fn a_new_architecture_is_told_from_those_that_hit_call_by_call() {
    let old = report(&["clang++", "--offload-arch=gfx942"], &[]);
    let mut new = report(&["clang++", "--offload-arch=gfx942,gfx950"], &[]);
    new.units.push(new.units[0].clone());
    // The second unit was edited too.
    for (unit, of_gfx942) in new
        .units
        .iter_mut()
        .zip([CacheOutcome::Hit, CacheOutcome::Miss])
    {
        unit.parts = [
            ("gfx942", of_gfx942),
            ("gfx950", CacheOutcome::Miss),
            ("host", CacheOutcome::Uncached),
        ]
        .map(|(arch, outcome)| Part {
            arch: arch.to_owned(),
            outcome,
            start: None,
            seconds: None,
            peak_memory: None,
        })
        .to_vec();
    }
    let why = explain(&new, &old, None);
    let mut texts: Vec<_> = why.causes.iter().map(|cause| cause.text.as_str()).collect();
    texts.sort();
    assert_eq!(
        texts,
        [
            "gfx950 is new",
            "gfx950 is new, and the other architectures hit"
        ]
    );
}
