use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

const LIMITS: Limits = Limits { chunks: 10, total: 100, step: 4, hold: 120.0 };

const NOTHING: Wanted = Wanted {
    expected: 0,
    target: 0,
    replicas: Some(0),
    pods: Some(0),
    most: u32::MAX,
    chunks: u32::MAX,
    lower: Lower::WithTarget,
};

/// One workload, second by second.
struct One {
    spares: Spares<u8>,
    now: f64,
}

impl One {
    fn new() -> Self {
        Self { spares: Spares::default(), now: 1.7e9 }
    }

    fn after(&mut self, seconds: f64, wanted: Wanted) -> u32 {
        self.now += seconds;
        self.spares.step(self.now, &LIMITS, [(0, Some(wanted))]);
        self.spares.of(&0)
    }

    /// With 8 chunks, which are expected still.
    fn with_eight(wanted: Wanted) -> Self {
        let mut one = Self::new();
        one.after(0.0, wanted);
        assert_eq!(one.after(STEP_EVERY, wanted), 8);
        one
    }
}

#[test]
fn it_rises_at_once_but_by_a_step_and_falls_only_after_the_hold() {
    let mut one = One::new();
    let eight = Wanted { expected: 8, ..NOTHING };
    assert_eq!([0.0, 1.0, 13.0, 1.0].map(|later| one.after(later, eight)), [4, 4, 4, 8]);
    assert_eq!([1.0, 60.0, 59.0, 1.0].map(|later| one.after(later, NOTHING)), [8, 8, 8, 0]);
}

#[test]
fn what_was_wanted_meanwhile_is_kept() {
    let mut one = One::with_eight(Wanted { expected: 8, ..NOTHING });
    one.after(1.0, NOTHING);
    one.after(60.0, Wanted { expected: 3, ..NOTHING });
    assert_eq!(one.after(60.0, NOTHING), 3);
    assert_eq!([119.0, 1.0].map(|later| one.after(later, NOTHING)), [3, 0]);
}

#[test]
fn it_falls_as_the_target_rises_whoever_follows_it() {
    let mut one = One::with_eight(Wanted { expected: 8, ..NOTHING });
    let asked = Wanted { expected: 8, target: 5, ..NOTHING };
    assert_eq!(one.after(1.0, asked), 3);
    // The pods that come are those that were asked for.
    assert_eq!(one.after(20.0, Wanted { replicas: Some(5), pods: Some(2), ..asked }), 3);
    assert_eq!(one.after(20.0, Wanted { replicas: Some(5), pods: Some(5), ..asked }), 3);
}

#[test]
fn where_nodes_go_soon_it_falls_as_pods_are_seen() {
    let slow = Wanted { lower: Lower::AsPodsAreSeen, ..NOTHING };
    let mut one = One::with_eight(Wanted { expected: 8, ..slow });
    let asked = Wanted { expected: 8, target: 8, ..slow };
    assert_eq!(one.after(1.0, asked), 8);
    assert_eq!(one.after(20.0, Wanted { replicas: Some(8), pods: Some(3), ..asked }), 5);
    assert_eq!(one.after(1.0, Wanted { replicas: Some(8), pods: Some(8), ..asked }), 0);
    let mut never_comes = One::with_eight(Wanted { expected: 8, ..slow });
    never_comes.after(1.0, asked);
    assert_eq!(never_comes.after(LIMITS.hold, asked), 0, "nobody waits for them for ever");
}

#[test]
fn a_node_that_stays_long_enough_lets_the_target_lower_it() {
    assert_eq!(Lower::suiting(Some(300.0), 40.0), Lower::WithTarget);
    assert_eq!(Lower::suiting(Some(60.0), 40.0), Lower::AsPodsAreSeen);
    assert_eq!(Lower::suiting(None, 0.0), Lower::AsPodsAreSeen);
}

#[test]
fn without_decisions_it_stays_for_five_minutes_and_then_ends() {
    let mut one = One::with_eight(Wanted { expected: 8, ..NOTHING });
    let begun = one.now;
    for (at, chunks) in [(1.0, 8), (EXPIRES - 1.0, 8), (EXPIRES, 0)] {
        one.spares.step(begun + at, &LIMITS, [(0, None)]);
        assert_eq!(one.spares.of(&0), chunks, "after {at} s");
    }
    let mut gone = One::with_eight(Wanted { expected: 8, ..NOTHING });
    gone.spares.step(gone.now + 1.0, &LIMITS, []);
    assert_eq!(gone.spares.of(&0), 0);
}

#[test]
fn whoever_comes_after_another_goes_on_from_what_is_there() {
    let mut one = One::new();
    one.spares.begin(one.now, 0, 7);
    assert_eq!(one.after(0.0, Wanted { expected: 9, ..NOTHING }), 9);
    let mut less = One::new();
    less.spares.begin(less.now, 0, 7);
    assert_eq!(less.after(0.0, Wanted { expected: 2, ..NOTHING }), 7, "the hold begins anew");
}

#[test]
fn a_cap_over_all_is_divided_alike_and_the_first_names_have_the_rest() {
    let mut spares = Spares::default();
    let limits = Limits { total: 8, step: 10, ..LIMITS };
    let wants = |expected| Some(Wanted { expected, ..NOTHING });
    for now in [0.0, 15.0, 30.0] {
        spares.step(now, &limits, [("c", wants(9)), ("a", wants(1)), ("b", wants(9))]);
        assert_eq!(spares.iter().collect::<Vec<_>>(), [(&"a", 1), (&"b", 4), (&"c", 3)]);
    }
}

#[test]
fn of_jobs_that_run_none_needs_a_chunk_though_the_target_leaves_them_out() {
    use crate::{
        series::Depth,
        sizing::{Strategy, Why},
    };
    let depth = Depth { waiting: 2, in_flight: Some(10), ..Depth::default() };
    let why = Why { target: 2, depth: Some(depth), slots: 1, ..Why::default() };
    let decision = Decision { target: 2, reactive: 2, hint: 3, why };
    let seen = Workload { replicas: Some(11), max: Some(100), ..Workload::default() };
    let wanted = Wanted::of(&decision, Mode::Jobs(Strategy::Accurate), false, seen, Lower::WithTarget);
    assert_eq!((wanted.target, wanted.expected), (12, 15));
    let workers = Wanted::of(&decision, Mode::Workers, true, seen, Lower::WithTarget);
    assert_eq!((workers.target, workers.expected, workers.most), (2, 5, 5));
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    let lower = prop_oneof![Just(Lower::WithTarget), Just(Lower::AsPodsAreSeen)];
    let counts = (0..12_u32, 0..12_u32, prop::option::of(0..12_u32), prop::option::of(0..12_u32));
    (counts, prop_oneof![Just(u32::MAX), 0..15_u32], prop_oneof![Just(u32::MAX), 0..5_u32], lower).prop_map(
        |((hint, target, replicas, pods), most, chunks, lower)| {
            let expected = target + hint;
            Wanted { expected, target, replicas, pods, most, chunks, lower }
        },
    )
}

type Steps = Vec<(f64, Vec<Option<Wanted>>)>;

fn any_steps() -> impl Strategy<Value = Steps> {
    let wanted = prop::option::weighted(0.9, any_wanted());
    prop::collection::vec((0.0..40.0, prop::collection::vec(wanted, 4)), 1..40)
}

proptest! {
    #[test]
    fn no_cap_is_ever_exceeded(steps in any_steps(), chunks in 1..9_u32, total in 1..20_u32, step in 1..6_u32) {
        let limits = Limits { chunks, total, step, hold: 60.0 };
        let (mut spares, mut now) = (Spares::default(), 0.0);
        let mut rises = 0;
        for (later, wanted) in steps {
            now += later;
            let before: Vec<u32> = (0..4).map(|workload| spares.of(&workload)).collect();
            spares.step(now, &limits, (0..4_usize).zip(wanted.iter().copied()));
            prop_assert!(spares.iter().map(|(_, chunks)| chunks).sum::<u32>() <= total);
            for (workload, wanted) in wanted.iter().enumerate() {
                let has = spares.of(&workload);
                rises += has.saturating_sub(before[workload]);
                prop_assert!(has <= chunks && has <= before[workload] + step);
                if let Some(wanted) = wanted {
                    let counted = wanted.counts().of(wanted.lower);
                    prop_assert!(has <= wanted.chunks);
                    prop_assert!(has <= wanted.most.saturating_sub(counted), "{has} {wanted:?}");
                }
            }
        }
        prop_assert!(f64::from(rises) <= 4.0 * f64::from(step) * (now / STEP_EVERY + 1.0));
    }

    #[test]
    fn nothing_that_is_asked_for_is_counted_twice(steps in any_steps()) {
        let (mut spares, mut now, mut most) = (Spares::default(), 0.0, 0);
        for (later, wanted) in steps {
            let wanted = wanted[0].map(|wanted| Wanted { lower: Lower::WithTarget, ..wanted });
            now += later;
            spares.step(now, &LIMITS, [(0, wanted)]);
            if let Some(wanted) = wanted {
                most = most.max(wanted.expected);
                prop_assert!(spares.of(&0) == 0 || spares.of(&0) + wanted.counts().requested <= most);
            }
        }
    }

    #[test]
    fn a_target_that_rises_lowers_by_as_much_in_the_same_step(chunks in 0..11_u32, before in 0..20_u32, by in 0..20_u32) {
        let mut spares = Spares::default();
        spares.begin(0.0, 0, chunks);
        let wanted = |target| Wanted { expected: before + chunks, target, ..NOTHING };
        spares.step(0.0, &LIMITS, [(0, Some(wanted(before)))]);
        prop_assert_eq!(spares.of(&0), chunks);
        spares.step(1.0, &LIMITS, [(0, Some(wanted(before + by)))]);
        prop_assert_eq!(spares.of(&0), chunks.saturating_sub(by));
    }

    #[test]
    fn shares_are_alike_and_nothing_is_left_while_somebody_wants_it(claims in prop::collection::vec(0..30_u32, 0..9), total in 0..100_u32) {
        let mut shares: Vec<_> = claims.iter().copied().map(share::Share::of).collect();
        share::divide(total, &mut shares);
        let granted: Vec<u32> = shares.iter().map(|share| share.granted).collect();
        prop_assert_eq!(granted.iter().sum::<u32>(), total.min(claims.iter().sum()));
        for (mine, claim) in granted.iter().zip(&claims) {
            prop_assert!(mine <= claim);
            prop_assert!(mine == claim || granted.iter().all(|other| *other <= mine + 1));
        }
    }
}
