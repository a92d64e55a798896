//! What may differ between two compiles, and the words for it.
//!
//! Owns: the words, the order and the remedies of causes. Pure.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// Something that differs. The order is by how much it explains: the first explains the most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Change {
    Launcher(String, String),
    Compiler(String),
    Architectures(BTreeSet<String>, BTreeSet<String>),
    /// A directory's name before and now.
    Directory(String, String),
    Argument(Option<String>, Option<String>),
    Variable(String, Option<String>, Option<String>),
    Source,
    File(String),
    /// A file that is read only now, or was read only before.
    Read(String, bool),
    Dated,
    Unnamed,
    Literals,
    Order,
    RockWrap(String, String),
    Failed,
    Direct(String),
    Unrecorded,
    New,
    Emptied,
    Evicted,
}

impl Change {
    /// Changes of the same rank are ordered by how frequent they are.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Launcher(..) => 0,
            Self::Compiler(_) => 1,
            Self::Architectures(..) => 2,
            Self::Directory(..) | Self::Argument(..) => 3,
            Self::Variable(..) => 4,
            Self::Source | Self::File(_) => 5,
            Self::Read(..) => 6,
            Self::Dated | Self::Unnamed | Self::Literals => 7,
            _ => 8,
        }
    }

    /// Whether it is visible in the texts of a compile, so that some of these may be the same as before.
    pub(super) fn is_of_text(&self) -> bool {
        matches!(self.rank(), 5..=7)
    }

    pub(super) fn id(&self) -> &'static str {
        match self {
            Self::Launcher(..) => "launcher",
            Self::Compiler(_) => "compiler",
            Self::Architectures(..) => "architectures",
            Self::Directory(..) => "directory",
            Self::Argument(..) | Self::Order => "arguments",
            Self::Variable(..) => "environment",
            Self::Source => "source",
            Self::File(_) | Self::Read(..) => "files",
            Self::Dated => "date",
            Self::Unnamed => "unnamed-file",
            Self::Literals => "text",
            Self::RockWrap(..) => "rock-wrap",
            Self::Failed => "not-stored",
            Self::Direct(_) => "direct",
            Self::Unrecorded => "unrecorded",
            Self::New => "new",
            Self::Emptied => "other-cache",
            Self::Evicted => "evicted",
        }
    }

    pub(super) fn text(&self) -> String {
        let list =
            |names: &BTreeSet<String>| { names.iter() }.cloned().collect::<Vec<_>>().join(", ");
        let are = |names: &BTreeSet<String>| if names.len() == 1 { "is" } else { "are" };
        match self {
            Self::Launcher(was, is) => format!("the launcher is {is}, and was {was}"),
            Self::Compiler(text) => text.clone(),
            Self::Architectures(new, lost) => match (new.is_empty(), lost.is_empty()) {
                (false, true) => format!("{} {} new", list(new), are(new)),
                (true, false) => format!("{} {} gone", list(lost), are(lost)),
                (false, false) => format!("{} in place of {}", list(new), list(lost)),
                (true, true) => "the architectures are named in another way".to_owned(),
            },
            Self::Directory(was, is) => format!("{is} is another path than before ({was})"),
            Self::Argument(Some(was), Some(is)) => format!("{} was {}", cut(is), cut(was)),
            Self::Argument(Some(was), None) => format!("{} is gone", cut(was)),
            Self::Argument(None, Some(is)) => format!("{} is new", cut(is)),
            Self::Argument(None, None) => String::new(),
            Self::Variable(name, was, is) => {
                let value = |value: &Option<String>| match value {
                    Some(value) => cut(value).into_owned(),
                    None => "not set".to_owned(),
                };
                format!("{name} is {}, and was {}", value(is), value(was))
            }
            Self::Source => "the source changed".to_owned(),
            Self::File(name) => format!("{name} changed"),
            Self::Read(name, true) => format!("{name} is included now"),
            Self::Read(name, false) => format!("{name} is no longer included"),
            Self::Dated => "the text contains a date or time (__DATE__, __TIME__)".to_owned(),
            Self::Unnamed => {
                "the compiler may read a file that no text names (.incbin, for example)".to_owned()
            }
            Self::Literals => {
                "a string or directive differs, and no file that is read does".to_owned()
            }
            Self::Order => "the arguments are in another order".to_owned(),
            Self::RockWrap(was, is) => format!("rock-wrap changed ({was} -> {is})"),
            Self::Failed => {
                "the compile failed or was passed on then, and so was not stored".to_owned()
            }
            Self::Direct(reason) => {
                format!("the call went straight to the compiler then ({reason})")
            }
            Self::Unrecorded => {
                "what the call depends on was not recorded in both builds".to_owned()
            }
            Self::New => "the earlier build did not compile it".to_owned(),
            Self::Emptied => {
                "nothing differs, but the cache is another one, or was emptied".to_owned()
            }
            Self::Evicted => "nothing differs: evicted, or never stored".to_owned(),
        }
    }

    pub(super) fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::Launcher(..) => "use the same launcher in both builds (--launcher)",
            Self::Compiler(_) => {
                "nothing, if the compiler was upgraded: its first build compiles everything"
            }
            Self::Architectures(..) => {
                "build for the same architectures each time, or cache by architecture (--per-arch), so \
                 that only what is new is compiled"
            }
            Self::Directory(_, is) if is.contains("pip-build-env") => {
                "use --no-build-isolation, so that pip makes no new environment for each build"
            }
            Self::Directory(..) => {
                "build at the same path each time, or set ROCK_WRAP_BASE_DIR to a directory above it \
                 that is the same part of every build"
            }
            Self::Argument(..) | Self::Order => {
                "keep values that change with each build (dates, commits, counters) out of the \
                 command line, or in one file that few sources include"
            }
            Self::Variable(..) => "set it to the same value in every build",
            Self::File(_) | Self::Read(..) => {
                "nothing, if it was edited; if it is generated, have its generator leave it alone \
                 when its content stays the same"
            }
            Self::Dated => "leave dates and times out of the sources, or in one file of its own",
            Self::Unnamed => "`rock-wrap explain --key` shows it; such a unit is never found",
            Self::Unrecorded => "build once more: this build's record is there to compare with now",
            Self::Emptied => {
                "check that both builds use the same cache (SCCACHE_DIR, CCACHE_DIR), and in CI that \
                 it is saved and brought back"
            }
            Self::Evicted => "give the cache more room (SCCACHE_CACHE_SIZE, CCACHE_MAXSIZE)",
            Self::Source
            | Self::Literals
            | Self::RockWrap(..)
            | Self::Failed
            | Self::Direct(_)
            | Self::New => return None,
        })
    }
}

/// A word that fits on a line.
fn cut(word: &str) -> Cow<'_, str> {
    const LONGEST: usize = 120;
    match word.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", &word[..at]).into(),
        None => word.into(),
    }
}
