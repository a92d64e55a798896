//! Tests of the engine. Each file is one kind of test.

mod crash;
mod exact;
mod fault;
mod faults;
mod keeping;
mod random;
mod sim;
mod state;
mod table;
mod together;

use std::ffi::{OsStr, OsString};

use crate::install::apply::{Applied, apply};
use crate::install::drain::{Drain, Needs};
use crate::install::error::{Error, Failure};
use crate::install::fs::Fs;
use crate::install::goal::{Goal, Keep, Refusal, Want};
use crate::install::observe::observe;
use crate::install::plan::{Plan, plan};
use crate::install::step::Did;
use crate::shared::shim_config::Config;
use crate::shim_image::stamp;
use crate::support::time::Time;
use crate::trampoline::trampoline;

/// A drain that finds no process.
pub(super) struct Idle;

impl Drain for Idle {
    fn wait(&self, _: &Needs<'_>, _: &dyn Fn() -> Option<i32>) -> usize {
        0
    }
}

/// A drain that finds three processes which never end.
pub(super) struct Busy;

impl Drain for Busy {
    fn wait(&self, _: &Needs<'_>, _: &dyn Fn() -> Option<i32>) -> usize {
        3
    }
}

#[derive(Debug)]
#[expect(dead_code, reason = "shown by Debug when a test fails")]
pub(super) enum Trouble {
    Look(Error),
    Refused(Refusal),
    Failed(Failure),
}

pub(super) fn planned<F: Fs>(fs: &F, goal: &Goal) -> Result<Plan, Trouble> {
    let observed = observe(fs, goal.wants()).map_err(Trouble::Look)?;
    plan(&observed, goal).map_err(Trouble::Refused)
}

pub(super) fn run<F: Fs>(fs: &F, goal: &Goal) -> Result<Applied, Trouble> {
    let plan = planned(fs, goal)?;
    apply(fs, &plan, &|| None, &Idle).map_err(Trouble::Failed)
}

pub(super) fn refusal<F: Fs>(fs: &F, goal: &Goal) -> Refusal {
    match planned(fs, goal) {
        Err(Trouble::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

pub(super) fn did(outcome: &Applied, name: &str) -> Option<Did> {
    let found = outcome.names.iter().find(|did| did.name == name);
    found.map(|did| did.did)
}

pub(super) fn image(name: &str, launcher: &str) -> Vec<u8> {
    image_by(name, launcher, "")
}

fn image_by(name: &str, launcher: &str, writer: &str) -> Vec<u8> {
    let config = Config {
        name: name.as_bytes(),
        launcher: launcher.as_bytes(),
        writer: writer.as_bytes(),
        ..Config::default()
    };
    stamp(&config).unwrap()
}

/// The version that writes shims without stand-ins.
pub(super) const WITHOUT_STAND_IN: &str = "0.0.1";

/// The stand-in of a later release.
pub(super) const OTHER_TRAMPOLINE: &[u8] = b"\x7fELF another trampoline";

pub(super) const SCCACHE: &str = "/usr/bin/sccache";
pub(super) const CCACHE: &str = "/usr/bin/ccache";

/// The layouts of a compiler's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `clang++ -> clang -> clang-19`, as ROCm's packages have it.
    Symlinks,
    /// `clang` and `clang++` are small programs that run the compiler, as in the wheels.
    Stubs,
    /// `clang` is the ELF and `clang++ -> clang`, as in Debian's and old ROCm's.
    Regular,
    /// `clang` and `clang++` are hard links to the ELF file, as in some archives.
    HardLinks,
}

pub(super) const LAYOUTS: [Layout; 4] = [
    Layout::Symlinks,
    Layout::Stubs,
    Layout::Regular,
    Layout::HardLinks,
];

impl Layout {
    fn keep(self, name: &str) -> Keep {
        let target = match (self, name) {
            (Self::Symlinks | Self::Stubs, _) => "clang-19",
            (Self::Regular, "clang++") => "clang.7625",
            (Self::Regular | Self::HardLinks, _) => return Keep::Move,
        };
        Keep::Aside {
            alias_target: target.into(),
        }
    }

    fn want(self, name: &str, launcher: &str) -> Want {
        Want {
            name: name.into(),
            image: image(name, launcher),
            stand_in: Some(trampoline().to_vec()),
            keep: self.keep(name),
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: Time {
                sec: 1_600_000_000,
                nsec: 123_456_789,
            },
        }
    }

    pub(super) fn install(self, launcher: &str) -> Goal {
        Goal::Install(vec![
            self.want("clang", launcher),
            self.want("clang++", launcher),
        ])
    }

    /// What another release installs.
    pub(super) fn install_by(self, writer: &str, stand_in: Option<&[u8]>) -> Goal {
        let want = |name| Want {
            image: image_by(name, SCCACHE, writer),
            stand_in: stand_in.map(<[u8]>::to_vec),
            ..self.want(name, SCCACHE)
        };
        Goal::Install(vec![want("clang"), want("clang++")])
    }

    /// What a release without stand-ins installs.
    pub(super) fn install_older(self) -> Goal {
        self.install_by(WITHOUT_STAND_IN, None)
    }

    /// What a release with another stand-in installs.
    pub(super) fn install_newer(self) -> Goal {
        self.install_by("99.0.0", Some(OTHER_TRAMPOLINE))
    }
}

pub(super) const ELF: &[u8] = b"\x7fELF the real compiler";
pub(super) const STUB: &[u8] = b"#!/bin/sh\nexec \"${0%/*}/clang-19\" \"$@\"\n";

pub(super) fn os(name: &str) -> &OsStr {
    OsStr::new(name)
}

pub(super) fn own(name: &str) -> OsString {
    name.into()
}

/// A tree's listing without inode numbers.
pub(super) fn without_inodes(listing: &[String]) -> Vec<String> {
    let drop = |line: &String| {
        let mut words: Vec<_> = line.split(' ').collect();
        let at = words.iter().position(|word| *word == "links").unwrap();
        words.drain(at..at + 4);
        words.join(" ")
    };
    listing.iter().map(drop).collect()
}
