//! One server and the one connection to it.

use std::time::Instant;

use futures_util::future::try_join_all;
use redis::{Cmd, Pipeline, RedisError, Value, aio::MultiplexedConnection};

use crate::source::{
    SourceError,
    redis::{
        ask::{Answer, Ask, Refusal, To},
        clock::ServerClock,
        health::{self, Health},
    },
};

/// A server that answered, and the one connection to it.
#[derive(Debug)]
pub(super) struct Node {
    /// Host and port, for messages.
    pub(super) name: String,
    /// The user that the connection speaks for.
    pub(super) user: String,
    /// The server's clock.
    pub(super) clock: ServerClock,
    /// What the server last said of itself.
    pub(super) health: Health,
    connection: MultiplexedConnection,
}

/// Why a node did not answer a round.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NodeError {
    /// The connection was closed; a new one may do.
    Lost(String),
    /// Anything else.
    Source(SourceError),
}

impl From<NodeError> for SourceError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Lost(what) => Self::Connect(what),
            NodeError::Source(error) => error,
        }
    }
}

impl Node {
    /// Names the connection and reads the server's clock and health, so that the first commands can
    /// hold its time.
    pub(super) async fn greet(
        name: String,
        user: String,
        connection: MultiplexedConnection,
    ) -> Result<Self, NodeError> {
        let mut commands = vec![redis::cmd("CLIENT").arg("SETNAME").arg("foresail").take()];
        commands.extend(health::commands());
        let sent = Instant::now();
        let answers = send(&connection, commands, &name).await?;
        // A refused name is no harm.
        let (clock, health) = take_health(&name, &user, &answers[1..], sent)?;
        Ok(Self { name, user, clock, health, connection })
    }

    /// Sends one round to this server and waits for all of its answers; a command that was refused is
    /// an answer. With `check` the server's clock and health are read in the same round.
    pub(super) async fn round(&mut self, asks: &[&Ask], check: bool) -> Result<Vec<Answer>, NodeError> {
        let mut commands: Vec<Cmd> = if check { health::commands().into() } else { Vec::new() };
        let checks = commands.len();
        commands.extend(asks.iter().map(|ask| ask.command.clone()));
        let sent = Instant::now();
        let mut answers = send(&self.connection, commands, &self.name).await?;
        let rest = answers.split_off(checks);
        if check {
            let (clock, health) = take_health(&self.name, &self.user, &answers, sent)?;
            self.clock = self.clock.surer(clock);
            self.health = health;
        }
        Ok(asks.iter().zip(rest).map(|(ask, value)| self.answer(ask, value)).collect())
    }

    /// Sends one command.
    pub(super) async fn ask(&self, command: Cmd) -> Result<Answer, NodeError> {
        let ask = Ask { to: To::Node(0), command };
        let mut values = send(&self.connection, vec![ask.command.clone()], &self.name).await?;
        Ok(self.answer(&ask, values.pop().unwrap_or(Value::Nil)))
    }

    fn answer(&self, ask: &Ask, value: Value) -> Answer {
        match value {
            Value::ServerError(error) => Err(Refusal::of(ask, &error, &self.user)),
            value => Ok(value),
        }
    }
}

/// Sends all commands without waiting between them: one round, whatever their number. The chunks keep
/// single buffers small.
async fn send(
    connection: &MultiplexedConnection,
    commands: Vec<Cmd>,
    name: &str,
) -> Result<Vec<Value>, NodeError> {
    let wanted = commands.len();
    let mut commands = commands.into_iter().peekable();
    let mut chunks = Vec::new();
    while commands.peek().is_some() {
        let mut pipeline = Pipeline::with_capacity(CHUNK.min(wanted));
        for command in commands.by_ref().take(CHUNK) {
            pipeline.add_command(command);
        }
        let mut connection = connection.clone();
        chunks.push(async move { connection.send_packed_commands(&pipeline, 0, pipeline.len()).await });
    }
    let values: Vec<Value> =
        try_join_all(chunks).await.map_err(|error| failed(name, &error))?.into_iter().flatten().collect();
    if values.len() == wanted {
        Ok(values)
    } else {
        let what = format!("{name}: {} answers to {wanted} commands", values.len());
        Err(NodeError::Source(SourceError::Read(what)))
    }
}

/// Commands in one buffer.
const CHUNK: usize = 10_000;

fn failed(name: &str, error: &RedisError) -> NodeError {
    if error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error() {
        NodeError::Lost(format!("{name}: the connection was lost: {error}"))
    } else {
        NodeError::Source(SourceError::Read(format!("{name}: {error}")))
    }
}

fn take_health(
    name: &str,
    user: &str,
    answers: &[Value],
    sent: Instant,
) -> Result<(ServerClock, Health), NodeError> {
    let refused = answers.iter().zip(health::commands()).find_map(|(answer, command)| match answer {
        Value::ServerError(error) => Some((error, command)),
        _ => None,
    });
    if let Some((error, command)) = refused {
        let ask = Ask { to: To::Node(0), command };
        return Err(NodeError::Source(match error.code() {
            "NOAUTH" => SourceError::Connect(format!("{name} wants a password, and none is configured")),
            "LOADING" => SourceError::NotTrusted(format!("{name} is loading its data")),
            _ => SourceError::Read(format!("{name}: {}", Refusal::of(&ask, error, user).what)),
        }));
    }
    let clock = answers.first().and_then(|time| ServerClock::measured(time, sent, Instant::now()));
    let clock = clock.ok_or_else(|| {
        NodeError::Source(SourceError::Read(format!(
            "{name}: the answer to TIME is no time; is this a Redis?"
        )))
    })?;
    Ok((clock, Health::parse(&answers[1..])))
}
