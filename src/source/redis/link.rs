//! All nodes of one source, and rounds over them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::timeout;

use crate::{
    config::source::{Address, RedisConfig, RedisTopology},
    source::{
        Identity, SourceError,
        redis::{
            ask::{Answer, Answers, Ask, Code, Refusal, Round, To},
            cluster::{SlotMap, redirected_to},
            connect::{Credentials, Dialer, connect},
            node::{Node, NodeError},
            sentinel,
        },
    },
};

/// The connections of a source, one a node.
#[derive(Debug)]
pub(super) struct Link {
    /// The secrets that it was opened with.
    pub(super) credentials: Credentials,
    seats: Vec<Seat>,
    cluster: Option<Cluster>,
}

/// The place of a node; a Cluster's node may be away.
#[derive(Debug)]
struct Seat {
    node: Result<Node, NodeError>,
    /// What the node last said of itself, kept while it is away.
    identity: String,
}

#[derive(Debug)]
struct Cluster {
    map: SlotMap,
    /// When to ask again who holds what, after a node failed or a slot moved.
    ask_again: Option<Instant>,
}

impl Link {
    /// Connects to every node.
    pub(super) async fn open(config: &RedisConfig, credentials: Credentials) -> Result<Self, NodeError> {
        let dialer = Dialer { config, credentials: &credentials };
        let node = match &config.topology {
            RedisTopology::Url(_) => dialer.url().await?,
            RedisTopology::Standalone(address) => dialer.data(address).await?,
            RedisTopology::Sentinel { master, nodes, username, .. } => {
                sentinel::primary(dialer, master, nodes, username.as_deref()).await?
            }
            RedisTopology::Cluster(seeds) => {
                let map = first_map(dialer, seeds).await?;
                let seats = join_all(map.primaries.iter().map(|address| Seat::dial(dialer, address))).await;
                let cluster = Some(Cluster { ask_again: retry(&seats), map });
                return Ok(Self { credentials, seats, cluster });
            }
        };
        Ok(Self { credentials, seats: vec![Seat::new(Ok(node))], cluster: None })
    }

    /// In a Cluster whose slots moved or whose nodes failed: asks who holds what now, and connects to
    /// those that are new or were away. Returns whether it did.
    pub(super) async fn refresh(&mut self, config: &RedisConfig) -> Result<bool, NodeError> {
        let Some(cluster) = &mut self.cluster else { return Ok(false) };
        if cluster.ask_again.is_none_or(|at| at > Instant::now()) {
            return Ok(false);
        }
        let dialer = Dialer { config, credentials: &self.credentials };
        let mut map = None;
        for (seat, address) in self.seats.iter().zip(&cluster.map.primaries) {
            let Ok(node) = &seat.node else { continue };
            let asked = timeout(share(config, self.seats.len()), slots_of(node, &address.host)).await;
            if let Ok(Ok(found)) = asked {
                map = Some(found);
                break;
            }
        }
        let map = match (map, &config.topology) {
            (Some(map), _) => map,
            (None, RedisTopology::Cluster(seeds)) => first_map(dialer, seeds).await?,
            (None, _) => return Ok(false),
        };
        let mut old: Vec<_> = cluster.map.primaries.iter().zip(self.seats.drain(..)).collect();
        let seats = map.primaries.iter().map(|address| {
            let kept = old.iter().position(|(known, _)| *known == address).map(|at| old.swap_remove(at).1);
            async move {
                match kept {
                    Some(seat) if seat.node.is_ok() => seat,
                    // What an absent node said of itself last stays known until it speaks again.
                    Some(away) => Seat { identity: away.identity, ..Seat::dial(dialer, address).await },
                    None => Seat::dial(dialer, address).await,
                }
            }
        });
        let seats: Vec<_> = seats.collect();
        self.seats = join_all(seats).await;
        *cluster = Cluster { ask_again: retry(&self.seats), map };
        Ok(true)
    }

    /// Number of nodes; commands without a key go to one of them.
    pub(super) fn nodes(&self) -> usize {
        self.seats.len()
    }

    /// The server's time at the node that holds a key.
    pub(super) fn now(&self, key: &str) -> f64 {
        let owner = self.owner(key.as_bytes()).unwrap_or_default();
        let owners = self.seats.get(owner).into_iter().chain(&self.seats);
        owners
            .filter_map(|seat| seat.node.as_ref().ok())
            .map(|node| node.clock.now())
            .next()
            .unwrap_or_default()
    }

    /// The lowest server version among the nodes.
    pub(super) fn version(&self) -> [u32; 3] {
        self.live().map(|node| node.health.version).min().unwrap_or_default()
    }

    /// The nodes that can be asked.
    pub(super) fn live(&self) -> impl Iterator<Item = &Node> {
        self.seats.iter().filter_map(|seat| seat.node.as_ref().ok())
    }

    /// Why each node that cannot be asked cannot.
    pub(super) fn away(&self) -> impl Iterator<Item = &NodeError> {
        self.seats.iter().filter_map(|seat| seat.node.as_ref().err())
    }

    /// Which store this is: its process and the history of its data; in a Cluster, those of all nodes.
    pub(super) fn identity(&self) -> Option<Identity> {
        let mut parts: Vec<_> = self.seats.iter().map(|seat| seat.identity.as_str()).collect();
        parts.sort_unstable();
        let known = parts.iter().any(|part| !part.is_empty());
        known.then(|| Identity(parts.join(" ")))
    }

    /// Sends a round to all nodes at once and counts the round trips. With `check` every node also
    /// says its time and health, and one that may not be trusted answers nothing.
    ///
    /// In a Cluster what one node does not answer is refused, command by command; where slots are
    /// just moving, what was sent elsewhere is asked there, which is one round trip more.
    ///
    /// # Errors
    /// When no node answered.
    pub(super) async fn round(
        &mut self,
        round: &Round,
        check: bool,
        config: &RedisConfig,
        trips: &mut u32,
    ) -> Result<Answers, NodeError> {
        let asks = round.asks();
        let mut share: Vec<Vec<usize>> = vec![Vec::new(); self.seats.len()];
        for (place, ask) in asks.iter().enumerate() {
            let owner = match ask.to {
                To::Node(node) => Some(node),
                To::KeyAt(_) => ask.key_bytes().and_then(|key| self.owner(key)),
            };
            if let Some(share) = owner.and_then(|owner| share.get_mut(owner)) {
                share.push(place);
            }
        }
        *trips += 1;
        // In a Cluster one node that hangs must leave time for the answers of the others.
        let parts = if self.cluster.is_some() { 0.75 } else { 1.0 };
        let patience = Duration::from_secs_f64(config.timeout * parts);
        let rounds = self.seats.iter_mut().zip(&share).map(|(seat, share)| async move {
            let asks: Vec<&Ask> = share.iter().map(|place| &asks[*place]).collect();
            let idle = asks.is_empty() && !check;
            if idle {
                return Ok(Vec::new());
            }
            let asked = timeout(patience, seat.round(&asks, check, config.replica)).await;
            asked.unwrap_or(Err(NodeError::Source(SourceError::Timeout(config.timeout))))
        });
        let rounds = join_all(rounds).await;
        let mut answers: Vec<Answer> =
            vec![Err(Refusal::of_node("no node of the cluster holds this slot".to_owned())); asks.len()];
        let (mut failed, mut answered, mut newly) = (None, false, false);
        for ((seat, share), round) in self.seats.iter_mut().zip(&share).zip(rounds) {
            match round {
                Ok(values) => {
                    answered = true;
                    for (place, value) in share.iter().zip(values) {
                        answers[*place] = value;
                    }
                }
                Err(error) => {
                    let what = SourceError::from(error.clone()).to_string();
                    for place in share {
                        answers[*place] = Err(Refusal::of_node(what.clone()));
                    }
                    newly |= seat.node.is_ok();
                    seat.node = Err(error.clone());
                    failed = Some(error);
                }
            }
        }
        if let (false, Some(error)) = (answered, &failed) {
            return Err(error.clone());
        }
        if let Some(cluster) = &mut self.cluster {
            if newly {
                cluster.ask_again = Some(Instant::now());
            }
            self.follow_redirects(asks, &mut answers, config, trips).await?;
        }
        Ok(Answers::new(answers))
    }

    async fn follow_redirects(
        &mut self,
        asks: &[Ask],
        answers: &mut [Answer],
        config: &RedisConfig,
        trips: &mut u32,
    ) -> Result<(), NodeError> {
        let redirected: Vec<(usize, Code, Option<Address>)> = answers
            .iter()
            .enumerate()
            .filter_map(|(place, answer)| match answer {
                Err(refusal) if matches!(refusal.code, Code::Moved | Code::Ask) => {
                    Some((place, refusal.code, redirected_to(&refusal.what)))
                }
                _ => None,
            })
            .collect();
        if redirected.is_empty() {
            return Ok(());
        }
        let moved = redirected.iter().any(|(_, code, _)| *code == Code::Moved);
        if let Some(cluster) = self.cluster.as_mut().filter(|_| moved) {
            cluster.ask_again = Some(Instant::now());
        }
        self.refresh(config).await?;
        *trips += 1;
        let Some(cluster) = &self.cluster else { return Ok(()) };
        let mut share: Vec<Vec<(usize, Code)>> = vec![Vec::new(); self.seats.len()];
        for (place, code, address) in redirected {
            let named = address.and_then(|address| cluster.map.primaries.iter().position(|p| *p == address));
            let owner = match code {
                Code::Ask => named,
                _ => asks[place].key_bytes().and_then(|key| cluster.map.owner(key)),
            };
            if let Some(share) = owner.and_then(|owner| share.get_mut(owner)) {
                share.push((place, code));
            }
        }
        let asking = Ask { to: To::Node(0), command: redis::cmd("ASKING") };
        for (seat, share) in self.seats.iter_mut().zip(&share) {
            let Ok(node) = &mut seat.node else { continue };
            // ASKING holds for the one command after it.
            let line: Vec<(Option<usize>, &Ask)> = share
                .iter()
                .flat_map(|(place, code)| {
                    let before = (*code == Code::Ask).then_some((None, &asking));
                    before.into_iter().chain([(Some(*place), &asks[*place])])
                })
                .collect();
            if line.is_empty() {
                continue;
            }
            let only_asks: Vec<&Ask> = line.iter().map(|(_, ask)| *ask).collect();
            let values = node.round(&only_asks, false).await?;
            for ((place, _), value) in line.iter().zip(values) {
                if let Some(place) = place {
                    answers[*place] = value;
                }
            }
        }
        Ok(())
    }

    fn owner(&self, key: &[u8]) -> Option<usize> {
        self.cluster.as_ref().map_or(Some(0), |cluster| cluster.map.owner(key))
    }
}

impl Seat {
    /// Connects to a node of a Cluster; one that hangs must leave time for the others.
    async fn dial(dialer: Dialer<'_>, address: &Address) -> Self {
        let dialled = timeout(share(dialer.config, 3), dialer.data(address)).await;
        let timed_out = || Err(NodeError::Source(SourceError::Timeout(dialer.config.timeout)));
        Self::new(dialled.unwrap_or_else(|_| timed_out()))
    }

    fn new(node: Result<Node, NodeError>) -> Self {
        let identity = node.as_ref().map(|node| node.health.identity.clone()).unwrap_or_default();
        Self { node, identity }
    }

    async fn round(&mut self, asks: &[&Ask], check: bool, replica: bool) -> Result<Vec<Answer>, NodeError> {
        let node = self.node.as_mut().map_err(|error| error.clone())?;
        let answers = node.round(asks, check).await?;
        node.health.trusted(replica, &node.name).map_err(NodeError::Source)?;
        self.identity.clone_from(&node.health.identity);
        Ok(answers)
    }
}

/// When to look for the nodes that are away: not in every read, since one that hangs costs time.
fn retry(seats: &[Seat]) -> Option<Instant> {
    const PAUSE: Duration = Duration::from_secs(2);
    seats.iter().any(|seat| seat.node.is_err()).then(|| Instant::now() + PAUSE)
}

/// Asks the configured nodes in turn for the slots, until one answers.
async fn first_map(dialer: Dialer<'_>, seeds: &[Address]) -> Result<SlotMap, NodeError> {
    let mut last = connect("no node of the cluster is configured".to_owned());
    for seed in seeds {
        let asked = async { slots_of(&dialer.data(seed).await?, &seed.host).await };
        match timeout(share(dialer.config, seeds.len()), asked).await {
            Ok(Ok(map)) => return Ok(map),
            Ok(Err(error)) => last = error,
            Err(_) => last = NodeError::Source(SourceError::Timeout(dialer.config.timeout)),
        }
    }
    Err(last)
}

async fn slots_of(node: &Node, host: &str) -> Result<SlotMap, NodeError> {
    let answer = node.ask(redis::cmd("CLUSTER").arg("SLOTS").take()).await?;
    let answer = answer.map_err(|refusal| connect(format!("{}: {}", node.name, refusal.what)))?;
    SlotMap::parse(&answer, host).ok_or_else(|| {
        connect(format!("{}: CLUSTER SLOTS names no primaries; is the cluster set up?", node.name))
    })
}

/// The part of the time for one connect that one of several nodes may take.
fn share(config: &RedisConfig, nodes: usize) -> Duration {
    Duration::from_secs_f64(config.timeout / nodes.max(1) as f64)
}
