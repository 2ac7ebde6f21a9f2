//! `foresail learn`: fills what is known of a queue from the jobs that it had before Foresail watched it.

mod words;

use std::{
    fs::File,
    io::{self, BufReader, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    clock::{Clock as _, WallClock, Zone},
    commands::{past, state_store},
    config::{Config, StateConfig, source::SourceConfig},
    forecast::state::State,
    history::{
        Past,
        prometheus::{self, Questions},
    },
    refs::{self, Caller, RefKey, RefSpec},
    series::QueueKey,
    sim::job_log::JobLog,
    state::Record,
};

/// Seconds that a Prometheus is asked for where no start is given: 90 days.
const SPAN: f64 = 90.0 * 86_400.0;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --log and --prometheus the jobs come from what `history` of the layout names: the table of its\n\
                  source, or a Prometheus (docs/learn.md). A Foresail that runs has its own state and writes it over:\n\
                  stop it before, or let it learn by itself with `history`."
)]
pub(super) struct Options {
    /// The configuration (YAML).
    #[arg(long, value_name = "FILE", env = "FORESAIL_CONFIG")]
    config: PathBuf,
    /// The queue, as the triggers name it; several joined by commas are one.
    #[arg(value_name = "SOURCE/LAYOUT/QUEUE")]
    queue: String,
    /// The policy whose time zone counts.
    #[arg(long, value_name = "NAME", default_value = "default")]
    policy: String,
    /// A job log instead: SWF, or CSV with usual names of columns.
    #[arg(long, value_name = "FILE", conflicts_with = "prometheus")]
    log: Option<PathBuf>,
    /// The address of a Prometheus instead, with --counter or --depth, and --run or --busy.
    #[arg(long, value_name = "URL")]
    prometheus: Option<String>,
    #[command(flatten)]
    questions: Questions,
    /// Only say what would be learned.
    #[arg(long)]
    dry_run: bool,
}

/// Reads the past, says what it teaches, and keeps it.
pub(super) fn run(options: &Options) -> Result<()> {
    let config = Config::load(&options.config)?;
    let spec = spec(options, &config)?;
    let kept_in = match &config.state {
        Some(state) => Some(state),
        None if options.dry_run => None,
        None => bail!(
            "{} keeps nothing (state: none): write state: {{ file: /var/lib/foresail/state }}, or give --dry-run",
            options.config.display()
        ),
    };
    let source = &config.sources[&spec.queue.source];
    let now = WallClock::new().now();
    let (Past { log, losses }, until) = past(options, source, &spec.queue, now)?;
    if log.jobs().is_empty() {
        bail!("no jobs were found: are the queue's name and the span right, and the query?");
    }
    let zone = Zone::named(spec.policy.timezone.as_deref());
    let forecast = past::learned(&log, until, source.sample_every, &zone);

    let mut out = io::stdout().lock();
    words::print(&mut out, &log, &forecast, until, &zone)?;
    for loss in losses {
        writeln!(out, "note      {loss}")?;
    }
    match kept_in.filter(|_| !options.dry_run) {
        None => writeln!(out, "kept      nowhere: --dry-run")?,
        Some(state) => {
            let place = keep(state, Record::of_queue(spec.queue, now, &State::of(&forecast)), now)?;
            writeln!(out, "kept      in {place}")?;
        }
    }
    Ok(())
}

/// The queue and its policy, as a trigger with these words would have them.
fn spec(options: &Options, config: &Config) -> Result<RefSpec> {
    let parts: Vec<&str> = options.queue.splitn(3, '/').collect();
    let [source, layout, queue] = parts.as_slice() else {
        bail!("{:?} is not SOURCE/LAYOUT/QUEUE, such as jobs/frames/md", options.queue);
    };
    let words = [("source", *source), ("layout", layout), ("queue", queue), ("policy", &options.policy)];
    let key = RefKey::new(
        String::new(),
        String::new(),
        words.map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let (spec, _) = refs::resolve(&key, config, Caller::Operator)
        .with_context(|| format!("{:?}, in {}", options.queue, options.config.display()))?;
    Ok(spec)
}

/// The jobs that were, and until when nothing is missing.
fn past(options: &Options, source: &SourceConfig, queue: &QueueKey, now: f64) -> Result<(Past, f64)> {
    let asked = [
        ("--counter", options.questions.counter.is_some()),
        ("--depth", options.questions.depth.is_some()),
        ("--busy", options.questions.busy.is_some()),
        ("--run", options.questions.run.is_some()),
        ("--start", options.questions.start.is_some()),
        ("--end", options.questions.end.is_some()),
    ];
    if let Some(path) = &options.log {
        return from_log(path, &queue.names);
    }
    if let Some(url) = &options.prometheus {
        let until = options.questions.end.unwrap_or(now).min(now);
        let start = options.questions.start.unwrap_or(until - SPAN);
        return Ok((prometheus::read(url, start, &options.questions)?, until));
    }
    if let Some((word, _)) = asked.iter().find(|(_, given)| *given) {
        bail!("{word} is a question to a Prometheus: give its address with --prometheus");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let at = format!("sources.{}.layouts.{}", queue.source, queue.layout);
    let past = runtime
        .block_on(past::of_layout(source, &queue.layout, &queue.names, now))
        .with_context(|| format!("{at}.history"))?;
    past.map(|past| (past, now)).with_context(|| {
        format!(
            "{at} has no history: write one there, with a query (Postgres) or prometheus, or give --log or --prometheus"
        )
    })
}

/// The jobs of these queues in a file; all of them where it tells no queues. Its last job is its end.
fn from_log(path: &Path, queues: &[String]) -> Result<(Past, f64)> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
    let all =
        JobLog::read(&path.to_string_lossy(), BufReader::new(file)).with_context(|| shown.to_string())?;
    let (log, losses) = if all.queues().is_empty() {
        (all, vec!["the log names no queues: all its jobs are taken for this one's".to_owned()])
    } else {
        let ours = |id| queues.iter().any(|queue| queue == all.queue(id));
        let jobs = all.jobs().iter().filter(|job| job.queue.is_some_and(ours)).copied().collect();
        let log = JobLog::new(jobs);
        if log.jobs().is_empty() {
            bail!("{shown} has no jobs of {}; its queues are {}", queues.join(","), all.queues().join(", "));
        }
        (log, Vec::new())
    };
    let until = log.jobs().last().map_or(0.0, |job| job.submit);
    Ok((Past { log, losses }, until))
}

/// Puts a record beside the others that are kept; returns where.
fn keep(config: &StateConfig, record: Record, now: f64) -> Result<String> {
    let mut store = state_store::open(config);
    let place = store.place();
    let loaded = store.load()?;
    if let Some(fault) = loaded.fault {
        bail!("{place} is left as it is: {fault}");
    }
    let others = loaded.records.into_iter().filter(|other: &Record| other.name != record.name);
    let mut records: Vec<Arc<Record>> = others.map(Arc::new).collect();
    records.push(Arc::new(record));
    store.put(&records)?;
    store.commit(now - config.forget_after)?;
    Ok(place)
}
