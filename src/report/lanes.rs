//! Puts calls into rows in which none overlaps another.

use std::time::Duration;

/// Rows of the timeline. Overlapping events go into different rows, because viewers show
/// overlapping events of one row as nested.
#[derive(Default)]
pub struct Lanes {
    ends: Vec<Duration>,
}

impl Lanes {
    /// The first row that is free at `start`; it is then taken until `end`. Must be called in the
    /// order of `start`.
    pub fn lane(&mut self, start: Duration, end: Duration) -> usize {
        match self.ends.iter().position(|taken| *taken <= start) {
            Some(lane) => {
                self.ends[lane] = end;
                lane
            }
            None => {
                self.ends.push(end);
                self.ends.len() - 1
            }
        }
    }
}
