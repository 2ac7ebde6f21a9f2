//! When objects of one kind came, were ready and went, as the API server said it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use foresail::clock::{Clock as _, WallClock};
use futures_util::{StreamExt as _, pin_mut};
use kube::{
    Api, ResourceExt as _,
    api::DynamicObject,
    runtime::{WatchStreamExt as _, watcher},
};
use tokio::task::AbortHandle;

use crate::api::has_condition;

/// One object's life, in Unix seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) came: f64,
    pub(super) ready: Option<f64>,
    pub(super) went: Option<f64>,
}

/// Records until it drops.
pub(super) struct Lives {
    record: Arc<Mutex<BTreeMap<String, Life>>>,
    task: AbortHandle,
}

impl Lives {
    /// Of those objects that `labels` select; they are ready once `condition` of their status is true.
    pub(super) fn watch(api: Api<DynamicObject>, labels: &str, condition: &'static str) -> Self {
        let config = watcher::Config::default().labels(labels);
        let record = Arc::<Mutex<BTreeMap<String, Life>>>::default();
        let writer = Arc::clone(&record);
        let task = tokio::spawn(async move {
            let events = watcher(api, config).default_backoff();
            pin_mut!(events);
            let mut listed = BTreeSet::new();
            while let Some(event) = events.next().await {
                let mut lives = lock(&writer);
                match event {
                    Ok(watcher::Event::Init) => listed.clear(),
                    Ok(watcher::Event::InitApply(object)) => {
                        see(&mut lives, &object, condition);
                        listed.insert(object.name_any());
                    }
                    // What a new list has not went while nobody looked.
                    Ok(watcher::Event::InitDone) => {
                        let gone = lives.iter_mut().filter(|(name, _)| !listed.contains(*name));
                        gone.for_each(|(_, life)| life.go());
                    }
                    Ok(watcher::Event::Apply(object)) => see(&mut lives, &object, condition),
                    Ok(watcher::Event::Delete(object)) => {
                        see(&mut lives, &object, condition);
                        lives.get_mut(&object.name_any()).into_iter().for_each(Life::go);
                    }
                    Err(_) => {}
                }
            }
        });
        Self { record, task: task.abort_handle() }
    }

    /// All that there were, those included that went.
    pub(super) fn all(&self) -> Vec<Life> {
        lock(&self.record).values().copied().collect()
    }
}

impl Drop for Lives {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Life {
    fn go(&mut self) {
        self.went.get_or_insert_with(now);
    }
}

fn see(lives: &mut BTreeMap<String, Life>, object: &DynamicObject, condition: &str) {
    let new = || Life { came: now(), ready: None, went: None };
    let life = lives.entry(object.name_any()).or_insert_with(new);
    if has_condition(&object.data, condition) {
        life.ready.get_or_insert_with(now);
    }
}

fn lock(record: &Mutex<BTreeMap<String, Life>>) -> MutexGuard<'_, BTreeMap<String, Life>> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Unix seconds.
pub(super) fn now() -> f64 {
    WallClock::new().now()
}
