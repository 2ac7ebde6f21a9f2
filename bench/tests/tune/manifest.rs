//! The Jobs for a search on a cluster are what Kubernetes knows, and run commands that the bench takes.

use std::{fs, path::Path};

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Container, PodSpec},
};
use serde_json::Value;

use super::bench;

/// Kubernetes' own type of a manifest. What that does not know is lost on the way, and so found.
fn job(name: &str) -> Job {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let written: Value = serde_saphyr::from_str(&text).unwrap();
    let job: Job = serde_json::from_value(written.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(serde_json::to_value(&job).unwrap(), written, "{name} has keys that Kubernetes does not know");
    job
}

fn pod(job: &Job) -> PodSpec {
    job.spec.clone().unwrap().template.spec.unwrap()
}

/// The arguments of a container's command, in the pod with an index.
fn arguments(container: &Container, index: i32) -> Vec<String> {
    let all = container.args.iter().flatten();
    all.map(|argument| argument.replace("$(JOB_COMPLETION_INDEX)", &index.to_string())).collect()
}

/// With --help at its end, a command is parsed and nothing is done.
fn assert_taken(arguments: &[String]) {
    let words: Vec<&str> = arguments.iter().map(String::as_str).chain(["--help"]).collect();
    let printed = bench(&words);
    assert!(printed.ok, "{words:?}: {}", printed.said);
}

fn options(arguments: &[String]) -> Vec<&String> {
    let own = ["--shard=", "--state=", "--out="];
    arguments.iter().filter(|argument| !own.iter().any(|own| argument.starts_with(own))).collect()
}

#[test]
fn the_jobs_run_every_shard_once_and_end_the_same_search() {
    let (shards, end) = (job("tune-job.yaml"), job("tune-end-job.yaml"));
    let spec = shards.spec.as_ref().unwrap();
    assert_eq!(spec.completion_mode.as_deref(), Some("Indexed"));
    let completions = spec.completions.unwrap();
    let (shard, last) = (&pod(&shards).containers[0], &pod(&end).containers[0]);
    for index in 0..completions {
        let arguments = arguments(shard, index);
        assert!(arguments.contains(&format!("--shard={index}/{completions}")), "{arguments:?}");
        assert!(arguments.contains(&format!("--state=/tune/shards/{index}.jsonl")), "{arguments:?}");
        assert_taken(&arguments);
        assert_eq!(options(&arguments), options(&self::arguments(last, 0)), "both are one search");
    }
    let merge = arguments(&pod(&end).init_containers.unwrap()[0], 0);
    assert_eq!(merge.last().map(String::as_str), Some("/tune/shards"), "{merge:?}");
    assert_taken(&merge);
    assert_taken(&arguments(last, 0));
}

#[test]
fn every_container_sees_the_volume_and_may_do_nothing_else() {
    for pod in ["tune-job.yaml", "tune-end-job.yaml"].map(|name| pod(&job(name))) {
        let volumes: Vec<String> = pod.volumes.iter().flatten().map(|volume| volume.name.clone()).collect();
        for container in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
            let mounts = container.volume_mounts.iter().flatten();
            let mounted: Vec<String> = mounts.map(|mount| mount.name.clone()).collect();
            assert_eq!(mounted, volumes, "{}", container.name);
            let security = container.security_context.as_ref().unwrap();
            assert_eq!(security.read_only_root_filesystem, Some(true), "{}", container.name);
        }
    }
}
