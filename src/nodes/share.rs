//! A cap divided among those that claim a part of it.

/// What one claims, and what it is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    claimed: u32,
    pub(super) granted: u32,
}

impl Share {
    pub(super) fn of(claimed: u32) -> Self {
        Self { claimed, granted: 0 }
    }
}

/// Grants no more than `total` in all: the same to each, but to nobody more than it claims. What cannot be divided goes
/// to the first ones.
pub(super) fn divide(total: u32, shares: &mut [Share]) {
    let mut left = total;
    loop {
        let open = shares.iter().filter(|share| share.granted < share.claimed).count();
        let Ok(open) = u32::try_from(open) else { return };
        if open == 0 || left == 0 {
            return;
        }
        let each = (left / open).max(1);
        for share in shares.iter_mut() {
            let more = each.min(share.claimed - share.granted).min(left);
            share.granted += more;
            left -= more;
        }
    }
}
