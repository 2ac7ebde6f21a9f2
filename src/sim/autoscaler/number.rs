//! Numbers of workers and places in tables out of real numbers.

/// The nearest whole number; 0 or more.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=i32::MAX first")]
pub(super) fn rounded(workers: f64) -> u32 {
    workers.round().clamp(0.0, f64::from(i32::MAX)) as u32
}

/// The place of a value of 0 or more in a table with so many.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 or more and below a small limit"
)]
pub(super) fn place(value: f64, limit: usize) -> usize {
    (value as usize).min(limit - 1)
}
