//! An expert's windows.

use foresail::sim::autoscaler::cron::{Cron, Window};
use foresail::sim::autoscaler::{ByKeda, Demand, ListLength, Scaler};
use foresail::sim::closed_loop::ClosedLoop;
use foresail::sim::hpa::Behavior;
use foresail::sim::keda::{ScaledObject, ScaledObjectSpec};
use foresail::sim::workers::WorkerPool;

use super::{DAY, MAX, MONDAY, assert_same, days, jobs, mixed, replay};

const HOUR: f64 = 3600.0;
const WORKDAYS: [bool; 7] = [true, true, true, true, true, false, false];

fn spec() -> ScaledObjectSpec {
    ScaledObjectSpec { max: MAX, behavior: Some(Behavior::foresail()), ..ScaledObjectSpec::default() }
}

/// Never silent, and the same in all else.
struct Restless(Cron);

impl Scaler for Restless {
    fn target(&self) -> f64 {
        self.0.target()
    }

    fn read(&mut self, now: f64, pool: &WorkerPool) -> Option<(f64, bool)> {
        self.0.read(now, pool)
    }

    fn is_silent(&self, _pool: &WorkerPool) -> bool {
        false
    }
}

#[test]
fn workers_are_kept_in_their_windows_and_only_there() {
    let office = Window { days: WORKDAYS, from: 8 * 60, to: 18 * 60, workers: 5 };
    let noon = Window { days: [true; 7], from: 12 * 60, to: 12 * 60 + 30, workers: 9 };
    let cron = Cron::new(ListLength::waiting(1.0), vec![office, noon], 2.0 * HOUR, MONDAY);
    // Local time is two hours ahead of UTC. MONDAY is a Monday, 00:00 UTC.
    for (day, hour, workers) in [
        (0.0, 5.999, 0),
        (0.0, 6.0, 5),
        (0.0, 9.999, 5),
        (0.0, 10.0, 9),
        (0.0, 10.5, 5),
        (4.0, 15.999, 5),
        (4.0, 16.0, 0),
        (5.0, 7.0, 0),
        (6.0, 10.25, 9),
        (7.0, 6.0, 5),
    ] {
        assert_eq!(cron.kept(MONDAY + day * DAY + hour * HOUR), workers, "day {day}, hour {hour}");
    }
}

#[test]
fn keda_opens_a_window_at_the_next_poll_and_closes_it_after_the_cooldown() {
    let window = Window { days: [true; 7], from: 60, to: 120, workers: 4 };
    let cron = Cron::new(ListLength::waiting(1.0), vec![window], 0.0, MONDAY);
    let object = ScaledObject::new(spec(), MONDAY, 0);
    let pool = super::pool(&jobs(&[(MONDAY + 5.0 * HOUR, 1.0)]), mixed(), MONDAY);
    let mut run = ClosedLoop { pool, autoscaler: ByKeda::new(object, cron) };
    let mut seen = Vec::new();
    let mut replicas = 0;
    while run.pool.now() < MONDAY + 4.0 * HOUR {
        run.step(MONDAY + 4.0 * HOUR);
        if run.pool.replicas() != replicas {
            replicas = run.pool.replicas();
            seen.push((run.pool.now() - MONDAY, replicas));
        }
    }
    // The last active poll is at 7170; at 7200 the HPA shrinks to one; the first poll more than 300 s after
    // 7170 is at 7500.
    assert_eq!(seen, [(3600.0, 1), (3615.0, 4), (7200.0, 1), (7500.0, 0)]);
}

#[test]
fn resting_between_windows_makes_no_difference() {
    let log = days(3.0);
    let windows = Window::of_expert(&Demand::of(&log), 0.0);
    assert!(!windows.is_empty());
    let cron = || Cron::new(ListLength::waiting(1.0), windows.clone(), 0.0, MONDAY);
    // Few jobs, so that there is something to rest from.
    let few: Vec<(f64, f64)> = log.jobs().iter().step_by(400).map(|job| (job.submit, job.run)).collect();
    for log in [log.clone(), jobs(&few)] {
        let resting = replay(&log, ByKeda::new(ScaledObject::new(spec(), MONDAY, 0), cron()));
        let looking = replay(&log, ByKeda::new(ScaledObject::new(spec(), MONDAY, 0), Restless(cron())));
        assert_same(&log, &resting, &looking);
    }
}

#[test]
fn an_expert_sees_the_busy_hours() {
    // Every day three jobs from 9 to 11 o'clock, one from 11 to 12, and on Tuesdays eight from 20 to 21.
    let mut log: Vec<(f64, f64)> = Vec::new();
    for day in 0..14 {
        let midnight = MONDAY + f64::from(day) * DAY;
        log.extend([(midnight + 9.0 * HOUR, 2.0 * HOUR); 3]);
        log.push((midnight + 11.0 * HOUR, HOUR));
        if day % 7 == 1 {
            log.extend([(midnight + 20.0 * HOUR, HOUR); 8]);
        }
    }
    // Something at both ends, so that whole weeks are seen.
    log.extend([(MONDAY, 60.0), (MONDAY + 14.0 * DAY - 60.0, 60.0)]);
    let one_day = |day: usize| std::array::from_fn(|other| other == day);
    let mut weekly: Vec<Window> = Vec::new();
    for day in 0..7 {
        // Three hours with 3, 3 and 1.
        weekly.push(Window { days: one_day(day), from: 9 * 60, to: 12 * 60, workers: 2 });
        if day == 1 {
            weekly.push(Window { days: one_day(1), from: 20 * 60, to: 21 * 60, workers: 8 });
        }
    }
    assert_eq!(Window::of_expert(&Demand::of(&jobs(&log)), 0.0), weekly);

    let first_week: Vec<(f64, f64)> =
        log.iter().copied().filter(|&(submit, _)| submit < MONDAY + 7.0 * DAY).collect();
    // Eight on one day of seven are a little more than one a day.
    let daily = [
        Window { days: [true; 7], from: 9 * 60, to: 12 * 60, workers: 2 },
        Window { days: [true; 7], from: 20 * 60, to: 21 * 60, workers: 1 },
    ];
    assert_eq!(Window::of_expert(&Demand::of(&jobs(&first_week)), 0.0), daily);
    assert_eq!(Window::of_expert(&Demand::of(&jobs(&[])), 0.0), []);
}
