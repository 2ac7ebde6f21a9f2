//! What is wrong or risky in a Redis, for `foresail check`.

use std::{borrow::Cow, collections::BTreeSet, time::Instant};

use crate::{
    config::source::{RedisConfig, RedisTopology},
    source::{
        Finding, Level, SourceError,
        redis::{
            ask::{Ask, Code, Round, To},
            discover,
            link::Link,
            memory::QueueMemory,
            node::{Node, NodeError},
            probe::Probe,
            recipe::{KeyType, Plan},
            stream,
            template::Places,
            value::text,
        },
    },
};

/// Looks at every node, and asks every command of every layout once.
pub(super) async fn findings(
    plans: &[Plan],
    link: &mut Link,
    config: &RedisConfig,
) -> Result<Vec<Finding>, NodeError> {
    let mut findings = Vec::new();
    let rule = Rule { plans, version: link.version(), cluster: is_cluster(config) };
    for node in link.live() {
        of_version(node, plans, &mut findings);
        of_role(node, &mut findings);
        of_user(node, &rule, &mut findings).await?;
        of_eviction(node, &mut findings).await?;
    }
    for error in link.away() {
        let what = format!("a node of the cluster cannot be read: {}", SourceError::from(error.clone()));
        let todo = "check the node; its queues are errors until it is back".to_owned();
        findings.push(finding(Level::Error, "server", what, Some(todo)));
    }
    of_rights(&rule, link, config, &mut findings).await?;
    for plan in plans {
        of_group(plan, link, config, &mut findings).await?;
    }
    Ok(findings)
}

/// What to say of a source that cannot be read at all.
pub(super) fn unreadable(error: &SourceError, plans: &[Plan], config: &RedisConfig) -> Finding {
    let user = config.username.as_deref().unwrap_or("foresail");
    let rule = Rule { plans, version: [7, 0, 0], cluster: is_cluster(config) };
    let todo = match error {
        SourceError::Connect(_) => "check address, network, TLS and credentials of this source".to_owned(),
        SourceError::Timeout(_) => "check the network, or raise `timeout`".to_owned(),
        SourceError::NotTrusted(_) => "give the primary's address, or wait until it has loaded".to_owned(),
        SourceError::Read(_) => format!("give the user what it needs: {}", rule.line(user)),
    };
    finding(Level::Error, "server", error.to_string(), Some(todo))
}

fn of_version(node: &Node, plans: &[Plan], findings: &mut Vec<Finding>) {
    let version = node.health.version;
    let text = version.map(|part| part.to_string()).join(".");
    let streams = plans.iter().any(|plan| plan.stream.is_some());
    if version < [6, 2, 0] {
        let what = format!("{} is version {text}; some commands need 6.2", node.name);
        findings.push(finding(Level::Warning, "server", what, Some("upgrade to 6.2 or newer".to_owned())));
    } else if version < [7, 0, 0] && streams {
        let what =
            format!("{} is version {text}, which knows no lag of streams: entries are counted", node.name);
        findings.push(finding(Level::Note, "server", what, Some("upgrade to 7.0 or newer".to_owned())));
    }
}

fn of_role(node: &Node, findings: &mut Vec<Finding>) {
    if !node.health.is_primary() {
        let what = format!("{} is a replica: what it says lags behind its primary", node.name);
        findings.push(finding(Level::Note, "server", what, None));
    }
}

async fn of_user(node: &Node, rule: &Rule<'_>, findings: &mut Vec<Finding>) -> Result<(), NodeError> {
    let whoami = node.ask(redis::cmd("ACL").arg("WHOAMI").take()).await?;
    let user = whoami.as_ref().ok().and_then(text).map_or_else(|| node.user.clone(), Cow::into_owned);
    if user == "default" {
        let what = format!("{} is read as user \"default\", who may usually write and see all", node.name);
        let todo = format!("make a user that may only read: {}", rule.line("foresail"));
        findings.push(finding(Level::Warning, "server", what, Some(todo)));
    }
    Ok(())
}

async fn of_eviction(node: &Node, findings: &mut Vec<Finding>) -> Result<(), NodeError> {
    let memory = node.ask(redis::cmd("INFO").arg("memory").take()).await?;
    let memory = memory.as_ref().ok().and_then(text).unwrap_or_default();
    let value = |name: &str| {
        memory.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name).map(|(_, v)| v)
    };
    let limited = value("maxmemory").is_some_and(|limit| limit != "0");
    if let Some(policy) = value("maxmemory_policy").filter(|policy| limited && policy.starts_with("allkeys"))
    {
        let what = format!("{} may evict queues: maxmemory-policy is {policy}", node.name);
        let todo = "set maxmemory-policy noeviction: a queue that was evicted looks empty".to_owned();
        findings.push(finding(Level::Warning, "server", what, Some(todo)));
    }
    Ok(())
}

/// Reads a queue that does not exist in every layout: a command that the ACL forbids is refused all
/// the same. Keys are not judged here: the user may well be kept from this one and allowed the others.
async fn of_rights(
    rule: &Rule<'_>,
    link: &mut Link,
    config: &RedisConfig,
    findings: &mut Vec<Finding>,
) -> Result<(), NodeError> {
    for plan in rule.plans {
        let mut round = Round::default();
        drop(Probe::start(plan, "foresail-check", link.now(""), &QueueMemory::default(), &mut round));
        if let Some(held) = plan.held.as_ref().filter(|held| held.is_searched()) {
            // Without this right the workers' lists are never found, and in flight stays unknown.
            round.push(To::Node(0), discover::scan("0", &held.list.pattern(None), KeyType::List, 1));
        }
        let answers = link.round(&round, false, config, &mut 0).await?;
        let forbidden: BTreeSet<_> = answers
            .refusals()
            .filter(|refusal| refusal.code == Code::CommandForbidden)
            .map(|refusal| refusal.what.as_str())
            .collect();
        if !forbidden.is_empty() {
            let user = link.live().next().map_or("foresail", |node| node.user.as_str());
            let what = forbidden.into_iter().collect::<Vec<_>>().join("; ");
            let todo = format!("or give the user all that Foresail needs: {}", rule.line(user));
            findings.push(finding(Level::Error, &format!("layout {}", plan.layout.name), what, Some(todo)));
        }
    }
    Ok(())
}

/// A group that none of the layout's streams has is probably a typo, and everything seems to wait.
async fn of_group(
    plan: &Plan,
    link: &mut Link,
    config: &RedisConfig,
    findings: &mut Vec<Finding>,
) -> Result<(), NodeError> {
    let Some((key, group)) = &plan.stream else { return Ok(()) };
    // Without the right to search there is nothing to judge by.
    let queues = discover::queues(plan, link, STREAMS_LOOKED_AT).await.unwrap_or_default();
    let mut round = Round::default();
    let places = queues.iter().map(|queue| Places { queue, ..Places::default() });
    let asked: Vec<_> = places
        .map(|places| (group.fill(places), stream::ask_groups(&key.fill(places), &mut round)))
        .collect();
    let answers = link.round(&round, false, config, &mut 0).await?;
    let known = asked.iter().any(|(group, place)| {
        answers.at(*place).is_ok_and(|answer| stream::group_of(answer, group).is_some())
    });
    if let (Some((group, _)), false) = (asked.first(), known) {
        let what =
            format!("no stream of this layout has the group {group:?}, so every entry counts as waiting");
        let todo = "check the layout's `group`, or let the workers make it first".to_owned();
        findings.push(finding(Level::Warning, &format!("layout {}", plan.layout.name), what, Some(todo)));
    }
    Ok(())
}

const STREAMS_LOOKED_AT: usize = 100;

/// The smallest rule that lets a user read all layouts.
struct Rule<'a> {
    plans: &'a [Plan],
    version: [u32; 3],
    cluster: bool,
}

impl Rule<'_> {
    fn line(&self, user: &str) -> String {
        let since_7 = self.version >= [7, 0, 0];
        let mut commands: BTreeSet<String> = ALWAYS.iter().map(|name| (*name).to_owned()).collect();
        if self.cluster {
            commands.extend(["asking", "cluster|slots"].map(str::to_owned));
        }
        let mut keys = BTreeSet::new();
        for plan in self.plans {
            let mut round = Round::default();
            let mut memory = QueueMemory::default();
            // One worker, so that the commands and keys of worker lists are among those asked.
            memory.workers.insert("*".to_owned(), Instant::now());
            drop(Probe::start(plan, "*", 0.0, &memory, &mut round));
            commands.extend(round.asks().iter().map(Ask::acl_name));
            // Only since 7.0 can a rule allow reading alone.
            let mark = if since_7 { "%R~" } else { "~" };
            let names = round.asks().iter().filter_map(Ask::key_bytes);
            keys.extend(names.map(|key| format!("{mark}{}", String::from_utf8_lossy(key))));
            if plan.stream.is_some() {
                commands.insert("xrange".to_owned());
                commands.extend(since_7.then(|| "eval_ro".to_owned()));
            }
        }
        let commands: Vec<_> = commands.iter().map(|name| format!("+{name}")).collect();
        let keys: Vec<_> = keys.into_iter().collect();
        format!(
            "ACL SETUSER {user} on >PASSWORD resetkeys resetchannels -@all {} {}",
            commands.join(" "),
            keys.join(" "),
        )
    }
}

const ALWAYS: [&str; 8] = ["acl|whoami", "auth", "client|setname", "info", "ping", "scan", "select", "time"];

fn is_cluster(config: &RedisConfig) -> bool {
    matches!(config.topology, RedisTopology::Cluster(_))
}

fn finding(level: Level, subject: &str, what: String, todo: Option<String>) -> Finding {
    Finding { level, subject: subject.to_owned(), what, todo }
}
