//! A whole control plane on loopback: etcd, API server, controller manager, scheduler and KEDA as processes of
//! this one, in a folder of its own.

pub(crate) mod pki;

mod apiserver;
mod controller_manager;
mod etcd;
mod karpenter;
mod keda;
mod kwok;
mod scheduler;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use kube::Client;
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell};

pub(crate) use self::apiserver::{AUDIT_LOG, http_get};
use self::{apiserver::ApiServer, etcd::Etcd, keda::Keda, pki::Pki};
use crate::{
    runner::{self, Program, Runner},
    support::process::Process,
};

/// The image of Foresail in the chart, whatever its tag.
pub(crate) const FORESAIL_IMAGE: &str = "foresail";

/// What a stack is started with.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// How often the HPA reads its metrics; Kubernetes's default is 15 s.
    pub(crate) hpa_sync: Duration,
    /// For how long the HPA holds where its object says nothing; Kubernetes's default is 5 minutes.
    pub(crate) downscale_stabilization: Duration,
    /// Arguments of KEDA's operator besides those that it needs.
    pub(crate) keda_args: Vec<String>,
    /// Whether Karpenter makes nodes, which kwok then keeps alive.
    pub(crate) karpenter: bool,
    /// Whether the API server writes down when metrics are read and who sets replicas, in [`AUDIT_LOG`].
    pub(crate) audit: bool,
}

impl Default for Options {
    /// Quick: what takes minutes with Kubernetes's defaults takes seconds.
    fn default() -> Self {
        Self {
            hpa_sync: Duration::from_secs(3),
            downscale_stabilization: Duration::from_secs(5),
            // KEDA writes a status for each object and poll; its default of 20 a second is for one cluster.
            keda_args: vec!["--kube-api-qps=200".to_owned(), "--kube-api-burst=400".to_owned()],
            karpenter: false,
            audit: false,
        }
    }
}

impl Options {
    /// Kubernetes and KEDA with their own defaults.
    pub(crate) fn as_shipped() -> Self {
        Self {
            hpa_sync: Duration::from_secs(15),
            downscale_stabilization: Duration::from_mins(5),
            keda_args: Vec::new(),
            karpenter: false,
            audit: false,
        }
    }

    /// Quick, and nodes come and go.
    pub(crate) fn with_karpenter() -> Self {
        Self { karpenter: true, ..Self::default() }
    }
}

/// A running stack. All of it is gone when it drops; its folder too, unless a panic or [`Stack::keep_folder`]
/// says that somebody wants to look into it.
pub(crate) struct Stack {
    /// The administrator's client.
    pub(crate) client: Client,
    /// For `kubectl`; the administrator's.
    pub(crate) kubeconfig: PathBuf,
    /// A scenario with a stack of its own may restart it.
    pub(crate) keda: Mutex<Keda>,
    // They go in this order, and their folder last.
    runner: OnceCell<Runner>,
    karpenter: Option<[Process; 2]>,
    _scheduler: Process,
    _controller_manager: Process,
    /// A scenario with a stack of its own may stop it for a while.
    pub(crate) api_server: Mutex<ApiServer>,
    _etcd: Etcd,
    api_address: SocketAddr,
    place: Place,
    folder: TempDir,
}

impl Stack {
    /// Starts everything, and waits until it works together: the external metrics API is served.
    pub(crate) async fn start(options: &Options) -> Self {
        let folder =
            tempfile::Builder::new().prefix("foresail-cluster-").tempdir().expect("a temp dir can be made");
        let place = Place::new(folder.path());
        let pki = Pki::generate(&folder.path().join("pki"));
        let etcd = etcd::start(&place).await;
        let api_server = apiserver::start(&place, &pki, &etcd, options).await;
        let client = api_server.client.clone();
        let (controller_manager, scheduler, ()) = tokio::join!(
            controller_manager::start(&place, &pki, options),
            scheduler::start(&place, &pki),
            keda::install(&client),
        );
        let karpenter = async {
            if !options.karpenter {
                return None;
            }
            Some([karpenter::start(&place, &pki, &client).await, kwok::start(&place, &pki).await])
        };
        let (keda, karpenter) = tokio::join!(keda::start(&place, &pki, options, &client), karpenter);
        Self {
            client,
            kubeconfig: pki.kubeconfig("admin"),
            keda: Mutex::new(keda),
            runner: OnceCell::new(),
            karpenter,
            _scheduler: scheduler,
            _controller_manager: controller_manager,
            api_address: api_server.address,
            api_server: Mutex::new(api_server),
            _etcd: etcd,
            place,
            folder,
        }
    }

    /// Where every process of the stack logs, and every scenario in a folder of its name.
    pub(crate) fn logs(&self) -> PathBuf {
        self.place.logs()
    }

    /// What runs the pods of scenarios that want real ones; started for the first who asks.
    pub(crate) async fn runner(&self) -> &Runner {
        let start = async || {
            let mut options = runner::Options::new(self.place.folder.join("runner"), self.api_address)
                .image(FORESAIL_IMAGE, Program::foresail());
            // Nodes are Karpenter's to make, where it is there.
            if self.karpenter.is_some() {
                options.nodes.clear();
            }
            // What a kubelet spreads over minutes shall happen in a scenario.
            options.restart_backoff = Duration::from_secs(1);
            Runner::start(self.client.clone(), options).await
        };
        self.runner.get_or_init(start).await
    }

    /// Leaves the folder where it is when the stack stops, for whoever looks into a failure.
    pub(crate) fn keep_folder(&mut self) {
        self.folder.disable_cleanup(true);
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_folder();
        }
    }
}

/// Where the parts of a stack live, and how long each may take to start.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    folder: PathBuf,
    patience: Duration,
}

impl Place {
    fn new(folder: &Path) -> Self {
        // Seconds on an idle machine; this is for one that compiles something beside.
        let place = Self { folder: folder.to_owned(), patience: Duration::from_mins(2) };
        fs::create_dir_all(place.logs()).expect("the stack's folder can be written");
        place
    }

    fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    fn spawn(&self, name: &str, command: &mut Command) -> Process {
        command.current_dir(&self.folder);
        Process::spawn(name, command, &self.logs().join(format!("{name}.log")))
    }
}

/// For programs whose health is behind TLS of their own.
async fn until_listening(place: &Place, process: &mut Process, port: u16) {
    let connects = async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
    process.until_ready_within(place.patience, connects).await;
}
