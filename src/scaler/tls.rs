//! TLS of the server. Handshakes are done here and not by tonic, so that a client that is refused is counted,
//! and named in the log.

use std::{
    collections::HashMap,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _};
use prometheus::IntCounterVec;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
    server::TlsStream,
};
use tonic::transport::server::TcpIncoming;

use crate::{config::ServerTls, scaler::server::ServeError, telemetry::TlsRefusal};

/// How long a client may take for its handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// Handshakes under way at once; more connections wait their turn.
const AT_ONCE: usize = 1024;

/// A client that is refused comes again and again: one line in the log for each reason and this long.
const QUIET: Duration = Duration::from_secs(10);

/// Reads the files into what every handshake needs.
pub(super) fn acceptor(files: &ServerTls) -> Result<TlsAcceptor, ServeError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let unusable = |path: &Path, what: String| ServeError::Tls { path: path.to_owned(), what };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&files.cert_file, error.to_string()))?;
    let builder = match &files.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| unusable(path, error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| unusable(path, error.to_string()))?)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key_file)?)
        .map_err(|error| unusable(&files.key_file, format!("no private key: {error}")))?;
    let mut config = builder
        .with_single_cert(certificates(&files.cert_file)?, key)
        .map_err(|error| unusable(&files.cert_file, format!("it does not go with the key: {error}")))?;
    config.alpn_protocols.push(b"h2".to_vec());
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The connections whose handshake went well; several are under way at once.
pub(super) fn handshakes(
    incoming: TcpIncoming,
    acceptor: TlsAcceptor,
    refused: IntCounterVec,
) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> {
    let refusals = Arc::new(Refusals { counter: refused, told: Mutex::default() });
    incoming
        .map(move |connection| shake_hands(connection, acceptor.clone(), Arc::clone(&refusals)))
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
}

async fn shake_hands(
    connection: io::Result<TcpStream>,
    acceptor: TlsAcceptor,
    refusals: Arc<Refusals>,
) -> Option<io::Result<TlsStream<TcpStream>>> {
    let connection = match connection {
        Ok(connection) => connection,
        Err(error) => return Some(Err(error)),
    };
    let peer = connection.peer_addr().ok();
    let (reason, why) = match timeout(PATIENCE, acceptor.accept(connection)).await {
        Ok(Ok(stream)) => return Some(Ok(stream)),
        Ok(Err(error)) => (reason(&error), error.to_string()),
        Err(_) => (TlsRefusal::Timeout, format!("no handshake in {} s", PATIENCE.as_secs())),
    };
    refusals.tell(peer, reason, &why);
    None
}

fn reason(error: &io::Error) -> TlsRefusal {
    use rustls::Error;
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Error::NoCertificatesPresented) => TlsRefusal::NoCertificate,
        Some(Error::InvalidCertificate(_)) => TlsRefusal::Certificate,
        Some(Error::InvalidMessage(_)) => TlsRefusal::NotTls,
        Some(Error::AlertReceived(_)) => TlsRefusal::ByClient,
        Some(_) => TlsRefusal::Other,
        None => TlsRefusal::Closed,
    }
}

/// What was refused, for the metric and the log.
struct Refusals {
    counter: IntCounterVec,
    /// When each reason was last logged, and how many have come since.
    told: Mutex<HashMap<TlsRefusal, (Instant, u64)>>,
}

impl Refusals {
    fn tell(&self, peer: Option<SocketAddr>, reason: TlsRefusal, why: &str) {
        self.counter.with_label_values(&[reason.name()]).inc();
        if reason == TlsRefusal::Closed {
            // A TCP probe, or a client that has changed its mind.
            tracing::debug!(peer = ?peer, "a client went during its TLS handshake: {why}");
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let unsaid = match told.get_mut(&reason) {
            Some((at, unsaid)) if at.elapsed() < QUIET => {
                *unsaid += 1;
                return;
            }
            Some((_, unsaid)) => *unsaid,
            None => 0,
        };
        told.insert(reason, (Instant::now(), 0));
        drop(told);
        let peer = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
        let reason = reason.name();
        tracing::warn!(peer, reason, unsaid, "TLS handshake with a client of the gRPC port failed: {why}");
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServeError> {
    let unusable = |what: String| ServeError::Tls { path: path.to_owned(), what };
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match parsed {
        Ok(certificates) if certificates.is_empty() => Err(unusable("no certificate in it".to_owned())),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unusable(error.to_string())),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ServeError> {
    fs::read(path).map_err(|error| ServeError::File { path: PathBuf::from(path), error })
}
