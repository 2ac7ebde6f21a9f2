//! `foresail explain`: what a running Foresail answers for a ref, and why.

use std::io;

use anyhow::{Context as _, Result, bail};

use crate::http::{QueueReport, RefReport};

/// Asks the server at `http` and prints all refs of that name.
pub(super) fn run(name: &str, http: &str) -> Result<()> {
    let Some((namespace, name)) = name.split_once('/') else { bail!("{name:?} is not NAMESPACE/NAME") };
    let url = format!("{}/api/refs/{namespace}/{name}", http.trim_end_matches('/'));
    let mut response = match ureq::get(&url).call() {
        Ok(response) => response,
        Err(ureq::Error::StatusCode(404)) => {
            bail!("no ref is called {namespace}/{name}: nobody has asked {http} for it")
        }
        Err(error) => {
            return Err(error).with_context(|| {
                format!("cannot ask {url}: is --http the address of Foresail's http.listen?")
            });
        }
    };
    let reports: Vec<RefReport> =
        response.body_mut().read_json().with_context(|| format!("{url} is not Foresail's API"))?;
    let mut out = io::stdout().lock();
    for report in reports {
        write_report(&mut out, &report)?;
    }
    Ok(())
}

fn write_report(out: &mut impl io::Write, report: &RefReport) -> io::Result<()> {
    writeln!(out, "{}/{}  metric {}", report.namespace, report.name, report.metric)?;
    match (&report.why, &report.error) {
        (Some(why), _) => writeln!(out, "  answer   {why}")?,
        (None, Some(error)) => writeln!(out, "  answer   none (KEDA is told an error): {error}")?,
        (None, None) => {}
    }
    if let (Some(target), Some(active)) = (report.target, report.active) {
        writeln!(out, "  target   {target}, {}", if active { "active" } else { "inactive" })?;
    }
    if let Some(queue) = &report.queue {
        write_queue(out, queue)?;
    }
    writeln!(out, "  asked    {:.0} s ago", report.last_asked)
}

fn write_queue(out: &mut impl io::Write, queue: &QueueReport) -> io::Result<()> {
    let count = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    writeln!(out, "  queue    {} (source {}, layout {})", queue.queue, queue.source, queue.layout)?;
    write!(
        out,
        "  sample   waiting {}, in flight {}, scheduled {}",
        count(queue.waiting),
        count(queue.in_flight),
        count(queue.scheduled)
    )?;
    match queue.sample_age {
        Some(age) => writeln!(out, ", {age:.1} s old")?,
        None => writeln!(out)?,
    }
    queue.warnings.iter().try_for_each(|warning| writeln!(out, "  warning  {warning}"))
}
