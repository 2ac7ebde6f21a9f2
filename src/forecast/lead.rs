//! How long a worker takes from being asked for to taking jobs: with a node there, and with a node to come.

use serde::{Deserialize, Serialize};

use super::buckets::{Buckets, log_logistic};

/// Buckets of lead times.
const BUCKETS: usize = 32;

/// Longest lead time told apart: an hour, seconds.
const LONGEST: f64 = 3_600.0;

/// Starts after which what was seen before counts half.
const HALF_LIFE: f64 = 50.0;

/// Starts that the prior counts for.
const PRIOR_STARTS: f64 = 3.0;

/// Priors: median (seconds) and shape of a log-logistic law. Pods whose image is there start in seconds; nodes join
/// after one to two minutes, some after many.
const WARM: (f64, f64) = (8.0, 2.5);
const COLD: (f64, f64) = (80.0, 4.0);

/// Weight of the newest start in the share of cold ones.
const LATEST: f32 = 0.02;

/// Share of starts that wait for a node, before any was seen.
const COLD_SHARE: f32 = 0.5;

/// Whether a node was there when the worker was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A node was there.
    Warm,
    /// A node had to come.
    Cold,
}

/// Whether any worker was ready when this one was asked for, or shortly before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// None had been for a quarter of an hour: whatever room others had left on nodes is gone by then, most often.
    Alone,
    /// Some were, or had been, or nobody knows.
    Beside,
}

/// The lead times of one ref's workers. Belongs to the ref, as the workers do; many refs may share a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeadTimes {
    warm: LeadTime,
    /// What a node takes to come, and a worker on it.
    cold: LeadTime,
    /// What those waited that had to, some of them for nodes that had been asked for before.
    #[serde(default = "LeadTime::before_any_cold_one")]
    waited: LeadTime,
    #[serde(flatten)]
    all: Mixed,
    /// Of those that were asked for alone.
    #[serde(default)]
    alone: Mixed,
}

/// How often workers had to wait for a node, and what that comes to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Mixed {
    /// Share of the latest workers, started or given up, that had to wait for a node.
    cold_share: f32,
    /// Workers that it is of, those of the prior included; as many as matter.
    #[serde(default = "Mixed::as_many_as_matter")]
    workers: f32,
    /// Mean lead time, seconds. Made anew at each start: it is asked for in every tick, and takes a microsecond.
    mean: f64,
}

/// The law of one kind of lead time: counts in log-spaced buckets, 1 s to an hour, decayed by starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeadTime {
    starts: [f32; BUCKETS],
    seen: f32,
}

impl Default for LeadTimes {
    fn default() -> Self {
        let (warm, cold) = (LeadTime::prior(WARM), LeadTime::before_any_cold_one());
        let (waited, all, alone) = (cold.clone(), Mixed::settled(), Mixed::default());
        let mut lead = Self { warm, cold, waited, all, alone };
        lead.mix();
        lead
    }
}

impl Default for Mixed {
    fn default() -> Self {
        Self { cold_share: COLD_SHARE, workers: 1.0, mean: 0.0 }
    }
}

impl Mixed {
    /// As if as many had been seen as matter: it moves slowly from the first one on.
    fn settled() -> Self {
        Self { workers: Self::as_many_as_matter(), ..Self::default() }
    }

    const fn as_many_as_matter() -> f32 {
        1.0 / LATEST
    }

    fn count(&mut self, start: Start) {
        let cold = f32::from(u8::from(start == Start::Cold));
        self.workers = (self.workers + 1.0).min(Self::as_many_as_matter());
        self.cold_share += (cold - self.cold_share) / self.workers;
    }
}

impl LeadTimes {
    /// The lead time of one kind of start.
    pub fn of(&self, start: Start) -> &LeadTime {
        match start {
            Start::Warm => &self.warm,
            Start::Cold => &self.cold,
        }
    }

    /// Takes the lead time of a worker that started, seconds. What is no time (negative, not finite) is left out.
    pub fn started(&mut self, start: Start, seconds: f64, asked: Asked) {
        match start {
            Start::Cold => self.rode_along(seconds, 0.0, asked),
            Start::Warm if is_time(seconds) => {
                self.warm.learn(seconds);
                self.share(start, asked);
            }
            Start::Warm => {}
        }
    }

    /// Takes a worker that started after so many seconds on a node that had to come, and that may have been asked for up
    /// to `behind` seconds before it, for others: an interval-censored cold start. What is no time is left out.
    pub fn rode_along(&mut self, seconds: f64, behind: f64, asked: Asked) {
        if is_time(seconds) && is_time(behind) {
            self.cold.learn_between(seconds, seconds + behind, &LeadTime::before_any_cold_one());
            self.waited.learn(seconds);
            self.share(Start::Cold, asked);
        }
    }

    /// Takes a worker that waited for a node for so many seconds, and had not started when it was taken back or the
    /// node given up: a right-censored cold start. What is no time is left out.
    pub fn given_up(&mut self, seconds: f64, asked: Asked) {
        if is_time(seconds) {
            let prior = LeadTime::before_any_cold_one();
            self.cold.outlast(seconds, &prior);
            self.waited.outlast(seconds, &prior);
            self.share(Start::Cold, asked);
        }
    }

    /// Takes the seconds that a cold start would have taken, as a node tells that came while no worker waited for it.
    /// The share of cold starts stays: nobody was kept waiting. What is no time is left out.
    pub fn node_came(&mut self, seconds: f64) {
        if is_time(seconds) {
            self.cold.learn(seconds);
            self.waited.learn(seconds);
            self.mix();
        }
    }

    /// Counts one more worker into the shares of cold ones.
    fn share(&mut self, start: Start, asked: Asked) {
        self.all.count(start);
        if asked == Asked::Alone {
            self.alone.count(start);
        }
        self.mix();
    }

    fn mix(&mut self) {
        let warm = self.warm.mean();
        for (mixed, cold) in [(&mut self.all, &self.waited), (&mut self.alone, &self.cold)] {
            let share = f64::from(mixed.cold_share);
            mixed.mean = share * cold.mean() + (1.0 - share) * warm;
        }
    }

    /// Whether all of it could have been learned: what is read back may be anything.
    pub fn is_sound(&self) -> bool {
        let laws = [&self.warm, &self.cold, &self.waited];
        let mut numbers = laws.into_iter().flat_map(|law| law.starts.iter().chain([&law.seen]));
        numbers.all(|number| *number >= 0.0 && number.is_finite())
            && [self.all, self.alone].iter().all(|Mixed { cold_share, workers, mean }| {
                (0.0..=1.0).contains(cold_share)
                    && (1.0..=Mixed::as_many_as_matter()).contains(workers)
                    && (0.0..=LONGEST).contains(mean)
            })
    }

    /// Share of the latest workers that had to wait for a node, 0 to 1: of those that started, and of those that were
    /// given up while they waited.
    pub fn cold_share(&self) -> f64 {
        f64::from(self.all.cold_share)
    }

    /// The same of those that were asked for [alone](Asked::Alone).
    pub fn cold_share_alone(&self) -> f64 {
        f64::from(self.alone.cold_share)
    }

    /// Mean lead time of a worker, seconds, as often cold as the latest ones were, and as often lucky.
    pub fn mean(&self) -> f64 {
        self.all.mean
    }

    /// The same of one that is asked for [alone](Asked::Alone), and gets a node of its own.
    pub fn mean_alone(&self) -> f64 {
        self.alone.mean
    }
}

fn is_time(seconds: f64) -> bool {
    seconds >= 0.0 && seconds.is_finite()
}

impl LeadTime {
    /// The lead time that a share `level` (0 to 1) of starts does not exceed, seconds; linear within a bucket.
    pub fn quantile(&self, level: f64) -> f64 {
        let wanted = level.clamp(0.0, 1.0) * f64::from(self.starts.iter().sum::<f32>());
        let (mut below, mut from) = (0.0, 0.0);
        for (bucket, &starts) in self.starts.iter().enumerate() {
            let (starts, to) = (f64::from(starts), buckets().edge(bucket));
            if starts > 0.0 && below + starts >= wanted {
                return from + (to - from) * ((wanted - below) / starts).clamp(0.0, 1.0);
            }
            (below, from) = (below + starts, to);
        }
        LONGEST
    }

    /// The mean lead time, seconds.
    pub fn mean(&self) -> f64 {
        let (mut sum, mut all, mut from) = (0.0, 0.0, 0.0);
        for (bucket, &starts) in self.starts.iter().enumerate() {
            let (starts, to) = (f64::from(starts), buckets().edge(bucket));
            sum += starts * f64::midpoint(from, to);
            all += starts;
            from = to;
        }
        if all > 0.0 { sum / all } else { 0.0 }
    }

    /// Starts that were seen, decayed; 0 while only the prior speaks.
    pub fn seen(&self) -> f64 {
        f64::from(self.seen)
    }

    #[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
    fn prior((median, shape): (f64, f64)) -> Self {
        let mut before = 1.0;
        let starts = buckets().edges().map(|edge| {
            let lasting = if edge < LONGEST * 0.999 { log_logistic(edge, median, shape) } else { 0.0 };
            let ended = before - lasting;
            before = lasting;
            (PRIOR_STARTS * ended) as f32
        });
        Self { starts, seen: 0.0 }
    }

    fn before_any_cold_one() -> Self {
        Self::prior(COLD)
    }

    fn learn(&mut self, seconds: f64) {
        self.fade();
        self.starts[buckets().of(seconds)] += 1.0;
        self.seen += 1.0;
    }

    /// Takes a start that took between so many seconds and so many, to whole buckets: in a part of one those that took
    /// as long as its end would count less than others.
    fn learn_between(&mut self, least: f64, most: f64, prior: &Self) {
        let (from, to) = (buckets().of(least), buckets().of(most));
        if from == to {
            self.learn(least);
        } else {
            let begin = if from == 0 { 0.0 } else { buckets().edge(from - 1) };
            self.fade();
            self.spread(begin, buckets().edge(to), prior);
            self.seen += 1.0;
        }
    }

    /// Takes a start that had not come after so many seconds.
    fn outlast(&mut self, seconds: f64, prior: &Self) {
        self.fade();
        self.spread(seconds, f64::INFINITY, prior);
    }

    /// Adds one start of which no more is known than that it took so long, or would have. Its weight goes to those times
    /// in proportion to what is known of them: one step of the expectation-maximisation whose fixed point is the estimate
    /// of Turnbull (1976), without an upper end that of Kaplan and Meier by redistribution to the right (Efron 1967).
    /// Where the law knows of no such time, in proportion to `prior`, as if the prior had never quite faded.
    fn spread(&mut self, least: f64, most: f64, prior: &Self) {
        let mut within = self.within(least, most);
        if within.iter().sum::<f64>() <= 0.0 {
            within = prior.within(least, most);
        }
        let all: f64 = within.iter().sum();
        for (starts, within) in self.starts.iter_mut().zip(within) {
            #[expect(clippy::cast_possible_truncation, reason = "kept in single precision; 0 to 1")]
            let part = (within / all) as f32;
            *starts += part;
        }
    }

    /// The starts of each bucket that took so long: of the buckets at both ends the share between them; of the last
    /// bucket all, since it has no end.
    fn within(&self, least: f64, most: f64) -> [f64; BUCKETS] {
        let mut from = 0.0;
        std::array::from_fn(|bucket| {
            let to = buckets().edge(bucket);
            let share = if bucket + 1 == BUCKETS {
                f64::from(u8::from(most > from))
            } else {
                ((to.min(most) - least.max(from)) / (to - from)).clamp(0.0, 1.0)
            };
            from = to;
            f64::from(self.starts[bucket]) * share
        })
    }

    /// Lets one more start count for what it is worth.
    fn fade(&mut self) {
        #[expect(clippy::cast_possible_truncation, reason = "a factor near 1")]
        let kept = (-1.0 / HALF_LIFE).exp2() as f32;
        for starts in &mut self.starts {
            *starts *= kept;
        }
        self.seen *= kept;
    }
}

fn buckets() -> Buckets<BUCKETS> {
    Buckets::up_to(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law(starts: &[(usize, f32)]) -> LeadTime {
        let mut law = LeadTime { starts: [0.0; BUCKETS], seen: 0.0 };
        for &(bucket, count) in starts {
            law.starts[bucket] = count;
        }
        law
    }

    fn kept() -> f64 {
        (-1.0 / HALF_LIFE).exp2()
    }

    /// What stands in these buckets, and nothing elsewhere.
    fn assert_stands(law: &LeadTime, wanted: &[(usize, f64)]) {
        for (bucket, &found) in law.starts.iter().enumerate() {
            let wanted = wanted.iter().find(|(at, _)| *at == bucket).map_or(0.0, |(_, count)| *count);
            assert!((f64::from(found) - wanted).abs() < 1e-5, "bucket {bucket}: {found}, and not {wanted}");
        }
    }

    #[test]
    fn a_start_that_did_not_come_counts_for_the_later_times_as_these_are_known() {
        let (edge, kept) = (|bucket| buckets().edge(bucket), kept());
        let of = || law(&[(10, 2.0), (20, 3.0), (25, 1.0)]);
        let prior = LeadTime::prior(COLD);
        // After a whole bucket: by what stands above.
        let mut found = of();
        found.outlast(edge(10), &prior);
        assert_stands(&found, &[(10, 2.0 * kept), (20, 3.0 * kept + 0.75), (25, kept + 0.25)]);
        // Half-way through one, half of it is above: 1.5 of 2.5.
        let mut found = of();
        found.outlast(f64::midpoint(edge(19), edge(20)), &prior);
        assert_stands(&found, &[(10, 2.0 * kept), (20, 3.0 * kept + 0.6), (25, kept + 0.4)]);
        // At once it says nothing: each keeps its share.
        let mut found = of();
        found.outlast(0.0, &prior);
        let more = kept + 1.0 / 6.0;
        assert_stands(&found, &[(10, 2.0 * more), (20, 3.0 * more), (25, more)]);
        assert!(found.seen.abs() < 1e-9, "no start was seen");
    }

    #[test]
    fn a_start_between_two_times_counts_for_those_between_as_they_are_known() {
        let (edge, kept) = (|bucket| buckets().edge(bucket), kept());
        let of = || law(&[(10, 2.0), (20, 3.0), (25, 1.0)]);
        let prior = LeadTime::prior(COLD);
        let mut found = of();
        found.learn_between(edge(9), edge(20), &prior);
        assert_stands(&found, &[(10, 2.0 * kept + 0.4), (20, 3.0 * kept + 0.6), (25, kept)]);
        // Within one bucket there is nothing to divide.
        let (mut found, mut exact) = (of(), of());
        found.learn_between(edge(14) * 1.001, edge(14) * 1.002, &prior);
        exact.learn(edge(14) * 1.001);
        assert_eq!((&found, f64::from(found.seen)), (&exact, 1.0));
    }

    #[test]
    fn beyond_all_that_is_known_the_prior_says_how_much_longer_and_then_the_last_bucket() {
        let (last, prior) = (BUCKETS - 1, LeadTime::prior(COLD));
        let mut found = law(&[(10, 2.0)]);
        found.outlast(buckets().edge(19), &prior);
        assert_eq!(found.starts[11..20], [0.0; 9]);
        let (next, above) = (prior.starts[20], prior.starts[20..].iter().sum::<f32>());
        assert!((found.starts[20] - next / above).abs() < 1e-5, "{found:?}");
        for seconds in [LONGEST * 0.99, LONGEST, 1e9] {
            let mut found = law(&[(10, 2.0)]);
            found.outlast(seconds, &prior);
            assert_stands(&found, &[(10, 2.0 * kept()), (last, 1.0)]);
        }
    }

    /// With the longest first, and none that counts less than another, one pass is the estimate of Kaplan and Meier.
    #[test]
    fn without_fading_one_pass_is_the_estimate_of_kaplan_and_meier() {
        // 4 started in bucket 10, 2 in 20, 2 in 25; one was given up after bucket 20, two after bucket 10.
        let mut found = law(&[(10, 4.0), (20, 2.0), (25, 2.0)]);
        for bucket in [20, 10, 10] {
            let unfaded = found.clone();
            found.outlast(buckets().edge(bucket), &LeadTime::prior(COLD));
            // What fading took is given back.
            #[expect(clippy::cast_possible_truncation, reason = "a factor near 0")]
            let lost = (1.0 - kept()) as f32;
            for (now, before) in found.starts.iter_mut().zip(unfaded.starts) {
                *now += before * lost;
            }
        }
        // At risk: 11, then 5, then 2. Survival: 7/11, then 7/11 * 3/5, then 0.
        let (first, second) = (7.0 / 11.0, 7.0 / 11.0 * 3.0 / 5.0);
        let wanted = [(10, 1.0 - first), (20, first - second), (25, second)].map(|(at, p)| (at, 11.0 * p));
        assert_stands(&found, &wanted);
    }
}
