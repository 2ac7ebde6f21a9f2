//! Load shapes: how many jobs when, by which seed, and what is wrong with a bad description.

#![allow(clippy::unwrap_used, reason = "what cannot be unwrapped is a failed test")]

use foresail::sim::{job_log::JobLog, load::Load};
use proptest::prelude::*;

const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;

fn load(length: &str, parts: &str) -> Load {
    let text = format!("length: {length}\nparts:\n{parts}");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Submissions in seconds after the start.
fn submits(load: &Load, seed: u64) -> Vec<f64> {
    load.jobs(seed).jobs().iter().map(|job| job.submit - load.start).collect()
}

fn runs(load: &Load, seed: u64) -> Vec<f64> {
    load.jobs(seed).jobs().iter().map(|job| job.run).collect()
}

/// Whether a count is what a law of this mean and variance gives, within six standard deviations: chance alone
/// fails such a test once in 500 million.
fn is_likely(count: usize, mean: f64, variance: f64) -> bool {
    (count as f64 - mean).abs() < 6.0 * variance.sqrt()
}

const EVERYTHING: &str = "
- poisson: { rate: 30, from: 1h, to: 20h, run: { exponential: { mean: 5m } } }
- array: { at: 2h, every: 12h, jitter: 30m, size: 50, over: 10s, run: { lognormal: { median: 2m, sigma: 1.5 } } }
- diurnal: { rate: 40, weekend: 0.2, run: { empirical: [10, 1m, 1h] } }
- trickle_to_zero: { rate: 100, to: 12h, run: { fixed: 30s } }
- self_exciting: { rate: 5, branching: 0.8, decay: 2m, run: { fixed: 20 } }
- pipeline: { at: 3h, every: 1d, stages: [ { jobs: 20, run: { fixed: 1m } }, { jobs: 1, run: { fixed: 5m } } ] }
- one_long_job: { at: 5h, run: 30h, job: { cpus: 4, gpus: 1, memory_gib: 2, owner: ann, queue: long } }
- silence: { from: 14h, to: 16h }
";

proptest! {
    // Each draws thousands of jobs.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_load_is_sorted_repeats_by_seed_and_keeps_its_silence(seed in any::<u64>()) {
        let load = load("2d", EVERYTHING);
        let log = load.jobs(seed);
        prop_assert_eq!(&log, &load.jobs(seed));
        prop_assert_ne!(&log, &load.jobs(seed.wrapping_add(1)));
        prop_assert!(log.jobs().is_sorted_by(|a, b| a.submit <= b.submit));
        let submits = submits(&load, seed);
        prop_assert!(submits.iter().all(|at| (0.0..2.0 * DAY).contains(at)));
        prop_assert!(!submits.iter().any(|at| (14.0 * HOUR..16.0 * HOUR).contains(at)));
        prop_assert!(log.jobs().iter().all(|job| job.run >= 0.0 && job.run.is_finite()));
    }

    #[test]
    fn poisson_has_its_rate_and_its_independence(seed in any::<u64>()) {
        let load = load("100h", "- poisson: { rate: 90, run: { fixed: 1 } }");
        let submits = submits(&load, seed);
        prop_assert!(is_likely(submits.len(), 9000.0, 9000.0), "{}", submits.len());
        let mut hours = [0_u32; 100];
        for at in submits {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an hour of 100")]
            let hour = (at / HOUR) as usize;
            hours[hour] += 1;
        }
        let mean = f64::from(hours.iter().sum::<u32>()) / 100.0;
        let squares: f64 = hours.iter().map(|&count| (f64::from(count) - mean).powi(2)).sum();
        // Variance over mean is 1; (n - 1) times it follows chi squared, of mean 99 and variance 198.
        prop_assert!((squares / mean - 99.0).abs() < 8.0 * 198.0_f64.sqrt(), "{}", squares / mean);
    }

    #[test]
    fn a_self_exciting_load_has_the_size_of_its_families(seed in any::<u64>()) {
        let load = load("200h", "- self_exciting: { rate: 10, branching: 0.6, decay: 1s, run: { fixed: 1 } }");
        // Families of a Poisson branching process: mean 1/(1-b), second moment 1/(1-b)^3; 2000 of them.
        let count = submits(&load, seed).len();
        prop_assert!(is_likely(count, 2000.0 / 0.4, 2000.0 / 0.4_f64.powi(3)), "{count}");
    }

    #[test]
    fn a_day_has_its_peak_and_a_weekend_its_calm(seed in any::<u64>()) {
        let load = load("28d", "- diurnal: { rate: 60, depth: 1, peak: 14h, weekend: 0.25, run: { fixed: 1 } }");
        let submits = submits(&load, seed);
        let between = |days: std::ops::Range<f64>, from: f64, to: f64| {
            let inside = |at: &&f64| days.contains(&(**at / DAY % 7.0)) && (from..to).contains(&(**at % DAY / HOUR));
            submits.iter().filter(inside).count()
        };
        // Six hours around the peak hold a quarter of the day and 1/pi more: the integral of 1 + cos.
        let peak = 60.0 * 24.0 * 20.0 * (0.25 + std::f64::consts::FRAC_1_PI * 0.5_f64.sqrt());
        prop_assert!(is_likely(between(0.0..5.0, 11.0, 17.0), peak, peak));
        let weekend = 60.0 * 24.0 * 8.0 * 0.25;
        prop_assert!(is_likely(between(5.0..7.0, 0.0, 24.0), weekend, weekend));
    }

    #[test]
    fn a_trickle_runs_dry(seed in any::<u64>()) {
        let load = load("100h", "- trickle_to_zero: { rate: 200, run: { fixed: 1 } }");
        let submits = submits(&load, seed);
        let late = submits.iter().filter(|at| **at >= 50.0 * HOUR).count();
        prop_assert!(is_likely(submits.len(), 10_000.0, 10_000.0), "{}", submits.len());
        prop_assert!(is_likely(late, 2500.0, 2500.0), "{late}");
    }

    #[test]
    fn run_times_follow_their_laws(seed in any::<u64>()) {
        let of = |law: &str| runs(&load("100h", &format!("- poisson: {{ rate: 100, run: {{ {law} }} }}")), seed);
        let mean = |runs: &[f64]| runs.iter().sum::<f64>() / runs.len() as f64;
        let exponential = mean(&of("exponential: { mean: 5m }"));
        prop_assert!((exponential - 300.0).abs() < 6.0 * 300.0 / 9000.0_f64.sqrt(), "{exponential}");
        let lognormal = of("lognormal: { median: 2m, sigma: 1.5 }");
        let logs: Vec<f64> = lognormal.iter().map(|run| (run / 120.0).ln()).collect();
        prop_assert!(mean(&logs).abs() < 6.0 * 1.5 / 9000.0_f64.sqrt());
        let squares: Vec<f64> = logs.iter().map(|log| log * log).collect();
        prop_assert!((mean(&squares).sqrt() - 1.5).abs() < 0.1);
        let empirical = of("empirical: [10, 1m]");
        let tens = empirical.iter().filter(|run| **run < 11.0).count();
        let half = empirical.len() as f64 / 2.0;
        prop_assert!(is_likely(tens, half, half / 2.0));
        prop_assert!(empirical.iter().all(|run| ["10", "60"].contains(&run.to_string().as_str())));
    }
}

#[test]
fn arrays_recur_with_their_jobs_spread_and_come_late_by_their_jitter() {
    let plain = load("2d", "- array: { at: 22h, every: 1d, size: 3, over: 4s, run: { fixed: 1 } }");
    let at = |hours: f64, seconds: f64| hours * HOUR + seconds;
    assert_eq!(
        submits(&plain, 1),
        [at(22.0, 0.0), at(22.0, 2.0), at(22.0, 4.0), at(46.0, 0.0), at(46.0, 2.0), at(46.0, 4.0)]
    );
    let once = load("2d", "- array: { at: 1h, size: 1, over: 4s, run: { fixed: 1 } }");
    assert_eq!(submits(&once, 1), [HOUR]);
    let late = load("1000h", "- array: { at: 0, every: 1h, jitter: 10m, size: 1, run: { fixed: 1 } }");
    let late: Vec<f64> = submits(&late, 1).iter().map(|at| at % HOUR).collect();
    assert!(late.iter().all(|late| *late < 600.0));
    let mean = late.iter().sum::<f64>() / 1000.0;
    assert!((mean - 300.0).abs() < 6.0 * 600.0 / 12.0_f64.sqrt() / 1000.0_f64.sqrt(), "{mean}");
}

#[test]
fn stages_of_a_pipeline_follow_one_another() {
    let text =
        "- pipeline: { at: 1h, stages: [ { jobs: 2, run: { fixed: 60 } }, { jobs: 1, run: { fixed: 5 } } ] }";
    let log = load("2h", text).jobs(3);
    let parents: Vec<&[u32]> = (0..3).map(|job| log.parents(job)).collect();
    assert_eq!(parents, [&[][..], &[], &[0, 1]]);
    assert_eq!(log.jobs().iter().map(|job| job.run.to_string()).collect::<Vec<_>>(), ["60", "60", "5"]);
}

#[test]
fn a_part_says_what_its_jobs_need_and_whose_they_are() {
    let log: JobLog = load("2d", EVERYTHING).jobs(0);
    let the_long_one = log.jobs().iter().find(|job| job.owner.is_some()).unwrap();
    assert_eq!(
        (
            the_long_one.cpus.unwrap().get(),
            the_long_one.gpus.unwrap().get(),
            the_long_one.memory.unwrap().get(),
            the_long_one.run.to_string()
        ),
        (4, 1, 2 << 30, "108000".into())
    );
    assert_eq!(
        (log.owner(the_long_one.owner.unwrap()), log.queue(the_long_one.queue.unwrap())),
        ("ann", "long")
    );
}

#[test]
fn another_part_or_another_law_changes_no_submission() {
    let alone = "- poisson: { rate: 10, run: { fixed: 1 } }";
    let more = format!(
        "{}\n- one_long_job: {{ at: 1h, run: 1h }}",
        alone.replace("fixed: 1", "exponential: { mean: 9 }")
    );
    let alone = submits(&load("10h", alone), 5);
    let more: Vec<f64> = submits(&load("10h", &more), 5);
    assert!(alone.iter().all(|at| more.iter().any(|other| other.total_cmp(at).is_eq())));
    assert_eq!(more.len(), alone.len() + 1);
}

#[test]
fn an_error_names_the_field() {
    let said = |text: &str| serde_saphyr::from_str::<Load>(text).unwrap_err().to_string();
    for (text, message) in [
        ("length: 0\nparts: []", "length: it must be above 0"),
        ("length: soon\nparts: []", "length: \"soon\" is not a duration: write seconds (90) or units"),
        ("start: x\nlength: 1d\nparts: []", "start: \"x\" is not a time: write a date"),
        (
            "length: 1d\nparts:\n- one_long_job: { at: 0, run: 1 }\n- poisson: { rate: -3, run: { fixed: 1 } }",
            "parts[1].poisson.rate: -3 is not a rate: jobs an hour, above 0",
        ),
        (
            "length: 1d\nparts:\n- self_exciting: { rate: 1, branching: 1, decay: 1m, run: { fixed: 1 } }",
            "parts[0].self_exciting.branching: 1 is not between 0 and 0.99",
        ),
        (
            "length: 1d\nparts:\n- pipeline: { at: 0, stages: [ { jobs: 1, run: { empirical: [] } } ] }",
            "parts[0].pipeline.stages[0].run.empirical: one run time at least is needed",
        ),
        (
            "length: 1d\nparts:\n- pipeline: { at: 0, stages: [] }",
            "parts[0].pipeline.stages: a pipeline has one stage at least",
        ),
        (
            "length: 1d\nparts:\n- array: { at: 0, size: 0, run: { fixed: 1 } }",
            "parts[0].array.size: one at least is needed",
        ),
        (
            "length: 1d\nparts:\n- array: { at: 0, every: 1s, size: 1000, run: { fixed: 1 } }",
            "parts[0]: so far that makes 86401000 jobs; a load has at most 10000000",
        ),
        (
            "length: 1d\nparts:\n- silence: { from: 3d }",
            "parts[0].silence.from: it must lie before `to` (the end of the load, where that is not given)",
        ),
        (
            "length: 1d\nparts:\n- one_long_job: { at: 0, run: 1, job: { memory_gib: 0 } }",
            "parts[0].one_long_job.job.memory_gib: 0 is not memory: GiB, above 0",
        ),
        ("length: 1d\nparts:\n- poison: { rate: 1 }", "poison"),
        ("length: 1d\nparts:\n- poisson: { rate: 1, runs: 1 }", "runs"),
    ] {
        let error = said(text);
        assert!(error.contains(message), "{text}\n{error}");
    }
}
