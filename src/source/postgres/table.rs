//! What the server knows about a preset's table: is it there, may it be read, what types have its columns.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    failure::RLS_TODO,
    quote,
    recipe::{Kind, Recipe, TIME_TYPES},
};
use crate::config::source::Parameters;

/// A table, as the catalogue describes it to the role that asks.
#[derive(Debug, Deserialize)]
pub(super) struct Table {
    /// `pg_class.relkind`.
    kind: String,
    /// Whether row-level security hides rows from this role.
    row_security: bool,
    /// Whether the role may write to it.
    pub(super) writable: bool,
    columns: BTreeMap<String, Column>,
}

#[derive(Debug, Deserialize)]
struct Column {
    /// The type's name; of a domain, its base type's.
    r#type: String,
    readable: bool,
}

/// The SQL that describes a table (its quoted name): one JSON text, or no row where there is no such table.
pub(super) fn describe(relation: &str) -> String {
    format!(
        "SELECT json_build_object(\
           'kind', c.relkind, 'row_security', row_security_active(c.oid), \
           'writable', has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'), \
           'columns', coalesce((\
             SELECT json_object_agg(a.attname, json_build_object(\
               'type', coalesce(base.typname, t.typname), \
               'readable', has_column_privilege(c.oid, a.attnum, 'SELECT'))) \
             FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
             LEFT JOIN pg_type base ON base.oid = t.typbasetype \
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{{}}'))::text \
         FROM pg_class c WHERE c.oid = to_regclass({})",
        quote::literal(relation)
    )
}

impl Table {
    /// The types of its columns, by name.
    pub(super) fn types(&self) -> BTreeMap<String, String> {
        self.columns.iter().map(|(name, column)| (name.clone(), column.r#type.clone())).collect()
    }

    /// Holds what a layout says against what is there.
    ///
    /// # Errors
    /// Names the column or the right that is missing, and what to do.
    pub(super) fn check(
        &self,
        relation: &str,
        role: &str,
        recipe: &Recipe,
        parameters: &Parameters,
    ) -> Result<(), String> {
        let role = quote::identifier(role);
        if !["r", "p", "v", "m", "f"].contains(&self.kind.as_str()) {
            return Err(format!("{relation} is no table or view"));
        }
        for (parameter, column, kind) in recipe.columns(parameters) {
            let Some(found) = self.columns.get(column) else {
                let there: Vec<&str> = self.columns.keys().map(String::as_str).collect();
                return Err(format!(
                    "{relation} has no column {column:?} (layout key {parameter}); it has {}",
                    there.join(", ")
                ));
            };
            if kind == Kind::Time && !TIME_TYPES.contains(&found.r#type.as_str()) {
                return Err(format!(
                    "column {column:?} of {relation} (layout key {parameter}) is {}: a timestamp, a date or Unix \
                     seconds are wanted; a `query` layout can convert it",
                    found.r#type
                ));
            }
        }
        let unreadable: Vec<String> = recipe
            .columns(parameters)
            .filter(|(_, column, _)| self.columns.get(*column).is_some_and(|found| !found.readable))
            .map(|(_, column, _)| quote::identifier(column))
            .collect();
        if !unreadable.is_empty() {
            let columns = unreadable.join(", ");
            return Err(format!(
                "role {role} may not read {columns} of {relation}: GRANT SELECT ({columns}) ON {relation} TO {role}"
            ));
        }
        if self.row_security {
            return Err(format!("row-level security hides rows of {relation} from role {role}: {RLS_TODO}"));
        }
        Ok(())
    }
}
