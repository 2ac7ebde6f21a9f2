//! The table of queues: samples in, what is known of each queue out.

mod sample;

pub use sample::{Holder, Quality, Sample};
