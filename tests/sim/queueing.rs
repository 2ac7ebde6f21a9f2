//! Workers against queueing theory: what closed forms say of waits and of busy workers, the simulation shows.

use std::num::NonZeroU32;

use foresail::sim::job_log::{Job, JobLog};
use foresail::sim::workers::{PoolSpec, Removal, Span, StartDelay, WorkerPool};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Jobs of a Poisson process.
struct Arrivals {
    rng: Pcg64Mcg,
    /// A second, on average.
    rate: f64,
}

impl Arrivals {
    fn new(seed: u64, rate: f64) -> Self {
        Self { rng: Pcg64Mcg::seed_from_u64(seed), rate }
    }

    fn exponential(&mut self, rate: f64) -> f64 {
        let share: f64 = self.rng.random();
        -(1.0 - share).ln() / rate
    }

    /// So many batches of so many jobs, which run as `run` draws.
    fn log(mut self, batches: usize, size: usize, run: impl Fn(&mut Self) -> f64) -> JobLog {
        let mut submit = 0.0;
        let mut jobs = Vec::new();
        for _ in 0..batches {
            submit += self.exponential(self.rate);
            for _ in 0..size {
                jobs.push(Job::new(submit, run(&mut self)));
            }
        }
        JobLog::new(jobs)
    }
}

/// The log with so many workers that are there from the beginning.
fn pool(log: &JobLog, workers: u32, slots: u32) -> WorkerPool {
    let spec = PoolSpec { slots: NonZeroU32::new(slots).expect("1 at least"), ..PoolSpec::default() };
    let mut pool = WorkerPool::new(log, &spec, 1, 0.0);
    pool.scale_to(workers);
    pool
}

/// The mean wait of a log's jobs with so many workers.
fn mean_wait(log: &JobLog, workers: u32) -> f64 {
    let mut pool = pool(log, workers, 1);
    pool.advance(1e9);
    assert!(pool.is_done());
    pool.summary().wait_mean
}

fn assert_close(simulated: f64, expected: f64, tolerance: f64) {
    let off = simulated / expected - 1.0;
    assert!(off.abs() < tolerance, "{simulated} is {:.1} % off {expected}", off * 100.0);
}

/// Mean wait of M/M/c, by Erlang's C formula.
fn erlang_wait(servers: u32, arrivals: f64, service: f64) -> f64 {
    let load = arrivals * service;
    // Erlang's B by its recursion, and C from B.
    let blocked = (1..=servers).fold(1.0, |blocked, n| load * blocked / (f64::from(n) + load * blocked));
    let rho = load / f64::from(servers);
    let waits = blocked / (1.0 - rho * (1.0 - blocked));
    waits * service / (f64::from(servers) * (1.0 - rho))
}

/// Mean wait of M/D/c (Crommelin 1932): the number of jobs after one service time is what was there beyond the
/// servers, and a Poisson number of new ones.
fn crommelin_wait(servers: usize, arrivals: f64, service: f64) -> f64 {
    const STATES: usize = 160;
    let load = arrivals * service;
    let new: Vec<f64> = (0..60)
        .scan((-load).exp(), |chance, n| {
            let now = *chance;
            *chance *= load / f64::from(n + 1);
            Some(now)
        })
        .collect();
    let mut jobs = [0.0; STATES];
    jobs[0] = 1.0;
    for _ in 0..800 {
        let mut next = [0.0; STATES];
        for (n, chance) in jobs.iter().enumerate() {
            let left = n.saturating_sub(servers);
            for (more, share) in new.iter().enumerate().take(STATES - left) {
                next[left + more] += chance * share;
            }
        }
        jobs = next;
    }
    let waiting: f64 =
        jobs.iter().enumerate().map(|(n, chance)| n.saturating_sub(servers) as f64 * chance).sum();
    waiting / arrivals
}

#[test]
fn the_formulas_give_the_known_values() {
    // M/M/1 and M/D/1 at rho 0.8: rho/(1 - rho), and half of it (Pollaczek and Khinchine).
    assert_close(erlang_wait(1, 0.8, 1.0), 4.0, 1e-9);
    assert_close(crommelin_wait(1, 0.8, 1.0), 2.0, 1e-6);
    // M/M/2 at rho 0.75: rho^2/(1 - rho^2).
    assert_close(erlang_wait(2, 1.5, 1.0), 0.5625 / 0.4375, 1e-9);
}

#[test]
fn jobs_of_exponential_length_wait_as_in_an_m_m_c_queue() {
    for (workers, arrivals) in [(1, 0.07), (4, 0.32), (20, 1.8)] {
        let log = Arrivals::new(7, arrivals).log(200_000, 1, |arrivals| arrivals.exponential(0.1));
        assert_close(mean_wait(&log, workers), erlang_wait(workers, arrivals, 10.0), 0.05);
    }
}

#[test]
fn jobs_of_one_length_wait_as_in_an_m_d_c_queue() {
    for (workers, arrivals) in [(1, 0.07), (4, 0.34), (10, 0.9)] {
        let log = Arrivals::new(8, arrivals).log(200_000, 1, |_| 10.0);
        assert_close(mean_wait(&log, workers), crommelin_wait(workers as usize, arrivals, 10.0), 0.05);
    }
}

#[test]
fn batches_keep_as_many_workers_busy_as_in_an_m_x_g_infinity_queue() {
    let (arrivals, size, service) = (0.05, 5, 30.0);
    let log = Arrivals::new(9, arrivals).log(40_000, size, |arrivals| arrivals.exponential(1.0 / service));
    let mut pool = pool(&log, 400, 1);
    let mut busy = Vec::new();
    pool.advance(500.0);
    while pool.arrived() < log.jobs().len() {
        pool.advance(pool.now() + 20.0);
        busy.push(pool.busy() as f64);
    }
    assert_eq!(pool.summary().wait_max.to_string(), "0");
    let mean = busy.iter().sum::<f64>() / (busy.len() as f64);
    let variance = busy.iter().map(|busy| (busy - mean).powi(2)).sum::<f64>() / (busy.len() as f64);
    // The jobs of one batch that still run at the same time add the second term: the integral of P(S > t)^2 is half
    // the mean of an exponential S.
    let size = size as f64;
    let expected = arrivals * size * service;
    assert_close(mean, expected, 0.03);
    assert_close(variance, expected + arrivals * size * (size - 1.0) * service / 2.0, 0.05);
}

#[test]
fn slots_of_one_worker_are_as_good_as_workers() {
    let log = Arrivals::new(10, 0.55).log(20_000, 1, |arrivals| arrivals.exponential(0.1));
    let waits = |workers, slots| {
        let mut pool = pool(&log, workers, slots);
        pool.advance(1e9);
        pool.waits().to_vec()
    };
    assert_eq!(waits(6, 1), waits(2, 3));
}

#[test]
fn the_first_job_of_a_worker_takes_longer_while_its_cache_is_cold() {
    let job = |submit| Job::new(submit, 10.0);
    let log = JobLog::new([0.0, 0.0, 0.0].map(job).to_vec());
    let spec = PoolSpec { warm_cache: 4.0, ..PoolSpec::default() };
    let mut pool = WorkerPool::new(&log, &spec, 1, 0.0);
    pool.scale_to(1);
    pool.advance(100.0);
    let waits: Vec<f64> = pool.waits().iter().flatten().copied().collect();
    assert_eq!(waits, [0.0, 14.0, 24.0]);
}

#[test]
fn crashes_come_at_their_rate_and_every_job_is_done_in_the_end() {
    let log = Arrivals::new(11, 0.1).log(20_000, 1, |_| 30.0);
    let spec = PoolSpec { crash: 6.0, start: StartDelay::Fixed(5.0), ..PoolSpec::default() };
    let mut pool = WorkerPool::new(&log, &spec, 1, 0.0);
    pool.scale_to(8);
    pool.advance(1e6);
    assert!(pool.is_done());
    let summary = pool.summary();
    let seconds = summary.worker_seconds;
    assert_close(summary.crashed as f64, (seconds.idle + seconds.busy) / 600.0, 0.05);
    let part = summary.requeued as f64 / summary.crashed as f64;
    let all = summary.started as f64 * 30.0 + seconds.lost;
    assert_close(seconds.busy, all, 1e-9);
    assert_close(seconds.starting - 40.0, summary.crashed as f64 * 5.0, 0.001);
    assert!(0.0 < part && part < 1.0, "{part} of the crashes cost a job");
}

/// One step of a run: seconds that pass, and then so many workers.
type Step = (f64, u32);

fn waits(jobs: &[(f64, f64)], steps: &[Step], removal: Removal, seed: u64, scale: f64) -> Vec<Option<f64>> {
    let job = |&(submit, run): &(f64, f64)| Job::new(submit * scale, run * scale);
    let log = JobLog::new(jobs.iter().map(job).collect());
    let span = |from, to| Span { from: from * scale, to: to * scale };
    let spec = PoolSpec {
        removal,
        start: StartDelay::Mixture(vec![(3.0, span(2.0, 5.0)), (1.0, span(40.0, 90.0))]),
        grace_period: 25.0 * scale,
        crash: 4.0 / scale,
        warm_cache: 3.0 * scale,
        ..PoolSpec::default()
    };
    let mut pool = WorkerPool::new(&log, &spec, seed, 0.0);
    for &(seconds, workers) in steps {
        pool.advance(pool.now() + seconds * scale);
        pool.scale_to(workers);
    }
    pool.advance(1e5 * scale);
    pool.waits().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// By a power of two, so that no rounding differs.
    #[test]
    fn time_that_is_scaled_scales_every_wait(
        jobs in prop::collection::vec((1.0..600.0, 1.0..120.0), 1..60),
        steps in prop::collection::vec((1.0..60.0, 0_u32..8), 1..30),
        kill in any::<bool>(), seed in any::<u64>(),
    ) {
        let removal = if kill { Removal::Kill } else { Removal::Drain };
        let plain = waits(&jobs, &steps, removal, seed, 1.0);
        let scaled = waits(&jobs, &steps, removal, seed, 8.0);
        let expected: Vec<_> = plain.iter().map(|wait| wait.map(|wait| wait * 8.0)).collect();
        prop_assert_eq!(scaled, expected);
    }
}
