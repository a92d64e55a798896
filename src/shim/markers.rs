//! Putting a file's real path into the line markers by which sccache would not find it.
//!
//! Owns: the looks at the file system. Which markers and how is [`markers`]'s.

use alloc::collections::BTreeMap;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use crate::shared::bytes::push_decimal;
use crate::shared::stand_in::markers::{folded, is_plain, name_in, with_path};
use crate::shared::stand_in::text::path_of;
use crate::shared::sys::{self, File};

/// The names that were looked at, and of each the path to take in its place.
#[derive(Default)]
pub struct MarkerNames(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl MarkerNames {
    /// The path to name the file `name` by, where that is not its name.
    pub fn path_for(&mut self, name: &[u8]) -> Option<&[u8]> {
        if !self.0.contains_key(name) {
            self.0.insert(name.to_vec(), real_path(name));
        }
        self.0.get(name)?.as_deref()
    }

    /// Adds the whole lines of `text` to `out`, with such paths in them, and returns what is left.
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

/// The path of the file without links, where its name leads elsewhere when `..` is taken out of it as text.
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
