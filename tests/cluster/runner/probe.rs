//! Probes as a kubelet makes them: startup first, then liveness and readiness side by side.

use std::{net::Ipv4Addr, time::Duration};

use k8s_openapi::{
    api::core::v1::{Container, Probe as Spec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::status::Refusal;

/// What the probes have found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// The startup probe has passed, or there is none.
    Started,
    Ready(bool),
    /// The container is to be ended, and why.
    Unhealthy(String),
}

/// A container's probes.
#[derive(Debug, Clone, Default)]
pub(super) struct Probes {
    startup: Option<Probe>,
    liveness: Option<Probe>,
    readiness: Option<Probe>,
}

#[derive(Debug, Clone)]
struct Probe {
    check: Check,
    initial_delay: Duration,
    period: Duration,
    timeout: Duration,
    failures: u32,
    successes: u32,
}

#[derive(Debug, Clone)]
enum Check {
    Grpc { port: u16, service: String },
    Http { port: u16, path: String },
    Tcp { port: u16 },
}

impl Probes {
    pub(super) fn of(container: &Container) -> Result<Self, Refusal> {
        let probe = |spec: &Option<Spec>| spec.as_ref().map(|spec| Probe::of(spec, container)).transpose();
        Ok(Self {
            startup: probe(&container.startup_probe)?,
            liveness: probe(&container.liveness_probe)?,
            readiness: probe(&container.readiness_probe)?,
        })
    }

    pub(super) fn tell_readiness(&self) -> bool {
        self.readiness.is_some()
    }

    /// Probes the container at `address`, from its start until the returned pair is dropped.
    pub(super) fn start(self, address: Ipv4Addr) -> (mpsc::Receiver<Finding>, JoinSet<()>) {
        let (tell, findings) = mpsc::channel(8);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Some(startup) = self.startup {
                let mut seen = Seen::new(&startup);
                loop {
                    match seen.next(address).await {
                        (true, _) => break,
                        (false, why) => {
                            let _ = tell.send(Finding::Unhealthy(format!("startup probe: {why}"))).await;
                        }
                    }
                }
            }
            let _ = tell.send(Finding::Started).await;
            tokio::join!(
                async {
                    let Some(liveness) = &self.liveness else { return };
                    let mut seen = Seen::new(liveness);
                    loop {
                        if let (false, why) = seen.next(address).await {
                            let _ = tell.send(Finding::Unhealthy(format!("liveness probe: {why}"))).await;
                        }
                    }
                },
                async {
                    let Some(readiness) = &self.readiness else { return };
                    let mut seen = Seen::new(readiness);
                    loop {
                        let (ready, _) = seen.next(address).await;
                        let _ = tell.send(Finding::Ready(ready)).await;
                    }
                },
            );
        });
        (findings, tasks)
    }
}

/// Counts what follows on itself.
struct Seen<'a> {
    probe: &'a Probe,
    begun: bool,
    failures: u32,
    successes: u32,
}

impl<'a> Seen<'a> {
    fn new(probe: &'a Probe) -> Self {
        Self { probe, begun: false, failures: 0, successes: 0 }
    }

    /// Probes until a threshold is reached; says which, and what the last failure was.
    async fn next(&mut self, address: Ipv4Addr) -> (bool, String) {
        loop {
            sleep(if self.begun { self.probe.period } else { self.probe.initial_delay }).await;
            self.begun = true;
            let result = timeout(self.probe.timeout, self.probe.check.run(address)).await;
            match result.unwrap_or_else(|_| Err(format!("no answer within {:?}", self.probe.timeout))) {
                Ok(()) => {
                    self.failures = 0;
                    self.successes += 1;
                    if self.successes >= self.probe.successes {
                        return (true, String::new());
                    }
                }
                Err(why) => {
                    self.successes = 0;
                    self.failures += 1;
                    if self.failures >= self.probe.failures {
                        self.failures = 0;
                        return (false, why);
                    }
                }
            }
        }
    }
}

impl Probe {
    fn of(spec: &Spec, container: &Container) -> Result<Self, Refusal> {
        let seconds = |value: Option<i32>, default: u64| {
            Duration::from_secs(value.and_then(|value| u64::try_from(value).ok()).unwrap_or(default))
        };
        let count = |value: Option<i32>, default: u32| {
            value.and_then(|value| u32::try_from(value).ok()).unwrap_or(default).max(1)
        };
        Ok(Self {
            check: Check::of(spec, container)?,
            initial_delay: seconds(spec.initial_delay_seconds, 0),
            period: seconds(spec.period_seconds, 10),
            timeout: seconds(spec.timeout_seconds, 1),
            failures: count(spec.failure_threshold, 3),
            successes: count(spec.success_threshold, 1),
        })
    }
}

impl Check {
    fn of(spec: &Spec, container: &Container) -> Result<Self, Refusal> {
        if let Some(grpc) = &spec.grpc {
            let port = number(&IntOrString::Int(grpc.port), container)?;
            return Ok(Self::Grpc { port, service: grpc.service.clone().unwrap_or_default() });
        }
        if let Some(http) = &spec.http_get {
            if http.scheme.as_deref() == Some("HTTPS") || http.host.is_some() {
                return Err(Refusal::cannot("an httpGet probe by HTTPS or of another host"));
            }
            let path = http.path.clone().unwrap_or_else(|| "/".to_owned());
            return Ok(Self::Http { port: number(&http.port, container)?, path });
        }
        match &spec.tcp_socket {
            Some(tcp) => Ok(Self::Tcp { port: number(&tcp.port, container)? }),
            None => Err(Refusal::cannot("an exec probe")),
        }
    }

    async fn run(&self, address: Ipv4Addr) -> Result<(), String> {
        match self {
            Self::Grpc { port, service } => grpc(address, *port, service).await,
            Self::Http { port, path } => http(address, *port, path).await,
            Self::Tcp { port } => {
                TcpStream::connect((address, *port)).await.map(drop).map_err(|error| error.to_string())
            }
        }
    }
}

/// A port by its number or by the name that the container gives it.
pub(super) fn number(port: &IntOrString, container: &Container) -> Result<u16, Refusal> {
    let found = match port {
        IntOrString::Int(port) => u16::try_from(*port).ok(),
        IntOrString::String(name) => {
            let named = |port: &&k8s_openapi::api::core::v1::ContainerPort| port.name.as_ref() == Some(name);
            let port = container.ports.iter().flatten().find(named);
            port.and_then(|port| u16::try_from(port.container_port).ok())
        }
    };
    found.ok_or_else(|| Refusal::cannot(&format!("port {port:?}, which the container does not have")))
}

async fn grpc(address: Ipv4Addr, port: u16, service: &str) -> Result<(), String> {
    let endpoint =
        Endpoint::try_from(format!("http://{address}:{port}")).map_err(|error| error.to_string())?;
    let channel = endpoint.connect().await.map_err(|error| format!("{error:?}"))?;
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer = HealthClient::new(channel).check(request).await.map_err(|status| status.to_string())?;
    let status = answer.into_inner().status();
    if status == ServingStatus::Serving { Ok(()) } else { Err(format!("{status:?}")) }
}

async fn http(address: Ipv4Addr, port: u16, path: &str) -> Result<(), String> {
    let ask = async {
        let mut stream = TcpStream::connect((address, port)).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}:{port}\r\nUser-Agent: kube-probe/runner\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(64 * 1024).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = ask.await.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&answer);
    let first = text.lines().next().unwrap_or_default();
    let code: Option<u16> = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    match code {
        Some(200..400) => Ok(()),
        _ => Err(format!("HTTP answer {first:?}")),
    }
}
