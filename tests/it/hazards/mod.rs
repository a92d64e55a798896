//! Never a wrong object: what launchers return from their caches while things change that decide what
//! the compiler makes.
//!
//! Each case goes through states between which one thing changes. In each state the compiler itself
//! says what is right; a call through the shim has to make the same files, and once more from the
//! cache, or go straight to the compiler for a reason. What comes of it is the table in
//! `docs/correctness.md`, which these tests write (`ROCK_WRAP_WRITE_TABLE=1`) and otherwise hold
//! against what they see. Each case has a control: that the right results differ.

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
    /// What the table calls it.
    pub row: &'static str,
    /// The first clang that knows the options of it.
    pub since: u32,
    /// In which form of the tests it runs.
    pub form: Form,
    /// Goes through the states.
    pub run: fn(&mut Trial<'_>),
}

/// The long form of the tests has every case for every launcher and clang. The short form goes through a case once
/// with ccache and once with one of the releases of sccache, on its compilers in turn, so that each case is on each of
/// them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In the short form for the newer sccache: what most people do.
    Everywhere,
    /// In the short form for the sccache that most people have.
    Newer,
    /// In the long form only: much like another one, or slow.
    Long,
}

/// A case for every clang.
pub const fn case(row: &'static str, run: fn(&mut Trial<'_>)) -> Case {
    Case {
        row,
        since: 15,
        form: Form::Newer,
        run,
    }
}

impl Case {
    /// See [`Form::Everywhere`].
    pub const fn everywhere(mut self) -> Self {
        self.form = Form::Everywhere;
        self
    }

    /// See [`Form::Long`].
    pub const fn long(mut self) -> Self {
        self.form = Form::Long;
        self
    }

    /// From this clang on.
    pub const fn since(mut self, clang: u32) -> Self {
        self.since = clang;
        self
    }
}

/// The rows, below their headings.
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

/// Whether the long form was asked for.
fn full() -> bool {
    compilers::full() || Table::is_written()
}

/// What the table is written from, and held against what every other clang shows.
const OF_THE_TABLE: u32 = 19;

/// Puts `launcher` in front of each compiler and goes through all cases, or in the short form through some.
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
    // If compilers are named, every case runs on each of them.
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
