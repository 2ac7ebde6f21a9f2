//! The process behind a worker pod: takes jobs from a real store, does what each says, and writes down in the
//! same store what it did.

#![expect(clippy::print_stdout, reason = "what a worker prints is its pod's log")]

mod stopping;
pub(crate) mod store;

mod postgres;
mod redis;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};

use self::{
    stopping::Stopping,
    store::{Job, Store, Work},
};

/// What a worker prints once it takes jobs. The runner calls a pod without a readiness probe Ready on it.
pub(crate) const READY_MARK: &str = "worker ready";

/// Arguments of `worker`.
#[derive(Debug, Parser)]
#[command(name = "worker")]
struct Options {
    /// Where the jobs are: redis://... or postgres://...
    #[arg(long)]
    store: String,
    #[arg(long)]
    queue: String,
    /// The name that stands beside its jobs: the pod's.
    #[arg(long, env = "POD_NAME")]
    name: String,
    /// Take one job, run it, and exit; exit at once where none waits (as the pod of a `ScaledJob`).
    #[arg(long)]
    one: bool,
    /// What SIGTERM means for the job at hand.
    #[arg(long, default_value = "finish")]
    on_term: OnTerm,
}

/// What a worker does with the job at hand when it is told to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnTerm {
    /// Runs it to its end, takes no other, and exits with 0.
    Finish,
    /// Gives it back to the queue and exits with 0.
    Requeue,
    /// Exits with 143 and leaves the job where it is: in flight, with nobody behind it.
    Abandon,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Done,
    Failed,
    /// SIGTERM came first, and [`OnTerm`] does not say to finish.
    Interrupted,
}

/// Runs a worker with the arguments behind `worker`.
pub(crate) fn main(arguments: &[String]) -> ExitCode {
    let options = Options::parse_from(std::iter::once("worker").chain(arguments.iter().map(String::as_str)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio starts");
    runtime.block_on(work(&options))
}

async fn work(options: &Options) -> ExitCode {
    let mut stopping = Stopping::listen();
    let store = tokio::select! {
        store = Store::connect(&options.store, &options.queue) => store,
        () = stopping.asked() => return ExitCode::SUCCESS,
    };
    println!("{READY_MARK}");
    loop {
        // Not raced against the signal: a job that a cancelled call took would be in flight with nobody behind it.
        let taken = store.take(&options.name, !options.one).await;
        let Some(job) = taken else {
            if options.one || stopping.is_asked() {
                return ExitCode::SUCCESS;
            }
            continue;
        };
        if stopping.is_asked() {
            store.hand_back(&options.name, &job).await;
            return ExitCode::SUCCESS;
        }
        store.start(&options.name, &job).await;
        println!("started {}", job.id);
        let ending = run(&job, options.on_term, &mut stopping).await;
        println!("ended {}: {ending:?}", job.id);
        match (ending, options.on_term) {
            (Ending::Done, _) => store.end(&options.name, &job, false).await,
            (Ending::Failed, _) => {
                store.end(&options.name, &job, true).await;
                if options.one {
                    return ExitCode::FAILURE;
                }
            }
            (Ending::Interrupted, OnTerm::Abandon) => return ExitCode::from(143),
            (Ending::Interrupted, _) => {
                store.requeue(&options.name, &job).await;
                return ExitCode::SUCCESS;
            }
        }
        if options.one || stopping.is_asked() {
            return ExitCode::SUCCESS;
        }
    }
}

async fn run(job: &Job, on_term: OnTerm, stopping: &mut Stopping) -> Ending {
    let (length, ending) = match job.work {
        Work::Run(seconds) => (Duration::from_secs_f64(seconds), Ending::Done),
        Work::Fail => (Duration::ZERO, Ending::Failed),
        Work::Hang => return std::future::pending().await,
    };
    if on_term == OnTerm::Finish {
        tokio::time::sleep(length).await;
        return ending;
    }
    tokio::select! {
        () = tokio::time::sleep(length) => ending,
        () = stopping.asked() => Ending::Interrupted,
    }
}
