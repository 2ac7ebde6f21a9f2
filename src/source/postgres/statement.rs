//! The one statement that reads all wanted queues of a layout. Each row is one JSON text.

use std::fmt::Write as _;

use super::{
    quote,
    recipe::{Filling, Recipe},
    row::Shape,
};
use crate::{config::text::Texts, series::Quality};

/// A layout's statement, short of the queues' names.
#[derive(Debug, Clone)]
pub(super) enum Statement {
    /// Of a preset: expressions on the rows of a table.
    Table(Box<TableStatement>),
    /// The operator's own, checked to return `queue` and `waiting`.
    Query { sql: String, shape: Shape },
}

/// The expressions of a [`Recipe`], filled in.
#[derive(Debug, Clone)]
pub(super) struct TableStatement {
    from: String,
    /// Every column that is read, quoted, the queue's first.
    columns: Vec<String>,
    queue: Option<String>,
    live: String,
    known: String,
    waiting: String,
    running: Option<String>,
    due: Option<String>,
    since: Option<String>,
    stuck: Option<String>,
    worker: Option<String>,
    arrivals: Option<String>,
    /// Whether a queue without live rows is looked for among the others.
    look_for_missing: bool,
}

impl Statement {
    /// The SQL that reads `queues`.
    pub(super) fn read(&self, queues: &[&str]) -> String {
        let names = quote::text_array(queues);
        match self {
            Self::Table(table) => table.read(&names),
            Self::Query { sql, .. } => {
                format!(
                    "SELECT row_to_json(answer)::text FROM (\n{sql}\n) AS answer WHERE answer.queue::text = ANY ({names})"
                )
            }
        }
    }

    /// The SQL that lists at most `limit` queues; `None` where the whole table is one.
    pub(super) fn discover(&self, limit: usize) -> Option<String> {
        let (queue, from, condition) = match self {
            Self::Table(table) => (table.queue.clone()?, table.from.clone(), table.known.as_str()),
            Self::Query { sql, .. } => ("answer.queue".to_owned(), format!("(\n{sql}\n) AS answer"), "true"),
        };
        Some(format!(
            "SELECT DISTINCT ({queue})::text FROM {from} WHERE ({condition}) AND ({queue}) IS NOT NULL ORDER BY 1 LIMIT {limit}"
        ))
    }

    /// What the statement can tell.
    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Table(table) => table.shape(),
            Self::Query { shape, .. } => shape.clone(),
        }
    }

    /// The index that serves this statement, as its CREATE INDEX; `None` where that cannot be said.
    pub(super) fn index(&self) -> Option<String> {
        let Self::Table(table) = self else { return None };
        let (first, others) = table.columns.split_first()?;
        let include =
            if others.is_empty() { String::new() } else { format!(" INCLUDE ({})", others.join(", ")) };
        let partial = if table.live == "true" { String::new() } else { format!(" WHERE {}", table.live) };
        Some(format!("CREATE INDEX CONCURRENTLY ON {} ({first}){include}{partial}", table.from))
    }

    /// Whether the whole table is one queue, whatever its name.
    pub(super) fn is_one_queue(&self) -> bool {
        matches!(self, Self::Table(table) if table.queue.is_none())
    }
}

/// The operator's query without what would end it early inside of parentheses.
pub(super) fn trimmed(sql: &str) -> String {
    sql.trim_end_matches(|c: char| c == ';' || c.is_whitespace()).to_owned()
}

/// Returns one row with the columns of a query and no values, whatever the query returns: names without
/// running it.
pub(super) fn columns_of(sql: &str) -> String {
    format!(
        "SELECT answer.* FROM (SELECT) AS one LEFT JOIN (SELECT * FROM (\n{sql}\n) AS query LIMIT 0) AS answer ON true"
    )
}

impl TableStatement {
    /// Fills a recipe in.
    ///
    /// # Errors
    /// Where an expression that every layout needs does not come about.
    pub(super) fn new(
        recipe: &Recipe,
        filling: &Filling<'_>,
        look_for_missing: bool,
    ) -> Result<Self, String> {
        let fill = |choices| filling.fill(recipe, choices);
        let from = Texts(vec![recipe.from.clone()]);
        let running = fill(&recipe.running);
        let queue = fill(&recipe.queue);
        let mut columns: Vec<String> =
            recipe.columns(filling.parameters).map(|(_, column, _)| quote::identifier(column)).collect();
        columns.sort_by_key(|column| Some(column) != queue.as_ref());
        columns.dedup();
        Ok(Self {
            columns,
            from: fill(&from).ok_or("the layout names no table")?,
            queue,
            live: fill(&recipe.live).unwrap_or_else(|| "true".to_owned()),
            known: fill(&recipe.known).unwrap_or_else(|| "true".to_owned()),
            waiting: fill(&recipe.waiting).ok_or("the layout does not say which jobs wait")?,
            due: fill(&recipe.due),
            since: fill(&recipe.since),
            stuck: running.as_ref().and_then(|_| fill(&recipe.stuck)),
            worker: running.as_ref().and_then(|_| fill(&recipe.worker)),
            arrivals: fill(&recipe.arrivals),
            running,
            look_for_missing,
        })
    }

    /// From the inside out: what each row is; counts by queue and worker; counts by queue.
    fn read(&self, names: &str) -> String {
        let answer = self.answer(names);
        let (Some(queue), true) = (&self.queue, self.look_for_missing) else {
            return format!("SELECT row_to_json(answer)::text FROM ({answer}) AS answer");
        };
        let Self { from, known, .. } = self;
        format!(
            "WITH answer AS MATERIALIZED ({answer}) \
             SELECT row_to_json(answer)::text FROM answer UNION ALL \
             SELECT json_build_object('queue', wanted.name)::text FROM unnest({names}) AS wanted (name) \
             WHERE NOT EXISTS (SELECT FROM answer WHERE answer.queue = wanted.name) \
             AND EXISTS (SELECT FROM {from} WHERE ({known}) AND {queue} = wanted.name)"
        )
    }

    fn answer(&self, names: &str) -> String {
        let or =
            |part: &Option<String>, otherwise: &str| part.clone().unwrap_or_else(|| otherwise.to_owned());
        let Self { from, live, waiting, .. } = self;
        let (queue, running) = (or(&self.queue, "NULL::text"), or(&self.running, "false"));
        let (due, since) = (or(&self.due, "NULL::timestamptz"), or(&self.since, "NULL::timestamptz"));
        let (stuck, worker) = (or(&self.stuck, "false"), or(&self.worker, "NULL::text"));
        let (group_inner, group_outer, wanted) = match &self.queue {
            Some(queue) => ("queue, holder", "GROUP BY queue", format!(" AND {queue} = ANY ({names})")),
            None => ("holder", "", String::new()),
        };
        let queue_column = if self.queue.is_some() { "queue" } else { "NULL::text AS queue" };

        let mut columns = format!("{queue_column}, coalesce(sum(ready), 0)::bigint AS waiting");
        let mut add = |told: bool, column: &str| {
            if told {
                let _ = write!(columns, ", {column}");
            }
        };
        add(self.due.is_some(), "coalesce(sum(later), 0)::bigint AS scheduled");
        add(
            self.due.is_some(),
            "extract(epoch FROM min(next_due) - statement_timestamp())::float8 AS next_due",
        );
        add(self.running.is_some(), "coalesce(sum(held), 0)::bigint AS in_flight");
        add(self.stuck.is_some(), "coalesce(sum(lost), 0)::bigint AS stuck");
        add(
            self.since.is_some(),
            "extract(epoch FROM statement_timestamp() - min(oldest))::float8 AS oldest_age",
        );
        if self.worker.is_some() {
            add(true, "json_agg(json_build_array(holder, held, lost)) FILTER (WHERE held > 0) AS workers");
        }
        if let Some(arrivals) = &self.arrivals {
            add(true, &format!("{arrivals} AS arrivals_total"));
        }

        format!(
            "SELECT {columns} FROM (\
               SELECT {inner_queue}CASE WHEN runs THEN worker END AS holder, \
               count(*) FILTER (WHERE waits AND NOT runs AND NOT is_later) AS ready, \
               count(*) FILTER (WHERE waits AND NOT runs AND is_later) AS later, \
               min(due) FILTER (WHERE waits AND NOT runs AND is_later AND isfinite(due)) AS next_due, \
               count(*) FILTER (WHERE runs) AS held, \
               count(*) FILTER (WHERE runs AND is_stuck) AS lost, \
               min(since) FILTER (WHERE waits AND NOT runs AND NOT is_later AND isfinite(since)) AS oldest \
               FROM (\
                 SELECT {queue} AS queue, ({waiting}) AS waits, coalesce(({running}), false) AS runs, \
                 {due} AS due, coalesce({due} > statement_timestamp(), false) AS is_later, \
                 {since} AS since, ({stuck}) AS is_stuck, {worker} AS worker \
                 FROM {from} WHERE ({live}){wanted}\
               ) AS job GROUP BY {group_inner}\
             ) AS held {group_outer}",
            inner_queue = if self.queue.is_some() { "queue, " } else { "" },
        )
    }

    fn shape(&self) -> Shape {
        Shape {
            scheduled: self.due.is_some(),
            in_flight: self.running.is_some(),
            stuck: self.stuck.is_some(),
            workers: self.worker.is_some(),
            // Without a state, rows that a worker has locked are counted as waiting.
            quality: if self.running.is_some() { Quality::Exact } else { Quality::UpperBound },
        }
    }
}
