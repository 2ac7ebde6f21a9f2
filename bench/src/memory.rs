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
    tick::{self, Held},
};

/// Calls open at once while refs become known, where not all of them are.
const CALM: usize = 200;

/// What is to be measured.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Queues, and refs with one queue each.
    #[arg(long, default_value_t = 10_000)]
    queues: usize,
    /// Seconds, and so ticks, after the last ref was answered.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

struct Report {
    seconds: u64,
    queues: usize,
    empty: u64,
    one_ref: u64,
    two_refs: u64,
    burst: u64,
    held: Held,
}

/// The server with no queue, with one ref a queue, with two, and after all refs called at once.
pub(crate) fn run(args: &Args) -> anyhow::Result<impl Display + use<>> {
    let Args { queues, seconds } = *args;
    let resident = |refs, at_once| resident(refs, queues, at_once, Duration::from_secs(seconds));
    Ok(Report {
        seconds,
        queues,
        empty: resident(0, CALM)?,
        one_ref: resident(queues, CALM)?,
        two_refs: resident(2 * queues, CALM)?,
        burst: resident(queues, usize::MAX)?,
        held: tick::held(queues)?,
    })
}

fn resident(refs: usize, queues: usize, at_once: usize, after: Duration) -> anyhow::Result<u64> {
    let peer = Peer::start(Kind::Foresail)?;
    if refs > 0 {
        Client::connect(peer.address, 1)?.ask_all(&Calls::new(refs, queues)?, at_once)?;
    }
    thread::sleep(after);
    peer.resident()
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, queues, empty, one_ref, two_refs, burst, ref held } = *self;
        let each = |more: u64, less: u64| (more as f64 - less as f64) / queues as f64;
        let a_ref = each(two_refs, one_ref);
        let mut table = Table::new(["queues", "refs", "resident"]);
        let mut row = |queues: usize, refs: String, bytes: u64| {
            let resident = format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
            table.row([count(queues as u64), refs, resident]);
        };
        row(0, "0".to_owned(), empty);
        row(queues, count(queues as u64), one_ref);
        row(queues, count(2 * queues as u64), two_refs);
        row(queues, format!("{}, called at once", count(queues as u64)), burst);
        writeln!(f, "### Memory\n")?;
        writeln!(
            f,
            "The serving process after {seconds} ticks: {:.0} bytes a queue, {a_ref:.0} bytes a ref.\n",
            each(one_ref, empty) - a_ref
        )?;
        write!(f, "{table}")?;
        let each = |bytes: usize| bytes / queues.max(1);
        writeln!(
            f,
            "\nOf the heap, a queue with one ref holds {} bytes in the map of refs, {} in the engine, and {} in the \
             published table and the one before.",
            each(held.refs),
            each(held.engine),
            each(held.tables)
        )
    }
}
