//! One start of a pod's container: from the spec to a running process.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    net::Ipv4Addr,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::Path,
    process::{ExitStatus, Stdio},
    sync::Arc,
    thread,
};

use k8s_openapi::api::core::v1::{Container as Spec, Pod};
use kube::ResourceExt as _;
use tokio::sync::watch;

use super::{
    Program, Shared,
    environment::{expand, variables},
    sandbox::{Container as Inside, Mount, User},
    status::Refusal,
    volumes::Volumes,
};
use crate::support::process::{signal, signal_group};

/// A process that runs, or has run.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) process: u32,
    exit: watch::Receiver<Option<Exit>>,
    /// Whether the program has printed its ready mark. Its end closes this.
    pub(super) ready: watch::Receiver<bool>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exit {
    code: Option<i32>,
    pub(super) signal: Option<i32>,
}

/// What a spec says about how to start, checked before anything is made.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) spec: Spec,
    pub(super) program: Program,
    user: User,
}

impl Plan {
    /// Refuses what this runner cannot do, so that no test rests on what never happened.
    pub(super) fn of(shared: &Shared, pod: &Pod) -> Result<Self, Refusal> {
        let spec = pod.spec.as_ref().ok_or_else(|| Refusal::cannot("a pod without spec"))?;
        if spec.init_containers.as_ref().is_some_and(|containers| !containers.is_empty()) {
            return Err(Refusal::cannot("init containers"));
        }
        let [container] = spec.containers.as_slice() else {
            return Err(Refusal::cannot("more than one container in a pod"));
        };
        let image = container.image.as_deref().unwrap_or_default();
        let program = shared.program(image).ok_or_else(|| Refusal::NoImage(image.to_owned()))?;
        let user = user(pod, container, program)?;
        let lifecycle = container.lifecycle.as_ref();
        if lifecycle.is_some_and(|hooks| hooks.post_start.is_some()) {
            return Err(Refusal::cannot("postStart"));
        }
        if lifecycle.and_then(|hooks| hooks.pre_stop.as_ref()).is_some_and(|hook| hook.sleep.is_none()) {
            return Err(Refusal::cannot("a preStop other than sleep"));
        }
        Ok(Self { spec: container.clone(), program: program.clone(), user })
    }
}

impl Container {
    /// Starts the process; `pod` has its address in its status, and its volumes are written.
    pub(super) async fn start(
        shared: &Arc<Shared>,
        pod: &Pod,
        plan: &Plan,
        volumes: &Volumes,
        address: Ipv4Addr,
        folder: &Path,
    ) -> Result<Self, Refusal> {
        let Plan { spec, program, user } = plan;
        let variables = variables(&shared.client, pod, spec, shared.options.api_server).await?;
        let root = folder.join("root");
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        fs::create_dir_all(&root)?;
        let hosts = folder.join("hosts");
        fs::write(&hosts, format!("127.0.0.1\tlocalhost\n{address}\t{}\n", pod.name_any()))?;
        let mut mounts = vec![
            Mount { source: hosts, target: "/etc/hosts".to_owned(), read_only: true },
            Mount {
                source: program.file.clone(),
                target: program.path.display().to_string(),
                read_only: true,
            },
        ];
        mounts.extend(program.files.iter().filter(|file| file.exists()).map(|file| Mount {
            source: file.clone(),
            target: file.display().to_string(),
            read_only: true,
        }));
        mounts.extend(volumes.mounts(spec.volume_mounts.as_deref().unwrap_or_default())?);

        let context = spec.security_context.as_ref();
        let command = command(spec, program, &variables);
        let inside = Inside {
            root: &root,
            read_only_root: context.and_then(|context| context.read_only_root_filesystem) == Some(true),
            working_folder: spec.working_dir.as_deref().unwrap_or("/"),
            mounts: &mounts,
            user: *user,
            command: &command,
        };
        let (printed, output) = std::io::pipe()?;
        let mut process = shared.sandbox.command(&inside);
        process.envs(&variables).process_group(0).stdin(Stdio::null());
        process.stdout(output.try_clone()?).stderr(output);
        let mut child = process.spawn()?;
        // It holds the pipe's other end.
        drop(process);
        shared.reaper.add(child.id());

        let (tell_ready, ready) = watch::channel(false);
        let (tell_exit, exit) = watch::channel(None);
        let id = child.id();
        let log = File::options()
            .create(true)
            .append(true)
            .open(shared.log_file(&pod.namespace().unwrap_or_default(), &pod.name_any()))?;
        let mark = program.ready_mark.clone();
        let reader = thread::spawn(move || copy(BufReader::new(printed), log, mark.as_deref(), &tell_ready));
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let ended = child.wait();
            // What the process leaves behind goes with it, as with a container.
            signal_group(id, "KILL");
            shared.reaper.forget(id);
            let _ = reader.join();
            tell_exit.send_replace(Some(ended.map_or(Exit { code: None, signal: None }, Exit::from)));
        });
        Ok(Self { process: id, exit, ready })
    }

    /// Waits for the end.
    pub(super) async fn ended(&mut self) -> Exit {
        match self.exit.wait_for(Option::is_some).await.map(|exit| *exit) {
            Ok(Some(exit)) => exit,
            _ => Exit { code: None, signal: None },
        }
    }

    pub(super) fn terminate(&self) {
        signal(self.process, "TERM");
    }

    /// SIGKILL for it and all that it started.
    pub(super) fn kill(&self) {
        signal_group(self.process, "KILL");
    }
}

impl Exit {
    /// As a container runtime reports it: 128 + signal for one that a signal ended.
    pub(super) fn code(self) -> i32 {
        self.code.or(self.signal.map(|signal| 128 + signal)).unwrap_or(255)
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        Self { code: status.code(), signal: status.signal() }
    }
}

fn command(spec: &Spec, program: &Program, variables: &BTreeMap<String, String>) -> Vec<String> {
    let expanded = |words: &Option<Vec<String>>| {
        words.iter().flatten().map(|word| expand(word, variables)).collect::<Vec<_>>()
    };
    let mut command = expanded(&spec.command);
    if command.is_empty() {
        command.push(program.path.display().to_string());
        command.extend(program.arguments.iter().cloned());
    }
    command.extend(expanded(&spec.args));
    command
}

fn user(pod: &Pod, container: &Spec, program: &Program) -> Result<User, Refusal> {
    let of_pod = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
    let own = container.security_context.as_ref();
    let number = |own: Option<i64>, of_pod: Option<i64>, image: u32| match own.or(of_pod) {
        Some(id) => u32::try_from(id).map_err(|_| Refusal::cannot(&format!("user or group {id}"))),
        None => Ok(image),
    };
    let id = number(
        own.and_then(|context| context.run_as_user),
        of_pod.and_then(|context| context.run_as_user),
        program.user.0,
    )?;
    let group = number(
        own.and_then(|context| context.run_as_group),
        of_pod.and_then(|context| context.run_as_group),
        program.user.1,
    )?;
    let never_root = own
        .and_then(|context| context.run_as_non_root)
        .or(of_pod.and_then(|context| context.run_as_non_root));
    if id == 0 && never_root == Some(true) {
        return Err(Refusal::cannot("root, which runAsNonRoot forbids"));
    }
    let dropped = own.and_then(|context| context.capabilities.as_ref()).and_then(|caps| caps.drop.as_ref());
    Ok(User {
        id,
        group,
        files: of_pod
            .and_then(|context| context.fs_group)
            .map(|group| number(Some(group), None, 0))
            .transpose()?,
        no_new_privileges: own.and_then(|context| context.allow_privilege_escalation) == Some(false),
        drop_capabilities: dropped.is_some_and(|dropped| dropped.iter().any(|cap| cap == "ALL")),
    })
}

fn copy(
    mut printed: BufReader<std::io::PipeReader>,
    mut log: File,
    mark: Option<&str>,
    ready: &watch::Sender<bool>,
) {
    let mut line = Vec::new();
    while printed.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        // A log that cannot be written must not stop the pod.
        let _ = log.write_all(&line);
        if mark.is_some_and(|mark| line.trim_ascii_end() == mark.as_bytes()) {
            ready.send_replace(true);
        }
        line.clear();
    }
}
