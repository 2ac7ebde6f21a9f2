//! The model of KEDA, the HPA, workers and job logs.

#[path = "sim/agreement.rs"]
mod agreement;
#[path = "sim/autoscaler.rs"]
mod autoscaler;
#[path = "sim/autoscalers.rs"]
mod autoscalers;
#[path = "sim/capacity_buffer.rs"]
mod capacity_buffer;
#[path = "sim/closed_loop.rs"]
mod closed_loop;
#[path = "sim/foresight.rs"]
mod foresight;
#[path = "sim/hints.rs"]
mod hints;
#[path = "sim/hpa.rs"]
mod hpa;
#[path = "sim/job_log.rs"]
mod job_log;
#[path = "sim/keda.rs"]
mod keda;
#[path = "sim/load.rs"]
mod load;
#[path = "sim/nodes.rs"]
mod nodes;
#[path = "sim/open_loop.rs"]
mod open_loop;
#[path = "sim/queueing.rs"]
mod queueing;
#[path = "sim/replica_set.rs"]
mod replica_set;
#[path = "sim/scaled_job.rs"]
mod scaled_job;
#[path = "sim/scenario.rs"]
mod scenario;
#[path = "sim/timeline.rs"]
mod timeline;
#[path = "support/traces.rs"]
mod traces;
#[path = "sim/workers.rs"]
mod workers;
#[path = "sim/world.rs"]
mod world;
