//! The life of one pod on a fake node, from its binding to its end.

use std::{path::PathBuf, sync::Arc, time::Duration};

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use rand::RngExt as _;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{
    End, START_DELAY, Shared,
    address::Address,
    container::{Container, Exit, Plan},
    probe::{Finding, Probes},
    status::{Phase, Refusal, State, Status, Terminated},
    volumes::Volumes,
};

/// Before what was missing is looked for again, and before a failed write to the API server is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// As a kubelet: how far a restart's delay grows.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// What the API server says of the pod.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    There(Arc<Pod>),
    /// It was removed without waiting for us (or at our word).
    Gone,
}

/// One pod.
pub(super) struct Life {
    shared: Arc<Shared>,
    api: Api<Pod>,
    pod: Arc<Pod>,
    seen: watch::Receiver<Seen>,
    address: Address,
    folder: PathBuf,
    status: Status,
}

/// Why a container ended.
#[derive(Debug)]
struct Ended {
    exit: Exit,
    because: Because,
    killed: bool,
}

#[derive(Debug)]
enum Because {
    Itself,
    Deleted,
    Unhealthy(String),
}

impl Life {
    pub(super) fn new(shared: Arc<Shared>, pod: Arc<Pod>, seen: watch::Receiver<Seen>) -> Self {
        let address = Address::take();
        let namespace = pod.namespace().unwrap_or_default();
        Self {
            api: Api::namespaced(shared.client.clone(), &namespace),
            folder: shared.options.folder.join("pods").join(pod.uid().unwrap_or_default()),
            status: Status::new(address.get()),
            shared,
            pod,
            seen,
            address,
        }
    }

    pub(super) async fn run(mut self) {
        self.report().await;
        self.live().await;
        if is_going(&self.seen.borrow()) {
            self.remove().await;
        }
        // Of no use to a pod that is over; what it printed stays.
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    /// Returns when the pod is deleted (and its process gone), or when it is over by itself.
    async fn live(&mut self) {
        let delay = match start_delay(&self.pod) {
            Ok(delay) => delay,
            Err(refusal) => return self.refuse(&refusal).await,
        };
        let mut backoff = Duration::ZERO;
        if !self.pause(delay).await {
            return;
        }
        loop {
            let Some(ended) = self.run_once().await else { return };
            if self.settle(ended).await {
                return;
            }
            if !self.pause(backoff).await {
                return;
            }
            backoff = (backoff * 2).clamp(self.shared.options.restart_backoff, LONGEST_BACKOFF);
        }
    }

    /// Starts the container, and tends it to its end. `None`: the pod was deleted before it started.
    async fn run_once(&mut self) -> Option<Ended> {
        loop {
            let mut seen = self.seen.clone();
            let started = tokio::select! {
                started = self.start() => started,
                () = going(&mut seen) => return None,
            };
            match started {
                Ok((container, probes, _keep)) => return Some(self.tend(container, probes).await),
                Err(refusal) if refusal.may_pass() => {
                    self.status.state = refusal.state();
                    self.report().await;
                    if !self.pause(AGAIN).await {
                        return None;
                    }
                }
                Err(refusal) => {
                    self.refuse(&refusal).await;
                    return None;
                }
            }
        }
    }

    async fn start(&self) -> Result<(Container, Probes, JoinSet<()>), Refusal> {
        let plan = Plan::of(&self.shared, &self.pod)?;
        let probes = Probes::of(&plan.spec)?;
        // Its own address is what the pod may ask for, and the watch may not have brought it yet.
        let mut pod = Pod::clone(&self.pod);
        let status = pod.status.get_or_insert_default();
        status.pod_ip = Some(self.address.get().to_string());
        status.host_ip = Some("127.0.0.1".to_owned());
        let pod = Arc::new(pod);

        let folder = self.folder.join("volumes");
        let client = self.shared.client.clone();
        let mut volumes = Volumes::new(client, Arc::clone(&pod), &folder);
        volumes.write().await?;
        let container =
            Container::start(&self.shared, &pod, &plan, &volumes, self.address.get(), &self.folder).await?;
        let mut keep = JoinSet::new();
        keep.spawn(volumes.keep());
        Ok((container, probes, keep))
    }

    async fn tend(&mut self, mut container: Container, probes: Probes) -> Ended {
        let has_mark = self.shared.has_mark(&self.pod);
        let tells_readiness = probes.tell_readiness();
        self.shared.set_running(&self.pod, Some(container.process));
        self.status.phase = Phase::Running;
        self.status.state = State::Running { since: Timestamp::now() };
        self.report().await;
        let (mut findings, _probing) = probes.start(self.address.get());
        let mut seen = self.seen.clone();
        let ended = loop {
            let waits_for_mark = has_mark && !tells_readiness && !self.status.is_ready();
            let mut ready = container.ready.clone();
            tokio::select! {
                exit = container.ended() => break Ended { exit, because: Because::Itself, killed: false },
                () = going(&mut seen) => {
                    let (exit, killed) = self.stop(&mut container).await;
                    break Ended { exit, because: Because::Deleted, killed };
                }
                () = marked(&mut ready), if waits_for_mark => {
                    self.status.set_ready(true);
                    self.report().await;
                }
                Some(finding) = findings.recv() => match finding {
                    Finding::Started => {
                        self.status.started = true;
                        self.status.set_ready(!tells_readiness && !has_mark);
                        self.report().await;
                    }
                    Finding::Ready(ready) => {
                        if self.status.set_ready(ready) {
                            self.report().await;
                        }
                    }
                    Finding::Unhealthy(why) => {
                        let (exit, killed) = self.stop(&mut container).await;
                        break Ended { exit, because: Because::Unhealthy(why), killed };
                    }
                },
            }
        };
        self.shared.set_running(&self.pod, None);
        self.status.set_ready(false);
        self.status.started = false;
        ended
    }

    /// preStop, SIGTERM, the grace period, SIGKILL. Returns whether it came to that.
    async fn stop(&mut self, container: &mut Container) -> (Exit, bool) {
        let mut seen = self.seen.clone();
        let before = pre_stop(&self.pod);
        let told = async {
            sleep(before).await;
            container.terminate();
            container.ended().await
        };
        let exit = tokio::select! {
            exit = told => Some(exit),
            () = out_of_grace(&mut seen, &self.pod) => None,
        };
        if let Some(exit) = exit {
            return (exit, false);
        }
        container.kill();
        (container.ended().await, true)
    }

    /// Writes down how the container ended; returns whether the pod is over.
    async fn settle(&mut self, ended: Ended) -> bool {
        let Ended { exit, because, killed } = ended;
        let (reason, message) = match &because {
            Because::Itself if exit.code() == 0 => ("Completed", String::new()),
            Because::Itself => ("Error", String::new()),
            Because::Deleted => ("Deleted", String::new()),
            Because::Unhealthy(why) => ("Unhealthy", why.clone()),
        };
        let started = match self.status.state {
            State::Running { since } => since,
            _ => Timestamp::now(),
        };
        let finished = Timestamp::now();
        let terminated = Terminated { exit, reason: reason.to_owned(), message, started, finished };
        self.shared.record(End {
            namespace: self.pod.namespace().unwrap_or_default(),
            pod: self.pod.name_any(),
            exit_code: exit.code(),
            reason: reason.to_owned(),
            killed,
        });
        let well = exit.code() == 0;
        let policy = self.pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
        let again = match policy {
            Some("Never") => false,
            Some("OnFailure") => !well,
            _ => true,
        };
        self.status.state = State::Terminated(terminated.clone());
        let over = matches!(because, Because::Deleted) || !again;
        if over {
            self.status.phase = if well { Phase::Succeeded } else { Phase::Failed };
        }
        self.report().await;
        if !over {
            self.status.last = Some(terminated);
            self.status.restarts += 1;
            self.status.state = State::waiting("CrashLoopBackOff");
            self.report().await;
        }
        over
    }

    async fn refuse(&mut self, refusal: &Refusal) {
        self.status.state = refusal.state();
        self.report().await;
        going(&mut self.seen).await;
    }

    /// Returns whether the pod is still wanted.
    async fn pause(&mut self, length: Duration) -> bool {
        tokio::select! {
            () = sleep(length) => true,
            () = going(&mut self.seen) => false,
        }
    }

    /// Writes the status, for as long as that takes and the pod is there.
    async fn report(&self) {
        let patch = Patch::Strategic(self.status.patch(&self.pod));
        let name = self.pod.name_any();
        loop {
            match self.api.patch_status(&name, &PatchParams::default(), &patch).await {
                // 409: another pod of this name. 404: none.
                Ok(_) => return,
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
                Err(error) => eprintln!("runner: the status of pod {name} cannot be written: {error}"),
            }
            if matches!(*self.seen.borrow(), Seen::Gone) {
                return;
            }
            sleep(AGAIN).await;
        }
    }

    /// Takes the pod away from the API server, since nothing of it is left here.
    async fn remove(&self) {
        let now = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions { uid: self.pod.uid(), resource_version: None }),
            ..DeleteParams::default()
        };
        let name = self.pod.name_any();
        while !matches!(*self.seen.borrow(), Seen::Gone) {
            match self.api.delete(&name, &now).await {
                Ok(_) => return,
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
                Err(error) => eprintln!("runner: pod {name} cannot be taken away: {error}"),
            }
            sleep(AGAIN).await;
        }
    }
}

fn is_going(seen: &Seen) -> bool {
    match seen {
        Seen::There(pod) => pod.metadata.deletion_timestamp.is_some(),
        Seen::Gone => true,
    }
}

/// Returns once the pod is to go.
async fn going(seen: &mut watch::Receiver<Seen>) {
    if seen.wait_for(is_going).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Returns once the program has printed its ready mark; never where it ended before.
async fn marked(ready: &mut watch::Receiver<bool>) {
    if ready.wait_for(|ready| *ready).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Returns when the time that the pod has left is over: its grace period, which may be shortened meanwhile.
async fn out_of_grace(seen: &mut watch::Receiver<Seen>, first: &Pod) {
    let begun = tokio::time::Instant::now();
    loop {
        let grace = match &*seen.borrow_and_update() {
            Seen::Gone => return,
            Seen::There(pod) => grace(pod, first),
        };
        tokio::select! {
            () = tokio::time::sleep_until(begun + grace) => return,
            changed = seen.changed() => if changed.is_err() { return },
        }
    }
}

fn grace(pod: &Pod, first: &Pod) -> Duration {
    let of_spec = first.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
    let seconds = pod.metadata.deletion_grace_period_seconds.or(of_spec).unwrap_or(30);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn pre_stop(pod: &Pod) -> Duration {
    let container = pod.spec.as_ref().and_then(|spec| spec.containers.first());
    let hook =
        container.and_then(|container| container.lifecycle.as_ref()?.pre_stop.as_ref()?.sleep.as_ref());
    hook.map_or(Duration::ZERO, |hook| Duration::from_secs(u64::try_from(hook.seconds).unwrap_or(0)))
}

/// What [`START_DELAY`] says.
fn start_delay(pod: &Pod) -> Result<Duration, Refusal> {
    let Some(text) = pod.annotations().get(START_DELAY) else { return Ok(Duration::ZERO) };
    let seconds = |text: &str| {
        let number = |unit: &str| text.strip_suffix(unit).and_then(|number| number.parse::<f64>().ok());
        number("ms").map(|number| number / 1000.0).or_else(|| number("s"))
    };
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    match (seconds(least), seconds(most)) {
        (Some(least), Some(most)) if 0.0 <= least && least <= most => {
            Ok(Duration::from_secs_f64(rand::rng().random_range(least..=most)))
        }
        _ => {
            Err(Refusal::cannot(&format!("the {START_DELAY} {text:?}, which is not like 2s, 300ms or 2s-5s")))
        }
    }
}
