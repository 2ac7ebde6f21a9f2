//! What kube-proxy is to a `ClusterIP`: one address, and behind it the pods that are Ready.
//!
//! It follows pods, not `EndpointSlices`, which may not hold loopback addresses.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt as _;
use k8s_openapi::{
    api::core::v1::{Pod, Service},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::{
    Api, Client, ResourceExt as _,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, watch_object, watcher},
    },
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use super::{address::Address, probe::number};
use crate::proxy;

/// Passes connections on until it is dropped; then they break.
#[derive(Debug)]
pub(crate) struct ServiceProxy {
    address: SocketAddr,
    ready: watch::Receiver<Vec<SocketAddr>>,
    _host: Address,
    _tasks: JoinSet<()>,
}

impl ServiceProxy {
    /// Listens for `port` of a Service with a selector, which need not be there yet: so its address can stand in
    /// what is installed with it. Until then, and while no pod is ready, connections are reset.
    pub(crate) async fn start(client: Client, namespace: &str, service: &str, port: u16) -> Self {
        let host = Address::take();
        let listener = TcpListener::bind((host.get(), port)).await;
        let listener = listener.unwrap_or_else(|error| panic!("port {port} of {}: {error}", host.get()));
        let address = listener.local_addr().expect("it is bound");
        let (tell, ready) = watch::channel(Vec::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(client, namespace.to_owned(), service.to_owned(), port, tell));
        tasks.spawn(proxy::accept(listener, ready.clone(), Arc::default()));
        Self { address, ready, _host: host, _tasks: tasks }
    }

    /// Where the Service is reached: for a `scalerAddress`, say.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The pods that new connections go to, now.
    pub(crate) fn ready(&self) -> Vec<SocketAddr> {
        self.ready.borrow().clone()
    }

    /// Waits until `count` pods are ready to be connected to.
    pub(crate) async fn until_ready(&self, count: usize, deadline: Duration) {
        let mut ready = self.ready.clone();
        let waited = tokio::time::timeout(deadline, ready.wait_for(|ready| ready.len() == count)).await;
        assert!(
            waited.is_ok(),
            "waited {deadline:?} in vain until {count} pods are behind {}: {:?}",
            self.address,
            self.ready()
        );
    }
}

/// Keeps the list of pods up to date, once there is a Service.
async fn follow(
    client: Client,
    namespace: String,
    service: String,
    port: u16,
    tell: watch::Sender<Vec<SocketAddr>>,
) {
    let (selected, target) = {
        let services = Api::<Service>::namespaced(client.clone(), &namespace);
        let mut seen = std::pin::pin!(watch_object(services, &service).default_backoff());
        loop {
            match seen.next().await {
                Some(Ok(Some(found))) => match selection(found, port) {
                    Some(selection) => break selection,
                    None => eprintln!("service proxy: {namespace}/{service} selects nothing for port {port}"),
                },
                Some(_) => {}
                None => return,
            }
        }
    };
    let pods = Api::<Pod>::namespaced(client, &namespace);
    let mut events = std::pin::pin!(watcher(pods, selected).default_backoff());
    let mut known: HashMap<String, SocketAddr> = HashMap::new();
    let mut listing = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                match endpoint(&pod, &target) {
                    Some(endpoint) => known.insert(pod.name_any(), endpoint),
                    None => known.remove(&pod.name_any()),
                };
            }
            Ok(watcher::Event::Delete(pod)) => {
                known.remove(&pod.name_any());
            }
            Ok(watcher::Event::Init) => {
                listing = true;
                known.clear();
            }
            Ok(watcher::Event::InitDone) => listing = false,
            Err(error) => eprintln!("service proxy: the watch of pods broke: {error}"),
        }
        if !listing {
            let mut ready: Vec<SocketAddr> = known.values().copied().collect();
            ready.sort();
            tell.send_if_modified(|told| {
                let news = *told != ready;
                *told = ready;
                news
            });
        }
    }
}

/// The pods of a Service, and their port that stands behind its `port`.
fn selection(service: Service, port: u16) -> Option<(watcher::Config, IntOrString)> {
    let spec = service.spec?;
    let selector = spec.selector.filter(|selector| !selector.is_empty())?;
    let labels: Vec<String> = selector.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let port = spec.ports?.into_iter().find(|it| it.port == i32::from(port))?;
    let target = port.target_port.unwrap_or(IntOrString::Int(port.port));
    Some((watcher::Config::default().labels(&labels.join(",")), target))
}

fn endpoint(pod: &Pod, target: &IntOrString) -> Option<SocketAddr> {
    let status = pod.status.as_ref()?;
    let ready = |it: &k8s_openapi::api::core::v1::PodCondition| it.type_ == "Ready" && it.status == "True";
    let takes = status.conditions.iter().flatten().any(ready) && pod.metadata.deletion_timestamp.is_none();
    let address: Ipv4Addr = status.pod_ip.as_ref()?.parse().ok()?;
    let container = pod.spec.as_ref()?.containers.first()?;
    let port = number(target, container).ok()?;
    takes.then(|| SocketAddrV4::new(address, port).into())
}
