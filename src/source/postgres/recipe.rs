//! What a preset reads from Postgres: SQL expressions of its data file, filled with a layout's parameters.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::quote;
use crate::config::{source::Parameters, text::Texts};

/// What a preset reads from Postgres.
///
/// Each key holds an SQL expression on one row of `from`, or several of which the first counts whose
/// `{placeholders}` all stand for something. A placeholder is a parameter of the preset (what `parameters`
/// says of it tells how it is written into the SQL), `{now}`, `{stuck_after}` or `{..._oid}` of a relation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// How each parameter is written into the SQL.
    pub parameters: BTreeMap<String, Kind>,
    /// The table.
    pub from: String,
    /// The queue's name; the whole table is one queue where no expression fits.
    #[serde(default = "nothing")]
    pub queue: Texts,
    /// Rows that are read at all; all where absent.
    #[serde(default = "nothing")]
    pub live: Texts,
    /// Rows that show that a queue exists, for `missing_queue: error`; all where absent.
    #[serde(default = "nothing")]
    pub known: Texts,
    /// Whether the job waits, due or not.
    pub waiting: Texts,
    /// Whether a worker holds the job; in flight is unknown where absent.
    #[serde(default = "nothing")]
    pub running: Texts,
    /// When the job may start (`timestamptz`).
    #[serde(default = "nothing")]
    pub due: Texts,
    /// Since when the job has been waiting (`timestamptz`).
    #[serde(default = "nothing")]
    pub since: Texts,
    /// Whether a running job's worker is lost.
    #[serde(default = "nothing")]
    pub stuck: Texts,
    /// The worker that holds a running job.
    #[serde(default = "nothing")]
    pub worker: Texts,
    /// Jobs that ever arrived.
    #[serde(default = "nothing")]
    pub arrivals: Texts,
}

/// How a parameter is written into SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A table, view or sequence, quoted.
    Relation,
    /// A column, quoted.
    Column,
    /// A column that is read as text: cast where its type is another one.
    Text,
    /// A column that is read as a point in time: of either timestamp type, a date, or Unix seconds.
    Time,
    /// A list of literals; they take the type of what they are compared with.
    Values,
    /// An SQL condition of the operator's own.
    Condition,
    /// Not written by itself: the time zone of times without one.
    Zone,
}

fn nothing() -> Texts {
    Texts(Vec::new())
}

impl Recipe {
    /// The parameters that name columns and are given, with the column that each names.
    pub(super) fn columns<'a>(
        &'a self,
        parameters: &'a Parameters,
    ) -> impl Iterator<Item = (&'a str, &'a str, Kind)> + 'a {
        self.parameters.iter().filter_map(|(name, &kind)| {
            let column = given(parameters, name)?.first()?;
            matches!(kind, Kind::Column | Kind::Text | Kind::Time).then_some((
                name.as_str(),
                column.as_str(),
                kind,
            ))
        })
    }

    /// The parameters of a kind that are given, with their values.
    pub(super) fn of_kind<'a>(
        &'a self,
        wanted: Kind,
        parameters: &'a Parameters,
    ) -> impl Iterator<Item = (&'a str, &'a [String])> + 'a {
        self.parameters
            .iter()
            .filter(move |(_, kind)| **kind == wanted)
            .filter_map(|(name, _)| Some((name.as_str(), given(parameters, name)?)))
    }

    /// Whether a layout with these parameters uses `{name}` in what `choices` reads.
    pub(super) fn uses(&self, choices: &Texts, name: &str, filling: &Filling<'_>) -> bool {
        chosen(choices, &|name| filling.value(self, name))
            .is_some_and(|(template, _)| template.contains(&format!("{{{name}}}")))
    }
}

/// What a layout's parameters are filled in with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling<'a> {
    pub(super) parameters: &'a Parameters,
    /// Seconds, where the layout sets it.
    pub(super) stuck_after: Option<f64>,
    /// Type names of the table's columns; without them every column counts as of the fitting type.
    pub(super) types: &'a BTreeMap<String, String>,
}

impl Filling<'_> {
    /// The expression that counts among `choices`, filled in; `None` where none fits.
    pub(super) fn fill(&self, recipe: &Recipe, choices: &Texts) -> Option<String> {
        chosen(choices, &|name| self.value(recipe, name)).map(|(_, filled)| filled)
    }

    /// What `{name}` stands for; `None` where the layout gives nothing for it.
    fn value(&self, recipe: &Recipe, name: &str) -> Option<String> {
        match name {
            // The statement's start, by the server's clock: one instant for all rows, so that a job which
            // falls due meanwhile is counted once.
            "now" => return Some("statement_timestamp()".to_owned()),
            "stuck_after" => return Some(format!("make_interval(secs => {})", self.stuck_after?)),
            _ => {}
        }
        if let Some(relation) = name.strip_suffix("_oid") {
            return Some(format!("{}::regclass", quote::literal(&self.value(recipe, relation)?)));
        }
        let values = given(self.parameters, name)?;
        let first = values.first()?;
        match recipe.parameters.get(name)? {
            Kind::Relation => quote::relation(first).ok(),
            Kind::Column => Some(quote::identifier(first)),
            Kind::Text => Some(self.as_text(first)),
            Kind::Time => Some(self.as_time(recipe, first)),
            Kind::Values => Some(quote::literals(values)),
            // On a line of its own, so that a comment at its end hides nothing.
            Kind::Condition => Some(format!("({first}\n)")),
            Kind::Zone => Some(quote::literal(first)),
        }
    }

    /// Bare where it is text already, so that an index on the column serves.
    fn as_text(&self, column: &str) -> String {
        let quoted = quote::identifier(column);
        match self.types.get(column).map(String::as_str) {
            None | Some("text" | "varchar" | "name") => quoted,
            Some(_) => format!("{quoted}::text"),
        }
    }

    fn as_time(&self, recipe: &Recipe, column: &str) -> String {
        let quoted = quote::identifier(column);
        let zone = || {
            let zone = recipe.of_kind(Kind::Zone, self.parameters).next();
            quote::literal(zone.and_then(|(_, values)| values.first()).map_or("UTC", String::as_str))
        };
        match self.types.get(column).map(String::as_str) {
            Some("timestamp") => format!("({quoted} AT TIME ZONE {})", zone()),
            Some("date") => format!("({quoted}::timestamp AT TIME ZONE {})", zone()),
            Some("int2" | "int4" | "int8" | "float4" | "float8" | "numeric") => {
                format!("to_timestamp({quoted}::float8)")
            }
            _ => quoted,
        }
    }
}

/// Column types that [`Kind::Time`] can be.
pub(super) const TIME_TYPES: [&str; 9] =
    ["timestamptz", "timestamp", "date", "int2", "int4", "int8", "float4", "float8", "numeric"];

/// A parameter's values; the empty text is as good as nothing.
fn given<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a [String]> {
    let values = parameters.many(name);
    (!values.is_empty() && values.iter().any(|value| !value.is_empty())).then_some(values)
}

/// The first template whose placeholders all have a value, and the same filled in.
fn chosen<'t>(choices: &'t Texts, value: &dyn Fn(&str) -> Option<String>) -> Option<(&'t str, String)> {
    choices.0.iter().find_map(|template| Some((template.as_str(), filled(template, value)?)))
}

fn filled(template: &str, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        text.push_str(before);
        text.push_str(&value(name)?);
        rest = after;
    }
    Some(text + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::preset::PRESETS;

    fn parameters(pairs: &[(&str, &[&str])]) -> Parameters {
        let pairs = pairs.iter().map(|(name, values)| {
            ((*name).to_owned(), values.iter().map(|&value| value.to_owned()).collect())
        });
        PRESETS["pg-table"].complete(pairs.collect()).expect("they are parameters of pg-table")
    }

    fn fill(choices: fn(&Recipe) -> &Texts, pairs: &[(&str, &[&str])]) -> Option<String> {
        let recipe = PRESETS["pg-table"].postgres.as_ref().expect("it lies in Postgres");
        let (parameters, types) = (parameters(pairs), BTreeMap::from([("due".into(), "timestamp".into())]));
        let filling = Filling { parameters: &parameters, stuck_after: Some(60.0), types: &types };
        filling.fill(recipe, choices(recipe))
    }

    #[test]
    fn the_first_expression_counts_whose_parameters_are_all_given() {
        assert_eq!(fill(|r| &r.since, &[]), None);
        assert_eq!(fill(|r| &r.since, &[("created_at", &["at"])]).as_deref(), Some("\"at\""));
        assert_eq!(
            fill(|r| &r.since, &[("created_at", &["at"]), ("run_at", &["due"])]).as_deref(),
            Some(r#"greatest(("due" AT TIME ZONE 'UTC'), "at")"#)
        );
    }

    #[test]
    fn an_empty_parameter_is_as_good_as_none() {
        assert_eq!(fill(|r| &r.running, &[]).as_deref(), Some(r#""status" IN ('running')"#));
        assert_eq!(fill(|r| &r.running, &[("status", &[""])]), None);
        assert_eq!(
            fill(|r| &r.running, &[("status", &[""]), ("worker", &["by"])]).as_deref(),
            Some(r#""by" IS NOT NULL"#)
        );
    }

    #[test]
    fn every_parameter_of_a_postgres_preset_is_one_that_a_layout_can_give() {
        for preset in PRESETS.values() {
            let Some(recipe) = &preset.postgres else { continue };
            for name in recipe.parameters.keys() {
                assert!(preset.parameters.iter().any(|p| p.name == *name), "{}: {name}", preset.preset);
            }
        }
    }
}
