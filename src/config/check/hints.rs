//! What may be written to Kubernetes.

use super::{Checked, optional_seconds, wrong};
use crate::{
    config::{
        hints::{HintMode, HintsConfig, LeaseName},
        raw::{RawHints, RawLease, RawSidecar},
        text::Text,
    },
    nodes::{Limits, Resources},
};

/// Chunks that may be asked for, in all.
const MOST_CHUNKS: u32 = 10_000;

pub(super) fn config(raw: RawHints) -> Checked<HintsConfig> {
    let RawHints { mode, victims, events, chunks, total, step, hold, sidecar, priority_class, lease } = raw;
    let Some((_, mode)) = HintMode::ALL.into_iter().find(|(name, _)| *name == mode) else {
        let all = HintMode::ALL.map(|(name, _)| name).join(", ");
        return wrong("hints.mode", format!("{mode:?} is not one of {all}"));
    };
    let plain = HintsConfig::default();
    let limits = Limits {
        chunks: chunks.unwrap_or(plain.limits.chunks),
        total: total.unwrap_or(plain.limits.total),
        step: step.unwrap_or(plain.limits.step),
        hold: optional_seconds("hints.hold", hold)?.unwrap_or(plain.limits.hold),
    };
    for (key, value) in [("chunks", limits.chunks), ("total", limits.total), ("step", limits.step)] {
        if !(1..=MOST_CHUNKS).contains(&value) {
            return wrong(
                format!("hints.{key}"),
                format!("between 1 and {MOST_CHUNKS}; mode: observe asks for none"),
            );
        }
    }
    if limits.hold > 3_600.0 {
        return wrong("hints.hold", "at most 1h");
    }
    Ok(HintsConfig {
        mode,
        victims: switch("hints.victims", &victims, "deletion-cost")?,
        events: switch("hints.events", &events, "on")?,
        limits,
        sidecar: resources(sidecar)?,
        priority_class: priority_class.unwrap_or(plain.priority_class),
        lease: lease_name(lease, plain.lease)?,
    })
}

fn resources(RawSidecar { cpu, memory }: RawSidecar) -> Checked<Resources> {
    let mut all = Resources::default();
    for (name, text) in [("cpu", cpu), ("memory", memory)] {
        let Some(Text(text)) = text else { continue };
        match text.parse() {
            Ok(quantity) => all.set(name, quantity),
            Err(error) => return wrong(format!("hints.sidecar.{name}"), error.to_string()),
        }
    }
    Ok(all)
}

fn switch(path: &str, text: &Text, on: &str) -> Checked<bool> {
    match text.0.as_str() {
        "off" | "false" => Ok(false),
        word if word == on || (on == "on" && word == "true") => Ok(true),
        word => wrong(path, format!("{word:?} is neither off nor {on}")),
    }
}

fn lease_name(RawLease { name, namespace }: RawLease, plain: LeaseName) -> Checked<LeaseName> {
    let name = name.unwrap_or(plain.name);
    for (key, text) in [("name", Some(&name)), ("namespace", namespace.as_ref())] {
        if text.is_some_and(|text| text.is_empty() || text.contains(['/', ' '])) {
            return wrong(format!("hints.lease.{key}"), "a name as Kubernetes has them, such as foresail");
        }
    }
    Ok(LeaseName { namespace, name })
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, hints::HintMode};

    fn load(hints: &str) -> Result<Config, String> {
        let text = format!("kubernetes: {{ addresses: f:6000 }}\nhints: {{ {hints} }}");
        Config::from_yaml("f", &text).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_written_unless_somebody_says_so() {
        assert!(!load("").unwrap().hints.writes());
        assert!(!load("mode: observe, victims: off, events: off").unwrap().hints.writes());
        let all = load("mode: adopt, victims: deletion-cost, events: on, lease: { name: x, namespace: y }");
        let hints = all.unwrap().hints;
        assert!(hints.writes() && hints.victims && hints.events && hints.mode == HintMode::Adopt);
        assert_eq!((hints.lease.namespace.as_deref(), hints.lease.name.as_str()), (Some("y"), "x"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (keys, said) in [
            (
                "mode: karpenter",
                "hints.mode: \"karpenter\" is not one of observe, capacity-buffer, adopt, placeholder",
            ),
            ("victims: cost", "hints.victims: \"cost\" is neither off nor deletion-cost"),
            ("chunks: 0", "hints.chunks: between 1 and 10000"),
            ("hold: 2h", "hints.hold: at most 1h"),
            ("sidecar: { memory: 1GB }", "hints.sidecar.memory: \"1GB\" is no quantity"),
            ("lease: { name: a/b }", "hints.lease.name: a name as Kubernetes has them"),
        ] {
            let error = load(keys).unwrap_err();
            assert!(error.contains(said), "{keys}: {error}");
        }
        let apart = Config::from_yaml("f", "hints: { victims: deletion-cost }").unwrap_err().to_string();
        assert!(apart.contains("hints: kubernetes is not watched"), "{apart}");
    }
}
