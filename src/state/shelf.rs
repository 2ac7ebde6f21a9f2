//! What was learned of queues and refs that nobody asks for now.

use std::{collections::HashMap, sync::Arc};

use super::{BadRecord, Name, Record, RefName};
use crate::{forecast::Forecast, series::QueueKey, sizing::RefState};

/// Records at most, once all that come back after a start have had the time to: what was used last stays.
const MOST: usize = 20_000;

/// Records by name, waiting for somebody to ask.
#[derive(Debug, Default)]
pub struct Shelf {
    records: HashMap<Name, Arc<Record>>,
    /// Whether it was said that a record is of no use: the others would say the same.
    said: bool,
}

impl Shelf {
    /// A shelf with these on it; of two with one name the later one counts.
    pub fn of(records: impl IntoIterator<Item = Record>) -> Self {
        let named = records.into_iter().map(|record| (record.name.clone(), Arc::new(record)));
        Self { records: named.collect(), said: false }
    }

    /// Puts a record there, in place of the one with its name.
    pub fn put(&mut self, record: Record) {
        self.records.insert(record.name.clone(), Arc::new(record));
    }

    /// Takes down what was learned of a queue, if it is there and of use.
    pub fn take_queue(&mut self, key: &QueueKey) -> Option<Forecast> {
        let record = self.records.remove(&Name::Queue(key.clone()))?;
        let forecast = record.forecast();
        self.usable(&record, forecast)
    }

    /// Takes down what a ref remembers, if it is there and of use.
    pub fn take_ref(&mut self, name: RefName) -> Option<RefState> {
        let record = self.records.remove(&Name::Ref(name))?;
        let state = record.ref_state();
        self.usable(&record, state)
    }

    /// Forgets what nobody has asked for since `before` (Unix seconds), and what is too much.
    pub fn forget(&mut self, before: f64) {
        self.records.retain(|_, record| record.used >= before);
        if self.records.len() > MOST {
            let mut used: Vec<f64> = self.records.values().map(|record| record.used).collect();
            let bound = *used.select_nth_unstable_by(MOST, |a, b| b.total_cmp(a)).1;
            self.records.retain(|_, record| record.used > bound);
        }
    }

    /// Everything on it.
    pub fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.records.values()
    }

    /// Records on it: queues and refs.
    pub fn count(&self) -> (usize, usize) {
        let queues = self.records.keys().filter(|name| matches!(name, Name::Queue(_))).count();
        (queues, self.records.len() - queues)
    }

    fn usable<T>(&mut self, record: &Record, read: Result<T, BadRecord>) -> Option<T> {
        read.inspect_err(|error| {
            if !std::mem::replace(&mut self.said, true) {
                tracing::warn!(
                    of = ?record.name, %error,
                    "what was kept cannot be used: learning begins anew (said of the first such record only)"
                );
            }
        })
        .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::Memory;

    fn record(name: usize, used: f64) -> Record {
        let name = RefName { namespace: "ns".into(), name: name.to_string(), metric: String::new() };
        Record::of_ref(name, used, &Memory::of(&RefState::default()))
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten_and_the_shelf_is_bounded() {
        let mut shelf = Shelf::of([record(0, 1.0), record(1, 2.0), record(1, 3.0)]);
        shelf.forget(3.0);
        assert_eq!(shelf.records().map(|record| record.used).collect::<Vec<_>>(), [3.0]);
        for n in 0..MOST + 100 {
            shelf.put(record(n, 10.0 + n as f64));
        }
        shelf.forget(0.0);
        assert_eq!(shelf.count(), (0, MOST));
        assert!(shelf.records().all(|record| record.used >= 110.0));
    }
}
