//! The Postgres source against real servers.

mod support;

#[path = "postgres/fixture.rs"]
mod fixture;

#[path = "postgres/table.rs"]
mod table;

#[path = "postgres/query.rs"]
mod query;

#[path = "postgres/rights.rs"]
mod rights;

#[path = "postgres/quoting.rs"]
mod quoting;

#[path = "postgres/connection.rs"]
mod connection;

#[path = "postgres/bad_days.rs"]
mod bad_days;

#[path = "postgres/inspect.rs"]
mod inspect;
