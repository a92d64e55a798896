//! The simulated directory's state, in memory and on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::rc::Rc;

use crate::install::fs::Attrs;
use crate::install::tests::{ELF, Layout, OTHER_TRAMPOLINE, STUB, WITHOUT_STAND_IN, os, own};
use crate::rocm::names;
use crate::shim_image;
use crate::support::time::Time;
use crate::trampoline::trampoline;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// `Rc`, because the states of a crash share their contents, which are large and rarely differ.
    File {
        bytes: Rc<[u8]>,
        synced: bool,
    },
    Link(OsString),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub body: Body,
    pub attrs: Attrs,
}

impl Node {
    pub(super) fn is_link(&self) -> bool {
        matches!(self.body, Body::Link(_))
    }
}

type Names = BTreeMap<OsString, usize>;
/// The atomic change of names by one operation.
type Change = Vec<(OsString, Option<usize>)>;

/// The state in memory, and the part of it that is on disk.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub nodes: Vec<Node>,
    pub names: Names,
    pub durable: Names,
    pub pending: Vec<Change>,
}

/// One name in [`State::shape`].
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    name: OsString,
    /// A number given in order of appearance, after the numbers of the originals.
    inode: usize,
    is_link: bool,
    /// Mode, user and group.
    owned: (u32, u32, u32),
    content: [u8; blake3::OUT_LEN],
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            nodes: Vec::new(),
            names: Names::new(),
            durable: Names::new(),
            pending: Vec::new(),
        }
    }

    pub(super) fn layout(layout: Layout) -> Self {
        let mut state = Self::new();
        match layout {
            Layout::Symlinks => {
                state.put_file("clang-19", ELF);
                state.put_link("clang", "clang-19");
                state.put_link("clang++", "clang");
            }
            Layout::Stubs => {
                state.put_file("clang-19", ELF);
                state.put_file("clang", STUB);
                state.put_file("clang++", STUB);
            }
            Layout::Regular => {
                state.put_file("clang", ELF);
                state.put_link("clang++", "clang");
            }
            Layout::HardLinks => {
                state.put_file("clang", ELF);
                let node = state.names[os("clang")];
                state.names.insert(own("clang++"), node);
            }
        }
        state.put_file("lld", b"\x7fELF a bystander");
        state.settle();
        state
    }

    /// Flushes everything to disk.
    pub(super) fn settle(&mut self) {
        self.durable = self.names.clone();
        self.pending.clear();
        for node in &mut self.nodes {
            if let Body::File { synced, .. } = &mut node.body {
                *synced = true;
            }
        }
    }

    pub(super) fn add(&mut self, body: Body) -> usize {
        // Each node has its own time, so that none is taken for another.
        let sec = 1_500_000_000 + i64::try_from(self.nodes.len()).unwrap();
        let attrs = Attrs {
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: Time { sec, nsec: 7 },
        };
        self.nodes.push(Node { body, attrs });
        self.nodes.len() - 1
    }

    /// Adds a file that somebody else created.
    pub(super) fn put_file(&mut self, name: &str, bytes: &[u8]) {
        let node = self.add(Body::File {
            bytes: bytes.into(),
            synced: true,
        });
        self.names.insert(own(name), node);
    }

    /// Replaces the kept originals with copies, as an older release made them: the same content and
    /// attributes, but other inodes.
    pub(super) fn with_copies(mut self) -> Self {
        for name in ["clang", "clang++"] {
            let kept = [names::kept(os(name)), names::alias(os(name))];
            let kept = kept.into_iter().find(|kept| {
                let is_alias = *kept == names::alias(os(name));
                self.node(kept)
                    .is_some_and(|node| !is_alias || !node.is_link())
            });
            let kept = kept.unwrap();
            let copy = self.node(&kept).unwrap().clone();
            self.nodes.push(copy);
            let id = self.nodes.len() - 1;
            self.names.insert(kept, id);
        }
        self.settle();
        self
    }

    /// Adds a symlink that somebody else created.
    pub(super) fn put_link(&mut self, name: &str, text: &str) {
        let node = self.add(Body::Link(own(text)));
        self.names.insert(own(name), node);
    }

    pub(super) fn change(&mut self, change: Change) {
        apply_change(&mut self.names, &change);
        self.pending.push(change);
    }

    pub(super) fn node(&self, name: &OsStr) -> Option<&Node> {
        self.names.get(name).map(|node| &self.nodes[*node])
    }

    pub(super) fn follow(&self, name: &OsStr) -> Option<&Node> {
        let mut name = name.to_owned();
        for _ in 0..9 {
            let node = self.node(&name)?;
            match &node.body {
                Body::Link(text) => name = text.clone(),
                Body::File { .. } => return Some(node),
            }
        }
        None
    }

    /// Whether the stand-in of `name` is there and executable.
    fn stands_in(&self, name: &str) -> Result<(), String> {
        let stand_in = format!("{name}.9727");
        match self.node(os(&stand_in)) {
            Some(Node {
                body: Body::File { bytes, .. },
                attrs,
            }) if [trampoline(), OTHER_TRAMPOLINE].contains(&&**bytes)
                && attrs.mode & 0o111 != 0 =>
            {
                Ok(())
            }
            other => Err(format!("{name} is a shim, {stand_in} is {other:?}")),
        }
    }

    /// Whether running `name` ends in the real compiler, and its stand-in can be executed.
    pub(super) fn works(&self, name: &str) -> Result<(), String> {
        let Some(node) = self.follow(os(name)) else {
            return Err(format!("{name} leads nowhere"));
        };
        let Body::File { bytes, .. } = &node.body else {
            return Err(format!("{name} leads to no file"));
        };
        if node.attrs.mode & 0o111 == 0 {
            return Err(format!("{name} cannot be run"));
        }
        if bytes.starts_with(ELF) {
            return Ok(());
        }
        if **bytes == *STUB {
            return self.works("clang-19");
        }
        match shim_image::read(bytes) {
            Some(Ok(config)) => {
                // The shim's configured name, whichever link led to it.
                let own = String::from_utf8_lossy(config.name);
                if config.writer != WITHOUT_STAND_IN.as_bytes() {
                    self.stands_in(&own)?;
                }
                let alias = format!("{own}.7625");
                match self.follow(os(&alias)).map(|node| &node.body) {
                    Some(Body::File { bytes, .. }) if bytes.starts_with(ELF) => Ok(()),
                    Some(_) => Err(format!("{name} is a shim, {alias} no compiler")),
                    None => Err(format!("{name} is a shim, {alias} leads nowhere")),
                }
            }
            other => Err(format!("{name} is {} bytes, {other:?}", bytes.len())),
        }
    }

    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        match &self.node(os(name))?.body {
            Body::File { bytes, .. } => Some(bytes),
            Body::Link(_) => None,
        }
    }

    pub(super) fn image(&self, name: &str) -> Option<&[u8]> {
        self.bytes(name).filter(|bytes| shim_image::is_shim(bytes))
    }

    /// Everything in this state that a run depends on: the node at each name, and which names share an
    /// inode or have one of the first `originals`. States of the same shape need only be checked once.
    pub(super) fn shape(&self, originals: usize) -> Vec<Shape> {
        let mut seen: Vec<usize> = (0..originals).collect();
        let shape = |(name, node): (&OsString, &usize)| {
            let at = seen
                .iter()
                .position(|other| other == node)
                .unwrap_or_else(|| {
                    seen.push(*node);
                    seen.len() - 1
                });
            let Node { body, attrs } = &self.nodes[*node];
            let content = match body {
                // Nothing compares the record's inodes, which differ from run to run.
                Body::File { bytes, .. } if name == names::JOURNAL => {
                    let text = String::from_utf8_lossy(bytes);
                    let keep = |line: &&str| !line.contains("\"ino\"");
                    let kept: String = text.lines().filter(keep).collect();
                    blake3::hash(kept.as_bytes())
                }
                Body::File { bytes, .. } => blake3::hash(bytes),
                Body::Link(text) => blake3::hash(text.as_encoded_bytes()),
            };
            Shape {
                name: if names::is_temp(name) {
                    own("temp")
                } else {
                    name.clone()
                },
                inode: at,
                is_link: matches!(body, Body::Link(_)),
                owned: (attrs.mode, attrs.uid, attrs.gid),
                content: *content.as_bytes(),
            }
        };
        self.names.iter().map(shape).collect()
    }

    /// Compares names, contents and attributes, and with `inodes` also inodes.
    pub(super) fn same_as(&self, other: &Self, inodes: bool) -> Result<(), String> {
        let list = |state: &Self| state.names.keys().cloned().collect::<Vec<_>>();
        if list(self) != list(other) {
            return Err(format!("{:?} instead of {:?}", list(self), list(other)));
        }
        for (name, node) in &self.names {
            let before = other.names[name];
            if inodes && *node != before {
                return Err(format!("{name:?} has another inode"));
            }
            if self.nodes[*node] != other.nodes[before] {
                return Err(format!("{name:?} differs: {:?}", self.nodes[*node].attrs));
            }
        }
        Ok(())
    }

    /// The states in which a crash can leave the disk: with any subset of the changes of names since the
    /// last flush of the directory, and with each unflushed file complete, half written or empty. The subsets
    /// include all prefixes, which is all that an ordered journal can leave.
    pub(super) fn crashes(&self) -> Vec<Self> {
        let mut out = Vec::new();
        // Many subsets result in the same names, for example if a temporary file was created and removed.
        let mut seen = BTreeSet::new();
        // Several killed runs can leave too many changes to try every subset. For the older changes, only the
        // states that an ordered journal can leave are tried.
        let (older, newer) = self
            .pending
            .split_at(self.pending.len().saturating_sub(SUBSETS));
        let mut durable = self.durable.clone();
        let mut kept = vec![durable.clone()];
        for change in older {
            apply_change(&mut durable, change);
            kept.push(durable.clone());
        }
        kept.pop();
        let subsets = (0_u32..1 << newer.len()).map(|subset| {
            let mut names = durable.clone();
            for (i, change) in newer.iter().enumerate() {
                if subset & 1 << i != 0 {
                    apply_change(&mut names, change);
                }
            }
            names
        });
        for names in kept.into_iter().chain(subsets) {
            if !seen.insert(names.clone()) {
                continue;
            }
            let lossy: Vec<usize> = names
                .values()
                .copied()
                .filter(|node| matches!(self.nodes[*node].body, Body::File { synced: false, .. }))
                .collect();
            for loss in 0..3_usize.pow(u32::try_from(lossy.len()).unwrap()) {
                let mut state = Self {
                    nodes: self.nodes.clone(),
                    names: names.clone(),
                    durable: Names::new(),
                    pending: Vec::new(),
                };
                for (i, node) in lossy.iter().enumerate() {
                    let Body::File { bytes, .. } = &mut state.nodes[*node].body else {
                        continue;
                    };
                    match loss / 3_usize.pow(u32::try_from(i).unwrap()) % 3 {
                        0 => {}
                        1 => *bytes = bytes[..bytes.len() / 2].into(),
                        _ => *bytes = Rc::default(),
                    }
                }
                state.settle();
                out.push(state);
            }
        }
        out
    }
}

/// How many of the latest changes are tried in every subset.
const SUBSETS: usize = 12;

fn apply_change(names: &mut Names, change: &Change) {
    for (name, node) in change {
        match node {
            Some(node) => names.insert(name.clone(), *node),
            None => names.remove(name),
        };
    }
}
