//! What is kept of one queue or ref, as bytes.
//!
//! A record is a CRC-32 of all that follows (4 bytes, little-endian), then two `MessagePack` values: its head (format,
//! name, when it was last asked for, version) and its body. The body is read only when somebody asks for the name, so
//! a body of another version harms nothing else.

use std::{fmt::Display, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    forecast::{
        Forecast,
        service::Prior,
        state::{STATE_VERSION, State},
    },
    series::{KnownQueue, QueueKey},
    sizing::{MEMORY_VERSION, Memory, RefState},
};

/// Version of the head.
const FORMAT: u32 = 1;

/// Whose record it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Name {
    /// A queue's.
    Queue(QueueKey),
    /// A ref's.
    Ref(RefName),
}

/// What a ref is called over restarts: an edit of its trigger that leaves the queue alone changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RefName {
    /// Namespace of the ScaledObject or ScaledJob.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The metric's name.
    pub metric: String,
}

/// What is kept of one queue or ref.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Whose it is.
    pub name: Name,
    /// When somebody last asked for it, Unix seconds.
    pub used: f64,
    version: u32,
    body: Box<[u8]>,
}

/// Why a record is of no use. Learning then begins anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// Its bytes are not those that were written.
    #[error("the checksum is wrong: the record was torn or changed")]
    Torn,
    /// Another version wrote it.
    #[error("it was kept by another version of Foresail ({0})")]
    Version(u32),
    /// Its bytes are whole, and not what this version writes.
    #[error("it is not what this version writes: {0}")]
    Unreadable(String),
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    name: Name,
    used: f64,
    version: u32,
}

impl Record {
    /// What is kept of a queue.
    pub fn of_queue(key: QueueKey, used: f64, state: &State) -> Self {
        Self { name: Name::Queue(key), used, version: STATE_VERSION, body: encode(state) }
    }

    /// What is kept of a ref.
    pub fn of_ref(name: RefName, used: f64, memory: &Memory) -> Self {
        Self { name: Name::Ref(name), used, version: MEMORY_VERSION, body: encode(memory) }
    }

    /// The record's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = Head { format: FORMAT, name: self.name.clone(), used: self.used, version: self.version };
        let mut bytes = vec![0; 4];
        bytes.extend(encode(&head));
        bytes.extend(&self.body);
        let sum = crc32fast::hash(&bytes[4..]).to_le_bytes();
        bytes[..4].copy_from_slice(&sum);
        bytes
    }

    /// Reads the head of a record; the body is kept as it is.
    ///
    /// # Errors
    /// For bytes that no version wrote, or one with another head.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadRecord> {
        let (sum, rest) = bytes.split_first_chunk::<4>().ok_or(BadRecord::Torn)?;
        if crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
            return Err(BadRecord::Torn);
        }
        let mut left = rest;
        let head: Head = rmp_serde::from_read(&mut left).map_err(unreadable)?;
        let Head { format, name, used, version } = head;
        if format != FORMAT {
            return Err(BadRecord::Version(format));
        }
        if !used.is_finite() {
            return Err(BadRecord::Unreadable("when it was last asked for is no time".to_owned()));
        }
        Ok(Self { name, used, version, body: left.into() })
    }

    /// What was learned of the queue.
    ///
    /// # Errors
    /// Where another version kept it, or it cannot have been learned.
    pub fn forecast(&self) -> Result<Forecast, BadRecord> {
        let state: State = self.read(STATE_VERSION)?;
        state.restore(&Prior::default()).map_err(|error| BadRecord::Unreadable(error.to_string()))
    }

    /// What the ref remembers.
    ///
    /// # Errors
    /// As of [`Self::forecast`].
    pub fn ref_state(&self) -> Result<RefState, BadRecord> {
        let memory: Memory = self.read(MEMORY_VERSION)?;
        memory.recall().map_err(|error| BadRecord::Unreadable(error.to_string()))
    }

    fn read<T: DeserializeOwned>(&self, version: u32) -> Result<T, BadRecord> {
        if self.version != version {
            return Err(BadRecord::Version(self.version));
        }
        rmp_serde::from_slice(&self.body).map_err(unreadable)
    }
}

fn unreadable(error: impl Display) -> BadRecord {
    BadRecord::Unreadable(error.to_string())
}

/// With the names of fields: a field that comes, goes or changes its type is an error, and never a wrong number.
fn encode(value: &impl Serialize) -> Box<[u8]> {
    rmp_serde::to_vec_named(value).expect("a Vec takes every byte").into()
}

/// A copy that the engine hands out, to be encoded elsewhere.
#[derive(Debug)]
pub enum Piece {
    /// Of a queue that somebody asks for.
    Queue(Arc<KnownQueue>, f64, Box<State>),
    /// Of a ref that somebody asks for.
    Ref(RefName, f64, Box<Memory>),
    /// Of what nobody asks for now.
    Shelved(Arc<Record>),
}

impl Piece {
    /// The record that it is kept as.
    pub fn into_record(self) -> Arc<Record> {
        match self {
            Self::Queue(known, used, state) => Record::of_queue(known.key.clone(), used, &state).into(),
            Self::Ref(name, used, memory) => Record::of_ref(name, used, &memory).into(),
            Self::Shelved(record) => record,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        forecast::{
            arrivals::Seen,
            horizons::Horizons,
            lead::{Asked, Start},
        },
        series::{Depth, QueueView},
        sizing::{Given, Policy, Workload, decide},
    };

    fn ref_name() -> RefName {
        RefName { namespace: "chem".into(), name: "md".into(), metric: "foresail-md-1".into() }
    }

    fn key() -> QueueKey {
        QueueKey { source: "jobs".into(), layout: "reliable".into(), names: vec!["md".into()] }
    }

    fn learned() -> Forecast {
        let mut forecast = Forecast::new(Horizons::default());
        for second in 0..20_000_u32 {
            forecast.observe(f64::from(second), Seen::Arrivals(u64::from(second % 900 < 3)), 0);
        }
        // What the metrics have not counted yet is not kept.
        forecast.take_outcomes();
        forecast
    }

    fn record() -> Record {
        Record::of_queue(key(), 5.0, &State::of(&learned()))
    }

    /// A body that is whole, and not what it should be.
    fn with_body(body: impl Into<Box<[u8]>>) -> Record {
        Record { body: body.into(), ..record() }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let mut state = RefState::default();
        state.lead.started(Start::Cold, 77.0, Asked::Beside);
        let of_ref = Record::of_ref(ref_name(), 6.0, &Memory::of(&state));
        for record in [record(), of_ref.clone()] {
            assert_eq!(Record::from_bytes(&record.to_bytes()), Ok(record));
        }
        assert_eq!(of_ref.ref_state().unwrap().lead, state.lead);
        assert_eq!(record().forecast().unwrap(), learned());
        let bytes = |record: Record| record.to_bytes().len();
        assert!(
            bytes(record()) < 10_000 && bytes(of_ref.clone()) < 1_000,
            "{} {}",
            bytes(record()),
            bytes(of_ref)
        );
    }

    #[test]
    fn a_record_of_another_version_says_so_whatever_is_in_it() {
        let other = Record { version: STATE_VERSION + 1, ..with_body(*b"anything") };
        let back = Record::from_bytes(&other.to_bytes()).unwrap();
        assert_eq!(back.forecast(), Err(BadRecord::Version(STATE_VERSION + 1)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut whole = crc32fast::hash(&bytes).to_le_bytes().to_vec();
            whole.extend(&bytes);
            for bytes in [&bytes, &whole] {
                if let Ok(record) = Record::from_bytes(bytes) {
                    prop_assert!(record.forecast().is_err());
                }
            }
            prop_assert!(with_body(bytes).forecast().is_err());
        }

        #[test]
        fn a_round_trip_decides_the_same_bit_for_bit(
            steps in prop::collection::vec((0.1..4_000.0_f64, 0_u64..40, 0.0..9_000.0_f64), 1..60),
            later in prop::collection::vec((0.1..60.0_f64, 0_u64..40), 1..20),
        ) {
            let (mut before, mut t) = (Forecast::new(Horizons::default()), 1.7e9);
            let mut ref_before = RefState::default();
            for (seconds, arrivals, run) in steps {
                t += seconds;
                before.observe(t, Seen::Arrivals(arrivals), 3_600);
                before.service_mut().ended(run);
                ref_before.lead.started(Start::Cold, run, Asked::Beside);
            }
            before.service_mut().renew(&Prior::default());
            before.take_outcomes();
            let through = |record: Record| Record::from_bytes(&record.to_bytes()).unwrap();
            let mut after = through(Record::of_queue(key(), t, &State::of(&before))).forecast().unwrap();
            let mut ref_after = through(Record::of_ref(ref_name(), t, &Memory::of(&ref_before))).ref_state().unwrap();
            prop_assert_eq!(&after, &before);
            for (seconds, arrivals) in later {
                t += seconds;
                let depth = Depth { waiting: arrivals, in_flight: Some(arrivals / 2), ..Depth::default() };
                let view = QueueView {
                    depth, empty_for: None, max_run: 300.0, no_fall: None, ever_seen: true, age: 0.0,
                };
                let decide = |forecast: &mut Forecast, state: &mut RefState| {
                    forecast.observe(t, Seen::Arrivals(arrivals), 3_600);
                    let (workload, policy) = (Workload::default(), &Policy::default());
                    decide(&Given { now: t, queue: Ok(view), forecast, workload, policy, pin: None }, state)
                };
                prop_assert_eq!(decide(&mut before, &mut ref_before), decide(&mut after, &mut ref_after));
                prop_assert_eq!(&after, &before);
            }
        }

        /// A changed byte under a right checksum: it is refused, or what it makes learns on and forecasts numbers.
        #[test]
        fn a_changed_body_is_refused_or_harmless(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), later in 0.0..1e6,
        ) {
            let mut body = record().body;
            for (at, byte) in changes {
                let at = at.index(body.len());
                body[at] = byte;
            }
            if let Ok(mut forecast) = with_body(body).forecast() {
                let from = 20_000.0 + later;
                for step in 0..400_u32 {
                    forecast.observe(from + f64::from(step), Seen::Arrivals(u64::from(step % 50 == 0)), 0);
                    let ahead = forecast.at(60.0);
                    prop_assert!(ahead.mean().is_finite() && ahead.mean() >= 0.0, "{}", ahead.mean());
                    prop_assert!((0.0..=1.0).contains(&ahead.at_least(1)));
                }
                forecast.service_mut().renew(&Prior::default());
                prop_assert!(forecast.service().law().mean().is_finite());
            }
        }
    }
}
