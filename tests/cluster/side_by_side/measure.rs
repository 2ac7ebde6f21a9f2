//! One contender with so many ScaledObjects, on a stack and stores of its own.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::Mutex;

use crate::{
    api::{self, Replicas},
    cost::{self, Cost},
    crowd::{self, Crowd, Load, Observer, Queue, Scaler, Store, Stores},
    foresail::Foresail,
    metrics,
    stack::{Options, Stack},
};

/// One column of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    foresail: bool,
}

/// What one contender cost, and how fast it was.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) contender: Contender,
    /// From the first object created until every Deployment had the replicas that its queue wanted.
    pub(super) served: Duration,
    pub(super) redis: StoreUse,
    pub(super) postgres: StoreUse,
    /// Processor time of a minute.
    pub(super) operator: Cost,
    pub(super) foresail: Option<Cost>,
    /// From jobs enqueued to one replica wanted, of each object of the burst, ascending.
    pub(super) first: Vec<Duration>,
    /// And to as many as there are jobs.
    pub(super) last: Vec<Duration>,
    /// KEDA's count of failed scaler calls.
    pub(super) errors: f64,
}

/// What a store did in a minute.
#[derive(Debug)]
pub(super) struct StoreUse {
    pub(super) most_connections: u64,
    pub(super) a_minute: Load,
}

/// Every so many-th queue holds one job all the time, so its Deployment is at work and its HPA asks.
pub(super) const BUSY: usize = 3;

/// KEDA's `pollingInterval`, seconds; its default.
const POLLING: u32 = 30;

/// Queues of the burst, at rest before, and jobs for each.
pub(super) const BURST: usize = 40;
pub(super) const JOBS: usize = 10;

/// After everything is served, before the minutes that count.
const SETTLE: Duration = Duration::from_secs(30);
pub(super) const MINUTES: u32 = 2;

/// Between two looks at the connections.
const LOOK: Duration = Duration::from_secs(5);

impl Contender {
    pub(super) const ALL: [Self; 2] =
        [Self { name: "KEDA's own", foresail: false }, Self { name: "Foresail", foresail: true }];

    pub(super) async fn measure(self, size: usize) -> Measured {
        eprintln!("{} with {size} objects: starting a stack", self.name);
        let stack = Stack::start(&options()).await;
        let queues = size.div_ceil(2);
        // KEDA makes a connection a trigger, and another where two ask at once.
        let stores = Stores::start(queues, 2 * queues + 100).await;
        let sections = stores.sections() + &kubernetes(&stack);
        let foresail =
            if self.foresail { Some(Foresail::start(&stack.logs(), &sections).await) } else { None };
        let scaler = match &foresail {
            Some(foresail) => Scaler::Foresail { address: foresail.address() },
            None => Scaler::Keda,
        };
        let round = Round {
            contender: self,
            size,
            stack: &stack,
            observer: Mutex::new(stores.observer().await),
            stores: &stores,
            foresail: foresail.as_ref(),
            scaler,
        };
        let mut most = [0; 2];
        let measured = tokio::select! {
            measured = round.run() => measured,
            never = round.watch_connections(&mut most) => match never {},
        };
        let [redis, postgres] = most;
        Measured {
            redis: StoreUse { most_connections: redis, ..measured.redis },
            postgres: StoreUse { most_connections: postgres, ..measured.postgres },
            ..measured
        }
    }
}

/// Kubernetes as it comes; KEDA with the limits that so many objects need.
fn options() -> Options {
    Options { keda_args: Options::default().keda_args, ..Options::as_shipped() }
}

/// Foresail watches what it scales, as it should where it is used.
fn kubernetes(stack: &Stack) -> String {
    let (address, kubeconfig) = (Foresail::ADDRESS, stack.kubeconfig.display());
    format!("kubernetes: {{ addresses: [\"{address}\"], kubeconfig: {kubeconfig} }}\n")
}

struct Round<'a> {
    contender: Contender,
    size: usize,
    stack: &'a Stack,
    stores: &'a Stores,
    observer: Mutex<Observer<'a>>,
    foresail: Option<&'a Foresail>,
    scaler: Scaler,
}

impl Round<'_> {
    async fn run(&self) -> Measured {
        let busy: Vec<Queue> = (0..self.size).step_by(BUSY).map(|index| self.stores.queue(index)).collect();
        self.stores.enqueue(&busy, 1).await;
        let namespace = api::create_namespace(&self.stack.client, "crowd").await;
        let started = Instant::now();
        let crowd =
            Crowd::create(&self.stack.client, &namespace, self.size, self.stores, &self.scaler, POLLING)
                .await;
        let patience = Duration::from_mins(15);
        crowd.until_ready(patience).await;
        crowd.until_wanted(|index| u64::from(index.is_multiple_of(BUSY)), patience).await;
        let served = started.elapsed();
        eprintln!("{}: served after {:.0} s; counting", self.contender.name, served.as_secs_f64());

        tokio::time::sleep(SETTLE).await;
        let before = self.look().await;
        tokio::time::sleep(Duration::from_mins(MINUTES.into())).await;
        let after = self.look().await;
        eprintln!("{}: counted; jobs come", self.contender.name);

        let (first, last) = self.burst(&crowd).await;
        let page = self.stack.keda.lock().await.operator_metrics();
        let a_minute = |store: fn(&Look) -> Load| StoreUse {
            most_connections: 0,
            a_minute: Load::since(&store(&before), &store(&after)).divided_by(MINUTES),
        };
        let process =
            |before: Cost, after: Cost| Cost { cpu: after.cpu.saturating_sub(before.cpu) / MINUTES, ..after };
        Measured {
            contender: self.contender,
            served,
            redis: a_minute(|look| look.redis),
            postgres: a_minute(|look| look.postgres),
            operator: process(before.operator, after.operator),
            foresail: before.foresail.zip(after.foresail).map(|(before, after)| process(before, after)),
            first,
            last,
            errors: metrics::sum(&page, "keda_scaler_detail_errors_total", |_| true),
        }
    }

    async fn look(&self) -> Look {
        let mut observer = self.observer.lock().await;
        Look {
            redis: observer.load(Store::Redis).await,
            postgres: observer.load(Store::Postgres).await,
            operator: cost::of(self.stack.keda.lock().await.operator_id()),
            foresail: self.foresail.map(|foresail| cost::of(foresail.process.id())),
        }
    }

    /// Jobs come to queues that were empty, all at once; how long until the first replica of each was wanted, and
    /// until all were.
    async fn burst(&self, crowd: &Crowd) -> (Vec<Duration>, Vec<Duration>) {
        let resting = |store| {
            let all = (0..self.size).filter(|index| index % BUSY == 1);
            all.filter(move |&index| self.stores.queue(index).store == store)
        };
        let some = |store| {
            let step = resting(store).count() / (BURST / 2);
            resting(store).step_by(step.max(1)).take(BURST / 2)
        };
        let chosen: Vec<usize> = some(Store::Redis).chain(some(Store::Postgres)).collect();
        let watches = chosen.iter().map(async |&index| {
            Replicas::watch(&self.stack.client, crowd.namespace(), &crowd::name(index)).await
        });
        let watches = join_all(watches).await;
        let queues: Vec<Queue> = chosen.iter().map(|&index| self.stores.queue(index)).collect();
        let enqueued = Instant::now();
        self.stores.enqueue(&queues, JOBS).await;
        let jobs = i32::try_from(JOBS).expect("ten is a small number");
        join_all(watches.iter().map(|watch| watch.until_wanted(jobs, Duration::from_mins(5)))).await;
        let reached = |wanted: i32| {
            let mut waits: Vec<Duration> = watches
                .iter()
                .filter_map(|watch| watch.since(enqueued).into_iter().find(|seen| seen.wanted >= wanted))
                .map(|seen| seen.at.saturating_duration_since(enqueued))
                .collect();
            waits.sort();
            waits
        };
        (reached(1), reached(jobs))
    }

    /// Never ends; `most` holds the most connections of each store so far.
    async fn watch_connections(&self, most: &mut [u64; 2]) -> std::convert::Infallible {
        loop {
            {
                let mut observer = self.observer.lock().await;
                for (most, store) in most.iter_mut().zip([Store::Redis, Store::Postgres]) {
                    *most = (*most).max(observer.load(store).await.connections);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Everything that grows, at one instant.
struct Look {
    redis: Load,
    postgres: Load,
    operator: Cost,
    foresail: Option<Cost>,
}
