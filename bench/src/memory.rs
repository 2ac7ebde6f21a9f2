//! `foresail-bench memory`: what the serving process holds.

use std::{
    fmt::{self, Display},
    thread,
    time::Duration,
};

use clap::Parser;

use crate::{
    load::{Calls, Client},
    peer::{Kind, Peer},
    table::{Table, count},
};

/// Seconds, and so ticks, after the last ref was answered.
const TICKS: u64 = 5;

/// What is to be measured.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Queues, and refs with one queue each.
    #[arg(long, default_value_t = 10_000)]
    queues: usize,
}

struct Report {
    queues: usize,
    empty: u64,
    one_ref: u64,
    two_refs: u64,
}

/// The server with no queue, with one ref a queue, and with two.
pub(crate) fn run(args: &Args) -> anyhow::Result<impl Display + use<>> {
    let queues = args.queues;
    Ok(Report {
        queues,
        empty: resident(0, queues)?,
        one_ref: resident(queues, queues)?,
        two_refs: resident(2 * queues, queues)?,
    })
}

fn resident(refs: usize, queues: usize) -> anyhow::Result<u64> {
    let peer = Peer::start(Kind::Foresail)?;
    if refs > 0 {
        Client::connect(peer.address, 1)?.ask_all(&Calls::new(refs, queues)?)?;
    }
    thread::sleep(Duration::from_secs(TICKS));
    peer.resident()
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queues, empty, one_ref, two_refs } = *self;
        let each = |more: u64, less: u64| (more as f64 - less as f64) / queues as f64;
        let a_ref = each(two_refs, one_ref);
        let mut table = Table::new(["queues", "refs", "resident"]);
        for (queues, refs, bytes) in
            [(0, 0, empty), (queues, queues, one_ref), (queues, 2 * queues, two_refs)]
        {
            let resident = format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
            table.row([count(queues as u64), count(refs as u64), resident]);
        }
        writeln!(f, "### Memory\n")?;
        writeln!(
            f,
            "The serving process after {TICKS} ticks: {:.0} bytes a queue, {a_ref:.0} bytes a ref.\n",
            each(one_ref, empty) - a_ref
        )?;
        write!(f, "{table}")
    }
}
