//! The Postgres source against real servers.

mod support;

#[path = "postgres/fixture.rs"]
mod fixture;

#[path = "postgres/table.rs"]
mod table;
