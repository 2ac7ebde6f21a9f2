//! Jobs out of a Prometheus: by questions of the command line, and by those of a layout's `history`.

mod server;

use std::{path::PathBuf, time::Duration};

use anyhow::bail;
use secrecy::SecretString;

use self::server::{Bounds, Question, Server, Span};
use super::{
    Past, parse_duration, parse_time, secret,
    series::{self, Arrivals},
};
use crate::{
    clock::{Clock as _, WallClock},
    config::{
        history::{PrometheusHistory, Run, Series},
        secret::Secret,
    },
    sim::job_log::JobLog,
};

/// Points in the memory of a server at most, some 50 MB: a little more than one series may have.
const MOST_POINTS: usize = 2_000_000;

/// What is asked by hand, and for which span.
#[derive(Debug, Clone, clap::Args)]
pub struct Questions {
    /// PromQL of a counter of submitted jobs; each series is taken for itself.
    #[arg(long, value_name = "PROMQL")]
    pub counter: Option<String>,
    /// PromQL of the number of waiting jobs: one series.
    #[arg(long, value_name = "PROMQL")]
    pub depth: Option<String>,
    /// Run time of each job. Without it, it is busy worker-seconds divided by jobs.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub run: Option<f64>,
    /// PromQL of the number of busy workers: one series.
    #[arg(long, value_name = "PROMQL")]
    pub busy: Option<String>,
    /// Start of the span, a date or Unix seconds.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub start: Option<f64>,
    /// End of the span; now, where it is not given.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub end: Option<f64>,
    /// Seconds between two points; not less than the scrape interval.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub step: f64,
    /// File that holds the value of the header `Authorization`, such as `Bearer TOKEN`.
    #[arg(long, value_name = "FILE")]
    pub auth_file: Option<PathBuf>,
    /// Variable of the environment that holds it.
    #[arg(long, value_name = "NAME", conflicts_with = "auth_file")]
    pub auth_env: Option<String>,
}

/// Asks the server at `url` (or what speaks its API: Thanos, Mimir, VictoriaMetrics) from `start` on.
///
/// # Errors
/// Says what the server refuses, and which question has no answer.
pub fn read(url: &str, start: f64, questions: &Questions) -> anyhow::Result<Past> {
    let Questions { counter, depth, run, busy, .. } = questions;
    let series =
        Series::of(counter.clone(), depth.clone(), *run, busy.clone()).map_err(anyhow::Error::msg)?;
    let end = questions.end.unwrap_or_else(|| WallClock::new().now());
    if start >= end {
        bail!("--start must lie before --end");
    }
    if url.contains('@') {
        bail!("the address holds credentials: put them into --auth-file");
    }
    let authorization = secret(questions.auth_file.as_ref(), questions.auth_env.as_ref())?;
    let span = Span { start, end, step: questions.step };
    // Whoever asks by hand sees how much it is.
    let bounds = Bounds { bytes: 512 << 20, points: usize::MAX, patience: Duration::from_mins(2) };
    let server = Server::new(url, authorization, span, bounds);
    let asked = series.map(|text| Question { sent: text.clone(), written: text.clone() });
    let Some(found) = ask(&server, &asked)? else {
        bail!(
            "`{}` has no points in this span: is the name right, and does the server keep data that long?",
            counter.as_ref().or(depth.as_ref()).map_or("", String::as_str)
        );
    };
    Ok(together(&[found], f64::INFINITY, questions.step))
}

/// What a layout's Prometheus remembers of these queues until then (Unix seconds): one question after the other, each
/// of one queue. Their jobs are put together; without any where the questions are about another queue.
///
/// # Errors
/// As for [`read`].
pub fn of_queues(config: &PrometheusHistory, queues: &[String], until: f64) -> anyhow::Result<Past> {
    let PrometheusHistory { url, authorization, series, queue, span, step, jobs, timeout } = config;
    if queue.as_ref().is_some_and(|only| queues.iter().any(|queue| queue != only)) {
        return Ok(together(&[], f64::from(*jobs), *step));
    }
    let authorization: Option<SecretString> = authorization.as_ref().map(Secret::read).transpose()?;
    let span = Span { start: until - span, end: until, step: *step };
    let bounds = Bounds { bytes: 64 << 20, points: MOST_POINTS, patience: Duration::from_secs_f64(*timeout) };
    let server = Server::new(url, authorization, span, bounds);
    let (mut found, mut points) = (Vec::new(), 0);
    for queue in queues {
        let about = series
            .map(|question| Question { sent: question.about(queue), written: question.text().to_owned() });
        let Some(one) = ask(&server, &about)? else { continue };
        points += one.arrivals.iter().map(Vec::len).sum::<usize>();
        if points > MOST_POINTS {
            bail!(
                "{} queues in one sum have more than {MOST_POINTS} points: a longer step or a shorter span",
                queues.len()
            );
        }
        found.push(one);
    }
    Ok(together(&found, f64::from(*jobs), *step))
}

/// What was found of one queue.
struct Found {
    /// Of each series, in the order of time.
    arrivals: Vec<Vec<Arrivals>>,
    /// Run time of each job, seconds; 0 where it is not known.
    run: f64,
    /// What the series cannot tell.
    loss: &'static str,
}

/// What the series say; `None` where nobody counted jobs in the span.
fn ask(server: &Server, series: &Series<Question>) -> anyhow::Result<Option<Found>> {
    let needed = |question: &Question| {
        let found = server.one(question)?;
        found.ok_or_else(|| {
            anyhow::anyhow!("`{}` has no points in this span: is the name right?", question.written)
        })
    };
    let mean_run = |run: &Run<Question>, arrivals: &[Vec<Arrivals>]| match run {
        Run::Known(run) => anyhow::Ok(*run),
        Run::Busy(busy) => {
            let jobs = series::count(arrivals.iter().flatten());
            // Without jobs there may have been no workers, and there is no run time.
            if jobs <= 0.0 {
                return Ok(0.0);
            }
            Ok(series::mean_run(&needed(busy)?, jobs).unwrap_or(0.0))
        }
    };
    let found = match series {
        Series::Counter { jobs, run } => {
            let counters = server.many(jobs)?;
            if counters.is_empty() {
                return Ok(None);
            }
            let arrivals: Vec<_> = counters.iter().map(|one| series::from_counter(one)).collect();
            let loss = "what a counter counted between its last point before a reset and the reset is lost";
            Found { run: mean_run(run, &arrivals)?, arrivals, loss }
        }
        Series::Depth { waiting, run } => {
            let Some(depth) = server.one(waiting)? else { return Ok(None) };
            let arrivals = vec![series::from_depth(&depth, None)];
            let loss = "a depth alone shows only what the queue grew by from point to point: jobs that came and were \
                        taken in between are missing (give busy and run, or a counter)";
            Found { run: mean_run(run, &arrivals)?, arrivals, loss }
        }
        Series::Flow { waiting, busy, run } => {
            let Some(depth) = server.one(waiting)? else { return Ok(None) };
            let arrivals = vec![series::from_depth(&depth, Some((&needed(busy)?, *run)))];
            Found {
                run: *run,
                arrivals,
                loss: "what left the queue is estimated from busy workers and the run time",
            }
        }
    };
    Ok(Some(found))
}

/// The jobs of several queues as one log, the latest `most` of them.
fn together(found: &[Found], most: f64, step: f64) -> Past {
    let mut losses = vec![format!("jobs within a step of {step} s are spread evenly over it")];
    let mut lose = |loss: String| {
        if !losses.contains(&loss) {
            losses.push(loss);
        }
    };
    let since = series::since_when(found.iter().flat_map(|one| one.arrivals.iter().flatten()), most);
    if since.is_some() {
        lose(format!("there were more than {most} jobs: only the latest are here"));
    }
    let mut jobs = Vec::new();
    for Found { arrivals, run, loss } in found {
        lose((*loss).to_owned());
        lose(format!(
            "all jobs have the same run time, {run:.3} s: how run times vary is not in these series"
        ));
        for series in arrivals {
            let kept = series.iter().filter(|one| since.is_none_or(|since| one.from >= since));
            jobs.extend(series::jobs(&series::spread(kept), *run));
        }
    }
    Past { log: JobLog::new(jobs), losses }
}
