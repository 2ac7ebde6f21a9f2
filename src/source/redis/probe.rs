//! One queue while it is read: its commands in two rounds, and what their answers mean.

use std::time::Instant;

use redis::Value;

use crate::{
    config::source::MissingQueue,
    series::Sample,
    source::{
        QueueError,
        redis::{
            ask::{Answers, Place, Refusal, Round, To},
            held::{self, HeldProbe},
            memory::{QueueMemory, Sweep},
            recipe::{Field, Plan, Step},
            stream::StreamProbe,
            template::Places,
            value::{bytes, count, float, items},
        },
    },
};

/// One queue while it is read.
#[derive(Debug)]
pub(super) struct Probe<'a> {
    plan: &'a Plan,
    queue: &'a str,
    now: f64,
    steps: Vec<(&'a Step, Place)>,
    held: Option<HeldProbe<'a>>,
    tail: Option<Place>,
    stream: Option<StreamProbe>,
    failed: Option<Refusal>,
}

impl<'a> Probe<'a> {
    /// Asks for everything that does not depend on an answer; `now` is Unix seconds on the clock of
    /// the server that holds the queue.
    pub(super) fn start(
        plan: &'a Plan,
        queue: &'a str,
        now: f64,
        memory: &QueueMemory,
        round: &mut Round,
    ) -> Self {
        let now_text = plan.unit.write(now);
        let places = Places { queue, worker: "", now: &now_text };
        let steps = plan.steps.iter().map(|step| {
            let mut command = redis::Cmd::new();
            for word in &step.words {
                command.arg(word.fill(places));
            }
            (step, round.push(To::KeyAt(1), command))
        });
        let steps = steps.collect();
        let stuck_after = plan.layout.stuck_after;
        Self {
            plan,
            queue,
            now,
            steps,
            held: plan.held.as_ref().map(|held| HeldProbe::start(held, queue, stuck_after, memory, round)),
            tail: plan
                .tail
                .as_ref()
                .map(|(list, end)| round.push(To::KeyAt(1), held::oldest(&list.fill(places), *end, 1))),
            stream: plan.stream.as_ref().map(|(key, group)| {
                StreamProbe::start(key.fill(places), group.fill(places), stuck_after, round)
            }),
            failed: None,
        }
    }

    /// Asks for what depends on the first round.
    pub(super) fn follow(
        &mut self,
        first: &Answers,
        sweep: Option<&Sweep>,
        version: [u32; 3],
        round: &mut Round,
    ) {
        let held = self.held.as_mut().map_or(Ok(()), |held| held.follow(first, sweep, round));
        let stream = self.stream.as_mut().map_or(Ok(()), |stream| stream.follow(first, version, round));
        self.failed = held.and(stream).err();
    }

    /// What was read.
    ///
    /// # Errors
    /// A command was refused, an answer has a wrong shape, or the queue is missing and must not be.
    pub(super) fn finish(
        self,
        first: &Answers,
        second: &Answers,
        memory: &mut QueueMemory,
        at: Instant,
    ) -> Result<Sample, QueueError> {
        let (plan, queue) = (self.plan, self.queue);
        let sample =
            self.sample(first, second, memory, at).map_err(|refusal| QueueError::Read(refusal.what))?;
        if !sample.seen && plan.layout.missing_queue == MissingQueue::Error {
            return Err(QueueError::Missing(queue.to_owned()));
        }
        Ok(sample)
    }

    fn sample(
        self,
        first: &Answers,
        second: &Answers,
        memory: &mut QueueMemory,
        at: Instant,
    ) -> Result<Sample, Refusal> {
        let layout = &self.plan.layout;
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if let Some(stream) = self.stream {
            return stream.finish(first, second, self.now, layout);
        }
        let mut sample = Sample::default();
        for (step, place) in &self.steps {
            self.take(step.gives, first.at(*place)?, &mut sample)?;
        }
        // The commands of a round are not one transaction.
        sample.stuck = sample.stuck.map(|stuck| sample.in_flight.map_or(stuck, |held| stuck.min(held)));
        if let Some(place) = self.tail {
            let element = items(first.at(place)?).ok_or_else(|| self.odd("LRANGE"))?;
            let stood = memory.tail.update(element.iter().filter_map(bytes), at);
            sample.oldest_age = stood.first().map(std::time::Duration::as_secs_f64);
        }
        if let Some(held) = self.held {
            let held = held.finish(first, second, memory, at, |worker| layout.pod_of(worker).into())?;
            sample.in_flight = held.in_flight;
            sample.stuck = held.stuck;
            sample.holders = held.holders;
            sample.quality = sample.quality.max(held.quality);
        }
        let counts = [sample.waiting, sample.scheduled, sample.in_flight];
        sample.seen = counts.iter().flatten().any(|count| *count > 0);
        Ok(sample)
    }

    fn take(&self, field: Field, answer: &Value, sample: &mut Sample) -> Result<(), Refusal> {
        let total = match field {
            Field::Waiting => &mut sample.waiting,
            Field::Scheduled => &mut sample.scheduled,
            Field::InFlight => &mut sample.in_flight,
            Field::Stuck => &mut sample.stuck,
            Field::ArrivalsTotal => &mut sample.arrivals_total,
            Field::CompletionsTotal => &mut sample.completions_total,
            Field::NextDue => {
                let due = self.time(answer)?.map(|time| time - self.now);
                if let Some(far) = due.filter(|due| *due > FAR) {
                    let years = far / (365.0 * 86400.0);
                    return Err(Refusal::of_node(format!(
                        "queue {:?}: its next job is due in {years:.0} years; is score_unit right?",
                        self.queue,
                    )));
                }
                sample.next_due =
                    due.map(|due| due.max(0.0)).into_iter().chain(sample.next_due).reduce(f64::min);
                return Ok(());
            }
            Field::OldestAge => {
                // A score of 0 means "at once", not 1970.
                let age =
                    self.time(answer)?.map(|time| self.now - time).filter(|age| (0.0..FAR).contains(age));
                sample.oldest_age = age.into_iter().chain(sample.oldest_age).reduce(f64::max);
                return Ok(());
            }
        };
        let more = count(answer).ok_or_else(|| self.odd("a count"))?;
        *total = Some(total.unwrap_or(0).saturating_add(more));
        Ok(())
    }

    /// Unix seconds from the score of the first element, where there is one and its score is finite.
    fn time(&self, answer: &Value) -> Result<Option<f64>, Refusal> {
        let elements = items(answer).ok_or_else(|| self.odd("an element with its score"))?;
        let Some(score) = elements.get(1) else { return Ok(None) };
        let score = float(score).ok_or_else(|| self.odd("a score"))?;
        Ok(score.is_finite().then(|| score / self.plan.unit.per_second()))
    }

    fn odd(&self, what: &str) -> Refusal {
        Refusal::of_node(format!("queue {:?}: {what} has an answer of a wrong shape", self.queue))
    }
}

/// Seconds that no job lies ahead or waits: a score so far off has another unit.
const FAR: f64 = 20.0 * 365.0 * 86400.0;
