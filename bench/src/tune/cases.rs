//! Logs in worlds, each cut in time: days that are tuned on, and later ones that judge.

use std::path::PathBuf;

use anyhow::ensure;
use foresail::sim::{
    job_log::{JobLog, Transform},
    world::{Stage, World},
};

use super::{
    runs::{Part, Played, Run},
    space::Configuration,
};
use crate::{
    compare::{contender::Contender, play::Worlds},
    logs,
};

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// Jobs that a part of the tuned days has at least, where there are so many: fewer tell little.
const FEW_JOBS: usize = 3000;

/// A part of the tuned days is warmed up for at most its own length: else little else would be played.
const WARM_UP: f64 = 1.0;

/// How a log is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Days at its beginning that are not counted.
    pub(crate) warm_up: u32,
    /// Share of the others that judges.
    pub(crate) judge: f64,
}

/// One log in one world.
pub(crate) struct Case {
    /// Which of the logs.
    pub(crate) site: usize,
    /// The log's name.
    pub(crate) log: String,
    /// The world, in few words.
    pub(crate) world: String,
    pub(crate) tuned_days: usize,
    pub(crate) later_days: usize,
    /// Jobs of the log, and a sum over their times that tells it from others.
    pub(crate) jobs: usize,
    pub(crate) checksum: u32,
    scenes: [Scene; Part::ALL.len()],
    max: u32,
}

/// What is played of a case.
struct Scene {
    jobs: JobLog,
    world: World,
}

impl Case {
    /// Every log in every world, log by log.
    ///
    /// # Errors
    /// Where a log cannot be read, or is too short to be cut.
    pub(crate) fn all(
        files: &[PathBuf],
        cuts: &[Transform],
        cut: Cut,
        worlds: &Worlds,
    ) -> anyhow::Result<Vec<Self>> {
        let mut cases = Vec::new();
        for (site, file) in files.iter().enumerate() {
            let (name, log) = logs::read_to_play(file, cuts)?;
            for world in worlds.all() {
                let jobs = logs::with_median(&log, world.median)?;
                let base = World::around(&jobs, world.pool, f64::from(cut.warm_up) * DAY, worlds.seed);
                cases.push(Self::new(site, &name, world.label, &jobs, &base, cut, worlds.max)?);
            }
        }
        Ok(cases)
    }

    fn new(
        site: usize,
        log: &str,
        label: String,
        jobs: &JobLog,
        base: &World,
        cut: Cut,
        max: u32,
    ) -> anyhow::Result<Self> {
        let days = ((base.until - base.counted_from) / DAY).round();
        let tuned = (days * (1.0 - cut.judge)).round().clamp(1.0, (days - 1.0).max(1.0));
        let split = base.counted_from + tuned * DAY;
        let (tuned_jobs, later_jobs) =
            (within(jobs, base.counted_from, split), within(jobs, split, base.until));
        ensure!(
            days >= 2.0 && tuned_jobs > 0 && later_jobs > 0,
            "{log}: after {} days of warm-up (--warm-up) there are {days} days, {tuned_jobs} jobs to tune on and \
             {later_jobs} to judge by; take a longer log or a shorter warm-up",
            cut.warm_up,
        );
        let (checksum, count) = (checksum(jobs), jobs.jobs().len());
        let last = |share: usize| {
            let wanted = tuned_jobs.div_ceil(share).max(FEW_JOBS);
            let from = last_days(jobs, base.counted_from, split, wanted);
            let warm_up = (f64::from(cut.warm_up) * DAY).min(WARM_UP * (split - from));
            let before = (from - warm_up).max(base.from);
            Scene::new(jobs, World { from: before, counted_from: from, until: split, ..base.clone() })
        };
        let scenes = Part::ALL.map(|part| match part {
            Part::Small => last(27),
            Part::Medium => last(9),
            Part::Large => last(3),
            Part::Tuned => Scene::new(jobs, World { until: split, ..base.clone() }),
            Part::Later => Scene::new(jobs, World { counted_from: split, ..base.clone() }),
        });
        Ok(Self {
            site,
            log: log.to_owned(),
            world: label,
            tuned_days: whole(tuned),
            later_days: whole(days - tuned),
            jobs: count,
            checksum,
            scenes,
            max,
        })
    }

    /// Plays a policy on a part, as Foresail is shipped.
    pub(crate) fn play(&self, Run { part, policy, .. }: &Run) -> Played {
        let scene = &self.scenes[Part::ALL.iter().position(|one| one == part).unwrap_or_default()];
        let stage = Stage::new(&scene.world, &scene.jobs);
        Played::of(stage.play(foresail(policy, self.max).on(&stage)), *part)
    }
}

fn foresail(policy: &Configuration, max: u32) -> Contender {
    Contender::foresail(policy.to_string(), policy.policy(), false, max)
}

impl Scene {
    fn new(jobs: &JobLog, world: World) -> Self {
        Self { jobs: jobs.window(world.from, world.until), world }
    }
}

/// Jobs submitted in `[from, to)`.
fn within(log: &JobLog, from: f64, to: f64) -> usize {
    let before = |at: f64| log.jobs().partition_point(|job| job.submit < at);
    before(to) - before(from)
}

/// Where the last whole days before `to` begin that hold so many jobs; not before `from`.
fn last_days(log: &JobLog, from: f64, to: f64, jobs: usize) -> f64 {
    let mut begin = to - DAY;
    while begin > from && within(log, begin, to) < jobs {
        begin -= DAY;
    }
    begin.max(from)
}

/// Tells logs apart that have other jobs.
fn checksum(log: &JobLog) -> u32 {
    let mut sum = flate2::Crc::new();
    for (at, job) in log.jobs().iter().enumerate() {
        sum.update(&job.submit.to_bits().to_le_bytes());
        sum.update(&job.run.to_bits().to_le_bytes());
        for parent in log.parents(at) {
            sum.update(&parent.to_le_bytes());
        }
    }
    sum.sum()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days of a log are few")]
fn whole(days: f64) -> usize {
    days as usize
}
