//! What holds for every log.

use foresail::sim::autoscaler::dask::{Dask, DaskSpec};
use foresail::sim::autoscaler::idle_timeout::{IdleTimeout, IdleTimeoutSpec};
use foresail::sim::autoscaler::kpa::{Kpa, KpaSpec};
use foresail::sim::autoscaler::{Autoscaler, Clairvoyant, Demand, Fixed, KedaSetting, ScaledJobs};
use foresail::sim::closed_loop::ClosedLoop;
use foresail::sim::job_log::JobLog;
use foresail::sim::scaled_job::Strategy as JobStrategy;
use foresail::sim::workers::StartDelay;
use proptest::prelude::*;

use super::all::World;
use super::{jobs, pool};

/// Long after every log.
const END: f64 = 200_000.0;

/// Jobs of some minutes, or of none, within an hour, some of them at once, and where they are worked on.
/// Instants are whole halves of a second, so that ties happen.
fn logs() -> impl Strategy<Value = (JobLog, World)> {
    let run = prop_oneof![1 => Just(0), 9 => 1_u32..600];
    let job = (0_u32..7200, run, 1_usize..6);
    let log = prop::collection::vec(job, 1..12).prop_map(|arrays| {
        let half = |halves: u32| f64::from(halves) / 2.0;
        let array = |(submit, run, size): (u32, u32, usize)| vec![(half(submit), half(run)); size];
        jobs(&arrays.into_iter().flat_map(array).collect::<Vec<_>>())
    });
    let start = prop_oneof![1 => Just(0), 3 => 1_u32..60];
    let world = (start, 1_u32..12).prop_map(|(start, max)| World { now: 0.0, start: start.into(), max });
    (log, world)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nobody_has_more_workers_than_the_most_and_everybody_finishes((log, world) in logs()) {
        for (name, autoscaler) in world.everybody(&log) {
            let pool = pool(&log, StartDelay::Fixed(world.start), 0.0);
            let mut run = ClosedLoop { pool, autoscaler };
            while run.pool.now() < END && !run.is_over() {
                run.step(END);
                prop_assert!(run.pool.replicas() <= world.max as usize, "{name} at {}", run.pool.now());
            }
            prop_assert!(run.pool.is_done(), "{name}: {:#?}", run.pool.summary());
        }
    }

    #[test]
    fn with_every_setting_of_keda_all_jobs_are_done(
        (log, world) in logs(),
        setting in prop::sample::select(KedaSetting::grid()),
    ) {
        let autoscaler = setting.autoscaler(world.max, 0.0);
        let mut run = ClosedLoop { pool: pool(&log, StartDelay::Fixed(world.start), 0.0), autoscaler };
        let summary = run.run(END);
        prop_assert!(run.is_over(), "{setting}: {summary:#?}");
        prop_assert!(summary.peak_replicas <= world.max as usize, "{setting}: {summary:#?}");
    }

    #[test]
    fn skipping_makes_no_difference((log, world) in logs()) {
        let World { max, .. } = world;
        let kpa = Kpa::new(KpaSpec { max, ..KpaSpec::default() }, 0.0);
        let dask = Dask::new(DaskSpec { max, target_duration: 60.0, ..DaskSpec::default() }, 0.0);
        let idle_timeout = IdleTimeout::new(IdleTimeoutSpec { max, ..IdleTimeoutSpec::parsl() }, 0.0);
        let scaled_jobs = ScaledJobs::keda(JobStrategy::Accurate, max, 0.0);
        let pairs: [(Box<dyn Autoscaler>, Box<dyn Autoscaler>); 4] = [
            (Box::new(kpa.clone()), Box::new(kpa.without_skipping())),
            (Box::new(dask.clone()), Box::new(dask.without_skipping())),
            (Box::new(idle_timeout.clone()), Box::new(idle_timeout.without_skipping())),
            (Box::new(scaled_jobs.clone()), Box::new(scaled_jobs.without_skipping())),
        ];
        for (skipping, looking) in pairs {
            let [skipping, looking] = [skipping, looking].map(|autoscaler| {
                let pool = pool(&log, StartDelay::Fixed(world.start), 0.0);
                format!("{:?}", ClosedLoop { pool, autoscaler }.run(END))
            });
            prop_assert_eq!(skipping, looking);
        }
    }

    #[test]
    fn without_lag_the_work_is_all_that_is_paid((log, _) in logs()) {
        let autoscaler = Clairvoyant::without_lag(&log, u32::MAX, 0.0);
        let summary = ClosedLoop { pool: pool(&log, StartDelay::Fixed(0.0), 0.0), autoscaler }.run(END);
        prop_assert_eq!(summary.completed, log.jobs().len());
        prop_assert!(summary.wait_max <= 0.0 && summary.worker_seconds.idle <= 0.0, "{:#?}", summary);
    }

    #[test]
    fn at_the_peak_of_the_demand_nobody_waits_once_workers_are_ready((log, _) in logs()) {
        // A job that takes no time is no demand.
        let some: Vec<(f64, f64)> = log.jobs().iter().map(|job| (job.submit, job.run)).collect();
        let log = jobs(&some.into_iter().filter(|&(_, run)| run > 0.0).collect::<Vec<_>>());
        let demand = Demand::of(&log);
        let run = |autoscaler| {
            ClosedLoop { pool: pool(&log, StartDelay::Fixed(0.0), -1.0), autoscaler }.run(END)
        };
        prop_assert!(run(Fixed::peak(&demand)).wait_max <= 0.0);
        if demand.peak() > 1 {
            prop_assert!(run(Fixed::new(demand.peak() - 1)).wait_max > 0.0);
        }
    }
}
