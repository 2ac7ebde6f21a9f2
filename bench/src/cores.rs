//! Work on all cores.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

/// What `work` makes of every number below `n`, in their order. They are taken one by one, so neighbours run at the
/// same time, which share what the processor has cached of them.
pub(crate) fn map<T: Send>(n: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let worked: Vec<Vec<(usize, T)>> = rayon::broadcast(|_| {
        let mut mine = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= n {
                return mine;
            }
            mine.push((at, work(at)));
        }
    });
    let mut all: Vec<(usize, T)> = worked.into_iter().flatten().collect();
    all.par_sort_unstable_by_key(|&(at, _)| at);
    all.into_iter().map(|(_, made)| made).collect()
}
