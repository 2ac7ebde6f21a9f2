//! What each part of a decision takes by itself.

use std::{hint::black_box, time::Instant};

use foresail::{
    forecast::{
        Forecast,
        arrivals::Seen,
        horizons::Horizons,
        outlook::Outlook as _,
        service::{Prior, Service},
    },
    series::{QueueRules, Sample, Series},
    sizing::{Given, Policy, RefState, Workload, decide},
};

use super::EVERY;
use crate::table::{Table, duration};

/// Calls of which the mean is told.
const CALLS: u32 = 20_000;

/// A row for each part, on the counts of a log.
pub(super) fn table(counts: &[u64]) -> Table {
    let mut table = Table::new(["part", "a call", "when"]);
    let mut row = |part: &str, seconds: f64, when: &str| {
        table.row([part.to_owned(), duration(1e9 * seconds), when.to_owned()]);
    };
    let (mut forecast, learned) = learned(counts);
    row("forecast: a second is learned", learned, "each sample");
    row("series: a sample is taken in", intake(), "each sample");
    let levels = [0.5, 0.75];
    let coming = timed(|_| forecast.coming(60.0, levels, u64::MAX));
    row("forecast: two quantiles of what comes in a minute", coming, "each decision");
    let (service, law) = law();
    row("service: a law of run times", law, "once a minute at most");
    *forecast.service_mut() = service;
    let renewals = timed(|_| forecast.service().law().clone().renewals(600.0));
    row("service: its renewal function", renewals, "once for each law, with objective wait");
    row("sizing: a decision", decision(&forecast), "each tick");
    table
}

/// Mean seconds of a call.
fn timed<T>(mut call: impl FnMut(u32) -> T) -> f64 {
    let began = Instant::now();
    (0..CALLS).for_each(|round| drop(black_box(call(round))));
    began.elapsed().as_secs_f64() / f64::from(CALLS)
}

/// A forecast that was taught the counts second by second, and what a second took.
fn learned(counts: &[u64]) -> (Forecast, f64) {
    let mut forecast = Forecast::new(Horizons::default());
    forecast.observe(0.0, Seen::Gap, 0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "thirty")]
    let each = EVERY as usize;
    let began = Instant::now();
    for (at, &count) in counts.iter().enumerate() {
        for second in 1..=each {
            let came = if second == each { count } else { 0 };
            forecast.observe((at * each + second) as f64, Seen::Arrivals(came), 0);
        }
    }
    (forecast, began.elapsed().as_secs_f64() / (counts.len() * each) as f64)
}

fn intake() -> f64 {
    let mut series = Series::default();
    let queue = series.add(QueueRules { max_run: 300.0, stale_after: 60.0 });
    timed(|round| {
        let waiting = u64::from(round % 7);
        let sample = Sample { waiting: Some(waiting), in_flight: Some(2), seen: true, ..Sample::default() };
        series.intake(queue, f64::from(round), &sample, 0);
    })
}

/// Run times of a thousand jobs, and what their law takes.
fn law() -> (Service, f64) {
    let mut service = Service::default();
    (0..1000_u32).for_each(|job| service.ended(f64::from(job % 97) * 11.0));
    let seconds = timed(|_| service.renew(&Prior::default()));
    (service, seconds)
}

/// What a decision takes while jobs come and go.
fn decision(forecast: &Forecast) -> f64 {
    let (policy, mut state) = (Policy::default(), RefState::default());
    let mut series = Series::default();
    let queue = series.add(QueueRules { max_run: 300.0, stale_after: 60.0 });
    let sample = Sample { waiting: Some(3), in_flight: Some(9), seen: true, ..Sample::default() };
    series.intake(queue, 0.0, &sample, 0);
    timed(|round| {
        let now = f64::from(round) / f64::from(CALLS);
        let given = Given {
            now,
            queue: series.view(queue, now),
            forecast,
            workload: Workload::default(),
            policy: &policy,
            pin: None,
        };
        decide(&given, &mut state)
    })
}
