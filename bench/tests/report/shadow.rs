//! `report --shadow` on the log of a real `foresail serve` that watches a real Redis, and on a recorded one.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use foresail::clock::{Clock as _, WallClock};

use crate::{
    cluster::Cluster,
    reader::{self, Expected},
    report,
    support::{
        process::{Process, free_port, temp_dir, wait_until},
        redis::RedisServer,
    },
    text,
};

/// How long a job runs.
const RUN: Duration = Duration::from_millis(500);

/// For all of it, on a machine that does other things too.
const LONG: Duration = Duration::from_mins(2);

/// When each job came and was taken, Unix seconds.
#[derive(Clone, Default)]
struct Diary {
    clock: Arc<WallClock>,
    came: Arc<Mutex<Vec<f64>>>,
    taken: Arc<Mutex<Vec<f64>>>,
    done: Arc<Mutex<usize>>,
}

impl Diary {
    fn done(&self) -> usize {
        *self.done.lock().unwrap()
    }

    fn mean_wait(&self) -> f64 {
        let sum = |of: &Mutex<Vec<f64>>| of.lock().unwrap().iter().sum::<f64>();
        (sum(&self.taken) - sum(&self.came)) / self.came.lock().unwrap().len() as f64
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_real_foresail_logged_tells_the_waits_that_there_were() {
    let (redis, folder, diary) = (RedisServer::start().await, temp_dir(), Diary::default());
    let cluster = Cluster::start(1).await;
    let mut foresail = serve(folder.path(), redis.port(), &cluster).await;
    let log = || fs::read_to_string(folder.path().join("serve.log")).unwrap_or_default();
    wait_until("the workload to be in the log", LONG, async || log().contains("\"replicas\":1")).await;

    let workers: Vec<_> =
        (0..3).map(|nth| tokio::spawn(work(nth, redis.port(), cluster.clone(), diary.clone()))).collect();
    submit(&redis, &diary, 24).await;
    wait_until("some jobs to be done by one worker", LONG, async || diary.done() >= 8).await;
    cluster.scale(3);
    wait_until("all jobs to be done", LONG, async || diary.done() == 24).await;
    cluster.scale(1);
    wait_until("the end in the log", LONG, async || {
        log()
            .lines()
            .next_back()
            .is_some_and(|line| line.contains("\"in_flight\":0") && line.contains("\"replicas\":1"))
    })
    .await;
    foresail.stop("TERM");
    workers.iter().for_each(tokio::task::JoinHandle::abort);

    let output = report(folder.path(), &["--shadow", "serve.log", "--node-size", "0"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("Foresail watched bio/md"), "{said}");
    let (before, _) = said.split_once(" jobs came").unwrap_or_else(|| panic!("no jobs in\n{said}"));
    let came: u32 = before.rsplit(' ').next().unwrap().parse().unwrap();
    // A depth alone does not show a job that came and ended between two looks.
    assert!((22..=24).contains(&came), "{said}");
    let (measured, simulated) =
        (mean_wait(&said, "what was, measured"), mean_wait(&said, "what was, simulated"));
    let really = diary.mean_wait();
    assert!((measured - really).abs() < 1.0, "{measured} measured, {really} really:\n{said}");
    // A pod of the simulation takes 2 to 5 s to start; the workers of this test are there at once.
    assert!((simulated - really).abs() < 5.0, "{simulated} simulated, {really} really:\n{said}");
    reader::reads(
        &folder.path().join("page.html"),
        &Expected { plots: 5, words: &["bio/md", "measured", "Estimated"] },
    );
}

/// A recording of the test above: 24 jobs of half a second, one worker, from the eighth job on three.
#[test]
fn a_recorded_log_is_told_the_same_every_time() {
    let log = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report/watched.jsonl");
    let [first, second] = [(); 2].map(|()| {
        let folder = temp_dir();
        let output = report(folder.path(), &["--shadow", log, "--node-size", "2"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), fs::read_to_string(folder.path().join("page.html")).unwrap())
    });
    assert!(first == second);
    let (said, _) = first;
    assert!(
        said.contains("at least 24 jobs came. They really waited 4.3 s on average and 6.8 s at worst"),
        "{said}"
    );
    for row in ["what was, simulated", "Foresail deciding, simulated", "Foresail's logged answers, simulated"]
    {
        let line = said.lines().find(|line| line.starts_with(&format!("| {row}"))).unwrap();
        let nodes = line.trim_end_matches([' ', '|']).rsplit('|').next().unwrap().trim();
        assert!(nodes.ends_with(['s', 'h']), "{row} has nodes: {line}");
    }
}

/// The second cell of a row, in seconds.
fn mean_wait(said: &str, row: &str) -> f64 {
    let line = said.lines().find(|line| line.contains(row)).unwrap_or_else(|| panic!("no {row} in\n{said}"));
    let cell = line.split('|').nth(2).unwrap().trim();
    cell.strip_suffix(" s").unwrap_or_else(|| panic!("{cell} is not in seconds")).parse().unwrap()
}

async fn serve(folder: &Path, redis: u16, cluster: &Cluster) -> Process {
    let kubeconfig = folder.join("kubeconfig");
    cluster.write_kubeconfig(&kubeconfig);
    let (grpc, http) = (free_port(), free_port());
    let config = format!(
        "grpc: {{ listen: 127.0.0.1:{grpc} }}
http: {{ listen: 127.0.0.1:{http} }}
kubernetes: {{ addresses: [\"foresail:6000\"], kubeconfig: {} }}
sources:
  jobs:
    redis: {{ host: 127.0.0.1, port: {redis} }}
    sample_every: 200ms
    layouts: {{ reliable: {{ preset: redis-list, processing: \"{{queue}}:busy\" }} }}
    watch: [{{ layout: reliable, queue: md, workload: Deployment/bio/md }}]
",
        kubeconfig.display()
    );
    let path = folder.join("foresail.yaml");
    fs::write(&path, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_foresail-bench"));
    command.args(["foresail", "serve", "--log-format", "json", "--config"]).arg(path);
    let mut process = Process::spawn("foresail", &mut command, &folder.join("serve.log"));
    let url = format!("http://127.0.0.1:{http}/livez");
    process.until_ready(async || ureq::get(&url).call().is_ok()).await;
    process
}

async fn submit(redis: &RedisServer, diary: &Diary, jobs: usize) {
    for job in 0..jobs {
        diary.came.lock().unwrap().push(diary.clock.now());
        let _: i64 = redis.command(&["LPUSH", "md", &job.to_string()]).await;
    }
}

/// One worker; it takes jobs while its number is among the replicas.
async fn work(nth: u32, redis: u16, cluster: Cluster, diary: Diary) {
    let client = redis::Client::open(("127.0.0.1", redis)).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut versions = cluster.subscribe();
    loop {
        versions.wait_for(|versions| *versions.last().unwrap() > nth).await.unwrap();
        let mut take = redis::cmd("BLMOVE");
        let taken = take.arg(&["md", "md:busy", "RIGHT", "LEFT", "0.2"]).query_async(&mut connection).await;
        let Some(job): Option<String> = taken.unwrap() else { continue };
        diary.taken.lock().unwrap().push(diary.clock.now());
        tokio::time::sleep(RUN).await;
        let _: i64 =
            redis::cmd("LREM").arg("md:busy").arg(1).arg(job).query_async(&mut connection).await.unwrap();
        *diary.done.lock().unwrap() += 1;
    }
}
