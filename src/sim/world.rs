//! A log, played in a world by an autoscaler, and what it came to.

use serde::{Deserialize, Serialize};

use super::autoscaler::Autoscaler;
use super::closed_loop::ClosedLoop;
use super::job_log::{Job, JobLog, Transform};
use super::nodes::NodeSummary;
use super::outcome::{Elasticity, Slowdown, Steps, Waits};
use super::workers::{PoolSpec, WorkerPool, WorkerSeconds};

/// Where a log is played, and what of it counts.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    /// What workers and nodes are like.
    pub pool: PoolSpec,
    /// When it begins, Unix seconds.
    pub from: f64,
    /// What happens before this is not counted: whoever learns has learned something by then. Unix seconds.
    pub counted_from: f64,
    /// When the log ends, Unix seconds: until then time is counted even if all is done.
    pub until: f64,
    /// Seconds after the end of the log in which what is left may still be done.
    pub patience: f64,
    /// A wait longer than this counts as missed, seconds.
    pub agreed_wait: f64,
    /// The same seed gives every autoscaler the same start delays, failures and reclaims.
    pub seed: u64,
}

/// A world with a log in it, ready for any number of autoscalers.
#[derive(Clone, Debug)]
pub struct Stage<'a> {
    world: &'a World,
    log: &'a JobLog,
    /// Workers that would be busy if every job started at once.
    demand: Steps,
}

/// What a run came to. Only jobs submitted in the counted time count, and only what was spent in it or after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the submitters felt. A job that was never started has waited until the run ended.
    pub waits: Waits,
    /// The same, against the run times.
    pub slowdown: Slowdown,
    /// What the workers' time went into.
    pub workers: WorkerSeconds,
    /// The nodes; nothing where the world has none.
    pub nodes: NodeSummary,
    /// Workers that were launched.
    pub launched: usize,
    /// Workers that were told to go.
    pub told_to_go: usize,
    /// Of those, the ones that had a job.
    pub told_to_go_busy: usize,
    /// Workers known to be busy for whom fewer were wanted, whoever went.
    pub busy_asked: usize,
    /// How often a job was lost and had to wait again.
    pub requeued: usize,
    /// How often the replicas turned from growing to shrinking or back.
    pub reversals: usize,
    /// Most workers that were to stay at one time.
    pub peak: usize,
    /// How closely ready workers followed the demand.
    pub elasticity: Elasticity,
    /// Worker-seconds that were idle on the word of a forecast, by Foresail's own account; 0 of all others.
    #[serde(default)]
    pub speculated: f64,
    /// Jobs that were not done when the run was given up.
    pub unfinished: usize,
    /// The counted time, day by day; what came after its end belongs to the last.
    pub days: Vec<Day>,
}

/// A part of the counted time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Day {
    /// Jobs submitted in it.
    pub jobs: usize,
    /// What they waited in all, seconds.
    pub waited: f64,
    /// Seconds paid in it: of workers by node in a world with nodes, else of workers.
    pub paid: f64,
}

/// Seconds of a day.
const DAY: f64 = 86_400.0;

impl World {
    /// A world for the whole log, the first `warm_up` seconds of which are not counted. What is left at its end has
    /// the longest run time and 30 days to be done.
    pub fn around(log: &JobLog, pool: PoolSpec, warm_up: f64, seed: u64) -> Self {
        let submitted = |job: Option<&Job>| job.map_or(0.0, |job| job.submit);
        let (from, last) = (submitted(log.jobs().first()), submitted(log.jobs().last()));
        let from = (from / DAY).floor() * DAY;
        let until = ((last / DAY).floor() + 1.0) * DAY;
        let longest = log.jobs().iter().map(|job| job.run).fold(0.0, f64::max);
        World {
            pool,
            from,
            counted_from: (from + warm_up).min(until),
            until,
            patience: longest + 30.0 * DAY,
            agreed_wait: 300.0,
            seed,
        }
    }

    /// Workers that a node has room for; 1 in a world without nodes.
    pub fn workers_per_node(&self) -> u32 {
        let pool = self.pool.nodes.as_ref();
        pool.and_then(|pool| Some(pool.types.first()?.holds(&pool.pod))).unwrap_or(1)
    }
}

impl<'a> Stage<'a> {
    /// Puts a log into a world.
    pub fn new(world: &'a World, log: &'a JobLog) -> Self {
        let demand = |log: &JobLog| {
            Steps::demand(log.jobs().iter().map(|job| (job.submit, job.run)), world.pool.slots.get())
        };
        // A job that waits for others is in demand when those would have ended.
        let released = log.has_parents().then(|| Transform::Released.apply(log).ok()).flatten();
        Self { world, log, demand: demand(released.as_ref().unwrap_or(log)) }
    }

    /// The world.
    pub const fn world(&self) -> &World {
        self.world
    }

    /// The log.
    pub const fn log(&self) -> &JobLog {
        self.log
    }

    /// Workers that would be busy if every job started at once.
    pub const fn demand(&self) -> &Steps {
        &self.demand
    }

    /// Plays it.
    pub fn play(&self, autoscaler: impl Autoscaler) -> Outcome {
        self.watch(autoscaler, |_, _| ())
    }

    /// Plays it, and shows `watch` the pool after everything that happened.
    pub fn watch<A: Autoscaler>(&self, autoscaler: A, watch: impl FnMut(&WorkerPool, &A)) -> Outcome {
        self.watch_to_the_end(autoscaler, watch).0
    }

    /// As [`Self::watch`]; also returns the pool as the run left it.
    pub fn watch_to_the_end<A: Autoscaler>(
        &self,
        autoscaler: A,
        mut watch: impl FnMut(&WorkerPool, &A),
    ) -> (Outcome, WorkerPool) {
        let World { from, counted_from, until, patience, seed, ref pool, .. } = *self.world;
        let pool = WorkerPool::new(self.log, pool, seed, from);
        let mut run = ClosedLoop { pool, autoscaler };
        while run.pool.now() < counted_from {
            run.step(counted_from);
            watch(&run.pool, &run.autoscaler);
        }
        run.pool.begin_accounts();
        let speculated_before = run.autoscaler.speculated();

        let (mut supply, mut days) = (Steps::default(), Vec::new());
        let (mut paid_before, mut day_ends) = (0.0, (counted_from + DAY).min(until));
        supply.note(counted_from, run.pool.ready() as f64);
        let limit = until + patience;
        while run.pool.now() < until || (run.pool.now() < limit && !run.is_over()) {
            run.step(if run.pool.now() < until { day_ends } else { limit });
            let now = run.pool.now();
            supply.note(now, run.pool.ready() as f64);
            watch(&run.pool, &run.autoscaler);
            if now >= day_ends && now < until {
                let paid = self.paid(&run.pool);
                days.push(Day { paid: paid - paid_before, ..Day::default() });
                (paid_before, day_ends) = (paid, (day_ends + DAY).min(until));
            }
        }
        days.push(Day { paid: self.paid(&run.pool) - paid_before, ..Day::default() });
        // A Foresail that was restarted meanwhile has forgotten what it spent.
        let speculated = (run.autoscaler.speculated() - speculated_before).max(0.0);
        (Outcome { speculated, ..self.outcome(&run.pool, &supply, days) }, run.pool)
    }

    /// What each counted job waited in a run that left this pool, seconds, in the order of the log; of a job that was
    /// never started, until the run ended.
    pub fn waits<'b>(&'b self, pool: &'b WorkerPool) -> impl Iterator<Item = (&'b Job, f64)> {
        let jobs = self.log.jobs().iter().zip(pool.waits());
        let counted = jobs.filter(|(job, _)| job.submit >= self.world.counted_from);
        counted.map(|(job, wait)| (job, wait.unwrap_or(pool.now() - job.submit)))
    }

    /// Worker-seconds paid so far: those of the nodes, by the workers that they have room for.
    fn paid(&self, pool: &WorkerPool) -> f64 {
        match &self.world.pool.nodes {
            Some(_) => pool.node_summary().seconds.total * f64::from(self.world.workers_per_node()),
            None => pool.worker_seconds().total,
        }
    }

    fn outcome(&self, pool: &WorkerPool, supply: &Steps, mut days: Vec<Day>) -> Outcome {
        let World { counted_from, until, agreed_wait, .. } = *self.world;
        let (mut waits, mut slowdowns) = (Vec::new(), Vec::new());
        for (job, wait) in self.waits(pool) {
            waits.push(wait);
            slowdowns.push((wait, job.run));
            let last = days.len() - 1;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a day of the log")]
            let day = ((job.submit - counted_from) / DAY) as usize;
            let day = &mut days[day.min(last)];
            day.jobs += 1;
            day.waited += wait;
        }
        let counts = pool.counts();
        Outcome {
            waits: Waits::of(waits, agreed_wait),
            slowdown: Slowdown::of(slowdowns.into_iter()),
            workers: pool.worker_seconds(),
            nodes: pool.node_summary(),
            launched: counts.launched,
            told_to_go: counts.told_to_go,
            told_to_go_busy: counts.told_to_go_busy,
            busy_asked: counts.busy_asked,
            requeued: counts.requeued,
            reversals: counts.reversals,
            peak: counts.peak,
            elasticity: Elasticity::of(&self.demand, supply, counted_from, until),
            speculated: 0.0,
            unfinished: pool.waiting() + pool.in_flight(),
            days,
        }
    }
}

impl Outcome {
    /// Worker-seconds paid: those of the nodes, by the workers that they have room for; else of the workers.
    pub fn paid(&self) -> f64 {
        self.days.iter().map(|day| day.paid).sum()
    }

    /// What it cost if a second of waiting is worth so many worker-seconds.
    pub fn cost(&self, worth: f64) -> f64 {
        self.paid() + worth * self.waits.total
    }
}
