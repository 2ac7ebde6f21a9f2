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
    let given = [url.is_some(), host.is_some(), sentinel.is_some(), cluster.is_some()]
        .into_iter()
        .filter(|given| *given)
        .count();
    if given != 1 {
        return wrong(at, "give exactly one of url (url_file, url_env), host, sentinel, cluster");
    }
    if port.is_some() && host.is_none() {
        return wrong(format!("{at}.port"), PORT_WITHOUT_HOST);
    }
    let topology = if let Some(url) = url {
        if username.is_some() || password.is_some() || database.is_some() {
            return wrong(at, "username, password and database stand in the url");
        }
        RedisTopology::Url(url)
    } else if let Some(host) = host {
        if is_url(&host) {
            return wrong(format!("{at}.host"), URL_ELSEWHERE);
        }
        RedisTopology::Standalone(Address { host, port: port.unwrap_or(6379) })
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
        (Some(_), None) if port.is_some() => return wrong(format!("{at}.port"), PORT_WITHOUT_HOST),
        (Some(url), None) if user.is_none() && password.is_none() && database.is_none() => {
            PostgresTarget::Url(url)
        }
        (Some(_), None) => return wrong(at, "user, password and database stand in the url"),
        (None, Some(host)) => {
            // A path is the folder of a socket.
            if host.contains('@') || (is_url(&host) && !host.starts_with('/')) {
                return wrong(format!("{at}.host"), URL_ELSEWHERE);
            }
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

const PORT_WITHOUT_HOST: &str = "port goes with host; elsewhere each address holds its own";

/// Says nothing of the value, since a URL may hold a password.
const URL_ELSEWHERE: &str =
    "neither / nor @ stands in the address of a server; a URL belongs into url_file, url_env or url";

fn is_url(text: &str) -> bool {
    text.contains(['/', '@'])
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
        if is_url(text) {
            return wrong(at, URL_ELSEWHERE);
        }
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

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn said(store: &str) -> String {
        let text = format!("sources:\n  jobs:\n    {store}\n");
        Config::from_yaml("foresail.yaml", &text).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn a_url_in_the_place_of_an_address_is_refused_without_repeating_its_password() {
        for (store, key) in [
            ("redis: { host: \"redis://:hunter2@127.0.0.1\" }", "redis.host"),
            ("redis: { host: \"hunter2@127.0.0.1\" }", "redis.host"),
            ("redis: { cluster: [\"redis://:hunter2@127.0.0.1:6379\"] }", "redis.cluster"),
            ("redis: { cluster: [\"a:1\", \":hunter2@127.0.0.1\"] }", "redis.cluster"),
            ("redis: { sentinel: { master: m, nodes: [\"redis://:hunter2@h\"] } }", "redis.sentinel.nodes"),
            ("postgres: { host: \"postgres://me:hunter2@h/db\", user: me }", "postgres.host"),
            ("postgres: { host: \"me:hunter2@h\", user: me }", "postgres.host"),
        ] {
            let said = said(store);
            assert!(said.contains(&format!("sources.jobs.{key}: ")), "{store}: {said}");
            assert!(said.contains("a URL belongs into url_file"), "{store}: {said}");
            assert!(!said.contains("hunter2"), "{store}: {said}");
        }
        assert_eq!(said("postgres: { host: /var/run/postgresql, user: me }"), "");
    }

    #[test]
    fn a_port_without_a_host_is_refused_instead_of_ignored() {
        for store in [
            "redis: { port: 6380, url_file: /secret/url }",
            "redis: { port: 6380, cluster: [\"a:1\"] }",
            "redis: { port: 6380, sentinel: { master: m, nodes: [a] } }",
            "postgres: { port: 5433, url_file: /secret/url }",
        ] {
            let said = said(store);
            assert!(said.contains(".port: port goes with host"), "{store}: {said}");
        }
        assert_eq!(said("redis: { host: a, port: 6380 }"), "");
        assert_eq!(said("postgres: { host: a, port: 5433, user: me }"), "");
    }
}
