//! Queues that share a cap.

use super::foresail::{Foresail, object, redis_sections};
use crate::support::redis::RedisServer;

#[tokio::test]
async fn two_queues_share_a_cap_by_need_and_busy_workers_stay() {
    let redis = RedisServer::start().await;
    let sections = redis_sections(redis.port()).replace("keep_alive: 0s", "keep_alive: 0s, group: gpu");
    let foresail = Foresail::serve(&format!("{sections}groups: {{ gpu: {{ max: 4 }} }}\n")).await;
    let (md, qm) = (object("reliable", "md"), object("reliable", "qm"));
    let _: i64 = redis.command(&["LPUSH", "md", "1", "2", "3", "4", "5", "6", "7"]).await;
    foresail.until_value(&md, 4.0).await;
    for _ in 0..3 {
        let _: String = redis.command(&["LMOVE", "md", "md:busy", "RIGHT", "LEFT"]).await;
    }
    foresail.until_page("/api/queues", "\"in_flight\":3").await;
    let _: i64 = redis.command(&["LPUSH", "qm", "1", "2", "3", "4", "5"]).await;
    foresail.until_value(&qm, 1.0).await;
    foresail.until_value(&md, 3.0).await;
    assert!(
        foresail.page("/api/refs/chem/qm").contains(" group=1"),
        "{}",
        foresail.page("/api/refs/chem/qm")
    );

    let _: i64 = redis.command(&["LREM", "md:busy", "1", "1"]).await;
    foresail.until_value(&qm, 2.0).await;
    foresail.until_value(&md, 2.0).await;

    foresail.rewrite(&format!("{sections}groups: {{ gpu: {{ max: 40 }} }}\n"));
    foresail.until_value(&md, 6.0).await;
    foresail.until_value(&qm, 5.0).await;
    foresail.rewrite(&sections);
    foresail.until_logged("no group is called").await;
    foresail.until_value(&qm, 5.0).await;
}
