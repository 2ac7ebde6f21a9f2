//! What a failed statement means: for one layout, or for the whole source. Texts never hold a secret.

use sqlx::postgres::PgDatabaseError;

use crate::source::SourceError;

/// Why a statement failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The layout's own fault (a table, a right, a slow query); the connection is good.
    Layout(String),
    /// The connection is gone or cannot be trusted any more; another one may do.
    Lost(SourceError),
    /// The store answered that it is not to be read now.
    Source(SourceError),
}

impl Failure {
    /// Sorts what sqlx reports. `role` is who asked, for the line that grants.
    pub(super) fn of(error: &sqlx::Error, role: &str) -> Self {
        let Some(error) = database_error(error) else {
            return Self::Lost(SourceError::Read(format!("the connection broke: {}", outer_text(error))));
        };
        match error.code() {
            "57P03" => Self::Source(SourceError::NotTrusted(error.message().to_owned())),
            // Shut down by an administrator, a broken connection, a pooler that lost its server.
            code if code.starts_with("57P") || code.starts_with("08") || code.starts_with("25P") => {
                Self::Lost(SourceError::Read(error.message().to_owned()))
            }
            // Out of memory, disk or connections; failures of the system or of Postgres itself.
            code if ["53", "58", "XX"].contains(&&code[..2.min(code.len())]) => {
                Self::Lost(SourceError::Read(error.message().to_owned()))
            }
            code => Self::Layout(explained(code, error.message(), role)),
        }
    }
}

impl Failure {
    /// The same where only one layout was asked for.
    pub(super) fn into_source(self) -> SourceError {
        match self {
            Self::Layout(text) => SourceError::Read(text),
            Self::Lost(error) | Self::Source(error) => error,
        }
    }
}

/// Why no connection came about.
pub(super) fn connect_error(error: &sqlx::Error) -> SourceError {
    match database_error(error) {
        Some(error) if error.code() == "57P03" => SourceError::NotTrusted(error.message().to_owned()),
        Some(error) => SourceError::Connect(error.message().to_owned()),
        None => SourceError::Connect(outer_text(error)),
    }
}

fn database_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref())
}

fn outer_text(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        sqlx::Error::Configuration(error) => format!("configuration: {error}"),
        other => other.to_string(),
    }
}

/// The server's message, and what to do about it.
fn explained(code: &str, message: &str, role: &str) -> String {
    let role = super::quote::identifier(role);
    let todo = match code {
        "42501" if message.contains("row-level security") => {
            return format!("row-level security hides rows from role {role}: {message}; {RLS_TODO}");
        }
        "42501" => &format!(
            "; grant it: GRANT SELECT ON the table (or sequence) TO {role}, GRANT USAGE ON its schema TO {role}"
        ),
        "25006" => "; Foresail only reads",
        "42P01" => "; check the name and its schema",
        "42703" => "; check the column's name",
        "22P02" => "; check the layout's values (waiting, running) against the column's type",
        "55P03" => " (another session has locked the table)",
        "57014" => {
            "; the statement is too slow: `foresail check` says which index it lacks, `timeout` how long it may take"
        }
        _ => "",
    };
    format!("{message}{todo}")
}

/// What to do about row-level security.
pub(super) const RLS_TODO: &str = "give the role BYPASSRLS, or read a view whose owner may see every row (a policy would turn counts into wrong zeros)";
