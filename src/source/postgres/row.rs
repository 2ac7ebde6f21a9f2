//! A row of a layout's statement, as JSON, becomes a sample.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::statement::Statement;
use crate::{
    config::source::{Layout, MissingQueue},
    series::{Holder, Quality, Sample},
    source::QueueError,
};

/// What one statement brought: a sample, or what is wrong with it, for each queue.
#[derive(Debug)]
pub(super) struct Readings {
    queues: BTreeMap<String, Result<Sample, String>>,
    /// The reading of a table that is one queue.
    whole: Option<Result<Sample, String>>,
    shape: Shape,
}

impl Readings {
    /// Reads a statement's rows.
    ///
    /// # Errors
    /// Where a row is no row at all.
    pub(super) fn new(
        rows: impl Iterator<Item = String>,
        statement: &Statement,
        layout: &Layout,
    ) -> Result<Self, String> {
        let mut readings = Self { queues: BTreeMap::new(), whole: None, shape: statement.shape() };
        for json in rows {
            let (queue, row) = read(&json)?;
            let found = sample(&row, &readings.shape, layout);
            match queue {
                None if statement.is_one_queue() => readings.whole = Some(found),
                None => return Err("the query returned a row without a queue".to_owned()),
                Some(queue) => match readings.queues.entry(queue) {
                    Entry::Vacant(place) => {
                        place.insert(found);
                    }
                    Entry::Occupied(mut place) => {
                        let what = format!("queue {:?} has several rows: GROUP BY queue", place.key());
                        drop(place.insert(Err(what)));
                    }
                },
            }
        }
        Ok(readings)
    }

    /// What was read of one queue.
    pub(super) fn of(&self, queue: &str, layout: &Layout) -> Result<Sample, QueueError> {
        match self.whole.as_ref().or_else(|| self.queues.get(queue)) {
            Some(found) => found.clone().map_err(QueueError::Read),
            None if layout.missing_queue == MissingQueue::Error => Err(QueueError::Missing(queue.to_owned())),
            None => Ok(self.shape.empty(false)),
        }
    }
}

/// Every column that a statement may return.
pub(super) const COLUMNS: [&str; 10] = [
    "queue",
    "waiting",
    "scheduled",
    "next_due",
    "in_flight",
    "stuck",
    "oldest_age",
    "arrivals_total",
    "completions_total",
    "workers",
];

/// What a layout's statement can tell, so that an empty queue says 0 for that and nothing for the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each says of one column whether it is there")]
pub(super) struct Shape {
    pub(super) scheduled: bool,
    pub(super) in_flight: bool,
    pub(super) stuck: bool,
    pub(super) workers: bool,
    pub(super) quality: Quality,
}

impl Shape {
    /// What a statement tells that returns these columns.
    pub(super) fn of_columns(columns: &[String]) -> Self {
        let has = |name: &str| columns.iter().any(|column| column == name);
        Self {
            scheduled: has("scheduled"),
            in_flight: has("in_flight"),
            stuck: has("stuck"),
            workers: has("workers"),
            quality: Quality::Exact,
        }
    }

    /// A queue without a job; `seen` where the store knows it all the same.
    pub(super) fn empty(&self, seen: bool) -> Sample {
        let zero = |told: bool| told.then_some(0);
        Sample {
            waiting: Some(0),
            scheduled: zero(self.scheduled),
            in_flight: zero(self.in_flight),
            stuck: zero(self.stuck),
            holders: self.workers.then(Vec::new),
            quality: self.quality,
            seen,
            ..Sample::default()
        }
    }
}

/// A row's queue, `None` where its table is one queue, and what it says.
///
/// # Errors
/// Names the column that is wrong. A row that is not even an object is an error without a queue.
fn read(json: &str) -> Result<(Option<String>, Map<String, Value>), String> {
    let mut row: Map<String, Value> =
        serde_json::from_str(json).map_err(|error| format!("the server sent no valid row: {error}"))?;
    match row.remove("queue") {
        Some(Value::String(queue)) => Ok((Some(queue), row)),
        Some(Value::Null) | None => Ok((None, row)),
        Some(other) => Ok((Some(other.to_string()), row)),
    }
}

/// What a row says of its queue.
///
/// # Errors
/// Names the column, what stands in it and what is wanted.
fn sample(row: &Map<String, Value>, shape: &Shape, layout: &Layout) -> Result<Sample, String> {
    if row.is_empty() {
        return Ok(shape.empty(true));
    }
    let waiting = count(row, "waiting")?;
    if waiting.is_none() {
        return Err(
            "column waiting is NULL: it must be a number (count(*) gives 0 where nothing waits)".into()
        );
    }
    let in_flight = count(row, "in_flight")?;
    Ok(Sample {
        waiting,
        scheduled: count(row, "scheduled")?,
        next_due: seconds(row, "next_due")?,
        in_flight,
        stuck: count(row, "stuck")?,
        holders: holders(row, in_flight, shape, layout)?,
        oldest_age: seconds(row, "oldest_age")?,
        arrivals_total: count(row, "arrivals_total")?,
        completions_total: count(row, "completions_total")?,
        quality: shape.quality,
        seen: true,
    })
}

fn number(row: &Map<String, Value>, column: &str, hint: &str) -> Result<Option<f64>, String> {
    match row.get(column) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64()),
        Some(other) => Err(format!("column {column} is {other}, which is not a number{hint}")),
    }
}

fn count(row: &Map<String, Value>, column: &str) -> Result<Option<u64>, String> {
    if let Some(exact) = row.get(column).and_then(Value::as_u64) {
        return Ok(Some(exact));
    }
    let Some(number) = number(row, column, "")? else { return Ok(None) };
    if number < 0.0 {
        return Err(format!("column {column} is {number}: a count cannot be negative"));
    }
    if number.fract() != 0.0 || number > 9e18 {
        return Err(format!("column {column} is {number}: a count is a whole number"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just checked to fit")]
    Ok(Some(number as u64))
}

/// Below 0 counts as 0: the clock that wrote the time may be ahead of the server's.
fn seconds(row: &Map<String, Value>, column: &str) -> Result<Option<f64>, String> {
    let hint = "; give seconds, as in extract(epoch FROM now() - min(created_at))";
    Ok(number(row, column, hint)?.map(|seconds| seconds.max(0.0)))
}

/// A worker of the column `workers`: its name, or its name with its jobs and how many of them are stuck.
#[derive(Deserialize)]
#[serde(untagged)]
enum Worker {
    Name(Option<String>),
    Counted(Option<String>, u64, u64),
}

fn holders(
    row: &Map<String, Value>,
    in_flight: Option<u64>,
    shape: &Shape,
    layout: &Layout,
) -> Result<Option<Vec<Holder>>, String> {
    if !shape.workers {
        return Ok(None);
    }
    let workers: Vec<Worker> = match row.get("workers") {
        // What array_agg makes of no rows.
        None | Some(Value::Null) => return Ok((in_flight == Some(0)).then(Vec::new)),
        Some(list) => serde_json::from_value(list.clone())
            .map_err(|_| format!("column workers is {list}: an array of the workers' names is wanted"))?,
    };
    let mut pods: BTreeMap<Box<str>, (u64, u64)> = BTreeMap::new();
    for worker in workers {
        let (name, jobs, stuck) = match worker {
            Worker::Name(name) => (name, 1, 0),
            Worker::Counted(name, jobs, stuck) => (name, jobs, stuck),
        };
        // A job that somebody holds whose name is not known: how many are busy is not known either.
        let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
        let held = pods.entry(layout.pod_of(&name).into()).or_default();
        *held = (held.0 + jobs, held.1 + stuck);
    }
    let fit = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Some(
        pods.into_iter()
            .map(|(worker, (jobs, stuck))| Holder { worker, jobs: fit(jobs), stuck: fit(stuck) })
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::{LayoutRead, MissingQueue};

    fn sample_of(json: &str) -> Result<Sample, String> {
        let (_, row) = read(json).expect("the row is an object");
        let layout = Layout {
            name: "l".into(),
            implied: false,
            read: LayoutRead::Query(String::new()),
            missing_queue: MissingQueue::Empty,
            max_run: 300.0,
            stuck_after: None,
            history: None,
            worker_pod: Some(regex::Regex::new("^(.*)@").expect("it is a regex")),
        };
        let columns: Vec<String> = row.keys().cloned().collect();
        sample(&row, &Shape::of_columns(&columns), &layout)
    }

    #[test]
    fn every_kind_of_number_counts() {
        let sample =
            sample_of(r#"{"queue":"q","waiting":3,"in_flight":2.0,"oldest_age":1.5,"scheduled":1e3}"#);
        let sample = sample.expect("all are numbers");
        assert_eq!((sample.waiting, sample.in_flight, sample.scheduled), (Some(3), Some(2), Some(1000)));
        assert_eq!((sample.oldest_age, sample.stuck, sample.holders), (Some(1.5), None, None));
    }

    #[test]
    fn what_is_no_count_is_named() {
        for (json, words) in [
            (r#"{"waiting":-1}"#, "waiting is -1: a count cannot be negative"),
            (r#"{"waiting":2.5}"#, "waiting is 2.5: a count is a whole number"),
            (r#"{"waiting":"3"}"#, r#"waiting is "3", which is not a number"#),
            (r#"{"waiting":null}"#, "waiting is NULL"),
            (r#"{"waiting":1,"oldest_age":"00:01:00"}"#, "extract(epoch"),
            (r#"{"waiting":1,"workers":"w"}"#, "an array of the workers' names"),
        ] {
            let error = sample_of(json).expect_err(json);
            assert!(error.contains(words), "{json}: {error}");
        }
    }

    #[test]
    fn workers_are_counted_by_pod_and_an_unnamed_one_makes_them_unknown() {
        let of = |workers: &str| {
            let json = format!(r#"{{"waiting":0,"in_flight":3,"workers":{workers}}}"#);
            sample_of(&json).expect("the row is right").holders
        };
        let holder = |worker: &str, jobs, stuck| Holder { worker: worker.into(), jobs, stuck };
        assert_eq!(of(r#"["a@1","a@2","b"]"#), Some(vec![holder("a", 2, 0), holder("b", 1, 0)]));
        assert_eq!(of(r#"[["a@1",2,1],["a@2",1,0]]"#), Some(vec![holder("a", 3, 1)]));
        assert_eq!(of(r#"["a",null]"#), None);
        assert_eq!(of("null"), None);
        let idle = sample_of(r#"{"waiting":0,"in_flight":0,"workers":null}"#).expect("the row is right");
        assert_eq!(idle.holders, Some(vec![]));
    }
}
