//! A store's running total, made safe against resets.

/// Counts the increments of a total: the first value is the baseline, a fall is a reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counter {
    last: Option<u64>,
    counted: u64,
}

impl Counter {
    /// Takes the newest total and returns what was added since the last one; `None` where nothing can
    /// be said (no total, or the first). After a reset the new total is all that was surely added.
    pub fn observe(&mut self, total: Option<u64>) -> Option<u64> {
        let total = total?;
        let last = self.last.replace(total)?;
        let added = if total >= last { total - last } else { total };
        self.counted = self.counted.saturating_add(added);
        Some(added)
    }

    /// All increments so far; `None` where no total was ever seen.
    pub fn counted(&self) -> Option<u64> {
        self.last.map(|_| self.counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_total_is_the_baseline_and_a_fall_is_a_reset() {
        let mut counter = Counter::default();
        let seen =
            [Some(100), Some(103), None, Some(103), Some(2), Some(5)].map(|total| counter.observe(total));
        assert_eq!(seen, [None, Some(3), None, Some(0), Some(2), Some(3)]);
        assert_eq!(counter.counted(), Some(8));
    }
}
