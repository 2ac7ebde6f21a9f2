//! What others do, and what nobody can beat by much.

use foresail::sim::{
    autoscaler::{
        ByKeda, Clairvoyant, Cron, Dask, Demand, Fixed, IdleTimeout, Kedastral, Kpa, ListLength, ScaledJobs,
        clairvoyant::ClairvoyantSpec, cron::Window, dask::DaskSpec, idle_timeout::IdleTimeoutSpec,
        kedastral::KedastralSpec, kpa::KpaSpec,
    },
    job_log::{Job, JobLog},
    keda::{ScaledObject, ScaledObjectSpec},
    scaled_job::Strategy,
    start_delay::StartDelay,
    world::Stage,
};

use super::contender::{Contender, Role};

/// Other rules than KEDA's for a ScaledObject (docs/bench/policies.md).
pub(crate) fn rules(max: u32) -> Vec<Contender> {
    let idle = move |name: &str, spec: IdleTimeoutSpec| {
        let spec = IdleTimeoutSpec { max, ..spec };
        Contender::new(name, Role::Other, move |stage| IdleTimeout::new(spec, stage.world().from))
    };
    let jobs = move |name: &str, strategy: Strategy| {
        Contender::new(name, Role::Other, move |stage| ScaledJobs::keda(strategy, max, stage.world().from))
    };
    let fixed = |name: &str, of: fn(&Demand) -> Fixed| {
        Contender::new(name, Role::Other, move |stage| of(&Demand::of(stage.log())))
    };
    vec![
        jobs("ScaledJob default", Strategy::Default),
        jobs("ScaledJob accurate", Strategy::Accurate),
        jobs("ScaledJob eager", Strategy::Eager),
        Contender::new("Knative KPA", Role::Other, move |stage| {
            Kpa::new(KpaSpec { max, ..KpaSpec::default() }, stage.world().from)
        }),
        Contender::new("Dask adaptive", Role::Other, move |stage| {
            Dask::new(DaskSpec { max, ..DaskSpec::default() }, stage.world().from)
        }),
        idle("idle 600 s (ParallelCluster)", IdleTimeoutSpec::default()),
        idle("idle 120 s (Parsl)", IdleTimeoutSpec::parsl()),
        Contender::new("DELAYEDOFF", Role::Other, move |stage| {
            let spec = IdleTimeoutSpec { max, ..IdleTimeoutSpec::delayed_off(lead(stage)) };
            IdleTimeout::new(spec, stage.world().from)
        }),
        Contender::new("Kedastral", Role::Other, move |stage| {
            let now = stage.world().from;
            let spec = ScaledObjectSpec { min: 1, max, ..ScaledObjectSpec::default() };
            let scaler = Kedastral::new(KedastralSpec { max, ..KedastralSpec::default() }, now);
            ByKeda::new(ScaledObject::new(spec, now, 0), scaler)
        }),
        Contender::new("KEDA depth/1 and an expert's cron", Role::Other, move |stage| {
            let now = stage.world().from;
            let windows = Window::of_expert(&Demand::of(&warm_up(stage)), 0.0);
            let spec = ScaledObjectSpec { max, ..ScaledObjectSpec::default() };
            let scaler = Cron::new(ListLength::waiting(1.0), windows, 0.0, now);
            ByKeda::new(ScaledObject::new(spec, now, 0), scaler)
        }),
        fixed("always the mean", Fixed::mean),
        fixed("always the peak", Fixed::peak),
    ]
}

/// What was to be seen of the jobs before the counted time: of one that still ran then, what had run.
fn warm_up(stage: &Stage<'_>) -> JobLog {
    let until = stage.world().counted_from;
    let seen = stage.log().jobs().iter().filter(|job| job.submit < until);
    JobLog::new(seen.map(|job| Job { run: job.run.min(until - job.submit), ..*job }).collect())
}

/// Plans made with the log in hand, for two prices of a second of waiting.
pub(crate) fn bounds(max: u32) -> Vec<Contender> {
    let plan = |worth: f64| {
        Contender::new(format!("clairvoyant, worth {worth}"), Role::Bound, move |stage| {
            let spec = ClairvoyantSpec { lead: lead(stage), worth, max };
            Clairvoyant::new(stage.log(), spec, stage.world().from)
        })
    };
    [3.0, 10.0].into_iter().map(plan).collect()
}

/// Seconds that a worker usually takes from being asked for to taking jobs, where its node has to come.
fn lead(stage: &Stage<'_>) -> f64 {
    let pool = &stage.world().pool;
    let node = pool.nodes.as_ref().map_or(0.0, |nodes| usual(&nodes.launch) + usual(&nodes.register));
    node + usual(&pool.start)
}

/// The middle of the likeliest span.
pub(super) fn usual(delay: &StartDelay) -> f64 {
    match delay {
        StartDelay::Fixed(seconds) => *seconds,
        StartDelay::Mixture(parts) => {
            let likeliest = parts.iter().max_by(|a, b| a.0.total_cmp(&b.0));
            likeliest.map_or(0.0, |(_, span)| f64::midpoint(span.from, span.to))
        }
        StartDelay::Recorded(seconds) => seconds.iter().sum::<f64>() / seconds.len().max(1) as f64,
    }
}
