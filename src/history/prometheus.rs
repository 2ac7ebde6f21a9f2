//! Jobs out of a Prometheus: range queries, in pieces that a server answers.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    Past, exposed, parse_duration, parse_time, secret,
    series::{self, Point},
};
use crate::{
    clock::{Clock as _, WallClock},
    sim::job_log::JobLog,
};

/// Points of one query; Prometheus gives 11,000 at most.
const POINTS: f64 = 10_000.0;

/// Bytes that an answer may have.
const LARGEST_ANSWER: u64 = 512 * 1024 * 1024;

/// How long one query may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is asked, and for which span.
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
    let Questions { counter, depth, run, busy, step, .. } = questions;
    let server = Server::new(url, start, questions)?;
    let busy = busy.as_deref().map(|query| server.one(query)).transpose()?;
    let mut losses = vec![format!("jobs within a step of {step} s are spread evenly over it")];
    let submits = match (counter, depth) {
        (Some(query), _) => {
            let all: Vec<f64> =
                server.many(query)?.iter().flat_map(|one| series::from_counter(one)).collect();
            losses.push(
                "what a counter counted between its last point before a reset and the reset is lost"
                    .to_owned(),
            );
            all
        }
        (None, Some(query)) => {
            let flow = busy.as_deref().zip(*run);
            losses.push(match flow {
                Some(_) => "what left the queue is estimated from busy workers and the run time".to_owned(),
                None => {
                    "a depth alone shows only what the queue grew by from point to point: jobs that came and \
                         were taken in between are missing (give --busy and --run, or a --counter)"
                        .to_owned()
                }
            });
            series::from_depth(&server.one(query)?, flow)
        }
        (None, None) => bail!("a series is needed: --counter or --depth"),
    };
    let run = match (run, &busy) {
        (Some(run), _) => *run,
        (None, Some(busy)) => series::mean_run(busy, submits.len()).unwrap_or(0.0),
        (None, None) => bail!("a run time is needed: --run or --busy"),
    };
    losses.push(format!(
        "all jobs have the same run time, {run:.3} s: how run times vary is not in these series"
    ));
    Ok(Past { log: JobLog::new(series::jobs(&submits, run)), losses })
}

/// A server, and the span that is asked for.
struct Server {
    agent: ureq::Agent,
    url: String,
    authorization: Option<SecretString>,
    start: f64,
    end: f64,
    step: f64,
}

impl Server {
    fn new(url: &str, start: f64, questions: &Questions) -> anyhow::Result<Self> {
        let end = questions.end.unwrap_or_else(|| WallClock::new().now());
        if start >= end {
            bail!("--start must lie before --end");
        }
        let url = url.trim_end_matches('/').to_owned();
        if url.contains('@') {
            bail!("the address holds credentials: put them into --auth-file");
        }
        let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        let authorization = secret(questions.auth_file.as_ref(), questions.auth_env.as_ref())?;
        Ok(Self { agent, url, authorization, start, end, step: questions.step })
    }

    /// The one series of a query.
    fn one(&self, query: &str) -> anyhow::Result<Vec<Point>> {
        let mut all = self.many(query)?;
        match (all.pop(), all.len()) {
            (Some(one), 0) => Ok(one),
            (None, _) => bail!("`{query}` has no points in this span"),
            (Some(_), others) => {
                bail!("`{query}` gives {} series; one is needed: write sum(...)", others + 1)
            }
        }
    }

    /// All series of a query, each in the order of time.
    fn many(&self, query: &str) -> anyhow::Result<Vec<Vec<Point>>> {
        let mut all: Vec<(Labels, Vec<Point>)> = Vec::new();
        let mut from = self.start;
        while from <= self.end {
            let to = (from + (POINTS - 1.0) * self.step).min(self.end);
            for Series { metric, values } in self.range(query, from, to)? {
                let points = values.into_iter().filter_map(|Value(at, text)| {
                    let value: f64 = text.parse().ok()?;
                    value.is_finite().then_some(Point { at, value })
                });
                match all.iter_mut().find(|(labels, _)| *labels == metric) {
                    Some((_, known)) => known.extend(points),
                    None => all.push((metric, points.collect())),
                }
            }
            from = to + self.step;
        }
        if all.is_empty() {
            bail!(
                "`{query}` has no points in this span: is the name right, and does the server keep data that long?"
            );
        }
        Ok(all.into_iter().map(|(_, points)| points).collect())
    }

    fn range(&self, query: &str, from: f64, to: f64) -> anyhow::Result<Vec<Series>> {
        let mut request = self
            .agent
            .get(format!("{}/api/v1/query_range", self.url))
            .query("query", query)
            .query("start", from.to_string())
            .query("end", to.to_string())
            .query("step", self.step.to_string());
        if let Some(value) = &self.authorization {
            request = request.header("Authorization", exposed(value));
        }
        let mut response = request.call().with_context(|| format!("cannot ask {}", self.url))?;
        let status = response.status();
        let answer: Result<Answer, _> = response.body_mut().with_config().limit(LARGEST_ANSWER).read_json();
        match answer {
            Ok(Answer::Success { data: Data::Matrix { result } }) => Ok(result),
            Ok(Answer::Error { error }) => bail!("{} refuses `{query}`: {error}", self.url),
            Err(_) if !status.is_success() => bail!("{} answers {status}", self.url),
            Err(error) => Err(error).with_context(|| format!("{} does not speak Prometheus' API", self.url)),
        }
    }
}

type Labels = std::collections::BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Answer {
    Success { data: Data },
    Error { error: String },
}

#[derive(Deserialize)]
#[serde(tag = "resultType", rename_all = "lowercase")]
enum Data {
    Matrix { result: Vec<Series> },
}

#[derive(Deserialize)]
struct Series {
    metric: Labels,
    values: Vec<Value>,
}

/// Unix seconds, and a number as text.
#[derive(Deserialize)]
struct Value(f64, String);
