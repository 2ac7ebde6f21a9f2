//! What is promised of the division of a shared cap.

use proptest::prelude::*;

use super::*;

const HOUR: f64 = 3_600.0;

fn member(row: usize, floor: u32, wants: [u32; TIERS]) -> Member {
    let bill = Bill { price: 1.0 / HOUR, ..Bill::default() };
    Member { row, weight: 1.0, claim: Claim { floor, wants, bill, ..Claim::default() }, ..Member::default() }
}

fn wanting(row: usize, wants: u32) -> Member {
    member(row, 0, [wants; TIERS])
}

fn max(workers: u32) -> GroupLimits {
    GroupLimits { max: Some(workers), max_spend: None }
}

fn shares(limits: GroupLimits, mut members: Vec<Member>) -> Vec<u32> {
    Group::default().divide(0.0, limits, &mut members);
    members.iter().map(|member| member.share).collect()
}

#[test]
fn needs_that_fit_are_met_and_others_are_cut_to_one_level() {
    assert_eq!(shares(max(20), vec![wanting(0, 3), wanting(1, 9)]), [3, 9]);
    assert_eq!(shares(max(10), vec![wanting(0, 3), wanting(1, 9), wanting(2, 9)]), [3, 4, 3]);
    assert_eq!(shares(GroupLimits::default(), vec![wanting(0, u32::MAX), wanting(1, 2)]), [u32::MAX, 2]);
}

#[test]
fn weights_count_once_everybody_has_one() {
    let heavy = |row, wants| Member { weight: 10.0, ..wanting(row, wants) };
    assert_eq!(shares(max(22), vec![wanting(0, 50), heavy(1, 50)]), [2, 20]);
    assert_eq!(shares(max(2), vec![wanting(0, 50), heavy(1, 50)]), [1, 1]);
}

#[test]
fn busy_workers_come_first_then_work_then_what_is_kept_then_forecasts_then_spare_pods() {
    let members = |cap| shares(max(cap), vec![member(0, 4, [4, 6, 8, 10]), member(1, 0, [3, 3, 5, 5])]);
    assert_eq!(members(3), [4, 0], "floors stand above the cap");
    assert_eq!(members(7), [4, 3]);
    assert_eq!(members(9), [6, 3]);
    assert_eq!(members(12), [7, 5], "of four that forecasts want, to whoever has less");
    assert_eq!(members(14), [9, 5]);
}

#[test]
fn whoever_has_the_odd_worker_keeps_it() {
    let mut members = vec![wanting(0, 9), wanting(1, 9), wanting(2, 9)];
    members[2].claim.held = 4;
    assert_eq!(shares(max(10), members), [3, 3, 4]);
}

#[test]
fn one_worker_goes_round_by_who_has_had_none_for_longest() {
    let (mut group, mut members) = (Group::default(), vec![wanting(0, 5), wanting(1, 5), wanting(2, 5)]);
    let mut served = Vec::new();
    for second in 0..5000 {
        group.divide(f64::from(second), max(1), &mut members);
        let who = members.iter().position(|member| member.share == 1).unwrap();
        if served.last() != Some(&who) {
            served.push(who);
        }
        for member in &mut members {
            member.claim.held = member.share;
        }
    }
    assert_eq!(served, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_cap_on_cost_is_divided_by_cost_and_what_is_left_goes_to_whom_it_suffices() {
    let max_spend = Some(MaxSpend { amount: 33.0, period: 86_400.0 / 24.0 });
    let limits = GroupLimits { max: None, max_spend };
    let dear = |row, wants| {
        let mut member = wanting(row, wants);
        member.claim.bill = Bill { price: 4.0 / HOUR, work: f64::INFINITY, ..Bill::default() };
        member
    };
    // 33 an hour is 32 for ever.
    assert_eq!(shares(limits, vec![wanting(0, 50), dear(1, 50)]), [16, 4]);
    assert_eq!(shares(limits, vec![wanting(0, 5), dear(1, 50)]), [5, 6]);
}

proptest! {
    #[test]
    fn the_division_keeps_its_promises(
        all in prop::collection::vec((0u32..6, prop::array::uniform4(0u32..12), 0.2..5.0f64, 0u32..12), 1..12),
        cap in 0u32..60, turned in 0usize..12, raised in 0usize..12,
    ) {
        let members: Vec<Member> = all.iter().enumerate().map(|(row, &(floor, more, weight, held))| {
            let mut wants = more;
            (0..TIERS).for_each(|tier| wants[tier] += if tier > 0 { wants[tier - 1] } else { floor });
            let member = member(row, floor, wants);
            Member { weight, claim: Claim { held, ..member.claim }, ..member }
        }).collect();
        let got = shares(max(cap), members.clone());
        let floors: u32 = members.iter().map(|member| member.claim.floor).sum();
        let wanted: u32 = members.iter().map(|member| member.claim.wants[TIERS - 1]).sum();
        let sum: u32 = got.iter().sum();
        prop_assert_eq!(sum, wanted.min(cap).max(floors), "all that there is, and no more");
        for (mine, &share) in members.iter().zip(&got) {
            prop_assert!((mine.claim.floor..=mine.claim.wants[TIERS - 1]).contains(&share));
            for (other, &less) in members.iter().zip(&got) {
                // The kind of want that the last worker of one is for, and that the next of the other would be for.
                let kind = |wants: [u32; TIERS], n: u32| wants.iter().position(|&upto| n <= upto);
                let next = kind(other.claim.wants, less + 1);
                if share > mine.claim.floor && next.is_some() {
                    let last = kind(mine.claim.wants, share);
                    prop_assert!(last <= next, "a want less urgent came first");
                    let fair = f64::from(share - 1) / mine.weight <= f64::from(less) / other.weight + 1e-9;
                    prop_assert!(last < next || fair, "{mine:?} has {share}, {other:?} has {less}");
                }
            }
        }
        let mut others = members.clone();
        others.rotate_left(turned % members.len());
        let mut again = shares(max(cap), others);
        again.rotate_right(turned % members.len());
        prop_assert_eq!(&again, &got, "the order of refs is nothing to it");

        let more_cap = shares(max(cap + 1), members.clone());
        prop_assert!(more_cap.iter().zip(&got).all(|(more, less)| more >= less), "a greater cap takes from nobody");
        let mut needier = members;
        let raised = raised % needier.len();
        needier[raised].claim.wants.iter_mut().for_each(|want| *want += 1);
        let with_more = shares(max(cap), needier);
        prop_assert!(with_more[raised] >= got[raised], "a greater need never has less");
        let of_others = with_more.iter().zip(&got).enumerate().filter(|(row, _)| *row != raised);
        prop_assert!(of_others.clone().all(|(_, (after, before))| after <= before), "nobody gains from another's need");
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Workers are busy for a job and idle for an instant: nobody loses a busy one, everyone who needs one has one
    /// in bounded time, and shares rest but for turns.
    #[test]
    fn everyone_with_need_is_served_in_bounded_time(refs in 2usize..9, cap in 1u32..5, job in 5u64..900) {
        let mut group = Group::default();
        let mut members: Vec<Member> = (0..refs).map(|row| wanting(row, 9)).collect();
        let mut begun = vec![0; refs];
        let mut last_had = vec![0; refs];
        let mut changes = 0;
        let rounds = (refs as u64).div_ceil(u64::from(cap));
        let bound = rounds * (600 + job + 2);
        let end = 3 * bound;
        for second in 0..end {
            for (row, member) in members.iter_mut().enumerate() {
                let ends = (second - begun[row]).is_multiple_of(job);
                member.claim.held = member.share;
                member.claim.floor = if ends { 0 } else { member.share };
            }
            let before: Vec<u32> = members.iter().map(|member| member.share).collect();
            group.divide(second as f64, max(cap), &mut members);
            prop_assert_eq!(members.iter().map(|member| member.share).sum::<u32>(), cap);
            for (row, member) in members.iter().enumerate() {
                prop_assert!(member.share >= member.claim.floor);
                if member.share > before[row] {
                    begun[row] = second;
                }
                changes += u64::from(member.share != before[row]);
                if member.share > 0 {
                    last_had[row] = second;
                }
                prop_assert!(second - last_had[row] <= bound, "ref {row} has waited {} s", second - last_had[row]);
            }
        }
        prop_assert!(changes <= refs as u64 + 2 * u64::from(cap) * (end / 600 + 1), "{changes} changes in {end} s");
    }

}

proptest! {
    /// But for busy workers, no period costs more than the group may spend.
    #[test]
    fn a_group_spends_no_more_than_it_may(
        steps in prop::collection::vec((1.0..60.0f64, prop::array::uniform3(0u32..40), 0.0..1e5f64, 1u32..60), 1..40),
        amount in 1.0..200.0f64, prices in prop::array::uniform3(0.2..5.0f64),
    ) {
        let max_spend = MaxSpend { amount, period: HOUR };
        let limits = GroupLimits { max: None, max_spend: Some(max_spend) };
        let (mut group, mut now) = (Group::default(), 1.7e9);
        let mut members: Vec<Member> = (0..3).map(|row| wanting(row, 0)).collect();
        let mut past: Vec<(f64, f64, f64)> = Vec::new();
        for (step, wants, work, times) in steps {
            for _ in 0..times {
                for (row, member) in members.iter_mut().enumerate() {
                    let price = prices[row] / HOUR;
                    let bill = Bill { there: f64::from(member.share) * price, work: work * price, beside: 60.0, run: 60.0, price };
                    member.claim = Claim { held: member.share, wants: [wants[row]; TIERS], bill, ..Claim::default() };
                }
                group.divide(now, limits, &mut members);
                let rate = members.iter().map(|member| f64::from(member.share) * member.claim.bill.price).sum();
                past.push((now, now + step, rate));
                now += step;
            }
            let since = now - HOUR;
            let spent: f64 = past.iter().map(|(from, to, rate)| (to - from.max(since)).max(0.0) * rate).sum();
            prop_assert!(spent <= amount * (1.0 + 1e-5), "{spent} of {amount}");
        }
    }
}
