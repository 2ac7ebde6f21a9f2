//! What is asked for of node autoscalers, as gauges, on the replica that asks.

use prometheus::{GaugeVec, Opts, core::Collector as _, proto::MetricFamily};

use super::FIXED;
use crate::answers::Rooms;

/// Names, words and labels.
pub(super) const ROOM_METRICS: [(&str, &str, &[&str]); 2] = [
    (
        "foresail_hint_chunks",
        "Chunks that are asked for, each with room for one pod of the object.",
        &["namespace", "name"],
    ),
    (
        "foresail_hint_trouble",
        "1 while something keeps room from being asked for, or from coming.",
        &["namespace", "name", "reason"],
    ),
];

/// The gauges of what is asked for.
pub(super) fn families(rooms: &Rooms) -> Vec<MetricFamily> {
    let [chunks, troubles] =
        ROOM_METRICS.map(|(name, help, labels)| GaugeVec::new(Opts::new(name, help), labels).expect(FIXED));
    if let Rooms::Here { rows, trouble } = rooms {
        for (name, row) in rows {
            let place = [name.namespace.as_str(), name.name.as_str()];
            if let Some(written) = row.chunks {
                chunks.with_label_values(&place).set(written.into());
            }
            for one in &row.troubles {
                troubles.with_label_values(&[place[0], place[1], one.reason]).set(1.0);
            }
        }
        if let Some(of_all) = trouble {
            troubles.with_label_values(&["", "", of_all.reason]).set(1.0);
        }
    }
    [chunks.collect(), troubles.collect()].concat()
}
