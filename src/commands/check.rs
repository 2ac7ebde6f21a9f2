//! `foresail check`: connects, reads every queue once, prints what it saw and what is wrong.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Result;

use crate::{
    commands::connect,
    config::{
        Config,
        source::{Layout, LayoutRead, SourceConfig},
    },
    series::Sample,
    source::{Finding, LayoutIndex, Level, Source, Wanted},
};

/// Queues shown of one layout at most.
const MOST_QUEUES: usize = 200;

/// A read that takes longer than this share of the interval is slowed by the read guard.
const READ_SHARE: f64 = 0.05;

/// Prints a report; fails when something does not work.
pub(super) fn run(path: &Path) -> Result<ExitCode> {
    let config = Config::load(path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}: the configuration is valid", path.display())?;
    let mut worst = Level::Note;
    for source in config.sources.values() {
        writeln!(out, "\nsource {}", source.name)?;
        let findings = runtime.block_on(check_source(source, &mut out))?;
        for finding in findings {
            worst = worst.max(finding.level);
            writeln!(out, "  {}: {}: {}", finding.level, finding.subject, finding.what)?;
            if let Some(todo) = finding.todo {
                writeln!(out, "      do: {todo}")?;
            }
        }
    }
    if config.sources.is_empty() {
        writeln!(out, "  warning: no source is configured: every ref will be refused")?;
    }
    Ok(if worst == Level::Error { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn check_source(config: &SourceConfig, out: &mut impl Write) -> Result<Vec<Finding>> {
    let source = connect::source(config)?;
    let mut findings = access(config);
    findings.extend(source.inspect().await);
    if findings.iter().any(|finding| finding.level == Level::Error) {
        return Ok(findings);
    }
    let wanted = every_queue(config, &source, &mut findings).await;
    if wanted.is_empty() {
        let what = "no queue is named, and no layout that is configured or watched shows one".to_owned();
        let todo = format!("name one in sources.{0}.watch, or a layout in sources.{0}.layouts", config.name);
        findings.push(finding(Level::Note, "queues", what, Some(todo)));
    }
    let started = std::time::Instant::now();
    let batch = match source.read(&wanted).await {
        Ok(batch) => batch,
        Err(error) => {
            findings.push(finding(Level::Error, "read", error.to_string(), None));
            return Ok(findings);
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    writeln!(
        out,
        "  read {} queues in {:.1} ms, {} round trips",
        wanted.len(),
        seconds * 1e3,
        batch.round_trips
    )?;
    if seconds > READ_SHARE * config.sample_every {
        let what =
            format!("a read takes {seconds:.3} s, more than 5 % of sample_every ({} s)", config.sample_every);
        let todo = "raise sample_every, or make the read cheaper (an index, fewer queues)".to_owned();
        findings.push(finding(Level::Warning, "pace", what, Some(todo)));
    }
    for (wanted, sample) in wanted.iter().zip(batch.samples) {
        let layout = &config.layouts[wanted.layout.0];
        match sample {
            Ok(sample) => write_sample(out, layout, &wanted.queue, &sample, &mut findings)?,
            Err(error) => {
                findings.push(finding(
                    Level::Error,
                    &format!("{}/{}", layout.name, wanted.queue),
                    error.to_string(),
                    None,
                ));
            }
        }
    }
    Ok(findings)
}

/// Nobody may use a source without `namespaces`; a watch alone is a fine use of it.
fn access(config: &SourceConfig) -> Vec<Finding> {
    if !config.access.0.is_empty() {
        return Vec::new();
    }
    let todo = format!(
        "write who may use which queues: sources.{}.namespaces: {{ \"my-namespace\": [\"my-queue*\"] }}",
        config.name
    );
    let level = if config.watch.is_empty() { Level::Warning } else { Level::Note };
    vec![finding(level, "namespaces", "no namespace may use this source".to_owned(), Some(todo))]
}

/// The queues that the configuration names, and those that the store shows.
async fn every_queue(
    config: &SourceConfig,
    source: &Arc<dyn Source>,
    findings: &mut Vec<Finding>,
) -> Vec<Wanted> {
    let mut queues: BTreeMap<LayoutIndex, Vec<String>> = BTreeMap::new();
    let watched = |layout: &Layout| config.watch.iter().any(|watch| watch.layout == layout.name);
    // Nobody asked for a preset that is a layout without being configured, unless there is no other.
    let asked = |layout: &Layout| !layout.implied || watched(layout) || config.layouts.len() == 1;
    for (at, layout) in config.layouts.iter().enumerate().filter(|(_, layout)| asked(layout)) {
        let names = queues.entry(LayoutIndex(at)).or_default();
        match source.discover(LayoutIndex(at), MOST_QUEUES).await {
            Ok(found) => names.extend(found),
            Err(error) => findings.push(finding(Level::Error, &layout.name, error.to_string(), None)),
        }
        let watched = config.watch.iter().filter(|watch| watch.layout == layout.name);
        names.extend(watched.flat_map(|watch| watch.queue.split(',').map(|name| name.trim().to_owned())));
    }
    let configured = queues.keys().copied().filter(|at| !config.layouts[at.0].implied);
    let configured: Vec<_> = configured.collect();
    let choice = if configured.is_empty() { queues.keys().copied().collect() } else { configured };
    if let [only] = choice.as_slice() {
        // Names without a star are queues; with one layout it is clear where they lie.
        let named = config.access.0.iter().flat_map(|(_, globs)| globs).map(|glob| glob.as_str().to_owned());
        queues.entry(*only).or_default().extend(named.filter(|name| !name.contains('*')));
    }
    let wanted = queues.into_iter().flat_map(|(layout, mut names)| {
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(move |name| Wanted { layout, queue: name.into() })
    });
    wanted.collect()
}

fn write_sample(
    out: &mut impl Write,
    layout: &Layout,
    queue: &str,
    sample: &Sample,
    findings: &mut Vec<Finding>,
) -> io::Result<()> {
    let count = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    write!(
        out,
        "  {}/{queue}: waiting {}, in flight {}",
        layout.name,
        count(sample.waiting),
        count(sample.in_flight)
    )?;
    if let Some(workers) = sample.busy_workers() {
        write!(out, " on {workers} workers")?;
    }
    for (name, value) in [("stuck", sample.stuck), ("scheduled", sample.scheduled)] {
        if let Some(value) = value.filter(|n| *n > 0) {
            write!(out, ", {name} {value}")?;
        }
    }
    if let Some(age) = sample.oldest_age {
        write!(out, ", oldest {age:.0} s")?;
    }
    writeln!(out)?;
    let subject = format!("{}/{queue}", layout.name);
    if !sample.seen {
        let todo = match &layout.read {
            LayoutRead::Preset { preset, .. } if !preset.keeps_empty_queues() => {
                "is the name right? a queue that has run dry looks the same"
            }
            _ => "is the name right? missing_queue: error makes it an error",
        };
        findings.push(finding(
            Level::Warning,
            &subject,
            "the store knows no such queue; it counts as empty".to_owned(),
            Some(todo.to_owned()),
        ));
    }
    if sample.in_flight.is_none() {
        let what = format!(
            "jobs in flight cannot be seen: no target falls until waiting has been 0 for max_run ({} s)",
            layout.max_run
        );
        findings.push(finding(
            Level::Warning,
            &subject,
            what,
            Some(
                "let workers move jobs to a processing list, or set max_run to the longest run time"
                    .to_owned(),
            ),
        ));
    } else if layout.stuck_after.is_none() && sample.holders.is_some() {
        let what = "work held by a worker that died counts as running for ever".to_owned();
        findings.push(finding(
            Level::Note,
            &subject,
            what,
            Some("set stuck_after above the longest run time".to_owned()),
        ));
    }
    Ok(())
}

fn finding(level: Level, subject: &str, what: String, todo: Option<String>) -> Finding {
    Finding { level, subject: subject.to_owned(), what, todo }
}
