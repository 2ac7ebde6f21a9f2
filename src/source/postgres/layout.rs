//! Layouts: checked where the configuration is read, and made into a statement over a connection.

use std::collections::BTreeMap;

use sqlx::{Column as _, Row as _};
use tokio::time::Instant;

use super::{
    failure::Failure,
    quote,
    recipe::{Filling, Kind, Recipe},
    row::Shape,
    session::{Session, text},
    statement::{Statement, TableStatement, columns_of, trimmed},
    table::{self, Table},
};
use crate::config::{
    source::{Layout, LayoutRead, MissingQueue, Parameters},
    text::Texts,
};

/// A layout that cannot be read from Postgres.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layouts.{layout}.{key}: {what}")]
pub struct LayoutError {
    /// The layout's name.
    pub layout: String,
    /// The key at fault.
    pub key: String,
    /// What is wrong, and what to do about it.
    pub what: String,
}

/// Checks what can be checked without a server.
pub(super) fn check(layout: &Layout) -> Result<(), LayoutError> {
    let wrong =
        |key: &str, what: String| Err(LayoutError { layout: layout.name.clone(), key: key.to_owned(), what });
    let (recipe, parameters) = match &layout.read {
        LayoutRead::Query(sql) if sql.contains('\0') => return wrong("query", "it holds a NUL".to_owned()),
        LayoutRead::Query(sql) if trimmed(sql).is_empty() => return wrong("query", "it is empty".to_owned()),
        LayoutRead::Query(_) if layout.stuck_after.is_some() => {
            return wrong(
                "stuck_after",
                "a query says itself how many jobs are stuck, in a column `stuck`".to_owned(),
            );
        }
        LayoutRead::Query(_) => return Ok(()),
        LayoutRead::Preset { preset, parameters } => match &preset.postgres {
            Some(recipe) => (recipe, parameters),
            None => return wrong("preset", format!("{} does not lie in Postgres", preset.preset)),
        },
        LayoutRead::Embedded => {
            return wrong("preset", "the embedded log does not lie in Postgres".to_owned());
        }
    };
    for (key, values) in &parameters.0 {
        if values.iter().any(|value| value.contains('\0')) {
            return wrong(key, "it holds a NUL".to_owned());
        }
        if values.len() > 1 && recipe.parameters.get(key) != Some(&Kind::Values) {
            return wrong(key, "a single value is wanted here, not a list".to_owned());
        }
    }
    for (key, values) in recipe.of_kind(Kind::Relation, parameters) {
        if let Some(Err(what)) = values.first().map(|name| quote::relation(name)) {
            return wrong(key, what);
        }
    }
    let filling = filling(layout, parameters, &NO_TYPES);
    if layout.stuck_after.is_some() && !recipe.uses(&recipe.stuck, "stuck_after", &filling) {
        return wrong(
            "stuck_after",
            "it needs started_at, the column that says since when a job runs".to_owned(),
        );
    }
    if recipe.uses(&recipe.arrivals, "sequence", &filling) && filling.fill(recipe, &recipe.queue).is_some() {
        let what = "a sequence counts the jobs of all queues of the table: it needs queue: \"\"";
        return wrong("sequence", what.to_owned());
    }
    Ok(())
}

static NO_TYPES: BTreeMap<String, String> = BTreeMap::new();

fn filling<'a>(
    layout: &Layout,
    parameters: &'a Parameters,
    types: &'a BTreeMap<String, String>,
) -> Filling<'a> {
    Filling { parameters, stuck_after: layout.stuck_after, types }
}

/// Makes a layout's statement from what the server knows.
pub(super) async fn prepare(
    session: &mut Session,
    layout: &Layout,
    deadline: Instant,
) -> Result<Statement, Failure> {
    match &layout.read {
        LayoutRead::Query(sql) => prepare_query(session, sql, deadline).await,
        LayoutRead::Preset { preset, parameters } => match &preset.postgres {
            Some(recipe) => prepare_table(session, layout, recipe, parameters, deadline).await,
            None => Err(Failure::Layout(format!("{} does not lie in Postgres", preset.preset))),
        },
        LayoutRead::Embedded => Err(Failure::Layout("the embedded log does not lie in Postgres".to_owned())),
    }
}

async fn prepare_table(
    session: &mut Session,
    layout: &Layout,
    recipe: &Recipe,
    parameters: &Parameters,
    deadline: Instant,
) -> Result<Statement, Failure> {
    let (relation, table) = described(session, recipe, parameters, deadline).await?;
    table.check(&relation, &session.role, recipe, parameters).map_err(Failure::Layout)?;
    let types = table.types();
    let look_for_missing = layout.missing_queue == MissingQueue::Error;
    let statement = TableStatement::new(recipe, &filling(layout, parameters, &types), look_for_missing)
        .map(|table| Statement::Table(Box::new(table)))
        .map_err(Failure::Layout)?;
    if recipe.of_kind(Kind::Condition, parameters).next().is_some() {
        session.explain(&statement.read(&[]), deadline).await?;
    }
    Ok(statement)
}

/// The quoted name of a preset's table, and what the server knows about it.
pub(super) async fn described(
    session: &mut Session,
    recipe: &Recipe,
    parameters: &Parameters,
    deadline: Instant,
) -> Result<(String, Table), Failure> {
    let from = Texts(vec![recipe.from.clone()]);
    let filling = Filling { parameters, stuck_after: None, types: &NO_TYPES };
    let relation =
        filling.fill(recipe, &from).ok_or_else(|| Failure::Layout("the layout names no table".to_owned()))?;
    let answer = session.transaction(&table::describe(&relation), deadline).await?;
    let Some(json) = answer.rows.first().and_then(|row| text(row, 0)) else {
        return Err(Failure::Layout(format!(
            "table {relation} does not exist, or is not on the search_path of role {}: write schema.table, or \
             create it",
            quote::identifier(&session.role)
        )));
    };
    let table = serde_json::from_str(&json)
        .map_err(|error| Failure::Layout(format!("the catalogue's answer on {relation} is odd: {error}")))?;
    Ok((relation, table))
}

async fn prepare_query(session: &mut Session, sql: &str, deadline: Instant) -> Result<Statement, Failure> {
    let sql = trimmed(sql);
    let columns = query_columns(session, &sql, deadline).await?;
    for needed in ["queue", "waiting"] {
        let times = columns.iter().filter(|column| *column == needed).count();
        if times != 1 {
            return Err(Failure::Layout(format!(
                "the query must return a column {needed}, once; it returns {}",
                columns.join(", ")
            )));
        }
    }
    Ok(Statement::Query { sql, shape: Shape::of_columns(&columns) })
}

/// The names of the columns that a query returns.
pub(super) async fn query_columns(
    session: &mut Session,
    sql: &str,
    deadline: Instant,
) -> Result<Vec<String>, Failure> {
    // First, since it refuses what is more than one statement.
    session.explain(&columns_of(sql), deadline).await?;
    let answer = session.transaction(&columns_of(sql), deadline).await?;
    let columns = answer.rows.first().map(|row| row.columns().iter().map(|c| c.name().to_owned()).collect());
    Ok(columns.unwrap_or_default())
}
