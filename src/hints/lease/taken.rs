//! The Lease, taken away from whoever holds it.

use std::time::Duration;

use kube::Client;
use tokio::time::{sleep, timeout};

use super::{
    PATIENCE,
    contend::{Ask, Draft, HOLD, Heard},
    leases::Leases,
};
use crate::{clock::Clock, config::hints::LeaseName, hints::late};

/// How often it is tried again where others write it meanwhile.
const TRIES: u32 = 5;

/// Takes the Lease under the name `me`, and returns when whoever held it must have noticed. From then on nobody else
/// writes for as long as a Lease lasts.
///
/// # Errors
/// Where it cannot be read or written, or others write it each time in between.
pub(in crate::hints) async fn take(
    client: Client,
    lease: &LeaseName,
    me: &str,
    clock: &dyn Clock,
) -> Result<(), String> {
    let mut taken = Taken { leases: Leases::new(client, lease), me, version: None, transitions: 0 };
    let mut tries = 0;
    while !taken.is_taken(clock.now()).await? {
        tries += 1;
        if tries == TRIES {
            return Err(format!("others have written the Lease {} each time: try again", lease.name));
        }
    }
    for _ in 0..2 {
        sleep(Duration::from_secs_f64(HOLD / 2.0)).await;
        if !taken.is_written(None, clock.now()).await? {
            return Err(format!("another replica took the Lease {} back: stop it first", lease.name));
        }
    }
    Ok(())
}

struct Taken<'a> {
    leases: Leases,
    me: &'a str,
    version: Option<String>,
    transitions: i32,
}

impl Taken<'_> {
    /// Reads it, and writes it unless somebody else has in between.
    async fn is_taken(&mut self, now: f64) -> Result<bool, String> {
        let Heard::Read(record) = self.ask(&Ask::Read).await? else { return Ok(false) };
        self.transitions = record.as_ref().map_or(0, |record| record.transitions + 1);
        self.version = record.map(|record| record.version);
        self.is_written(Some(now), now).await
    }

    async fn is_written(&mut self, acquired: Option<f64>, renewed: f64) -> Result<bool, String> {
        let (version, transitions) = (self.version.clone(), self.transitions);
        let draft = Draft { version, holder: self.me.to_owned(), acquired, renewed, transitions };
        let Heard::Written(record) = self.ask(&Ask::Write(draft)).await? else { return Ok(false) };
        self.version = Some(record.version);
        Ok(true)
    }

    async fn ask(&mut self, ask: &Ask) -> Result<Heard, String> {
        let answer = timeout(PATIENCE, self.leases.ask(ask)).await;
        answer.unwrap_or_else(|_| Err(late(PATIENCE)))
    }
}
