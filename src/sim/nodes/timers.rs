//! When the autoscaler acts.

/// Times at which it does; infinite where it has nothing to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timers {
    /// Brings nodes.
    pub(super) provision: f64,
    /// The first pod of the batch that waits for it; infinite where there is none.
    pub(super) batch_began: f64,
    /// Looks for nodes to take away.
    pub(super) look: f64,
    /// Takes away the nodes that it chose, if that is still right.
    pub(super) act: f64,
    /// When it last looked: it looks at this time and whole intervals later.
    pub(super) looked: f64,
    /// When it last brought a node.
    pub(super) added: f64,
    /// Many spot instances are taken back.
    pub(super) storm: f64,
}

impl Timers {
    pub(super) const fn new(now: f64) -> Self {
        Self {
            provision: f64::INFINITY,
            batch_began: f64::INFINITY,
            look: f64::INFINITY,
            act: f64::INFINITY,
            looked: now,
            added: f64::NEG_INFINITY,
            storm: f64::INFINITY,
        }
    }

    pub(super) const fn next(&self) -> f64 {
        self.provision.min(self.look).min(self.act).min(self.storm)
    }

    /// The first time at or after `at` at which an autoscaler looks that does so every `interval` seconds.
    pub(super) fn on_grid(&self, at: f64, interval: f64) -> f64 {
        let intervals = ((at - self.looked) / interval).ceil().max(1.0);
        (self.looked + intervals * interval).max(at)
    }
}
