//! Where what was learned is kept, and what is asked of the past.

use super::{Checked, optional_seconds, wrong};
use crate::{
    config::{
        StateConfig, StatePlace,
        raw::{RawHistory, RawState},
        source::History,
    },
    source::preset::Store,
};

/// Seconds between two writes.
const EVERY: f64 = 300.0;

/// Seconds for which what nobody asks for is remembered: 30 days.
const FORGET_AFTER: f64 = 30.0 * 86_400.0;

pub(super) fn config(raw: RawState) -> Checked<StateConfig> {
    let RawState { file, every, forget_after } = raw;
    let place = match file {
        Some(path) if path.as_os_str().is_empty() => {
            return wrong("state.file", "the path of a file, such as /var/lib/foresail/state");
        }
        Some(path) => StatePlace::File(path),
        None => return wrong("state", "say where: file: /var/lib/foresail/state, or write state: none"),
    };
    let every = optional_seconds("state.every", every)?.unwrap_or(EVERY);
    if !(1.0..=86_400.0).contains(&every) {
        return wrong("state.every", "between 1s and 1d");
    }
    let forget_after = optional_seconds("state.forget_after", forget_after)?.unwrap_or(FORGET_AFTER);
    if forget_after < 3_600.0 {
        return wrong("state.forget_after", "at least 1h");
    }
    Ok(StateConfig { place, every, forget_after })
}

/// What is asked of a table's past: 90 days, 200,000 jobs (some 50 MB while they are learned from), a minute.
const SPAN: f64 = 90.0 * 86_400.0;
const ROWS: u32 = 200_000;
const TIMEOUT: f64 = 60.0;

pub(super) fn history(at: &str, kind: Store, raw: RawHistory) -> Checked<History> {
    let RawHistory { query, span, rows, timeout } = raw;
    if kind != Store::Postgres {
        return wrong(
            at,
            "a query needs a postgres source; of Redis nothing remembers: `foresail learn --prometheus`",
        );
    }
    if query.trim().is_empty() {
        return wrong(format!("{at}.query"), "a statement with the columns queue, submit, and run or end");
    }
    let span = optional_seconds(&format!("{at}.span"), span)?.unwrap_or(SPAN);
    if !(3_600.0..=1_000.0 * 86_400.0).contains(&span) {
        return wrong(format!("{at}.span"), "between 1h and 1000d");
    }
    let rows = rows.unwrap_or(ROWS);
    if !(1..=5_000_000).contains(&rows) {
        return wrong(format!("{at}.rows"), "between 1 and 5000000");
    }
    let timeout = optional_seconds(&format!("{at}.timeout"), timeout)?.unwrap_or(TIMEOUT);
    if !(0.1..=3_600.0).contains(&timeout) {
        return wrong(format!("{at}.timeout"), "between 100ms and 1h");
    }
    Ok(History { query, span, rows, timeout })
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, StatePlace};

    #[test]
    fn a_history_is_bounded_and_of_a_postgres() {
        let said = |store: &str, history: &str| {
            let layout = format!("sources: {{ s: {{ {store}, layouts: {{ l: {{ {history} }} }} }} }}");
            Config::from_yaml("f", &layout).map(|_| ()).unwrap_err().to_string()
        };
        let (pg, query) = ("postgres: { host: h, user: u }", "query: select 1");
        let redis = said("redis: { host: h }", "preset: redis-list, history: { query: x }");
        assert!(redis.contains("sources.s.layouts.l.history: a query needs a postgres source"), "{redis}");
        for (keys, names) in [
            ("query: ''", "history.query: a statement"),
            ("query: x, span: 1s", "history.span: between"),
            ("query: x, rows: 0", "history.rows: between"),
            ("query: x, timeout: 2h", "history.timeout: between"),
            ("rows: 3", "query"),
        ] {
            let said = said(pg, &format!("{query}, history: {{ {keys} }}"));
            assert!(said.contains(names), "{keys}: {said}");
        }
        let text =
            format!("sources: {{ s: {{ {pg}, layouts: {{ l: {{ {query}, history: {{ query: x }} }} }} }} }}");
        let config = Config::from_yaml("f", &text).unwrap();
        assert_eq!(
            config.sources["s"].layouts[0].history.as_ref().map(|history| history.rows),
            Some(200_000)
        );
    }

    #[test]
    fn state_is_none_or_says_where() {
        let config = |text: &str| Config::from_yaml("f", text);
        assert_eq!(config("state: none").unwrap().state, None);
        assert_eq!(config("").unwrap().state, None);
        let kept = config("state: { file: /a/b, every: 1m, forget_after: 90d }").unwrap().state.unwrap();
        assert_eq!(kept.place, StatePlace::File("/a/b".into()));
        assert!((kept.every - 60.0).abs() < 1e-9 && (kept.forget_after - 7_776_000.0).abs() < 1e-9);
        for (text, names) in [
            ("state: some", "none, or a map"),
            ("state: {}", "f:1: state: say where"),
            ("state: { file: '' }", "f:1: state.file: "),
            ("state: { file: a, every: 0 }", "f:1: state.every: between"),
            ("state: { file: a, forget_after: 1m }", "f:1: state.forget_after: at least"),
            ("state: { folder: a }", "folder"),
        ] {
            let said = config(text).unwrap_err().to_string();
            assert!(said.contains(names), "{text}: {said}");
        }
    }
}
