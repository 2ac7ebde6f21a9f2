//! A server, and the span that it is asked for: range queries, in pieces that it answers.

use std::{fmt, time::Duration};

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

use crate::history::series::Point;

/// Points of one query; Prometheus gives 11,000 at most.
const POINTS: f64 = 10_000.0;

/// A question in PromQL: as it is sent, and as it was written.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) sent: String,
    /// In messages: the same for all queues, so that one failure reads as one.
    pub(super) written: String,
}

/// What an answer may cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes of one answer.
    pub(super) bytes: u64,
    /// Points of one question.
    pub(super) points: usize,
    /// How long one request may take.
    pub(super) patience: Duration,
}

/// Seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) step: f64,
}

/// A server, and the span that is asked for.
pub(super) struct Server {
    agent: ureq::Agent,
    url: String,
    authorization: Option<SecretString>,
    span: Span,
    bounds: Bounds,
}

impl Server {
    /// `url` holds no credentials.
    pub(super) fn new(url: &str, authorization: Option<SecretString>, span: Span, bounds: Bounds) -> Self {
        let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_global(Some(bounds.patience))
            .build()
            .new_agent();
        Self { agent, url: url.trim_end_matches('/').to_owned(), authorization, span, bounds }
    }

    /// The one series of a question; `None` where it has no points in the span.
    pub(super) fn one(&self, question: &Question) -> anyhow::Result<Option<Vec<Point>>> {
        let mut all = self.many(question)?;
        if all.len() > 1 {
            bail!("`{}` gives {} series; one is needed: write sum(...)", question.written, all.len());
        }
        Ok(all.pop())
    }

    /// All series of a question, each in the order of time.
    pub(super) fn many(&self, question: &Question) -> anyhow::Result<Vec<Vec<Point>>> {
        let Span { start, end, step } = self.span;
        let mut all: Vec<(Labels, Vec<Point>)> = Vec::new();
        let (mut from, mut points) = (start, 0);
        while from <= end {
            let to = (from + (POINTS - 1.0) * step).min(end);
            for Series { metric, values } in self.range(question, from, to)? {
                points += values.len();
                let values = values.into_iter().map(|Value(at, Number(value))| Point { at, value });
                let values = values.filter(|point| point.value.is_finite());
                match all.iter_mut().find(|(labels, _)| *labels == metric) {
                    Some((_, known)) => known.extend(values),
                    None => all.push((metric, values.collect())),
                }
            }
            if points > self.bounds.points {
                bail!(
                    "`{}` has more than {} points: ask for fewer series, a shorter span or a longer step",
                    question.written,
                    self.bounds.points
                );
            }
            from = to + step;
        }
        Ok(all.into_iter().map(|(_, points)| points).collect())
    }

    fn range(&self, question: &Question, from: f64, to: f64) -> anyhow::Result<Vec<Series>> {
        let mut request = self
            .agent
            .get(format!("{}/api/v1/query_range", self.url))
            .query("query", &question.sent)
            .query("start", from.to_string())
            .query("end", to.to_string())
            .query("step", self.span.step.to_string());
        if let Some(value) = &self.authorization {
            request = request.header("Authorization", value.expose_secret().trim());
        }
        let mut response = request.call().with_context(|| format!("cannot ask {}", self.url))?;
        let status = response.status();
        let answer: Result<Answer, _> =
            response.body_mut().with_config().limit(self.bounds.bytes).read_json();
        match answer {
            Ok(Answer { error: Some(error), .. }) => {
                bail!("{} refuses `{}`: {error}", self.url, question.written)
            }
            Ok(Answer { data: Some(Data { result }), .. }) => Ok(result),
            Err(ureq::Error::BodyExceedsLimit(bytes)) => bail!(
                "the answer to `{}` has more than {bytes} bytes: ask for fewer series or a longer step",
                question.written
            ),
            Ok(_) | Err(_) if !status.is_success() => bail!("{} answers {status}", self.url),
            Ok(_) => bail!("{} does not speak Prometheus' API: neither data nor an error", self.url),
            Err(error) => Err(error).with_context(|| format!("{} does not speak Prometheus' API", self.url)),
        }
    }
}

type Labels = std::collections::BTreeMap<String, String>;

/// No enum by its `status`: serde would keep a copy of all points to look for it.
#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: Labels,
    values: Vec<Value>,
}

/// Unix seconds, and a value.
#[derive(Deserialize)]
struct Value(f64, Number);

/// A number as text; what is none is not a number.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in quotes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                Ok(Number(text.parse().unwrap_or(f64::NAN)))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
