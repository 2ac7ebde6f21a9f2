//! KEDA's own client code against Foresail, without the operator around it: what a cluster shows too slowly or
//! not at all. The program is tests/cluster/tools/keda-client.

use std::{fs, process::Command};

use foresail::clock::{Clock as _, WallClock};
use serde_json::Value;

use super::{
    Cluster, Scenario,
    fixture::{Lists, SOON},
    scenarios,
};
use crate::{
    api::eventually,
    support::{
        certificates::{CertificateFiles, Certificates},
        process::{Process, temp_dir},
    },
    tools::tool,
};

pub(super) fn scenarios() -> Vec<Scenario> {
    scenarios![All:
        keda_client::streams_of_2500_scalers_on_one_connection_wake_together,
        keda_client::streams_of_2500_scalers_on_five_connections_wake_together,
        keda_client::names_targets_and_values_are_what_the_hpa_expects,
        keda_client::each_combination_of_tls_settings_is_taken_or_refused_as_it_should_be,
        keda_client::metric_specs_are_streamed,
    ]
}

async fn streams_of_2500_scalers_on_one_connection_wake_together(cluster: &Cluster) {
    wake(cluster, 1).await;
}

async fn streams_of_2500_scalers_on_five_connections_wake_together(cluster: &Cluster) {
    wake(cluster, 5).await;
}

/// All wait on one empty queue; one job comes. KEDA has a connection for each address that triggers give.
async fn wake(cluster: &Cluster, connections: u16) {
    const SCALERS: u32 = 2500;
    let lists = Lists::start(cluster).await;
    let port = lists.foresail.grpc;
    let addresses = (1..=connections).map(|host| format!("127.0.0.{host}:{port}"));
    let mut command = Command::new(tool("keda-client"));
    command.args(["-patience", "4m", "-count", &SCALERS.to_string()]).args(METADATA).arg("push");
    let output = cluster.logs.join("keda-client.log");
    let mut client = Process::spawn("keda-client", command.args(addresses), &output);
    eventually("every scaler has its stream", 2 * SOON, async || {
        assert!(client.is_running(), "it ended too early:\n{}", client.output());
        match lists.streams() {
            open if open == f64::from(SCALERS) => Ok(()),
            open => Err(format!("{open} are open")),
        }
    })
    .await;
    assert_eq!(connections_to(port), usize::from(connections));

    let added = WallClock::new().now();
    lists.set("work", 1).await;
    eventually("KEDA's client has ended", 2 * SOON, async || {
        if client.is_running() { Err("it runs".to_owned()) } else { Ok(()) }
    })
    .await;
    let said = last_line(&client.output());
    assert_eq!(said["active"], SCALERS, "{said}");
    let (first, last) = (seconds(&said, "first") - added, seconds(&said, "last") - added);
    eprintln!("{SCALERS} streams on {connections} connection(s): told after {first:.2} s to {last:.2} s");
    // When the first is told depends on the last read of the queue: a machine without time to spare makes it
    // slow, and a slow read is followed by a long rest.
    assert!(first >= 0.0 && last - first < 5.0, "told after {first:.2} s to {last:.2} s");
}

async fn names_targets_and_values_are_what_the_hpa_expects(cluster: &Cluster) {
    let lists = Lists::start(cluster).await;
    let odd = "Odd Queue/with:signs_and.dots";
    lists.set("work", 3).await;
    lists.set(odd, 7).await;
    let address = lists.foresail.address();
    let ask = |arguments: &[&str], queue: &str| {
        let queue = format!("queue={queue}");
        run(&[arguments, &["-metadata", "layout=reliable", "-metadata", &queue, "value", &address]].concat())
    };

    for index in ["0", "1", "12"] {
        let said = ask(&["-index", index], "work");
        let name = said["specs"][0]["name"].as_str().unwrap_or_default();
        assert!(name.starts_with(&format!("s{index}-foresail-work-")), "{said}");
        assert_eq!(
            (&said["specs"][0]["type"], &said["specs"][0]["milli"]),
            (&"AverageValue".into(), &1000.into())
        );
        assert_eq!((&said["milli"][0], &said["active"]), (&3000.into(), &true.into()), "{said}");
    }
    let said = ask(&["-metric-type", "Value"], "work");
    assert_eq!((&said["specs"][0]["type"], &said["milli"][0]), (&"Value".into(), &3000.into()), "{said}");
    let said = ask(&[], "empty");
    assert_eq!((&said["milli"][0], &said["active"]), (&0.into(), &false.into()), "{said}");

    // The name is a part of the path that the HPA asks for.
    let said = ask(&[], odd);
    let name = said["specs"][0]["name"].as_str().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    assert!(name.starts_with("s0-foresail-") && name.chars().all(is_plain), "{said}");
    assert_eq!(said["milli"][0], 7000, "{said}");

    let said = ask(&["-metadata", "mode=nonsense"], "work");
    assert!(said["error"].is_string(), "a wrong value is an error, not a number: {said}");
}

async fn each_combination_of_tls_settings_is_taken_or_refused_as_it_should_be(cluster: &Cluster) {
    const ENABLE: &str = "enableTLS=true";
    const UNSAFE: &str = "unsafeSsl=true";
    let (folder, foreign_folder) = (temp_dir(), temp_dir());
    let ours = Certificates::generate().write(folder.path());
    let strangers = Certificates::generate().write(foreign_folder.path());
    let server = |client: &str| {
        let (certificate, key) = (ours.server.display(), ours.server_key.display());
        format!("tls: {{ cert_file: {certificate}, key_file: {key}{client} }}")
    };
    let (alone, mutual) = (server(""), server(&format!(", client_ca_file: {}", ours.ca.display())));
    let (plain, tls, mutual) = tokio::join!(
        Lists::start_as(cluster, "plain", ""),
        Lists::start_as(cluster, "tls", &alone),
        Lists::start_as(cluster, "mutual", &mutual),
    );
    for lists in [&plain, &tls, &mutual] {
        lists.set("work", 2).await;
    }

    let ca = |of: &CertificateFiles| ("caCert", of.ca.clone());
    let certificate = |of: &CertificateFiles| ("tlsClientCert", of.client.clone());
    let key = |of: &CertificateFiles| ("tlsClientKey", of.client_key.clone());
    let cases = [
        ("plain text", &plain, vec![], vec![], true),
        ("unsafeSsl alone is plain text", &plain, vec![UNSAFE], vec![], true),
        ("TLS to a plain port", &plain, vec![ENABLE], vec![], false),
        ("a CA means TLS", &plain, vec![], vec![ca(&ours)], false),
        ("our CA", &tls, vec![], vec![ca(&ours)], true),
        ("our CA and the switch", &tls, vec![ENABLE], vec![ca(&ours)], true),
        ("the switch, and no CA that knows us", &tls, vec![ENABLE], vec![], false),
        ("any server will do", &tls, vec![ENABLE, UNSAFE], vec![], true),
        ("another's CA", &tls, vec![], vec![ca(&strangers)], false),
        ("plain text to a TLS port", &tls, vec![], vec![], false),
        (
            "a certificate that nobody asks for",
            &tls,
            vec![],
            vec![ca(&ours), certificate(&ours), key(&ours)],
            true,
        ),
        ("a certificate without its key is ignored", &tls, vec![], vec![ca(&ours), certificate(&ours)], true),
        ("our client", &mutual, vec![], vec![ca(&ours), certificate(&ours), key(&ours)], true),
        ("our client, any server", &mutual, vec![ENABLE, UNSAFE], vec![certificate(&ours), key(&ours)], true),
        ("no certificate", &mutual, vec![], vec![ca(&ours)], false),
        ("its key is missing", &mutual, vec![], vec![ca(&ours), certificate(&ours)], false),
        (
            "another's client",
            &mutual,
            vec![],
            vec![ca(&ours), certificate(&strangers), key(&strangers)],
            false,
        ),
        ("plain text to a mutual port", &mutual, vec![], vec![], false),
    ];
    for (case, lists, metadata, files, works) in cases {
        let mut arguments: Vec<String> = METADATA.map(str::to_owned).into();
        for text in metadata {
            arguments.extend(["-metadata".to_owned(), text.to_owned()]);
        }
        for (parameter, file) in files {
            arguments.extend(["-auth".to_owned(), format!("{parameter}={}", file.display())]);
        }
        arguments.extend(["value".to_owned(), lists.foresail.address()]);
        let said = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        if works {
            assert_eq!(said["milli"][0], 2000, "{case}: {said}");
        } else {
            assert!(said["error"].is_string(), "{case}: {said}");
        }
    }
}

/// KEDA asks for it since 2.21, where the scaler has it.
async fn metric_specs_are_streamed(cluster: &Cluster) {
    let lists = Lists::start(cluster).await;
    let address = lists.foresail.address();
    let said = run(&[&METADATA[..], &["-index", "2", "specs", &address]].concat());
    let name = said["specs"][0]["name"].as_str().unwrap_or_default();
    assert!(name.starts_with("s2-foresail-work-"), "{said}");
    assert_eq!(said["specs"][0]["milli"], 1000, "{said}");
}

/// A trigger on the queue `work`.
const METADATA: [&str; 4] = ["-metadata", "layout=reliable", "-metadata", "queue=work"];

/// Runs the program to its end; what it said.
fn run(arguments: &[&str]) -> Value {
    let output = Command::new(tool("keda-client")).args(arguments).output().expect("it can be started");
    last_line(&String::from_utf8_lossy(&output.stdout))
}

fn last_line(output: &str) -> Value {
    let line = output.lines().rev().find(|line| line.starts_with('{'));
    let line = line.unwrap_or_else(|| panic!("KEDA's client said nothing of what it got:\n{output}"));
    serde_json::from_str(line).expect("it prints JSON")
}

fn seconds(said: &Value, key: &str) -> f64 {
    said[key].as_f64().unwrap_or_else(|| panic!("no {key} in {said}"))
}

/// TCP connections established to a port of this machine, as Linux counts them at the server's end.
fn connections_to(port: u16) -> usize {
    const ESTABLISHED: &str = "01";
    let local = format!(":{port:04X}");
    let lines = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let tables = [lines("/proc/net/tcp"), lines("/proc/net/tcp6")];
    let fields = tables.iter().flat_map(|table| table.lines()).map(|line| line.split_whitespace());
    fields
        .filter(|fields| {
            let mut fields = fields.clone().skip(1);
            let (here, _there, state) = (fields.next(), fields.next(), fields.next());
            here.is_some_and(|here| here.ends_with(&local)) && state == Some(ESTABLISHED)
        })
        .count()
}
