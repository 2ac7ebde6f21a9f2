//! Whether any worker is ready: one that is asked for while none is finds no room that others left.

use crate::forecast::lead::Asked;

/// What was seen of a ref's workers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum Ready {
    /// Nobody knows.
    #[default]
    Unknown,
    /// None is.
    None,
    /// At every look since a time, Unix seconds, at least one was.
    Since(f64),
}

impl Ready {
    /// Takes how many are ready at `now`.
    pub(super) fn see(&mut self, now: f64, ready: Option<u32>) {
        *self = match (ready, *self) {
            (None, _) => Self::Unknown,
            (Some(0), _) => Self::None,
            (Some(_), since @ Self::Since(_)) => since,
            (Some(_), Self::Unknown) => Self::Since(f64::NEG_INFINITY),
            (Some(_), Self::None) => Self::Since(now),
        };
    }

    /// Beside whom a worker was asked for at that time.
    pub(super) fn asked(self, at: f64) -> Asked {
        match self {
            Self::None => Asked::Alone,
            Self::Since(since) if at < since => Asked::Alone,
            Self::Since(_) | Self::Unknown => Asked::Beside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_was_asked_for_alone_where_that_was_before_the_first_one_was_ready() {
        let mut ready = Ready::default();
        assert_eq!(ready.asked(90.0), Asked::Beside, "nobody knows");
        ready.see(100.0, Some(3));
        assert_eq!(ready.asked(50.0), Asked::Beside, "they may have been there long");
        ready.see(200.0, Some(0));
        assert_eq!(ready.asked(200.0), Asked::Alone);
        ready.see(260.0, Some(1));
        ready.see(270.0, Some(40));
        assert_eq!(
            [210.0, 259.0, 260.0].map(|at| ready.asked(at)),
            [Asked::Alone, Asked::Alone, Asked::Beside]
        );
        ready.see(280.0, None);
        assert_eq!(ready.asked(210.0), Asked::Beside, "out of sight");
    }
}
