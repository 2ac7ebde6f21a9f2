//! What processes cost, as Linux counts it: processor time and memory.

use std::{collections::HashMap, fs, time::Duration};

/// What a process has cost since it started, its children that are gone included.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// User and system time.
    pub(crate) cpu: Duration,
    /// Bytes now; of what processes share, each counts its part.
    pub(crate) memory: u64,
}

/// The cost of one process. Panics where it is not running.
pub(crate) fn of(process: u32) -> Cost {
    let stat = Stat::read(process).unwrap_or_else(|| panic!("process {process} is not running"));
    Cost { cpu: stat.cpu, memory: memory(process) }
}

/// The cost of a process and of all that descend from it.
pub(crate) fn of_family(process: u32) -> Cost {
    let everybody: HashMap<u32, Stat> =
        numbers_in_proc().filter_map(|id| Some((id, Stat::read(id)?))).collect();
    let mut family = vec![process];
    let mut seen = 0;
    while let Some(&parent) = family.get(seen) {
        family.extend(everybody.iter().filter(|(_, stat)| stat.parent == parent).map(|(&id, _)| id));
        seen += 1;
    }
    Cost {
        cpu: family.iter().filter_map(|id| everybody.get(id)).map(|stat| stat.cpu).sum(),
        memory: family.into_iter().map(memory).sum(),
    }
}

struct Stat {
    parent: u32,
    cpu: Duration,
}

impl Stat {
    fn read(process: u32) -> Option<Self> {
        /// `USER_HZ`, in which /proc counts: 100 on every architecture that Foresail is built for.
        const TICK: Duration = Duration::from_millis(10);
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // "id (name) state parent ...", where the name may hold anything.
        let (_, after_name) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = after_name.split(' ').collect();
        // utime, stime, and both of children that were waited for: fields 14 to 17 of proc(5).
        let ticks: u32 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u32>().ok()).sum();
        Some(Self { parent: fields.get(1)?.parse().ok()?, cpu: TICK * ticks })
    }
}

/// Bytes; 0 for a process that has gone meanwhile.
fn memory(process: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kibibytes: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kibibytes.unwrap_or(0) * 1024
}

fn numbers_in_proc() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}
