//! Sentinel: who is the primary now?

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use tokio::time::timeout;

use crate::{
    config::source::Address,
    source::{
        SourceError,
        redis::{
            connect::{Dialer, connect},
            node::{Node, NodeError},
            value::{items, text},
        },
    },
};

/// Asks all sentinels at once and connects to the server that most of them call the primary and that
/// calls itself so: a sentinel cut off from the others may still name the old one.
pub(super) async fn primary(
    dialer: Dialer<'_>,
    master: &str,
    sentinels: &[Address],
    username: Option<&str>,
) -> Result<Node, NodeError> {
    // A sentinel that hangs must leave time for the primary itself.
    let patience = Duration::from_secs_f64(dialer.config.timeout / 3.0);
    let answers = join_all(sentinels.iter().map(|sentinel| async move {
        let asked = timeout(patience, ask(dialer, sentinel, master, username)).await;
        asked.unwrap_or_else(|_| Err(format!("{}:{}: no answer", sentinel.host, sentinel.port)))
    }))
    .await;
    let mut votes: BTreeMap<(String, u16), usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for answer in answers {
        match answer {
            Ok(address) => *votes.entry(address).or_default() += 1,
            Err(failure) => failures.push(failure),
        }
    }
    let mut candidates: Vec<_> = votes.into_iter().collect();
    candidates.sort_by_key(|(_, votes)| std::cmp::Reverse(*votes));
    let mut last = connect(format!("no sentinel knows the primary {master:?}: {}", failures.join("; ")));
    for ((host, port), _) in candidates {
        match dialer.data(&Address { host, port }).await {
            Ok(node) if node.health.is_primary() => return Ok(node),
            Ok(node) => {
                let what =
                    format!("the sentinels name {} as primary {master:?}, but it is a replica", node.name);
                last = NodeError::Source(SourceError::NotTrusted(what));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn ask(
    dialer: Dialer<'_>,
    sentinel: &Address,
    master: &str,
    username: Option<&str>,
) -> Result<(String, u16), String> {
    let opened = dialer.sentinel(sentinel, username).await;
    let (mut connection, name) = opened.map_err(|error| SourceError::from(error).to_string())?;
    let command = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master).take();
    let answer =
        connection.send_packed_command(&command).await.map_err(|error| format!("{name}: {error}"))?;
    if let redis::Value::ServerError(error) = &answer {
        return Err(format!("{name}: {} {}", error.code(), error.details().unwrap_or_default()));
    }
    let parts = items(&answer).ok_or_else(|| format!("{name} knows no primary of this name"))?;
    let host = parts.first().and_then(text).map(std::borrow::Cow::into_owned);
    let port = parts.get(1).and_then(text).and_then(|port| port.parse().ok());
    host.zip(port).ok_or_else(|| format!("{name} gave no address"))
}
