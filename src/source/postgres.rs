//! Postgres: one statement a layout and interval, whatever the number of queues, read-only.
//!
//! One connection is held between reads. Each statement runs in a read-only transaction of its own that goes
//! out as one message, with its time-outs, and with `row_security = off`: rows that a policy would hide are
//! then an error instead of a wrong zero. Counts and times are the server's.
//!
//! The identity of a store is the cluster's system identifier and its timeline, so that a restored cluster and
//! a promoted standby (which may lack what came last) are both another store. Where a role may not ask for
//! them (`pg_control_system()` is PUBLIC unless revoked), it is the database's oid and name.

mod connect;
mod failure;
mod history;
mod inspect;
mod layout;
mod quote;
mod recipe;
mod row;
mod session;
mod statement;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};

use self::{connect::Credentials, failure::Failure, row::Readings, session::Session, statement::Statement};
pub use self::{
    history::{Question, history},
    layout::LayoutError,
    recipe::{Kind, Recipe},
};
use super::{Batch, Finding, Identity, LayoutIndex, QueueError, Source, SourceError, Wanted};
use crate::{
    config::source::{Layout, PostgresConfig},
    series::Sample,
};

/// A Postgres that is read over one connection, opened at the first read and held between reads.
#[derive(Debug)]
pub struct PostgresSource {
    config: PostgresConfig,
    layouts: Vec<Layout>,
    held: Mutex<Held>,
}

/// What is kept from read to read.
#[derive(Debug, Default)]
struct Held {
    /// Taken out while it is used, so that a read which is given up takes its connection with it.
    session: Option<Session>,
    /// Credentials that did not connect while an older connection still worked, and when.
    refused: Option<(Credentials, Instant)>,
    /// How long each layout's last statement took: the quickest is asked first, so that a slow table costs
    /// the others nothing.
    took: BTreeMap<LayoutIndex, Duration>,
}

#[async_trait]
impl Source for PostgresSource {
    async fn read(&self, wanted: &[Wanted]) -> Result<Batch, SourceError> {
        let deadline = self.deadline();
        let mut by_layout: BTreeMap<LayoutIndex, BTreeSet<&str>> = BTreeMap::new();
        for one in wanted {
            by_layout.entry(one.layout).or_default().insert(&one.queue);
        }
        let round = self.in_time(deadline, self.read_all(&by_layout, deadline)).await?;
        let samples = wanted.iter().map(|one| self.sample(&round, one)).collect();
        Ok(Batch {
            samples,
            identity: round.identity,
            round_trips: round.round_trips,
            connecting: round.connecting.as_secs_f64(),
        })
    }

    async fn discover(&self, layout: LayoutIndex, limit: usize) -> Result<Vec<String>, SourceError> {
        let deadline = self.deadline();
        let discovered = async {
            let held = &mut *self.held.lock().await;
            let mut session = self.new_session(held, deadline).await?;
            let discovered = self.discover_in(&mut session, layout, limit, deadline).await;
            if matches!(discovered, Ok(_) | Err(Failure::Layout(_))) {
                held.session = Some(session);
            }
            discovered.map_err(Failure::into_source)
        };
        self.in_time(deadline, discovered).await
    }

    async fn inspect(&self) -> Vec<Finding> {
        inspect::inspect(self).await
    }
}

impl PostgresSource {
    /// Checks the layouts; connects to nothing yet.
    ///
    /// # Errors
    /// Names the layout and the key that is wrong.
    pub fn new(config: PostgresConfig, layouts: Vec<Layout>) -> Result<Self, LayoutError> {
        layouts.iter().try_for_each(layout::check)?;
        Ok(Self { config, layouts, held: Mutex::default() })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs_f64(self.config.timeout)
    }

    fn layout(&self, index: LayoutIndex) -> Result<&Layout, SourceError> {
        self.layouts.get(index.0).ok_or_else(|| SourceError::Read(format!("there is no layout {}", index.0)))
    }

    async fn in_time<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        timeout_at(deadline, work).await.unwrap_or(Err(SourceError::Timeout(self.config.timeout)))
    }

    /// A connection opened now, in place of the one that is held.
    async fn new_session(&self, held: &mut Held, deadline: Instant) -> Result<Session, SourceError> {
        held.session = None;
        held.refused = None;
        let opened = Session::open(&self.config, Credentials::read(&self.config)?);
        self.in_time(deadline, opened).await.map_err(SourceError::while_connecting)
    }

    /// The held connection; a new one in its place where the secrets have changed since it was opened. A
    /// working one outlives new secrets that do not connect (yet).
    async fn held_session(&self, held: &mut Held) -> Option<Session> {
        let mut session = held.session.take()?;
        session.round_trips = 0;
        let Ok(now) = Credentials::read(&self.config) else { return Some(session) };
        let refused_lately =
            held.refused.as_ref().is_some_and(|(known, at)| *known == now && at.elapsed() < TRY_AGAIN);
        if now == session.credentials || refused_lately {
            return Some(session);
        }
        // Half the time, so that the old connection can still be read over.
        let patience = Duration::from_secs_f64(self.config.timeout / 2.0);
        if let Ok(Ok(new)) = timeout(patience, Session::open(&self.config, now.clone())).await {
            held.refused = None;
            return Some(new);
        }
        held.refused = Some((now, Instant::now()));
        Some(session)
    }

    /// Reads over the held connection or a new one. A held one may have died since it was last used, so that
    /// is tried once more over a new one.
    async fn read_all(
        &self,
        wanted: &BTreeMap<LayoutIndex, BTreeSet<&str>>,
        deadline: Instant,
    ) -> Result<Reads, SourceError> {
        let held = &mut *self.held.lock().await;
        let started = Instant::now();
        let session = self.held_session(held).await;
        let mut connecting = started.elapsed();
        if let Some(mut session) = session {
            match self.read_layouts(&mut session, &mut held.took, wanted, deadline).await {
                Ok(round) => {
                    held.session = Some(session);
                    return Ok(Reads { connecting, ..round });
                }
                Err(Failure::Lost(_)) => {}
                Err(failure) => return Err(failure.into_source()),
            }
        }
        let started = Instant::now();
        let mut session = self.new_session(held, deadline).await?;
        connecting += started.elapsed();
        let round = self.read_layouts(&mut session, &mut held.took, wanted, deadline).await;
        let round = round.map_err(Failure::into_source)?;
        held.session = Some(session);
        Ok(Reads { connecting, ..round })
    }

    async fn read_layouts(
        &self,
        session: &mut Session,
        took: &mut BTreeMap<LayoutIndex, Duration>,
        wanted: &BTreeMap<LayoutIndex, BTreeSet<&str>>,
        deadline: Instant,
    ) -> Result<Reads, Failure> {
        let mut round = Reads::default();
        let mut order: Vec<_> = wanted.iter().collect();
        order.sort_by_key(|(index, _)| took.get(index).copied().unwrap_or_default());
        for (&index, queues) in order {
            let layout = self.layout(index).map_err(Failure::Source)?;
            let started = Instant::now();
            let read = self.read_layout(session, index, layout, queues, deadline, &mut round.identity).await;
            took.insert(index, started.elapsed());
            let read = match read {
                Ok(samples) => Ok(samples),
                Err(Failure::Layout(text)) => {
                    // What was found out about it may be what is wrong.
                    session.statements.remove(&index);
                    Err(text)
                }
                Err(failure) => return Err(failure),
            };
            round.layouts.insert(index, read);
        }
        round.round_trips = session.round_trips;
        Ok(round)
    }

    async fn read_layout(
        &self,
        session: &mut Session,
        index: LayoutIndex,
        layout: &Layout,
        queues: &BTreeSet<&str>,
        deadline: Instant,
        identity: &mut Option<Identity>,
    ) -> Result<Readings, Failure> {
        let statement = self.statement(session, index, deadline).await?;
        // No text in Postgres holds a NUL, so no queue's name does.
        let names: Vec<&str> = queues.iter().copied().filter(|name| !name.contains('\0')).collect();
        let answer = session.transaction(&statement.read(&names), deadline).await?;
        if answer.in_recovery && !self.config.replica {
            return Err(Failure::Source(not_the_primary()));
        }
        *identity = Some(answer.identity);
        let rows = answer.rows.iter().map(|row| session::text(row, 0).unwrap_or_default());
        Readings::new(rows, &statement, layout).map_err(Failure::Layout)
    }

    async fn discover_in(
        &self,
        session: &mut Session,
        index: LayoutIndex,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<String>, Failure> {
        let layout = self.layout(index).map_err(Failure::Source)?;
        let statement = self.statement(session, index, deadline).await?;
        let Some(sql) = statement.discover(limit) else { return Ok(vec![layout.name.clone()]) };
        let answer = session.transaction(&sql, deadline).await?;
        Ok(answer.rows.iter().filter_map(|row| session::text(row, 0)).collect())
    }

    /// What reads a layout over this connection: kept, or found out now.
    async fn statement(
        &self,
        session: &mut Session,
        index: LayoutIndex,
        deadline: Instant,
    ) -> Result<Arc<Statement>, Failure> {
        if let Some(statement) = session.statements.get(&index) {
            return Ok(Arc::clone(statement));
        }
        let layout = self.layout(index).map_err(Failure::Source)?;
        let statement = Arc::new(layout::prepare(session, layout, deadline).await?);
        session.statements.insert(index, Arc::clone(&statement));
        Ok(statement)
    }

    fn sample(&self, round: &Reads, one: &Wanted) -> Result<Sample, QueueError> {
        let layout = self.layout(one.layout).map_err(|error| QueueError::Read(error.to_string()))?;
        match round.layouts.get(&one.layout) {
            Some(Ok(readings)) => readings.of(&one.queue, layout),
            Some(Err(text)) => Err(QueueError::Read(text.clone())),
            None => Err(QueueError::Read("the layout was not read".to_owned())),
        }
    }
}

/// How long new secrets that did not connect are left alone while an older connection works.
const TRY_AGAIN: Duration = Duration::from_secs(30);

fn not_the_primary() -> SourceError {
    SourceError::NotTrusted(
        "the server is a standby or recovers; it may lag (replica: true reads it all the same)".to_owned(),
    )
}

/// One read of all layouts.
#[derive(Debug, Default)]
struct Reads {
    layouts: BTreeMap<LayoutIndex, Result<Readings, String>>,
    identity: Option<Identity>,
    round_trips: u32,
    connecting: Duration,
}
