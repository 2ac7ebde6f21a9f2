//! What the past has taught, in words.

use std::io::{self, Write};

use crate::{
    clock::Zone,
    forecast::{Forecast, excitation::Term},
    sim::job_log::{JobLog, shown_date, shown_duration},
};

/// Terms of the arrivals' forecast that are worth a word, at least.
const WORTH_A_WORD: f64 = 0.01;

/// Recurring bursts that are told at most.
const MOST_BURSTS: usize = 8;

pub(super) fn print(
    out: &mut impl Write,
    log: &JobLog,
    forecast: &Forecast,
    until: f64,
    zone: &Zone,
) -> io::Result<()> {
    writeln!(out, "jobs      {log}")?;
    let hours = log.jobs().first().map_or(0.0, |first| (until - first.submit) / 3_600.0);
    if hours > 0.0 {
        writeln!(out, "arrivals  {:.2} an hour", log.jobs().len() as f64 / hours)?;
    }
    let law = forecast.service().law();
    if forecast.service().jobs() > 0.0 {
        let [median, most] = [0.5, 0.95].map(|level| shown_duration(law.quantile(level)));
        writeln!(out, "run time  half within {median}, 95 of 100 within {most}")?;
    } else {
        writeln!(out, "run time  not known: no job tells one")?;
    }
    for horizon in forecast.arrivals().horizons() {
        let seconds = horizon.seconds();
        let mut terms: Vec<Term> = forecast.arrivals().terms(seconds).collect();
        terms.retain(|term| term.weight >= WORTH_A_WORD);
        terms.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let words: Vec<String> = terms.iter().take(3).map(ToString::to_string).collect();
        let skill = horizon.skill();
        writeln!(
            out,
            "ahead     {seconds:.0} s: {:.2} better than expecting nothing, {:.2} better than expecting what just came; \
             {}",
            skill.against_nothing(),
            skill.against_persistence(),
            words.join(", ")
        )?;
    }
    let mut bursts: Vec<_> = forecast.calendar().recurrences(until).collect();
    bursts.sort_by(|a, b| b.chance.total_cmp(&a.chance));
    if bursts.is_empty() {
        writeln!(out, "bursts    none that recur by the hour or the day")?;
    }
    for burst in bursts.into_iter().take(MOST_BURSTS) {
        let local = (burst.at + f64::from(zone.offset(burst.at))) / 60.0;
        let minutes = local.round().rem_euclid(1_440.0);
        let (hour, minute) = ((minutes / 60.0).floor(), minutes % 60.0);
        let when = if burst.hourly {
            format!("hourly, {minute:02.0} minutes past")
        } else {
            format!("daily at {hour:02.0}:{minute:02.0}")
        };
        writeln!(
            out,
            "bursts    {when}: {:.0} jobs, next {} with chance {:.2}",
            burst.jobs,
            shown_date(burst.at.round()),
            burst.chance
        )?;
    }
    Ok(())
}
