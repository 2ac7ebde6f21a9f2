//! The Lease in the API server: read, made, and replaced where nobody else has written it since.

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, Error, api::PostParams};

use super::{
    contend::{Ask, Draft, Heard, LEASE, Record},
    micro_time,
};
use crate::config::hints::LeaseName;

/// One Lease, as an object.
pub(super) struct Leases {
    api: Api<Lease>,
    name: String,
    namespace: String,
    /// The object as it was last read or written: what others wrote into it stays.
    last: Option<Lease>,
}

impl Leases {
    /// The Lease of this name, in the client's own namespace where none is given.
    pub(super) fn new(client: Client, LeaseName { namespace, name }: &LeaseName) -> Self {
        let namespace = namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
        Self { api: Api::namespaced(client, &namespace), name: name.clone(), namespace, last: None }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Asks the API server; the error is for the log.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<Heard, String> {
        let answer = match ask {
            Ask::Read => self.api.get_opt(&self.name).await,
            Ask::Write(draft) => {
                let lease = self.object(draft);
                match draft.version {
                    Some(_) => self.api.replace(&self.name, &PostParams::default(), &lease).await.map(Some),
                    None => self.api.create(&PostParams::default(), &lease).await.map(Some),
                }
            }
        };
        match answer {
            Ok(lease) => {
                self.last = lease;
                let record = self.last.as_ref().map(record);
                Ok(match (ask, record) {
                    (Ask::Write(_), Some(record)) => Heard::Written(record),
                    (_, record) => Heard::Read(record),
                })
            }
            // Written by another, made by another, or deleted.
            Err(Error::Api(status)) if matches!(ask, Ask::Write(_)) && is_conflict(ask, status.code) => {
                Ok(Heard::Conflict)
            }
            Err(Error::Api(status)) if status.code == 403 => Err(format!(
                "{}: it wants a Role in namespace {} with get, create and update of leases in \
                 coordination.k8s.io",
                status.message, self.namespace
            )),
            Err(error) => Err(error.to_string()),
        }
    }

    fn object(&self, draft: &Draft) -> Lease {
        let mut lease = match &draft.version {
            Some(_) => self.last.clone().unwrap_or_default(),
            None => Lease {
                metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
                spec: None,
            },
        };
        lease.metadata.resource_version.clone_from(&draft.version);
        let before = lease.spec.take().unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "a number of seconds")]
        let duration = LEASE as i32;
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(draft.holder.clone()),
            lease_duration_seconds: Some(duration),
            lease_transitions: Some(draft.transitions),
            acquire_time: draft.acquired.map(micro_time).or_else(|| before.acquire_time.clone()),
            renew_time: Some(micro_time(draft.renewed)),
            ..before
        });
        lease
    }
}

/// A replaced Lease that is gone is as good as one that another has written.
fn is_conflict(ask: &Ask, code: u16) -> bool {
    let replaces = matches!(ask, Ask::Write(Draft { version: Some(_), .. }));
    code == 409 || (replaces && code == 404)
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    Record {
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec.holder_identity.unwrap_or_default(),
        duration: spec.lease_duration_seconds.map_or(LEASE, f64::from),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}
