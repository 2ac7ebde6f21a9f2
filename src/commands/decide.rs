//! `foresail decide`: the decision core as a filter, JSON lines in and out.
//!
//! Deterministic: time comes from the lines alone. The very code of the server decides.

use std::{
    cmp::Ordering,
    fs,
    io::{self, BufRead, Write},
    path::Path,
    process::ExitCode,
};

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::{
    clock::Zone,
    config::policy::PolicyConfig,
    forecast::{horizons::Horizons, lead, learner::Learner},
    series::{QueueIndex, QueueRules, Sample, Series},
    sizing::{self, Given, Policy, RefState, Workload},
};

/// Exit code of a bad policy, of malformed lines and of time that goes back.
const BAD_INPUT: u8 = 2;

/// No layout stands behind a line, so its defaults hold: `max_run` 5 minutes; a line is never stale,
/// since the caller says when it comes.
const RULES: QueueRules = QueueRules { max_run: 300.0, stale_after: f64::INFINITY };

/// Reads standard input to its end.
pub(super) fn run(policy: Option<&Path>) -> ExitCode {
    let policy = match policy.map(read_policy).transpose() {
        Ok(config) => config.unwrap_or_default().policy().clone(),
        Err(what) => {
            eprintln!("foresail decide: {what}");
            return ExitCode::from(BAD_INPUT);
        }
    };
    match filter(io::stdin().lock(), io::stdout().lock(), policy) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BAD_INPUT),
        // Whoever reads the answers has gone: there is nobody left to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("foresail decide: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read_policy(path: &Path) -> Result<PolicyConfig, String> {
    let text =
        fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    PolicyConfig::from_yaml(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Answers every line; `false` when one was malformed or went back in time.
fn filter(mut input: impl BufRead, mut output: impl Write, policy: Policy) -> io::Result<bool> {
    let mut decider = Decider::new(policy);
    let mut all_good = true;
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        let (answer, good) = decider.answer(&line);
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        output.flush()?;
        all_good &= good;
        line.clear();
    }
    Ok(all_good)
}

struct Decider {
    policy: Policy,
    series: Series,
    queue: QueueIndex,
    learner: Learner,
    zone: Zone,
    state: RefState,
    last: Option<(f64, Answer)>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Answer {
    Decided { t: Number, target: u32, reactive: u32, hint: u32, active: bool, why: String },
    Refused { t: Option<Number>, error: String },
}

/// One line of input; every key but `t` may be absent or null, unknown keys are ignored.
#[derive(Debug, Deserialize)]
struct Line {
    t: Number,
    waiting: Option<u64>,
    in_flight: Option<u64>,
    in_flight_draining: Option<u64>,
    scheduled: Option<u64>,
    oldest_age: Option<Seconds>,
    arrivals_total: Option<u64>,
    completions_total: Option<u64>,
    completed: Option<Vec<Seconds>>,
    workers_ready: Option<u32>,
    workers_starting: Option<u32>,
    lead_times: Option<Vec<Seconds>>,
    lead_times_cold: Option<Vec<Seconds>>,
}

/// A finite number of seconds, 0 or more.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct Seconds(f64);

impl TryFrom<f64> for Seconds {
    type Error = &'static str;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        if value.is_finite() && value >= 0.0 {
            Ok(Self(value))
        } else {
            Err("seconds are finite and not negative")
        }
    }
}

impl Decider {
    fn new(policy: Policy) -> Self {
        let mut series = Series::default();
        let queue = series.add(RULES);
        let zone = Zone::named(policy.timezone.as_deref());
        let learner = Learner::new(Horizons::default());
        Self { policy, series, queue, learner, zone, state: RefState::default(), last: None }
    }

    /// The answer to one line, and whether the line was good. A bad line changes nothing.
    fn answer(&mut self, line: &[u8]) -> (Answer, bool) {
        let (at, line) = match parse(line) {
            Ok(parsed) => parsed,
            Err((t, error)) => return (Answer::Refused { t, error }, false),
        };
        if let Some((last, answer)) = &self.last {
            match at.partial_cmp(last) {
                Some(Ordering::Equal) => return (answer.clone(), true),
                Some(Ordering::Less) => {
                    let error = format!("t goes back: the line before was at {last}");
                    return (Answer::Refused { t: Some(line.t), error }, false);
                }
                _ => {}
            }
        }
        let answer = self.step(at, line);
        self.last = Some((at, answer.clone()));
        (answer, true)
    }

    fn step(&mut self, at: f64, line: Line) -> Answer {
        let Line {
            t,
            waiting,
            in_flight,
            in_flight_draining,
            scheduled,
            oldest_age,
            arrivals_total,
            completions_total,
            workers_ready,
            workers_starting,
            completed,
            lead_times,
            lead_times_cold,
        } = line;
        let sample = Sample {
            waiting,
            scheduled,
            in_flight,
            oldest_age: oldest_age.map(|seconds| seconds.0),
            arrivals_total,
            completions_total,
            ..Sample::default()
        };
        self.series.intake(self.queue, at, &sample, in_flight_draining.unwrap_or(0));
        let queue = self.series.view(self.queue, at);
        self.learner.follow(at, &sample, &self.series, self.queue, self.zone.offset(at));
        for Seconds(run) in completed.into_iter().flatten() {
            self.learner.forecast_mut().service_mut().ended(run);
        }
        self.learn_starts(at, lead_times.unwrap_or_default(), lead_times_cold.unwrap_or_default());
        let workload = Workload { ready: workers_ready, starting: workers_starting, ..Workload::default() };
        let (forecast, policy) = (self.learner.forecast(), &self.policy);
        match sizing::decide(
            &Given { now: at, queue, forecast, workload, policy, pin: None },
            &mut self.state,
        ) {
            Ok(decision) => Answer::Decided {
                t,
                target: decision.target,
                reactive: decision.reactive,
                hint: decision.hint,
                active: decision.active(),
                why: decision.why.to_string(),
            },
            Err(undecided) => Answer::Refused { t: Some(t), error: undecided.to_string() },
        }
    }

    /// `all` has the cold ones too.
    fn learn_starts(&mut self, now: f64, all: Vec<Seconds>, cold: Vec<Seconds>) {
        let mut cold: Vec<f64> = cold.into_iter().map(|seconds| seconds.0).collect();
        for Seconds(lead) in all {
            let waited = cold.iter().position(|known| known.total_cmp(&lead).is_eq());
            let start = waited.map_or(lead::Start::Warm, |place| {
                cold.swap_remove(place);
                lead::Start::Cold
            });
            self.state.started(now, start, lead);
        }
        for lead in cold {
            self.state.started(now, lead::Start::Cold, lead);
        }
        self.learner.look_ahead(self.state.lead.mean());
    }
}

/// Parses a line; the error carries `t` where at least that could be read.
fn parse(line: &[u8]) -> Result<(f64, Line), (Option<Number>, String)> {
    let value: Value = serde_json::from_slice(line).map_err(|error| (None, format!("not JSON: {error}")))?;
    let t = match value.get("t") {
        Some(Value::Number(t)) => Some(t.clone()),
        _ => None,
    };
    let line: Line = serde_json::from_value(value).map_err(|error| (t.clone(), error.to_string()))?;
    match line.t.as_f64().filter(|at| at.is_finite()) {
        Some(at) if line.in_flight_draining.unwrap_or(0) <= line.in_flight.unwrap_or(u64::MAX) => {
            Ok((at, line))
        }
        Some(_) => Err((t, "in_flight_draining is more than in_flight".to_owned())),
        None => Err((t, "t is not a finite number".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_lines(policy: &str, lines: &str) -> (Vec<Value>, bool) {
        let policy = PolicyConfig::from_yaml(policy).unwrap().policy().clone();
        let mut output = Vec::new();
        let good = filter(lines.as_bytes(), &mut output, policy).unwrap();
        let text = String::from_utf8(output).unwrap();
        (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), good)
    }

    #[test]
    fn a_line_in_is_a_line_out_with_every_field() {
        let (out, good) = run_lines("", "{\"t\": 10, \"waiting\": 3, \"in_flight\": 2, \"unknown\": []}\n");
        let wanted = serde_json::json!({"t": 10, "target": 5, "reactive": 5, "hint": 0, "active": true, "why": "n=5 why=reactive Q=3 busy=2 workers=?"});
        assert_eq!((out, good), (vec![wanted], true));
    }

    #[test]
    fn a_line_with_only_a_time_is_a_failed_sample_and_holds() {
        let (out, good) = run_lines(
            "keep_alive: 0s",
            "{\"t\":0,\"waiting\":7,\"in_flight\":0}\n{\"t\":5000}\n{\"t\":9000,\"waiting\":null}\n",
        );
        assert!(good);
        assert_eq!(out.iter().map(|line| line["target"].as_u64()).collect::<Vec<_>>(), [Some(7); 3]);
        assert!(out[2]["why"].as_str().unwrap().contains("no_fall=failed-sample"));
    }

    #[test]
    fn what_is_not_known_at_all_is_an_error_and_never_a_zero() {
        let (out, good) = run_lines("", "{\"t\":0}\n{\"t\":1,\"waiting\":0}\n{\"t\":2,\"waiting\":1}\n");
        assert!(good);
        assert!(out[0]["error"].as_str().unwrap().contains("no sample yet"));
        assert!(out[1]["error"].as_str().unwrap().contains("max_run"));
        assert_eq!(out[2]["target"], 1);
    }

    #[test]
    fn bad_lines_and_time_that_goes_back_are_errors_that_change_nothing() {
        let lines = "{\"t\":100,\"waiting\":4,\"in_flight\":0}\nnonsense\n{\"t\":50,\"waiting\":9}\n{\"waiting\":1}\n{\"t\":100,\"waiting\":99}\n{\"t\":101,\"waiting\":-1}\n{\"t\":102,\"waiting\":4,\"in_flight\":0}";
        let (out, good) = run_lines("", lines);
        assert!(!good);
        assert_eq!(out.len(), 7);
        assert_eq!(
            (out[0]["target"].as_u64(), out[4]["target"].as_u64(), out[6]["target"].as_u64()),
            (Some(4), Some(4), Some(4))
        );
        assert_eq!(
            (out[1]["t"].clone(), out[2]["t"].clone(), out[5]["t"].clone()),
            (Value::Null, 50.into(), 101.into())
        );
        assert!([1, 2, 3, 5].iter().all(|i| out[*i]["error"].is_string()));
    }

    #[test]
    fn the_replicas_seen_first_are_where_the_target_starts() {
        let (out, _) = run_lines(
            "",
            "{\"t\":0,\"waiting\":0,\"workers_ready\":6,\"workers_starting\":1}\n{\"t\":299,\"waiting\":0}\n{\"t\":400,\"waiting\":0}\n",
        );
        assert_eq!(
            out.iter().map(|line| line["target"].as_u64()).collect::<Vec<_>>(),
            [Some(7), Some(7), Some(0)]
        );
    }

    proptest::proptest! {
        /// Whatever comes in: a line of JSON out for each line in, and no panic.
        #[test]
        fn any_bytes_are_answered_line_by_line(
            lines in proptest::collection::vec(proptest::prop_oneof![
                proptest::string::string_regex("[ -~]{0,60}").unwrap(),
                proptest::string::string_regex(r#"\{"t": ?-?[0-9]{1,12}(\.[0-9]{1,3})?(, ?"(waiting|in_flight|in_flight_draining|workers_ready|completed)": ?(-?[0-9]{1,20}|null|\[[0-9,]{0,6}\]|1e400))*\}"#).unwrap(),
            ], 0..40),
        ) {
            let (out, _) = run_lines("{ slots: 3, min: 1, max: 9 }", &lines.join("\n"));
            let empty_end = usize::from(lines.last().is_some_and(String::is_empty));
            proptest::prop_assert_eq!(out.len(), lines.len() - empty_end);
            for answer in out {
                proptest::prop_assert!(answer["error"].is_string() || answer["target"].is_u64(), "{answer}");
            }
        }
    }
}
