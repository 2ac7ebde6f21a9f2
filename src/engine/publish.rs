//! The tick itself: every ref decided, and the table that readers see from then on.

use std::sync::Arc;

use super::{Engine, falls::Scene, queues::Queue};
use crate::{
    answers::{QueueRow, Row, Standing, Table},
    workloads::Sight,
};

/// Seconds between two looks for refs that nobody asks for any more.
const EXPIRE_EVERY: f64 = 30.0;

impl Engine {
    /// Decides for every ref and publishes the table.
    pub fn tick(&mut self, now: f64) {
        self.cluster.begin(now);
        if now - self.expired_at >= EXPIRE_EVERY {
            self.expired_at = now;
            self.expire(now);
        }
        self.tick += 1;
        self.compare_graces();
        let unread = |table: &Arc<Table>| Arc::strong_count(table) == 1;
        let mut table = self.spare.take().filter(unread).unwrap_or_default();
        self.fill(Arc::get_mut(&mut table).expect("nobody else holds it"), now);
        self.spare = Some(self.answers.publish(table));
        for (entry, count) in self.activated.drain(..) {
            entry.activations.send_replace(count);
        }
    }

    fn fill(&mut self, table: &mut Table, now: f64) {
        table.tick = self.tick;
        table.at = now;
        table.rows.resize_with(self.active.len(), || None);
        self.groups.divide(now, &mut self.active, &self.series, &self.queues, &self.cluster);
        for (active, row) in self.active.iter_mut().zip(&mut table.rows) {
            let Some(active) = active else {
                *row = None;
                continue;
            };
            let answer = active.decide(now, &self.series, &self.queues, &self.cluster);
            let standing = Standing::of(&active.state);
            let sighting = active.sighting.as_ref().filter(|_| self.cluster.sight() == Some(Sight::Clear));
            match row {
                Some(row) if Arc::ptr_eq(&row.entry, &active.entry) => {
                    row.answer = answer;
                    row.sighting = sighting.cloned();
                    row.standing = standing;
                }
                other => {
                    let (entry, sighting) = (active.entry.clone(), sighting.cloned());
                    *other = Some(Row { entry, answer, activations: 0, sighting, standing });
                }
            }
        }
        self.name_victims(table, now);
        self.note_activity(table, now);
        table.outcomes = self.outcomes;
        table.sight = self.cluster.sight();
        table.objects = self.cluster.objects();
        self.fill_queues(table, now);
    }

    fn name_victims(&mut self, table: &mut Table, now: f64) {
        table.costs.clear();
        if self.names_victims {
            let (refs, queues, cluster) = (&self.active, &self.queues, &mut self.cluster);
            let Table { rows, costs, .. } = table;
            self.falls.name_victims(Scene { now, rows, refs, queues, costs, cluster });
        }
    }

    /// Notes who turns active or not by what is answered now, and tells the log of watched refs.
    fn note_activity(&mut self, table: &mut Table, now: f64) {
        for (active, row) in self.active.iter_mut().zip(&mut table.rows) {
            let (Some(active), Some(row)) = (active, row) else { continue };
            // Not knowing changes nothing: coming back active is no new activation.
            if let Ok(decision) = &row.answer {
                if decision.active() && !active.activity.active {
                    active.activity.activations += 1;
                    self.activated.push((active.entry.clone(), active.activity.activations));
                }
                active.activity.active = decision.active();
                active.log_shadow(now, decision, &self.series, &self.cluster);
            }
            row.activations = active.activity.activations;
        }
    }

    fn fill_queues(&self, table: &mut Table, now: f64) {
        table.queues.truncate(self.queues.len());
        for (place, queue) in self.queues.iter().enumerate() {
            match table.queues.get_mut(place) {
                Some(row) if Arc::ptr_eq(&row.queue, &queue.known) => {
                    row.view = self.series.view(queue.index, now);
                    row.error.clone_from(&queue.error);
                    row.arrivals = self.series.arrivals(queue.index);
                    row.completions = self.series.completions(queue.index);
                    row.worker_refs = queue.worker_refs;
                    row.run_time = queue.run_time;
                }
                Some(row) => *row = self.queue_row(queue, now),
                None => table.queues.push(self.queue_row(queue, now)),
            }
        }
    }

    fn queue_row(&self, queue: &Queue, now: f64) -> QueueRow {
        QueueRow {
            queue: queue.known.clone(),
            view: self.series.view(queue.index, now),
            error: queue.error.clone(),
            arrivals: self.series.arrivals(queue.index),
            completions: self.series.completions(queue.index),
            worker_refs: queue.worker_refs,
            run_time: queue.run_time,
        }
    }
}
