//! Reads how much processor time the host of a virtual machine withholds from it.

/// Processor time of this machine, in ticks.
#[derive(Clone, Copy)]
pub struct Ticks {
    /// Time that was used.
    run: u64,
    /// Time that the host withheld although something wanted to run.
    stolen: u64,
}

impl Ticks {
    /// The time so far. On a machine without a host, none is stolen.
    pub fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").expect("Linux has it");
        Self::parse(&stat).expect("as proc_stat(5) has it")
    }

    /// Parses the first line: `cpu`, then user, nice, system, idle, iowait, irq, softirq, steal.
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

    /// The stolen share of the wanted time since `before`.
    pub fn stolen_since(self, before: Self) -> f64 {
        // After a migration to another host, the count may be lower than before.
        let stolen = self.stolen.saturating_sub(before.stolen);
        let run = self.run.saturating_sub(before.run);
        stolen as f64 / (run + stolen).max(1) as f64
    }
}
