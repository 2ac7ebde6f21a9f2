use crate::config::{
    Config,
    history::{History, PrometheusHistory, Run, Series},
    secret::Secret,
};

fn config(store: &str, layout: &str) -> Result<Config, String> {
    let text = format!("sources: {{ s: {{ {store}, layouts: {{ l: {{ {layout} }} }} }} }}");
    Config::from_yaml("f", &text).map_err(|error| error.to_string())
}

fn history(store: &str, layout: &str) -> History {
    config(store, layout).unwrap().sources["s"].history("l").unwrap().clone()
}

const PG: &str = "postgres: { host: h, user: u }";

fn said_of_table(store: &str, layout: &str, history: &str) -> String {
    config(store, &format!("{layout}, history: {{ {history} }}")).unwrap_err()
}

const LIST: &str = "preset: redis-list";

fn of_redis(prometheus: &str) -> Result<PrometheusHistory, String> {
    let layout = format!("{LIST}, history: {{ prometheus: {{ {prometheus} }} }}");
    config("redis: { host: h }", &layout).map(|config| match config.sources["s"].history("l") {
        Some(History::Prometheus(history)) => history.clone(),
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_query_is_bounded_and_of_a_postgres() {
    let redis = said_of_table("redis: { host: h }", LIST, "query: x");
    assert!(redis.contains("sources.s.layouts.l.history.query: a query needs a postgres source"), "{redis}");
    for (keys, names) in [
        ("query: ''", "history.query: a statement"),
        ("query: x, span: 1s", "history.span: between"),
        ("query: x, rows: 0", "history.rows: between"),
        ("query: x, timeout: 2h", "history.timeout: between"),
        ("rows: 3", "history: give exactly one of query (Postgres) and prometheus"),
        ("query: x, prometheus: { url: u }", "history: give exactly one of query"),
        ("prometheus: { url: u }, rows: 3", "history.rows: it goes with query"),
        ("prometheus: { url: u }, span: 3d", "history.span: it goes with query"),
        ("prometheus: { url: u }, timeout: 3s", "history.timeout: it goes with query"),
    ] {
        let said = said_of_table(PG, "query: select 1", keys);
        assert!(said.contains(names), "{keys}: {said}");
    }
    let History::Table(table) = history(PG, "query: select 1, history: { query: x }") else {
        panic!("a query is asked of a table")
    };
    assert_eq!((table.rows, table.span, table.timeout), (200_000, 7_776_000.0, 60.0));
}

const COUNTER: &str = "url: 'http://p:9090/', counter: 'n{q=\"{queue}\"}'";

#[test]
fn a_prometheus_is_asked_for_any_source() {
    let asked = of_redis(&format!("{COUNTER}, run: 5m")).unwrap();
    let Series::Counter { jobs, run: Run::Known(run) } = &asked.series else { panic!("{asked:?}") };
    assert_eq!((jobs.about("md").as_str(), *run), ("n{q=\"md\"}", 300.0));
    assert_eq!((asked.url.as_str(), asked.span, asked.step), ("http://p:9090", 7_776_000.0, 60.0));
    assert_eq!((asked.jobs, asked.timeout, asked.authorization, asked.queue), (200_000, 60.0, None, None));

    let all = "url: https://p/prometheus, depth: waiting, busy: 'sum(busy)', run: 30s, queue: md, span: 7d, step: 15s, \
               jobs: 1000, auth_file: /etc/token, timeout: 5s";
    let asked = of_redis(all).unwrap();
    let Series::Flow { run, .. } = asked.series else { panic!("{asked:?}") };
    assert_eq!((run, asked.span, asked.step, asked.jobs, asked.timeout), (30.0, 604_800.0, 15.0, 1_000, 5.0));
    assert_eq!(asked.authorization, Some(Secret::File("/etc/token".into())));
    assert_eq!(asked.queue.as_deref(), Some("md"));

    let layout = format!("query: select 1, history: {{ prometheus: {{ {COUNTER}, run: 1s }} }}");
    assert!(matches!(history(PG, &layout), History::Prometheus(_)));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let at = "f:1: sources.s.layouts.l.history.prometheus";
    for (keys, names) in [
        ("counter: x, run: 1s", "url".to_owned()),
        ("url: 'p:9090', counter: x, queue: a, run: 1s", format!("{at}.url: the address of a Prometheus")),
        ("url: 'http://', counter: x, queue: a, run: 1s", format!("{at}.url: the address of a Prometheus")),
        ("url: 'http://p?token=x', counter: x, queue: a, run: 1s", format!("{at}.url: the address of a")),
        ("url: 'http://p'", format!("{at}: a series is needed: counter or depth")),
        ("url: 'http://p', counter: x, queue: a", format!("{at}: a run time is needed: run or busy")),
        (
            "url: 'http://p', counter: x, depth: x, queue: a, run: 1s",
            format!("{at}: give one of counter and"),
        ),
        ("url: 'http://p', counter: x, busy: x, queue: a, run: 1s", format!("{at}: beside a counter")),
        ("url: 'http://p', counter: '', queue: a, run: 1s", format!("{at}.counter: a question in PromQL")),
        ("url: 'http://p', counter: 'x_{queue}', run: 1s", format!("{at}.counter: {{queue}} stands only")),
        ("url: 'http://p', counter: x, run: 1s", format!("{at}.counter: every queue of the layout would")),
        ("url: 'http://p', depth: x, run: 1s", format!("{at}.depth: every queue of the layout would")),
        ("url: 'http://p', counter: 'x{q=\"{queue}\"}', busy: y", format!("{at}.busy: every queue of")),
        ("url: 'http://p', counter: x, queue: 'a,b', run: 1s", format!("{at}.queue: the name of one queue")),
        ("url: 'http://p', counter: x, queue: a, run: 0s", format!("{at}.run: above 0")),
        ("url: 'http://p', counter: x, queue: a, run: soon", format!("{at}.run: \"soon\" is not a duration")),
        ("url: 'http://p', counter: x, queue: a, run: 1s, span: 1s", format!("{at}.span: between")),
        ("url: 'http://p', counter: x, queue: a, run: 1s, step: 0s", format!("{at}.step: between")),
        ("url: 'http://p', counter: x, queue: a, run: 1s, span: 1h, step: 2h", format!("{at}.step: between")),
        (
            "url: 'http://p', counter: x, queue: a, run: 1s, step: 1s",
            format!("{at}.step: span has more than"),
        ),
        ("url: 'http://p', counter: x, queue: a, run: 1s, jobs: 0", format!("{at}.jobs: between")),
        ("url: 'http://p', counter: x, queue: a, run: 1s, timeout: 0s", format!("{at}.timeout: between")),
        (
            "url: 'http://p', counter: x, run: 1s, auth_file: a, auth_env: b",
            format!("{at}: give one of auth"),
        ),
        ("url: 'http://p', counter: x, queue: a, run: 1s, rows: 1", "rows".to_owned()),
    ] {
        let said = of_redis(keys).unwrap_err();
        assert!(said.contains(&names), "{keys}: {said}");
    }
    let said = of_redis("url: 'http://me:hush@p', counter: x, queue: a, run: 1s").unwrap_err();
    assert!(said.contains("put them into auth_file or auth_env") && !said.contains("hush"), "{said}");
}
