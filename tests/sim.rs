//! The model of KEDA, the HPA, workers and job logs.

#[path = "sim/closed_loop.rs"]
mod closed_loop;
#[path = "sim/hpa.rs"]
mod hpa;
#[path = "sim/job_log.rs"]
mod job_log;
#[path = "sim/keda.rs"]
mod keda;
#[path = "sim/load.rs"]
mod load;
#[path = "sim/scaled_job.rs"]
mod scaled_job;
#[path = "sim/scenario.rs"]
mod scenario;
#[path = "sim/timeline.rs"]
mod timeline;
#[path = "sim/workers.rs"]
mod workers;
