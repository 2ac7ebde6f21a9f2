//! A loopback address for each pod and service.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Whoever listens on this port of an address has it: so it is had once on the machine. Above the ports that the
/// kernel hands out for outgoing connections, and below no privilege.
const LOCK_PORT: u16 = 61_999;

/// An address of 127.0.0.0/8 (never 127.0.x.y, where everything else listens), had until it is dropped.
#[derive(Debug)]
pub(super) struct Address {
    address: Ipv4Addr,
    _lock: TcpListener,
}

impl Address {
    pub(super) fn take() -> Self {
        /// Starts anywhere, so that two test processes at once rarely ask for the same.
        static NEXT: LazyLock<AtomicU32> =
            LazyLock::new(|| AtomicU32::new(std::process::id().wrapping_mul(7_919)));
        (0..100_000)
            .find_map(|_| {
                let address = nth(NEXT.fetch_add(1, Ordering::Relaxed));
                let lock = TcpListener::bind((address, LOCK_PORT)).ok()?;
                Some(Self { address, _lock: lock })
            })
            .expect("some address of 127.0.0.0/8 is free")
    }

    pub(super) fn get(&self) -> Ipv4Addr {
        self.address
    }
}

fn nth(number: u32) -> Ipv4Addr {
    let digit = |number: u32, first: u8, count: u32| {
        first + u8::try_from(number % count).expect("the remainder is below 256")
    };
    Ipv4Addr::new(127, digit(number / 254 / 256, 1, 254), digit(number / 254, 0, 256), digit(number, 1, 254))
}
