//! What `rock-wrap status` says of a compiler that was changed after the install.

mod support;

use support::rewrite;
use support::rocm::{Rocm, ccache, ran};

fn wrapped() -> Rocm {
    let rocm = Rocm::new(19, "symlink");
    rocm.wrap(&ccache());
    rocm
}

/// What its JSON says of the compiler behind the first shim.
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
fn a_new_hard_link_is_no_change() {
    let rocm = wrapped();
    std::fs::hard_link(rocm.bin().join("lld"), rocm.beside("lld")).unwrap();
    assert_eq!(standing(&rocm), ("touched".to_owned(), 0));
    let ran = ran(&mut rocm.rock_wrap("status")).ok();
    assert_eq!(ran.err, "");
}

#[test]
fn a_file_that_was_put_in_anothers_place_is_told_with_what_follows() {
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
