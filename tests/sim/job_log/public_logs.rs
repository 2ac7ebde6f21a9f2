//! The public logs, where they are at hand.

use foresail::sim::job_log::{Summary, Transform};

use crate::traces::read;

/// A file, and what is known of it, counted by other means: jobs, those without run time, most in an hour; median
/// and p95 run time; percent in bursts.
type Known = (&'static str, [usize; 3], [f64; 2], Option<u32>);

const KNOWN: [Known; 7] = [
    ("hpc2n-2002.swf.gz", [202_871, 0, 2418], [2873.0, 72_821.0], Some(44)),
    ("kth-sp2-1996.swf.gz", [28_476, 8, 66], [847.0, 47_825.0], Some(4)),
    ("metacentrum-2009.swf.gz", [103_656, 3712, 2316], [1230.0, 85_863.0], Some(82)),
    ("nasa-ipsc-1993.swf.gz", [18_239, 173, 84], [86.0, 3723.0], Some(1)),
    ("osc-cluster-2000.swf.gz", [36_097, 505, 127], [610.0, 123_332.0], Some(16)),
    ("philly-2017-public.csv.gz", [52_142, 0, 772], [1674.0, 16_640.0], Some(84)),
    ("surf-lisa-2022.csv.gz", [194_917, 0, 2219], [191.0, 21_498.0], None),
];

#[test]
fn every_public_log_is_read_whole() {
    for (name, counts, [median, p95], in_bursts) in KNOWN {
        let Some(log) = read(name) else { return };
        let seen = Summary::of(&log);
        assert_eq!([seen.jobs, seen.without_run, seen.peak_hour], counts, "{name}");
        let near = |seen: Option<f64>, known: f64| (seen.unwrap() - known).abs() <= known * 0.001 + 0.5;
        assert!(near(seen.median_run, median), "{name}: {:?}", seen.median_run);
        assert!(near(seen.p95_run, p95), "{name}: {:?}", seen.p95_run);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share in percent")]
        let percent = seen.in_bursts.map(|share| (share * 100.0).round() as u32);
        assert_eq!(percent, in_bursts, "{name}");
    }
}

#[test]
fn the_workflow_runs_are_62_graphs() {
    let Some(log) = read("wfinstances-public.csv.gz") else { return };
    assert_eq!((log.jobs().len(), log.owners().len()), (16_305, 62));
    assert!(log.has_parents());
    assert_eq!(Summary::of(&log).without_run, 369);
    let released = Transform::Released.apply(&log).unwrap();
    assert!(released.jobs().last().unwrap().submit > log.jobs().last().unwrap().submit);
}

#[test]
fn the_dense_part_of_the_gpu_log_is_ten_weeks() {
    let Some(log) = read("philly-2017-public.csv.gz") else { return };
    let dense = "window=2017-10-02..2017-12-15".parse::<Transform>().unwrap().apply(&log).unwrap();
    assert_eq!(dense.jobs().len(), 47_523);
    let dense = Transform::Dense(0.9).apply(&log).unwrap();
    assert!(dense.jobs().len() >= 46_928);
    let (first, last) = Summary::of(&dense).span.unwrap();
    assert!(last - first < 75.0 * 86_400.0, "{}", last - first);
}
