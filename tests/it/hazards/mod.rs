//! Never a wrong object: what launchers return from their caches after something that affects a compile has changed.
//!
//! A case goes through one or more states that differ in one thing. In each state the bare compiler's files are the
//! expected result. A call through the shim must make the same files, and again from the cache, or go straight to the
//! compiler for a reason. The results form the table in `docs/correctness.md`. The tests write the table
//! (`ROCK_WRAP_WRITE_TABLE=1`) or compare it with what they see. Most cases have a control: the bare compiler's
//! results must differ between two states.

mod bitcode;
mod compiler;
mod depfiles;
mod forms;
mod ids;
mod options;
mod paths;
mod settings;
mod side_outputs;
pub mod site;
mod steering;
mod table;
mod text;
mod time;
pub mod trial;
pub mod units;
mod xarch;

use std::path::Path;
use std::time::Instant;

use crate::support::compilers;
use site::{Launcher, Site};
use table::Table;
use trial::Trial;

/// A way in which a cache can go wrong: a row of the table.
pub struct Case {
    /// The row's name in the table.
    pub row: &'static str,
    /// The first release of clang that supports the case.
    pub since: u32,
    /// The form of the tests in which it runs.
    pub form: Form,
    /// Sets up and checks the states.
    pub run: fn(&mut Trial<'_>),
}

/// The long form of the tests runs every case with every launcher and clang. The quick form runs a case twice, with
/// ccache and with one release of sccache, each time on another one of its two compilers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In the quick form with sccache 0.17: what most people do.
    Sccache17,
    /// In the quick form with sccache 0.16, which most people have.
    Sccache16,
    /// In the long form only: the case is slow, or much like another one.
    Long,
}

/// A case for every clang, of the form [`Form::Sccache16`].
pub const fn case(row: &'static str, run: fn(&mut Trial<'_>)) -> Case {
    Case {
        row,
        since: 15,
        form: Form::Sccache16,
        run,
    }
}

impl Case {
    /// See [`Form::Sccache17`].
    pub const fn with_sccache_17(mut self) -> Self {
        self.form = Form::Sccache17;
        self
    }

    /// See [`Form::Long`].
    pub const fn long(mut self) -> Self {
        self.form = Form::Long;
        self
    }

    /// Restricts the case to this release of clang and later ones.
    pub const fn since(mut self, clang: u32) -> Self {
        self.since = clang;
        self
    }
}

/// The table's headings, each with the rows below it.
const FAMILIES: &[(&str, &[Case])] = &[
    ("Device bitcode", bitcode::CASES),
    ("The compiler's own parts", compiler::CASES),
    ("Variables that steer clang", steering::CASES),
    ("Ids of compilation units", ids::CASES),
    ("Dependency files", depfiles::CASES),
    ("Side outputs", side_outputs::CASES),
    ("Options for one side", xarch::CASES),
    ("Paths, directories, time", paths::CASES),
    ("Forms of a HIP compile", forms::CASES),
    ("What the text does not show", text::CASES),
    ("Dates and times", time::CASES),
    ("Options that launchers read otherwise", options::CASES),
    ("Settings of the launcher", settings::CASES),
];

/// Whether to run the long form: if it was requested, and to write the table.
fn full() -> bool {
    compilers::full() || Table::is_written()
}

/// The release of clang whose results are written to the table. The results of all releases are compared with it.
const OF_THE_TABLE: u32 = 19;

/// Runs the cases with `launcher` on each compiler: all of them, or those that are due in the quick form.
fn prove(launcher: &Launcher) {
    if launcher.quick.is_empty() && !full() {
        return;
    }
    let Some(program) = launcher.program() else {
        return;
    };
    if Table::is_written() {
        prove_with(launcher, &program, OF_THE_TABLE, |_| true);
        return;
    }
    let clangs = compilers::clangs(&compilers::QUICK);
    // If `ROCK_WRAP_TEST_CLANGS` names other compilers, every case runs on each of them.
    let in_turn = !full() && clangs == compilers::QUICK;
    for (index, clang) in clangs.iter().enumerate() {
        let is_due = |case| !in_turn || (case + launcher.first) % clangs.len() == index;
        prove_with(launcher, &program, *clang, is_due);
    }
}

fn prove_with(launcher: &Launcher, program: &Path, clang: u32, is_due: impl Fn(usize) -> bool) {
    let site = Site::new(clang, launcher, program);
    let mut column = Vec::new();
    let mut wrong = Vec::new();
    let cases = FAMILIES.iter().flat_map(|(_, cases)| cases.iter());
    for (number, case) in cases.enumerate() {
        let is_in_form = launcher.quick.contains(&case.form) || full();
        if case.since > clang || !is_in_form || !is_due(number) {
            continue;
        }
        let began = Instant::now();
        let mut trial = Trial::new(&site);
        (case.run)(&mut trial);
        let (cell, faults) = trial.end();
        println!("{:6.2} s  {}", began.elapsed().as_secs_f32(), case.row);
        wrong.extend(faults.iter().map(|fault| format!("{}: {fault}", case.row)));
        column.push((case.row, cell));
    }
    let objects = site.objects.get();
    println!(
        "{}, clang {clang}: {objects} results compared",
        launcher.name
    );
    assert!(wrong.is_empty(), "clang {clang}: {}", wrong.join("\n"));
    Table::hold(launcher, &site, &column);
}

#[test]
fn sccache_0_19_makes_no_wrong_object() {
    prove(&site::SCCACHE_19);
}

#[test]
fn sccache_0_17_makes_no_wrong_object() {
    prove(&site::SCCACHE_17);
}

#[test]
fn sccache_0_16_makes_no_wrong_object() {
    prove(&site::SCCACHE_16);
}

#[test]
fn sccache_0_4_makes_no_wrong_object() {
    prove(&site::SCCACHE_4);
}

#[test]
fn ccache_4_14_makes_no_wrong_object() {
    prove(&site::CCACHE_14);
}

#[test]
fn ccache_4_7_makes_no_wrong_object() {
    prove(&site::CCACHE_7);
}
