//! Who is shown by name, and how each looks in every plot.

use crate::compare::{Report, contender::Role, judge::Verdict};

/// Somebody who is shown by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Actor {
    /// Which contender it is.
    pub(crate) contender: usize,
    pub(crate) name: String,
    /// Its colour and stroke: a class of page.css.
    pub(crate) class: &'static str,
}

/// Looks of Foresail's variants, and of KEDA's.
const FORESAIL: [&str; 4] = ["f0", "f1", "f2", "f3"];
const KEDA: [&str; 2] = ["k0", "k1"];
const HINDSIGHT: &str = "h0";

/// Foresail's variants, KEDA as people run it, and the setting of KEDA that hindsight would choose.
pub(crate) fn actors(report: &Report, case: usize) -> Vec<Actor> {
    let named = |role, classes: &'static [&'static str]| {
        let all = report.played.of(role).zip(classes.iter().cycle());
        all.map(|(contender, class)| Actor {
            contender,
            name: report.played.contenders[contender].name.clone(),
            class,
        })
    };
    let mut all: Vec<Actor> =
        named(Role::Foresail, &FORESAIL).chain(named(Role::AsPeopleRunIt, &KEDA)).collect();
    if let Some(tuned) = verdict(report, case).and_then(|verdict| verdict.tuned) {
        all.push(Actor {
            contender: tuned.setting,
            name: "best KEDA in hindsight".to_owned(),
            class: HINDSIGHT,
        });
    }
    all
}

/// The first of Foresail's variants, and KEDA as most people run it: those whose days are shown side by side.
pub(crate) fn rivals(report: &Report, case: usize) -> Vec<Actor> {
    let of = |role| report.played.of(role).next();
    let wanted = [of(Role::Foresail), of(Role::AsPeopleRunIt)];
    actors(report, case).into_iter().filter(|actor| wanted.contains(&Some(actor.contender))).collect()
}

/// How the first of Foresail's variants did.
pub(crate) fn verdict(report: &Report, case: usize) -> Option<&Verdict> {
    report.judged.first().and_then(|(_, verdicts)| verdicts.get(case))
}
