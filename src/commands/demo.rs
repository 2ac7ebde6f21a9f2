//! `foresail demo`: a job log played through the whole loop, with no configuration and no servers.
//!
//! Embedded source, sampler, engine, published answers and gRPC over loopback are those of the server; the
//! model of KEDA, HPA and workers closes the loop. Settings and table go to standard output and are the
//! same in every run; addresses and progress go to standard error.

mod keda;
mod lock_step;
mod progress;
mod report;
mod service;
mod world;

#[cfg(test)]
mod tests;

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, mpsc},
};

use anyhow::{Context as _, Result, ensure};
use arc_swap::ArcSwap;
use clap::Args;
use tokio::runtime;
use tokio_util::sync::CancellationToken;

use crate::{
    answers::Answers,
    clock::{Clock, VirtualClock},
    config::{Config, text},
    engine::Engine,
    http::{Http, Readiness},
    refs::Refs,
    scaler::{Scaler, Server},
    sim::{autoscaler::ListLength, workers::Summary},
    telemetry::Metrics,
};

use self::{
    keda::Keda,
    lock_step::{LockStep, Rooms},
    progress::Progress,
    report::Table,
    service::Service,
    world::World,
};

/// Exit code of a run that a signal ended.
const INTERRUPTED: u8 = 130;

/// What can be set.
#[derive(Debug, Clone, Args)]
#[command(override_usage = "foresail demo [--days N] [--median TIME] [--cap TIME] [--sample-every TIME] \
                            [--seed N] [--http ADDRESS] [--no-progress] [--stay]")]
pub(super) struct Options {
    /// Days of the log to play, from 2017-10-09 on.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=7))]
    days: u32,
    /// Run times are scaled so that this is their median.
    #[arg(long, value_name = "TIME", default_value = "300s", value_parser = positive)]
    median: f64,
    /// No job runs longer than this.
    #[arg(long, value_name = "TIME", default_value = "4h", value_parser = positive)]
    cap: f64,
    /// How often the queue is sampled (virtual time).
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = interval)]
    sample_every: f64,
    /// Seed of the workers' start delays.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where metrics and the API are served while the log plays.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    http: SocketAddr,
    /// Show no progress.
    #[arg(long)]
    no_progress: bool,
    /// Serve HTTP after the table, too, until Ctrl-C.
    #[arg(long)]
    stay: bool,
}

/// Plays the log and prints the table.
pub(super) fn run(options: &Options) -> Result<ExitCode> {
    match play(options) {
        // Whoever reads the output has gone: there is nobody left to tell.
        Err(error) if broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        other => other,
    }
}

fn play(options: &Options) -> Result<ExitCode> {
    let world = World::new(options)?;
    let clock = Arc::new(VirtualClock::new(world.start));
    let config = Arc::new(world::config(options));
    let stop = CancellationToken::new();
    let (rooms, server, http) = rooms(&config, clock.clone(), &stop)?;
    let service = Service::start(server, http, config.http.listen, stop)?;
    let mut out = io::stdout().lock();
    report::settings(&mut out, options, &world)?;
    out.flush()?;
    progress::say(&format!("metrics and the API: http://{}", service.http));

    let mut progress = Progress::new(options.no_progress);
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let played = runtime.block_on(service.unless_interrupted(foresail(
        options,
        &world,
        clock.clone(),
        rooms,
        service.grpc,
        &mut progress,
    )));
    progress.finish();
    // The client's connection ends with its runtime, and the server need not wait for it.
    drop(runtime);
    let Some(played) = played else { return stopped(service, clock.now()) };
    let (foresail, calls) = played?;
    let Some(plain) = plain_keda(&world, &service.interrupted) else { return stopped(service, clock.now()) };

    write!(out, "{}", Table { foresail, plain, calls })?;
    out.flush()?;
    if options.stay {
        progress::say(&format!("until Ctrl-C: http://{}", service.http));
        service.wait()?;
    }
    service.end()?;
    Ok(ExitCode::SUCCESS)
}

/// The rooms of a server, on a clock that somebody turns.
fn rooms(
    config: &Arc<Config>,
    clock: Arc<dyn Clock>,
    stop: &CancellationToken,
) -> Result<(Rooms, Server, Http)> {
    let answers = Arc::new(Answers::default());
    let metrics = Metrics::new(answers.clone(), clock.clone());
    let (sender, new_refs) = mpsc::channel();
    // A send fails only while the demo ends.
    let refs = Arc::new(Refs::new(move |entry| drop(sender.send(entry))));
    let engine = Engine::new(config.clone(), refs.clone(), answers.clone());
    let interest = engine.interests().remove(world::SOURCE).context("the demo's own source")?;
    let scaler = Scaler::new(
        refs,
        answers.clone(),
        Arc::new(ArcSwap::new(config.clone())),
        clock.clone(),
        metrics.clone(),
        stop.clone(),
    );
    let server = Server::new(scaler, config.grpc.clone())?;
    let ready = Arc::new(Readiness::default());
    ready.sampled();
    let (sender, questions) = mpsc::channel();
    // As for a ref.
    let http = Http::new(answers.clone(), metrics.clone(), clock, ready)
        .asking(move |question| drop(sender.send(question)));
    Ok((Rooms { engine, answers, metrics, new_refs, questions, interest }, server, http))
}

/// Foresail's run, with the calls made and those of them that failed.
async fn foresail(
    options: &Options,
    world: &World,
    clock: Arc<VirtualClock>,
    rooms: Rooms,
    address: SocketAddr,
    progress: &mut Progress,
) -> Result<(Summary, (u64, u64))> {
    let keda = Keda::connect(address, world::scaled_object()).await?;
    let object = world.foresails_keda();
    let mut lock_step = LockStep::new(clock, world.pool(), options.sample_every, rooms, object, keda);
    let summary = lock_step.run(world.limit, |moment| progress.show(moment)).await?;
    ensure!(summary.completed == world.log.jobs().len(), "not every job was done in time: {summary:?}");
    Ok((summary, lock_step.calls()))
}

/// The runs of plain KEDA, by its targets; `None` when interrupted.
fn plain_keda(world: &World, interrupted: &CancellationToken) -> Option<Vec<(ListLength, Summary)>> {
    let run = |scaler: ListLength| {
        let mut plain = world.plain_keda(scaler);
        while plain.pool.now() < world.limit && !plain.is_over() {
            if interrupted.is_cancelled() {
                return None;
            }
            plain.step(world.limit);
        }
        Some((scaler, plain.pool.summary()))
    };
    world::plain_scalers().map(run).collect()
}

fn stopped(service: Service, at: f64) -> Result<ExitCode> {
    service.end()?;
    progress::say(&format!("stopped at {}", progress::date(at)));
    Ok(ExitCode::from(INTERRUPTED))
}

fn broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn positive(text: &str) -> Result<f64, String> {
    let seconds = text::seconds(text)?;
    if seconds > 0.0 { Ok(seconds) } else { Err("a time above 0 is wanted".to_owned()) }
}

fn interval(text: &str) -> Result<f64, String> {
    let seconds = text::seconds(text)?;
    if (0.1..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("between 0.1s and 1h".to_owned()) }
}
