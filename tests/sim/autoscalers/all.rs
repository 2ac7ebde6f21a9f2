//! All autoscalers on the bundled log.

use std::fmt::Write;

use foresail::sim::autoscaler::clairvoyant::{Clairvoyant, ClairvoyantSpec};
use foresail::sim::autoscaler::cron::{Cron, Window};
use foresail::sim::autoscaler::dask::{Dask, DaskSpec};
use foresail::sim::autoscaler::foresail::{Limits, Sampling};
use foresail::sim::autoscaler::idle_timeout::{IdleTimeout, IdleTimeoutSpec};
use foresail::sim::autoscaler::keda_setting::{HpaSetting, KedaSetting};
use foresail::sim::autoscaler::kedastral::{Kedastral, KedastralSpec};
use foresail::sim::autoscaler::kpa::{Kpa, KpaSpec};
use foresail::sim::autoscaler::{
    Autoscaler, ByKeda, Demand, Fixed, Foresail, ListLength, ScaledJobs, Scaler,
};
use foresail::sim::closed_loop::ClosedLoop;
use foresail::sim::hpa::Behavior;
use foresail::sim::job_log::JobLog;
use foresail::sim::keda::{ScaledObject, ScaledObjectSpec};
use foresail::sim::scaled_job::Strategy;
use foresail::sim::workers::{StartDelay, Summary};
use foresail::sizing::Policy;

use super::{DAY, MAX, MONDAY, days, pool};

/// Seconds that every start takes.
const START: f64 = 45.0;
/// What a second of waiting is worth, in worker-seconds.
const WORTH: f64 = 3.0;

/// J: worker-seconds and what the waiting was worth.
pub(super) fn cost(summary: &Summary) -> f64 {
    summary.worker_seconds.total + WORTH * summary.wait_mean * summary.started as f64
}

/// Where everybody works.
#[derive(Clone, Copy, Debug)]
pub(super) struct World {
    /// When it begins, Unix seconds.
    pub(super) now: f64,
    /// Seconds that every start takes.
    pub(super) start: f64,
    /// Most workers.
    pub(super) max: u32,
}

const WEEK: World = World { now: MONDAY, start: START, max: MAX };

impl World {
    fn by_keda<S: Scaler + 'static>(self, spec: ScaledObjectSpec, scaler: S) -> Box<dyn Autoscaler> {
        let spec = ScaledObjectSpec { max: self.max, ..spec };
        Box::new(ByKeda::new(ScaledObject::new(spec, self.now, 0), scaler))
    }

    fn idle_timeout(self, spec: IdleTimeoutSpec) -> Box<dyn Autoscaler> {
        Box::new(IdleTimeout::new(IdleTimeoutSpec { max: self.max, ..spec }, self.now))
    }

    fn kpa(self, utilisation: f64) -> Box<dyn Autoscaler> {
        Box::new(Kpa::new(KpaSpec { utilisation, max: self.max, ..KpaSpec::default() }, self.now))
    }

    fn dask(self, target_duration: f64) -> Box<dyn Autoscaler> {
        Box::new(Dask::new(DaskSpec { target_duration, max: self.max, ..DaskSpec::default() }, self.now))
    }

    /// Everybody who knows a limit, by name. The first one is the clairvoyant.
    pub(super) fn everybody(self, log: &JobLog) -> Vec<(String, Box<dyn Autoscaler>)> {
        let Self { now, start, max } = self;
        let clairvoyant = ClairvoyantSpec { lead: start, worth: WORTH, max };
        let foresail = ScaledObjectSpec {
            cooldown_period: 15.0,
            behavior: Some(Behavior::foresail()),
            ..ScaledObjectSpec::default()
        };
        let fast = ScaledObjectSpec { min: 1, ..foresail.clone() };
        let plain = ScaledObjectSpec::default();
        let windows = Window::of_expert(&Demand::of(log), 0.0);
        let mut all: Vec<(String, Box<dyn Autoscaler>)> = vec![
            ("clairvoyant".into(), Box::new(Clairvoyant::new(log, clairvoyant, now))),
            ("foresail".into(), {
                let limits = Limits { min: 0, max };
                self.by_keda(foresail, Foresail::new(Policy::default(), limits, Sampling::default(), now))
            }),
            ("kpa 70 %".into(), self.kpa(0.7)),
            ("kpa 100 %".into(), self.kpa(1.0)),
            ("dask 5 s".into(), self.dask(5.0)),
            ("dask 300 s".into(), self.dask(300.0)),
            ("idle 600 s".into(), self.idle_timeout(IdleTimeoutSpec::default())),
            ("idle 120 s".into(), self.idle_timeout(IdleTimeoutSpec::parsl())),
            ("delayed off".into(), self.idle_timeout(IdleTimeoutSpec::delayed_off(start))),
            ("kedastral".into(), {
                self.by_keda(fast, Kedastral::new(KedastralSpec { max, ..KedastralSpec::default() }, now))
            }),
            ("cron".into(), self.by_keda(plain, Cron::new(ListLength::waiting(1.0), windows, 0.0, now))),
        ];
        for strategy in [Strategy::Default, Strategy::Accurate, Strategy::Eager] {
            let keda = ScaledJobs::keda(strategy, max, now);
            let foresail = ScaledJobs::foresail(strategy, max, now);
            all.push((format!("ScaledJob {strategy:?}"), Box::new(keda)));
            all.push((format!("ScaledJob {strategy:?} by Foresail"), Box::new(foresail)));
        }
        let default = KedaSetting::default();
        let tuned = KedaSetting { target: 0.8, counts_in_flight: true, hpa: HpaSetting::FASTEST, ..default };
        for setting in [default, tuned] {
            all.push((setting.to_string(), Box::new(setting.autoscaler(max, now))));
        }
        all
    }
}

/// Static numbers of workers, which follow the demand and no limit. With the least demand the log would take
/// months.
fn fixed(log: &JobLog) -> Vec<(String, Box<dyn Autoscaler>)> {
    let demand = Demand::of(log);
    vec![
        ("static mean".into(), Box::new(Fixed::mean(&demand))),
        ("static peak".into(), Box::new(Fixed::peak(&demand))),
    ]
}

fn run(log: &JobLog, autoscaler: impl Autoscaler, limit: f64) -> Summary {
    ClosedLoop { pool: pool(log, StartDelay::Fixed(START), MONDAY), autoscaler }.run(limit)
}

#[test]
fn everybody_finishes_three_days_within_the_limit_and_does_it_again_bit_for_bit() {
    let log = days(3.0);
    let all = || WEEK.everybody(&log).into_iter().chain(fixed(&log));
    for ((name, first), (_, second)) in all().zip(all()) {
        let summary = run(&log, first, MONDAY + 30.0 * DAY);
        assert_eq!(summary.completed, log.jobs().len(), "{name}");
        assert!(summary.peak_replicas <= MAX as usize || name.starts_with("static"), "{name}: {summary:#?}");
        let seconds = summary.worker_seconds;
        let parts = seconds.starting + seconds.idle + seconds.busy;
        assert!((seconds.total - parts).abs() < 1e-9 * seconds.total, "{name}: {seconds:?}");
        assert!((seconds.busy - log.work()).abs() < 1e-9 * log.work(), "{name}: {seconds:?}");
        let again = run(&log, second, MONDAY + 30.0 * DAY);
        assert_eq!(format!("{summary:?}"), format!("{again:?}"), "{name}");
    }
}

#[test]
fn on_the_bundled_week_nobody_costs_less_than_the_clairvoyant() {
    let log = days(7.0);
    let mut table = Vec::new();
    let mut lines = String::new();
    for (name, autoscaler) in WEEK.everybody(&log).into_iter().chain(fixed(&log)) {
        let summary = run(&log, autoscaler, MONDAY + 60.0 * DAY);
        assert_eq!(summary.completed, log.jobs().len(), "{name}");
        let (cost, wait, hours) = (cost(&summary), summary.wait_mean, summary.worker_hours());
        writeln!(lines, "{name:30} J {cost:12.0}  wait {wait:7.1} s  {hours:7.1} h")
            .expect("a string takes all");
        table.push((cost, name));
    }
    let bound = table[0].0;
    for (cost, name) in &table {
        assert!(*cost > 0.98 * bound, "{name} costs less:\n{lines}");
    }
}
