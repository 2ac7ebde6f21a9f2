//! The preset pg-table: every parameter, with numbers that are counted by hand.

use std::time::Duration;

use foresail::{
    config::source::{Layout, MissingQueue},
    series::{Holder, Quality, Sample},
    source::{LayoutIndex, Source as _, postgres::PostgresSource},
};
use sqlx::{Connection as _, Row as _};

use crate::{
    fixture::{Database, assert_says, config, error, query, read, sample, table},
    support::process::wait_until,
};

/// A table as workers with SKIP LOCKED use it.
const JOBS: &str = "CREATE TABLE jobs (
    id bigserial PRIMARY KEY, queue text NOT NULL, status text NOT NULL DEFAULT 'queued',
    run_at timestamptz, created_at timestamptz, started_at timestamptz,
    lease_expires_at timestamptz, worker text, tenant text)";

async fn with_jobs(sql: &str) -> Database {
    let database = Database::new().await;
    database.execute(JOBS).await;
    database.execute(sql).await;
    database
}

/// One queue of one layout, read from a database of its own.
async fn sample_of(sql: &str, layout: Layout) -> Sample {
    let database = with_jobs(sql).await;
    sample(&database.source(vec![layout]), "md").await
}

fn holder(worker: &str, jobs: u32, stuck: u32) -> Holder {
    Holder { worker: worker.into(), jobs, stuck }
}

#[track_caller]
fn assert_about(seconds: Option<f64>, wanted: f64) {
    let seconds = seconds.expect("the time is known");
    assert!((wanted..wanted + 30.0).contains(&seconds), "{seconds} is not about {wanted}");
}

#[tokio::test]
async fn states_are_counted_by_queue() {
    let database = with_jobs(
        "INSERT INTO jobs (queue, status) SELECT 'md', 'queued' FROM generate_series(1, 5)
         UNION ALL SELECT 'md', 'running' FROM generate_series(1, 2)
         UNION ALL SELECT 'md', 'done' FROM generate_series(1, 50)
         UNION ALL SELECT 'qc', 'queued' FROM generate_series(1, 3)",
    )
    .await;
    let source = database.source(vec![table(&[])]);
    let samples = read(&source, &["qc", "md", "typo"]).await;
    let samples: Vec<_> = samples.into_iter().map(|sample| sample.expect("all can be read")).collect();
    let counts = |at: usize| (samples[at].waiting, samples[at].in_flight, samples[at].seen);
    assert_eq!(counts(0), (Some(3), Some(0), true));
    assert_eq!(counts(1), (Some(5), Some(2), true));
    assert_eq!(counts(2), (Some(0), Some(0), false));
    let unknown = (samples[1].scheduled, samples[1].stuck, &samples[1].holders, samples[1].oldest_age);
    assert_eq!(unknown, (None, None, &None, None));
    assert_eq!(samples[1].quality, Quality::Exact);
    let queues = source.discover(LayoutIndex(0), 10).await.expect("queues can be listed");
    assert_eq!(queues, ["md", "qc"]);
    assert_eq!(source.discover(LayoutIndex(0), 1).await.expect("queues can be listed"), ["md"]);
}

#[tokio::test]
async fn several_states_may_wait_and_run() {
    let sample = sample_of(
        "INSERT INTO jobs (queue, status) VALUES
         ('md', 'new'), ('md', 'retry'), ('md', 'taken'), ('md', 'busy'), ('md', 'queued')",
        table(&[("waiting", "new,retry"), ("running", "taken,busy")]),
    )
    .await;
    assert_eq!((sample.waiting, sample.in_flight), (Some(2), Some(2)));
}

#[tokio::test]
async fn jobs_that_are_due_wait_and_later_ones_are_scheduled() {
    let sample = sample_of(
        "INSERT INTO jobs (queue, status, run_at, created_at) VALUES
         ('md', 'queued', NULL, now() - interval '10 s'),
         ('md', 'queued', now() - interval '100 s', now() - interval '300 s'),
         ('md', 'queued', '-infinity', now() - interval '5 s'),
         ('md', 'queued', now() + interval '500 s', now() - interval '900 s'),
         ('md', 'queued', now() + interval '800 s', now()),
         ('md', 'queued', 'infinity', now()),
         ('md', 'running', now() - interval '1000 s', now() - interval '2000 s')",
        table(&[("run_at", "run_at"), ("created_at", "created_at")]),
    )
    .await;
    assert_eq!((sample.waiting, sample.scheduled, sample.in_flight), (Some(3), Some(3), Some(1)));
    assert_about(sample.next_due, 470.0);
    // A job can wait only since it is both there and due: 100 s, not 300 s.
    assert_about(sample.oldest_age, 100.0);
}

#[tokio::test]
async fn the_age_counts_from_what_the_layout_knows() {
    let rows = "INSERT INTO jobs (queue, run_at, created_at) VALUES
         ('md', now() - interval '100 s', now() - interval '300 s')";
    assert_about(sample_of(rows, table(&[("created_at", "created_at")])).await.oldest_age, 300.0);
    assert_about(sample_of(rows, table(&[("run_at", "run_at")])).await.oldest_age, 100.0);
    let ahead = "INSERT INTO jobs (queue, created_at) VALUES ('md', now() + interval '1 h')";
    assert_eq!(sample_of(ahead, table(&[("created_at", "created_at")])).await.oldest_age, Some(0.0));
}

#[tokio::test]
async fn running_jobs_are_held_by_workers_and_stuck_past_their_lease() {
    let layout = Layout {
        worker_pod: Some(regex::Regex::new("^([^@]+)@").expect("it is a regex")),
        ..table(&[("worker", "worker"), ("lease", "lease_expires_at")])
    };
    let sample = sample_of(
        "INSERT INTO jobs (queue, status, worker, lease_expires_at) VALUES
         ('md', 'running', 'md-7f-a@1', now() + interval '60 s'),
         ('md', 'running', 'md-7f-a@2', now() - interval '60 s'),
         ('md', 'running', 'md-7f-b@1', NULL),
         ('md', 'queued', 'md-7f-c@1', now() - interval '60 s'),
         ('qc', 'running', 'md-7f-d@1', NULL)",
        layout,
    )
    .await;
    assert_eq!((sample.waiting, sample.in_flight, sample.stuck), (Some(1), Some(3), Some(1)));
    assert_eq!(sample.holders, Some(vec![holder("md-7f-a", 2, 1), holder("md-7f-b", 1, 0)]));
}

#[tokio::test]
async fn who_is_busy_is_unknown_while_one_running_job_names_no_worker() {
    let rows =
        "INSERT INTO jobs (queue, status, worker) VALUES ('md', 'running', 'a'), ('md', 'running', NULL)";
    let sample = sample_of(rows, table(&[("worker", "worker")])).await;
    assert_eq!((sample.in_flight, sample.holders), (Some(2), None));
    let sample = sample_of("SELECT", table(&[("worker", "worker")])).await;
    assert_eq!((sample.in_flight, sample.holders), (Some(0), Some(vec![])));
}

#[tokio::test]
async fn jobs_run_too_long_are_stuck_where_the_layout_says_so() {
    let rows = "INSERT INTO jobs (queue, status, started_at, lease_expires_at) VALUES
         ('md', 'running', now() - interval '2 h', now() + interval '1 h'),
         ('md', 'running', now() - interval '10 s', now() - interval '1 s'),
         ('md', 'running', now() - interval '10 s', NULL)";
    let layout = |pairs| Layout { stuck_after: Some(3600.0), ..table(pairs) };
    assert_eq!(sample_of(rows, layout(&[("started_at", "started_at")])).await.stuck, Some(1));
    let both = layout(&[("started_at", "started_at"), ("lease", "lease_expires_at")]);
    assert_eq!(sample_of(rows, both).await.stuck, Some(2));
    assert_eq!(sample_of(rows, table(&[("started_at", "started_at")])).await.stuck, None);
}

#[tokio::test]
async fn a_filter_keeps_other_rows_out() {
    let rows = "INSERT INTO jobs (queue, tenant) VALUES ('md', 'a'), ('md', 'a'), ('md', 'b')";
    let layout = table(&[("filter", "tenant = 'a' OR false -- whose jobs")]);
    assert_eq!(sample_of(rows, layout).await.waiting, Some(2));
}

#[tokio::test]
async fn a_filter_of_several_statements_is_refused() {
    let database = with_jobs("INSERT INTO jobs (queue) VALUES ('md')").await;
    for filter in [
        "true); DELETE FROM jobs; SELECT (true",
        "true)) AS job) AS held) AS answer; COMMIT; DELETE FROM jobs; --",
    ] {
        let source = database.source(vec![table(&[("filter", filter)])]);
        assert_says(&error(&source, "md").await, &["syntax error"]);
    }
    assert_eq!(sample(&database.source(vec![table(&[])]), "md").await.waiting, Some(1));
}

#[tokio::test]
async fn a_whole_table_may_be_one_queue_and_its_sequence_counts_arrivals() {
    let database = with_jobs("SELECT").await;
    let layout = table(&[("queue", ""), ("sequence", "public.jobs_id_seq"), ("worker", "worker")]);
    let source = database.source(vec![layout]);
    let empty = sample(&source, "any name").await;
    assert_eq!((empty.waiting, empty.arrivals_total, empty.seen), (Some(0), Some(0), true));
    assert_eq!(empty.holders, Some(vec![]));
    database
        .execute(
            "INSERT INTO jobs (queue, status, worker) SELECT 'md', 'done', NULL FROM generate_series(1, 7)
             UNION ALL VALUES ('md', 'queued', NULL), ('qc', 'queued', NULL), ('qc', 'running', 'w')",
        )
        .await;
    let full = sample(&source, "any name").await;
    assert_eq!((full.waiting, full.in_flight, full.arrivals_total), (Some(2), Some(1), Some(10)));
    assert_eq!(full.holders, Some(vec![holder("w", 1, 0)]));
    database.execute("ALTER SEQUENCE jobs_id_seq INCREMENT BY 2").await;
    let before = sample(&source, "any name").await.arrivals_total.expect("the sequence tells");
    database.execute("INSERT INTO jobs (queue) SELECT 'md' FROM generate_series(1, 4)").await;
    assert_eq!(sample(&source, "any name").await.arrivals_total, Some(before + 4));
    let discovered = source.discover(LayoutIndex(0), 10).await.expect("there is nothing to list");
    assert_eq!(discovered, ["lab"]);
}

#[tokio::test]
async fn without_a_status_a_job_runs_from_the_moment_that_it_is_taken() {
    let rows = "INSERT INTO jobs (queue, started_at, worker) VALUES
         ('md', NULL, NULL), ('md', now(), 'a'), ('md', now(), NULL)";
    let by_time = sample_of(rows, table(&[("status", ""), ("started_at", "started_at")])).await;
    assert_eq!((by_time.waiting, by_time.in_flight, by_time.quality), (Some(1), Some(2), Quality::Exact));
    let by_worker = sample_of(rows, table(&[("status", ""), ("worker", "worker")])).await;
    assert_eq!((by_worker.waiting, by_worker.in_flight), (Some(2), Some(1)));
}

#[tokio::test]
async fn a_worker_that_deletes_in_an_open_transaction_is_not_seen_and_blocks_nobody() {
    let database = with_jobs("INSERT INTO jobs (queue) VALUES ('md'), ('md'), ('md')").await;
    let source = database.source(vec![table(&[("status", "")])]);
    let mut worker = database.connection().await;
    let mut job = worker.begin().await.expect("the worker begins");
    sqlx::raw_sql("DELETE FROM jobs WHERE id = (SELECT id FROM jobs FOR UPDATE SKIP LOCKED LIMIT 1)")
        .execute(&mut *job)
        .await
        .expect("the worker takes a job");
    let seen = sample(&source, "md").await;
    assert_eq!((seen.waiting, seen.in_flight, seen.quality), (Some(3), None, Quality::UpperBound));
    job.commit().await.expect("the job ends");
    assert_eq!(sample(&source, "md").await.waiting, Some(2));
}

#[tokio::test]
async fn real_skip_locked_workers_are_counted_as_they_take_and_finish() {
    let database = with_jobs("INSERT INTO jobs (queue) SELECT 'md' FROM generate_series(1, 10)").await;
    let source = database.source(vec![table(&[("worker", "worker")])]);
    let mut workers = Vec::new();
    for name in ["pod-a", "pod-b", "pod-c"] {
        let mut worker = database.connection().await;
        let taken = sqlx::query(
            "UPDATE jobs SET status = 'running', worker = $1 WHERE id = (SELECT id FROM jobs \
             WHERE status = 'queued' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id",
        );
        let job: i64 = taken.bind(name).fetch_one(&mut worker).await.expect("a job is there").get(0);
        workers.push((worker, job));
    }
    let seen = sample(&source, "md").await;
    let wanted = vec![holder("pod-a", 1, 0), holder("pod-b", 1, 0), holder("pod-c", 1, 0)];
    assert_eq!((seen.waiting, seen.in_flight, seen.holders), (Some(7), Some(3), Some(wanted)));
    for (mut worker, job) in workers {
        let done = sqlx::query("UPDATE jobs SET status = 'done', worker = NULL WHERE id = $1").bind(job);
        done.execute(&mut worker).await.expect("the job ends");
    }
    let seen = sample(&source, "md").await;
    assert_eq!((seen.waiting, seen.in_flight, seen.holders), (Some(7), Some(0), Some(vec![])));
}

#[tokio::test]
async fn times_without_a_zone_are_read_in_the_layouts_zone_whatever_the_session_says() {
    let database = Database::new().await;
    database.execute(&format!("ALTER DATABASE {} SET timezone = 'Asia/Tokyo'", database.name)).await;
    database
        .execute(
            "CREATE TABLE jobs (queue text, status text DEFAULT 'queued', run_at timestamp, created_at timestamp);
             INSERT INTO jobs (queue, run_at, created_at) VALUES
             ('utc', now() AT TIME ZONE 'UTC' + interval '600 s', now() AT TIME ZONE 'UTC'),
             ('utc', NULL, now() AT TIME ZONE 'UTC' - interval '120 s'),
             ('berlin', now() AT TIME ZONE 'Europe/Berlin' + interval '600 s', now() AT TIME ZONE 'Europe/Berlin'),
             ('berlin', NULL, now() AT TIME ZONE 'Europe/Berlin' - interval '120 s')",
        )
        .await;
    let times = [("run_at", "run_at"), ("created_at", "created_at")];
    for (queue, zone) in [("utc", "UTC"), ("berlin", "Europe/Berlin")] {
        let source = database.source(vec![table(&[times[0], times[1], ("timezone", zone)])]);
        let seen = sample(&source, queue).await;
        assert_eq!((seen.waiting, seen.scheduled), (Some(1), Some(1)), "{queue}");
        assert_about(seen.next_due, 570.0);
        assert_about(seen.oldest_age, 120.0);
    }
    let source = database.source(vec![table(&[times[0], ("timezone", "Mars/Olympus")])]);
    assert_says(&error(&source, "utc").await, &["Mars/Olympus"]);
}

#[tokio::test]
async fn times_may_be_unix_seconds_or_dates() {
    let database = Database::new().await;
    database
        .execute(
            "CREATE TABLE jobs (queue text, status text DEFAULT 'queued', whole bigint, broken double precision,
                 exact numeric, day date);
             INSERT INTO jobs (queue, whole, broken, exact, day)
             SELECT 'md', t, t, t, current_date + 2 FROM extract(epoch FROM now() + interval '600 s') AS t",
        )
        .await;
    for column in ["whole", "broken", "exact"] {
        let seen = sample(&database.source(vec![table(&[("run_at", column)])]), "md").await;
        assert_eq!((seen.waiting, seen.scheduled), (Some(0), Some(1)), "{column}");
        assert_about(seen.next_due, 571.0);
    }
    let seen = sample(&database.source(vec![table(&[("run_at", "day")])]), "md").await;
    assert!(seen.next_due.is_some_and(|due| (80_000.0..=172_800.0).contains(&due)), "{seen:?}");
}

#[tokio::test]
async fn queues_and_states_may_be_of_any_type_and_a_typo_hurts_no_other_queue() {
    let database = Database::new().await;
    database
        .execute(
            "CREATE TYPE kind AS ENUM ('md', 'qc'); CREATE TYPE state AS ENUM ('queued', 'running', 'done');
             CREATE DOMAIN label AS varchar(20);
             CREATE TABLE jobs (by_enum kind, by_number int, by_varchar varchar(20), by_domain label,
                 by_uuid uuid, state state, code smallint);
             INSERT INTO jobs SELECT 'md', 7, 'md', 'md', '6f9619ff-8b86-d011-b42d-00c04fc964ff', 'queued', 0
             FROM generate_series(1, 2)",
        )
        .await;
    let uuid = "6f9619ff-8b86-d011-b42d-00c04fc964ff";
    for (column, queue) in
        [("by_enum", "md"), ("by_number", "7"), ("by_varchar", "md"), ("by_domain", "md"), ("by_uuid", uuid)]
    {
        let source = database.source(vec![table(&[("queue", column), ("status", "state")])]);
        let samples = read(&source, &["no such thing", queue]).await;
        let waiting = |at: usize| samples[at].as_ref().expect("both can be read").waiting;
        assert_eq!((waiting(0), waiting(1)), (Some(0), Some(2)), "{column}");
        assert_eq!(source.discover(LayoutIndex(0), 9).await.expect("it lists"), [queue], "{column}");
    }
    let numbers = table(&[("queue", "by_varchar"), ("status", "code"), ("waiting", "0,1"), ("running", "2")]);
    assert_eq!(sample(&database.source(vec![numbers]), "md").await.waiting, Some(2));
    let wrong =
        database.source(vec![table(&[("queue", "by_enum"), ("status", "state"), ("waiting", "pending")])]);
    assert_says(&error(&wrong, "md").await, &["pending", "waiting, running"]);
}

#[tokio::test]
async fn a_queue_that_must_exist_may_be_empty_but_not_unheard_of() {
    let database =
        with_jobs("INSERT INTO jobs (queue, status) VALUES ('md', 'done'), ('qc', 'queued')").await;
    let layout = Layout { missing_queue: MissingQueue::Error, ..table(&[("run_at", "run_at")]) };
    let source = database.source(vec![layout]);
    let samples = read(&source, &["md", "qc", "typo"]).await;
    let dry = samples[0].as_ref().expect("its jobs are done");
    assert_eq!((dry.waiting, dry.scheduled, dry.in_flight, dry.seen), (Some(0), Some(0), Some(0), true));
    assert_eq!(samples[1].as_ref().expect("it has a job").waiting, Some(1));
    assert_says(&samples[2].as_ref().expect_err("nobody knows it").to_string(), &["typo", "does not exist"]);
}

#[tokio::test]
async fn a_table_in_another_schema_and_a_view_can_be_read() {
    let database = Database::new().await;
    database
        .execute(
            r#"CREATE SCHEMA "My App"; CREATE TABLE "My App"."Job.Table" ("Queue" text, "Status" text);
             INSERT INTO "My App"."Job.Table" VALUES ('md', 'queued');
             CREATE VIEW ready AS SELECT "Queue" AS queue, "Status" AS status FROM "My App"."Job.Table""#,
        )
        .await;
    let odd = table(&[("table", r#"My App."Job.Table""#), ("queue", "Queue"), ("status", "Status")]);
    for layout in [odd, table(&[("table", "ready")])] {
        assert_eq!(sample(&database.source(vec![layout]), "md").await.waiting, Some(1));
    }
}

#[tokio::test]
async fn the_planner_uses_a_partial_index_on_the_live_states() {
    let database = with_jobs(
        "INSERT INTO jobs (queue, status) SELECT 'md', 'done' FROM generate_series(1, 20000);
         INSERT INTO jobs (queue, status) SELECT 'md', 'queued' FROM generate_series(1, 10);
         CREATE INDEX live ON jobs (queue) INCLUDE (status) WHERE status IN ('queued', 'running')",
    )
    .await;
    database.execute("VACUUM ANALYZE jobs").await;
    let uses = || async {
        let rows =
            database.rows("SELECT idx_scan FROM pg_stat_all_indexes WHERE indexrelname = 'live'").await;
        rows[0].try_get_unchecked::<String, _>(0).expect("it is a number")
    };
    assert_eq!(uses().await, "0");
    let source = database.source(vec![table(&[])]);
    assert_eq!(sample(&source, "md").await.waiting, Some(10));
    // The backend tells its statistics when it ends.
    drop(source);
    let deadline = Duration::from_secs(10);
    wait_until("the index was used", deadline, async || uses().await == "1").await;
}

#[tokio::test]
async fn layouts_that_make_no_sense_are_refused_before_anything_is_read() {
    let config = || config("postgres://nobody@127.0.0.1:1/none");
    let refused = |layout: Layout| {
        PostgresSource::new(config(), vec![layout]).expect_err("it makes no sense").to_string()
    };
    let stuck = |layout: Layout| Layout { stuck_after: Some(60.0), ..layout };
    for (layout, words) in [
        (stuck(table(&[])), ["layouts.lab.stuck_after", "started_at"]),
        (stuck(query("SELECT")), ["layouts.lab.stuck_after", "column `stuck`"]),
        (table(&[("sequence", "s")]), ["layouts.lab.sequence", "queue: \"\""]),
        (table(&[("table", "a.b.c")]), ["layouts.lab.table", "schema and table are enough"]),
        (table(&[("queue", "a,b")]), ["layouts.lab.queue", "single value"]),
        (table(&[("filter", "\0")]), ["layouts.lab.filter", "NUL"]),
        (query(" ; "), ["layouts.lab.query", "empty"]),
    ] {
        assert_says(&refused(layout), &words);
    }
}
