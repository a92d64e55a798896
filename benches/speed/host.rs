//! What the host of a virtual machine gives to its other guests.

/// Processor time of this machine, in ticks.
#[derive(Clone, Copy)]
pub struct Ticks {
    /// Given to what wanted to run.
    run: u64,
    /// Not given, although something wanted to run.
    stolen: u64,
}

impl Ticks {
    /// So far. Nothing is ever stolen on a machine that has no host.
    pub fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").expect("Linux has it");
        Self::parse(&stat).expect("as proc_stat(5) has it")
    }

    /// The first line: `cpu`, then user, nice, system, idle, iowait, irq, softirq, steal.
    fn parse(stat: &str) -> Option<Self> {
        let mut words = stat.lines().next()?.split_ascii_whitespace().skip(1);
        let mut ticks = [0; 8];
        for ticks in &mut ticks {
            *ticks = words.next()?.parse().ok()?;
        }
        let [user, nice, system, _, _, irq, softirq, stolen] = ticks;
        Some(Self {
            run: user + nice + system + irq + softirq,
            stolen,
        })
    }

    /// The share that was stolen since then, of all that was wanted.
    pub fn stolen_since(self, before: Self) -> f64 {
        // A guest that is moved to another host may find that less was stolen so far.
        let stolen = self.stolen.saturating_sub(before.stolen);
        let run = self.run.saturating_sub(before.run);
        stolen as f64 / (run + stolen).max(1) as f64
    }
}
