//! Whatever a server answers, reading it never panics: wrong shapes are errors of their queue.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use redis::{PushKind, Value, VerbatimFormat};

use super::{
    ask::{Answer, Answers, Code, Refusal, Round},
    clock::ServerClock,
    cluster::{SlotMap, redirected_to},
    discover,
    health::Health,
    memory::Memory,
    probe::Probe,
    recipe::Plan,
};
use crate::{
    config::source::{Layout, LayoutRead, MissingQueue},
    source::{LayoutIndex, preset::PRESETS},
};

/// Any reply, with words in it that the parsers look for.
fn value() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "name",
            "workers",
            "pending",
            "last-delivered-id",
            "entries-read",
            "lag",
            "length",
            "first-entry",
            "last-generated-id",
            "entries-added",
            "5-0",
            "1-1",
            "99999999999999999999-0",
            "inf",
            "nan",
            "-3",
            "0",
        ])
        .prop_map(|word| word.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    let leaf = prop_oneof![
        Just(Value::Nil),
        Just(Value::Okay),
        any::<i64>().prop_map(Value::Int),
        (0..20_i64).prop_map(Value::Int),
        word.prop_map(Value::BulkString),
        ".{0,8}".prop_map(Value::SimpleString),
        any::<f64>().prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        ".{0,8}".prop_map(|text| Value::VerbatimString { format: VerbatimFormat::Text, text }),
    ];
    leaf.prop_recursive(4, 64, 12, |inner| {
        let several = prop::collection::vec(inner.clone(), 0..12);
        prop_oneof![
            several.clone().prop_map(Value::Array),
            several.clone().prop_map(Value::Set),
            several.prop_map(|data| Value::Push { kind: PushKind::Message, data }),
            prop::collection::vec((inner.clone(), inner.clone()), 0..6).prop_map(Value::Map),
            inner.prop_map(|data| Value::Attribute { data: Box::new(data), attributes: Vec::new() }),
        ]
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let code =
        prop::sample::select(vec![Code::NoKey, Code::NoGroup, Code::WrongType, Code::Moved, Code::Other]);
    let stream = (any::<Option<u8>>(), 0..9_u8, 0..9_u8, 0..9_u8).prop_map(|(lag, length, first, last)| {
        let text = |text: String| Value::BulkString(text.into_bytes());
        let pair = |name: &str, value| [text(name.to_owned()), value];
        let id = |n: u8| text(format!("{n}-0"));
        let mut all = Vec::new();
        all.extend(pair("name", text("workers".to_owned())));
        all.extend(pair("pending", Value::Int(length.into())));
        all.extend(pair("last-delivered-id", id(first)));
        all.extend(pair("lag", lag.map_or(Value::Nil, |lag| Value::Int(lag.into()))));
        all.extend(pair("length", Value::Int(length.into())));
        all.extend(pair("last-generated-id", id(last)));
        all.extend(pair("first-entry", Value::Array(vec![id(first), Value::Nil])));
        Value::Array(all)
    });
    prop_oneof![
        4 => value().prop_map(Ok),
        2 => stream.clone().prop_map(Ok),
        2 => stream.prop_map(|row| Ok(Value::Array(vec![row]))),
        1 => code.prop_map(|code| Err(Refusal { code, what: "MOVED 1 :".to_owned() })),
    ]
}

fn plans() -> Vec<Plan> {
    let plan = |preset: &str, parameters: &[(&str, &str)], stuck_after: Option<f64>| {
        let preset = &PRESETS[preset];
        let missing_queue =
            if preset.keeps_empty_queues() { MissingQueue::Error } else { MissingQueue::Empty };
        let given =
            parameters.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect();
        let parameters = preset.complete(given).unwrap();
        let layout = Layout {
            name: preset.preset.clone(),
            implied: false,
            read: LayoutRead::Preset { preset, parameters },
            missing_queue,
            max_run: 300.0,
            stuck_after,
            worker_pod: None,
            history: None,
        };
        Plan::new(layout).unwrap()
    };
    let lists = [("processing", "{queue}:{worker}"), ("workers", "w"), ("age", "tail")];
    vec![
        plan("redis-list", &lists, Some(60.0)),
        plan("redis-list", &[("processing", "{queue}:{worker}")], None),
        plan("redis-list", &[("processing", "{queue}:p")], Some(f64::MAX)),
        plan("redis-zset", &[("processing", "p"), ("processing_is", "leases")], None),
        plan("redis-stream", &[("group", "workers")], Some(60.0)),
    ]
}

proptest! {
    #[test]
    fn no_answer_makes_a_read_panic(
        first in prop::collection::vec(answer(), 0..8),
        second in prop::collection::vec(answer(), 0..4),
        old in any::<bool>(),
    ) {
        let (at, queue) = (Instant::now(), Arc::from("md"));
        let version = if old { [6, 2, 0] } else { [7, 0, 0] };
        for plan in plans() {
            let mut memory = Memory::default();
            for read in 0..2 {
                let (mut one, mut two) = (Round::default(), Round::default());
                let at = at + Duration::from_secs(60 * read);
                let first = Answers::new(first.clone());
                let second = Answers::new(second.clone());
                let memory = memory.queue(LayoutIndex(0), &queue, at);
                let mut probe = Probe::start(&plan, &queue, 1.7e9, memory, &mut one);
                probe.follow(&first, None, version, &mut two);
                if let Ok(sample) = probe.finish(&first, &second, memory, at) {
                    let held = sample.in_flight.unwrap_or(u64::MAX);
                    prop_assert!(sample.stuck.unwrap_or(0) <= held);
                    prop_assert!(sample.oldest_age.is_none_or(f64::is_finite));
                    prop_assert!(sample.next_due.is_none_or(f64::is_finite));
                }
            }
        }
    }

    #[test]
    fn no_answer_makes_the_rest_panic(values in prop::collection::vec(value(), 1..4), text in ".{0,20}") {
        let now = Instant::now();
        let _ = Health::parse(&values).trusted(false, "node");
        for value in &values {
            let _ = ServerClock::measured(value, now, now);
            let _ = SlotMap::parse(value, "host").map(|map| map.owner(text.as_bytes()));
            let _ = discover::scanned(value);
        }
        let _ = redirected_to(&text);
    }
}
