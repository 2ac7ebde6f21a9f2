//! Copies what was learned for whoever asks.

use std::sync::Arc;

use crate::{
    answers::{ASKED_AT_ONCE, Learned, LearnedQueue, LearnedRef, Question},
    engine::Engine,
    refs::RefEntry,
    series::KnownQueue,
};

impl Engine {
    /// Answers a question; what it names beyond [`ASKED_AT_ONCE`] is not answered.
    pub fn reply(&self, question: Question) {
        let Question { queues, refs, reply } = question;
        let learned = Learned {
            queues: queues.iter().take(ASKED_AT_ONCE).map(|queue| self.learned_queue(queue)).collect(),
            refs: refs.iter().take(ASKED_AT_ONCE).map(|entry| self.learned_ref(entry)).collect(),
        };
        // Whoever asked may have gone.
        let _ = reply.send(learned);
    }

    fn learned_queue(&self, known: &Arc<KnownQueue>) -> Option<LearnedQueue> {
        let queue = self.queues.get(known)?;
        Some(LearnedQueue { forecast: queue.learner.forecast().clone(), zone: queue.zone.clone() })
    }

    fn learned_ref(&self, entry: &Arc<RefEntry>) -> Option<LearnedRef> {
        let active =
            self.active.get(entry.row)?.as_ref().filter(|active| Arc::ptr_eq(&active.entry, entry))?;
        let policy = &active.spec.as_ref().ok()?.policy;
        Some(LearnedRef {
            lead: active.state.lead.clone(),
            lead_time: active.state.lead_time(),
            budget: active.state.budget,
            allowed: policy.budget,
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::engine::queues::turn;
    use crate::{
        answers::Answers,
        clock::VirtualClock,
        config::Config,
        refs::{Caller, RefKey, Refs, resolve},
        sampler::{ReadBatch, Reading},
        series::Sample,
        telemetry::Metrics,
    };

    const CONFIG: &str = "
sources: { jobs: { redis: { host: h }, namespaces: { chem: [\"*\"] }, layouts: { list: { preset: redis-list } } } }
policies: { default: { budget: 0.125 } }
";

    fn engine(names: &[&str]) -> (Engine, Arc<Answers>) {
        let config = Arc::new(Config::from_yaml("test", CONFIG).unwrap());
        let answers = Arc::new(Answers::default());
        let (sender, added) = std::sync::mpsc::channel();
        let refs = Arc::new(Refs::new(move |entry| sender.send(entry).unwrap()));
        let mut engine = Engine::new(config.clone(), refs.clone(), answers.clone());
        for &name in names {
            let key = RefKey::new("chem".into(), name.into(), [("queue".to_owned(), name.to_owned())]);
            let (spec, _) = resolve(&key, &config, Caller::Keda).unwrap();
            refs.add(key, spec, Caller::Keda, 0.0).unwrap();
            engine.adopt(added.recv().unwrap());
        }
        engine.announce();
        (engine, answers)
    }

    #[test]
    fn what_comes_of_forecasts_and_of_jobs_is_counted_into_the_table_and_into_metrics() {
        let (mut engine, answers) = engine(&["md", "ct"]);
        let interest = Arc::new(engine.interests()["jobs"].borrow().clone());
        for second in 0..400_u32 {
            let at = f64::from(second);
            // Two jobs run at any time, and one ends every ten seconds.
            let done = u64::from(second / 10);
            let sample = Sample {
                waiting: Some(0),
                in_flight: Some(2),
                arrivals_total: Some(2 + done),
                completions_total: Some(done),
                seen: true,
                ..Sample::default()
            };
            let samples = vec![Ok(sample.clone()), Ok(sample)];
            let result = Ok(ReadBatch { samples, identity: None });
            engine.absorb(Reading { source: "jobs".into(), at, interest: interest.clone(), result });
            engine.tick(at);
        }
        let table = answers.load();
        // The first forecast of a queue comes out after its own length, then one at each third of that; the second queue
        // begins later.
        let of = |length: f64, place| ((399.0 - length) / (length / 3.0) - turn(place)).floor() + 1.0;
        let each = |length: f64| of(length, 0) + of(length, 1);
        assert_eq!(
            table.outcomes.map(|of| of.number.to_string()),
            [30.0, 90.0, 300.0].map(|at| each(at).to_string())
        );
        let run_time = table.queues[0].run_time.unwrap();
        // Two at a time and one in ten seconds: 20 s, and what is assumed of a new queue counts for one job.
        assert!((20.0..200.0).contains(&run_time), "{run_time}");
        let metrics = Metrics::new(answers.clone(), Arc::new(VirtualClock::new(400.0))).text();
        for line in [
            format!("foresail_forecast_outcomes_total{{horizon=\"lead\"}} {}", each(90.0)),
            "foresail_forecast_loss_total{horizon=\"short\",of=\"persistence\"} ".to_owned(),
            "foresail_forecast_covered_total{horizon=\"long\",level=\"0.97\"} ".to_owned(),
            "foresail_ref_busy_seconds_total{metric=\"foresail-md".to_owned(),
            "foresail_queue_run_seconds{layout=\"list\"".to_owned(),
        ] {
            assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
        }
    }

    #[test]
    fn a_question_is_answered_by_place_for_a_bounded_number_and_not_of_what_has_gone() {
        let (mut engine, _) = engine(&["md", "gone"]);
        let entries: Vec<_> = engine.active.iter().flatten().map(|active| active.entry.clone()).collect();
        let known: Vec<_> = engine.active.iter().flatten().filter_map(|one| one.queue.clone()).collect();
        entries[0].touch(1e6);
        engine.expire(1e6);

        let ask = |queues: Vec<_>, refs: Vec<_>| {
            let (reply, mut learned) = oneshot::channel();
            engine.reply(Question { queues, refs, reply });
            learned.try_recv().unwrap()
        };
        let Learned { queues, refs } = ask(known.clone(), entries.clone());
        assert_eq!([queues[0].is_some(), queues[1].is_some()], [true, false]);
        assert_eq!(
            [refs[0].as_ref().map(|one| one.allowed), refs[1].as_ref().map(|_| 0.0)],
            [Some(0.125), None]
        );
        let many = ask(vec![known[0].clone(); 1_000], vec![entries[0].clone(); 1_000]);
        assert_eq!((many.queues.len(), many.refs.len()), (ASKED_AT_ONCE, ASKED_AT_ONCE));
    }
}
