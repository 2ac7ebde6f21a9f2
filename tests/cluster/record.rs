//! `record NAME|all`: a scenario run in real time on the whole stack, written down for the simulator.
//!
//! Kubernetes and KEDA keep their own clocks (15 s, 30 s), Karpenter makes the nodes, every worker is a process
//! that takes jobs from a real Redis. timelines/README.md describes the files.

mod assemble;
mod audit;
mod load;
pub(crate) mod setting;
mod tap;
mod watches;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use foresail::{
    clock::{Clock as _, WallClock},
    sim::timeline::{Event, Header, Line},
};
use kube::Client;
use tokio::runtime::Runtime;

use self::{
    load::{Buffered, Load, Submission},
    tap::Tap,
    watches::{Seen, Watches},
};
use crate::{
    api,
    foresail::Foresail,
    interrupted,
    jobs::{Jobs, Outcome},
    stack::{Options, Stack},
    support::redis::RedisServer,
    worker::store::Work,
};

/// Where recorded timelines stand.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/timelines");

const NAMESPACE: &str = "lab";

/// For what the stack does within seconds on an idle machine.
const SOON: Duration = Duration::from_mins(2);

/// From the last job to the last node's end.
const CALM: Duration = Duration::from_mins(10);

/// Records what the arguments name.
pub(crate) fn main(arguments: &[String]) -> ExitCode {
    let known = load::all();
    let wanted: Vec<Load> = match arguments {
        [all] if all == "all" => known,
        [name] => known.into_iter().filter(|load| load.name == name).collect(),
        _ => Vec::new(),
    };
    if wanted.is_empty() {
        let names: Vec<&str> = load::all().iter().map(|load| load.name).collect();
        eprintln!("what shall be recorded? One of: all, {}", names.join(", "));
        return ExitCode::from(2);
    }
    let runtime = Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        let recorded = async {
            for load in &wanted {
                record(load).await;
            }
        };
        tokio::select! {
            () = recorded => ExitCode::SUCCESS,
            () = interrupted() => ExitCode::from(130),
        }
    })
}

/// One scenario on a stack of its own, from nothing to nothing.
async fn record(load: &Load) {
    eprintln!("{}: starting Kubernetes, KEDA and Karpenter", load.name);
    let stack = Stack::start(&Options { karpenter: true, audit: true, ..Options::as_shipped() }).await;
    stack.runner().await;
    let redis = RedisServer::start().await;
    let tap = Tap::bind().await;
    let foresail = setting::foresail(redis.port(), tap.address(), &stack.kubeconfig);
    let foresail = Foresail::start(&stack.logs(), &foresail).await;
    tap.serve(&foresail.address());

    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{ name: {NAMESPACE} }}\n");
    for manifest in [&namespace, &setting::node_pool(), &setting::deployment(&redis.url())] {
        api::apply(&stack.client, NAMESPACE, manifest).await;
    }
    let mut watches = Watches::start(&stack.client, NAMESPACE).await;
    let jobs = Jobs::at(&redis.url(), setting::QUEUE).await;

    let began = now();
    api::apply(&stack.client, NAMESPACE, &setting::scaled_object(tap.address())).await;
    tap.until_known(SOON).await;
    watches.until("the ScaledObject has seen to it that nothing runs", SOON, Seen::is_empty).await;
    eprintln!("{}: {} jobs, in {:.0} s", load.name, load.submissions.len(), load.length());
    let (runs, buffered) =
        tokio::join!(submit(&jobs, &load.submissions), buffer(&stack.client, &load.buffer));
    let outcome = jobs.until_all_ended(CALM).await;
    outcome.each_ran_once();
    eprintln!("{}: all have ended; waiting for the last node to go", load.name);
    watches.until("workload and nodes are gone", CALM, Seen::is_empty).await;

    let calls = tap.calls();
    let audit = audit::read(&stack.logs().join(audit::FILE), NAMESPACE);
    let mut events = watches.events();
    events.extend(job_events(&outcome, &runs));
    events.extend(buffered);
    let lines = assemble::lines(began, events, &calls, &audit);
    let file = write(&setting::header(load, began), &lines);
    eprintln!("{}: {} events in {}", load.name, lines.len(), file.display());
}

/// Submits each job at its time; returns ids with run times.
async fn submit(jobs: &Jobs, submissions: &[Submission]) -> Vec<(String, f64)> {
    let began = Instant::now();
    let mut runs = Vec::new();
    for submission in submissions {
        tokio::time::sleep_until((began + Duration::from_secs_f64(submission.at)).into()).await;
        let ids = jobs.submit(1, Work::Run(submission.run)).await;
        runs.extend(ids.into_iter().map(|id| (id, submission.run)));
    }
    runs
}

/// Sets the capacity buffer at each of its times; returns when the API server had it.
async fn buffer(client: &Client, steps: &[Buffered]) -> Vec<(f64, Event)> {
    let began = Instant::now();
    let mut events = Vec::new();
    for &Buffered { at, replicas } in steps {
        tokio::time::sleep_until((began + Duration::from_secs_f64(at)).into()).await;
        api::apply(client, NAMESPACE, &setting::capacity_buffer(replicas)).await;
        events.push((now(), Event::BufferSet { replicas }));
    }
    events
}

/// What became of every job, by Redis's clock.
fn job_events(outcome: &Outcome, runs: &[(String, f64)]) -> Vec<(f64, Event)> {
    let mut events = Vec::new();
    for (job, run) in runs {
        let fate = &outcome.fates[job];
        let submitted = fate.submitted.expect("a job that ran was submitted");
        events.push((submitted, Event::JobSubmitted { job: job.clone(), run: *run }));
        for (at, pod) in &fate.starts {
            events.push((*at, Event::JobStarted { job: job.clone(), pod: pod.clone() }));
        }
        for (at, pod) in &fate.ends {
            events.push((*at, Event::JobEnded { job: job.clone(), pod: pod.clone() }));
        }
    }
    events
}

fn write(header: &Header, lines: &[Line]) -> PathBuf {
    let mut text = json(header);
    for line in lines {
        text.push('\n');
        text += &json(line);
    }
    text.push('\n');
    let file = Path::new(FOLDER).join(format!("{}.jsonl", header.scenario));
    fs::write(&file, text).expect("the folder of timelines can be written");
    file
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("a timeline is plain JSON")
}

/// Unix seconds.
fn now() -> f64 {
    WallClock::new().now()
}
