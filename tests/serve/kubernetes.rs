//! A cluster that is configured and does not answer.

use std::{net::TcpListener, time::Instant};

use super::foresail::{Foresail, LONG, object, redis_sections, run, text};
use crate::support::{process::wait_until, redis::RedisServer};

/// A kubeconfig whose API server takes connections and says nothing.
fn silent_cluster(folder: &std::path::Path) -> (TcpListener, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let path = folder.join("kubeconfig");
    let kubeconfig = format!(
        "apiVersion: v1
kind: Config
current-context: c
clusters: [{{ name: c, cluster: {{ server: \"{server}\" }} }}]
users: [{{ name: c, user: {{}} }}]
contexts: [{{ name: c, context: {{ cluster: c, user: c }} }}]
"
    );
    std::fs::write(&path, kubeconfig).unwrap();
    (listener, format!("kubernetes: {{ addresses: [\"foresail:6000\"], kubeconfig: {} }}\n", path.display()))
}

#[tokio::test]
async fn a_cluster_that_never_answers_delays_no_answer_and_readiness_only_so_long() {
    let (redis, folder) = (RedisServer::start().await, tempfile::tempdir().unwrap());
    let (_listener, kubernetes) = silent_cluster(folder.path());
    let _: i64 = redis.command(&["LPUSH", "md", "a"]).await;
    let foresail = Foresail::serve(&(redis_sections(redis.port()) + &kubernetes)).await;
    let md = object("reliable", "md");

    // Until the replicas could be known nobody is told a number that forgets them.
    let mut longest = 0.0_f64;
    let status = loop {
        let asked = Instant::now();
        let error = foresail.value(&md).await.unwrap_err();
        if error.message().contains("Kubernetes has not been listed yet") {
            break error;
        }
        longest = longest.max(asked.elapsed().as_secs_f64());
    };
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(longest < 2.0, "a first sample is awaited for a second, and nothing else is");
    foresail.until_page("/readyz", "ok").await;
    assert!(foresail.page("/metrics").contains("foresail_kubernetes_in_sight 0"));

    wait_until("the half minute to be over", 2 * LONG, async || foresail.value(&md).await.is_ok()).await;
    let explained = text(&run(&["explain", "chem/md", "--http", &foresail.url("")]).stdout);
    assert!(explained.contains("n=1") && explained.contains("workers=?"), "{explained}");
}
