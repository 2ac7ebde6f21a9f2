//! A pod's volumes as folders on this machine, and kept up to date: a changed `ConfigMap` or `Secret` appears in
//! the running pod all at once, by the exchange of one link, as a kubelet does it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{
    StreamExt as _,
    stream::{BoxStream, SelectAll},
};
use k8s_openapi::api::{
    authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
    core::v1::{
        ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, ServiceAccount,
        ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
    },
};
use kube::{
    Api, Client, ResourceExt as _,
    api::PostParams,
    runtime::{WatchStreamExt as _, watcher},
};

use super::{environment::field, sandbox::Mount, status::Refusal};

/// A service account's token is renewed well before it ends (it lasts an hour).
const TOKEN_LASTS: Duration = Duration::from_secs(3607);
const RENEW_AFTER: Duration = Duration::from_mins(40);

/// Of files for which the pod does not say it.
const MODE: i32 = 0o644;

/// Path in the volume -> content and mode.
type Files = BTreeMap<String, (Vec<u8>, i32)>;

/// The volumes of one pod.
pub(super) struct Volumes {
    client: Client,
    pod: Arc<Pod>,
    folder: PathBuf,
    written: BTreeMap<String, Files>,
    /// Service account tokens by audience, until they are to be renewed.
    tokens: BTreeMap<Option<String>, Vec<u8>>,
}

impl Volumes {
    /// Below `folder`.
    pub(super) fn new(client: Client, pod: Arc<Pod>, folder: &Path) -> Self {
        Self { client, pod, folder: folder.to_owned(), written: BTreeMap::new(), tokens: BTreeMap::new() }
    }

    /// Writes what has changed.
    pub(super) async fn write(&mut self) -> Result<(), Refusal> {
        let pod = Arc::clone(&self.pod);
        for volume in pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
            let folder = self.folder.join(&volume.name);
            fs::create_dir_all(&folder)?;
            if volume.empty_dir.is_some() {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
                continue;
            }
            let files = self.files(volume).await?;
            if self.written.get(&volume.name) != Some(&files) {
                exchange(&folder, &files, self.group())?;
                self.written.insert(volume.name.clone(), files);
            }
        }
        Ok(())
    }

    /// What `mounts` of a container mean here; those that others lie in come first.
    pub(super) fn mounts(&self, mounts: &[VolumeMount]) -> Result<Vec<Mount>, Refusal> {
        let mut found = Vec::with_capacity(mounts.len());
        for mount in mounts {
            if mount.sub_path_expr.is_some() {
                return Err(Refusal::cannot("subPathExpr"));
            }
            let source = self.folder.join(&mount.name);
            let source = match mount.sub_path.as_deref().filter(|path| !path.is_empty()) {
                // As a kubelet: what the link points to now, for ever.
                Some(path) => fs::canonicalize(source.join(path))?,
                None => source,
            };
            let written = self.written.contains_key(&mount.name);
            let read_only = written || mount.read_only == Some(true);
            found.push(Mount { source, target: mount.mount_path.clone(), read_only });
        }
        found.sort_by_key(|mount| Path::new(&mount.target).components().count());
        Ok(found)
    }

    /// Writes again what changes, for as long as the pod lives.
    pub(super) async fn keep(mut self) {
        let mut changes = self.changes();
        let mut renew = tokio::time::interval(RENEW_AFTER);
        renew.tick().await;
        loop {
            let renewed = tokio::select! {
                Some(()) = changes.next(), if !changes.is_empty() => false,
                _ = renew.tick() => true,
            };
            if renewed {
                self.tokens.clear();
            }
            if let Err(refusal) = self.write().await {
                eprintln!("runner: the volumes of pod {} stay as they are: {refusal}", self.pod.name_any());
            }
        }
    }

    fn changes(&self) -> SelectAll<BoxStream<'static, ()>> {
        let namespace = self.pod.namespace().unwrap_or_default();
        let mut streams = SelectAll::new();
        for volume in self.pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
            let projected = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
            let (mut maps, mut secrets) = (Vec::new(), Vec::new());
            maps.extend(volume.config_map.as_ref().map(|map| map.name.clone()));
            secrets.extend(volume.secret.as_ref().and_then(|secret| secret.secret_name.clone()));
            for source in projected {
                maps.extend(source.config_map.as_ref().map(|map| map.name.clone()));
                secrets.extend(source.secret.as_ref().map(|secret| secret.name.clone()));
            }
            // The cluster's own certificate does not change, and every pod has it.
            for name in maps.iter().filter(|name| *name != "kube-root-ca.crt") {
                streams.push(changes::<ConfigMap>(&self.client, &namespace, name));
            }
            for name in &secrets {
                streams.push(changes::<Secret>(&self.client, &namespace, name));
            }
        }
        streams
    }

    async fn files(&mut self, volume: &Volume) -> Result<Files, Refusal> {
        if let Some(map) = &volume.config_map {
            let files = self.config_map(&map.name, map.optional).await?;
            return pick(files, map.items.as_deref(), map.default_mode, map.optional);
        }
        if let Some(secret) = &volume.secret {
            let name = secret.secret_name.as_deref().unwrap_or_default();
            let files = self.secret(name, secret.optional).await?;
            return pick(files, secret.items.as_deref(), secret.default_mode, secret.optional);
        }
        if let Some(downward) = &volume.downward_api {
            return self.downward(downward.items.as_deref(), downward.default_mode);
        }
        let Some(projected) = &volume.projected else {
            return Err(Refusal::cannot(&format!("the kind of volume {}", volume.name)));
        };
        let mut files = Files::new();
        for source in projected.sources.iter().flatten() {
            files.extend(self.projected(source, projected.default_mode).await?);
        }
        Ok(files)
    }

    async fn projected(&mut self, source: &VolumeProjection, mode: Option<i32>) -> Result<Files, Refusal> {
        if let Some(map) = &source.config_map {
            let files = self.config_map(&map.name, map.optional).await?;
            return pick(files, map.items.as_deref(), mode, map.optional);
        }
        if let Some(secret) = &source.secret {
            let files = self.secret(&secret.name, secret.optional).await?;
            return pick(files, secret.items.as_deref(), mode, secret.optional);
        }
        if let Some(downward) = &source.downward_api {
            return self.downward(downward.items.as_deref(), mode);
        }
        match &source.service_account_token {
            Some(token) => self.token(token, mode).await,
            None => Err(Refusal::cannot("this projected volume")),
        }
    }

    async fn config_map(
        &self,
        name: &str,
        optional: Option<bool>,
    ) -> Result<BTreeMap<String, Vec<u8>>, Refusal> {
        match self.api::<ConfigMap>().get_opt(name).await? {
            Some(map) => {
                let text = map.data.unwrap_or_default().into_iter();
                let binary = map.binary_data.unwrap_or_default().into_iter();
                Ok(text
                    .map(|(key, value)| (key, value.into_bytes()))
                    .chain(binary.map(|(key, value)| (key, value.0)))
                    .collect())
            }
            None if optional == Some(true) => Ok(BTreeMap::new()),
            None => Err(Refusal::missing(&format!("configmap {name}"))),
        }
    }

    async fn secret(&self, name: &str, optional: Option<bool>) -> Result<BTreeMap<String, Vec<u8>>, Refusal> {
        match self.api::<Secret>().get_opt(name).await? {
            Some(secret) => {
                let data = secret.data.unwrap_or_default().into_iter();
                Ok(data.map(|(key, value)| (key, value.0)).collect())
            }
            None if optional == Some(true) => Ok(BTreeMap::new()),
            None => Err(Refusal::missing(&format!("secret {name}"))),
        }
    }

    fn downward(&self, items: Option<&[DownwardAPIVolumeFile]>, mode: Option<i32>) -> Result<Files, Refusal> {
        let file = |item: &DownwardAPIVolumeFile| {
            let selector = item.field_ref.as_ref().ok_or_else(|| Refusal::cannot("resourceFieldRef"))?;
            let content = field(&self.pod, selector)?.into_bytes();
            Ok((item.path.clone(), (content, item.mode.or(mode).unwrap_or(MODE))))
        };
        items.unwrap_or_default().iter().map(file).collect()
    }

    async fn token(
        &mut self,
        token: &ServiceAccountTokenProjection,
        mode: Option<i32>,
    ) -> Result<Files, Refusal> {
        let mode = mode.unwrap_or(MODE);
        if let Some(known) = self.tokens.get(&token.audience) {
            return Ok(Files::from([(token.path.clone(), (known.clone(), mode))]));
        }
        let lasts = i64::try_from(TOKEN_LASTS.as_secs()).unwrap_or(i64::MAX);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: token.audience.iter().cloned().collect(),
                expiration_seconds: Some(lasts),
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: self.pod.metadata.name.clone(),
                    uid: self.pod.uid(),
                }),
            },
            ..TokenRequest::default()
        };
        let account = self.pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref());
        let account = account.unwrap_or("default");
        let given = self
            .api::<ServiceAccount>()
            .create_token_request(account, &PostParams::default(), &request)
            .await?;
        let content = given.status.map(|status| status.token.into_bytes()).unwrap_or_default();
        self.tokens.insert(token.audience.clone(), content.clone());
        Ok(Files::from([(token.path.clone(), (content, mode))]))
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.pod.namespace().unwrap_or_default())
    }

    fn group(&self) -> Option<u32> {
        let context = self.pod.spec.as_ref()?.security_context.as_ref()?;
        context.fs_group.and_then(|group| u32::try_from(group).ok())
    }
}

fn changes<K>(client: &Client, namespace: &str, name: &str) -> BoxStream<'static, ()>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + 'static,
{
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let events = watcher(Api::<K>::namespaced(client.clone(), namespace), only).default_backoff();
    events
        .filter_map(async |event| match event {
            Ok(watcher::Event::Apply(_) | watcher::Event::InitApply(_)) => Some(()),
            _ => None,
        })
        .boxed()
}

fn pick(
    mut values: BTreeMap<String, Vec<u8>>,
    items: Option<&[KeyToPath]>,
    mode: Option<i32>,
    optional: Option<bool>,
) -> Result<Files, Refusal> {
    let mode = mode.unwrap_or(MODE);
    let Some(items) = items else {
        return Ok(values.into_iter().map(|(key, value)| (key, (value, mode))).collect());
    };
    let mut files = Files::new();
    for item in items {
        match values.remove(&item.key) {
            Some(value) => {
                files.insert(item.path.clone(), (value, item.mode.unwrap_or(mode)));
            }
            None if optional == Some(true) => {}
            None => return Err(Refusal::missing(&format!("key {}", item.key))),
        }
    }
    Ok(files)
}

/// Writes `files` into a new folder and makes `..data`, through which all of them are reached, point there.
fn exchange(folder: &Path, files: &Files, group: Option<u32>) -> std::io::Result<()> {
    let before = fs::read_link(folder.join("..data")).ok();
    let new = tempfile::Builder::new().prefix("..").tempdir_in(folder)?.keep();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
    for (path, (content, mode)) in files {
        let file = new.join(path);
        fs::create_dir_all(file.parent().unwrap_or(&new))?;
        fs::write(&file, content)?;
        let mode = u32::try_from(*mode).unwrap_or(0o644);
        let shared = if group.is_some() { 0o440 } else { 0 };
        fs::set_permissions(&file, fs::Permissions::from_mode(mode | shared))?;
        if group.is_some() {
            // As no root this fails; then the pod's user is ours, and may read it anyway.
            let _ = std::os::unix::fs::chown(&file, None, group);
        }
    }
    let name = new.file_name().expect("tempdir_in gives it a name");
    let next = folder.join("..data_tmp");
    symlink(name, &next)?;
    fs::rename(&next, folder.join("..data"))?;
    let tops = files.keys().filter_map(|path| Path::new(path).components().next());
    for top in tops.map(Component::as_os_str) {
        let link = folder.join(top);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new("..data").join(top), &link)?;
        }
    }
    for entry in fs::read_dir(folder)?.flatten() {
        let dangling = entry.file_type()?.is_symlink() && !entry.path().exists();
        if dangling {
            fs::remove_file(entry.path())?;
        }
    }
    before.map_or(Ok(()), |before| fs::remove_dir_all(folder.join(before)))
}
