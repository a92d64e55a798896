//! Settings of the launcher's own that concern its key.

use super::Case;

pub const CASES: &[Case] = &[];
