//! What workers may cost: no more than an amount in any stretch of time of one length.
//!
//! A window that slides keeps the promise exactly, and has a fault: what was spent in one hour is missing for the rest
//! of a day. So half of the amount is for an even pace, and only the other half may be spent at once.

use super::{Policy, Workload, whole};

/// Parts of a period by which spending is remembered: what was spent is forgotten a part of the period late at most.
const PARTS: i64 = 32;

/// The window: a period, and the part that is not over.
const WINDOW: usize = 33;

/// Share of the amount that is never spent at once.
const EVEN: f64 = 0.5;

/// Workers that are there may stay while what is left pays for them for so long, seconds: longer than KEDA and the
/// HPA need to follow a target.
const NOTICE: f64 = 60.0;

/// Of a worker: what a sum of prices may be above what pays for it.
pub(super) const ROUNDING: f64 = 1e-6;

/// An amount that may be spent in any stretch of time of one length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxSpend {
    /// Cost units, in those of the price of a worker; above 0.
    pub amount: f64,
    /// Seconds; above 0.
    pub period: f64,
}

/// What was spent in the last period.
#[derive(Debug, Clone, PartialEq)]
pub struct Spending {
    max: MaxSpend,
    /// By part of a period, in a ring by the part's number.
    spent: [f64; WINDOW],
    /// Number of the part at hand.
    newest: i64,
    at: f64,
    /// Cost units a second, since then.
    rate: f64,
}

/// What may still be spent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Room {
    /// Cost units, now.
    left: f64,
    /// Cost units a second that can be paid from now on for ever: what was spent comes back a period later.
    lasting: f64,
    /// Cost units that may be spent at once, so that an even pace can be paid after it.
    savings: f64,
}

/// What workers cost that are there, and what they would for the work that there is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bill {
    /// Cost units a second of all workers that there are by the last target.
    pub(super) there: f64,
    /// Cost units of all jobs that wait or run; infinite where run times are unknown.
    pub(super) work: f64,
    /// Seconds that a worker is there beside its jobs: its start, and its keep-alive.
    pub(super) beside: f64,
    /// Mean run time of a job, seconds.
    pub(super) run: f64,
    /// Cost units a second of one worker; above 0.
    pub(super) price: f64,
}

impl Bill {
    /// Both together: the dearest worker, and the longest job and start.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            there: self.there + other.there,
            work: self.work + other.work,
            beside: self.beside.max(other.beside),
            run: self.run.max(other.run),
            price: self.price.max(other.price),
        }
    }
}

impl Spending {
    /// Nothing is known of the period before `now`, so it counts as spent evenly: a restart is no way to more.
    pub(super) fn new(now: f64, max: MaxSpend) -> Self {
        let width = max.period / PARTS as f64;
        let newest = number(now, width);
        let each = max.amount / WINDOW as f64;
        let mut spent = [each; WINDOW];
        spent[slot(newest)] = each * (now / width - newest as f64).clamp(0.0, 1.0);
        Self { max, spent, newest, at: now, rate: 0.0 }
    }

    /// Accounts for the time up to `now`. Under another bound, and where the clock was set back, it begins anew.
    pub(super) fn pass(&mut self, now: f64, max: MaxSpend) {
        let width = max.period / PARTS as f64;
        let newest = number(now, width);
        if max != self.max || newest < self.newest {
            *self = Self { rate: self.rate, ..Self::new(now, max) };
            return;
        }
        for part in (self.newest..=newest).rev().take(WINDOW) {
            let begin = self.at.max(part as f64 * width);
            let end = now.min((part as f64 + 1.0) * width);
            let spent = &mut self.spent[slot(part)];
            *spent = if part == self.newest { *spent } else { 0.0 } + self.rate * (end - begin).max(0.0);
        }
        (self.newest, self.at) = (newest, now);
    }

    /// From now on so many cost units are spent a second.
    pub(super) fn stand(&mut self, rate: f64) {
        self.rate = rate;
    }

    /// What may still be spent. A rate can be paid if at each instant at which some of the past comes back, enough was
    /// left until then.
    pub(super) fn room(&self) -> Room {
        let MaxSpend { amount, period } = self.max;
        let width = period / PARTS as f64;
        let full = amount / (width * WINDOW as f64);
        let left = amount - self.spent.iter().sum::<f64>();
        let (mut lasting, mut savings, mut by_then) = (full, f64::INFINITY, left);
        for part in self.newest.saturating_sub(PARTS)..=self.newest {
            let seconds = (part.saturating_add(PARTS + 1) as f64 * width - self.at).max(f64::EPSILON);
            lasting = lasting.min(by_then / seconds);
            savings = savings.min(by_then - EVEN * full * seconds);
            by_then += self.spent[slot(part)];
        }
        Room { left, lasting: lasting.max(0.0), savings }
    }
}

impl Room {
    /// Cost units a second that workers may cost: what can be paid for ever, or what the savings pay until all work is
    /// done. Under a lasting backlog a worker is never seen idle, and a busy one is never sent, so no more may be
    /// started than that. One may be started while its start and a job can be paid, and those that are there stay while
    /// the savings last.
    pub(super) fn rate(&self, bill: Bill) -> f64 {
        let Bill { there, work, beside, run, price } = bill;
        let beside = beside.max(NOTICE);
        let until_done = (self.savings - work) / beside;
        let one = self.left >= price * if there > 0.0 { NOTICE } else { beside + run };
        let stay = self.savings >= there * NOTICE;
        self.lasting.max(until_done).max(if one { price } else { 0.0 }).max(if stay { there } else { 0.0 })
    }

    /// The same in workers.
    pub(super) fn workers(&self, bill: Bill) -> u32 {
        whole(self.rate(bill) / bill.price + ROUNDING)
    }
}

/// Accounts for the time up to `now`, of which the pods that were seen tell; what may still be spent where the policy
/// bounds that.
pub(super) fn account(
    spending: &mut Option<Box<Spending>>,
    now: f64,
    policy: &Policy,
    workload: Workload,
) -> Option<Room> {
    let Some(max) = policy.max_spend else {
        *spending = None;
        return None;
    };
    let spending = spending.get_or_insert_with(|| Box::new(Spending::new(now, max)));
    spending.pass(now, max);
    if let Some(there) = workload.there() {
        spending.stand(policy.price_a_second() * f64::from(there));
    }
    Some(spending.room())
}

fn number(now: f64, width: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let number = (now / width).floor() as i64;
    number
}

fn slot(part: i64) -> usize {
    usize::try_from(part.rem_euclid(PARTS + 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: f64 = 3_600.0;

    /// Twenty-four a day, of workers that cost one an hour.
    const DAY: MaxSpend = MaxSpend { amount: 24.0, period: 24.0 * HOUR };
    const BILL: Bill = Bill { there: 0.0, work: f64::INFINITY, beside: 120.0, run: 300.0, price: 1.0 / HOUR };

    /// Wants so many workers for so many hours, a decision a minute, each job a minute's work of one worker; returns
    /// the worker-hours that there were.
    fn run(
        spending: &mut Spending,
        there: &mut u32,
        now: &mut f64,
        wanted: u32,
        hours: f64,
        work: f64,
    ) -> f64 {
        let mut spent = 0.0;
        let end = *now + hours * HOUR;
        while *now < end {
            spending.pass(*now, spending.max);
            *there =
                wanted.min(spending.room().workers(Bill { there: f64::from(*there) / HOUR, work, ..BILL }));
            spending.stand(f64::from(*there) * BILL.price);
            spent += f64::from(*there) / 60.0;
            *now += 60.0;
        }
        spending.pass(*now, spending.max);
        spent
    }

    #[test]
    fn a_new_one_pays_for_an_even_pace_and_saves_what_is_not_spent() {
        let mut spending = Spending::new(1.7e9, DAY);
        let (mut there, mut now) = (0, 1.7e9);
        let pace = spending.room().lasting * HOUR;
        assert!((0.96..1.0).contains(&pace), "{pace}: the part of the period that is not over is lost");
        run(&mut spending, &mut there, &mut now, 0, 25.0, 0.0);
        let Room { left, savings, .. } = spending.room();
        assert!((left - 24.0).abs() < 1e-6 && (11.9..12.5).contains(&savings), "{left} {savings}");
        let workers = |hours: f64| spending.room().workers(Bill { work: hours, ..BILL });
        assert!(
            (57..75).contains(&workers(10.0)),
            "{}: two hours are left of twelve, by two minutes",
            workers(10.0)
        );
        assert_eq!(workers(13.0), 1, "such work could not be paid to its end");
    }

    #[test]
    fn after_a_burst_half_the_pace_can_still_be_paid() {
        let max = MaxSpend { amount: 240.0, ..DAY };
        let (mut there, mut now) = (0, 1.7e9);
        let mut spending = Spending::new(now, max);
        run(&mut spending, &mut there, &mut now, 0, 25.0, 0.0);
        let burst = run(&mut spending, &mut there, &mut now, 100, 2.0, 0.0);
        assert!((120.0..140.0).contains(&burst), "{burst}: half of it, and the pace of two hours");
        for _ in 0..20 {
            let hour = run(&mut spending, &mut there, &mut now, 100, 1.0, f64::INFINITY);
            assert!((3.9..6.1).contains(&hour), "{hour} of 10 an hour");
        }
    }

    #[test]
    fn a_steady_want_gets_nearly_all_of_it_and_the_number_rests() {
        let max = MaxSpend { amount: 240.0, ..DAY };
        let (mut there, mut now) = (0, 1.7e9);
        let mut spending = Spending::new(now, max);
        let first = run(&mut spending, &mut there, &mut now, 100, 24.0, f64::INFINITY);
        assert!((210.0..=240.0).contains(&first), "{first}");
        for _ in 0..40 {
            let before = there;
            run(&mut spending, &mut there, &mut now, 100, 1.0, f64::INFINITY);
            assert_eq!(there, before);
        }
    }

    #[test]
    fn a_small_amount_pays_one_worker_now_and_then_and_not_by_the_minute() {
        let max = MaxSpend { amount: 6.0, ..DAY };
        let (mut there, mut now, mut starts, mut spent) = (0, 1.7e9, 0, 0.0);
        let mut spending = Spending::new(now, max);
        for _ in 0..10 * 24 * 60 {
            let before = there;
            spent += run(&mut spending, &mut there, &mut now, 5, 1.0 / 60.0, f64::INFINITY);
            starts += u32::from(there > before);
        }
        assert!((45.0..=60.0).contains(&spent) && starts < 10 * 24 * 3, "{spent} hours, {starts} starts");
    }

    #[test]
    fn a_gap_is_paid_for_and_another_bound_or_a_clock_set_back_begins_anew() {
        let mut spending = Spending::new(1.7e9, DAY);
        spending.stand(2.0 / HOUR);
        spending.pass(1.7e9 + 100.0 * HOUR, DAY);
        assert!(spending.room().left < -20.0, "{:?}", spending.room());
        spending.pass(1.7e9, DAY);
        assert!(spending.room().left >= 0.0, "{:?}", spending.room());
        spending.pass(1.7e9, MaxSpend { amount: 48.0, ..DAY });
        assert!(spending.room().lasting * HOUR > 1.9, "{:?}", spending.room());
        for now in [-1e300, 1e300, 0.0] {
            spending.pass(now, DAY);
            assert!(spending.room().workers(BILL) < 100, "{now}");
        }
    }

    proptest! {
        /// Whoever has no more workers than it says spends no more than the amount in any period.
        #[test]
        fn no_period_costs_more_than_the_amount(
            steps in prop::collection::vec((1.0..60.0_f64, 0_u32..400, 0.0..1e5_f64, 1_u32..200), 1..60),
            amount in 0.5..500.0_f64, price in 0.1..20.0_f64, period in 3600.0..20_000.0_f64,
        ) {
            let (max, price) = (MaxSpend { amount, period }, price / HOUR);
            let (mut now, mut there) = (1.7e9, 0);
            let mut spending = Spending::new(now, max);
            let mut past: Vec<(f64, f64, f64)> = Vec::new();
            for (step, wanted, work, times) in steps {
                for _ in 0..times {
                    spending.pass(now, max);
                    there = wanted.min(spending.room().workers(Bill { there: f64::from(there) * price, work: work * price, price, ..BILL }));
                    let rate = f64::from(there) * price;
                    spending.stand(rate);
                    past.push((now, now + step, rate));
                    now += step;
                }
                let since = now - period;
                let within = past.iter().map(|(from, to, rate)| (to - from.max(since)).max(0.0) * rate);
                let spent: f64 = within.sum();
                prop_assert!(spent <= amount * (1.0 + 1e-6), "{spent} of {amount}");
            }
        }
    }
}
