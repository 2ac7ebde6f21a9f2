//! The API as a real server gives it.

use std::collections::{BTreeMap, BTreeSet};

use foresail::http::{QueueReport, RefReport};
use regex::Regex;
use serde_json::Value;

use super::foresail::{Foresail, LONG, object, redis_sections};
use crate::support::{process::wait_until, redis::RedisServer};

/// Of each report, the fields that docs/api.md tells.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = include_str!("../../docs/api.md");
    let marker = Regex::new(r"<!-- generated: api (\w+) -->\n([^!]*)<!-- end -->").unwrap();
    let field = Regex::new(r"(?m)^\| `(\w+)`").unwrap();
    let fields = |table: &str| field.captures_iter(table).map(|found| found[1].to_owned()).collect();
    marker.captures_iter(page).map(|found| (found[1].to_owned(), fields(&found[2]))).collect()
}

/// The fields of an object, and of the first object of each list in it that is named.
fn fields(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap_or_else(|| panic!("{value}")).keys().cloned().collect()
}

async fn with_arrivals() -> (RedisServer, Foresail) {
    let redis = RedisServer::start().await;
    let foresail = Foresail::serve(&redis_sections(redis.port())).await;
    foresail.until_value(&object("reliable", "md"), 0.0).await;
    let _: i64 = redis.command(&["LPUSH", "md", "a", "b", "c"]).await;
    foresail.until_value(&object("reliable", "md"), 3.0).await;
    (redis, foresail)
}

#[tokio::test]
async fn a_ref_tells_what_was_learned_of_it_field_by_field_as_documented() {
    let (_redis, foresail) = with_arrivals().await;
    let page = foresail.page("/api/refs/chem/md");
    let [report] = &serde_json::from_str::<Vec<Value>>(&page).unwrap()[..] else { panic!("{page}") };
    let documented = documented();
    let queue = &report["queue"];
    for (name, value) in [
        ("RefReport", report),
        ("QueueReport", queue),
        ("AheadReport", &report["ahead"]),
        ("QuantileReport", &report["ahead"]["quantiles"][0]),
        ("PartReport", &report["ahead"]["parts"][0]),
        ("SkillReport", &report["ahead"]["skill"]),
        ("ForecastReport", &queue["forecast"]),
        ("AheadReport", &queue["forecast"]["horizons"][2]),
        ("ServiceReport", &queue["service"]),
        ("LeadReport", &report["lead"]),
        ("LeadTimeReport", &report["lead"]["cold"]),
        ("SpendReport", &report["spend"]),
    ] {
        assert_eq!(fields(value), documented[name], "{name}: {value}");
    }
}

#[tokio::test]
async fn a_ref_that_has_just_come_forecasts_by_what_came_and_says_what_it_does_not_know() {
    let (_redis, foresail) = with_arrivals().await;
    let page = foresail.page("/api/refs/chem/md");
    let report: Vec<RefReport> = serde_json::from_str(&page).unwrap();
    let RefReport { ahead, lead, spend, queue, .. } = report.into_iter().next().unwrap();
    let (ahead, lead, spend) = (ahead.unwrap(), lead.unwrap(), spend.unwrap());
    let QueueReport { forecast, service, .. } = queue.unwrap();
    let (forecast, service) = (forecast.unwrap(), service.unwrap());
    assert_eq!(ahead.seconds, lead.mean);
    assert_eq!(ahead.quantiles.iter().map(|one| one.level).collect::<Vec<_>>(), [0.5, 0.75, 0.9, 0.97]);
    assert!(ahead.expected > 0.1 && ahead.parts[0].words.ends_with("from the last half minute"), "{page}");
    assert!(ahead.skill.against_nothing.is_none() && ahead.quantiles.iter().all(|one| one.covered.is_none()));
    assert!(forecast.last_arrival.unwrap() < LONG.as_secs_f64() && forecast.bursts.is_empty(), "{page}");
    assert_eq!(forecast.horizons.iter().map(|one| one.seconds).collect::<Vec<_>>(), [30.0, 90.0, 300.0]);
    assert_eq!(serde_json::to_value(service.basis).unwrap(), "prior");
    assert_eq!((lead.warm.starts, lead.cold.starts, lead.cold_share), (0.0, 0.0, 0.5));
    assert_eq!((spend.spent, spend.allowed), (0.0, 0.25));
}

#[tokio::test]
async fn queues_are_found_by_what_is_asked_for() {
    let (redis, foresail) = with_arrivals().await;
    let _: i64 = redis.command(&["LPUSH", "other", "a"]).await;
    foresail.until_value(&object("plain", "other"), 1.0).await;
    let names = |query: &str| -> Vec<String> {
        let found: Vec<QueueReport> =
            serde_json::from_str(&foresail.page(&format!("/api/queues{query}"))).unwrap();
        assert!(found.iter().all(|queue| queue.forecast.is_some() && queue.service.is_some()));
        found.into_iter().map(|queue| format!("{}/{}", queue.layout, queue.queue)).collect()
    };
    wait_until("both queues", LONG, async || names("").len() == 2).await;
    assert_eq!(names(""), ["plain/other", "reliable/md"]);
    assert_eq!(names("?queue=md"), ["reliable/md"]);
    assert_eq!(names("?source=jobs&layout=plain"), ["plain/other"]);
    assert_eq!(names("?source=lab"), Vec::<String>::new());
}
