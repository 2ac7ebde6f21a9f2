//! Waiting for a condition, and saying what was seen instead where it does not come.

use std::time::{Duration, Instant};

/// For what a stack does while it starts.
pub(super) const START: Duration = Duration::from_mins(1);

/// Between two looks. The API server answers one in a few milliseconds, and several scenarios look at once.
const POLL: Duration = Duration::from_millis(100);

/// Looks until `look` gives a value; panics after `deadline` with what was awaited and what was last seen.
pub(crate) async fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let started = Instant::now();
    let mut seen = "nothing was seen".to_owned();
    loop {
        let left = deadline.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(other)) => seen = other,
            Err(_) => {}
        }
        assert!(started.elapsed() < deadline, "waited {deadline:?} in vain until {what}; last seen: {seen}");
        tokio::time::sleep(POLL).await;
    }
}
