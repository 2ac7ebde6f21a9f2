//! The table, in Markdown.

use std::time::Duration;

use super::measure::{BURST, BUSY, JOBS, MINUTES, Measured, StoreUse};

/// When, on what, and what was done.
pub(super) fn heading(machine: &str) -> String {
    let date = jiff::Timestamp::now().strftime("%-d %B %Y");
    format!(
        "{date}. {machine}\n\nEverything ran on that machine: the control plane, KEDA, both stores and Foresail. \
         Half of the ScaledObjects read Redis, half Postgres, each a queue of its own; every {BUSY}rd held one job \
         while {MINUTES} minutes were counted. Then {BURST} queues at rest got {JOBS} jobs each, all at once."
    )
}

/// The numbers of so many objects.
pub(super) fn of(size: usize, measured: &[Measured]) -> String {
    let mut lines = Vec::new();
    let mut row = |name: &str, value: &dyn Fn(&Measured) -> String| {
        let cells: Vec<String> = measured.iter().map(value).collect();
        lines.push(format!("| {name} | {} |", cells.join(" | ")));
    };
    row(&format!("{size} ScaledObjects"), &|one| one.contender.name.to_owned());
    row("---", &|_| "---:".to_owned());
    row("Redis: connections, most", &|one| one.redis.most_connections.to_string());
    row("Redis: commands a minute", &|one| one.redis.a_minute.commands.to_string());
    row("Redis: reads from its connections a minute", &|one| one.redis.a_minute.rounds.to_string());
    row("Redis: CPU a minute", &|one| cpu(one.redis.a_minute.cost.cpu));
    row("Postgres: connections, most", &|one| one.postgres.most_connections.to_string());
    row("Postgres: statements a minute", &|one| one.postgres.a_minute.commands.to_string());
    row("Postgres: CPU a minute", &|one| cpu(one.postgres.a_minute.cost.cpu));
    row("Postgres: memory", &|one| mebibytes(one.postgres.a_minute.cost.memory));
    row("KEDA's operator: CPU a minute", &|one| cpu(one.operator.cpu));
    row("KEDA's operator: memory", &|one| mebibytes(one.operator.memory));
    row("Foresail: CPU a minute", &|one| one.foresail.map_or_else(none, |cost| cpu(cost.cpu)));
    row("Foresail: memory", &|one| one.foresail.map_or_else(none, |cost| mebibytes(cost.memory)));
    row("all of these: CPU a minute", &|one| cpu(total_cpu(one)));
    row("jobs come, first replica wanted: median, most", &|one| spread(&one.first));
    row("jobs come, all replicas wanted: median, most", &|one| spread(&one.last));
    row("objects created, all served", &|one| format!("{:.0} s", one.served.as_secs_f64()));
    row("calls that failed", &|one| one.errors.to_string());
    lines.join("\n")
}

fn total_cpu(one: &Measured) -> Duration {
    let store = |store: &StoreUse| store.a_minute.cost.cpu;
    store(&one.redis)
        + store(&one.postgres)
        + one.operator.cpu
        + one.foresail.map_or(Duration::ZERO, |cost| cost.cpu)
}

fn cpu(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// Of ascending times.
fn spread(times: &[Duration]) -> String {
    let (Some(median), Some(most)) = (times.get(times.len() / 2), times.last()) else { return none() };
    format!("{:.1} s, {:.1} s", median.as_secs_f64(), most.as_secs_f64())
}

fn none() -> String {
    "-".to_owned()
}
