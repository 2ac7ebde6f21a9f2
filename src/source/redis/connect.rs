//! From the configuration to a connection: addresses, credentials, TLS.

use std::{fs, path::Path, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisError, TlsCertificates,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    config::{
        secret::{Secret, SecretError},
        source::{Address, RedisConfig, RedisTopology, TlsConfig},
    },
    source::{
        SourceError,
        redis::node::{Node, NodeError},
    },
};

/// The secrets of one connect, as they stood then.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    url: Option<SecretString>,
    password: Option<SecretString>,
    sentinel: Option<SecretString>,
}

impl Credentials {
    /// Reads every secret of the configuration anew.
    pub(super) fn read(config: &RedisConfig) -> Result<Self, SourceError> {
        let read = |secret: Option<&Secret>| -> Result<Option<SecretString>, SecretError> {
            secret.map(Secret::read).transpose()
        };
        let (url, sentinel) = match &config.topology {
            RedisTopology::Url(url) => (Some(url), None),
            RedisTopology::Sentinel { password, .. } => (None, password.as_ref()),
            RedisTopology::Standalone(_) | RedisTopology::Cluster(_) => (None, None),
        };
        let all = || {
            Ok(Self { url: read(url)?, password: read(config.password.as_ref())?, sentinel: read(sentinel)? })
        };
        all().map_err(|error: SecretError| SourceError::Connect(error.to_string()))
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        let text = |secret: &Option<SecretString>| secret.as_ref().map(|s| s.expose_secret().to_owned());
        let same = |a, b| text(a) == text(b);
        same(&self.url, &other.url)
            && same(&self.password, &other.password)
            && same(&self.sentinel, &other.sentinel)
    }
}

/// Opens connections with one set of credentials.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialer<'a> {
    pub(super) config: &'a RedisConfig,
    pub(super) credentials: &'a Credentials,
}

impl Dialer<'_> {
    /// Connects to the server of a URL.
    pub(super) async fn url(&self) -> Result<Node, NodeError> {
        let url = self.credentials.url.as_ref().map_or("", |url| url.expose_secret());
        // The error of the parser repeats nothing of the URL.
        let info =
            url.into_connection_info().map_err(|error| connect(format!("the URL is wrong: {error}")))?;
        let from_url = info.redis_settings().clone();
        let addr = info.addr().clone();
        self.open(addr, self.settings(from_url)).await
    }

    /// Connects to a data server by address.
    pub(super) async fn data(&self, address: &Address) -> Result<Node, NodeError> {
        let addr = ConnectionAddr::Tcp(address.host.clone(), address.port);
        self.open(addr, self.settings(RedisConnectionInfo::default())).await
    }

    /// Connects to a sentinel, which knows users of its own and no databases. TLS is as for the data.
    pub(super) async fn sentinel(
        &self,
        address: &Address,
        username: Option<&str>,
    ) -> Result<(redis::aio::MultiplexedConnection, String), NodeError> {
        let mut settings = RedisConnectionInfo::default();
        if let Some(username) = username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.credentials.sentinel {
            settings = settings.set_password(password.expose_secret());
        }
        let addr = ConnectionAddr::Tcp(address.host.clone(), address.port);
        let name = format!("{}:{}", address.host, address.port);
        let user = username.unwrap_or("default").to_owned();
        Ok((self.handshake(addr, settings, &name, &user).await?, name))
    }

    /// What the configuration says beside the URL counts before the URL.
    fn settings(&self, mut settings: RedisConnectionInfo) -> RedisConnectionInfo {
        if let Some(username) = &self.config.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.credentials.password {
            settings = settings.set_password(password.expose_secret());
        }
        if self.config.database != 0 {
            settings = settings.set_db(self.config.database);
        }
        settings
    }

    async fn open(&self, addr: ConnectionAddr, settings: RedisConnectionInfo) -> Result<Node, NodeError> {
        let name = addr.to_string();
        let user = settings.username().unwrap_or("default").to_owned();
        let connection = self.handshake(addr, settings, &name, &user).await?;
        Node::greet(name, user, connection).await
    }

    async fn handshake(
        &self,
        addr: ConnectionAddr,
        settings: RedisConnectionInfo,
        name: &str,
        user: &str,
    ) -> Result<redis::aio::MultiplexedConnection, NodeError> {
        let settings = settings.set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        let client = self.client(addr, settings).map_err(|error| connect(format!("{name}: {error}")))?;
        // The caller holds the deadline of a read; only the connect has one here.
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs_f64(self.config.timeout)))
            .set_response_timeout(None);
        let opened = client.get_multiplexed_async_connection_with_config(&limits).await;
        opened.map_err(|error| self.explain(name, user, &error))
    }

    fn client(&self, addr: ConnectionAddr, settings: RedisConnectionInfo) -> Result<Client, String> {
        let info = |addr: ConnectionAddr| -> Result<ConnectionInfo, String> {
            let info = addr.into_connection_info().map_err(|error| error.to_string())?;
            Ok(info.set_redis_settings(settings))
        };
        let none = TlsConfig::default();
        let (addr, tls) = match (addr, &self.config.tls) {
            (ConnectionAddr::Tcp(host, port), Some(tls)) => {
                (ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }, tls)
            }
            (addr @ ConnectionAddr::TcpTls { .. }, tls) => (addr, tls.as_ref().unwrap_or(&none)),
            (addr, _) => return Client::open(info(addr)?).map_err(|error| error.to_string()),
        };
        // The dependency tree may hold more than one provider; the first that is installed stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::build_with_tls(info(addr)?, certificates(tls)?).map_err(|error| error.to_string())
    }

    fn explain(&self, name: &str, user: &str, error: &RedisError) -> NodeError {
        if error.is_timeout() {
            return NodeError::Source(SourceError::Timeout(self.config.timeout));
        }
        connect(match error.kind() {
            ErrorKind::AuthenticationFailed => {
                format!(
                    "{name} refused the password of user {user:?}: check the user's name and the password's file"
                )
            }
            _ => format!("{name}: {error}"),
        })
    }
}

/// A failed connect.
pub(super) fn connect(what: String) -> NodeError {
    NodeError::Source(SourceError::Connect(what))
}

fn certificates(tls: &TlsConfig) -> Result<TlsCertificates, String> {
    let read = |path: &Path| {
        fs::read(path).map_err(|error| format!("cannot read {}: {}", path.display(), error.kind()))
    };
    let client_tls = match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(key)) => Some(ClientTlsConfig { client_cert: read(cert)?, client_key: read(key)? }),
        (None, None) => None,
        _ => return Err("tls: cert_file and key_file belong together".to_owned()),
    };
    let root_cert = tls.ca_file.as_deref().map(read).transpose()?;
    Ok(TlsCertificates { client_tls, root_cert })
}
