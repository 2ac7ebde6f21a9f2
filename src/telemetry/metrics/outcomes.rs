//! What came of forecasts, as counters over all queues: by queue they would be too many.

use prometheus::{CounterVec, Opts, core::Collector as _, proto::MetricFamily};

use super::FIXED;
use crate::forecast::{calibration::LEVELS, horizons::HORIZONS, outcomes::Outcomes};

/// Names, words and labels.
pub(super) const FORECAST_METRICS: [(&str, &str, &[&str]); 3] = [
    (
        "foresail_forecast_outcomes_total",
        "Forecasts of arrivals whose outcome is known, of all queues; a third of a lead time ahead (short), about one (lead), and three (long).",
        &["horizon"],
    ),
    (
        "foresail_forecast_loss_total",
        "Quantile loss of these forecasts, in jobs, mean over the levels; beside it those of nothing comes and of as many come as in the same time before (persistence).",
        &["horizon", "of"],
    ),
    (
        "foresail_forecast_covered_total",
        "Outcomes that stayed within the quantile at a level; one equal to it counts in part.",
        &["horizon", "level"],
    ),
];

/// How the horizons are called, the shortest first.
const HORIZON_NAMES: [&str; HORIZONS] = ["short", "lead", "long"];

/// The counters of these sums.
pub(super) fn families(sums: &[Outcomes; HORIZONS]) -> Vec<MetricFamily> {
    let [outcomes, loss, covered] = FORECAST_METRICS
        .map(|(name, help, labels)| CounterVec::new(Opts::new(name, help), labels).expect(FIXED));
    for (sum, horizon) in sums.iter().zip(HORIZON_NAMES) {
        outcomes.with_label_values(&[horizon]).inc_by(sum.number);
        for (of, lost) in
            [("forecast", sum.forecast), ("nothing", sum.nothing), ("persistence", sum.persistence)]
        {
            loss.with_label_values(&[horizon, of]).inc_by(lost);
        }
        for (level, within) in LEVELS.iter().zip(sum.covered) {
            covered.with_label_values(&[horizon, &level.to_string()]).inc_by(within);
        }
    }
    [outcomes.collect(), loss.collect(), covered.collect()].concat()
}
