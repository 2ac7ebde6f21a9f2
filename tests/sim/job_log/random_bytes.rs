//! No input makes a reader panic, and what it takes it can describe, cut and write.

use foresail::sim::job_log::{JobLog, Placement, Transform, Workflows};
use proptest::prelude::*;

/// Lines of each format, as real files have them.
const SEEDS: [(&str, &str); 4] = [
    (
        "a.swf",
        "; UnixStartTime: 1027839845\n; MaxProcs: 240\n; Queue:  1  [fque:1]\n   11   342072     32  43306   32  \
         43307    -1   32  43200    -1  1   4   1  -1 -1  1 -1 -1\n  30 10 -1 60 -1 59.5 512 8 300 1024 0 5 1 -1 1 3 -1 -1\n",
    ),
    (
        "philly.csv",
        "submit,duration_s,num_gpus,vc\n2017-09-07 03:58:57,3256045.0,1,6214e9\n2017-09-07 09:57:50,0,8,b436b2\n",
    ),
    (
        "ms.csv",
        "id,submit_ms,duration_ms,cpu_count\n1519830,1656604920000,1000,16\n1519833,1656604949000,,\"1\"\n",
    ),
    (
        "wf.csv",
        "instance,task,name,level,parents,runtime_s,cores,avg_cpu_pct,memory_bytes,executed_at\n\
         b,0,split,0,,2.87,1,99.6,9000000,\nb,1,all,1,0,926.6,1,99.9,1135000000,\nb,2,x,1,0;1,1,,,,\n",
    ),
];

fn try_everything(name: &str, bytes: &[u8]) {
    let _ = Workflows::read(bytes).map(|workflows| workflows.place(&Placement::At(vec![1.0; 3])));
    let Ok(log) = JobLog::read(name, bytes) else { return };
    assert!(log.jobs().is_sorted_by(|a, b| a.submit <= b.submit));
    assert!(log.jobs().iter().all(|job| job.submit >= 0.0 && job.run >= 0.0 && job.run.is_finite()));
    assert!((0..log.jobs().len()).all(|job| log.parents(job).iter().all(|&parent| (parent as usize) < job)));
    assert!(!log.to_string().is_empty());
    for text in ["dense=0.5", "median=60", "thin=jobs/2", "tasks=cpus/8", "released", "window=0..1"] {
        let _ = text.parse::<Transform>().unwrap().apply(&log);
    }
    if !log.has_parents() {
        log.write_csv(Vec::new()).unwrap();
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300), name in 0..SEEDS.len()) {
        try_everything(SEEDS[name].0, &bytes);
    }

    #[test]
    fn arbitrary_bytes_behind_a_good_head_do_no_harm(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        name in 0..SEEDS.len(),
    ) {
        let head = SEEDS[name].1.lines().next().unwrap();
        try_everything(SEEDS[name].0, &[head.as_bytes(), b"\n", &bytes].concat());
    }

    #[test]
    fn damaged_lines_do_no_harm(
        name in 0..SEEDS.len(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), damage()), 1..6),
    ) {
        let (name, text) = SEEDS[name];
        let mut bytes = text.as_bytes().to_vec();
        for (at, damage) in damage {
            let at = at.index(bytes.len().max(1)).min(bytes.len());
            match damage {
                Damage::Put(piece) => {
                    bytes.splice(at..at, piece.bytes());
                }
                Damage::Set(byte) => bytes[at..].iter_mut().take(1).for_each(|old| *old = byte),
                Damage::Cut(count) => {
                    bytes.drain(at..(at + count).min(bytes.len()));
                }
            }
        }
        try_everything(name, &bytes);
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Put(&'static str),
    Set(u8),
    Cut(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    const PIECES: [&str; 13] =
        ["-", "1e308", "9999999999999999999", "NaN", "\"", ",", "\n", ";", "\r", "\0", "0;", "\u{feff}", " "];
    prop_oneof![
        proptest::sample::select(&PIECES[..]).prop_map(Damage::Put),
        any::<u8>().prop_map(Damage::Set),
        (1..20_usize).prop_map(Damage::Cut),
    ]
}
