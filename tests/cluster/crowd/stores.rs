//! The Redis and the Postgres of a crowd.

use redis::aio::MultiplexedConnection;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::{
    cost::{self, Cost},
    support::{postgres::PostgresServer, redis::RedisServer},
};

/// Whoever scales reads Postgres as this role, so that its connections and statements can be told from others'.
const ROLE: &str = "scaler";

/// Both stores, each with so many queues.
#[derive(Debug)]
pub(crate) struct Stores {
    pub(crate) redis: RedisServer,
    pub(crate) postgres: PostgresServer,
    queues: usize,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Store {
    Redis,
    Postgres,
}

/// One queue of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    pub(crate) store: Store,
    number: usize,
}

/// What a store has done for its clients since it started, and what that cost it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Open now, ours left out.
    pub(crate) connections: u64,
    /// Redis commands, those that a script calls included; Postgres statements, BEGIN and COMMIT included.
    pub(crate) commands: u64,
    /// Times that Redis has read from a connection: a pipeline is one or a few. Of Postgres: queries of jobs.
    pub(crate) rounds: u64,
    pub(crate) cost: Cost,
}

impl Load {
    /// What was done between two looks, with the connections of the later one.
    pub(crate) fn since(before: &Self, after: &Self) -> Self {
        Self {
            connections: after.connections,
            commands: after.commands - before.commands,
            rounds: after.rounds - before.rounds,
            cost: Cost { cpu: after.cost.cpu.saturating_sub(before.cost.cpu), memory: after.cost.memory },
        }
    }

    /// What was done in one of so many equal parts.
    pub(crate) fn divided_by(self, parts: u32) -> Self {
        Self {
            commands: self.commands / u64::from(parts),
            rounds: self.rounds / u64::from(parts),
            cost: Cost { cpu: self.cost.cpu / parts, ..self.cost },
            ..self
        }
    }
}

impl Stores {
    /// Starts both. The Postgres holds a history of 100,000 finished jobs, and a partial index on those that live.
    pub(crate) async fn start(queues: usize, max_connections: usize) -> Self {
        let postgres = PostgresServer::builder()
            .setting(&format!("max_connections = {max_connections}"))
            .setting("shared_preload_libraries = 'pg_stat_statements'");
        let (redis, postgres) = tokio::join!(RedisServer::start(), postgres.start());
        postgres.execute("CREATE EXTENSION pg_stat_statements").await;
        postgres
            .execute(&format!(
                "CREATE ROLE {ROLE} LOGIN;
                 CREATE TABLE jobs (id bigserial PRIMARY KEY, queue text NOT NULL, status text NOT NULL);
                 INSERT INTO jobs (queue, status)
                   SELECT 'queue-' || n % {queues}, 'done' FROM generate_series(1, 100000) n;
                 CREATE INDEX ON jobs (queue, status) WHERE status IN ('queued', 'running');
                 GRANT SELECT ON jobs TO {ROLE}"
            ))
            .await;
        postgres.execute("VACUUM ANALYZE jobs").await;
        Self { redis, postgres, queues }
    }

    /// The queue of the object with this index.
    pub(crate) fn queue(&self, index: usize) -> Queue {
        let store = if index.is_multiple_of(2) { Store::Redis } else { Store::Postgres };
        Queue { store, number: index / 2 % self.queues }
    }

    /// Every queue of both.
    pub(crate) fn all(&self) -> impl Iterator<Item = Queue> {
        (0..2 * self.queues).map(|index| self.queue(index))
    }

    /// Foresail's configuration for both, with its defaults otherwise.
    pub(crate) fn sections(&self) -> String {
        format!(
            r#"
sources:
  redis:
    redis: {{ host: 127.0.0.1, port: {} }}
    namespaces: {{ "*": ["*"] }}
    layouts: {{ jobs: {{ preset: redis-list, processing: "{{queue}}:busy" }} }}
  postgres:
    postgres: {{ host: 127.0.0.1, port: {}, user: {ROLE}, database: postgres, tls: {{ mode: disable }} }}
    namespaces: {{ "*": ["*"] }}
    layouts: {{ jobs: {{ preset: pg-table }} }}
"#,
            self.redis.port(),
            self.postgres.port(),
        )
    }

    /// A store's name among Foresail's sources.
    pub(crate) fn source(store: Store) -> &'static str {
        match store {
            Store::Redis => "redis",
            Store::Postgres => "postgres",
        }
    }

    /// What KEDA's own trigger connects to.
    pub(super) fn postgres_url(&self) -> String {
        self.postgres.url(ROLE, "postgres")
    }

    /// So many jobs more in each of these queues, all at once.
    pub(crate) async fn enqueue(&self, queues: &[Queue], jobs: usize) {
        let of = |store| queues.iter().filter(move |queue| queue.store == store).map(|queue| queue.name());
        let mut pipeline = redis::pipe();
        for queue in of(Store::Redis) {
            pipeline.lpush(queue, vec!["a job"; jobs]).ignore();
        }
        let names: Vec<String> = of(Store::Postgres).map(|name| format!("('{name}')")).collect();
        if !pipeline.is_empty() {
            let mut connection = self.redis.connection().await;
            pipeline.exec_async(&mut connection).await.expect("Redis takes jobs");
        }
        if !names.is_empty() {
            let rows = names.join(", ");
            self.postgres
                .execute(&format!(
                    "INSERT INTO jobs (queue, status)
                     SELECT queue, 'queued' FROM (VALUES {rows}) AS q (queue), generate_series(1, {jobs})"
                ))
                .await;
        }
    }

    /// Connections that look at the stores; they are counted out of what they see.
    pub(crate) async fn observer(&self) -> Observer<'_> {
        Observer {
            stores: self,
            redis: self.redis.connection().await,
            postgres: self.postgres.connection("postgres").await,
        }
    }
}

impl Queue {
    pub(crate) fn name(self) -> String {
        format!("queue-{}", self.number)
    }
}

/// Looks at what the stores do for others.
pub(crate) struct Observer<'a> {
    stores: &'a Stores,
    redis: MultiplexedConnection,
    postgres: PgConnection,
}

impl Observer<'_> {
    pub(crate) async fn load(&mut self, store: Store) -> Load {
        match store {
            Store::Redis => self.redis().await,
            Store::Postgres => self.postgres().await,
        }
    }

    async fn redis(&mut self) -> Load {
        let info: String =
            redis::cmd("INFO").query_async(&mut self.redis).await.expect("Redis says how it fares");
        let field = |name: &str| -> u64 {
            let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("INFO has no {name}"))
        };
        Load {
            connections: field("connected_clients") - 1,
            commands: field("total_commands_processed"),
            rounds: field("total_reads_processed"),
            cost: cost::of(self.stores.redis.id()),
        }
    }

    async fn postgres(&mut self) -> Load {
        let mut number = async |sql: String| -> u64 {
            let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut self.postgres).await;
            let number: i64 = row.and_then(|row| row.try_get(0)).expect("Postgres counts");
            number.unsigned_abs()
        };
        let role = format!("(SELECT oid FROM pg_roles WHERE rolname = '{ROLE}')");
        let statements = format!("FROM pg_stat_statements WHERE userid = {role}");
        Load {
            connections: number(format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{ROLE}'")).await,
            commands: number(format!("SELECT coalesce(sum(calls), 0)::bigint {statements}")).await,
            rounds: number(format!(
                "SELECT coalesce(sum(calls), 0)::bigint {statements} AND query ~* '^(with|select)' AND query ~* '\\mjobs\\M'"
            ))
            .await,
            cost: cost::of_family(self.stores.postgres.id()),
        }
    }
}
