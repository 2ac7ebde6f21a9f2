//! From what the witnesses saw to the lines of a timeline.

use foresail::sim::timeline::{Answer, Event, Line};

use super::{
    audit::Audit,
    tap::{Call, What},
};

/// All events since `began` (Unix seconds), in the order of time.
pub(super) fn lines(began: f64, mut events: Vec<(f64, Event)>, calls: &[Call], audit: &Audit) -> Vec<Line> {
    events.extend(visits(calls, &audit.reads));
    events.extend(audit.writes.iter().map(|&(at, by, replicas)| (at, Event::Scaled { by, replicas })));
    // Stable: what one witness said at one instant stays in its order.
    events.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let line = |(at, event): (f64, Event)| Line { at: milliseconds((at - began).max(0.0)), event };
    events.into_iter().map(line).collect()
}

/// KEDA's calls as visits. KEDA calls on behalf of the HPA in the same way as when it polls: a visit that falls into
/// a read of the HPA's is the HPA's.
fn visits(calls: &[Call], reads: &[(f64, f64)]) -> Vec<(f64, Event)> {
    let mut events = Vec::new();
    let mut unary = Vec::new();
    for call in calls {
        match call.what {
            What::StreamOpened => events.push((call.began, Event::StreamOpened {})),
            What::StreamEnded => events.push((call.ended, Event::StreamEnded {})),
            What::Pushed(active) => events.push((call.ended, Event::Pushed { active })),
            _ => unary.push(*call),
        }
    }
    unary.sort_by(|one, other| one.began.total_cmp(&other.began));
    for &(began, ended) in reads {
        let within = |call: &Call| call.began >= began && call.ended <= ended;
        let (value, active) = take_visit(&mut unary, within).map_or((None, None), |visit| visit.answers());
        events.push((began, Event::HpaSynced(Answer { value, active, took: milliseconds(ended - began) })));
    }
    while let Some(visit) = take_visit(&mut unary, |_| true) {
        let (value, active) = visit.answers();
        let took = milliseconds(visit.ended() - visit.began());
        events.push((visit.began(), Event::KedaPolled(Answer { value, active, took })));
    }
    for call in unary {
        if let What::Spec(target) = call.what {
            events.push((call.began, Event::TargetAsked { target }));
        }
    }
    events
}

/// `GetMetricSpec`, `GetMetrics`, `IsActive`, in this order. KEDA asks a second time at once where `GetMetrics`
/// fails, and leaves `IsActive` where that fails too.
struct Visit {
    spec: Option<Call>,
    metrics: Call,
    is_active: Option<Call>,
}

/// Takes the first visit that is made of fitting calls.
fn take_visit(calls: &mut Vec<Call>, fits: impl Fn(&Call) -> bool) -> Option<Visit> {
    let at = calls.iter().position(|call| matches!(call.what, What::Metrics(_)) && fits(call))?;
    let mut metrics = calls.remove(at);
    if failed(metrics)
        && calls.get(at).is_some_and(|call| matches!(call.what, What::Metrics(_)) && fits(call))
    {
        metrics = calls.remove(at);
    }
    let is_active = calls[at..].iter().position(|call| matches!(call.what, What::IsActive(_)) && fits(call));
    let is_active = is_active.filter(|_| !failed(metrics)).map(|after| calls.remove(at + after));
    let spec = calls[..at].iter().rposition(|call| matches!(call.what, What::Spec(_)) && fits(call));
    let spec = spec.map(|before| calls.remove(before));
    Some(Visit { spec, metrics, is_active })
}

fn failed(metrics: Call) -> bool {
    metrics.what == What::Metrics(None)
}

impl Visit {
    fn began(&self) -> f64 {
        self.spec.unwrap_or(self.metrics).began
    }

    fn ended(&self) -> f64 {
        self.is_active.unwrap_or(self.metrics).ended
    }

    fn answers(&self) -> (Option<f64>, Option<bool>) {
        let value = if let What::Metrics(value) = self.metrics.what { value } else { None };
        let active = self
            .is_active
            .and_then(|call| if let What::IsActive(active) = call.what { active } else { None });
        (value, active)
    }
}

fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
