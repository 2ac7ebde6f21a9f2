//! Recurring bursts: foretold where they recur, and nothing where they do not.

use foresail::forecast::{Forecast, arrivals::Seen, horizons::Horizons};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const DAY: u64 = 86_400;

/// A Monday at midnight UTC.
const MONDAY: u64 = 1_699_833_600;

/// Runs a queue second by second; `arrivals(second, rng)` says what comes in, `each` looks on before it does.
fn run(
    days: u64,
    offset: impl Fn(u64) -> i32,
    arrivals: impl Fn(u64, &mut Pcg64Mcg) -> u64,
    mut each: impl FnMut(u64, &Forecast),
) {
    let mut rng = Pcg64Mcg::seed_from_u64(7);
    let mut forecast = Forecast::new(Horizons::default());
    for second in 0..days * DAY {
        each(second, &forecast);
        let n = arrivals(second, &mut rng);
        forecast.observe((MONDAY + second) as f64, Seen::Arrivals(n), offset(second));
    }
}

fn trickle(rng: &mut Pcg64Mcg) -> u64 {
    u64::from(rng.random_bool(5.0 / 3_600.0))
}

#[test]
fn a_nightly_array_is_foretold_after_a_week() {
    let (mut foretold, mut nights) = (0, 0);
    run(
        21,
        |_| 0,
        |second, rng| trickle(rng) + if second % DAY == 7_200 + second / DAY * 37 % 30 { 400 } else { 0 },
        |second, forecast| {
            if second >= 8 * DAY && second % DAY == 7_200 - 90 {
                nights += 1;
                foretold += u32::from(forecast.at(150.0).at_least(100) > 0.5);
            }
        },
    );
    assert!(foretold >= nights - 1, "{foretold} of {nights}");
}

#[test]
fn a_burst_is_awaited_after_a_gap_that_ended_before_it_was_due_and_not_after_one_that_it_may_have_come_in() {
    let due = 10 * DAY + 7_200;
    let chance_after_a_gap = |until: u64| {
        let mut forecast = Forecast::new(Horizons::default());
        for second in 0..due - 60 {
            let n = if second % DAY == 7_200 + second / DAY % 3 { 40 } else { 0 };
            forecast.observe((MONDAY + second) as f64, Seen::Arrivals(n), 0);
        }
        forecast.observe((MONDAY + until) as f64, Seen::Gap, 0);
        forecast.at(120.0).at_least(10)
    };
    let [in_time, too_late] = [due - 20, due + 20].map(chance_after_a_gap);
    assert!(in_time > 0.6 && too_late < 0.1, "{in_time} {too_late}");
}

#[test]
fn what_recurs_is_listed_with_its_local_time_size_and_chance() {
    let mut listed = Vec::new();
    run(
        36,
        |_| 3_600,
        |second, rng| {
            let (day, local) = (second / DAY, second % DAY + 3_600);
            trickle(rng) + if local == 7_200 && day % 7 < 5 { 200 } else { 0 }
        },
        |second, forecast| {
            // A Thursday and a Saturday at noon.
            if second == 31 * DAY + DAY / 2 || second == 33 * DAY + DAY / 2 {
                let now = (MONDAY + second) as f64;
                listed.push(forecast.calendar().recurrences(now).collect::<Vec<_>>());
            }
        },
    );
    for (bursts, day) in listed.iter().zip([32, 35]) {
        let [burst] = bursts[..] else { panic!("{listed:?}") };
        let due = (MONDAY + day * DAY + 3_600) as f64;
        assert!((burst.at - due).abs() < 30.0, "{burst:?} {due}");
        assert!(!burst.hourly && burst.spread < 60.0, "{burst:?}");
        assert!(burst.chance > 0.6 && (150.0..250.0).contains(&burst.jobs), "{burst:?}");
    }
}

#[test]
fn days_without_it_are_learned() {
    let mut chances = [[0.0; 7]; 5];
    run(
        35,
        |_| 0,
        |second, rng| trickle(rng) + if second % DAY == 7_200 && second / DAY % 7 < 5 { 200 } else { 0 },
        |second, forecast| {
            if second % DAY == 7_200 - 100 {
                let (week, day) = (second / DAY / 7, second / DAY % 7);
                chances[usize::try_from(week).unwrap()][usize::try_from(day).unwrap()] =
                    forecast.at(200.0).at_least(50);
            }
        },
    );
    let last = chances[4];
    assert!(last[..5].iter().all(|&chance| chance > 0.6), "{last:?}");
    assert!(last[5..].iter().all(|&chance| chance < 0.35), "{last:?}");
}

#[test]
fn an_hourly_submitter_is_foretold_within_a_day() {
    let mut chance = 0.0;
    run(
        2,
        |_| 0,
        |second, _| if second % 3_600 == 900 { 20 } else { 0 },
        |second, forecast| {
            if second % 3_600 == 860 {
                chance = forecast.at(90.0).at_least(5);
            }
        },
    );
    assert!(chance > 0.6, "{chance}");
}

/// Comes a few seconds before midnight on some days and after it on others, after Sundays and after Saturdays not.
#[test]
fn a_burst_at_midnight_is_one_burst_on_its_own_weekdays() {
    let mut chances = Vec::new();
    let comes = |second: u64| {
        let (night, of_night) = ((second + DAY / 2) / DAY, (second + DAY / 2) % DAY);
        night % 7 < 5 && of_night == DAY / 2 - 5 + night * 37 % 11
    };
    run(
        35,
        |_| 0,
        |second, _| if comes(second) { 20 } else { 0 },
        |second, forecast| {
            if second >= 21 * DAY && second % DAY == DAY - 60 {
                let bursts = forecast.calendar().recurrences((MONDAY + second) as f64).count();
                chances.push(((second / DAY + 1) % 7, forecast.at(120.0).at_least(10), bursts));
            }
        },
    );
    assert!(chances.iter().all(|(_, _, bursts)| *bursts == 1), "{chances:?}");
    assert!(
        chances.iter().all(|(night, chance, _)| if *night < 5 { *chance > 0.6 } else { *chance < 0.35 }),
        "{chances:?}"
    );
}

#[test]
fn an_array_at_night_is_foretold_though_a_job_comes_every_hour_at_that_minute() {
    let mut chances = Vec::new();
    run(
        21,
        |_| 0,
        |second, _| match second {
            _ if second % DAY == 22 * 3_600 => 21,
            _ => u64::from(second % 3_600 == 0),
        },
        |second, forecast| {
            if second >= 14 * DAY && second % 3_600 == 3_540 {
                let array = second % DAY > 21 * 3_600 && second % DAY < 22 * 3_600;
                chances.push((array, forecast.at(120.0).at_least(if array { 10 } else { 1 })));
            }
        },
    );
    assert!(chances.iter().all(|(_, chance)| *chance > 0.6), "{chances:?}");
}

#[test]
fn a_burst_at_the_full_hour_is_one_burst() {
    let mut chances = Vec::new();
    run(
        3,
        |_| 0,
        |second, _| {
            let (hour, of_hour) = ((second + 1_800) / 3_600, (second + 1_800) % 3_600);
            if of_hour == 1_795 + hour * 37 % 11 { 20 } else { 0 }
        },
        |second, forecast| {
            if second >= 2 * DAY && second % 3_600 == 3_600 - 60 {
                chances.push(forecast.at(120.0).at_least(10));
            }
        },
    );
    assert!(chances.iter().all(|chance| *chance > 0.6), "{chances:?}");
}

#[test]
fn a_burst_keeps_to_local_time() {
    let (mut before, mut after) = (0.0, 0.0);
    // The clocks go forward an hour after 14 days: what came at 7:00 UTC comes at 6:00.
    let shift = |second: u64| if second < 14 * DAY { 0 } else { 3_600 };
    run(
        15,
        |second| i32::try_from(shift(second)).unwrap(),
        |second, _| if (second + shift(second)) % DAY == 7 * 3_600 { 50 } else { 0 },
        |second, forecast| {
            if second == 13 * DAY + 7 * 3_600 - 60 {
                before = forecast.at(120.0).at_least(20);
            }
            if second == 14 * DAY + 6 * 3_600 - 60 {
                after = forecast.at(120.0).at_least(20);
            }
        },
    );
    assert!(before > 0.6 && after > 0.6, "{before} {after}");
}

#[test]
fn once_it_has_begun_it_is_not_due_again() {
    let mut chances = Vec::new();
    run(
        15,
        |_| 0,
        |second, _| if second % DAY == 7_200 { 100 } else { 0 },
        |second, forecast| {
            if second / DAY == 14 && [7_190, 7_260, 7_900].contains(&(second % DAY)) {
                let now = (MONDAY + second) as f64;
                chances.push(forecast.calendar().due(now, 300.0).chance);
            }
        },
    );
    assert!(chances[0] > 0.6, "{chances:?}");
    assert_eq!(chances[1..], [0.0, 0.0], "{chances:?}");
}

#[test]
fn the_rest_of_one_that_comes_slowly_is_due_until_it_has_come_or_falls_silent() {
    let mut rest = Vec::new();
    run(
        16,
        |_| 0,
        |second, _| {
            // Two a second for two minutes; on the last day it stops half-way.
            let lasts = if second / DAY == 15 { 60 } else { 120 };
            if (7_200..7_200 + lasts).contains(&(second % DAY)) { 2 } else { 0 }
        },
        |second, forecast| {
            if second / DAY >= 14 && [7_260, 7_265, 7_318].contains(&(second % DAY)) {
                rest.push(forecast.calendar().due((MONDAY + second) as f64, 45.0));
            }
        },
    );
    let [half, later, nearly, stopped, silent, over] = rest[..] else { panic!("{rest:?}") };
    for due in [half, later] {
        assert!(due.chance > 0.8, "{due:?}");
        assert!((85.0..95.0).contains(&due.mean), "at the pace of those that came: {due:?}");
    }
    assert!(nearly.chance > 0.8 && nearly.mean < 10.0, "{nearly:?}");
    assert!(stopped.chance > 0.8 && silent.chance < 0.05 && over.chance < 0.01, "{rest:?}");
}

#[test]
fn bursts_without_a_rhythm_are_never_foretold_for_long() {
    let (mut foretold, mut asked) = (0, 0);
    run(
        40,
        |_| 0,
        |_, rng| if rng.random_bool(6.0 / DAY as f64) { 60 } else { 0 } + trickle(rng),
        |second, forecast| {
            if second > 10 * DAY && second % 60 == 0 {
                asked += 1;
                let now = (MONDAY + second) as f64;
                foretold += u32::from(forecast.calendar().due(now, 90.0).chance > 0.1);
            }
        },
    );
    assert!(foretold * 200 < asked, "{foretold} of {asked} minutes");
}
