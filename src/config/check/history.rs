//! What is asked of the past.

use super::{Checked, optional_seconds, wrong};
use crate::{
    config::{
        history::{History, PrometheusHistory, Series, TableHistory},
        promql::PromQl,
        raw::{RawHistory, RawPrometheus},
        secret::Secret,
        text::Text,
    },
    source::preset::Store,
};

/// What is asked of the past: 90 days, 200,000 jobs (some 50 MB while they are learned from), a minute.
const SPAN: f64 = 90.0 * 86_400.0;
const JOBS: u32 = 200_000;
const TIMEOUT: f64 = 60.0;

/// Seconds between two points of a series.
const STEP: f64 = 60.0;

/// Points of a series at most: 1000 days, a minute apart, and some 25 MB.
const POINTS: f64 = 1_500_000.0;

pub(super) fn history(at: &str, kind: Store, raw: RawHistory) -> Checked<History> {
    let RawHistory { query, span, rows, timeout, prometheus } = raw;
    match (query, prometheus) {
        (Some(query), None) => table(at, kind, query, span, rows, timeout).map(History::Table),
        (None, Some(raw)) => {
            for (key, given) in
                [("span", span.is_some()), ("rows", rows.is_some()), ("timeout", timeout.is_some())]
            {
                if given {
                    return wrong(
                        format!("{at}.{key}"),
                        "it goes with query; prometheus has a span, jobs and a timeout inside",
                    );
                }
            }
            prometheus_history(&format!("{at}.prometheus"), raw).map(History::Prometheus)
        }
        _ => wrong(at, "give exactly one of query (Postgres) and prometheus"),
    }
}

fn table(
    at: &str,
    kind: Store,
    query: String,
    span: Option<Text>,
    rows: Option<u32>,
    timeout: Option<Text>,
) -> Checked<TableHistory> {
    if kind != Store::Postgres {
        return wrong(
            format!("{at}.query"),
            "a query needs a postgres source; Redis does not remember jobs: ask a Prometheus, with prometheus",
        );
    }
    if query.trim().is_empty() {
        return wrong(format!("{at}.query"), "a statement with the columns queue, submit, and run or end");
    }
    let span = span_of(at, span)?;
    let rows = jobs_of(&format!("{at}.rows"), rows)?;
    Ok(TableHistory { query, span, rows, timeout: timeout_of(at, timeout)? })
}

fn prometheus_history(at: &str, raw: RawPrometheus) -> Checked<PrometheusHistory> {
    let RawPrometheus {
        url,
        counter,
        depth,
        run,
        busy,
        queue,
        span,
        step,
        jobs,
        auth_file,
        auth_env,
        timeout,
    } = raw;
    let authorization = match (auth_file, auth_env) {
        (Some(_), Some(_)) => return wrong(at, "give one of auth_file and auth_env"),
        (Some(file), None) => Some(Secret::File(file)),
        (None, Some(variable)) => Some(Secret::Env(variable)),
        (None, None) => None,
    };
    let run = optional_seconds(&format!("{at}.run"), run)?;
    if run.is_some_and(|run| run <= 0.0) {
        return wrong(format!("{at}.run"), "above 0");
    }
    if queue.as_ref().is_some_and(|name| name.is_empty() || name.contains(',')) {
        return wrong(format!("{at}.queue"), "the name of one queue");
    }
    let question = |key: &str, text: Option<String>| -> Checked<Option<PromQl>> {
        let at = format!("{at}.{key}");
        let question = text.map(|text| PromQl::new(&text)).transpose().or_else(|what| wrong(&at, what))?;
        if question.as_ref().is_some_and(|question| !question.names_queue()) && queue.is_none() {
            return wrong(
                at,
                "every queue of the layout would learn from the same jobs: write {queue} where a label names the \
                 queue, such as queue=\"{queue}\", or say beside it which queue it is about: queue: NAME",
            );
        }
        Ok(question)
    };
    let (counter, depth) = (question("counter", counter)?, question("depth", depth)?);
    let series = Series::of(counter, depth, run, question("busy", busy)?).or_else(|what| wrong(at, what))?;
    let span = span_of(at, span)?;
    let step = optional_seconds(&format!("{at}.step"), step)?.unwrap_or(STEP);
    if !(1.0..=86_400.0).contains(&step) || step > span {
        return wrong(format!("{at}.step"), "between 1s and 1d, and not more than span");
    }
    if span / step > POINTS {
        return wrong(
            format!("{at}.step"),
            format!("span has more than {POINTS} points so far apart: a longer step, or a shorter span"),
        );
    }
    let jobs = jobs_of(&format!("{at}.jobs"), jobs)?;
    let (url, timeout) = (address(at, &url)?, timeout_of(at, timeout)?);
    Ok(PrometheusHistory { url, authorization, series, queue, span, step, jobs, timeout })
}

/// Says nothing of the value, since a URL may hold a password.
fn address(at: &str, url: &str) -> Checked<String> {
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    if url.contains('@') {
        return wrong(
            format!("{at}.url"),
            "the address holds credentials: put them into auth_file or auth_env",
        );
    }
    if host.is_none_or(str::is_empty) || url.contains(['?', '#']) || url.contains(char::is_whitespace) {
        return wrong(
            format!("{at}.url"),
            "the address of a Prometheus or of what speaks its API, such as http://prometheus:9090",
        );
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn span_of(at: &str, span: Option<Text>) -> Checked<f64> {
    let span = optional_seconds(&format!("{at}.span"), span)?.unwrap_or(SPAN);
    if (3_600.0..=1_000.0 * 86_400.0).contains(&span) {
        Ok(span)
    } else {
        wrong(format!("{at}.span"), "between 1h and 1000d")
    }
}

fn jobs_of(at: &str, jobs: Option<u32>) -> Checked<u32> {
    let jobs = jobs.unwrap_or(JOBS);
    if (1..=5_000_000).contains(&jobs) { Ok(jobs) } else { wrong(at, "between 1 and 5000000") }
}

fn timeout_of(at: &str, timeout: Option<Text>) -> Checked<f64> {
    let timeout = optional_seconds(&format!("{at}.timeout"), timeout)?.unwrap_or(TIMEOUT);
    if (0.1..=3_600.0).contains(&timeout) {
        Ok(timeout)
    } else {
        wrong(format!("{at}.timeout"), "between 100ms and 1h")
    }
}

#[cfg(test)]
mod tests;
