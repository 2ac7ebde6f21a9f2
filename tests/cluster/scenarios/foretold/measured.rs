//! What a burst came to, and the table of it.

use super::place::Hints;

/// One place's burst.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) hints: Hints,
    /// Seconds before the burst at which room was asked for first.
    pub(super) asked_ahead: Option<f64>,
    /// The most chunks that were asked for.
    pub(super) room: usize,
    /// Nodes that stood ready when the burst came, and all that there ever were.
    pub(super) nodes_ready: usize,
    pub(super) nodes: usize,
    /// Seconds from the burst to its last worker that turned Ready, and to its last job that was started.
    pub(super) last_ready: f64,
    pub(super) last_start: f64,
    /// Until the last node was given back.
    pub(super) node_seconds: f64,
}

/// In Markdown.
pub(super) fn table(measured: &[Measured]) -> String {
    let mut lines = vec![
        "| hints | room for, pods | asked for, s before | nodes ready then | nodes in all | last worker Ready, s | \
         last job started, s | node-s |"
            .to_owned(),
        "|---|---:|---:|---:|---:|---:|---:|---:|".to_owned(),
    ];
    lines.extend(measured.iter().map(|one| {
        let asked = one.asked_ahead.map_or_else(String::new, |ahead| format!("{ahead:.0}"));
        format!(
            "| `{}` | {} | {asked} | {} | {} | {:.1} | {:.1} | {:.0} |",
            one.hints.mode(),
            one.room,
            one.nodes_ready,
            one.nodes,
            one.last_ready,
            one.last_start,
            one.node_seconds
        )
    }));
    lines.join("\n")
}
