//! The jobs of each scenario: when, and how long each runs. The seed decides all of it.

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

/// A scenario.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) name: &'static str,
    pub(super) seed: u64,
    /// In the order of time.
    pub(super) submissions: Vec<Submission>,
    /// Where there is a capacity buffer: what it is set to, in the order of time.
    pub(super) buffer: Vec<Buffered>,
}

/// One job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Submission {
    /// Seconds since the scenario's first instant.
    pub(super) at: f64,
    /// Seconds that it takes.
    pub(super) run: f64,
}

/// The capacity buffer from some instant on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buffered {
    /// Seconds since the scenario's first instant.
    pub(super) at: f64,
    /// Workers for which there is to be room besides.
    pub(super) replicas: u32,
}

pub(super) fn all() -> Vec<Load> {
    vec![burst_from_zero(), ramp(), trickle_to_zero(), capacity_buffer()]
}

impl Load {
    /// Seconds from the first job to the last.
    pub(super) fn length(&self) -> f64 {
        self.submissions.last().map_or(0.0, |last| last.at)
    }
}

/// Sixty jobs at once, where nothing runs: three in four of 5 to 15 s, the others of 20 to 45 s.
fn burst_from_zero() -> Load {
    let mut random = Pcg64Mcg::seed_from_u64(1);
    let mut run = || if random.random_bool(0.75) { (5.0, 15.0) } else { (20.0, 45.0) };
    let ranges: Vec<(f64, f64)> = (0..60).map(|_| run()).collect();
    let job = |(least, most)| Submission { at: 0.0, run: tenths(random.random_range(least..most)) };
    let submissions = ranges.into_iter().map(job).collect();
    Load { name: "burst-from-zero", seed: 1, submissions, buffer: Vec::new() }
}

/// Ten minutes: from one job in 20 s to one a second, each of 4 to 16 s; then no more.
fn ramp() -> Load {
    const LENGTH: f64 = 600.0;
    let (first, last) = (0.05, 1.0);
    let mut random = Pcg64Mcg::seed_from_u64(2);
    let mut submissions = Vec::new();
    let mut at = 0.0;
    loop {
        // Thinning: instants at the highest rate, of which as many stay as the rate of the moment says.
        at += exponential(&mut random, 1.0 / last);
        if at >= LENGTH {
            return Load { name: "ramp", seed: 2, submissions, buffer: Vec::new() };
        }
        let rate = first + (last - first) * at / LENGTH;
        if random.random_bool(rate / last) {
            submissions.push(Submission { at, run: tenths(random.random_range(4.0..16.0)) });
        }
    }
}

/// Two dozen jobs of 5 to 20 s: gaps of 2 s on average at first, of a minute at the end.
fn trickle_to_zero() -> Load {
    const JOBS: u32 = 24;
    let mut random = Pcg64Mcg::seed_from_u64(3);
    let mut at = 0.0;
    let submissions = (0..JOBS).map(|number| {
        let gap = 2.0 * 30_f64.powf(f64::from(number) / f64::from(JOBS - 1));
        at += exponential(&mut random, gap);
        Submission { at, run: tenths(random.random_range(5.0..20.0)) }
    });
    Load { name: "trickle-to-zero", seed: 3, submissions: submissions.collect(), buffer: Vec::new() }
}

/// Two bursts of jobs of 10 to 25 s, each with a buffer of its size that was up a minute before. That of the first is
/// lowered with the burst; that of the second is left up, is filled again, and is lowered long after.
fn capacity_buffer() -> Load {
    let mut random = Pcg64Mcg::seed_from_u64(4);
    let bursts = [(60.0, 12), (390.0, 8)];
    let instants = bursts.into_iter().flat_map(|(at, jobs)| std::iter::repeat_n(at, jobs));
    let submissions = instants.map(|at| Submission { at, run: tenths(random.random_range(10.0..25.0)) });
    let buffer = [(5.0, 12), (60.0, 0), (330.0, 8), (600.0, 0)];
    Load {
        name: "capacity-buffer",
        seed: 4,
        submissions: submissions.collect(),
        buffer: buffer.map(|(at, replicas)| Buffered { at, replicas }).to_vec(),
    }
}

fn exponential(random: &mut Pcg64Mcg, mean: f64) -> f64 {
    -mean * (1.0 - random.random::<f64>()).ln()
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}
