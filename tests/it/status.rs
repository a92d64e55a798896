//! What `rock-wrap status` reports about a compiler or a stand-in that was changed after the install.

use crate::support::launchers::ccache;
use crate::support::rewrite;
use crate::support::rocm::{Rocm, ran};
use crate::support::tree::Layout;

fn wrapped() -> Rocm {
    let rocm = Rocm::new(19, Layout::Symlink);
    rocm.wrap(&ccache());
    rocm
}

/// What `status --json` says about the compiler behind the first shim, and the exit status.
fn standing(rocm: &Rocm) -> (String, i32) {
    let ran = ran(rocm.rock_wrap("status").arg("--json"));
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let is = json["compilers"][0]["shim"]["compiler"]["is"].as_str();
    (is.unwrap().to_owned(), ran.status.code().unwrap())
}

#[test]
fn content_that_was_replaced_in_place_is_an_error_until_the_next_install() {
    let rocm = wrapped();
    assert_eq!(standing(&rocm), ("same".to_owned(), 0));
    rewrite(&rocm.bin().join("lld"));
    assert_eq!(standing(&rocm), ("rewritten".to_owned(), 1));
    let ran = ran(&mut rocm.rock_wrap("status"));
    assert!(ran.err.contains("/lld"), "{}", ran.err);
    assert!(
        ran.err.contains("hint: run `rock-wrap install`"),
        "{}",
        ran.err
    );
    rocm.wrap(&ccache());
    assert_eq!(standing(&rocm), ("same".to_owned(), 0));
}

#[test]
fn a_stand_in_that_is_missing_or_damaged_is_reported_until_the_next_install() {
    use std::os::unix::fs::PermissionsExt;
    let rocm = wrapped();
    let stand_in = rocm.bin().join("clang++.9727");
    let says = || {
        let ran = ran(rocm.rock_wrap("status").arg("--json")).ok();
        let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(json["state"], "wrapped");
        let of = |name: &str| {
            let list = json["compilers"].as_array().unwrap();
            let it = list.iter().find(|it| it["name"] == name).unwrap();
            it["shim"]["stand_in"].as_str().unwrap().to_owned()
        };
        assert_eq!(of("clang"), "right");
        of("clang++")
    };
    assert_eq!(says(), "right");
    assert_eq!(ran(&mut rocm.rock_wrap("status")).ok().err, "");
    let damages: [(&str, &dyn Fn()); 4] = [
        ("missing", &|| std::fs::remove_file(&stand_in).unwrap()),
        ("other", &|| std::fs::write(&stand_in, "damaged").unwrap()),
        ("other", &|| {
            let mode = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(&stand_in, mode).unwrap();
        }),
        ("other", &|| {
            std::fs::remove_file(&stand_in).unwrap();
            std::os::unix::fs::symlink("clang++.7625", &stand_in).unwrap();
        }),
    ];
    for (expected, damage) in damages {
        damage();
        assert_eq!(says(), expected);
        let ran = ran(&mut rocm.rock_wrap("status")).ok();
        let path = stand_in.to_str().unwrap();
        let hint = "run `rock-wrap install` again";
        assert!(
            ran.err.contains(path) && ran.err.contains(hint),
            "{}",
            ran.err
        );
        rocm.wrap(&ccache());
        assert_eq!(says(), "right");
    }
}

#[test]
fn a_new_hard_link_does_not_count_as_a_change() {
    let rocm = wrapped();
    std::fs::hard_link(rocm.bin().join("lld"), rocm.beside("lld")).unwrap();
    assert_eq!(standing(&rocm), ("touched".to_owned(), 0));
    let ran = ran(&mut rocm.rock_wrap("status")).ok();
    assert_eq!(ran.err, "");
}

#[test]
fn a_file_that_was_replaced_is_reported_with_the_consequence() {
    let rocm = wrapped();
    let (lld, new) = (rocm.bin().join("lld"), rocm.beside("lld"));
    std::fs::copy(&lld, &new).unwrap();
    std::fs::rename(&new, &lld).unwrap();
    assert_eq!(standing(&rocm), ("replaced".to_owned(), 0));
    let ran = ran(&mut rocm.rock_wrap("status")).ok();
    assert!(
        ran.err
            .contains("nothing is cached until `rock-wrap install`"),
        "{}",
        ran.err
    );
}
