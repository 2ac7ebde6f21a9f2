//! Traps that objects are in, told as Events on those objects: `kubectl describe` shows them.

mod remarks;

use std::time::Duration;

use k8s_openapi::api::{
    core::v1::ObjectReference,
    events::v1::{Event, EventSeries},
};
use kube::{
    Api, Error,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::remarks::{Remark, Remarks};
use crate::{
    answers::ObjectRow,
    hints::{Part, late, lease::micro_time},
};

/// Who reports, and who writes.
const REPORTER: &str = "foresail";

/// The version of KEDA's kinds.
const KEDA: &str = "keda.sh/v1alpha1";

/// How long the API server may take for one Event.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is seen whether there is something to say.
const BEAT: Duration = Duration::from_secs(1);

/// Seconds between two looks at all objects: there may be thousands.
const LOOK_EVERY: f64 = 5.0;

/// Tells traps for as long as this replica is the one that writes, until `part.stop` is cancelled.
pub(super) async fn run(part: &Part) {
    let mut remarks = Remarks::default();
    let mut trouble = None;
    let mut looked = f64::NEG_INFINITY;
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = part.stop.cancelled() => return,
            _ = beat.tick() => {}
        }
        let now = part.clock.now();
        if !part.leadership.is_held(now) {
            continue;
        }
        if now - looked >= LOOK_EVERY {
            looked = now;
            remarks.look(part.answers.load().objects.iter().flat_map(of_object));
        }
        let Some(remark) = remarks.next(now) else { continue };
        let written = tokio::select! {
            () = part.stop.cancelled() => return,
            written = timeout(PATIENCE, write(part, &remark, now)) => written,
        };
        let error = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(in_words(&error, &remark)),
            Err(_) => Some(late(PATIENCE)),
        };
        let result = if error.is_none() { "ok" } else { "error" };
        part.metrics.hints.events.with_label_values(&[result]).inc();
        if let Some(error) = &error
            && trouble.as_ref() != Some(error)
        {
            tracing::warn!(object = %remark.object, trap = remark.trap, error, "an Event could not be written");
        }
        match error {
            None => remarks.said(&remark),
            Some(_) => remarks.failed(remark, now),
        }
        trouble = error;
    }
}

/// All that there is to say of an object.
fn of_object(row: &ObjectRow) -> impl Iterator<Item = Remark> {
    let uid = row.sighting.object.as_ref().map_or("", |object| &*object.uid);
    row.traps().map(move |(trap, note)| Remark::new(row.sighting.name.clone(), uid, trap, note))
}

/// Writes the Event, or that what it says was found again.
async fn write(part: &Part, remark: &Remark, now: f64) -> Result<(), Error> {
    let events: Api<Event> = Api::namespaced(part.client.clone(), &remark.object.namespace);
    let event = event(remark, part.leadership.me(), now);
    match events.create(&PostParams::default(), &event).await {
        // By another replica, or by this one before it was started again. It may not be read how often, so the count
        // stays at the least that makes a series.
        Err(Error::Api(status)) if status.is_already_exists() => {
            let series = EventSeries { count: 2, last_observed_time: micro_time(now) };
            let patch = Patch::Merge(json!({ "series": series }));
            events.patch(&remark.event_name(), &PatchParams::default(), &patch).await.map(drop)
        }
        other => other.map(drop),
    }
}

fn event(remark: &Remark, me: &str, now: f64) -> Event {
    let object = &remark.object;
    let regarding = ObjectReference {
        api_version: Some(KEDA.to_owned()),
        kind: Some(object.kind.clone()),
        namespace: Some(object.namespace.clone()),
        name: Some(object.name.clone()),
        uid: (!remark.uid.is_empty()).then(|| remark.uid.to_string()),
        ..ObjectReference::default()
    };
    Event {
        metadata: ObjectMeta {
            name: Some(remark.event_name()),
            namespace: Some(object.namespace.clone()),
            ..ObjectMeta::default()
        },
        type_: Some("Warning".to_owned()),
        reason: Some(remark.reason()),
        note: Some(remark.note.clone()),
        action: Some("Scaling".to_owned()),
        regarding: Some(regarding),
        event_time: Some(micro_time(now)),
        reporting_controller: Some(REPORTER.to_owned()),
        reporting_instance: Some(me[..me.floor_char_boundary(128)].to_owned()),
        ..Event::default()
    }
}

fn in_words(error: &Error, remark: &Remark) -> String {
    match error {
        Error::Api(status) if status.code == 403 => format!(
            "{}: it wants a Role in namespace {} with create and patch of events in events.k8s.io",
            status.message, remark.object.namespace
        ),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
