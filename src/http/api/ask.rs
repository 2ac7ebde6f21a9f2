//! Reports are completed with what was learned, a bounded number of them, a few at a time.

use std::sync::Arc;

use super::{
    QueueReport, RefReport,
    learned::{AheadReport, ForecastReport, LeadReport, ServiceReport, SpendReport},
};
use crate::{
    answers::{ASKED_AT_ONCE, LearnedQueue},
    http::Http,
    refs::RefEntry,
    series::KnownQueue,
};

/// Reports of a list that are completed: each is some kilobytes of JSON.
const AT_MOST: usize = 1_000;

/// A queue that was found, and its report.
pub(super) struct Found {
    pub(super) queue: Arc<KnownQueue>,
    pub(super) report: QueueReport,
}

/// A ref that was found, its queue, and its report.
pub(super) struct FoundRef {
    pub(super) entry: Arc<RefEntry>,
    pub(super) queue: Option<Arc<KnownQueue>>,
    pub(super) report: RefReport,
}

/// Completes the first of these, as long as the engine answers in time.
pub(super) async fn of_queues(http: &Http, found: &mut [Found]) {
    for some in first(found).chunks_mut(ASKED_AT_ONCE) {
        let queues = some.iter().map(|found| found.queue.clone()).collect();
        let Some(learned) = http.ask(queues, Vec::new()).await else { return };
        for (found, learned) in some.iter_mut().zip(learned.queues) {
            if let Some(learned) = learned {
                found.report.complete(&learned);
            }
        }
    }
}

/// Completes the first of these, as long as the engine answers in time.
pub(super) async fn of_refs(http: &Http, found: &mut [FoundRef]) {
    for some in first(found).chunks_mut(ASKED_AT_ONCE) {
        let queues = some.iter().filter_map(|found| found.queue.clone()).collect();
        let entries = some.iter().map(|found| found.entry.clone()).collect();
        let Some(learned) = http.ask(queues, entries).await else { return };
        let mut of_queues = learned.queues.into_iter();
        for (found, of_ref) in some.iter_mut().zip(learned.refs) {
            let report = &mut found.report;
            report.lead = of_ref.as_ref().map(|learned| LeadReport::of(&learned.lead));
            report.spend = of_ref.as_ref().map(SpendReport::of);
            let of_queue = found.queue.as_ref().and_then(|_| of_queues.next().flatten());
            let Some(of_queue) = of_queue else { continue };
            report.ahead = of_ref.map(|learned| AheadReport::of(&of_queue.forecast, learned.lead_time));
            if let Some(queue) = &mut report.queue {
                queue.complete(&of_queue);
            }
        }
    }
}

fn first<T>(all: &mut [T]) -> &mut [T] {
    let most = all.len().min(AT_MOST);
    &mut all[..most]
}

impl QueueReport {
    fn complete(&mut self, learned: &LearnedQueue) {
        self.forecast = Some(ForecastReport::of(learned));
        self.service = Some(ServiceReport::of(learned.forecast.service()));
    }
}
