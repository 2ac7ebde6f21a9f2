//! Runs scenarios as tests, several at once on one stack that is started for the first of them.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use futures_util::FutureExt as _;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::{
    runtime::Runtime,
    sync::{Mutex, OnceCell},
};
use tokio_util::sync::CancellationToken;

use crate::{
    scenarios::{self, Cluster, Scenario, Tier},
    stack::{Options, Stack},
};

/// Which scenarios run: `ci` (the default) or `all`.
const TIER: &str = "FORESAIL_CLUSTER_TIER";

/// Most of a scenario is waiting, so more run at once than there are cores.
const AT_ONCE: usize = 6;

/// Understands the arguments of `cargo test`, and prints its closing lines.
pub(crate) fn run() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let all = match std::env::var(TIER).as_deref() {
        Ok("all") => true,
        Ok("ci") | Err(_) => false,
        Ok(other) => {
            eprintln!("{TIER} is `ci` or `all`, not {other:?}");
            return ExitCode::from(2);
        }
    };
    let shared = Arc::new(Shared::new());
    shared.listen_for_signals();
    let trials = scenarios::all()
        .into_iter()
        // A scenario that is named is wanted, whatever its tier.
        .filter(|scenario| all || scenario.tier == Tier::Ci || arguments.filter.is_some())
        .map(|scenario| trial(scenario, Arc::clone(&shared)))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    shared.take_down();
    conclusion.exit_code()
}

fn trial(scenario: Scenario, shared: Arc<Shared>) -> Trial {
    Trial::test(scenario.name, move || {
        shared.runtime.block_on(shared.run_unless_stopped(&scenario)).map_err(Failed::from)
    })
}

/// The stack that scenarios share.
struct Shared {
    runtime: Runtime,
    stack: OnceCell<Result<Mutex<Option<Arc<Stack>>>, String>>,
    failed: AtomicBool,
    stop: CancellationToken,
}

impl Shared {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime can be made");
        Self {
            runtime,
            stack: OnceCell::new(),
            failed: AtomicBool::new(false),
            stop: CancellationToken::new(),
        }
    }

    /// Ctrl-C and SIGTERM drop whatever runs, so that processes and folders go as after a test.
    async fn run_unless_stopped(&self, scenario: &Scenario) -> Result<(), String> {
        tokio::select! {
            outcome = self.run(scenario) => outcome,
            () = self.stop.cancelled() => Err("told to stop".to_owned()),
        }
    }

    async fn run(&self, scenario: &Scenario) -> Result<(), String> {
        let stack = match &scenario.own_stack {
            Some(options) => Arc::new(start(options).await?),
            None => self.shared_stack().await?,
        };
        let cluster = Arc::new(Cluster::new(Arc::clone(&stack), scenario.name));
        let outcome = AssertUnwindSafe((scenario.run)(Arc::clone(&cluster))).catch_unwind().await;
        cluster.clean_up().await;
        let outcome =
            outcome.map_err(|panic| format!("{}\n\nlogs: {}", words(&*panic), cluster.logs.display()));
        drop(cluster);
        if outcome.is_err() {
            match Arc::into_inner(stack) {
                Some(mut own) => own.keep_folder(),
                None => self.failed.store(true, Ordering::Relaxed),
            }
        }
        outcome
    }

    /// Starts it for the first who asks; where that fails, everybody is told why.
    async fn shared_stack(&self) -> Result<Arc<Stack>, String> {
        let started = self
            .stack
            .get_or_init(async || Ok(Mutex::new(Some(Arc::new(start(&Options::default()).await?)))));
        match started.await {
            Ok(stack) => stack.lock().await.clone().ok_or_else(|| "the stack is being taken down".to_owned()),
            Err(why) => Err(why.clone()),
        }
    }

    fn take_down(&self) {
        let stack = self.runtime.block_on(async {
            match self.stack.get() {
                Some(Ok(stack)) => stack.lock().await.take(),
                _ => None,
            }
        });
        let Some(mut stack) = stack.and_then(Arc::into_inner) else { return };
        if self.failed.load(Ordering::Relaxed) {
            stack.keep_folder();
            eprintln!("all logs: {}", stack.logs().display());
        }
    }

    fn listen_for_signals(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        self.runtime.spawn(async move {
            crate::interrupted().await;
            eprintln!("taking everything down");
            shared.stop.cancel();
            // Whoever asks twice cannot wait: the processes go with this one, folders stay.
            crate::interrupted().await;
            std::process::exit(130);
        });
    }
}

async fn start(options: &Options) -> Result<Stack, String> {
    let started = Instant::now();
    let stack = AssertUnwindSafe(Stack::start(options)).catch_unwind().await;
    let stack = stack.map_err(|panic| format!("the stack does not start: {}", words(&*panic)))?;
    eprintln!(
        "a stack is up after {:.1} s; it logs to {}",
        started.elapsed().as_secs_f64(),
        stack.logs().display()
    );
    Ok(stack)
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    words.unwrap_or("a panic without words").to_owned()
}
