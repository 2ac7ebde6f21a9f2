//! From a log of the past to what it teaches a queue: for `learn`, and for `serve` at a queue's first start.

use anyhow::Context as _;
use tokio::task::spawn_blocking;

use crate::{
    clock::Zone,
    config::{
        history::{History, TableHistory},
        source::{PostgresConfig, SourceConfig, StoreConfig},
    },
    forecast::{Forecast, history::PastJob, horizons::Horizons},
    history::{self, Past},
    sim::job_log::JobLog,
    source::{
        SourceError,
        postgres::{self, Question},
    },
};

/// The jobs that these queues of a layout had until then (Unix seconds), where the layout says what remembers them.
pub(super) async fn of_layout(
    source: &SourceConfig,
    layout: &str,
    queues: &[String],
    until: f64,
) -> anyhow::Result<Option<Past>> {
    let Some(history) = source.history(layout) else { return Ok(None) };
    let past = match (history, &source.store) {
        (History::Table(table), StoreConfig::Postgres(postgres)) => {
            let log = of_table(postgres, table, queues, until).await?;
            Past { log, losses: Vec::new() }
        }
        // Refused where the configuration is read.
        (History::Table(_), _) => return Ok(None),
        (History::Prometheus(prometheus), _) => {
            let (prometheus, queues) = (prometheus.clone(), queues.to_vec());
            // Its client waits, and would hold up whatever else this thread does.
            let read = spawn_blocking(move || history::prometheus::of_queues(&prometheus, &queues, until));
            read.await.context("the read of a Prometheus broke off")??
        }
    };
    Ok(Some(past))
}

/// The jobs that a layout's table remembers of these queues, those of the last [`TableHistory::span`] seconds.
async fn of_table(
    config: &PostgresConfig,
    history: &TableHistory,
    queues: &[String],
    until: f64,
) -> Result<JobLog, SourceError> {
    let question = Question::of_queues(&history.query, queues, history.rows, history.timeout);
    let log = postgres::history(config, &question).await?;
    Ok(log.window(until - history.span, until))
}

/// What these jobs teach, as if the queue had been read every `every` seconds from its first job to `until` (Unix
/// seconds). Days begin as `zone` says.
pub(super) fn learned(log: &JobLog, until: f64, every: f64, zone: &Zone) -> Forecast {
    let known = |run: f64| (run > 0.0).then_some(run);
    let jobs: Vec<PastJob> =
        log.jobs().iter().map(|job| PastJob { submit: job.submit, run: known(job.run) }).collect();
    let mut forecast = Forecast::new(Horizons::default());
    if let Some(first) = jobs.first() {
        forecast.replay(&jobs, first.submit - every, until, every, |at| zone.offset(at));
    }
    forecast
}
