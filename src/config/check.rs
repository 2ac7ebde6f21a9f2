//! From the raw file to the checked configuration, field by field.

mod hints;
mod history;
mod state;
mod stores;

use std::{collections::BTreeMap, net::SocketAddr};

use regex::Regex;

use crate::{
    config::{
        Config, GrpcConfig, HttpConfig, KubernetesConfig, Override,
        policy::{self, PolicyConfig},
        raw::{
            NoneOr, RawConfig, RawGroup, RawGrpc, RawKubernetes, RawLayout, RawOverride, RawSource, RawWatch,
        },
        source::{Access, Layout, LayoutRead, MissingQueue, SourceConfig, StoreConfig, Watch, WorkloadName},
        text::{Glob, Text, Texts, seconds},
    },
    sizing::{Pin, group::GroupLimits},
    source::preset::{PRESETS, Preset, Store},
};

/// A field that is wrong.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) path: String,
    pub(super) what: String,
}

type Checked<T> = Result<T, Wrong>;

fn wrong<T>(path: impl Into<String>, what: impl Into<String>) -> Checked<T> {
    Err(Wrong { path: path.into(), what: what.into() })
}

pub(super) fn config(raw: RawConfig) -> Checked<Config> {
    let RawConfig { grpc, http, sources, policies, groups, kubernetes, overrides, state, hints } = raw;
    let groups = groups.into_iter().map(group).collect::<Checked<BTreeMap<_, _>>>()?;
    let mut checked = BTreeMap::from([("default".to_owned(), PolicyConfig::default())]);
    for (name, raw) in policies {
        let path = format!("policies.{name}");
        let policy =
            PolicyConfig::new(raw).or_else(|error| wrong(format!("{path}.{}", error.key), error.what))?;
        policy::check_group(policy.policy(), &groups)
            .or_else(|error| wrong(format!("{path}.{}", error.key), error.what))?;
        checked.insert(name, policy);
    }
    let config = Config {
        grpc: grpc_config(grpc)?,
        http: HttpConfig { listen: listen("http.listen", &http.listen)? },
        sources: sources
            .into_iter()
            .map(|(name, raw)| Ok((name.clone(), source(name, raw)?)))
            .collect::<Checked<_>>()?,
        policies: checked,
        groups,
        kubernetes: kubernetes.map(kubernetes_config).transpose()?,
        overrides: overrides.into_iter().enumerate().map(override_line).collect::<Checked<_>>()?,
        state: state.and_then(|NoneOr(state)| state).map(state::config).transpose()?,
        hints: hints::config(hints)?,
    };
    if config.hints.writes() && config.kubernetes.is_none() {
        return wrong(
            "hints",
            "kubernetes is not watched: say which addresses there mean this Foresail, or leave hints off",
        );
    }
    for source in config.sources.values() {
        for (at, watch) in source.watch.iter().enumerate() {
            if !config.policies.contains_key(&watch.policy) {
                return wrong(
                    format!("sources.{}.watch.{at}.policy", source.name),
                    format!("no policy is called {:?}", watch.policy),
                );
            }
        }
    }
    Ok(config)
}

fn group((name, raw): (String, RawGroup)) -> Checked<(String, GroupLimits)> {
    let path = format!("groups.{name}");
    let RawGroup { max, max_spend } = raw;
    if name.is_empty() || (max.is_none() && max_spend.is_none()) {
        return wrong(path, "a group has a name, and max or max_spend or both");
    }
    let limits = policy::group_limits(max.as_ref(), max_spend.as_ref());
    let limits = limits.or_else(|error| wrong(format!("{path}.{}", error.key), error.what))?;
    Ok((name, limits))
}

fn grpc_config(raw: RawGrpc) -> Checked<GrpcConfig> {
    let RawGrpc { listen: at, tls, reflection, max_connection_age } = raw;
    let max_connection_age = optional_seconds("grpc.max_connection_age", max_connection_age)?;
    if max_connection_age.is_some_and(|age| age < 1.0) {
        return wrong("grpc.max_connection_age", "at least 1s, or leave it out for never");
    }
    Ok(GrpcConfig { listen: listen("grpc.listen", &at)?, tls, reflection, max_connection_age })
}

fn kubernetes_config(raw: RawKubernetes) -> Checked<KubernetesConfig> {
    let RawKubernetes { addresses: Texts(addresses), namespaces, kubeconfig, node_claims } = raw;
    let namespaces = namespaces.map_or_else(Vec::new, |Texts(all)| all);
    if addresses.is_empty() {
        return wrong(
            "kubernetes.addresses",
            "name the scalerAddress of the triggers that mean this Foresail, such as foresail.foresail:6000",
        );
    }
    for (at, address) in addresses.iter().enumerate() {
        let port = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        if port.is_none_or(|(host, _)| host.is_empty()) || address.contains("://") {
            return wrong(
                format!("kubernetes.addresses.{at}"),
                format!(
                    "{address:?} is not host:port as scalerAddress has it, such as foresail.foresail:6000"
                ),
            );
        }
    }
    if let Some(at) = namespaces.iter().position(|name| name.is_empty() || name.contains(['*', '/'])) {
        return wrong(
            format!("kubernetes.namespaces.{at}"),
            "a namespace's own name, without *; leave the list out to watch all",
        );
    }
    let addresses = addresses.iter().map(|address| address.to_lowercase()).collect();
    Ok(KubernetesConfig { addresses, namespaces, kubeconfig, node_claims })
}

fn listen(path: &str, text: &str) -> Checked<SocketAddr> {
    text.parse()
        .or_else(|_| wrong(path, format!("{text:?} is not an address and port, such as 0.0.0.0:6000")))
}

fn override_line((at, raw): (usize, RawOverride)) -> Checked<Override> {
    let pin = match raw.mode.0.as_str() {
        "reactive" => Pin::Reactive,
        "hold" => Pin::Hold,
        number => match number.parse() {
            Ok(n) => Pin::Workers(n),
            Err(_) => {
                return wrong(
                    format!("override.{at}.mode"),
                    format!("{number:?} is neither reactive nor hold nor a number of workers"),
                );
            }
        },
    };
    if raw.pattern != "*" && raw.pattern.split('/').count() != 2 {
        return wrong(
            format!("override.{at}.match"),
            format!("{:?} is neither 'namespace/name' nor '*'", raw.pattern),
        );
    }
    Ok(Override { pattern: Glob::new(&raw.pattern), pin })
}

fn source(name: String, raw: RawSource) -> Checked<SourceConfig> {
    let at = format!("sources.{name}");
    let RawSource { redis, postgres, namespaces, sample_every, stale_after, distrust, layouts, watch } = raw;
    if name.is_empty() || name.contains(['/', ',']) {
        return wrong(at, "a source's name is not empty and holds no / and no comma");
    }
    let (kind, store) = match (redis, postgres) {
        (Some(raw), None) => (Store::Redis, StoreConfig::Redis(stores::redis(&format!("{at}.redis"), raw)?)),
        (None, Some(raw)) => {
            (Store::Postgres, StoreConfig::Postgres(stores::postgres(&format!("{at}.postgres"), raw)?))
        }
        _ => return wrong(at, "a source is either redis: or postgres:, exactly one of them"),
    };
    let sample_every = optional_seconds(&format!("{at}.sample_every"), sample_every)?.unwrap_or(1.0);
    if !(0.1..=3600.0).contains(&sample_every) {
        return wrong(format!("{at}.sample_every"), "between 100ms and 1h");
    }
    let stale_after = optional_seconds(&format!("{at}.stale_after"), stale_after)?
        .unwrap_or(120.0_f64.max(3.0 * sample_every).max(LONGEST_PAUSE * store.timeout()));
    if stale_after < sample_every {
        return wrong(format!("{at}.stale_after"), format!("at least sample_every ({sample_every} s)"));
    }
    let access = namespaces
        .into_iter()
        .map(|(ns, queues)| (Glob::new(&ns), queues.0.iter().map(|queue| Glob::new(queue)).collect()));
    let source = SourceConfig {
        store,
        access: Access(access.collect()),
        sample_every,
        stale_after,
        distrust: optional_seconds(&format!("{at}.distrust"), distrust)?.unwrap_or(120.0),
        layouts: all_layouts(&at, kind, layouts)?,
        watch: watch
            .into_iter()
            .enumerate()
            .map(|(i, raw)| watch_line(&format!("{at}.watch.{i}"), raw))
            .collect::<Checked<_>>()?,
        name,
    };
    for (i, watch) in source.watch.iter().enumerate() {
        if !source.layouts.iter().any(|layout| layout.name == watch.layout) {
            let names =
                source.layouts.iter().map(|layout| layout.name.as_str()).collect::<Vec<_>>().join(", ");
            return wrong(
                format!("{at}.watch.{i}.layout"),
                format!("no layout is called {:?}; there are {names}", watch.layout),
            );
        }
    }
    Ok(source)
}

/// How many timeouts may lie between two good reads by the read guard alone: a read, a rest of 20 times
/// its duration, and the next read.
const LONGEST_PAUSE: f64 = 22.0;

/// The layouts configured, then every preset of this store that needs no parameter under its own name.
fn all_layouts(at: &str, kind: Store, raw: BTreeMap<String, RawLayout>) -> Checked<Vec<Layout>> {
    let mut layouts = raw
        .into_iter()
        .map(|(name, raw)| layout(&format!("{at}.layouts.{name}"), name, kind, raw))
        .collect::<Checked<Vec<_>>>()?;
    for preset in PRESETS.values().filter(|preset| preset.store() == kind) {
        let taken = layouts.iter().any(|layout| layout.name == preset.preset);
        if let (false, Ok(parameters)) = (taken, preset.complete(BTreeMap::new())) {
            layouts.push(Layout {
                name: preset.preset.clone(),
                implied: true,
                read: LayoutRead::Preset { preset, parameters },
                missing_queue: MissingQueue::Empty,
                max_run: DEFAULT_MAX_RUN,
                stuck_after: None,
                worker_pod: None,
                history: None,
            });
        }
    }
    Ok(layouts)
}

/// Seconds; scientific jobs that a plain list hides rarely leave their queue empty for longer.
const DEFAULT_MAX_RUN: f64 = 300.0;

fn layout(at: &str, name: String, kind: Store, raw: RawLayout) -> Checked<Layout> {
    let RawLayout { preset, query, missing_queue, max_run, stuck_after, worker_pod, history, parameters } =
        raw;
    let read = match (preset, query) {
        (Some(preset), None) => {
            let preset = find_preset(&format!("{at}.preset"), &preset, kind)?;
            let given = parameters.into_iter().map(|(key, texts)| (key, texts.0)).collect();
            let parameters =
                preset.complete(given).or_else(|error| wrong(format!("{at}.{}", error.key), error.what))?;
            LayoutRead::Preset { preset, parameters }
        }
        (None, Some(_)) if kind == Store::Redis => {
            return wrong(format!("{at}.query"), "a query needs a postgres source");
        }
        (None, Some(sql)) => {
            if let Some(key) = parameters.keys().next() {
                return wrong(
                    format!("{at}.{key}"),
                    "no such key of a query layout; there are query, missing_queue, max_run, stuck_after, worker_pod, history",
                );
            }
            LayoutRead::Query(sql)
        }
        _ => return wrong(at, "a layout is either preset: or query:, exactly one of them"),
    };
    let worker_pod = match worker_pod.as_deref().map(Regex::new) {
        Some(Err(error)) => {
            return wrong(format!("{at}.worker_pod"), format!("not a regular expression: {error}"));
        }
        Some(Ok(regex)) => Some(regex),
        None => None,
    };
    Ok(Layout {
        name,
        implied: false,
        read,
        missing_queue,
        max_run: optional_seconds(&format!("{at}.max_run"), max_run)?.unwrap_or(DEFAULT_MAX_RUN),
        stuck_after: optional_seconds(&format!("{at}.stuck_after"), stuck_after)?,
        worker_pod,
        history: history.map(|raw| history::history(&format!("{at}.history"), kind, raw)).transpose()?,
    })
}

fn find_preset(at: &str, name: &str, kind: Store) -> Checked<&'static Preset> {
    let fitting = || {
        PRESETS
            .values()
            .filter(|p| p.store() == kind)
            .map(|p| p.preset.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match PRESETS.get(name) {
        Some(preset) if preset.store() == kind => Ok(preset),
        Some(_) => wrong(at, format!("{name} does not lie in this kind of store; there are {}", fitting())),
        None => wrong(at, format!("no preset is called {name:?}; there are {}", fitting())),
    }
}

fn watch_line(at: &str, raw: RawWatch) -> Checked<Watch> {
    let workload = match raw.workload.split('/').collect::<Vec<_>>().as_slice() {
        [kind, namespace, name] if ![kind, namespace, name].iter().any(|part| part.is_empty()) => {
            WorkloadName {
                kind: (*kind).to_owned(),
                namespace: (*namespace).to_owned(),
                name: (*name).to_owned(),
            }
        }
        _ => {
            return wrong(
                format!("{at}.workload"),
                format!("{:?} is not Kind/namespace/name, such as Deployment/chem-a/md", raw.workload),
            );
        }
    };
    let policy = raw.policy.unwrap_or_else(|| "default".to_owned());
    Ok(Watch { layout: raw.layout, queue: raw.queue.0.join(","), policy, workload })
}

fn optional_seconds(path: &str, text: Option<Text>) -> Checked<Option<f64>> {
    text.map(|text| seconds(&text.0).or_else(|what| wrong(path, what))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_read_guard_alone_makes_no_sample_stale() {
        for (keys, wanted) in [
            ("redis: { host: h }", 120.0),
            ("redis: { host: h, timeout: 10s }", 220.0),
            ("postgres: { host: h, user: u, timeout: 20s }", 440.0),
            ("redis: { host: h, timeout: 10s }, sample_every: 5m", 900.0),
            ("redis: { host: h, timeout: 10s }, stale_after: 1m", 60.0),
        ] {
            let config = Config::from_yaml("f", &format!("sources: {{ s: {{ {keys} }} }}")).unwrap();
            assert!((config.sources["s"].stale_after - wanted).abs() < 1e-9, "{keys}");
        }
    }
}
