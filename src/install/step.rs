//! The steps of a plan, and the result of a plan for a name.
//!
//! Owns: their description, for people (Display) and for programs (Serialize). Must never execute
//! one.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::install::fs::{Attrs, Inode, Meta};
use crate::install::goal::Want;
use crate::install::journal::{Journal, Phase};
use crate::install::text;
use crate::rocm::names;

/// How an original is brought to K, where it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeping {
    /// By an exchange of names or, where the file system has none, a hard link. K does not exist.
    Ladder,
    /// The original is at K already.
    Already,
    /// K is stale, but other names' aliases may lead through it: a hard link replaces it.
    Replace,
}

/// One step. Display describes it for people, Serialize for programs.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[expect(missing_docs, reason = "Display says what each field is")]
pub enum Step {
    /// Checks with temporary files, before anything is changed, that what follows can be done.
    Probe {
        /// Whether to tolerate a full disk, as a restore must.
        even_if_full: bool,
        /// The names whose originals are to be kept, and how.
        #[serde(skip)]
        keep: Vec<(OsString, Keeping)>,
    },
    /// Writes the record.
    WriteRecord {
        phase: Phase,
        /// Whether the step must succeed. A restore must work on a full disk, so there it need not.
        required: bool,
        #[serde(skip)]
        journal: Arc<Journal>,
    },
    /// Creates the alias or replaces it.
    Alias {
        #[serde(serialize_with = "text::serialize")]
        alias: OsString,
        #[serde(serialize_with = "text::serialize")]
        target: OsString,
        over: bool,
    },
    /// Creates the stand-in or replaces it.
    StandIn {
        #[serde(serialize_with = "text::serialize")]
        stand_in: OsString,
        over: bool,
        #[serde(skip)]
        bytes: Arc<[u8]>,
        #[serde(skip)]
        attrs: Attrs,
    },
    /// Moves the original to K and puts the shim at N.
    Divert {
        #[serde(serialize_with = "text::serialize")]
        name: OsString,
        #[serde(serialize_with = "text::serialize")]
        kept: OsString,
        keeping: Keeping,
        #[serde(skip)]
        expect: Meta,
        #[serde(skip)]
        want: Arc<Want>,
    },
    /// Replaces a shim with another.
    Switch {
        #[serde(serialize_with = "text::serialize")]
        name: OsString,
        #[serde(skip)]
        expect: Meta,
        #[serde(skip)]
        want: Arc<Want>,
    },
    /// Puts the original back at its name.
    PutBack {
        #[serde(serialize_with = "text::serialize")]
        name: OsString,
        #[serde(serialize_with = "text::serialize")]
        kept: OsString,
        /// Whether K is the alias, and so stays until nothing needs it.
        keep_alias: bool,
        /// The shim that it replaces, if there is one at the name.
        #[serde(skip)]
        expect: Option<Meta>,
    },
    /// Recreates a lost symlink from the record.
    Relink {
        #[serde(serialize_with = "text::serialize")]
        at: OsString,
        #[serde(serialize_with = "text::serialize")]
        text: OsString,
        /// The shim that it replaces, if there is one.
        #[serde(skip)]
        expect: Option<Meta>,
        #[serde(skip)]
        attrs: Attrs,
    },
    /// Waits for processes that still need the aliases and stand-ins. There is no roll-back after it.
    Drain {
        #[serde(serialize_with = "texts")]
        aliases: Vec<OsString>,
        #[serde(skip)]
        shims: Vec<Inode>,
        /// The record to leave if they take too long.
        #[serde(skip)]
        journal: Arc<Journal>,
    },
    /// Removes one of rock-wrap's files.
    Remove {
        #[serde(serialize_with = "text::serialize")]
        name: OsString,
        #[serde(skip)]
        expect: Option<Meta>,
    },
}

fn texts<S: Serializer>(list: &[OsString], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(list.iter().map(|text| text::encode(text)))
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |name: &OsStr| text::encode(name);
        match self {
            Self::Probe { .. } => f.write_str("check that files can be made here"),
            Self::WriteRecord { phase, journal, .. } => {
                let list: Vec<_> = journal
                    .names
                    .iter()
                    .map(|entry| show(&entry.name))
                    .collect();
                let phase = match phase {
                    Phase::Installing => "installing",
                    Phase::Installed => "installed",
                    Phase::Restoring => "restoring",
                };
                write!(
                    f,
                    "record in {}: {phase} {}",
                    names::JOURNAL,
                    list.join(", ")
                )
            }
            Self::Alias {
                alias,
                target,
                over,
            } => {
                let verb = if *over { "replace" } else { "make" };
                write!(f, "{verb} symlink {} -> {}", show(alias), show(target))
            }
            Self::StandIn { stand_in, over, .. } => {
                let verb = if *over { "replace" } else { "make" };
                write!(f, "{verb} the stand-in {}", show(stand_in))
            }
            Self::Divert {
                name,
                kept,
                keeping,
                ..
            } => {
                let (name, kept) = (show(name), show(kept));
                match keeping {
                    Keeping::Ladder => write!(f, "keep {name} as {kept}, put the shim at {name}"),
                    Keeping::Already => write!(f, "put the shim at {name}, kept as {kept} already"),
                    Keeping::Replace => {
                        write!(
                            f,
                            "keep {name} as {kept} over what is stale there, put the shim at {name}"
                        )
                    }
                }
            }
            Self::Switch { name, .. } => write!(f, "replace the shim at {}", show(name)),
            Self::PutBack { name, kept, .. } => {
                write!(f, "put {} back at {}", show(kept), show(name))
            }
            Self::Relink { at, text, .. } => {
                write!(
                    f,
                    "make symlink {} -> {} anew from the record",
                    show(at),
                    show(text)
                )
            }
            Self::Drain { aliases, .. } => {
                let list: Vec<_> = aliases.iter().map(|alias| show(alias)).collect();
                if list.is_empty() {
                    f.write_str("wait for calls under way")
                } else {
                    write!(f, "wait for processes that use {}", list.join(", "))
                }
            }
            Self::Remove { name, .. } => write!(f, "remove {}", show(name)),
        }
    }
}

/// The result of a plan for one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Did {
    /// The shim was put in place.
    Installed,
    /// The shim was replaced, or its alias or stand-in was repaired.
    Switched,
    /// The same shim was there already.
    AlreadyInstalled,
    /// The original is back.
    Restored,
    /// The name was missing. Its original is back.
    PutBackMissing,
    /// The original was gone. It was recreated from the record.
    Recreated,
    /// The name is no longer our shim. It was left alone, and our remaining files were removed.
    KeptNewer,
    /// The original was there already. Our remaining files were removed.
    ClearedUp,
    /// The name is missing, and there is no original to put back. Our remaining files were removed.
    Gone,
    /// The shim's original is gone, so the shim was left. The package must be reinstalled.
    Lost,
    /// There are files that look like rock-wrap's but may not be. They were left alone.
    LeftAlone,
}

/// A name and the result of a plan for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NameDid {
    /// The name.
    #[serde(serialize_with = "text::serialize")]
    pub name: OsString,
    /// The result.
    pub did: Did,
}

impl Did {
    /// The result in words, to follow the name.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Installed | Self::Switched => "wrapped",
            Self::AlreadyInstalled => "already wrapped",
            Self::Restored => "restored",
            Self::PutBackMissing => "it was gone; its original is back",
            Self::Recreated => "its original was gone; made anew from the record",
            Self::KeptNewer => {
                "not our shim any more: kept as it is, and what was left of ours removed"
            }
            Self::ClearedUp => "the original stood there already; what was left of ours is removed",
            Self::Gone => {
                "somebody removed it, and its original leads nowhere: nothing to put back"
            }
            Self::Lost => {
                "its original is gone: the shim was left; reinstall the package it came with"
            }
            Self::LeftAlone => "files that look like ours and are not: left alone",
        }
    }
}
