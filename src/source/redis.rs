//! Redis: any number of queues in two pipelined rounds, over one connection a node.
//!
//! The first round asks everything that depends on nothing, together with the server's time and
//! health; the second what depends on the first. A third happens only while a Cluster moves slots.

mod ask;
mod clock;
mod cluster;
mod connect;
mod discover;
#[cfg(test)]
mod fuzz;
mod health;
mod held;
mod inspect;
mod link;
mod memory;
mod node;
mod probe;
mod recipe;
mod sentinel;
mod stream;
mod template;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::{sync::Mutex, time::timeout};

pub use self::recipe::{LayoutError, Recipe};
use self::{
    ask::{Answers, Place, Round, To},
    connect::Credentials,
    link::Link,
    memory::Memory,
    node::NodeError,
    probe::Probe,
    recipe::{KeyType, Plan},
    value::{items, text},
};
use crate::{
    config::source::{Layout, RedisConfig},
    source::{Batch, Finding, LayoutIndex, QueueError, Source, SourceError, Wanted},
};

/// A Redis: one server, a Sentinel set or a Cluster.
#[derive(Debug)]
pub struct RedisSource {
    config: RedisConfig,
    plans: Vec<Plan>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    link: Option<Link>,
    /// Credentials that did not work while an older connection still did, and when they were tried.
    refused: Option<(Credentials, Instant)>,
    memory: Memory,
}

/// How long new credentials rest after they did not work: the server that they are for may only have
/// been down.
const TRY_AGAIN: Duration = Duration::from_secs(30);

impl State {
    fn rests(&self, credentials: &Credentials) -> bool {
        self.refused.as_ref().is_some_and(|(refused, at)| refused == credentials && at.elapsed() < TRY_AGAIN)
    }
}

impl RedisSource {
    /// Prepares a source; it connects when it is first read.
    ///
    /// # Errors
    /// Names the layout and the parameter that cannot be read.
    pub fn new(config: RedisConfig, layouts: Vec<Layout>) -> Result<Self, LayoutError> {
        let plans = layouts.into_iter().map(Plan::new).collect::<Result<_, _>>()?;
        Ok(Self { config, plans, state: Mutex::default() })
    }

    /// One read over a link; `trips` counts its rounds.
    async fn read_over(
        &self,
        link: &mut Link,
        memory: &mut Memory,
        wanted: &[Wanted],
    ) -> Result<Batch, NodeError> {
        let mut trips = 0;
        let at = Instant::now();
        let mut first = Round::default();
        let sweeps = self.start_sweeps(link, memory, wanted, &mut first);
        let mut probes: Vec<Option<Probe<'_>>> = wanted
            .iter()
            .map(|wanted| {
                let plan = self.plans.get(wanted.layout.0)?;
                let now = link.now(&plan.key(&wanted.queue));
                let memory = memory.queue(wanted.layout, &wanted.queue, at);
                Some(Probe::start(plan, &wanted.queue, now, memory, &mut first))
            })
            .collect();
        let first = link.round(&first, true, &self.config, &mut trips).await?;
        self.take_sweeps(&sweeps, &first, memory, at);

        let mut second = Round::default();
        let version = link.version();
        for (probe, wanted) in probes.iter_mut().zip(wanted) {
            if let Some(probe) = probe {
                probe.follow(&first, memory.sweep_of(wanted.layout), version, &mut second);
            }
        }
        let second = if second.is_empty() {
            Answers::new(Vec::new())
        } else {
            link.round(&second, false, &self.config, &mut trips).await?
        };

        let finish = |(probe, wanted): (Option<Probe<'_>>, &Wanted)| match probe {
            Some(probe) => probe.finish(&first, &second, memory.queue(wanted.layout, &wanted.queue, at), at),
            None => Err(QueueError::Read(format!("the source has no layout {}", wanted.layout.0))),
        };
        let samples = probes.into_iter().zip(wanted).map(finish).collect();
        memory.tidy(at);
        Ok(Batch { samples, identity: link.identity(), round_trips: trips, connecting: 0.0 })
    }

    /// One step of the search for worker lists, for each layout that needs it, on every node.
    fn start_sweeps(
        &self,
        link: &Link,
        memory: &mut Memory,
        wanted: &[Wanted],
        round: &mut Round,
    ) -> Vec<(LayoutIndex, usize, Place)> {
        let layouts: BTreeSet<LayoutIndex> = wanted.iter().map(|wanted| wanted.layout).collect();
        let mut steps = Vec::new();
        for layout in layouts {
            let held = self.plans.get(layout.0).and_then(|plan| plan.held.as_ref());
            let Some(held) = held.filter(|held| held.is_searched()) else { continue };
            for (node, cursor) in memory.sweep(layout).cursors(link.nodes()).into_iter().enumerate() {
                let scan = discover::scan(&cursor, &held.list.pattern(None), KeyType::List, SWEEP_STEP);
                steps.push((layout, node, round.push(To::Node(node), scan)));
            }
        }
        steps
    }

    fn take_sweeps(
        &self,
        steps: &[(LayoutIndex, usize, Place)],
        answers: &Answers,
        memory: &mut Memory,
        at: Instant,
    ) {
        let mut forms = BTreeMap::new();
        for (layout, node, place) in steps {
            let held = self.plans.get(layout.0).and_then(|plan| plan.held.as_ref());
            // A refused or odd step leaves the search where it is: incomplete, so nothing is claimed.
            let (Some(held), Ok(answer)) = (held, answers.at(*place)) else { continue };
            let Some((cursor, keys)) = discover::scanned(answer) else { continue };
            let form = forms.entry(*layout).or_insert_with(|| held.list.regex());
            memory.sweep(*layout).take(*node, &cursor, &keys, form, at);
        }
    }

    /// The link as it stands, or a new one: where there is none, and where the secrets have changed
    /// since it was opened. A working link outlives new secrets that the server refuses (yet).
    async fn link(&self, state: &mut State) -> Result<(Link, bool), SourceError> {
        match (state.link.take(), Credentials::read(&self.config)) {
            (Some(link), Ok(now)) if now == link.credentials || state.rests(&now) => Ok((link, false)),
            (Some(link), Err(_)) => Ok((link, false)),
            (Some(old), Ok(now)) => {
                if let Ok(link) = self.open(state, now.clone()).await {
                    return Ok((link, true));
                }
                state.refused = Some((now, Instant::now()));
                Ok((old, false))
            }
            (None, credentials) => Ok((self.open(state, credentials?).await?, true)),
        }
    }

    async fn open(&self, state: &mut State, credentials: Credentials) -> Result<Link, SourceError> {
        let link = self.within(Link::open(&self.config, credentials)).await;
        let link = link.map_err(|error| SourceError::from(error).while_connecting())?;
        state.refused = None;
        state.memory.new_link();
        Ok(link)
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, NodeError>>) -> Result<T, NodeError> {
        let patience = Duration::from_secs_f64(self.config.timeout);
        timeout(patience, work)
            .await
            .unwrap_or_else(|_| Err(NodeError::Source(SourceError::Timeout(self.config.timeout))))
    }
}

#[async_trait]
impl Source for RedisSource {
    /// The link is taken out while it is used: a read that fails, times out or is given up drops it,
    /// so a late answer can never be taken for another's. A link that the server had closed since
    /// the last read is replaced once.
    async fn read(&self, wanted: &[Wanted]) -> Result<Batch, SourceError> {
        let mut state = self.state.lock().await;
        let mut connecting = Duration::ZERO;
        loop {
            let started = Instant::now();
            let (mut link, fresh) = self.link(&mut state).await?;
            connecting += started.elapsed();
            let memory = &mut state.memory;
            let work = async {
                if link.refresh(&self.config).await? {
                    memory.new_link();
                }
                self.read_over(&mut link, memory, wanted).await
            };
            match self.within(work).await {
                Ok(batch) => {
                    state.link = Some(link);
                    return Ok(Batch { connecting: connecting.as_secs_f64(), ..batch });
                }
                Err(NodeError::Lost(_)) if !fresh => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn discover(&self, layout: LayoutIndex, limit: usize) -> Result<Vec<String>, SourceError> {
        let Some(plan) = self.plans.get(layout.0) else { return Ok(Vec::new()) };
        let mut state = self.state.lock().await;
        let (link, _) = self.link(&mut state).await?;
        let found = self.within(discover::queues(plan, &link, limit)).await?;
        state.link = Some(link);
        Ok(found)
    }

    async fn inspect(&self) -> Vec<Finding> {
        let mut state = self.state.lock().await;
        match self.link(&mut state).await {
            Ok((mut link, _)) => {
                match self.within(inspect::findings(&self.plans, &mut link, &self.config)).await {
                    Ok(findings) => {
                        state.link = Some(link);
                        findings
                    }
                    Err(error) => vec![inspect::unreadable(&error.into(), &self.plans, &self.config)],
                }
            }
            Err(error) => vec![inspect::unreadable(&error, &self.plans, &self.config)],
        }
    }
}

/// Keys that one step of the search for worker lists looks at: about a millisecond of the server.
const SWEEP_STEP: usize = 5_000;
