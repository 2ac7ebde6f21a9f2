//! The keys of a policy, as the docs show them.

/// One policy key as the docs show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyKey {
    /// The key.
    pub name: &'static str,
    /// Its type and unit.
    pub kind: &'static str,
    /// What it may be.
    pub range: &'static str,
    /// What it is where nobody gives it.
    pub default: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
}

/// Every policy key of this version, in the order of the docs.
pub const POLICY_KEYS: &[PolicyKey] = &[
    key(
        "objective",
        "word",
        "`cost`, `wait`",
        "`cost`",
        "What decides how many workers there are: what waiting is worth, or how long jobs may wait.",
    ),
    key(
        "worth",
        "worker-seconds per second of waiting",
        "0.001 to 1000",
        "3",
        "Objective `cost`: what one second of a job's waiting is worth; more of it means more workers, sooner and for longer.",
    ),
    key(
        "wait",
        "duration",
        "over 0 s",
        "2m",
        "Objective `wait`: how long jobs may wait. Where workers take longer to start, spare ones are kept for jobs that are expected.",
    ),
    key(
        "quantile",
        "share",
        "0.5 to 0.999",
        "0.95",
        "Objective `wait`: the share of jobs that the bound is to hold for.",
    ),
    key("slots", "jobs", "1 to 10000", "1", "Jobs that one worker runs at a time."),
    key(
        "min",
        "workers",
        "0 to 100000",
        "0",
        "Workers at least while there is a reason to be active; with nothing to do the target is 0 all the same.",
    ),
    key(
        "max",
        "workers",
        "0 to 100000",
        "none",
        "Workers at most; busy workers above it are kept until they are done.",
    ),
    key(
        "price",
        "cost units",
        "0.000001 to 1000000",
        "1",
        "What one worker costs an hour, in a unit of your choice.",
    ),
    key(
        "max_spend",
        "cost units per period",
        "over 0, per `hour`, `day`, `week` or a duration of 1 h to 31 d: `50/day`",
        "none",
        "What the workers may cost in any stretch of time of that length; half of it is kept for an even pace.",
    ),
    key(
        "group",
        "name",
        "a name under `groups:`",
        "none",
        "Whose cap it shares with all other refs of that group.",
    ),
    key(
        "weight",
        "number",
        "0.001 to 1000",
        "1",
        "How much more of that it may have than others: with 2, twice as many workers.",
    ),
    key(
        "keep_alive",
        "duration",
        "0 s to 1d",
        "60s",
        "How long a worker is kept after the work that it was started for is gone.",
    ),
    key(
        "budget",
        "share",
        "0 to 10",
        "0.25",
        "Idle worker-seconds that may be spent on forecasts for each busy one; 0: only what waits and runs counts.",
    ),
    key(
        "timezone",
        "IANA name",
        "such as `Europe/Amsterdam`",
        "`UTC`",
        "Whose hours and weekdays count: recurring bursts keep to them.",
    ),
];

/// Keys that later versions have.
pub(super) const LATER: &[&str] = &["calendar", "forecast", "history", "victims"];

const fn key(
    name: &'static str,
    kind: &'static str,
    range: &'static str,
    default: &'static str,
    about: &'static str,
) -> PolicyKey {
    PolicyKey { name, kind, range, default, about }
}
