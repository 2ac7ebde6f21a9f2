//! Where what was learned is kept.

use super::{Checked, optional_seconds, wrong};
use crate::config::{StateConfig, StatePlace, raw::RawState};

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

#[cfg(test)]
mod tests {
    use crate::config::{Config, StatePlace};

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
