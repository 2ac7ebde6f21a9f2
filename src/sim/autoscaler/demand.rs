//! How many workers a log would keep busy if every job started when it is submitted.

use crate::sim::job_log::JobLog;

/// The demand of a log with unlimited capacity, as steps in time. A job that takes no time is no demand.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// From when on how many workers, in the order of time; the last step goes to 0.
    steps: Vec<(f64, u32)>,
}

impl Demand {
    /// The demand of a log.
    pub fn of(log: &JobLog) -> Self {
        let jobs = log.jobs().iter().filter(|job| job.run > 0.0);
        let mut changes: Vec<(f64, i64)> =
            jobs.flat_map(|job| [(job.submit, 1), (job.submit + job.run, -1)]).collect();
        changes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut steps: Vec<(f64, u32)> = Vec::new();
        let mut level = 0;
        for (at, by) in changes {
            level += by;
            let workers = u32::try_from(level).unwrap_or(0);
            match steps.last_mut() {
                Some(last) if last.0 >= at => last.1 = workers,
                _ => steps.push((at, workers)),
            }
        }
        Self { steps }
    }

    /// The most at one time.
    pub fn peak(&self) -> u32 {
        self.steps.iter().map(|&(_, workers)| workers).max().unwrap_or(0)
    }

    /// The least at one time from the first submission to the end of the last job.
    pub fn least(&self) -> u32 {
        let but_last = self.steps.len().saturating_sub(1);
        self.steps[..but_last].iter().map(|&(_, workers)| workers).min().unwrap_or(0)
    }

    /// The mean from the first submission to the end of the last job; 0 of no work.
    pub fn mean(&self) -> f64 {
        match (self.steps.first(), self.steps.last()) {
            (Some(first), Some(last)) if last.0 > first.0 => {
                self.worker_seconds(first.0, last.0) / (last.0 - first.0)
            }
            _ => 0.0,
        }
    }

    /// Worker-seconds in `[from, to)`, Unix seconds.
    pub fn worker_seconds(&self, from: f64, to: f64) -> f64 {
        let begin = self.steps.partition_point(|&(at, _)| at <= from).saturating_sub(1);
        let ends = self.steps[begin..].iter().skip(1).map(|&(at, _)| at).chain([f64::INFINITY]);
        let spans = self.steps[begin..].iter().zip(ends).take_while(|((at, _), _)| *at < to);
        let seconds =
            spans.map(|(&(at, workers), end)| f64::from(workers) * (end.min(to) - at.max(from)).max(0.0));
        seconds.fold(0.0, |sum, seconds| sum + seconds)
    }

    /// From the first submission to the end of the last job, Unix seconds; `None` of no work.
    pub fn span(&self) -> Option<(f64, f64)> {
        Some((self.steps.first()?.0, self.steps.last()?.0))
    }
}
