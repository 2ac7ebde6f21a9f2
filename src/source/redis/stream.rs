//! Streams with a consumer group: how many entries wait, and who holds how many.
//!
//! Redis knows the lag of a group only while nothing between its last delivered entry and the end
//! was deleted, and only since 7.0. Where it does not know, the entries are counted.

use std::{collections::BTreeMap, str::FromStr};

use redis::Value;

use crate::{
    config::source::Layout,
    series::{Holder, Quality, Sample},
    source::redis::{
        ask::{Answers, Code, Place, Refusal, Round, To},
        value::{count, field, items, text},
    },
};

/// One stream while it is read.
#[derive(Debug)]
pub(super) struct StreamProbe {
    key: String,
    group: String,
    info: Place,
    groups: Place,
    pending: Place,
    idle: Option<Place>,
    counted: Option<Counted>,
}

#[derive(Debug, Clone, Copy)]
enum Counted {
    /// The script's count and first entry.
    ByScript(Place),
    /// The entries themselves, up to `MOST_ENTRIES`.
    ByRange(Place),
    /// The first entry alone.
    First(Place),
}

impl StreamProbe {
    /// Asks for everything that does not depend on an answer.
    pub(super) fn start(key: String, group: String, stuck_after: Option<f64>, round: &mut Round) -> Self {
        let info = round.push(To::KeyAt(2), redis::cmd("XINFO").arg("STREAM").arg(&key).take());
        let groups = ask_groups(&key, round);
        let pending = || redis::cmd("XPENDING").arg(&key).arg(&group).take();
        let summary = round.push(To::KeyAt(1), pending());
        let idle = stuck_after.map(|seconds| {
            let millis = format!("{:.0}", (seconds * 1e3).ceil());
            round.push(
                To::KeyAt(1),
                pending().arg("IDLE").arg(millis).arg("-").arg("+").arg(MOST_STUCK).take(),
            )
        });
        Self { info, groups, pending: summary, idle, counted: None, key, group }
    }

    /// Asks for what depends on the group's position: the count, where Redis does not know the lag,
    /// and the first entry that waits.
    pub(super) fn follow(
        &mut self,
        first: &Answers,
        version: [u32; 3],
        round: &mut Round,
    ) -> Result<(), Refusal> {
        let Some((stream, group)) = self.parse(first)? else { return Ok(()) };
        let Some(group) = group else { return Ok(()) };
        let after = format!("({}", group.last_delivered);
        let range = |most: usize| {
            redis::cmd("XRANGE").arg(&self.key).arg(&after).arg("+").arg("COUNT").arg(most).take()
        };
        self.counted = match backlog(&stream, Some(&group)) {
            Backlog::Unknown if version >= [7, 0, 0] => {
                let script = redis::cmd("EVAL_RO")
                    .arg(COUNT_SCRIPT)
                    .arg(1)
                    .arg(&self.key)
                    .arg(&after)
                    .arg(MOST_ENTRIES)
                    .take();
                Some(Counted::ByScript(round.push(To::KeyAt(3), script)))
            }
            Backlog::Unknown => Some(Counted::ByRange(round.push(To::KeyAt(1), range(MOST_ENTRIES)))),
            Backlog::Known(waiting)
                if waiting > 0 && stream.first.is_some_and(|id| id <= group.last_delivered) =>
            {
                Some(Counted::First(round.push(To::KeyAt(1), range(1))))
            }
            Backlog::Known(_) => None,
        };
        Ok(())
    }

    /// What the answers say; `now` is Unix seconds on the server's clock.
    pub(super) fn finish(
        self,
        first: &Answers,
        second: &Answers,
        now: f64,
        layout: &Layout,
    ) -> Result<Sample, Refusal> {
        let Some((stream, group)) = self.parse(first)? else {
            return Ok(Sample {
                waiting: Some(0),
                in_flight: Some(0),
                stuck: layout.stuck_after.map(|_| 0),
                holders: Some(Vec::new()),
                ..Sample::default()
            });
        };
        let (waiting, next, mut quality) = match self.counted {
            None | Some(Counted::First(_)) => {
                let Backlog::Known(waiting) = backlog(&stream, group.as_ref()) else {
                    return Err(self.odd("XINFO GROUPS"));
                };
                let next = match self.counted {
                    Some(Counted::First(place)) => items(second.at(place)?).and_then(first_id),
                    _ => stream.first,
                };
                (waiting, next, Quality::Exact)
            }
            Some(Counted::ByRange(place)) => {
                let entries = items(second.at(place)?).ok_or_else(|| self.odd("XRANGE"))?;
                (entries.len() as u64, first_id(entries), quality_of(entries.len() as u64))
            }
            Some(Counted::ByScript(place)) => {
                let answer = items(second.at(place)?).ok_or_else(|| self.odd("EVAL_RO"))?;
                let waiting = answer.first().and_then(count).ok_or_else(|| self.odd("EVAL_RO"))?;
                let next = answer.get(1).and_then(text).and_then(|id| id.parse().ok());
                (waiting, next, quality_of(waiting))
            }
        };
        let (mut holders, mut stuck) = (BTreeMap::new(), layout.stuck_after.map(|_| 0));
        let in_flight = group.as_ref().map_or(0, |group| group.pending);
        if group.is_some() {
            self.take_holders(first, layout, &mut holders)?;
            if let Some(place) = self.idle {
                let entries = items(first.at(place)?).ok_or_else(|| self.odd("XPENDING"))?;
                take_stuck(entries, layout, &mut holders);
                stuck = Some((entries.len() as u64).min(in_flight));
                if entries.len() >= MOST_STUCK {
                    quality = quality.max(Quality::Sampled);
                }
            }
        }
        Ok(Sample {
            waiting: Some(waiting),
            in_flight: Some(in_flight),
            stuck,
            holders: Some(holders.into_values().collect()),
            oldest_age: next.filter(|_| waiting > 0).and_then(|id| id.age(now)),
            arrivals_total: stream.added,
            completions_total: group.and_then(|group| Some(group.read?.saturating_sub(group.pending))),
            quality,
            seen: true,
            ..Sample::default()
        })
    }

    /// The stream and the group; `None` where there is no stream, no group where there is none.
    fn parse(&self, first: &Answers) -> Result<Option<(Stream, Option<Group>)>, Refusal> {
        let stream = match first.at(self.info) {
            Err(refusal) if refusal.code == Code::NoKey => return Ok(None),
            other => Stream::parse(other?).ok_or_else(|| self.odd("XINFO STREAM"))?,
        };
        let groups = match first.at(self.groups) {
            Err(refusal) if refusal.code == Code::NoKey => return Ok(None),
            other => other?,
        };
        items(groups).ok_or_else(|| self.odd("XINFO GROUPS"))?;
        let group = group_of(groups, &self.group);
        let group = group.map(|row| Group::parse(row).ok_or_else(|| self.odd("XINFO GROUPS")));
        Ok(Some((stream, group.transpose()?)))
    }

    fn take_holders(
        &self,
        first: &Answers,
        layout: &Layout,
        holders: &mut BTreeMap<Box<str>, Holder>,
    ) -> Result<(), Refusal> {
        let summary = match first.at(self.pending) {
            // The group went away between two commands of the round.
            Err(refusal) if refusal.code == Code::NoGroup => return Ok(()),
            other => items(other?).ok_or_else(|| self.odd("XPENDING"))?,
        };
        for consumer in summary.get(3).and_then(items).unwrap_or_default() {
            let pair = items(consumer).unwrap_or_default();
            let (Some(name), Some(jobs)) = (pair.first().and_then(text), pair.get(1).and_then(count)) else {
                return Err(self.odd("XPENDING"));
            };
            if jobs > 0 {
                let holder = holder(holders, layout, &name);
                holder.jobs = holder.jobs.saturating_add(u32::try_from(jobs).unwrap_or(u32::MAX));
            }
        }
        Ok(())
    }

    fn odd(&self, command: &str) -> Refusal {
        Refusal::of_node(format!("{command} of stream {:?}: an answer of a wrong shape", self.key))
    }
}

/// Asks for the groups of a stream.
pub(super) fn ask_groups(key: &str, round: &mut Round) -> Place {
    round.push(To::KeyAt(2), redis::cmd("XINFO").arg("GROUPS").arg(key).take())
}

/// The row of a group, where the stream has it.
pub(super) fn group_of<'a>(groups: &'a Value, group: &str) -> Option<&'a Value> {
    let named = |row: &&Value| field(row, "name").and_then(text).is_some_and(|name| name == group);
    items(groups)?.iter().find(named)
}

fn take_stuck(entries: &[Value], layout: &Layout, holders: &mut BTreeMap<Box<str>, Holder>) {
    for entry in entries {
        if let Some(name) = items(entry).and_then(|parts| parts.get(1)).and_then(text) {
            let holder = holder(holders, layout, &name);
            holder.stuck = (holder.stuck + 1).min(holder.jobs);
        }
    }
}

fn holder<'a>(
    holders: &'a mut BTreeMap<Box<str>, Holder>,
    layout: &Layout,
    consumer: &str,
) -> &'a mut Holder {
    let pod = layout.pod_of(consumer);
    holders.entry(pod.into()).or_insert_with(|| Holder { worker: pod.into(), jobs: 0, stuck: 0 })
}

/// Counts entries after a position and gives the first one's id, without sending their content.
const COUNT_SCRIPT: &str = "local e = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2]) \
                            return {#e, e[1] and e[1][1] or false}";

/// Entries that are counted where Redis does not know the lag: the script walks over them all.
const MOST_ENTRIES: usize = 10_000;

/// Pending entries that are looked at for being stuck.
const MOST_STUCK: usize = 10_000;

fn quality_of(counted: u64) -> Quality {
    if counted >= MOST_ENTRIES as u64 { Quality::Sampled } else { Quality::Exact }
}

fn first_id(entries: &[Value]) -> Option<EntryId> {
    entries.first().and_then(items)?.first().and_then(text)?.parse().ok()
}

/// What `XINFO STREAM` says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stream {
    length: u64,
    last_generated: EntryId,
    first: Option<EntryId>,
    added: Option<u64>,
}

impl Stream {
    fn parse(answer: &Value) -> Option<Self> {
        Some(Self {
            length: field(answer, "length").and_then(count)?,
            last_generated: field(answer, "last-generated-id").and_then(text)?.parse().ok()?,
            first: field(answer, "first-entry")
                .and_then(items)
                .and_then(|entry| entry.first().and_then(text).and_then(|id| id.parse().ok())),
            added: field(answer, "entries-added").and_then(count),
        })
    }
}

/// What `XINFO GROUPS` says of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    pending: u64,
    last_delivered: EntryId,
    read: Option<u64>,
    lag: Option<u64>,
}

impl Group {
    fn parse(row: &Value) -> Option<Self> {
        Some(Self {
            pending: field(row, "pending").and_then(count)?,
            last_delivered: field(row, "last-delivered-id").and_then(text)?.parse().ok()?,
            read: field(row, "entries-read").and_then(count),
            lag: field(row, "lag").and_then(count),
        })
    }
}

/// Entries that wait for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backlog {
    Known(u64),
    /// They must be counted.
    Unknown,
}

fn backlog(stream: &Stream, group: Option<&Group>) -> Backlog {
    let Some(group) = group else { return Backlog::Known(stream.length) };
    let before_all = stream.first.is_some_and(|first| group.last_delivered < first);
    match group.lag {
        // Entries that were trimmed before they were read still count in the lag.
        Some(lag) => Backlog::Known(lag.min(stream.length)),
        None if stream.length == 0 || group.last_delivered >= stream.last_generated => Backlog::Known(0),
        None if before_all => Backlog::Known(stream.length),
        None => Backlog::Unknown,
    }
}

/// An entry's id: milliseconds and a number within them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct EntryId(u64, u64);

impl EntryId {
    /// Seconds since the entry was added, where the id was made by the server; ids of the
    /// producer's own need not be times.
    fn age(self, now: f64) -> Option<f64> {
        const PLAUSIBLE: f64 = 10.0 * 365.0 * 86400.0;
        let age = now - self.0 as f64 / 1e3;
        (-60.0..PLAUSIBLE).contains(&age).then_some(age.max(0.0))
    }
}

impl FromStr for EntryId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (millis, number) = text.split_once('-').unwrap_or((text, "0"));
        Ok(Self(millis.parse()?, number.parse()?))
    }
}

impl std::fmt::Display for EntryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(length: u64, first: Option<u64>, last: u64) -> Stream {
        Stream {
            length,
            first: first.map(|id| EntryId(id, 0)),
            last_generated: EntryId(last, 0),
            added: None,
        }
    }

    fn group(last_delivered: u64, lag: Option<u64>) -> Group {
        Group { pending: 0, last_delivered: EntryId(last_delivered, 0), read: None, lag }
    }

    #[test]
    fn what_waits_is_the_lag_or_what_positions_prove_or_unknown() {
        use Backlog::{Known, Unknown};
        for (name, stream, group, wanted) in [
            ("no group", stream(5, Some(1), 5), None, Known(5)),
            ("lag", stream(5, Some(1), 5), Some(group(2, Some(3))), Known(3)),
            ("lag counts trimmed entries", stream(1, Some(5), 5), Some(group(1, Some(4))), Known(1)),
            ("nil lag, all delivered", stream(5, Some(1), 5), Some(group(5, None)), Known(0)),
            ("nil lag, none delivered", stream(5, Some(3), 9), Some(group(2, None)), Known(5)),
            ("nil lag, empty", stream(0, None, 9), Some(group(2, None)), Known(0)),
            ("nil lag, in between", stream(5, Some(1), 9), Some(group(4, None)), Unknown),
            ("delivered the first", stream(5, Some(4), 9), Some(group(4, None)), Unknown),
        ] {
            assert_eq!(backlog(&stream, group.as_ref()), wanted, "{name}");
        }
    }

    #[test]
    fn only_ids_that_can_be_times_have_an_age() {
        let now = 1_800_000_000.0;
        assert_eq!(EntryId(1_799_999_990_000, 0).age(now), Some(10.0));
        assert_eq!(EntryId(1_800_000_001_000, 0).age(now), Some(0.0));
        assert_eq!(EntryId(17, 0).age(now), None);
    }
}
