//! Which queues are there? `SCAN` over the keys, with a budget.

use std::{borrow::Cow, collections::BTreeSet};

use redis::{Cmd, Value};

use crate::source::{
    SourceError,
    redis::{
        items,
        link::Link,
        node::NodeError,
        recipe::{KeyType, Plan},
        text,
    },
};

/// Names of the queues of a layout, in order, at most `limit`, from at most `MOST_STEPS` steps a node.
pub(super) async fn queues(plan: &Plan, link: &Link, limit: usize) -> Result<Vec<String>, NodeError> {
    let mut found = BTreeSet::new();
    for template in plan.queues.iter().filter(|template| template.names_queue()) {
        let (pattern, form) = (template.pattern(None), template.regex());
        // A key `{queue}` fits every list, those of the jobs that workers hold included.
        let held = plan.held.as_ref().map(|held| held.list.regex());
        for node in link.live() {
            let mut cursor = "0".to_owned();
            for _ in 0..MOST_STEPS {
                let answer = node.ask(scan(&cursor, &pattern, plan.key_type, STEP)).await?;
                let answer = answer.map_err(|refusal| {
                    NodeError::Source(SourceError::Read(format!("{}: {}", node.name, refusal.what)))
                })?;
                let Some((next, keys)) = scanned(&answer) else { break };
                let keys = keys.iter().filter(|key| !held.as_ref().is_some_and(|held| held.is_match(key)));
                found.extend(
                    keys.filter_map(|key| Some(form.captures(key)?.name("queue")?.as_str().to_owned())),
                );
                cursor = next;
                if cursor == "0" || found.len() >= limit {
                    break;
                }
            }
        }
    }
    Ok(found.into_iter().take(limit).collect())
}

/// One step of a search; types are told apart by the server since 6.0.
pub(super) fn scan(cursor: &str, pattern: &str, key_type: KeyType, step: usize) -> Cmd {
    let mut command = redis::cmd("SCAN");
    command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(step).arg("TYPE").arg(key_type.as_str());
    command
}

/// The next cursor and the keys of one step.
pub(super) fn scanned(answer: &Value) -> Option<(String, Vec<String>)> {
    let parts = items(answer)?;
    let cursor = parts.first().and_then(text)?.into_owned();
    let keys = parts.get(1).and_then(items)?.iter().filter_map(text).map(Cow::into_owned).collect();
    Some((cursor, keys))
}

const STEP: usize = 1_000;
const MOST_STEPS: usize = 1_000;
