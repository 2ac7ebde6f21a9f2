//! Arrivals of the public logs, forecast as a reference does and scored alike.
//!
//! `cargo test --release --test forecast public_logs -- --nocapture` prints the table.

use std::{thread, time::Instant};

use foresail::forecast::{Forecast, arrivals::Seen, horizons::Horizons};

use crate::traces;

/// File, and days left out at its beginning (metacentrum is nearly empty for 15).
const LOGS: [(&str, f64); 7] = [
    ("hpc2n-2002.swf.gz", 0.0),
    ("kth-sp2-1996.swf.gz", 0.0),
    ("metacentrum-2009.swf.gz", 15.0),
    ("nasa-ipsc-1993.swf.gz", 0.0),
    ("osc-cluster-2000.swf.gz", 0.0),
    ("philly-2017-public.csv.gz", 0.0),
    ("surf-lisa-2022.csv.gz", 0.0),
];

const BIN: f64 = 30.0;
const BINS_A_DAY: usize = 2_880;
const DAYS: usize = 100;

/// Bins ahead: a node to come, and a slow one.
const AHEAD: [usize; 2] = [3, 10];

/// Submission and run time of the jobs that ran, seconds from the first submission and the days left out.
fn jobs(name: &str, skip: f64) -> Option<Vec<(f64, f64)>> {
    let log = traces::read(name)?;
    let ran = log.jobs().iter().filter(|job| job.run > 0.0);
    let mut jobs: Vec<(f64, f64)> = ran.map(|job| (job.submit, job.run)).collect();
    let first = jobs.first().expect("a log has jobs").0 + skip * 86_400.0;
    for job in &mut jobs {
        job.0 -= first;
    }
    jobs.retain(|job| job.0 >= 0.0 && job.0 < DAYS as f64 * 86_400.0);
    Some(jobs)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times are cut to the bins there are"
)]
fn counts(times: impl Iterator<Item = f64>, bin: f64, bins: usize) -> Vec<u64> {
    let mut counts = vec![0; bins];
    for at in times.map(|t| (t / bin) as usize).filter(|&at| at < bins) {
        counts[at] += 1;
    }
    counts
}

/// Arrivals in the `ahead` bins after each bin, as far as they are known.
fn outcomes(counts: &[u64], ahead: usize) -> Vec<f64> {
    counts.windows(ahead + 1).map(|window| window[1..].iter().sum::<u64>() as f64).collect()
}

fn deviance(outcome: f64, mean: f64) -> f64 {
    let mean = mean.max(1e-4);
    2.0 * (outcome * (outcome.max(1e-9) / mean).ln() - (outcome - mean))
}

/// The reference: six decayed rates and a constant, their weights learned by online EM (half-life three days) from
/// every bin. Deviance of the second half.
fn reference(counts: &[u64], ahead: usize) -> f64 {
    const SCALES: [f64; 6] = [30.0, 120.0, 600.0, 2_400.0, 9_600.0, 86_400.0];
    let outcomes = outcomes(counts, ahead);
    let prior = [0.25, 0.10, 0.20, 0.25, 0.05, 0.05, 0.5];
    let (mut weights, mut exposure): ([f64; 7], _) = (prior, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.01]);
    let mut credit: [f64; 7] = std::array::from_fn(|k| prior[k] * exposure[k]);
    let kept = 0.5_f64.powf(1.0 / (3.0 * BINS_A_DAY as f64));
    let (mut rates, mut x) = ([0.0; 6], Vec::with_capacity(outcomes.len()));
    let (mut sum, mut judged) = (0.0, 0.0);
    let product = |w: &[f64; 7], x: &[f64; 7]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
    for (i, &outcome) in outcomes.iter().enumerate() {
        for (rate, scale) in rates.iter_mut().zip(SCALES) {
            *rate += (1.0 - (-BIN / scale).exp()) * (counts[i] as f64 - *rate);
        }
        let row: [f64; 7] = std::array::from_fn(|k| rates.get(k).map_or(0.01, |rate| rate * ahead as f64));
        x.push(row);
        if i >= counts.len() / 2 {
            sum += deviance(outcome, product(&weights, &row));
            judged += 1.0;
        }
        if let Some(known) = i.checked_sub(ahead) {
            let share = outcomes[known] / product(&weights, &x[known]).max(1e-6);
            for k in 0..7 {
                credit[k] = credit[k] * kept + weights[k] * x[known][k] * share;
                exposure[k] = exposure[k] * kept + x[known][k];
                weights[k] = credit[k] / exposure[k];
            }
        }
    }
    sum / judged
}

#[derive(Debug, Default)]
struct Score {
    deviance: f64,
    /// Share of the outcomes that the 0.9 quantile covers, one equal to it by the part that the level reaches.
    covered: f64,
    /// Share of the outcomes at or below it.
    at_or_below: f64,
    skill: f64,
    against_persistence: f64,
}

fn ours(counts: &[u64]) -> [Score; 2] {
    let lengths = AHEAD.map(|ahead| ahead as f64 * BIN);
    let mut forecast = Forecast::new(Horizons::new([lengths[0], lengths[1], 900.0]).unwrap());
    let outcomes = AHEAD.map(|ahead| outcomes(counts, ahead));
    let mut scores: [Score; 2] = Default::default();
    let (mut judged, mut quantiles_judged) = ([0.0; 2], [0.0; 2]);
    forecast.observe(0.0, Seen::Gap, 0);
    for (i, &n) in counts.iter().enumerate() {
        forecast.observe((i + 1) as f64 * BIN, Seen::Arrivals(n), 0);
        if i < counts.len() / 2 {
            continue;
        }
        for h in 0..AHEAD.len() {
            let Some(&outcome) = outcomes[h].get(i) else { continue };
            let law = forecast.at(lengths[h]);
            scores[h].deviance += deviance(outcome, law.mean());
            judged[h] += 1.0;
            if i % 5 == 0 {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
                let (below, to) =
                    (1.0 - law.at_least(outcome as u64), 1.0 - law.at_least(outcome as u64 + 1));
                scores[h].covered +=
                    if to > below { ((0.9 - below) / (to - below)).clamp(0.0, 1.0) } else { 0.0 };
                scores[h].at_or_below += f64::from(u8::from(outcome <= law.quantile(0.9) as f64));
                quantiles_judged[h] += 1.0;
            }
        }
    }
    for h in 0..AHEAD.len() {
        scores[h].deviance /= judged[h];
        scores[h].covered /= quantiles_judged[h];
        scores[h].at_or_below /= quantiles_judged[h];
        let skill = forecast.arrivals().horizons()[h].skill();
        (scores[h].skill, scores[h].against_persistence) =
            (skill.against_nothing(), skill.against_persistence());
    }
    scores
}

/// Share of the arrivals that show as net increases of a depth read every `every` seconds, when every job starts at
/// once and run times are scaled to a median of 300 s.
fn seen_by_depth(jobs: &[(f64, f64)], every: u32) -> f64 {
    let mut runs: Vec<f64> = jobs.iter().map(|job| job.1).collect();
    runs.sort_by(f64::total_cmp);
    let scale = 300.0 / runs[runs.len() / 2];
    let bins = DAYS * 86_400 / every as usize;
    let came = counts(jobs.iter().map(|job| job.0), f64::from(every), bins);
    let went = counts(jobs.iter().map(|job| job.0 + job.1 * scale), f64::from(every), bins);
    let shown: u64 = came.iter().zip(&went).map(|(came, went)| came.saturating_sub(*went)).sum();
    shown as f64 / came.iter().sum::<u64>() as f64
}

#[test]
fn forecasts_are_no_worse_than_the_reference_on_any_public_log_and_calibrated() {
    if traces::folder().is_none() {
        return;
    }
    println!(
        "| log | s ahead | reference | ours | 0.9 covers | at or below | skill / over persistence | seen by depth, 1 s / 15 s |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    thread::scope(|scope| {
        for (name, skip) in LOGS {
            scope.spawn(move || {
                let jobs = jobs(name, skip).expect("the folder is there");
                let counts = counts(jobs.iter().map(|job| job.0), BIN, DAYS * BINS_A_DAY);
                let depth = [1, 15].map(|every| seen_by_depth(&jobs, every));
                assert!(depth[1] <= depth[0] && depth[0] <= 1.0, "{name}: {depth:?}");
                for (ahead, score) in AHEAD.into_iter().zip(ours(&counts)) {
                    let reference = reference(&counts, ahead);
                    println!(
                        "| {} | {} | {reference:.4} | {:.4} | {:.3} | {:.3} | {:.2} / {:.2} | {:.0} % / {:.0} % |",
                        name.split('.').next().unwrap_or(name),
                        ahead as f64 * BIN,
                        score.deviance,
                        score.covered,
                        score.at_or_below,
                        score.skill,
                        score.against_persistence,
                        depth[0] * 100.0,
                        depth[1] * 100.0,
                    );
                    assert!(score.deviance <= reference, "{name} {ahead}: {} {reference}", score.deviance);
                    assert!((0.87..=0.93).contains(&score.covered), "{name} {ahead}: {score:?}");
                    assert!(score.skill > 0.1 && score.against_persistence > 0.0, "{name} {ahead}: {score:?}");
                }
            });
        }
    });
}

/// A queue of the densest log, read every second. The bound is far above what was measured: machines differ.
#[test]
fn a_step_takes_well_under_a_microsecond() {
    if traces::folder().is_none() || cfg!(debug_assertions) {
        return;
    }
    let jobs = jobs("surf-lisa-2022.csv.gz", 0.0).expect("the folder is there");
    let counts = counts(jobs.iter().map(|job| job.0), 1.0, 20 * 86_400);
    let mut forecast = Forecast::new(Horizons::default());
    let start = Instant::now();
    for (second, &n) in counts.iter().enumerate() {
        forecast.observe(second as f64, Seen::Arrivals(n), 0);
    }
    let step = start.elapsed().as_secs_f64() * 1e9 / counts.len() as f64;
    let start = Instant::now();
    let sum: u64 = (0..100_000_u32).map(|i| forecast.at(60.0 + f64::from(i % 7)).quantile(0.9)).sum();
    let ask = start.elapsed().as_secs_f64() * 1e4;
    println!(
        "{step:.0} ns a step, {ask:.0} ns a 0.9 quantile ({sum}), {} bytes a queue",
        size_of::<Forecast>()
    );
    assert!(step < 2_000.0, "{step} ns");
}
