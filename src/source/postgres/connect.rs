//! From the configuration to sqlx's options; secrets are read here, at each connect.

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgSslMode},
};

use crate::{
    config::{
        secret::Secret,
        source::{PgTlsMode, PostgresConfig, PostgresTarget},
    },
    source::SourceError,
};

/// Keys of a URL that mean something here. Others (libpq has many) are left out, unread and unlogged.
const URL_KEYS: [&str; 8] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "hostaddr", "port", "dbname"];

/// The secret of one connect (the URL, or the password), as it stood then.
#[derive(Debug, Clone)]
pub(super) struct Credentials(Option<SecretString>);

impl Credentials {
    /// Reads the secret of the configuration anew.
    ///
    /// # Errors
    /// Names the file or variable that cannot be read.
    pub(super) fn read(config: &PostgresConfig) -> Result<Self, SourceError> {
        let secret = match &config.target {
            PostgresTarget::Url(url) => Some(url),
            PostgresTarget::Parts { password, .. } => password.as_ref(),
        };
        let read = secret.map(Secret::read).transpose();
        read.map(Self).map_err(|error| SourceError::Connect(error.to_string()))
    }

    fn text(&self) -> Option<&str> {
        self.0.as_ref().map(ExposeSecret::expose_secret)
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

/// How to connect with these credentials.
///
/// # Errors
/// Where the URL is none; the URL itself is never in the text.
pub(super) fn options(
    config: &PostgresConfig,
    credentials: &Credentials,
) -> Result<PgConnectOptions, SourceError> {
    let options = match &config.target {
        PostgresTarget::Url(_) => from_url(credentials.text().unwrap_or_default())?,
        PostgresTarget::Parts { address, user, database, .. } => {
            let options = PgConnectOptions::new_without_pgpass()
                .port(address.port)
                .username(user)
                .database(database)
                .ssl_mode(PgSslMode::Prefer);
            let options = if address.host.starts_with('/') {
                options.socket(&address.host)
            } else {
                options.host(&address.host)
            };
            match credentials.text() {
                Some(password) => options.password(password),
                None => options,
            }
        }
    };
    Ok(with_tls(options, config)
        // PgBouncer rejects it as a start-up parameter.
        .extra_float_digits(None)
        .application_name("foresail")
        .statement_cache_capacity(0)
        .disable_statement_logging())
}

fn from_url(url: &str) -> Result<PgConnectOptions, SourceError> {
    let wrong = |what: &str| {
        SourceError::Connect(format!(
            "the URL is wrong ({what}): write postgres://user:password@host:port/database?sslmode=verify-full, \
             with %-codes for special characters"
        ))
    };
    let url = url.trim();
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(wrong("it does not start with postgres://"));
    }
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let known = |pair: &&str| URL_KEYS.contains(&pair.split('=').next().unwrap_or_default());
    let query: Vec<&str> = query.split('&').filter(known).collect();
    let text = if query.is_empty() { base.to_owned() } else { format!("{base}?{}", query.join("&")) };
    text.parse().map_err(|_| wrong("it cannot be parsed"))
}

fn with_tls(options: PgConnectOptions, config: &PostgresConfig) -> PgConnectOptions {
    let mode = match config.tls_mode {
        PgTlsMode::FromUrl => options.get_ssl_mode(),
        PgTlsMode::Disable => PgSslMode::Disable,
        PgTlsMode::Prefer => PgSslMode::Prefer,
        PgTlsMode::Require => PgSslMode::Require,
        PgTlsMode::VerifyCa => PgSslMode::VerifyCa,
        PgTlsMode::VerifyFull => PgSslMode::VerifyFull,
    };
    let tls = &config.tls;
    // As libpq: who gives a CA wants it checked.
    let mode = match mode {
        PgSslMode::Require if tls.ca_file.is_some() => PgSslMode::VerifyCa,
        mode => mode,
    };
    let mut options = options.ssl_mode(mode);
    if let Some(file) = &tls.ca_file {
        options = options.ssl_root_cert(file);
    }
    if let Some(file) = &tls.cert_file {
        options = options.ssl_client_cert(file);
    }
    if let Some(file) = &tls.key_file {
        options = options.ssl_client_key(file);
    }
    options
}
