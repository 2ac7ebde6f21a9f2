//! Lead times where some workers are given up before they have started.

use foresail::forecast::lead::{Asked, LeadTimes, Start};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// A start that was seen, or one that was given up.
fn any_start() -> impl Strategy<Value = (bool, f64)> {
    (any::<bool>(), prop_oneof![0.0..10.0, 10.0..400.0, 400.0..8_000.0])
}

fn learned(starts: &[(bool, f64)]) -> LeadTimes {
    let mut lead = LeadTimes::default();
    for &(given_up, seconds) in starts {
        if given_up {
            lead.given_up(seconds, Asked::Beside);
        } else {
            lead.started(Start::Cold, seconds, Asked::Beside);
        }
    }
    lead
}

proptest! {
    /// A start that had not come by then can only say that starts take longer.
    #[test]
    fn a_start_that_was_given_up_lowers_no_quantile(
        starts in proptest::collection::vec(any_start(), 0..60),
        seconds in prop_oneof![0.0..10.0, 10.0..400.0, 400.0..8_000.0],
    ) {
        let before = learned(&starts);
        let mut after = before.clone();
        after.given_up(seconds, Asked::Beside);
        prop_assert!(after.is_sound());
        let (before, after) = (before.of(Start::Cold), after.of(Start::Cold));
        for level in [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99] {
            // Single precision moves a level by a ten-thousandth at most.
            let (before, after) = (before.quantile(level - 1e-4), after.quantile(level));
            prop_assert!(after >= before - 1e-6, "{level}: {before} fell to {after}");
        }
        prop_assert!(after.mean() >= before.mean() * (1.0 - 1e-5));
    }
}

#[test]
fn a_law_of_which_nearly_half_was_given_up_is_found_all_the_same() {
    let mut rng = Pcg64Mcg::seed_from_u64(7);
    // Half of all starts take one minute and half five; all are given up at some time within 400 seconds.
    let drawn: Vec<(f64, f64)> = (0..4_000)
        .map(|_| (if rng.random_bool(0.5) { 60.0 } else { 300.0 }, 400.0 * rng.random::<f64>()))
        .collect();
    let given_up = drawn.iter().filter(|(start, patience)| patience < start).count();
    assert!((0.4..0.5).contains(&(given_up as f64 / 4_000.0)), "{given_up}");
    let (mut all, mut seen) = (LeadTimes::default(), LeadTimes::default());
    // Decayed counts are of about the last hundred: what is compared is the mean over many moments.
    let (mut mean, mut mean_seen, mut moments) = (0.0, 0.0, 0.0);
    for (nth, (start, patience)) in drawn.into_iter().enumerate() {
        if patience < start {
            all.given_up(patience, Asked::Beside);
        } else {
            all.started(Start::Cold, start, Asked::Beside);
            seen.started(Start::Cold, start, Asked::Beside);
        }
        if nth >= 500 {
            mean += all.of(Start::Cold).mean();
            mean_seen += seen.of(Start::Cold).mean();
            moments += 1.0;
        }
    }
    let (mean, mean_seen) = (mean / moments, mean_seen / moments);
    eprintln!("{given_up} {mean} {mean_seen}");
    assert!((165.0..195.0).contains(&mean), "180 s on average, and {mean} s was learned");
    assert!(mean_seen < 125.0, "of those that started alone {mean_seen} s would be");
}

/// No start was ever seen: each worker was given up after a time of its own.
#[test]
fn a_pool_without_nodes_is_never_taken_for_a_fast_one() {
    let mut lead = LeadTimes::default();
    let before = lead.of(Start::Cold).quantile(0.5);
    (0..100).for_each(|_| lead.given_up(600.0, Asked::Beside));
    let cold = lead.of(Start::Cold);
    assert!(before < 100.0 && cold.quantile(0.5) > 600.0, "{before} {}", cold.quantile(0.5));
    assert!(cold.mean() < 3_600.0 && lead.mean() > 400.0, "{} {}", cold.mean(), lead.mean());
    assert_eq!(cold.seen(), 0.0);
    assert!(lead.cold_share() > 0.9, "each of them waited for a node");
    (0..200).for_each(|_| lead.started(Start::Cold, 60.0, Asked::Beside));
    assert!(lead.of(Start::Cold).quantile(0.5) < 70.0, "nodes come again");
}

#[test]
fn a_node_that_nobody_waited_for_renews_the_law_and_not_the_share() {
    let mut lead = LeadTimes::default();
    (0..100).for_each(|_| lead.started(Start::Warm, 5.0, Asked::Beside));
    let share = lead.cold_share();
    (0..100).for_each(|_| lead.node_came(300.0));
    lead.node_came(f64::NAN);
    lead.given_up(-1.0, Asked::Beside);
    let cold = lead.of(Start::Cold);
    assert!((250.0..350.0).contains(&cold.quantile(0.5)) && cold.seen() > 50.0);
    assert_eq!(lead.cold_share(), share);
    let mixed = share * cold.mean() + (1.0 - share) * lead.of(Start::Warm).mean();
    assert!((lead.mean() - mixed).abs() < 1e-3 * mixed, "{} {mixed}", lead.mean());
}

/// The mean of cold starts after so many rounds of some starts that took so long, and were so much behind others.
fn mean_after(starts: &[(u32, f64, f64)]) -> f64 {
    let mut lead = LeadTimes::default();
    for _ in 0..100 {
        for &(times, seconds, behind) in starts {
            (0..times).for_each(|_| lead.rode_along(seconds, behind, Asked::Alone));
        }
    }
    assert!(lead.is_sound());
    lead.of(Start::Cold).mean()
}

#[test]
fn who_gets_the_node_of_another_does_not_make_nodes_look_quick() {
    let alone = mean_after(&[(10, 300.0, 0.0)]);
    let with_others = mean_after(&[(10, 300.0, 0.0), (40, 30.0, 280.0)]);
    assert!((with_others / alone - 1.0).abs() < 0.05, "{with_others} beside {alone}");
    let believed = mean_after(&[(10, 300.0, 0.0), (40, 30.0, 0.0)]);
    assert!(believed < 0.5 * alone, "{believed} beside {alone}");
}

#[test]
fn where_pods_wait_all_the_time_and_each_has_a_node_of_its_own_the_law_stands() {
    let alone = mean_after(&[(1, 300.0, 0.0)]);
    let in_line = mean_after(&[(1, 300.0, 0.0), (9, 300.0, 280.0)]);
    assert!((in_line / alone - 1.0).abs() < 0.15, "{in_line} beside {alone}");
}
