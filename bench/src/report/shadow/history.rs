//! What really was, put together from a log: jobs with their waits and run times, and workers.
//!
//! Between two looks only differences are known. With F the jobs in flight, Q those waiting, A all that came and C
//! all that ended, a look apart: A = dQ + starts, and C = starts - dF. Where neither A nor C is counted, the fewest
//! starts that explain the differences are taken, so what came and went between two looks is missed. Jobs are
//! matched first in, first out: sums, and so means, do not depend on that; single run times do.

use foresail::{engine::AT_LEAST_EVERY, sim::outcome::Steps};

use super::line::{Line, Record};

/// Seconds between two lines beyond which nobody looked in between.
const GAP: f64 = 2.5 * AT_LEAST_EVERY;

/// How well jobs can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// The layout counts what comes.
    Arrivals,
    /// The layout counts what ends, and shows what is in flight.
    Completions,
    /// Waiting and in flight are seen.
    Differences,
    /// Only waiting is seen: there are no run times.
    Depth,
}

/// A job as the log lets one see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    /// When it came, Unix seconds; of one that was there before, the beginning.
    pub(crate) came: f64,
    /// When it was taken, Unix seconds; `None` while it waits.
    pub(crate) started: Option<f64>,
    /// Seconds that it ran; `None` where that is unknown, or where it runs or waits still.
    pub(crate) run: Option<f64>,
}

/// What really was.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) name: String,
    /// From the first look to the last, Unix seconds.
    pub(crate) from: f64,
    pub(crate) until: f64,
    /// Seconds between these in which nobody looked.
    pub(crate) unseen: f64,
    /// Seconds between two looks, usually.
    pub(crate) look: f64,
    pub(crate) count: Count,
    pub(crate) slots: u32,
    /// In the order in which they came.
    pub(crate) jobs: Vec<Seen>,
    pub(crate) waiting: Steps,
    /// Workers that there were, and those that were ready; `None` where Kubernetes was not in sight.
    pub(crate) replicas: Option<Steps>,
    pub(crate) ready: Option<Steps>,
    /// Our answers.
    pub(crate) wanted: Steps,
}

/// Instants of what happened, in the order of time.
#[derive(Default)]
struct Flow {
    came: Vec<f64>,
    started: Vec<f64>,
    ended: Vec<f64>,
}

impl History {
    /// Of one ref; `None` of fewer than two looks.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        let lines = &record.lines;
        let (first, last) = (lines.first()?, lines.last()?);
        let (from, until) = (first.read_at, last.read_at);
        if until <= from {
            return None;
        }
        let count = Count::of(lines);
        let look = usual_look(lines);
        let (mut flow, mut unseen) = (Flow::default(), 0.0);
        let (at_first, in_hand) = (first.waiting, first.in_flight.unwrap_or(0));
        flow.note(from, from, Happened { came: at_first, started: 0, ended: 0 });
        for pair in lines.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            let blind = b.at - a.at > GAP;
            unseen += if blind { b.at - a.at } else { 0.0 };
            let since = if blind { a.read_at } else { a.read_at.max(b.read_at - look) };
            flow.note(since, b.read_at.max(since), Happened::between(a, b));
        }
        let steps = |of: &dyn Fn(&Line) -> Option<f64>| {
            let mut steps = Steps::default();
            let mut known = false;
            for line in lines {
                if let Some(value) = of(line) {
                    known = true;
                    steps.note(line.at, value);
                }
            }
            known.then_some(steps)
        };
        Some(Self {
            name: record.name.clone(),
            from,
            until,
            unseen,
            look,
            count,
            slots: last.slots.max(1),
            jobs: flow.jobs(from, in_hand, count != Count::Depth),
            waiting: steps(&|line| Some(line.waiting as f64)).unwrap_or_default(),
            replicas: steps(&|line| line.replicas.map(f64::from)),
            ready: steps(&|line| line.ready.map(f64::from)),
            wanted: steps(&|line| Some(f64::from(line.wanted))).unwrap_or_default(),
        })
    }

    /// Seconds that a job waited; of one that still does, until the end.
    pub(crate) fn waited(&self, job: &Seen) -> f64 {
        job.started.unwrap_or(self.until) - job.came
    }

    /// Seconds summed up of what a number was between two instants.
    pub(crate) fn area(steps: &Steps, from: f64, until: f64) -> f64 {
        let changes = steps.changes();
        let ends = changes.iter().skip(1).map(|change| change.at).chain([f64::INFINITY]);
        let pieces = changes.iter().zip(ends);
        pieces.map(|(change, end)| change.to * (end.min(until) - change.at.max(from)).max(0.0)).sum()
    }
}

impl Count {
    fn of(lines: &[Line]) -> Self {
        let all = |has: fn(&Line) -> bool| lines.iter().all(has);
        if !all(|line| line.in_flight.is_some()) {
            Self::Depth
        } else if all(|line| line.arrivals.is_some()) {
            Self::Arrivals
        } else if all(|line| line.completions.is_some()) {
            Self::Completions
        } else {
            Self::Differences
        }
    }

    /// Whether every job is counted.
    pub(crate) const fn is_exact(self) -> bool {
        matches!(self, Self::Arrivals | Self::Completions)
    }

    /// What can be missed, in words.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Arrivals => "Jobs are counted by the store itself as they come: none is missed.",
            Self::Completions => "Jobs are counted by the store itself as they end: none is missed.",
            Self::Differences => {
                "The store counts no jobs: they are told from what waits and what is in flight, so a job that came, \
                 or ended, in the same moment as another took its place is missed. There were at least so many; their \
                 work in all is right."
            }
            Self::Depth => {
                "Only what waits can be seen in this layout: a job that was taken between two looks is missed, and \
                 nobody knows how long jobs ran, so nothing can be simulated."
            }
        }
    }
}

/// How many jobs came, started and ended between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Happened {
    came: u64,
    started: u64,
    ended: u64,
}

impl Happened {
    fn between(a: &Line, b: &Line) -> Self {
        let grown = |before: Option<u64>, after: Option<u64>| after?.checked_sub(before?);
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let waiting = signed(b.waiting) - signed(a.waiting);
        let in_flight = a.in_flight.zip(b.in_flight).map(|(a, b)| signed(b) - signed(a));
        let came = grown(a.arrivals, b.arrivals).map(signed);
        let ended = grown(a.completions, b.completions).map(signed);
        let started = match (came, ended, in_flight) {
            (Some(came), _, _) => came - waiting,
            (None, Some(ended), Some(in_flight)) => in_flight + ended,
            (None, _, in_flight) => in_flight.unwrap_or(0).max(-waiting),
        };
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        let started = started.max(0);
        Self {
            came: count(came.unwrap_or(waiting + started)),
            started: count(started),
            ended: count(in_flight.map_or(0, |in_flight| started - in_flight)),
        }
    }
}

impl Flow {
    /// Spreads what happened evenly over the time in which it did.
    fn note(&mut self, since: f64, until: f64, happened: Happened) {
        let spread = |n: u64| (0..n).map(move |at| since + (until - since) * (at as f64 + 0.5) / n as f64);
        self.came.extend(spread(happened.came));
        self.started.extend(spread(happened.started));
        self.ended.extend(spread(happened.ended));
    }

    /// The jobs, matched first in, first out. `in_hand` were in flight at the beginning.
    fn jobs(&self, from: f64, in_hand: u64, runs_are_seen: bool) -> Vec<Seen> {
        let in_hand = usize::try_from(in_hand).unwrap_or(usize::MAX);
        let run = |started: f64, place: usize| {
            let ended = self.ended.get(place).filter(|_| runs_are_seen)?;
            Some((ended - started).max(0.0))
        };
        let held = (0..in_hand).map(|nth| Seen { came: from, started: Some(from), run: run(from, nth) });
        let waited = self.came.iter().enumerate().map(|(nth, &came)| {
            let started = self.started.get(nth).map(|&started| started.max(came));
            Seen { came, started, run: started.and_then(|started| run(started, in_hand + nth)) }
        });
        held.chain(waited).collect()
    }
}

/// The first quartile of the times between two lines, seconds: while nothing changes they are far apart.
fn usual_look(lines: &[Line]) -> f64 {
    let between = lines.windows(2).map(|pair| pair[1].read_at - pair[0].read_at);
    let mut all: Vec<f64> = between.filter(|&seconds| seconds > 0.0).collect();
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 4).copied().unwrap_or(1.0)
}
