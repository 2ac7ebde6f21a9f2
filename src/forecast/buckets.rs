//! Buckets whose widths grow in proportion: for times that span seconds to days.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserializer, Serializer};

/// `N` buckets from 0 to `last` seconds: the first reaches to 1 s, each further one by the same ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Buckets<const N: usize> {
    /// Logarithm of the ratio of neighbouring edges.
    ln_ratio: f64,
}

impl<const N: usize> Buckets<N> {
    pub(super) fn up_to(last: f64) -> Self {
        Self { ln_ratio: last.ln() / (N - 1) as f64 }
    }

    /// The upper edge of a bucket, seconds.
    pub(super) fn edge(self, bucket: usize) -> f64 {
        (self.ln_ratio * bucket as f64).exp()
    }

    /// The upper edges of all buckets, seconds.
    pub(super) fn edges(self) -> [f64; N] {
        std::array::from_fn(|bucket| self.edge(bucket))
    }

    /// The bucket that holds a time; the last one also holds whatever is beyond it. An edge belongs to the bucket
    /// below it.
    pub(super) fn of(self, seconds: f64) -> usize {
        // The edges themselves are rounded.
        let place = (seconds.max(1.0).ln() / self.ln_ratio - 1e-9).ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to N - 1")]
        let bucket = place.clamp(0.0, (N - 1) as f64) as usize;
        bucket
    }
}

/// Share of a law that lasts beyond `x` when half of it lasts beyond `median`: log-logistic, `1 / (1 + (x /
/// median)^shape)`.
pub(super) fn log_logistic(x: f64, median: f64, shape: f64) -> f64 {
    1.0 / (1.0 + (x / median).powf(shape))
}

/// Arrays longer than serde knows by itself, as sequences.
pub(super) mod long_array {
    use super::{Deserializer, Error, SeqAccess, Serializer, Visitor, fmt};

    pub(in super::super) fn serialize<S: Serializer, const N: usize>(
        array: &[f32; N],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(array)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        from: D,
    ) -> Result<[f32; N], D::Error> {
        struct Numbers<const N: usize>;
        impl<'de, const N: usize> Visitor<'de> for Numbers<N> {
            type Value = [f32; N];

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{N} numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<[f32; N], A::Error> {
                let mut array = [0.0; N];
                for (at, slot) in array.iter_mut().enumerate() {
                    *slot = numbers.next_element()?.ok_or_else(|| A::Error::invalid_length(at, &self))?;
                }
                match numbers.next_element::<f32>()? {
                    Some(_) => Err(A::Error::invalid_length(N + 1, &self)),
                    None => Ok(array),
                }
            }
        }
        from.deserialize_seq(Numbers)
    }
}
