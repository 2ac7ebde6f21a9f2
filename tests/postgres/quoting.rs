//! Names and values of any shape come through the real server as they are.

use foresail::{
    config::source::LayoutRead,
    source::{LayoutIndex, Source as _, postgres::PostgresSource},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::fixture::{Database, config, read, table};

/// Any text that Postgres can hold, and often those that quoting is about.
fn nasty() -> impl Strategy<Value = String> {
    let any = "[^\0]{1,12}".prop_filter("an identifier has at most 63 bytes", |name| name.len() <= 60);
    prop_oneof![any, r#"['"\\$;{}\[\], a-]{1,12}"#, r#"(E'|U&'|\$\$|--|/\*|'\)|\\'|""){1,4}"#]
}

#[test]
fn names_and_values_cannot_leave_their_quotes() {
    let runtime = tokio::runtime::Runtime::new().expect("tokio starts");
    let database = runtime.block_on(Database::new());
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let cases = (nasty(), nasty(), nasty(), nasty(), any::<bool>());
    let result = runner.run(&cases, |(name, column, queue, state, conforming)| {
        prop_assume!(column != "status");
        let reset = format!("ALTER DATABASE {} RESET standard_conforming_strings", database.name);
        runtime.block_on(database.execute(&reset));
        let id = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let value = |text: &str| format!("'{}'", text.replace('\'', "''"));
        runtime.block_on(database.execute(&format!(
            "DROP SCHEMA IF EXISTS nasty CASCADE; CREATE SCHEMA nasty;
             CREATE TABLE nasty.{table} ({column} text, status text);
             INSERT INTO nasty.{table} VALUES ({queue}, {state}), ('other', 'other');
             ALTER DATABASE {name} SET standard_conforming_strings = {conforming}",
            table = id(&name),
            column = id(&column),
            queue = value(&queue),
            state = value(&state),
            name = database.name,
        )));

        let mut layout = table(&[]);
        let LayoutRead::Preset { parameters, .. } = &mut layout.read else { unreachable!("it is a preset") };
        for (key, value) in
            [("table", format!("nasty.{}", id(&name))), ("queue", column.clone()), ("waiting", state.clone())]
        {
            parameters.0.insert(key.to_owned(), vec![value]);
        }
        let source = PostgresSource::new(config(&database.url("postgres")), vec![layout])
            .expect("the names are possible");
        let samples = runtime.block_on(read(&source, &[&queue, "other", "')); DROP TABLE jobs; --"]));
        let waiting: Vec<_> = samples.into_iter().map(|sample| sample.map(|sample| sample.waiting)).collect();
        prop_assert_eq!(waiting, vec![Ok(Some(1)), Ok(Some(0)), Ok(Some(0))]);
        let listed = runtime.block_on(source.discover(LayoutIndex(0), 10));
        prop_assert!(listed.expect("it lists").contains(&queue));
        Ok(())
    });
    result.expect("every name and value comes through");
}

#[tokio::test]
async fn a_queue_with_a_nul_in_its_name_cannot_exist_and_hurts_no_other() {
    let database = Database::new().await;
    database
        .execute("CREATE TABLE jobs (queue text, status text); INSERT INTO jobs VALUES ('md', 'queued')")
        .await;
    let samples = read(&database.source(vec![table(&[])]), &["a\0b", "md"]).await;
    let seen: Vec<_> = samples.iter().map(|s| s.as_ref().map(|s| (s.waiting, s.seen))).collect();
    assert_eq!(seen, [Ok((Some(0), false)), Ok((Some(1), true))]);
}
