//! A Deployment's replicas over time, recorded by a watch: so that a scenario can say what never happened.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, pin_mut};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt as _, watcher},
};
use tokio::{sync::Notify, task::AbortHandle};

/// What the Deployment said at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    /// Asked for: what KEDA and the HPA write.
    pub(crate) wanted: i32,
    /// Pods that are there.
    pub(crate) current: i32,
    pub(crate) ready: i32,
}

/// Records one Deployment until it drops.
#[derive(Debug)]
pub(crate) struct Replicas {
    name: String,
    record: Arc<Record>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Record {
    seen: Mutex<Vec<Seen>>,
    changed: Notify,
}

impl Replicas {
    /// Starts the watch, and waits until the Deployment was seen.
    pub(crate) async fn watch(client: &Client, namespace: &str, name: &str) -> Self {
        let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let record = Arc::new(Record::default());
        let writer = Arc::clone(&record);
        let task = tokio::spawn(async move {
            let events = watcher(api, config).default_backoff().applied_objects();
            pin_mut!(events);
            while let Some(event) = events.next().await {
                if let Ok(deployment) = event {
                    writer.push(&deployment);
                }
            }
        });
        let replicas = Self { name: format!("{namespace}/{name}"), record, task: task.abort_handle() };
        replicas.until("it is there", Duration::from_secs(30), |_| true).await;
        replicas
    }

    /// The newest.
    pub(crate) fn now(&self) -> Seen {
        *self.record.lock().last().expect("watch() waited for the first")
    }

    /// Waits until `wanted` replicas are asked for; how long it took.
    pub(crate) async fn until_wanted(&self, wanted: i32, deadline: Duration) -> Duration {
        self.until(&format!("{wanted} replicas are wanted"), deadline, |seen| seen.wanted == wanted).await
    }

    /// Waits until `ready` pods are Ready; how long it took.
    pub(crate) async fn until_ready(&self, ready: i32, deadline: Duration) -> Duration {
        self.until(&format!("{ready} pods are ready"), deadline, |seen| seen.ready == ready).await
    }

    /// Waits until the newest state is as `fits` says; panics with the history otherwise.
    pub(crate) async fn until(
        &self,
        what: &str,
        deadline: Duration,
        fits: impl Fn(&Seen) -> bool,
    ) -> Duration {
        let started = Instant::now();
        let waited = tokio::time::timeout(deadline, async {
            loop {
                let changed = self.record.changed.notified();
                if self.record.lock().last().is_some_and(&fits) {
                    return;
                }
                changed.await;
            }
        });
        assert!(
            waited.await.is_ok(),
            "waited {deadline:?} in vain until of {} {what}; {}",
            self.name,
            self.history(started)
        );
        started.elapsed()
    }

    /// The fewest and the most replicas that were asked for since `since`, the state at that instant included.
    pub(crate) fn wanted_since(&self, since: Instant) -> (i32, i32) {
        let seen = self.since(since);
        let wanted = seen.iter().map(|seen| seen.wanted);
        (wanted.clone().min().unwrap_or(0), wanted.max().unwrap_or(0))
    }

    /// Ready pods times seconds, from `since` until now.
    pub(crate) fn ready_seconds(&self, since: Instant) -> f64 {
        let seen = self.since(since);
        let ends = seen.iter().skip(1).map(|next| next.at).chain([Instant::now()]);
        seen.iter()
            .zip(ends)
            .map(|(one, end)| f64::from(one.ready) * end.duration_since(one.at.max(since)).as_secs_f64())
            .sum()
    }

    /// Every state since `since`, and the one that held at that instant.
    pub(crate) fn since(&self, since: Instant) -> Vec<Seen> {
        let seen = self.record.lock();
        let first = seen.iter().rposition(|one| one.at <= since).unwrap_or(0);
        seen[first..].to_vec()
    }

    /// Wanted, current and ready since `since` (seconds after it), for a message.
    pub(crate) fn history(&self, since: Instant) -> String {
        let lines = self.since(since).into_iter().map(|seen| {
            let after = seen.at.saturating_duration_since(since).as_secs_f64();
            format!("+{after:.1}s: {} wanted, {} there, {} ready", seen.wanted, seen.current, seen.ready)
        });
        lines.collect::<Vec<_>>().join("; ")
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Record {
    fn push(&self, deployment: &Deployment) {
        let status = deployment.status.as_ref();
        let seen = Seen {
            at: Instant::now(),
            wanted: deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
            current: status.and_then(|status| status.replicas).unwrap_or(0),
            ready: status.and_then(|status| status.ready_replicas).unwrap_or(0),
        };
        self.lock().push(seen);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
