//! From a log of the past to what it teaches a queue: for `learn`, and for `serve` at a queue's first start.

use crate::{
    clock::Zone,
    config::source::{History, PostgresConfig},
    forecast::{Forecast, history::PastJob, horizons::Horizons},
    sim::job_log::JobLog,
    source::{
        SourceError,
        postgres::{self, Question},
    },
};

/// The jobs that a layout's table remembers of these queues, those of the last [`History::span`] seconds.
pub(super) async fn of_table(
    config: &PostgresConfig,
    history: &History,
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
