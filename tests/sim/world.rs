//! A log on a stage, by several autoscalers.

use foresail::sim::autoscaler::{Autoscaler, Fixed, IdleTimeout, KedaSetting, idle_timeout::IdleTimeoutSpec};
use foresail::sim::job_log::JobLog;
use foresail::sim::nodes::NodePoolSpec;
use foresail::sim::start_delay::StartDelay;
use foresail::sim::workers::PoolSpec;
use foresail::sim::world::{Outcome, Stage, World};

const DAY: f64 = 86_400.0;
const MONDAY: f64 = 1_507_507_200.0;

fn log() -> JobLog {
    let log = JobLog::bundled().expect("the bundled log is well formed");
    log.window(MONDAY, MONDAY + 3.0 * DAY).with_run_times(300.0, 4.0 * 3600.0)
}

fn world(log: &JobLog, nodes: bool, warm_up: f64) -> World {
    let pool = PoolSpec {
        start: StartDelay::Fixed(4.0),
        nodes: nodes.then(NodePoolSpec::default),
        ..PoolSpec::default()
    };
    World::around(log, pool, warm_up, 1)
}

fn play(world: &World, log: &JobLog, autoscaler: impl Autoscaler) -> Outcome {
    Stage::new(world, log).play(autoscaler)
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * b.abs().max(1.0)
}

#[test]
fn the_days_add_up_to_the_whole() {
    let log = log();
    for nodes in [false, true] {
        let world = world(&log, nodes, DAY);
        let outcome = play(&world, &log, KedaSetting::default().autoscaler(200, world.from));
        assert_eq!(outcome.unfinished, 0);
        let counted = log.jobs().iter().filter(|job| job.submit >= world.counted_from).count();
        assert_eq!(outcome.waits.jobs, counted);
        assert_eq!(outcome.days.iter().map(|day| day.jobs).sum::<usize>(), counted);
        assert!(near(outcome.days.iter().map(|day| day.waited).sum(), outcome.waits.total));
        let paid = if nodes { 4.0 * outcome.nodes.seconds.total } else { outcome.workers.total };
        assert!(near(outcome.paid(), paid), "{} {paid}", outcome.paid());
        assert!(near(outcome.cost(2.0), paid + 2.0 * outcome.waits.total));
    }
}

#[test]
fn what_comes_before_the_counted_time_does_not_count() {
    let log = log();
    let whole = world(&log, true, 0.0);
    let late = world(&log, true, 2.0 * DAY);
    let [all, last] =
        [&whole, &late].map(|world| play(world, &log, KedaSetting::default().autoscaler(200, world.from)));
    assert!(last.waits.jobs < all.waits.jobs);
    assert!(last.paid() < 0.7 * all.paid(), "{} {}", last.paid(), all.paid());
}

#[test]
fn a_site_of_its_peaks_size_waits_only_for_its_first_start_and_is_always_over_provisioned() {
    let log = log();
    let world = world(&log, false, DAY);
    let stage = Stage::new(&world, &log);
    let peak = stage.demand().changes().iter().map(|change| change.to).fold(0.0, f64::max);
    let workers = (1..1000).find(|&n| f64::from(n) >= peak).expect("a small peak");
    let outcome = stage.play(Fixed::new(workers));
    assert!(outcome.waits.max <= 0.0, "{:?}", outcome.waits);
    assert!(outcome.elasticity.time_under <= 0.0, "{:?}", outcome.elasticity);
    assert!(
        near(outcome.workers.total, f64::from(workers) * 2.0 * DAY)
            || outcome.workers.total > 2.0 * DAY * peak
    );
}

#[test]
fn every_autoscaler_meets_the_same_jobs_and_a_run_is_the_same_every_time() {
    let log = log();
    let world = world(&log, true, DAY);
    let spec = IdleTimeoutSpec { max: 200, ..IdleTimeoutSpec::default() };
    let runs = [(); 2].map(|()| play(&world, &log, IdleTimeout::new(spec, world.from)));
    assert_eq!(runs[0], runs[1]);
    let keda = play(&world, &log, KedaSetting::default().autoscaler(200, world.from));
    assert_eq!(keda.waits.jobs, runs[0].waits.jobs);
    assert!(
        runs[0].waits.mean < keda.waits.mean,
        "one that counts jobs in flight waits less than plain KEDA"
    );
}
