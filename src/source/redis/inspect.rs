//! What is wrong or risky in a Redis, for `foresail check`.

use std::collections::BTreeSet;

use crate::{
    config::source::RedisConfig,
    source::{
        Finding, Level, SourceError,
        redis::{
            ask::{Ask, Code, Round},
            link::Link,
            memory::QueueMemory,
            node::{Node, NodeError},
            probe::Probe,
            recipe::Plan,
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
    for node in link.live() {
        of_version(node, plans, &mut findings);
        of_role(node, &mut findings);
        of_user(node, plans, &mut findings).await?;
        of_eviction(node, &mut findings).await?;
    }
    of_rights(plans, link, config, &mut findings).await?;
    Ok(findings)
}

/// What to say of a source that cannot be read at all.
pub(super) fn unreadable(error: &SourceError, plans: &[Plan], config: &RedisConfig) -> Finding {
    let user = config.username.as_deref().unwrap_or("foresail");
    let todo = match error {
        SourceError::Connect(_) => "check address, network, TLS and credentials of this source".to_owned(),
        SourceError::Timeout(_) => "check the network, or raise `timeout`".to_owned(),
        SourceError::NotTrusted(_) => "give the primary's address, or wait until it has loaded".to_owned(),
        SourceError::Read(_) => format!("give the user what it needs: {}", acl_line(user, plans)),
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

async fn of_user(node: &Node, plans: &[Plan], findings: &mut Vec<Finding>) -> Result<(), NodeError> {
    let whoami = node.ask(redis::cmd("ACL").arg("WHOAMI").take()).await?;
    let user =
        whoami.as_ref().ok().and_then(text).map_or_else(|| node.user.clone(), std::borrow::Cow::into_owned);
    if user == "default" {
        let what = format!("{} is read as user \"default\", who may usually write and see all", node.name);
        let todo = format!("make a user that may only read: {}", acl_line("foresail", plans));
        findings.push(finding(Level::Warning, "server", what, Some(todo)));
    }
    Ok(())
}

async fn of_eviction(node: &Node, findings: &mut Vec<Finding>) -> Result<(), NodeError> {
    let memory = node.ask(redis::cmd("INFO").arg("memory").take()).await?;
    let memory = memory.as_ref().ok().and_then(text).unwrap_or_default();
    let value = |name: &str| {
        memory
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
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
    plans: &[Plan],
    link: &mut Link,
    config: &RedisConfig,
    findings: &mut Vec<Finding>,
) -> Result<(), NodeError> {
    for plan in plans {
        let mut round = Round::default();
        drop(Probe::start(plan, "foresail-check", link.now(""), &QueueMemory::default(), &mut round));
        let answers = link.round(&round, false, config, &mut 0).await?;
        let forbidden: BTreeSet<_> = answers
            .refusals()
            .filter(|refusal| refusal.code == Code::CommandForbidden)
            .map(|refusal| refusal.what.clone())
            .collect();
        if !forbidden.is_empty() {
            let user = link.live().next().map_or("foresail", |node| node.user.as_str());
            let what = forbidden.into_iter().collect::<Vec<_>>().join("; ");
            let todo = format!("or give the user all that Foresail needs: {}", acl_line(user, plans));
            findings.push(finding(Level::Error, &format!("layout {}", plan.layout.name), what, Some(todo)));
        }
    }
    Ok(())
}

/// The smallest rule that lets a user read all layouts.
fn acl_line(user: &str, plans: &[Plan]) -> String {
    let mut commands: BTreeSet<String> = ALWAYS.iter().map(|name| (*name).to_owned()).collect();
    let mut keys = BTreeSet::new();
    for plan in plans {
        let mut round = Round::default();
        let mut memory = QueueMemory::default();
        memory.workers.insert("*".to_owned(), std::time::Instant::now());
        drop(Probe::start(plan, "*", 0.0, &memory, &mut round));
        commands.extend(round.asks().iter().map(Ask::acl_name));
        let names = round.asks().iter().filter_map(Ask::key_bytes);
        keys.extend(names.map(|key| format!("%R~{}", String::from_utf8_lossy(key))));
        if plan.stream.is_some() {
            commands.extend(["xrange", "eval_ro"].map(str::to_owned));
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

const ALWAYS: [&str; 10] = [
    "acl|whoami",
    "auth",
    "client|setinfo",
    "client|setname",
    "cluster|slots",
    "info",
    "ping",
    "scan",
    "select",
    "time",
];

fn finding(level: Level, subject: &str, what: String, todo: Option<String>) -> Finding {
    Finding { level, subject: subject.to_owned(), what, todo }
}
