//! The caps that refs share: who shares which, and the division at each tick.

use crate::{
    answers::NoAnswer,
    config::Config,
    engine::{active::ActiveRef, cluster::Cluster, queues::Queues},
    series::Series,
    sizing::{
        Mode, Proposal,
        group::{Group, GroupLimits, Member, Turn},
    },
};

/// All groups of the configuration.
#[derive(Default)]
pub(super) struct Groups {
    groups: Vec<Shared>,
    /// Refs have come, gone or changed since it was last seen who shares what.
    stale: bool,
}

/// One group, and the rows of its refs in the order of their names: each replica of Foresail has the same.
struct Shared {
    name: String,
    limits: GroupLimits,
    group: Group,
    rows: Vec<usize>,
    members: Vec<Member>,
}

/// What is kept of a ref for its group.
#[derive(Default)]
pub(super) struct Seat {
    turn: Turn,
    share: u32,
    /// In a tick: what it wants, until the division is made.
    pub(super) proposed: Option<Result<Proposal, NoAnswer>>,
}

impl Seat {
    /// What it wants, and how much of that it may have, once a tick.
    pub(super) fn take(&mut self) -> Option<(Result<Proposal, NoAnswer>, u32)> {
        Some((self.proposed.take()?, self.share))
    }
}

impl Groups {
    /// Takes the groups of a configuration; what was spent stays with the name.
    pub(super) fn configure(&mut self, config: &Config) {
        let mut before = std::mem::take(&mut self.groups);
        let groups = config.groups.iter().map(|(name, &limits)| {
            let known = before.iter().position(|shared| shared.name == *name);
            let group = known.map(|at| before.swap_remove(at).group).unwrap_or_default();
            Shared { name: name.clone(), limits, group, rows: Vec::new(), members: Vec::new() }
        });
        self.groups = groups.collect();
        self.stale = true;
    }

    /// Refs have come, gone or changed.
    pub(super) fn note_change(&mut self) {
        self.stale = true;
    }

    /// Asks all refs that share a cap what they want, and divides it among them.
    pub(super) fn divide(
        &mut self,
        now: f64,
        refs: &mut [Option<ActiveRef>],
        series: &Series,
        queues: &Queues,
        cluster: &Cluster,
    ) {
        if std::mem::take(&mut self.stale) {
            self.seat(refs);
        }
        for Shared { limits, group, rows, members, .. } in &mut self.groups {
            members.clear();
            for (place, &row) in rows.iter().enumerate() {
                let member =
                    refs[row].as_mut().and_then(|active| active.claim(now, place, series, queues, cluster));
                members.extend(member);
            }
            group.divide(now, *limits, members);
            for Member { row: place, turn, share, .. } in &*members {
                if let Some(seat) = refs[rows[*place]].as_mut().and_then(|active| active.seat.as_mut()) {
                    (seat.turn, seat.share) = (*turn, *share);
                }
            }
        }
    }

    /// Finds out who shares what.
    fn seat(&mut self, refs: &mut [Option<ActiveRef>]) {
        self.groups.iter_mut().for_each(|shared| shared.rows.clear());
        for (row, active) in refs.iter_mut().enumerate() {
            let Some(active) = active else { continue };
            let policy = active.spec.as_ref().ok().map(|spec| &spec.policy);
            let name = policy
                .filter(|policy| policy.mode == Mode::Workers)
                .and_then(|policy| policy.group.as_deref());
            match self.groups.iter_mut().find(|shared| Some(shared.name.as_str()) == name) {
                Some(shared) => {
                    shared.rows.push(row);
                    active.seat.get_or_insert_default();
                }
                None => active.seat = None,
            }
        }
        for shared in &mut self.groups {
            shared.rows.sort_by_key(|&row| refs[row].as_ref().map(|active| &active.entry.key));
        }
    }
}

impl ActiveRef {
    /// What it wants of the cap that it shares; the proposal is kept for when it is divided.
    fn claim(
        &mut self,
        now: f64,
        place: usize,
        series: &Series,
        queues: &Queues,
        cluster: &Cluster,
    ) -> Option<Member> {
        let proposed = self.propose(now, series, queues, cluster);
        let policy = &self.spec.as_ref().ok()?.policy;
        let claim = match &proposed {
            Ok(proposal) => proposal.claim()?,
            Err(_) => self.state.undecided_claim(policy, cluster.workload(self.sighting.as_ref())),
        };
        let seat = self.seat.as_mut()?;
        seat.proposed = Some(proposed);
        Some(Member { row: place, weight: policy.weight, claim, turn: seat.turn, share: 0 })
    }
}
