//! What a server says of itself in every read, and whether its data may be trusted.

use redis::{Cmd, Value};

use crate::source::{SourceError, redis::value::text};

/// The commands that go first in every read of a node. One section each: servers before 7.0 take no
/// more, and all together cost some ten microseconds.
pub(super) fn commands() -> [Cmd; 4] {
    let info = |section: &str| redis::cmd("INFO").arg(section).take();
    [redis::cmd("TIME"), info("server"), info("replication"), info("persistence")]
}

/// What the server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// `run_id` and `master_replid`: which process, and which history of the data. A failover, a
    /// restart and a promotion each change one of them. Empty where the server tells neither.
    pub(super) identity: String,
    /// Version by the protocol's counting, such as `[7, 0, 15]`.
    pub(super) version: [u32; 3],
    role: String,
    loading: bool,
    link_down: bool,
}

impl Health {
    /// Reads the `INFO` answers.
    pub(super) fn parse(infos: &[Value]) -> Self {
        let mut health = Self::default();
        let (mut run_id, mut replication_id) = (String::new(), String::new());
        for info in infos.iter().filter_map(text) {
            for (name, value) in info.lines().filter_map(|line| line.split_once(':')) {
                match name {
                    "run_id" => value.clone_into(&mut run_id),
                    "master_replid" => value.clone_into(&mut replication_id),
                    "redis_version" => health.version = version(value),
                    "role" => value.clone_into(&mut health.role),
                    "loading" | "async_loading" => health.loading |= value.trim() != "0",
                    "master_link_status" => health.link_down = value.trim() != "up",
                    _ => {}
                }
            }
        }
        if !(run_id.is_empty() && replication_id.is_empty()) {
            health.identity = format!("{run_id}/{replication_id}");
        }
        health
    }

    /// Whether this server is the primary of its data.
    pub(super) fn is_primary(&self) -> bool {
        self.role == "master"
    }

    /// Whether its data may be read.
    ///
    /// # Errors
    /// Says why not: an empty or old queue would look like one without work.
    pub(super) fn trusted(&self, replica_allowed: bool, node: &str) -> Result<(), SourceError> {
        let refuse = |why: &str| Err(SourceError::NotTrusted(format!("{node} {why}")));
        if self.loading {
            return refuse("is loading its data");
        }
        match self.role.as_str() {
            "slave" if !replica_allowed => refuse(
                "is a replica: give the primary's address, or set `replica: true` to read it with its lag",
            ),
            "slave" if self.link_down => refuse("is a replica that has lost its primary"),
            "master" | "slave" => Ok(()),
            other => refuse(&format!("has role {other:?}, not primary or replica")),
        }
    }
}

fn version(text: &str) -> [u32; 3] {
    let mut parts = text.trim().split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(lines: &str) -> Health {
        Health::parse(&[Value::BulkString(lines.replace('\n', "\r\n").into())])
    }

    #[test]
    fn a_primary_is_trusted_and_has_an_identity() {
        let health =
            health("# Server\nredis_version:7.0.15\nrun_id:aa\nrole:master\nmaster_replid:bb\nloading:0\n");
        assert_eq!((health.identity.as_str(), health.version), ("aa/bb", [7, 0, 15]));
        assert_eq!(health.trusted(false, "r:1"), Ok(()));
    }

    #[test]
    fn loading_replicas_and_lost_links_are_not_trusted() {
        let why = |lines: &str, allowed| health(lines).trusted(allowed, "r:1").unwrap_err().to_string();
        assert!(why("role:master\nloading:1", true).contains("r:1 is loading its data"));
        assert!(why("role:master\nasync_loading:1", true).contains("loading"));
        assert!(why("role:slave\nmaster_link_status:up", false).contains("`replica: true`"));
        assert!(why("role:slave\nmaster_link_status:down", true).contains("lost its primary"));
        assert!(why("role:sentinel", true).contains("sentinel"));
        assert!(why("", true).contains("role"));
        assert_eq!(health("role:slave\nmaster_link_status:up").trusted(true, "r:1"), Ok(()));
    }
}
