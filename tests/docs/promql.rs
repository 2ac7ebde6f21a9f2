//! Every query of metrics.md, evaluated by Prometheus' own engine.

use std::{fmt::Write as _, fs, process::Command, sync::Arc};

use foresail::{answers::Answers, clock::WallClock, telemetry::Metrics};
use regex::Regex;

use super::pages::{Page, page};
use crate::support::process::{binary, run, temp_dir};

/// What is scraped: two replicas of Foresail, and KEDA with one trigger of ours and one of another's.
const SERIES: &[(&str, &str)] = &[
    (
        r#"foresail_ref_target{namespace="chem-a",scaled_object="md",metric="foresail-md-c829f25a",instance="a"}"#,
        "7x60",
    ),
    (
        r#"foresail_ref_target{namespace="chem-a",scaled_object="md",metric="foresail-md-c829f25a",instance="b"}"#,
        "6x60",
    ),
    (
        r#"foresail_ref_target{namespace="chem-b",scaled_object="md",metric="foresail-md-c829f25a",instance="a"}"#,
        "3x60",
    ),
    (
        r#"keda_scaler_metrics_value{namespace="chem-a",metric="s1-foresail-md-c829f25a",scaledObject="md",scaler="externalPushScaler",triggerIndex="1",type="scaledobject"}"#,
        "5x60",
    ),
    (
        r#"keda_scaler_metrics_value{namespace="chem-a",metric="s0-cron",scaledObject="md",scaler="cronScaler",triggerIndex="0",type="scaledobject"}"#,
        "9x60",
    ),
    (r#"foresail_source_up{source="jobs"}"#, "0x60"),
    (r#"foresail_source_up{source="lab"}"#, "1x60"),
    (
        r#"foresail_ref_unavailable{namespace="chem-a",scaled_object="md",metric="foresail-md-c829f25a"}"#,
        "1x60",
    ),
    (
        r#"foresail_ref_unavailable{namespace="chem-b",scaled_object="md",metric="foresail-md-c829f25a"}"#,
        "0x60",
    ),
    (r#"foresail_queue_never_seen{source="jobs",layout="frames",queue="md"}"#, "0x60"),
    (r#"foresail_queue_never_seen{source="jobs",layout="frames",queue="dm"}"#, "1x60"),
    (r#"foresail_object_traps{namespace="chem-a",scaled_object="md",trap="tolerance",instance="a"}"#, "1x60"),
    (r#"foresail_object_traps{namespace="chem-a",scaled_object="md",trap="tolerance",instance="b"}"#, "1x60"),
    (r#"foresail_forecast_covered_total{horizon="short",level="0.9",instance="a"}"#, "0+9x60"),
    (r#"foresail_forecast_covered_total{horizon="lead",level="0.9",instance="a"}"#, "0+4x60"),
    (r#"foresail_forecast_covered_total{horizon="lead",level="0.5",instance="a"}"#, "0+2x60"),
    (r#"foresail_forecast_outcomes_total{horizon="short",instance="a"}"#, "0+10x60"),
    (r#"foresail_forecast_outcomes_total{horizon="lead",instance="a"}"#, "0+8x60"),
    (r#"foresail_forecast_loss_total{horizon="lead",of="forecast"}"#, "0+3x60"),
    (r#"foresail_forecast_loss_total{horizon="lead",of="nothing"}"#, "0+4x60"),
    (r#"foresail_forecast_loss_total{horizon="lead",of="persistence"}"#, "0+5x60"),
    (
        r#"foresail_ref_speculative_seconds_total{namespace="chem-a",scaled_object="md",metric="foresail-md-c829f25a"}"#,
        "0+1x60",
    ),
    (
        r#"foresail_ref_busy_seconds_total{namespace="chem-a",scaled_object="md",metric="foresail-md-c829f25a"}"#,
        "0+8x60",
    ),
    (r#"foresail_kubernetes_in_sight{instance="a"}"#, "0x60"),
    (r#"foresail_kubernetes_in_sight{instance="b"}"#, "1x60"),
    (r#"foresail_grpc_requests_total{method="GetMetrics",code="UNAVAILABLE"}"#, "0+15x60"),
    (r#"foresail_grpc_requests_total{method="GetMetrics",code="OK"}"#, "0+30x60"),
];

/// What each query says of it.
const ANSWERS: &[(&str, &str, &str)] = &[
    (
        "foresail_minus_keda",
        r#"{namespace="chem-a", scaled_object="md", metric="foresail-md-c829f25a"}"#,
        "2",
    ),
    ("source_down", r#"foresail_source_up{source="jobs"}"#, "0"),
    ("unavailable", r#"{namespace="chem-a", scaled_object="md", metric="foresail-md-c829f25a"}"#, "1"),
    ("traps", r#"{namespace="chem-a", scaled_object="md", trap="tolerance"}"#, "1"),
    ("out_of_sight", r#"foresail_kubernetes_in_sight{instance="a"}"#, "0"),
    ("skill", r#"{horizon="lead"}"#, "0.25"),
    ("speculation", r#"{namespace="chem-a", scaled_object="md", metric="foresail-md-c829f25a"}"#, "0.125"),
    ("coverage_off", r#"{horizon="lead"}"#, "0.5"),
    ("never_seen", r#"foresail_queue_never_seen{source="jobs", layout="frames", queue="dm"}"#, "1"),
    ("failed_calls", r#"{method="GetMetrics", code="UNAVAILABLE"}"#, "1"),
];

#[test]
fn every_query_answers_what_its_sentence_says() {
    let page = page("docs/metrics.md");
    let blocks = page.blocks().into_iter().filter(|block| block.info == "promql").count();
    assert_eq!(blocks, ANSWERS.len(), "each query is proven here");
    let folder = temp_dir();
    let path = folder.path().join("queries_test.yml");
    fs::write(&path, rules_test(&page)).unwrap();
    let promtool = binary("promtool", &[], "apt-get install prometheus");
    run(Command::new(promtool).args(["test", "rules"]).arg(&path));
}

#[test]
fn the_series_of_that_proof_have_the_labels_of_the_program() {
    let metrics = Metrics::new(Arc::new(Answers::default()), Arc::new(WallClock::new()));
    let label = Regex::new(r#"(\w+)=""#).unwrap();
    for (series, _) in SERIES.iter().filter(|(series, _)| series.starts_with("foresail_")) {
        let (name, labels) = series.split_once('{').unwrap();
        let metric = metrics.describe().iter().find(|metric| metric.name == name);
        let metric = metric.unwrap_or_else(|| panic!("there is no metric {name}"));
        let given = label.captures_iter(labels).map(|found| found[1].to_owned());
        let mut given: Vec<_> = given.filter(|label| label != "instance").collect();
        let mut wanted = metric.labels.clone();
        given.sort();
        wanted.sort();
        assert_eq!(given, wanted, "{name}");
    }
}

fn rules_test(page: &Page) -> String {
    let mut text = String::from("tests:\n  - interval: 15s\n    input_series:\n");
    for (series, values) in SERIES {
        let _ = writeln!(text, "      - series: '{series}'\n        values: '{values}'");
    }
    text.push_str("    promql_expr_test:\n");
    for (name, labels, value) in ANSWERS {
        let expression = page.block_after(&format!("promql: {name}")).text;
        let indented = format!("          {}", expression.trim_end().replace('\n', "\n          "));
        let _ = write!(
            text,
            "      - expr: |\n{indented}\n        eval_time: 10m\n        exp_samples:\n          - labels: '{labels}'\n            value: {value}\n"
        );
    }
    text
}
