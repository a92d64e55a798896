//! Compiles for several architectures that are cached by architecture (`install --per-arch`).
//!
//! A user must not be able to tell a compile that was split from one that was not, except by its speed. Every case
//! checks that its calls were really split, by the line that a split call writes to `ROCK_WRAP_EVENTS`.

mod ends;
mod errors;
mod forms;
mod hold;
mod identity;
mod jobs;
mod places;
mod reuse;
mod running;
mod site;
mod units;

use crate::hazards::site::Launcher;
use crate::support::compilers;
use site::Site;

/// The compilers of the long form: all releases but 17.
const CLANGS: [u32; 4] = [15, 19, 22, 23];

/// Runs a test with each compiler of this run: `quick` or [`CLANGS`].
fn with_clangs(quick: &[u32], launcher: &Launcher, test: impl Fn(&Site)) {
    let Some(program) = launcher.program() else {
        return;
    };
    let clangs = compilers::clangs(quick).into_iter();
    for clang in clangs.filter(|clang| CLANGS.contains(clang)) {
        test(&Site::new(clang, launcher, &program));
    }
}

/// The cases for the site's launcher. In the quick form each case runs with one of the two launchers.
fn in_turn<T>(site: &Site, cases: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let first = usize::from(site.base.cache.is_sccache());
    let due = move |number: usize| compilers::full() || number % 2 == first;
    let numbered = cases.into_iter().enumerate();
    numbered.filter_map(move |(number, case)| due(number).then_some(case))
}
