//! The Standard Workload Format 2.2 of the Parallel Workloads Archive: 18 numbers a line, -1 where unknown.

use std::{
    collections::HashMap,
    io::Read,
    num::{NonZeroU32, NonZeroU64},
};

use super::{About, Job, JobLog, JobLogBuilder, JobLogError, read::Lines, text::LATEST};

/// The fields that are read, by their number in the format's definition, and what an error calls them.
const SUBMIT: Field = Field(2, "2: submit time");
const RUN: Field = Field(4, "4: run time");
const ALLOCATED: Field = Field(5, "5: allocated processors");
const USED_MEMORY: Field = Field(7, "7: used memory");
const REQUESTED: Field = Field(8, "8: requested processors");
const ESTIMATE: Field = Field(9, "9: requested time");
const REQUESTED_MEMORY: Field = Field(10, "10: requested memory");
const USER: Field = Field(12, "12: user");
const QUEUE: Field = Field(15, "15: queue");
const PARTITION: Field = Field(16, "16: partition");

/// A line must reach to here; what comes after it may be missing, and is then unknown.
const LAST_NEEDED: Field = ALLOCATED;

pub(super) fn read(reader: impl Read) -> Result<JobLog, JobLogError> {
    let mut lines = Lines::of(reader)?;
    let mut builder = JobLogBuilder::default();
    let mut head = Head::default();
    while let Some((number, text)) = lines.next()? {
        let text = text.trim();
        if let Some(comment) = text.strip_prefix(';') {
            head.take(comment);
        } else if !text.is_empty() {
            let job = job(&Line { number, fields: text.split_whitespace().collect() }, &mut builder)?;
            builder.push(job);
        }
    }
    builder.rename_queues(|name| head.names.get(name).cloned().unwrap_or_else(|| name.to_owned()));
    builder.shift(head.unix_start.unwrap_or(0.0));
    builder.about(About {
        processors: head.processors.or(head.nodes),
        time_zone: head.time_zone,
        undated: head.unix_start.is_none(),
    });
    Ok(builder.build())
}

fn job(line: &Line<'_>, builder: &mut JobLogBuilder) -> Result<Job, JobLogError> {
    if line.fields.len() < LAST_NEEDED.0 {
        return Err(JobLogError::NoField {
            line: line.number,
            column: LAST_NEEDED.1.to_owned(),
            fields: line.fields.len(),
        });
    }
    let submit = line.number(SUBMIT)?.ok_or_else(|| line.wrong(SUBMIT, "a time, 0 or more"))?;
    let cpus = line.count(ALLOCATED)?.or(line.count(REQUESTED)?);
    let memory_each = line.count(REQUESTED_MEMORY)?.or(line.count(USED_MEMORY)?);
    let group =
        |field: Field, kind: &str| Ok(line.count_or_zero(field)?.map(|number| format!("{kind}{number}")));
    let queue = match group(QUEUE, QUEUE_KIND)? {
        Some(queue) => Some(queue),
        None => group(PARTITION, PARTITION_KIND)?,
    };
    let in_bytes = |kilobytes: u64| kilobytes.saturating_mul(1024).saturating_mul(cpus.unwrap_or(1));
    #[expect(clippy::cast_possible_truncation, reason = "an estimate need not be exact")]
    let estimate = line.number(ESTIMATE)?.filter(|seconds| *seconds > 0.0).map(|seconds| seconds as f32);
    Ok(Job {
        submit,
        run: line.number(RUN)?.unwrap_or(0.0),
        memory: memory_each.map(in_bytes).and_then(NonZeroU64::new),
        estimate,
        cpus: cpus.and_then(|cpus| NonZeroU32::new(u32::try_from(cpus).unwrap_or(u32::MAX))),
        gpus: None,
        owner: line.count_or_zero(USER)?.map(|user| builder.owner(&user.to_string())),
        queue: queue.map(|queue| builder.queue(&queue)),
    })
}

/// How queues and partitions of the head are told apart until the file is read.
const QUEUE_KIND: &str = "";
const PARTITION_KIND: &str = "partition ";

#[derive(Clone, Copy)]
struct Field(usize, &'static str);

struct Line<'a> {
    number: usize,
    fields: Vec<&'a str>,
}

impl Line<'_> {
    /// A number of 0 or more; `None` where it is negative, which is how the format says unknown.
    fn number(&self, field: Field) -> Result<Option<f64>, JobLogError> {
        let Some(text) = self.fields.get(field.0 - 1) else { return Ok(None) };
        let number: Option<f64> = text.parse().ok().filter(|number: &f64| *number <= LATEST);
        let number = number.ok_or_else(|| self.wrong(field, "a number, or -1 where it is unknown"))?;
        Ok(Some(number).filter(|number| *number >= 0.0))
    }

    fn count_or_zero(&self, field: Field) -> Result<Option<u64>, JobLogError> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is 0 to LATEST")]
        Ok(self.number(field)?.map(|number| number as u64))
    }

    /// A number of 1 or more: 0 processors and 0 bytes mean unknown, too.
    fn count(&self, field: Field) -> Result<Option<u64>, JobLogError> {
        Ok(self.count_or_zero(field)?.filter(|number| *number > 0))
    }

    fn wrong(&self, field: Field, expected: &'static str) -> JobLogError {
        let value = self.fields.get(field.0 - 1).copied().unwrap_or_default();
        JobLogError::bad_field(self.number, field.1, value, expected)
    }
}

/// What the comments say, by their labels.
#[derive(Default)]
struct Head {
    unix_start: Option<f64>,
    processors: Option<u32>,
    nodes: Option<u32>,
    time_zone: Option<String>,
    /// What a queue or a partition is called.
    names: HashMap<String, String>,
}

impl Head {
    fn take(&mut self, comment: &str) {
        let Some((label, value)) = comment.split_once(':') else { return };
        let value = value.trim();
        match label.trim() {
            "UnixStartTime" => {
                self.unix_start = value.parse().ok().filter(|start| (0.0..=LATEST).contains(start));
            }
            "MaxProcs" => self.processors = value.parse().ok(),
            "MaxNodes" => self.nodes = value.parse().ok(),
            "TimeZoneString" => self.time_zone = Some(value.to_owned()),
            "Queue" => self.name(QUEUE_KIND, value),
            "Partition" => self.name(PARTITION_KIND, value),
            _ => {}
        }
    }

    /// `1  batch`: the number, and what it is called.
    fn name(&mut self, kind: &str, value: &str) {
        if let Some((number, name)) = value.split_once(char::is_whitespace)
            && !name.trim().is_empty()
        {
            self.names.insert(format!("{kind}{number}"), name.trim().to_owned());
        }
    }
}
