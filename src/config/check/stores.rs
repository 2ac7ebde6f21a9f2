//! How a store is reached: addresses, credentials, TLS.

use std::path::PathBuf;

use super::{Checked, optional_seconds, wrong};
use crate::config::{
    raw::{RawPostgres, RawRedis},
    secret::Secret,
    source::{Address, PgTlsMode, PostgresConfig, PostgresTarget, RedisConfig, RedisTopology, TlsConfig},
    text::{Text, Texts},
};

pub(super) fn redis(at: &str, raw: RawRedis) -> Checked<RedisConfig> {
    let RawRedis {
        url,
        url_file,
        url_env,
        host,
        port,
        username,
        password_file,
        password_env,
        database,
        sentinel,
        cluster,
        tls,
        replica,
        timeout,
    } = raw;
    let url = secret(at, "url", url, url_file, url_env)?;
    let password = secret(at, "password", None, password_file, password_env)?;
    let port = port.unwrap_or(6379);
    let given = [url.is_some(), host.is_some(), sentinel.is_some(), cluster.is_some()]
        .into_iter()
        .filter(|given| *given)
        .count();
    if given != 1 {
        return wrong(at, "give exactly one of url (url_file, url_env), host, sentinel, cluster");
    }
    let topology = if let Some(url) = url {
        if username.is_some() || password.is_some() || database.is_some() {
            return wrong(at, "username, password and database stand in the url");
        }
        RedisTopology::Url(url)
    } else if let Some(host) = host {
        RedisTopology::Standalone(Address { host, port })
    } else if let Some(raw) = sentinel {
        let at = format!("{at}.sentinel");
        let password = secret(&at, "password", None, raw.password_file, raw.password_env)?;
        RedisTopology::Sentinel {
            master: raw.master,
            nodes: addresses(&format!("{at}.nodes"), &raw.nodes.0, 26379)?,
            username: raw.username,
            password,
        }
    } else {
        RedisTopology::Cluster(addresses(
            &format!("{at}.cluster"),
            &cluster.unwrap_or(Texts(Vec::new())).0,
            6379,
        )?)
    };
    if matches!(topology, RedisTopology::Cluster(_)) && database.unwrap_or(0) != 0 {
        return wrong(format!("{at}.database"), "a Cluster has only database 0");
    }
    check_tls(&format!("{at}.tls"), tls.as_ref())?;
    Ok(RedisConfig {
        topology,
        username,
        password,
        database: database.unwrap_or(0),
        tls,
        replica,
        timeout: timeout_of(at, timeout)?,
    })
}

pub(super) fn postgres(at: &str, raw: RawPostgres) -> Checked<PostgresConfig> {
    let RawPostgres {
        url,
        url_file,
        url_env,
        host,
        port,
        user,
        password_file,
        password_env,
        database,
        tls,
        replica,
        timeout,
    } = raw;
    let url = secret(at, "url", url, url_file, url_env)?;
    let password = secret(at, "password", None, password_file, password_env)?;
    let target = match (url, host) {
        (Some(url), None) if user.is_none() && password.is_none() && database.is_none() => {
            PostgresTarget::Url(url)
        }
        (Some(_), None) => return wrong(at, "user, password and database stand in the url"),
        (None, Some(host)) => {
            let Some(user) = user else {
                return wrong(format!("{at}.user"), "the role to connect as is missing");
            };
            let database = database.unwrap_or_else(|| user.clone());
            PostgresTarget::Parts {
                address: Address { host, port: port.unwrap_or(5432) },
                user,
                password,
                database,
            }
        }
        _ => return wrong(at, "give exactly one of url (url_file, url_env) and host"),
    };
    let mode = match (tls.mode, &target) {
        (Some(mode), _) => mode,
        (None, PostgresTarget::Url(_)) => PgTlsMode::FromUrl,
        (None, PostgresTarget::Parts { .. }) => PgTlsMode::Prefer,
    };
    let tls = TlsConfig { ca_file: tls.ca_file, cert_file: tls.cert_file, key_file: tls.key_file };
    check_tls(&format!("{at}.tls"), Some(&tls))?;
    Ok(PostgresConfig { target, tls_mode: mode, tls, replica, timeout: timeout_of(at, timeout)? })
}

fn check_tls(at: &str, tls: Option<&TlsConfig>) -> Checked<()> {
    match tls {
        Some(tls) if tls.cert_file.is_some() != tls.key_file.is_some() => {
            wrong(at, "cert_file and key_file go together")
        }
        _ => Ok(()),
    }
}

fn timeout_of(at: &str, timeout: Option<Text>) -> Checked<f64> {
    let seconds = optional_seconds(&format!("{at}.timeout"), timeout)?.unwrap_or(2.0);
    if (0.05..=60.0).contains(&seconds) {
        Ok(seconds)
    } else {
        wrong(format!("{at}.timeout"), "between 50ms and 1m")
    }
}

fn secret(
    at: &str,
    what: &str,
    inline: Option<String>,
    file: Option<PathBuf>,
    env: Option<String>,
) -> Checked<Option<Secret>> {
    match (inline, file, env) {
        (None, None, None) => Ok(None),
        (Some(text), None, None) => Ok(Some(Secret::Inline(text.into()))),
        (None, Some(path), None) => Ok(Some(Secret::File(path))),
        (None, None, Some(name)) => Ok(Some(Secret::Env(name))),
        _ => wrong(at, format!("give {what} once: {what}_file, {what}_env or in place")),
    }
}

fn addresses(at: &str, texts: &[String], default_port: u16) -> Checked<Vec<Address>> {
    let one = |text: &String| {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()),
            None => (text.as_str(), Some(default_port)),
        };
        match port {
            Some(port) if !host.is_empty() => {
                Ok(Address { host: host.trim_matches(['[', ']']).to_owned(), port })
            }
            _ => wrong(at, format!("{text:?} is not host:port")),
        }
    };
    if texts.is_empty() {
        return wrong(at, "give at least one host:port");
    }
    texts.iter().map(one).collect()
}
