//! The one model of KEDA, the HPA, workers and job logs; pure, deterministic.
