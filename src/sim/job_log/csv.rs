//! Job logs in CSV: a line of column names, then one job a line.

use std::{
    io::{self, Read, Write},
    num::{NonZeroU32, NonZeroU64},
};

use csv::{ReaderBuilder, StringRecord, Trim, Writer};

use super::{
    Job, JobLog, JobLogBuilder, JobLogError, Placement, Workflows,
    read::Lines,
    text::{milliseconds, seconds, time},
    workflow,
};

/// Which columns of a CSV file hold what. An empty field is not known; a job whose run time is not known has
/// run time 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Columns<'a> {
    /// Time of submission: Unix time, or a date as in `2017-10-09 01:34:10` (UTC unless it says otherwise).
    pub submit: Column<'a>,
    /// Run time.
    pub run: RunTime<'a>,
    /// Processors of the whole job.
    pub cpus: Option<&'a str>,
    /// GPUs of the whole job.
    pub gpus: Option<&'a str>,
    /// Bytes of memory of the whole job.
    pub memory: Option<&'a str>,
    /// Owner.
    pub owner: Option<&'a str>,
    /// Queue.
    pub queue: Option<&'a str>,
    /// The submitter's estimate of the run time.
    pub estimate: Option<Column<'a>>,
}

/// A column of times or durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether its numbers are milliseconds; otherwise they are seconds.
    pub in_milliseconds: bool,
}

/// Where the run time comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RunTime<'a> {
    /// A column holds it.
    In(Column<'a>),
    /// It lies between two times. Where the log knows only submission and end, the wait is part of it.
    Between {
        /// When the job started.
        start: Column<'a>,
        /// When it ended.
        end: Column<'a>,
    },
}

impl<'a> Column<'a> {
    /// A column by its name: milliseconds where the name ends in `_ms`, else seconds.
    pub fn named(name: &'a str) -> Self {
        Self { name, in_milliseconds: name.ends_with("_ms") }
    }
}

impl<'a> Columns<'a> {
    /// The columns of the bundled log.
    pub const PHILLY: Columns<'static> = Columns {
        submit: Column { name: "submit", in_milliseconds: false },
        run: RunTime::In(Column { name: "duration_s", in_milliseconds: false }),
        cpus: None,
        gpus: Some("num_gpus"),
        memory: None,
        owner: Some("vc"),
        queue: None,
        estimate: None,
    };

    /// Submission and run time by their names, and nothing else.
    pub fn of(submit: &'a str, run: &'a str) -> Self {
        Self {
            submit: Column::named(submit),
            run: RunTime::In(Column::named(run)),
            cpus: None,
            gpus: None,
            memory: None,
            owner: None,
            queue: None,
            estimate: None,
        }
    }

    /// The columns of a head line, by the names that are usual ([`USUAL`]).
    ///
    /// # Errors
    /// The column that is missing: submission always, and run time, or start and end, or an end alone.
    pub fn usual(head: &[&'a str]) -> Result<Self, JobLogError> {
        let find = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| head.iter().copied().find(|column| column.eq_ignore_ascii_case(name)))
        };
        let missing = |what, names: &[&str]| JobLogError::NoUsualColumn {
            what,
            names: names.join(", "),
            found: head.join(", "),
        };
        let [submit, run, start, end, cpus, gpus, memory, owner, queue, estimate] =
            USUAL.map(|(_, names)| names);
        let submitted = find(submit).map(Column::named).ok_or_else(|| missing("submissions", submit))?;
        let run = match (find(run).map(Column::named), find(end).map(Column::named)) {
            (Some(column), _) => RunTime::In(column),
            (None, Some(end)) => {
                RunTime::Between { start: find(start).map_or(submitted, Column::named), end }
            }
            (None, None) => return Err(missing("run times or ends", &[run, end].concat())),
        };
        Ok(Self {
            submit: submitted,
            run,
            cpus: find(cpus),
            gpus: find(gpus),
            memory: find(memory),
            owner: find(owner),
            queue: find(queue),
            estimate: find(estimate).map(Column::named),
        })
    }
}

/// What each column is called in practice, the name that we write first. Case does not matter.
pub const USUAL: [(&str, &[&str]); 10] = [
    (
        "submission",
        &["submit", "submit_s", "submit_ms", "submitted", "submitted_at", "submit_time", "created_at"],
    ),
    (
        "run time",
        &["run", "run_s", "run_ms", "duration", "duration_s", "duration_ms", "runtime", "runtime_s"],
    ),
    ("start", &["start", "start_s", "start_ms", "started", "started_at", "start_time"]),
    ("end", &["end", "end_s", "end_ms", "ended", "ended_at", "end_time", "finished_at", "completed_at"]),
    ("processors", &["cpus", "cpu_count", "num_cpus", "cores"]),
    ("GPUs", &["gpus", "gpu_count", "num_gpus"]),
    ("memory", &["memory", "memory_bytes"]),
    ("owner", &["owner", "user", "username", "vc"]),
    ("queue", &["queue", "queue_name", "partition"]),
    ("estimate", &["estimate", "estimate_s", "estimate_ms"]),
];

/// Reads a whole log.
pub(super) fn read(reader: impl Read, columns: &Columns<'_>) -> Result<JobLog, JobLogError> {
    let mut table = Table::open(reader)?;
    rest(&mut table, columns)
}

/// Reads a whole log whose columns have usual names; or workflows.
pub(super) fn read_usual(reader: impl Read) -> Result<JobLog, JobLogError> {
    let mut table = Table::open(reader)?;
    if workflow::is_head(&table.head) {
        return Ok(Workflows::read_table(&mut table)?.place(&Placement::default()));
    }
    let head = table.head.clone();
    rest(&mut table, &Columns::usual(&head.iter().collect::<Vec<_>>())?)
}

fn rest(table: &mut Table<'_>, columns: &Columns<'_>) -> Result<JobLog, JobLogError> {
    let Columns { submit, run, cpus, gpus, memory, owner, queue, estimate } = *columns;
    let submit = table.time(submit)?;
    let run = match run {
        RunTime::In(column) => Run::In(table.seconds(column)?),
        RunTime::Between { start, end } => Run::Between(table.time(start)?, table.time(end)?),
    };
    let [cpus, gpus, memory, owner, queue] =
        [cpus, gpus, memory, owner, queue].map(|column| column.map(|name| table.place(name)).transpose());
    let (cpus, gpus, memory, owner, queue) = (cpus?, gpus?, memory?, owner?, queue?);
    let estimate = estimate.map(|column| table.seconds(column)).transpose()?;

    let mut builder = JobLogBuilder::default();
    while let Some(line) = table.next()? {
        let count = |place: &Option<Place>| {
            let count: Option<u32> = line.whole(place.as_ref())?;
            Ok(count.and_then(NonZeroU32::new))
        };
        let job = Job {
            submit: submit.needed(&line)?,
            run: run.of(&line)?,
            cpus: count(&cpus)?,
            gpus: count(&gpus)?,
            memory: line.whole(memory.as_ref())?.and_then(NonZeroU64::new),
            owner: line.name(owner.as_ref())?.map(|name| builder.owner(name)),
            queue: line.name(queue.as_ref())?.map(|name| builder.queue(name)),
            #[expect(clippy::cast_possible_truncation, reason = "an estimate need not be exact")]
            estimate: match &estimate {
                Some(estimate) => estimate.read(&line)?.map(|seconds| seconds as f32),
                None => None,
            },
        };
        builder.push(job);
    }
    Ok(builder.build())
}

/// Writes what [`read_usual`] reads.
pub(super) fn write(log: &JobLog, out: impl Write) -> io::Result<()> {
    if log.has_parents() {
        let what = "jobs of this log wait for others, which CSV has no column for: release them first";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let mut csv = Writer::from_writer(out);
    csv.write_record(["submit", "run", "cpus", "gpus", "memory", "owner", "queue", "estimate"])?;
    for job in log.jobs() {
        let text = |number: Option<String>| number.unwrap_or_default();
        csv.write_record([
            job.submit.to_string(),
            job.run.to_string(),
            text(job.cpus.map(|count| count.to_string())),
            text(job.gpus.map(|count| count.to_string())),
            text(job.memory.map(|bytes| bytes.to_string())),
            job.owner.map_or("", |owner| log.owner(owner)).to_owned(),
            job.queue.map_or("", |queue| log.queue(queue)).to_owned(),
            text(job.estimate.map(|seconds| seconds.to_string())),
        ])?;
    }
    csv.flush()
}

/// A CSV file behind its head line.
pub(super) struct Table<'a> {
    lines: Lines<'a>,
    head: StringRecord,
}

/// A column that was found.
pub(super) struct Place {
    column: String,
    index: usize,
}

/// One line that holds something.
pub(super) struct Line {
    pub(super) number: usize,
    fields: StringRecord,
}

impl<'a> Table<'a> {
    pub(super) fn open(reader: impl Read + 'a) -> Result<Self, JobLogError> {
        let mut lines = Lines::of(reader)?;
        let (_, head) = lines.next()?.unwrap_or_default();
        Ok(Self { lines, head: fields(head.trim_start_matches('\u{feff}')) })
    }

    pub(super) fn place(&self, column: &str) -> Result<Place, JobLogError> {
        let index = self.head.iter().position(|name| name == column);
        let found = || self.head.iter().take(100).collect::<Vec<_>>().join(", ");
        index
            .map(|index| Place { column: column.to_owned(), index })
            .ok_or_else(|| JobLogError::NoColumn { column: column.to_owned(), found: found() })
    }

    pub(super) fn next(&mut self) -> Result<Option<Line>, JobLogError> {
        while let Some((number, text)) = self.lines.next()? {
            if !text.trim().is_empty() {
                return Ok(Some(Line { number, fields: fields(&text) }));
            }
        }
        Ok(None)
    }

    fn time(&self, column: Column<'_>) -> Result<Number, JobLogError> {
        let (expected, read): (_, fn(&str) -> Option<f64>) = if column.in_milliseconds {
            ("a time (Unix milliseconds)", milliseconds)
        } else {
            (
                "a time (Unix seconds or YYYY-MM-DD hh:mm:ss; a column in milliseconds has a name that ends in _ms)",
                time,
            )
        };
        Ok(Number { place: self.place(column.name)?, expected, read })
    }

    fn seconds(&self, column: Column<'_>) -> Result<Number, JobLogError> {
        let (expected, read): (_, fn(&str) -> Option<f64>) = if column.in_milliseconds {
            ("a time in milliseconds, 0 or more", milliseconds)
        } else {
            ("a time in seconds, 0 or more", seconds)
        };
        Ok(Number { place: self.place(column.name)?, expected, read })
    }
}

impl Line {
    pub(super) fn text(&self, place: &Place) -> Result<&str, JobLogError> {
        self.fields.get(place.index).ok_or_else(|| JobLogError::NoField {
            line: self.number,
            column: place.column.clone(),
            fields: self.fields.len(),
        })
    }

    pub(super) fn parse<T>(
        &self,
        place: &Place,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, JobLogError> {
        let value = self.text(place)?;
        parse(value).ok_or_else(|| JobLogError::bad_field(self.number, &place.column, value, expected))
    }

    /// A whole number, where the log has such a column and the line a value in it.
    pub(super) fn whole<T: std::str::FromStr>(
        &self,
        place: Option<&Place>,
    ) -> Result<Option<T>, JobLogError> {
        let Some(place) = place else { return Ok(None) };
        if self.text(place)?.is_empty() {
            return Ok(None);
        }
        self.parse(place, "a whole number, 0 or more", |text| text.parse().ok()).map(Some)
    }

    fn name(&self, place: Option<&Place>) -> Result<Option<&str>, JobLogError> {
        let text = place.map(|place| self.text(place)).transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    }
}

/// A column of times or durations, and how it is read.
struct Number {
    place: Place,
    expected: &'static str,
    read: fn(&str) -> Option<f64>,
}

impl Number {
    fn needed(&self, line: &Line) -> Result<f64, JobLogError> {
        line.parse(&self.place, self.expected, self.read)
    }

    /// `None` of an empty field.
    fn read(&self, line: &Line) -> Result<Option<f64>, JobLogError> {
        if line.text(&self.place)?.is_empty() { Ok(None) } else { self.needed(line).map(Some) }
    }
}

enum Run {
    In(Number),
    Between(Number, Number),
}

impl Run {
    fn of(&self, line: &Line) -> Result<f64, JobLogError> {
        match self {
            Self::In(run) => Ok(run.read(line)?.unwrap_or(0.0)),
            Self::Between(start, end) => {
                let (Some(from), Some(to)) = (start.read(line)?, end.read(line)?) else { return Ok(0.0) };
                let seconds = Some(to - from).filter(|seconds| *seconds >= 0.0);
                seconds.map_or_else(|| line.parse(&end.place, "a time at or after the start", |_| None), Ok)
            }
        }
    }
}

/// The fields of a line, trimmed. Quotes may hold commas; a field never goes on in the next line.
fn fields(line: &str) -> StringRecord {
    let mut record = StringRecord::new();
    if line.contains('"') {
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .trim(Trim::All)
            .buffer_capacity(line.len().max(1))
            .from_reader(line.as_bytes());
        if reader.read_record(&mut record).is_ok() {
            return record;
        }
        record.clear();
    }
    line.split(',').for_each(|field| record.push_field(field.trim()));
    record
}
