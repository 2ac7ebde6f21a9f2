//! Redis Cluster: which node holds which slot.

use redis::Value;

use crate::{
    config::source::Address,
    source::redis::value::{count, items, text},
};

/// Slots of a Cluster.
const SLOTS: usize = 16_384;

/// For each slot, the place of its primary in `primaries`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotMap {
    /// The primaries that hold a slot.
    pub(super) primaries: Vec<Address>,
    owners: Vec<Option<u16>>,
}

impl SlotMap {
    /// Reads the answer to `CLUSTER SLOTS`; `asked` is who gave it, since a node leaves its own host
    /// out where it does not know it.
    pub(super) fn parse(answer: &Value, asked: &str) -> Option<Self> {
        let mut map = Self { primaries: Vec::new(), owners: vec![None; SLOTS] };
        for range in items(answer)? {
            let range = items(range)?;
            let slot =
                |place: usize| range.get(place).and_then(count).and_then(|slot| usize::try_from(slot).ok());
            let (start, end) = (slot(0)?, slot(1)?);
            let primary = range.get(2).and_then(items)?;
            let host = primary.first().and_then(text).filter(|host| !host.is_empty() && host != "?");
            let address = Address {
                host: host.map_or_else(|| asked.to_owned(), std::borrow::Cow::into_owned),
                port: primary.get(1).and_then(count).and_then(|port| u16::try_from(port).ok())?,
            };
            let place = map.place_of(address)?;
            map.owners.get_mut(start..=end)?.fill(Some(place));
        }
        (!map.primaries.is_empty()).then_some(map)
    }

    /// The place of the primary that holds a key.
    pub(super) fn owner(&self, key: &[u8]) -> Option<usize> {
        self.owners.get(slot(key)).copied().flatten().map(usize::from)
    }

    fn place_of(&mut self, address: Address) -> Option<u16> {
        let known = self.primaries.iter().position(|primary| *primary == address);
        let place = known.unwrap_or_else(|| {
            self.primaries.push(address);
            self.primaries.len() - 1
        });
        u16::try_from(place).ok()
    }
}

/// Where the answer `ASK <slot> <host>:<port>` sends.
pub(super) fn redirected_to(what: &str) -> Option<Address> {
    let (host, port) = what.split_whitespace().next_back()?.rsplit_once(':')?;
    Some(Address { host: host.to_owned(), port: port.parse().ok()? })
}

/// The slot of a key: CRC16 (XMODEM) of its hash tag, or of the whole, over 16384 (Redis Cluster
/// specification, "Key distribution model").
fn slot(key: &[u8]) -> usize {
    let crc = hash_tag(key).iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    usize::from(crc) % SLOTS
}

/// What stands between the first `{` and the next `}`, if anything does.
fn hash_tag(key: &[u8]) -> &[u8] {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        rest.iter().position(|byte| *byte == b'}').map(|close| &rest[..close])
    });
    tag.filter(|tag| !tag.is_empty()).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot(b"123456789"), 0x31C3);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), slot(b"foo{}{bar}"));
        assert_ne!(slot(b"foo{}{bar}"), slot(b"bar"));
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
    }

    #[test]
    fn a_slot_map_is_read_and_a_missing_host_is_the_asked_one() {
        let text = |t: &str| Value::BulkString(t.into());
        let range = |from, to, host: Value| {
            Value::Array(vec![Value::Int(from), Value::Int(to), Value::Array(vec![host, Value::Int(7000)])])
        };
        let answer = Value::Array(vec![range(0, 8000, text("a")), range(8001, 16_383, Value::Nil)]);
        let map = SlotMap::parse(&answer, "asked").unwrap();
        assert_eq!(map.primaries[1], Address { host: "asked".into(), port: 7000 });
        assert_eq!(map.owner(b"123456789"), Some(1));
        assert_eq!(
            redirected_to("ASK 12 10.0.0.1:7001"),
            Some(Address { host: "10.0.0.1".into(), port: 7001 })
        );
        assert_eq!(SlotMap::parse(&Value::Array(vec![range(0, 99_999, Value::Nil)]), "x"), None);
    }
}
