//! A cap that several refs share, divided among them by need.
//!
//! Weighted max-min fairness in whole workers: one worker after the other goes to the ref that has the least for its
//! weight (Adams' method of apportionment), so everyone who needs one has one before anyone has a second. Busy
//! floors come first; then the work that is there, then workers that are kept, then such as only a forecast wants, and
//! at last spare pods.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use super::{
    Policy, Workload,
    spending::{Bill, MaxSpend, ROUNDING, Spending},
};

/// Seconds for which a ref that came to its only worker keeps it while others have none: long enough for a node to
/// come and a job to be taken.
const TURN: f64 = 600.0;

/// What all refs of a group may have together; no bound where absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GroupLimits {
    /// Workers.
    pub max: Option<u32>,
    /// What they may cost in a period.
    pub max_spend: Option<MaxSpend>,
}

/// One ref of a group: what it wants, and its part of the cap.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Member {
    /// Tells it from others where all else is equal.
    pub row: usize,
    /// How much more it may have than others; above 0.
    pub weight: f64,
    /// What it wants.
    pub claim: Claim,
    /// Since when it has something, or nothing.
    pub turn: Turn,
    /// Workers that it may have: the result.
    pub share: u32,
}

/// What a ref wants of a shared cap, in workers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Claim {
    /// Known to be busy, or not known to be idle: these are its own.
    pub floor: u32,
    /// The last target.
    pub held: u32,
    /// What the work of now wants, what is kept besides, what a forecast adds, and spare pods: each with those before.
    pub wants: [u32; TIERS],
    /// Pods that are there, where that is seen.
    pub there: Option<u32>,
    /// What its workers cost.
    pub bill: Bill,
}

/// Kinds of wants, the most urgent first.
const TIERS: usize = 4;

/// Whether a ref has some of a cap, and since when that is so.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Turn {
    /// It needs nothing.
    #[default]
    Idle,
    /// It has something, and its turn began then, Unix seconds.
    Served(f64),
    /// It has nothing and needs something, since then.
    Waits(f64),
}

/// How much there is to divide at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cap {
    /// Workers.
    workers: u64,
    /// Cost units a second; infinite where only workers count. Where it is not, shares are fair by cost.
    rate: f64,
}

/// What a group has spent, and memory that is used again at each tick.
#[derive(Debug, Default)]
pub struct Group {
    spending: Option<Spending>,
    queue: BinaryHeap<Reverse<Next>>,
}

/// The next worker of a member, by who comes first.
#[derive(Debug, Clone, Copy)]
struct Next {
    /// What the member has already, for its weight.
    level: f64,
    /// Where the levels are equal.
    rank: Rank,
    /// Where the ranks are equal: since when it waits, Unix seconds.
    since: f64,
    row: usize,
    place: usize,
}

/// Who comes first where all have as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Has this worker already.
    Has,
    /// Does not have it.
    Waits,
    /// Has had its only worker for a turn.
    HadItsTurn,
}

impl Group {
    /// Gives each member its share at `now`. Their sum is within the limits unless the floors alone are above them;
    /// nothing is left while somebody wants it; and but for floors nobody has two workers more for its weight than
    /// somebody who wants another one for the same reason.
    pub fn divide(&mut self, now: f64, limits: GroupLimits, members: &mut [Member]) {
        let workers = limits.max.map_or(u64::MAX, u64::from);
        let rate = self.affords(now, limits.max_spend, members);
        let mut left = Cap { workers, rate };
        for member in members.iter_mut() {
            member.share = member.claim.floor;
            left.take(member.share, member.claim.bill.price);
        }
        for tier in 0..TIERS {
            self.divide_tier(tier, now, &mut left, members);
        }
        for member in members.iter_mut() {
            member.turn = member.turn_after(now);
        }
        if let Some(spending) = &mut self.spending {
            let rate = |member: &Member| {
                f64::from(member.claim.there.unwrap_or(member.target())) * member.claim.bill.price
            };
            spending.stand(members.iter().map(rate).sum());
        }
    }

    /// Cost units a second that all may cost together.
    fn affords(&mut self, now: f64, max_spend: Option<MaxSpend>, members: &[Member]) -> f64 {
        let Some(max) = max_spend else {
            self.spending = None;
            return f64::INFINITY;
        };
        let spending = self.spending.get_or_insert_with(|| Spending::new(now, max));
        spending.pass(now, max);
        let all = members.iter().map(|member| member.claim.bill).fold(Bill::default(), Bill::with);
        spending.room().rate(all)
    }

    fn divide_tier(&mut self, tier: usize, now: f64, left: &mut Cap, members: &mut [Member]) {
        let missing = |member: &Member| member.claim.wants[tier].saturating_sub(member.share);
        let mut after = *left;
        for member in members.iter() {
            after.take(missing(member), member.claim.bill.price);
        }
        let all_fit = members.iter().map(|member| u64::from(missing(member))).sum::<u64>() <= left.workers;
        if all_fit && after.rate >= 0.0 {
            *left = after;
            for member in members {
                member.share += missing(member);
            }
            return;
        }
        let by_cost = left.rate.is_finite();
        let mut queue = std::mem::take(&mut self.queue).into_vec();
        queue.clear();
        let wanting = members.iter().enumerate().filter(|(_, member)| missing(member) > 0);
        queue.extend(wanting.map(|(place, member)| Reverse(member.next(now, by_cost, place))));
        self.queue = queue.into();
        while left.workers > 0
            && let Some(Reverse(Next { place, .. })) = self.queue.pop()
        {
            let member = &mut members[place];
            let price = member.claim.bill.price;
            // What one cannot be paid, a cheaper one may.
            if left.rate + ROUNDING * price < price {
                continue;
            }
            left.take(1, price);
            member.share += 1;
            if missing(member) > 0 {
                let next = member.next(now, by_cost, place);
                self.queue.push(Reverse(next));
            }
        }
    }
}

impl Cap {
    fn take(&mut self, workers: u32, price: f64) {
        self.workers = self.workers.saturating_sub(u64::from(workers));
        self.rate -= f64::from(workers) * price;
    }
}

impl Claim {
    /// So many workers, whatever others want: nothing better is known of the ref, or an override says so.
    pub(super) fn fixed(workers: u32, policy: &Policy, workload: Workload) -> Self {
        let price = policy.price_a_second();
        let bill = Bill { there: f64::from(workers) * price, price, ..Bill::default() };
        Self { floor: workers, held: workers, wants: [workers; TIERS], there: workload.there(), bill }
    }
}

impl Member {
    /// Workers that it asks for; what its share has beyond them is for spare pods.
    fn target(&self) -> u32 {
        self.share.min(self.claim.wants[TIERS - 2].max(self.claim.floor))
    }

    fn next(&self, now: f64, by_cost: bool, place: usize) -> Next {
        let size = if by_cost { self.claim.bill.price } else { 1.0 };
        let level = f64::from(self.share) * size / self.weight;
        let has_it = self.share < self.claim.held;
        let (rank, since) = match self.turn {
            Turn::Served(since) if self.share == 0 && has_it && now - since >= TURN => {
                (Rank::HadItsTurn, now)
            }
            Turn::Waits(since) => (Rank::Waits, since),
            _ if has_it => (Rank::Has, now),
            Turn::Idle | Turn::Served(_) => (Rank::Waits, now),
        };
        Next { level, rank, since, row: self.row, place }
    }

    fn turn_after(&self, now: f64) -> Turn {
        match self.turn {
            _ if self.claim.wants[0] == 0 && self.claim.floor == 0 => Turn::Idle,
            // Idle, and left it after its turn: nobody waited, so it has another one.
            Turn::Served(since) if self.claim.floor == 0 && self.share > 0 && now - since >= TURN => {
                Turn::Served(now)
            }
            Turn::Served(since) if self.share > 0 => Turn::Served(since),
            _ if self.share > 0 => Turn::Served(now),
            Turn::Waits(since) => Turn::Waits(since),
            Turn::Idle | Turn::Served(_) => Turn::Waits(now),
        }
    }
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> Ordering {
        self.level
            .total_cmp(&other.level)
            .then(self.rank.cmp(&other.rank))
            .then(self.since.total_cmp(&other.since))
            .then(self.row.cmp(&other.row))
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Next {}

#[cfg(test)]
mod tests;
