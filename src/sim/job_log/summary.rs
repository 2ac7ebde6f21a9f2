//! A log in one line.

use std::{collections::HashMap, fmt};

use super::{
    JobLog, OwnerId,
    text::{shown_date, shown_duration},
};

/// Longest gap within a burst, seconds, and fewest jobs of one.
const BURST_GAP: f64 = 60.0;
const BURST_JOBS: usize = 10;

/// What a log is like. Its text is one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Jobs.
    pub jobs: usize,
    /// Those of run time 0: failed at once, or unknown.
    pub without_run: usize,
    /// First and last submission, Unix seconds; `None` of no jobs.
    pub span: Option<(f64, f64)>,
    /// Whether the log does not know its dates.
    pub undated: bool,
    /// Owners of these jobs.
    pub owners: usize,
    /// Median run time, seconds.
    pub median_run: Option<f64>,
    /// Run time that 95 % of the jobs do not pass, seconds (nearest rank).
    pub p95_run: Option<f64>,
    /// Most submissions in one hour, hours counted from the first submission.
    pub peak_hour: usize,
    /// Share of the jobs in bursts, 0 to 1: in a run of 10 or more submissions by one owner, with gaps of at
    /// most 60 s. `None` where the log has no owners.
    pub in_bursts: Option<f64>,
}

impl Summary {
    /// Looks at a log.
    pub fn of(log: &JobLog) -> Self {
        let jobs = log.jobs();
        let span = jobs.first().zip(jobs.last()).map(|(first, last)| (first.submit, last.submit));
        let mut runs: Vec<f64> = jobs.iter().map(|job| job.run).collect();
        runs.sort_by(f64::total_cmp);
        let rank = (runs.len() * 95).div_ceil(100).saturating_sub(1);
        let (owners, in_bursts) = bursts(log);
        Self {
            jobs: jobs.len(),
            without_run: runs.iter().take_while(|run| **run <= 0.0).count(),
            span,
            undated: log.about().undated,
            owners,
            median_run: log.median_run(),
            p95_run: runs.get(rank).copied(),
            peak_hour: span.map_or(0, |(first, _)| peak_hour(log, first)),
            in_bursts: (owners > 0).then(|| in_bursts as f64 / jobs.len() as f64),
        }
    }
}

fn peak_hour(log: &JobLog, first: f64) -> usize {
    let hour = |submit: f64| ((submit - first) / 3600.0).floor();
    let hours = log.jobs().chunk_by(|a, b| hour(a.submit).total_cmp(&hour(b.submit)).is_eq());
    hours.map(<[_]>::len).max().unwrap_or(0)
}

/// How many owners there are, and how many of their jobs lie in bursts.
fn bursts(log: &JobLog) -> (usize, usize) {
    /// The run of submissions that an owner is in.
    struct Run {
        last: f64,
        jobs: usize,
    }
    let counted = |run: &Run| if run.jobs >= BURST_JOBS { run.jobs } else { 0 };
    let mut runs: HashMap<OwnerId, Run> = HashMap::new();
    let mut in_bursts = 0;
    for job in log.jobs() {
        let Some(owner) = job.owner else { continue };
        let run = runs.entry(owner).or_insert(Run { last: job.submit, jobs: 0 });
        if job.submit - run.last > BURST_GAP {
            in_bursts += counted(run);
            run.jobs = 0;
        }
        run.jobs += 1;
        run.last = job.submit;
    }
    (runs.len(), in_bursts + runs.values().map(counted).sum::<usize>())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, last)) = self.span else { return f.write_str("no jobs") };
        f.write_str(&number(self.jobs, "job"))?;
        if self.owners > 0 {
            write!(f, " of {}", number(self.owners, "owner"))?;
        }
        write!(f, " in {}", shown_duration(last - first))?;
        if !self.undated {
            let day = |time| shown_date(time).chars().take(10).collect::<String>();
            write!(f, " ({} to {})", day(first), day(last))?;
        }
        if let Some((median, p95)) = self.median_run.zip(self.p95_run) {
            write!(f, "; run time: median {}, p95 {}", shown_duration(median), shown_duration(p95))?;
        }
        write!(f, "; at most {} an hour", number(self.peak_hour, "job"))?;
        if let Some(share) = self.in_bursts {
            write!(f, ", {:.0} % in bursts", share * 100.0)?;
        }
        if self.without_run > 0 {
            write!(f, "; {} without run time", grouped(self.without_run))?;
        }
        Ok(())
    }
}

/// `28,476 jobs`.
fn number(count: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `28,476`.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
