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
            budget: active.state.budget,
            allowed: policy.budget,
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        answers::Answers,
        config::Config,
        refs::{Caller, RefKey, Refs, resolve},
    };

    const CONFIG: &str = "
sources: { jobs: { redis: { host: h }, namespaces: { chem: [\"*\"] }, layouts: { list: { preset: redis-list } } } }
policies: { default: { budget: 0.125 } }
";

    #[test]
    fn a_question_is_answered_by_place_for_a_bounded_number_and_not_of_what_has_gone() {
        let config = Arc::new(Config::from_yaml("test", CONFIG).unwrap());
        let (sender, added) = std::sync::mpsc::channel();
        let refs = Arc::new(Refs::new(move |entry| sender.send(entry).unwrap()));
        let mut engine = Engine::new(config.clone(), refs.clone(), Arc::new(Answers::default()));
        for name in ["md", "gone"] {
            let key = RefKey::new("chem".into(), name.into(), [("queue".to_owned(), name.to_owned())]);
            let (spec, _) = resolve(&key, &config, Caller::Keda).unwrap();
            refs.add(key, spec, Caller::Keda, 0.0).unwrap();
            engine.adopt(added.recv().unwrap());
        }
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
