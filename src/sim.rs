//! The one model of KEDA, the HPA, workers and job logs; pure and deterministic.
//!
//! Nothing here calls anybody, waits, or reads a clock. The models say what is due and when; a driver (the
//! demo over real gRPC, the contract tests, the simulator) makes the call and hands the answer back. Time is
//! an argument: `f64`, Unix seconds.
//!
//! - [`job_log`]: the jobs of a log, cut and scaled
//! - [`field`]: fields of load and scenario files
//! - [`load`]: jobs that are made up from a description
//! - [`workers`]: workers that a `ReplicaSet` starts and removes, and the jobs that they run
//! - [`replica_set`]: which pods go first when the replicas fall
//! - [`nodes`]: where the workers' pods go, and which nodes come and go for them (Karpenter, Cluster Autoscaler)
//! - [`start_delay`], [`billing`]: how long starts take, and what time costs
//! - [`quantity`]: Kubernetes quantities, in thousandths
//! - [`hpa`]: metric to replicas
//! - [`round`]: the calls of one visit of KEDA to an external scaler, in their order
//! - [`keda`]: a ScaledObject: when KEDA visits, and what it does with the answers
//! - [`scaled_job`]: a ScaledJob: how many Jobs KEDA creates
//! - [`autoscaler`]: whoever decides how many workers there are to be
//! - [`closed_loop`]: workers and an autoscaler on virtual time
//! - [`outcome`]: the measures of a run
//! - [`world`]: a log, played in a world by an autoscaler, and what it came to
//! - [`foresight`]: how good the forecasts of a log are
//! - [`scenario`]: a load, a world, and the bounds of the outcome, as a file
//! - [`timeline`]: what was recorded of a run on the real thing, for the models to agree with

pub mod job_log;

pub mod field;

pub mod load;

pub mod workers;

pub mod replica_set;

pub mod nodes;

pub mod start_delay;

pub mod billing;

mod chance;

mod events;

mod ticks;

pub mod quantity;

pub mod hpa;

pub mod round;

pub mod keda;

pub mod scaled_job;

pub mod autoscaler;

pub mod closed_loop;

pub mod outcome;

pub mod foresight;

pub mod scenario;

pub mod world;

pub mod timeline;
