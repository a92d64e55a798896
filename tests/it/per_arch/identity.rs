//! The object, the depfile, the messages and the status of a split compile are those of the whole compile.

use super::forms::{Form, SPLIT, WHOLE};
use super::site::{Compiled, Project, Site, differs, missed};
use super::{in_turn, with_clangs};
use crate::hazards::site::{CCACHE_14, Call, Launcher, Made, SCCACHE_16};
use crate::support::compilers;

#[test]
fn sccache_split_compiles_are_identical_to_whole_ones() {
    every_form(&SCCACHE_16);
}

#[test]
fn ccache_split_compiles_are_identical_to_whole_ones() {
    every_form(&CCACHE_14);
}

fn every_form(launcher: &Launcher) {
    with_clangs(&[19], launcher, |site| {
        let clang = site.base.clang;
        let due = |form: &&Form| form.since <= clang && (form.quick || compilers::full());
        let mut wrong = Vec::new();
        for form in in_turn(site, SPLIT.iter().filter(due)) {
            if let Err(how) = through_all_states(site, form) {
                wrong.push(format!("{}: {how}", form.name));
            }
        }
        assert!(wrong.is_empty(), "clang {clang}: {}", wrong.join("\n"));
    });
}

/// Checks a form cold, warm, with an architecture added, and after an edit that one architecture sees.
fn through_all_states(site: &Site, form: &Form) -> Result<(), String> {
    let p = site.project();
    let call = (form.call)(&p, form.archs);
    let truth = p.truth(&call);
    expect(&p, "cold", &call, &truth, Some(form.archs))?;
    expect(&p, "warm", &call, &truth, None)?;
    let more = (form.call)(&p, &[form.archs, &[form.added]].concat());
    let before = p.truth(&more);
    let added = [form.added];
    expect(&p, "an architecture added", &more, &before, Some(&added))?;
    p.edit(form.archs[0], 2);
    let after = p.truth(&more);
    if before.differs_from(&after).is_none() {
        return Err("the control: the edit makes no difference".to_owned());
    }
    // The other architectures may be compiled again too, because their messages contain columns.
    let done = compared(&p, &more, &after).map_err(|how| format!("edited: {how}"))?;
    match &done.parts {
        Some(parts) if missed(parts).contains(&form.archs[0]) => Ok(()),
        _ => Err(format!("edited: {done:?}")),
    }
}

/// Makes the call through the shim. The error says how the result differs from `truth`, the bare compiler's.
fn compared(p: &Project<'_>, call: &Call, truth: &Made) -> Result<Compiled, String> {
    let compiled = p.compile(call);
    differs(&compiled.made, truth).map_or(Ok(compiled), Err)
}

/// Checks that the call makes what the bare compiler makes. It must be split with exactly the architectures `compiled`
/// compiled, or must not be split if `compiled` is `None`.
fn expect(
    p: &Project<'_>,
    state: &str,
    call: &Call,
    truth: &Made,
    compiled: Option<&[&str]>,
) -> Result<(), String> {
    let done = compared(p, call, truth).map_err(|how| format!("{state}: {how}"))?;
    let mut seen = done.parts.as_ref().map(missed);
    seen.iter_mut().for_each(|archs| archs.sort_unstable());
    let mut due = compiled.map(<[&str]>::to_vec);
    due.iter_mut().for_each(|archs| archs.sort_unstable());
    if seen == due && done.direct.is_none() {
        return Ok(());
    }
    Err(format!(
        "{state}: compiled {seen:?} instead of {due:?}: {done:?}"
    ))
}

#[test]
fn forms_that_cannot_be_split_are_compiled_whole_under_sccache() {
    every_refusal(&SCCACHE_16);
}

#[test]
fn forms_that_cannot_be_split_are_compiled_whole_under_ccache() {
    every_refusal(&CCACHE_14);
}

fn every_refusal(launcher: &Launcher) {
    with_clangs(&[19], launcher, |site| {
        let clang = site.base.clang;
        let mut wrong = Vec::new();
        for (name, args) in in_turn(site, WHOLE) {
            let p = site.project();
            let call = p.hip(&["gfx900", "gfx90a"], args);
            // If the compiler's output differs from run to run (clang 23 with -gsplit-dwarf), it cannot be compared.
            let truth = p.truth(&call);
            if truth.differs_from(&p.truth(&call)).is_some() {
                wrong.extend(p.compile(&call).parts.map(|_| format!("{name}: split")));
                continue;
            }
            let states = ["cold", "warm"];
            for state in &states[..if compilers::full() { 2 } else { 1 }] {
                match compared(&p, &call, &truth).and_then(|done| match done.parts {
                    None => Ok(()),
                    Some(parts) => Err(format!("split: {parts:?}")),
                }) {
                    Ok(()) => {}
                    Err(how) => wrong.push(format!("{name}, {state}: {how}")),
                }
            }
        }
        assert!(wrong.is_empty(), "clang {clang}: {}", wrong.join("\n"));
    });
}
