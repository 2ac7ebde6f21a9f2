//! `make cluster`: everything that a look at Foresail under real KEDA needs, until Ctrl-C.

#![expect(clippy::print_stdout, reason = "what it prints is what somebody types next")]

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

use crate::{
    api::{self, Replicas},
    foresail::Foresail,
    interrupted,
    manifests::{RECOMMENDED, deployment, scaled_object, trigger, worker},
    stack::{Options, Stack},
    support::redis::RedisServer,
};

/// Where the worker lives.
const NAMESPACE: &str = "lab";

pub(crate) fn up() -> ExitCode {
    let runtime = Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        tokio::select! {
            () = everything() => {}
            () = interrupted() => println!("\nTaking everything down."),
        }
    });
    ExitCode::SUCCESS
}

async fn everything() {
    println!("Starting Kubernetes and KEDA ...");
    let started = Instant::now();
    let stack = Stack::start(&Options::as_shipped()).await;
    stack.runner().await;
    let redis = RedisServer::start().await;
    let foresail = Foresail::start(&stack.logs(), &config(&redis, &stack)).await;
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{ name: {NAMESPACE} }}\n");
    api::apply(&stack.client, NAMESPACE, &namespace).await;
    api::apply(&stack.client, NAMESPACE, &deployment(0, &worker(&redis.url(), "celery", &[]))).await;
    api::apply(&stack.client, NAMESPACE, &celery(&foresail.address())).await;
    let replicas = Replicas::watch(&stack.client, NAMESPACE, "worker").await;
    replicas.until_wanted(0, Duration::from_mins(1)).await;
    println!("{}", welcome(&stack, &redis, &foresail, started.elapsed()));
    std::future::pending::<()>().await;
}

fn welcome(stack: &Stack, redis: &RedisServer, foresail: &Foresail, took: Duration) -> String {
    let port = redis.port();
    let enqueue = format!(
        "for n in $(seq 20); do redis-cli -p {port} lpush celery \"{{\\\"id\\\":\\\"$n\\\",\\\"run_seconds\\\":20}}\"; done"
    );
    let explain = format!(
        "{} explain {NAMESPACE}/worker --http {}",
        here(Path::new(env!("CARGO_BIN_EXE_foresail"))).display(),
        foresail.url("")
    );
    format!(
        "Up after {:.0} s: Kubernetes, KEDA, Foresail, a Redis with the queue `celery`, and a ScaledObject.\n\
         Logs are in {}; Ctrl-C takes everything down.\n\n  \
         export KUBECONFIG={}\n  \
         {}\n  \
         {}\n  \
         {explain}\n\n\
         The first watches the replicas, the second enqueues twenty jobs of 20 s, the third says why there are as \
         many replicas as there are. A worker is a pod whose process takes one job at a time from the queue.\n",
        took.as_secs_f64(),
        stack.logs().display(),
        stack.kubeconfig.display(),
        if_installed(
            "kubectl",
            &format!("kubectl get hpa -n {NAMESPACE} --watch"),
            "kubectl is not installed: https://kubernetes.io/docs/tasks/tools/",
        ),
        if_installed("redis-cli", &enqueue, "redis-cli is not installed: apt-get install redis-tools"),
    )
}

/// The command, and what is to be done first where its program is missing.
fn if_installed(program: &str, command: &str, otherwise: &str) -> String {
    let path = env::var_os("PATH").unwrap_or_default();
    if env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        command.to_owned()
    } else {
        format!("{command}     # {otherwise}")
    }
}

/// As a path from where we stand, where it is below.
fn here(path: &Path) -> PathBuf {
    let folder = env::current_dir().unwrap_or_default();
    path.strip_prefix(folder).unwrap_or(path).to_owned()
}

fn config(redis: &RedisServer, stack: &Stack) -> String {
    format!(
        r#"
sources:
  jobs:
    redis: {{ host: 127.0.0.1, port: {} }}
    namespaces: {{ {NAMESPACE}: ["*"] }}
    layouts:
      lists: {{ preset: redis-list, processing: "{{queue}}:processing:{{worker}}" }}
policies:
  default: {{ keep_alive: 30s }}
kubernetes: {{ addresses: ["{}"], namespaces: [{NAMESPACE}], kubeconfig: {} }}
"#,
        redis.port(),
        Foresail::ADDRESS,
        stack.kubeconfig.display(),
    )
}

fn celery(address: &str) -> String {
    let spec = ["pollingInterval: 30", "cooldownPeriod: 15", RECOMMENDED];
    scaled_object("worker", &spec, &trigger("external-push", address, "queue: celery"))
}
