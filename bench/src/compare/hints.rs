//! Foresail with node hints, without them, and with placeholder pods instead: what is waited, and for which nodes.

use foresail::{
    config::hints::HintsConfig,
    nodes::{Limits, Lower},
    sim::{
        autoscaler::{
            Foresail, HintedJobs, Placeholders, ScaledJobs,
            foresail::{Limits as Replicas, Sampling},
        },
        nodes::NodePoolSpec,
        scaled_job::Strategy,
        world::{Outcome, Stage},
    },
    sizing::{self, Mode, Policy},
};

use super::{
    contender::{Contender, Role},
    others::usual,
    play::Played,
};
use crate::table::Table;

/// Kinds of hints.
const KINDS: usize = 2;

/// How much room hints may ask for: as configured by default, and as much as decisions want.
fn kinds() -> [(&'static str, Limits); KINDS] {
    let default = HintsConfig::default().limits;
    let no_cap = Limits { chunks: u32::MAX, total: u32::MAX, step: u32::MAX, ..default };
    [("hints", default), ("hints without a cap", no_cap)]
}

/// Placeholder pods among which those are looked for that cost as much as the hints.
const PLACEHOLDERS: [u32; 16] = [1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384];

/// Workers without hints, with each kind of them, and with each number of placeholders, in this order. All of them with
/// victims, without which the nodes that a few long jobs hold back cost more or less than what is compared.
pub(super) fn of_workers(name: &str, policy: &Policy, max: u32) -> Vec<Contender> {
    let scaler =
        move |policy: &Policy, stage: &Stage<'_>| foresail(policy.clone(), max, stage).with_victims();
    let plain = policy.clone();
    let mut all = vec![Contender::new(name, Role::Unhinted, move |stage| {
        scaler(&plain, stage).in_object(stage.world().from)
    })];
    all.extend(kinds().map(|(kind, limits)| {
        let policy = policy.clone();
        Contender::new(format!("{name}, {kind}"), Role::Hinted, move |stage| {
            hinted(scaler(&policy, stage), limits, stage).in_object(stage.world().from)
        })
    }));
    all.extend(PLACEHOLDERS.map(|pods| {
        let policy = policy.clone();
        Contender::new(placeholders(name, pods), Role::Placeholders, move |stage| {
            Placeholders::new(pods, scaler(&policy, stage).in_object(stage.world().from))
        })
    }));
    all
}

/// The same of a ScaledJob.
pub(super) fn of_jobs(name: &str, policy: &Policy, max: u32) -> Vec<Contender> {
    let jobs = move |stage: &Stage<'_>| ScaledJobs::foresail(Strategy::Default, max, stage.world().from);
    let policy = Policy { mode: Mode::Jobs(sizing::Strategy::Default), ..policy.clone() };
    let mut all = vec![Contender::new(name, Role::Unhinted, jobs)];
    all.extend(kinds().map(|(kind, limits)| {
        let policy = policy.clone();
        Contender::new(format!("{name}, {kind}"), Role::Hinted, move |stage| {
            HintedJobs::new(jobs(stage), hinted(foresail(policy.clone(), max, stage), limits, stage))
        })
    }));
    all.extend(PLACEHOLDERS.map(|pods| {
        Contender::new(placeholders(name, pods), Role::Placeholders, move |stage| {
            Placeholders::new(pods, jobs(stage))
        })
    }));
    all
}

fn hinted(foresail: Foresail, limits: Limits, stage: &Stage<'_>) -> Foresail {
    let pool = &stage.world().pool;
    let stays = pool.nodes.as_ref().map(NodePoolSpec::stays_empty_for);
    foresail.with_hints(limits, Lower::suiting(stays, usual(&pool.start)))
}

fn placeholders(name: &str, pods: u32) -> String {
    format!("{name}, {pods} placeholders")
}

fn foresail(policy: Policy, max: u32, stage: &Stage<'_>) -> Foresail {
    Foresail::new(policy, Replicas { min: 0, max }, Sampling::default(), stage.world().from)
}

/// In one case, of each without hints: itself, and of each kind of hints who has them and the placeholders whose nodes
/// cost closest to as much.
pub(super) fn beside(played: &Played, case: usize) -> Vec<(usize, Vec<usize>)> {
    let nodes = |at: usize| played.outcome(case, at).nodes.seconds.total.max(1.0);
    let placeholders: Vec<usize> = played.of(Role::Placeholders).collect();
    let hinted: Vec<usize> = played.of(Role::Hinted).collect();
    let closest = |among: &[usize], hinted: usize| {
        let off = |at: usize| (nodes(at) / nodes(hinted)).ln().abs();
        among.iter().copied().min_by(|&a, &b| off(a).total_cmp(&off(b)))
    };
    let of_each = hinted.chunks(KINDS).zip(placeholders.chunks(PLACEHOLDERS.len()));
    let beside = |(hinted, among): (&[usize], &[usize])| {
        hinted.iter().flat_map(|&at| [Some(at), closest(among, at)]).flatten().collect()
    };
    played.of(Role::Unhinted).zip(of_each.map(beside)).collect()
}

/// Over all cases: waits, the nodes' hours, and what was saved for what.
pub(super) fn table(played: &Played) -> Option<Table> {
    let mut table = Table::new([
        "node hints",
        "",
        "mean wait",
        "p95 wait",
        "late %",
        "node-h",
        "waited h saved",
        "node-h spent",
        "node-h for an hour saved",
    ]);
    for (case, of) in played.cases.iter().enumerate() {
        for (bare, others) in beside(played, case) {
            let without = played.outcome(case, bare);
            for at in [bare].into_iter().chain(others) {
                let outcome = played.outcome(case, at);
                let saved = (waited(without) - waited(outcome)) / 3600.0;
                let spent = (outcome.nodes.seconds.total - without.nodes.seconds.total) / 3600.0;
                let changed = if at == bare {
                    ["", "", ""].map(str::to_owned)
                } else {
                    let paid = saved > 0.0 && spent > 0.0;
                    let price = if paid { format!("{:.1}", spent / saved) } else { "-".to_owned() };
                    [format!("{saved:.1}"), format!("{spent:.0}"), price]
                };
                let outcome_cells = [
                    format!("{:.1}", outcome.waits.mean),
                    format!("{:.1}", outcome.waits.p95),
                    format!("{:.1}", 100.0 * outcome.waits.missed),
                    format!("{:.0}", outcome.nodes.seconds.total / 3600.0),
                ];
                let case = if at == bare { format!("{}, {}", of.log, of.label) } else { String::new() };
                let named = [case, played.contenders[at].name.clone()];
                table.row(named.into_iter().chain(outcome_cells).chain(changed));
            }
        }
    }
    (!table.is_empty()).then_some(table)
}

/// What all jobs waited together, seconds.
fn waited(outcome: &Outcome) -> f64 {
    outcome.days.iter().map(|day| day.waited).sum()
}
