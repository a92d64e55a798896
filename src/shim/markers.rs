//! Replacing file names in line markers by real paths, for files that sccache would not find otherwise.
//!
//! Owns: the file system lookups. [`markers`] decides which markers and how.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use crate::shared::bytes::push_decimal;
use crate::shared::stand_in::markers::path_of;
use crate::shared::stand_in::markers::{folded, is_plain, name_in, with_path};
use crate::shared::sys::{self, File};

/// The names looked up so far in sorted order, each with the path that replaces it. A text has a few hundred at most,
/// and a map's code would be twenty times as long.
#[derive(Default)]
pub struct MarkerNames(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl MarkerNames {
    /// The path that replaces the file name `name`, if it needs replacing.
    pub fn path_for(&mut self, name: &[u8]) -> Option<&[u8]> {
        let at = match self
            .0
            .binary_search_by(|(known, _)| known.as_slice().cmp(name))
        {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (name.to_vec(), real_path(name)));
                at
            }
        };
        self.0.get(at)?.1.as_deref()
    }

    /// Appends the complete lines of `text` to `out`, with those paths replaced, and returns the rest.
    pub fn rename<'t>(&mut self, mut text: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = text.split_at(end);
            let renamed =
                name_in(line).and_then(|name| with_path(line, name, self.path_for(name)?));
            out.extend_from_slice(renamed.as_deref().unwrap_or(line));
            out.push(b'\n');
            text = &behind[1..];
        }
        text
    }
}

/// The file's path without links, if removing `..` from its name textually would lead elsewhere.
fn real_path(name: &[u8]) -> Option<Vec<u8>> {
    let own = |path: Vec<u8>| CString::new(path).ok();
    let (path, folded) = (own(path_of(name)?)?, own(folded(name)?)?);
    let is = |path: &CStr| {
        sys::stat(path)
            .map(|stat| (stat.file_state.dev, stat.file_state.ino))
            .ok()
    };
    let file = is(&path)?;
    if is(&folded) == Some(file) {
        return None;
    }
    let open = File::open(&path).ok()?;
    let mut link = Vec::from(b"/proc/self/fd/");
    push_decimal(&mut link, open.descriptor() as u64);
    let real = sys::readlink(&own(link)?).ok()?;
    is_plain(&real).then_some(real)
}
