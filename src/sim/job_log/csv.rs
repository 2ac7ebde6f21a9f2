//! Job logs in CSV: a line of column names, then one job a line.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use super::{Job, JobLog};

/// Which columns of a CSV file hold what. Times of submission are Unix seconds or `YYYY-MM-DD hh:mm:ss` (taken
/// as UTC), run times are seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns<'a> {
    /// Time of submission.
    pub submit: &'a str,
    /// Run time.
    pub run: &'a str,
    /// Processors, where the file has them.
    pub cpus: Option<&'a str>,
    /// GPUs, where the file has them.
    pub gpus: Option<&'a str>,
    /// Owner, where the file has one.
    pub owner: Option<&'a str>,
}

/// What is wrong with a job log, and where.
#[derive(Debug, thiserror::Error)]
pub enum JobLogError {
    /// The file could not be read or unpacked.
    #[error("line {line}: cannot read the job log: {source}")]
    Read {
        /// Number of the line, from 1.
        line: usize,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The first line lacks a column.
    #[error("line 1: there is no column `{column}`; the columns are: {found}")]
    NoColumn {
        /// The column that is missing.
        column: String,
        /// Those that are there.
        found: String,
    },
    /// A line ends too early.
    #[error("line {line}, column `{column}`: the line has only {fields} fields")]
    NoField {
        /// Number of the line, from 1.
        line: usize,
        /// The column that is missing.
        column: String,
        /// Fields that the line has.
        fields: usize,
    },
    /// A field does not hold what its column should.
    #[error("line {line}, column `{column}`: `{value}` is not {expected}")]
    BadField {
        /// Number of the line, from 1.
        line: usize,
        /// The column.
        column: String,
        /// What stands there.
        value: String,
        /// What should.
        expected: &'static str,
    },
}

impl Columns<'_> {
    /// The columns of the bundled log.
    pub const PHILLY: Columns<'static> = Columns {
        submit: "submit",
        run: "duration_s",
        cpus: None,
        gpus: Some("num_gpus"),
        owner: Some("vc"),
    };
}

/// Reads a whole log. Empty lines are skipped; fields are never quoted in these files, so commas always divide.
pub(super) fn read(reader: impl Read, columns: &Columns<'_>) -> Result<JobLog, JobLogError> {
    let mut lines = BufReader::new(reader).lines().enumerate().map(|(at, line)| {
        let number = at + 1;
        line.map(|text| (number, text)).map_err(|source| JobLogError::Read { line: number, source })
    });
    let head = lines.next().transpose()?.map(|(_, text)| text).unwrap_or_default();
    let places = Places::find(head.trim_start_matches('\u{feff}'), columns)?;

    let mut jobs = Vec::new();
    let mut owners = Owners::default();
    for line in lines {
        let (number, text) = line?;
        if text.trim().is_empty() {
            continue;
        }
        let fields: Vec<&str> = text.split(',').map(str::trim).collect();
        let line = Line { number, fields: &fields };
        jobs.push(Job {
            submit: line.parse(&places.submit, "a time (Unix seconds or YYYY-MM-DD hh:mm:ss)", time)?,
            run: line.parse(&places.run, "a run time in seconds, 0 or more", seconds)?,
            cpus: line.parse_where_given(places.cpus.as_ref(), COUNT, |text| text.parse().ok())?,
            gpus: line.parse_where_given(places.gpus.as_ref(), COUNT, |text| text.parse().ok())?,
            owner: line.parse_where_given(places.owner.as_ref(), "an owner", |text| owners.number(text))?,
        });
    }
    Ok(JobLog::new(jobs, owners.names))
}

const COUNT: &str = "a whole number, 0 or more";

/// Where the columns stand.
struct Places {
    submit: Place,
    run: Place,
    cpus: Option<Place>,
    gpus: Option<Place>,
    owner: Option<Place>,
}

struct Place {
    column: String,
    index: usize,
}

impl Places {
    fn find(head: &str, columns: &Columns<'_>) -> Result<Self, JobLogError> {
        let names: Vec<&str> = head.split(',').map(str::trim).collect();
        let place = |column: &str| {
            let index = names.iter().position(|&name| name == column);
            index
                .map(|index| Place { column: column.to_owned(), index })
                .ok_or_else(|| JobLogError::NoColumn { column: column.to_owned(), found: names.join(", ") })
        };
        let Columns { submit, run, cpus, gpus, owner } = *columns;
        Ok(Self {
            submit: place(submit)?,
            run: place(run)?,
            cpus: cpus.map(place).transpose()?,
            gpus: gpus.map(place).transpose()?,
            owner: owner.map(place).transpose()?,
        })
    }
}

struct Line<'a> {
    number: usize,
    fields: &'a [&'a str],
}

impl Line<'_> {
    fn parse<T>(
        &self,
        place: &Place,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, JobLogError> {
        let column = || place.column.clone();
        let &value = self.fields.get(place.index).ok_or_else(|| JobLogError::NoField {
            line: self.number,
            column: column(),
            fields: self.fields.len(),
        })?;
        parse(value).ok_or_else(|| JobLogError::BadField {
            line: self.number,
            column: column(),
            value: value.to_owned(),
            expected,
        })
    }

    fn parse_where_given<T>(
        &self,
        place: Option<&Place>,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, JobLogError> {
        place.map(|place| self.parse(place, expected, parse)).transpose()
    }
}

#[derive(Default)]
struct Owners {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Owners {
    fn number(&mut self, name: &str) -> Option<u32> {
        if let Some(&number) = self.numbers.get(name) {
            return Some(number);
        }
        let number = u32::try_from(self.names.len()).ok()?;
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        Some(number)
    }
}

fn seconds(text: &str) -> Option<f64> {
    text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)
}

fn time(text: &str) -> Option<f64> {
    seconds(text).or_else(|| civil(text))
}

/// `YYYY-MM-DD hh:mm:ss` (or with a `T`) in UTC.
fn civil(text: &str) -> Option<f64> {
    let (date, clock) = text.split_once([' ', 'T'])?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let before = |month: u32| MONTHS[..month as usize].iter().sum::<u32>() + u32::from(leap && month >= 2);
    let valid = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=before(month) - before(month - 1)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    valid.then(|| {
        let leaps = |year: u32| year / 4 - year / 100 + year / 400;
        let days = (year - 1970) * 365 + leaps(year - 1) - leaps(1969) + before(month - 1) + day - 1;
        f64::from(days) * 86_400.0 + f64::from(hour * 3600 + minute * 60 + second)
    })
}

const MONTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

fn numbers(text: &str, divider: char) -> Option<[u32; 3]> {
    let parts: Option<Vec<u32>> = text.split(divider).map(|part| part.parse().ok()).collect();
    parts?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_unix_seconds() {
        for (text, seconds) in [
            ("1970-01-01 00:00:00", 0),
            ("2017-10-09 01:34:10", 1_507_512_850),
            ("2000-02-29T23:59:59", 951_868_799),
            ("2024-12-31 00:00:00", 1_735_603_200),
        ] {
            assert_eq!(civil(text), Some(f64::from(seconds)), "{text}");
        }
        for text in ["2017-02-29 00:00:00", "2017-13-01 00:00:00", "2017-00-01 00:00:00", "2017-01-01", "x"] {
            assert_eq!(civil(text), None, "{text}");
        }
    }
}
