//! Nodes that come: how many for pods without room, of which type, and how long each takes.
//!
//! Karpenter packs the pods that find no room onto the largest node that fits, and then takes the cheapest type
//! that holds what was packed (`pkg/controllers/provisioning/scheduling`). So the first pod alone gets a small
//! node where there is one. A claim that has no node after 15 minutes is given up and made anew
//! (`lifecycle/liveness.go`; the Cluster Autoscaler's `--max-node-provision-time` is the same).

use super::super::chance::{Chance, Purpose, stream};
use super::super::start_delay::StartDelays;
use super::event::{Event, Kind};
use super::karpenter::BATCH_IDLE;
use super::{NodePoolSpec, Nodes, Shortage, Storm};

/// Seconds after which a claim without a node is given up.
const TOO_LONG: f64 = 900.0;

/// What launches draw, and which types cannot be had.
#[derive(Clone, Debug)]
pub(super) struct Launches {
    launch: StartDelays,
    register: StartDelays,
    image_pull: StartDelays,
    capacity: Chance,
    reclaim: Chance,
    storm: Chance,
    /// By type: until when it is not tried.
    short_until: Vec<f64>,
}

impl Launches {
    pub(super) fn new(spec: &NodePoolSpec, seed: u64) -> Self {
        Self {
            launch: StartDelays::new(spec.launch.clone(), stream(seed, Purpose::Launch)),
            register: StartDelays::new(spec.register.clone(), stream(seed, Purpose::Register)),
            image_pull: StartDelays::new(spec.image_pull.clone(), stream(seed, Purpose::ImagePull)),
            capacity: Chance::new(seed, Purpose::Capacity),
            reclaim: Chance::new(seed, Purpose::Reclaim),
            storm: Chance::new(seed, Purpose::Storm),
            short_until: vec![f64::NEG_INFINITY; spec.types.len()],
        }
    }

    /// Seconds that the next node's image takes.
    pub(super) fn image_pull(&mut self) -> f64 {
        self.image_pull.next()
    }
}

impl Nodes {
    /// Asks for nodes for the pods that wait and the room to spare, as far as that is not there or coming.
    pub(super) fn provision(&mut self, now: f64, pending: u32) {
        let mut wanted = pending.saturating_add(self.spare).saturating_sub(self.free + self.coming);
        while wanted > 0 && self.may_grow() {
            let Some((kind, pods)) = self.type_for(wanted, now) else {
                self.timers.provision = self.when_capacity_returns(now);
                break;
            };
            self.launch(kind, now);
            wanted -= pods;
            self.spare_seen = now + BATCH_IDLE;
        }
    }

    pub(super) fn launch_failed(&mut self, id: u32, now: f64) {
        let kind = self.all[id as usize].kind;
        self.launches.short_until[kind] = now + self.spec.shortage.retry_after;
        self.accounts.so_far.failed += 1;
        self.leave(id, now);
        self.want_nodes(now);
    }

    /// A storm begins: some instances will be told that they are taken back.
    pub(super) fn storm(&mut self, Storm { during, share }: Storm) {
        for at in 0..self.living.len() {
            let node = self.living[at];
            let (hit, when) = (self.launches.storm.happens(share), self.launches.storm.within(during));
            if hit && node >= self.spec.standing {
                self.events.expect(when, Event { node, kind: Kind::Reclaimed });
            }
        }
    }

    fn may_grow(&self) -> bool {
        let standing = self.spec.standing as usize;
        self.spec.limit.is_none_or(|limit| self.living.len() - standing < limit as usize)
    }

    /// The cheapest type that holds as many of these pods as a node can, and how many those are.
    fn type_for(&self, pods: u32, now: f64) -> Option<(usize, u32)> {
        let there = |kind: &usize| self.sizes[*kind] > 0 && self.launches.short_until[*kind] <= now;
        let kinds = || (0..self.sizes.len()).filter(there);
        let packed = kinds().map(|kind| self.sizes[kind]).max()?.min(pods);
        let price = |kind: &usize| self.spec.types[*kind].price;
        let fitting = kinds().filter(|&kind| self.sizes[kind] >= packed);
        fitting.min_by(|a, b| price(a).total_cmp(&price(b))).map(|kind| (kind, packed))
    }

    /// When a type can be had again; infinite where no type fits at all.
    fn when_capacity_returns(&self, now: f64) -> f64 {
        let short = self.launches.short_until.iter().zip(&self.sizes);
        let ends = short.filter(|&(&until, &size)| size > 0 && until > now).map(|(&until, _)| until);
        ends.min_by(f64::total_cmp).unwrap_or(f64::INFINITY)
    }

    fn launch(&mut self, kind: usize, now: f64) {
        self.timers.added = now;
        let launched = now + self.launches.launch.next();
        let ready = launched + self.launches.register.next();
        let Shortage { chance, closed, .. } = &self.spec.shortage;
        let fails = self.launches.capacity.happens(*chance) || closed.iter().any(|span| span.holds(launched));
        let reclaims = self.spec.spot.as_ref().map_or(0.0, |spot| spot.reclaims_per_hour);
        let reclaimed = launched + self.launches.reclaim.seconds_until(reclaims);
        let node = self.claim(kind);
        let mut expect = |at, kind| self.events.expect(at, Event { node, kind });
        if fails {
            expect(launched, Kind::LaunchFailed);
        } else {
            expect(launched, Kind::Launched);
            expect(ready, Kind::Ready);
            expect(reclaimed, Kind::Reclaimed);
        }
        if ready > now + TOO_LONG {
            expect(now + TOO_LONG, Kind::Overdue);
        }
    }
}
