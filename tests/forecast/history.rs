//! What the past teaches, and how what was seen since goes on from it.

use foresail::forecast::{
    Forecast,
    arrivals::Seen,
    history::PastJob,
    horizons::Horizons,
    learner::{Counts, Learner},
    service::Prior,
    state::State,
};
use proptest::prelude::*;

const DAY: u32 = 86_400;

/// 40 jobs at two o'clock every night and one every quarter of an hour, of a minute each.
fn past(days: u32) -> Vec<PastJob> {
    let times = (0..days * DAY / 60).map(|minute| minute * 60).flat_map(|second| {
        let nightly = if second % DAY == 7_200 { 40 } else { 0 };
        std::iter::repeat_n(second, nightly + usize::from(second % 900 == 300))
    });
    times.map(|second| PastJob { submit: f64::from(second), run: Some(60.0) }).collect()
}

fn learned(jobs: &[PastJob], from: f64, until: f64) -> Forecast {
    let mut forecast = Forecast::new(Horizons::default());
    forecast.replay(jobs, from, until, 1.0, |_| 0);
    forecast
}

#[test]
fn a_replay_is_what_watching_would_have_been() {
    let jobs = past(2);
    let replayed = learned(&jobs, 0.0, f64::from(2 * DAY));
    let mut watched = Forecast::new(Horizons::default());
    watched.observe(0.0, Seen::Gap, 0);
    for second in 1..=2 * DAY {
        let n = jobs.iter().filter(|job| job.submit == f64::from(second)).count();
        watched.observe(f64::from(second), Seen::Arrivals(n as u64), 0);
    }
    assert_eq!(replayed.arrivals(), watched.arrivals());
    assert_eq!(replayed.calendar(), watched.calendar());
}

#[test]
fn ten_nights_of_history_foretell_the_next_one() {
    let night = f64::from(10 * DAY + 7_200);
    let forecast = learned(&past(10), 0.0, night - 60.0);
    assert!(forecast.at(120.0).at_least(20) > 0.5, "{}", forecast.at(120.0).at_least(20));
    let median = forecast.service().law().quantile(0.5);
    assert!((45.0..75.0).contains(&median), "{median}");
    assert!(Forecast::new(Horizons::default()).at(120.0).at_least(20) < 0.1);
}

#[test]
fn the_work_of_a_day_counts_less_the_longer_ago_it_was() {
    let now = f64::from(10 * DAY);
    let jobs = past(10);
    let day = f64::from(DAY);
    let exact: f64 = jobs.iter().map(|job| 60.0 * ((job.submit - now) / day).exp()).sum();
    let forecast = learned(&jobs, 0.0, now);
    let (today, tomorrow) = (forecast.work_of_a_day(now), forecast.work_of_a_day(now + day));
    assert!((today / exact - 1.0).abs() < 0.1, "{today} of {exact} worker-seconds");
    assert!((tomorrow / today - (-1.0_f64).exp()).abs() < 1e-9, "{tomorrow} after {today}");
    let kept = State::of(&forecast).restore(&Prior::default()).unwrap();
    assert_eq!(kept.work_of_a_day(now), today);
    let unknown: Vec<_> = jobs.iter().map(|job| PastJob { run: None, ..*job }).collect();
    assert_eq!(learned(&unknown, 0.0, now).work_of_a_day(now), 0.0, "nobody knows how long they ran");
}

#[test]
fn jobs_outside_of_the_span_and_unknown_run_times_teach_nothing() {
    let mut jobs = past(1);
    for job in &mut jobs {
        job.run = None;
    }
    let span = (f64::from(DAY) + 10.0, f64::from(2 * DAY));
    let forecast = learned(&jobs, span.0, span.1);
    assert!(forecast.arrivals().rates().per_second().iter().all(|&rate| rate == 0.0));
    assert_eq!(forecast.service().jobs(), 0.0);
}

#[test]
fn a_live_queue_keeps_its_last_minutes_and_gets_the_experience_of_the_past() {
    let end = f64::from(10 * DAY);
    let past = learned(&past(10), 0.0, end);
    let mut learner = Learner::new(Horizons::default());
    let counts = |n: u32| Counts {
        waiting: u64::from(n),
        in_flight: Some(0),
        arrivals: Some(u64::from(n)),
        completions: Some(0),
    };
    for second in 0..300 {
        learner.learn(end + f64::from(second), counts(second / 10), 0);
    }
    let live = learner.forecast().clone();
    learner.take_over(past.clone());
    let now = learner.forecast();
    assert_eq!(now.arrivals().seen_until(), live.arrivals().seen_until());
    assert_eq!(now.arrivals().age(), live.arrivals().age());
    assert!(now.arrivals().rates().per_second()[0] >= live.arrivals().rates().per_second()[0]);
    for (now, was) in now.arrivals().horizons().iter().zip(past.arrivals().horizons()) {
        assert_eq!((now.weights(), now.skill()), (was.weights(), was.skill()));
    }
    // And it learns on from the sample that it saw last.
    learner.learn(end + 300.0, counts(31), 0);
    assert!(learner.forecast().arrivals().age() < 1.0);
}

proptest! {
    /// The rates after a take-over are those of one forecast that saw it all.
    #[test]
    fn what_was_seen_before_and_since_adds_up(
        before in prop::collection::vec((0.1..50.0_f64, 0_u64..20), 1..40),
        since in prop::collection::vec((0.1..50.0_f64, 0_u64..20), 1..40),
    ) {
        let (mut whole, mut past) = (Forecast::new(Horizons::default()), Forecast::new(Horizons::default()));
        let mut live = Forecast::new(Horizons::default());
        let mut t = 1e9;
        whole.observe(t, Seen::Gap, 0);
        past.observe(t, Seen::Gap, 0);
        for (seconds, n) in before {
            t += seconds;
            whole.observe(t, Seen::Arrivals(n), 0);
            past.observe(t, Seen::Arrivals(n), 0);
        }
        let border = t;
        live.observe(t, Seen::Gap, 0);
        for (seconds, n) in since {
            t += seconds;
            whole.observe(t, Seen::Arrivals(n), 0);
            live.observe(t, Seen::Arrivals(n), 0);
        }
        past.go_on_with(&live, border);
        let rates = |forecast: &Forecast| *forecast.arrivals().rates().per_second();
        for (whole, past) in rates(&whole).into_iter().zip(rates(&past)) {
            prop_assert!((whole - past).abs() <= 1e-9 * (1.0 + whole), "{whole} {past}");
        }
        prop_assert!((whole.arrivals().age() - past.arrivals().age()).abs() < 1e-6);
        let kept = State::of(&past);
        prop_assert!(kept.restore(&Prior::default()).is_ok(), "what it makes can be kept");
    }
}
