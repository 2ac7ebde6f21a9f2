//! Job logs as the command line names them.

use std::{fs::File, path::Path};

use anyhow::{Context as _, ensure};
use foresail::sim::job_log::{JobLog, Transform};

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// Reads a log from a file of any format.
///
/// # Errors
/// Where the file cannot be read or is no log.
pub(crate) fn read(path: &Path) -> anyhow::Result<JobLog> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
    JobLog::read(&path.to_string_lossy(), file).with_context(|| shown.to_string())
}

/// Reads a log that is to be played: its name, and what the transforms make of it. Jobs without a run time are left
/// out: nobody has to work for them.
///
/// # Errors
/// As [`read`], and where a transform cannot be done or no job is left.
pub(crate) fn read_to_play(path: &Path, cuts: &[Transform]) -> anyhow::Result<(String, JobLog)> {
    let shown = || path.display().to_string();
    let steps = [&Transform::WithRun].into_iter().chain(cuts);
    let log = Transform::apply_all(steps, read(path)?).with_context(shown)?;
    ensure!(!log.jobs().is_empty(), "{}: no job is left", shown());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.split('.').next().unwrap_or_default().to_owned();
    Ok((name, log))
}

/// The run of so many whole days that holds the most jobs, the earliest of equals; all of a shorter log.
pub(crate) fn busiest(log: &JobLog, days: u32) -> JobLog {
    let Some(first) = log.jobs().first().map(|job| (job.submit / DAY).floor()) else { return log.clone() };
    let day = |submit: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days of a log are few")]
        let day = ((submit / DAY).floor() - first) as usize;
        day
    };
    let mut by_day = vec![0_usize; log.jobs().last().map_or(0, |job| day(job.submit)) + 1];
    for job in log.jobs() {
        by_day[day(job.submit)] += 1;
    }
    let length = (days as usize).min(by_day.len());
    let mut within: usize = by_day[..length].iter().sum();
    let (mut best, mut most) = (0, within);
    for start in 1..=by_day.len() - length {
        within = within - by_day[start - 1] + by_day[start + length - 1];
        if within > most {
            (best, most) = (start, within);
        }
    }
    let from = (first + best as f64) * DAY;
    log.window(from, from + length as f64 * DAY)
}

/// Run times scaled to this median, seconds; as they are at 0.
///
/// # Errors
/// Where the log has no run times.
pub(crate) fn with_median(log: &JobLog, median: f64) -> anyhow::Result<JobLog> {
    if median > 0.0 { Ok(Transform::MedianRun(median).apply(log)?) } else { Ok(log.clone()) }
}

#[cfg(test)]
mod tests {
    use foresail::sim::job_log::Job;

    use super::*;

    #[test]
    fn the_busiest_days_are_whole_days_and_the_first_of_equals() {
        let at = |days: &[f64]| JobLog::new(days.iter().map(|day| Job::new(day * DAY, 1.0)).collect());
        let submits = |log: &JobLog| log.jobs().iter().map(|job| job.submit / DAY).collect::<Vec<_>>();
        let log = at(&[100.9, 105.0, 105.5, 106.1, 108.0, 109.0, 109.1]);
        assert_eq!(submits(&busiest(&log, 2)), [105.0, 105.5, 106.1]);
        assert_eq!(submits(&busiest(&log, 30)).len(), 7);
    }

    #[test]
    fn what_is_wrong_with_a_log_is_said() {
        let said = format!("{:#}", read(Path::new("nowhere.swf")).expect_err("it is not there"));
        assert!(said.starts_with("cannot open nowhere.swf: "), "{said}");
    }
}
