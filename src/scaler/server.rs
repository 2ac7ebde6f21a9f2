//! The gRPC server around the service: TLS, limits, health, reflection, and an end that comes in time.

use std::{path::PathBuf, pin::Pin, time::Duration};

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::transport::server::TcpIncoming;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    config::GrpcConfig,
    scaler::{
        Scaler,
        pb::{self, external_scaler_server::ExternalScalerServer},
        tls,
    },
};

/// Bytes of a request at most: real ones have hundreds.
const LARGEST_REQUEST: usize = 64 * 1024;

/// How often a silent client is asked whether it is there, and how long it has to answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// Bytes that a connection may have under way. KEDA has one connection for everything, and its restart
/// brings ten thousand calls at once: h2 allows small frames by half of this window, and with its own
/// default it takes such a herd for an attack and closes the connection.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A handler answers at once or within a second; this is the bound for what nobody thought of.
const DEADLINE: Duration = Duration::from_millis(2500);

/// How long clients may take to end their calls once the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// Between two looks at the process's own health.
const HEALTH_EVERY: Duration = Duration::from_secs(1);

/// Name of the health service that fails only when a restart would help.
const LIVENESS: &str = "liveness";

/// Names of the health services that say whether calls should come here.
const READINESS: [&str; 3] = ["", "readiness", "externalscaler.ExternalScaler"];

/// A server ready to run.
pub struct Server {
    scaler: Scaler,
    config: GrpcConfig,
    tls: Option<TlsAcceptor>,
    look: Box<dyn Fn() -> Health + Send>,
}

/// What the process says of itself over gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Whether it works at all; where not, it should be restarted.
    pub alive: bool,
    /// Whether KEDA should be sent here.
    pub ready: bool,
}

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A file of the server's TLS cannot be read.
    #[error("cannot read {path}: {error}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file of the server's TLS holds something else.
    #[error("cannot use {path} for TLS: {what}", path = path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The transport failed: the listener broke.
    #[error("gRPC: {0}")]
    Transport(String),
}

impl Server {
    /// Reads the TLS files.
    ///
    /// # Errors
    /// Names the file that cannot be read or used.
    pub fn new(scaler: Scaler, config: GrpcConfig) -> Result<Self, ServeError> {
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        Ok(Self { scaler, config, tls, look: Box::new(|| Health { alive: true, ready: true }) })
    }

    /// The server whose health is what `look` says, asked once a second; without it, it is well.
    #[must_use]
    pub fn with_health(self, look: impl Fn() -> Health + Send + 'static) -> Self {
        Self { look: Box::new(look), ..self }
    }

    /// Serves until the scaler's stop token is cancelled, then drains for at most five seconds.
    ///
    /// # Errors
    /// When the transport cannot be set up or breaks.
    pub async fn run(self, listener: TcpListener) -> Result<(), ServeError> {
        let Self { scaler, config, tls, look } = self;
        let stop = scaler.stop.clone();
        let (health, health_service) = tonic_health::server::health_reporter();
        let at_start = look();
        report(&health, at_start).await;

        let mut builder = tonic::transport::Server::builder()
            .timeout(DEADLINE)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keepalive_interval(Some(KEEPALIVE.0))
            .http2_keepalive_timeout(Some(KEEPALIVE.1))
            // KEDA has one connection for everything: a stream for each push trigger, and the calls.
            .max_concurrent_streams(None);
        if let Some(age) = config.max_connection_age {
            builder = builder.max_connection_age(Duration::from_secs_f64(age));
        }
        let reflection = config.reflection.then(|| {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(pb::DESCRIPTOR)
                .build_v1()
        });
        let reflection = reflection.transpose().map_err(|error| ServeError::Transport(error.to_string()))?;
        let refused = scaler.metrics.tls_refused.clone();
        let service = ExternalScalerServer::new(scaler).max_decoding_message_size(LARGEST_REQUEST);
        let router =
            builder.add_service(health_service).add_service(service).add_optional_service(reflection);

        // An answer is several small frames: none may wait for the acknowledgement of the one before.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let told = {
            let stop = stop.clone();
            async move {
                stop.run_until_cancelled(keep_reporting(&health, at_start, look)).await;
                report(&health, Health { alive: false, ready: false }).await;
            }
        };
        let serving: Pin<Box<dyn Future<Output = Result<(), tonic::transport::Error>> + Send>> = match tls {
            Some(acceptor) => {
                let incoming = tls::handshakes(incoming, acceptor, refused);
                Box::pin(router.serve_with_incoming_shutdown(incoming, told))
            }
            None => Box::pin(router.serve_with_incoming_shutdown(incoming, told)),
        };
        // hyper waits for connections that never sent a byte: the grace timer does not.
        let grace = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            done = serving => done.map_err(|error| transport(&error)),
            () = grace => {
                tracing::info!(grace_seconds = GRACE.as_secs(), "some connections did not end in time and are cut");
                Ok(())
            }
        }
    }
}

/// Tells watchers of changes only.
async fn keep_reporting(health: &HealthReporter, mut told: Health, look: impl Fn() -> Health) {
    loop {
        tokio::time::sleep(HEALTH_EVERY).await;
        let now = look();
        if now != told {
            report(health, now).await;
            told = now;
        }
    }
}

async fn report(reporter: &HealthReporter, Health { alive, ready }: Health) {
    let status = |well| if well { ServingStatus::Serving } else { ServingStatus::NotServing };
    reporter.set_service_status(LIVENESS, status(alive)).await;
    for service in READINESS {
        reporter.set_service_status(service, status(ready)).await;
    }
}

fn transport(error: &tonic::transport::Error) -> ServeError {
    use std::error::Error as _;
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    ServeError::Transport(format!("{error}{cause}"))
}
