//! A container's variables and arguments, from the pod's spec: values, references, and `$(NAME)`.

use std::{collections::BTreeMap, net::SocketAddr};

use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVarSource, ObjectFieldSelector, Pod, Secret};
use kube::{Api, Client, ResourceExt as _};

use super::status::Refusal;

/// What an image without variables of its own gives its process.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables of `container` in `pod`, whose address is already in the pod's status.
pub(super) async fn variables(
    client: &Client,
    pod: &Pod,
    container: &Container,
    api_server: SocketAddr,
) -> Result<BTreeMap<String, String>, Refusal> {
    let objects = Objects { client, namespace: pod.namespace().unwrap_or_default() };
    let mut variables = BTreeMap::from([
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOSTNAME".to_owned(), pod.name_any()),
        ("KUBERNETES_SERVICE_HOST".to_owned(), api_server.ip().to_string()),
        ("KUBERNETES_SERVICE_PORT".to_owned(), api_server.port().to_string()),
        ("KUBERNETES_SERVICE_PORT_HTTPS".to_owned(), api_server.port().to_string()),
    ]);
    for source in container.env_from.iter().flatten() {
        let values = match (&source.config_map_ref, &source.secret_ref) {
            (Some(map), _) => objects.config_map(&map.name, map.optional).await?,
            (_, Some(secret)) => objects.secret(&secret.name, secret.optional).await?,
            _ => return Err(Refusal::cannot("this envFrom")),
        };
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let values = values.unwrap_or_default().into_iter();
        variables.extend(values.map(|(name, value)| (format!("{prefix}{name}"), value)));
    }
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value, &variable.value_from) {
            (_, Some(source)) => objects.value(pod, source).await?,
            (Some(value), None) => Some(expand(value, &variables)),
            (None, None) => Some(String::new()),
        };
        variables.extend(value.map(|value| (variable.name.clone(), value)));
    }
    Ok(variables)
}

/// `$(NAME)` becomes the variable's value, where there is one; `$$` is a plain `$`.
pub(super) fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let named = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        match named {
            Some((name, behind)) if variables.contains_key(name) => {
                expanded.push_str(&variables[name]);
                rest = behind;
            }
            _ => {
                expanded.push('$');
                rest = rest.strip_prefix('$').unwrap_or(rest);
            }
        }
    }
    expanded + rest
}

/// The field of the pod that `fieldRef` names.
pub(super) fn field(pod: &Pod, selector: &ObjectFieldSelector) -> Result<String, Refusal> {
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    let path = selector.field_path.as_str();
    let value = match path {
        "metadata.name" => pod.metadata.name.clone(),
        "metadata.namespace" => pod.namespace(),
        "metadata.uid" => pod.uid(),
        "metadata.labels" => Some(lines(pod.labels())),
        "metadata.annotations" => Some(lines(pod.annotations())),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        "status.podIP" | "status.podIPs" => status.and_then(|status| status.pod_ip.clone()),
        "status.hostIP" | "status.hostIPs" => status.and_then(|status| status.host_ip.clone()),
        _ => {
            let key = |of: &str| path.strip_prefix(of)?.strip_prefix("['")?.strip_suffix("']");
            let label = key("metadata.labels").map(|key| (pod.labels(), key));
            let annotation = || key("metadata.annotations").map(|key| (pod.annotations(), key));
            match label.or_else(annotation) {
                Some((of, key)) => of.get(key).cloned(),
                None => return Err(Refusal::cannot(&format!("fieldRef {path}"))),
            }
        }
    };
    Ok(value.unwrap_or_default())
}

/// Config maps and secrets of one namespace, as text. `None`: not there, and optional.
struct Objects<'a> {
    client: &'a Client,
    namespace: String,
}

impl Objects<'_> {
    async fn value(&self, pod: &Pod, source: &EnvVarSource) -> Result<Option<String>, Refusal> {
        let (values, key, what, optional) =
            match (&source.field_ref, &source.config_map_key_ref, &source.secret_key_ref) {
                (Some(selector), _, _) => return field(pod, selector).map(Some),
                (_, Some(map), _) => {
                    let values = self.config_map(&map.name, map.optional).await?;
                    (values, &map.key, format!("configmap {}", map.name), map.optional)
                }
                (_, _, Some(secret)) => {
                    let values = self.secret(&secret.name, secret.optional).await?;
                    (values, &secret.key, format!("secret {}", secret.name), secret.optional)
                }
                _ => return Err(Refusal::cannot("this valueFrom")),
            };
        match values.unwrap_or_default().remove(key) {
            None if optional != Some(true) => Err(Refusal::missing(&format!("key {key} in {what}"))),
            value => Ok(value),
        }
    }

    async fn config_map(
        &self,
        name: &str,
        optional: Option<bool>,
    ) -> Result<Option<BTreeMap<String, String>>, Refusal> {
        let found = Api::<ConfigMap>::namespaced(self.client.clone(), &self.namespace).get_opt(name).await?;
        match found {
            Some(map) => Ok(Some(map.data.unwrap_or_default())),
            None if optional == Some(true) => Ok(None),
            None => Err(Refusal::missing(&format!("configmap {name}"))),
        }
    }

    async fn secret(
        &self,
        name: &str,
        optional: Option<bool>,
    ) -> Result<Option<BTreeMap<String, String>>, Refusal> {
        let found = Api::<Secret>::namespaced(self.client.clone(), &self.namespace).get_opt(name).await?;
        let text = |(key, value): (String, k8s_openapi::ByteString)| {
            (key, String::from_utf8_lossy(&value.0).into_owned())
        };
        match found {
            Some(secret) => Ok(Some(secret.data.unwrap_or_default().into_iter().map(text).collect())),
            None if optional == Some(true) => Ok(None),
            None => Err(Refusal::missing(&format!("secret {name}"))),
        }
    }
}

fn lines(values: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    lines.join("\n")
}
