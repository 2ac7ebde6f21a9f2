//! A job table's history, from a real Postgres.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::{
    Printed, import, imported, jobs, refused,
    support::{postgres::PostgresServer, process::temp_dir},
};

const TABLE: &str = "CREATE TABLE jobs (id int, queue text, created_at timestamptz, started_at timestamptz, \
    ended_at timestamptz, cpus int, owner text); \
    INSERT INTO jobs VALUES \
    (1, 'md', '2024-01-01 10:00:00+02', '2024-01-01 10:00:05+02', '2024-01-01 10:01:05.5+02', 4), \
    (2, 'a, \"b\"', '2024-01-01 07:00:00Z', NULL, NULL, NULL); \
    ALTER ROLE postgres SET timezone = 'Asia/Tokyo'; ALTER ROLE postgres SET datestyle = 'German'";

const QUERY: &str =
    "SELECT created_at AS submit, started_at AS start, ended_at AS \"end\", queue, cpus FROM jobs;";

async fn server() -> (PostgresServer, TempDir, PathBuf) {
    let server = PostgresServer::start().await;
    server.execute(TABLE).await;
    let folder = temp_dir();
    let file = folder.path().join("url");
    fs::write(&file, format!("{}\n", server.url("postgres", "postgres"))).unwrap();
    (server, folder, file)
}

#[tokio::test]
async fn a_job_table_becomes_a_log_whatever_the_roles_dates_look_like() {
    let (server, _folder, url_file) = server().await;
    let arguments = ["postgres", "--url-file", url_file.to_str().unwrap(), "--query", QUERY];
    let (csv, said) = imported(&arguments);
    assert_eq!(
        csv,
        "submit,run,cpus,gpus,memory,owner,queue,estimate\n\
         1704092400,0,,,,,\"a, \"\"b\"\"\",\n\
         1704096000,60.5,4,,,,md,\n"
    );
    assert!(said.contains("2 jobs in 1h (2024-01-01 to 2024-01-01)"), "{said}");
    assert!(said.contains("note: 1 jobs have no run time"), "{said}");

    let url = server.url("postgres", "postgres");
    let query = url_file.with_file_name("query.sql");
    fs::write(&query, QUERY).unwrap();
    let arguments =
        ["postgres", "--url-env", "LAB", "--query-file", query.to_str().unwrap(), "--cut", "with-run"];
    let Printed { ok, csv, said } = import(&arguments, &[("LAB", &url)]);
    assert!(ok, "{said}");
    assert_eq!(csv.lines().count(), 2, "{csv}");
}

#[tokio::test]
async fn the_query_of_the_documentation_does_what_it_is_there_for() {
    let (_server, _folder, url_file) = server().await;
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bench/logs.md");
    let page = fs::read_to_string(page).unwrap();
    let query = page.split("```sql history\n").nth(1).unwrap().split("```").next().unwrap();
    let (csv, _) = imported(&["postgres", "--url-file", url_file.to_str().unwrap(), "--query", query]);
    assert_eq!(jobs(&csv), [("1704096000", "60.5")]);
}

#[tokio::test]
async fn nothing_can_be_written_and_errors_come_from_the_server() {
    let (server, _folder, url_file) = server().await;
    let said = |query| refused(&["postgres", "--url-file", url_file.to_str().unwrap(), "--query", query]);
    let inserting = said("INSERT INTO jobs (id) VALUES (9) RETURNING 1 AS submit, 2 AS run");
    assert!(inserting.contains("read-only transaction"), "{inserting}");
    assert_eq!(server.rows("SELECT FROM jobs").await.len(), 2);
    let unknown = said("SELECT nothing FROM jobs");
    assert!(unknown.contains("column \"nothing\" does not exist"), "{unknown}");
    let nameless = said("SELECT created_at FROM jobs");
    assert!(nameless.contains("which column holds the run times or ends?"), "{nameless}");
    let backwards =
        said("SELECT ended_at AS submit, ended_at AS start, created_at AS end FROM jobs WHERE id = 1");
    assert!(backwards.contains("line 2, column `end`"), "{backwards}");
}

#[tokio::test]
async fn a_secret_is_never_printed() {
    let (server, folder, _) = server().await;
    let file = folder.path().join("other");
    for url in [
        server.url_with_password("nobody", "hush-hush", "postgres"),
        "postgres://me:hush-hush@127.0.0.1:1/x".to_owned(),
        "postgres://me:hush-hush@host:port/x".to_owned(),
        "http://hush-hush/".to_owned(),
    ] {
        fs::write(&file, url).unwrap();
        let said = refused(&["postgres", "--url-file", file.to_str().unwrap(), "--query", QUERY]);
        assert!(!said.contains("hush"), "{said}");
    }
}
