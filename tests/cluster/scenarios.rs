//! What is tried on the stack. Each scenario reads as its own description, in its name and in its body.

mod chart;
mod e2e;
mod faults;
mod fixture;
mod foretold;
mod from_zero;
mod hints;
mod hpa;
mod image;
mod karpenter;
mod keda_client;
mod keda_features;
mod one_writer;
mod operator_restart;
mod runner;
mod tls;
mod victims;
mod workloads;

use std::{path::PathBuf, pin::Pin, sync::Arc};

use kube::Client;
use tokio::sync::Mutex;

use crate::{
    api,
    runner::Runner,
    stack::{Options, Stack},
};

/// Every scenario, in reading order.
pub(crate) fn all() -> Vec<Scenario> {
    [
        e2e::scenarios(),
        hpa::scenarios(),
        keda_features::scenarios(),
        tls::scenarios(),
        keda_client::scenarios(),
        from_zero::scenarios(),
        workloads::scenarios(),
        one_writer::scenarios(),
        victims::scenarios(),
        operator_restart::scenarios(),
        faults::scenarios(),
        karpenter::scenarios(),
        hints::scenarios(),
        foretold::scenarios(),
        runner::scenarios(),
        chart::scenarios(),
        image::scenarios(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// When a scenario runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    /// In `make test-cluster`, before every merge: seconds to a minute.
    Ci,
    /// In `make test-cluster-all` only: it takes minutes, or programs that `.ci/run` does not build.
    All,
}

/// One test.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) tier: Tier,
    /// What its own stack is started with; without it the scenario shares one.
    pub(crate) own_stack: Option<Options>,
    pub(crate) run: Run,
}

/// A scenario's body; a panic fails it.
pub(crate) type Run = fn(Arc<Cluster>) -> Pin<Box<dyn Future<Output = ()>>>;

/// Lists functions of a module, `async fn(&Cluster)`, as scenarios of one tier, under `MODULE::FUNCTION`:
/// `scenarios![Ci: e2e::one, e2e::two]` on the shared stack, `scenarios![All, on OPTIONS; e2e::three]` each on
/// a stack of its own.
macro_rules! scenarios {
    ($tier:ident: $($names:tt)+) => {
        $crate::scenarios::scenarios![@ $tier, None; $($names)+]
    };
    ($tier:ident, on $options:expr; $($names:tt)+) => {
        $crate::scenarios::scenarios![@ $tier, Some($options); $($names)+]
    };
    (@ $tier:ident, $options:expr; $($module:ident :: $name:ident),+ $(,)?) => {
        vec![$($crate::scenarios::Scenario {
            name: concat!(stringify!($module), "::", stringify!($name)),
            tier: $crate::scenarios::Tier::$tier,
            own_stack: $options,
            run: |cluster| Box::pin(async move { $name(&cluster).await }),
        }),+]
    };
}
use scenarios;

/// What a scenario gets: the shared stack, and a place of its own in it.
pub(crate) struct Cluster {
    /// The scenario's.
    pub(crate) name: String,
    pub(crate) stack: Arc<Stack>,
    /// A folder of the scenario's own, kept where it fails.
    pub(crate) logs: PathBuf,
    namespaces: Mutex<Vec<String>>,
}

impl Cluster {
    pub(crate) fn new(stack: Arc<Stack>, name: &str) -> Self {
        let logs = stack.logs().join(name.replace("::", "-"));
        std::fs::create_dir_all(&logs).expect("the stack's folder can be written");
        Self { name: name.to_owned(), stack, logs, namespaces: Mutex::default() }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.stack.client
    }

    /// A new namespace, deleted after the scenario.
    pub(crate) async fn namespace(&self, prefix: &str) -> String {
        let name = api::create_namespace(self.client(), prefix).await;
        self.namespaces.lock().await.push(name.clone());
        name
    }

    /// What runs this stack's pods: real processes on fake nodes.
    pub(crate) async fn runner(&self) -> &Runner {
        self.stack.runner().await
    }

    /// Applies YAML text, many documents, in `namespace`.
    pub(crate) async fn apply(&self, namespace: &str, yaml: &str) {
        api::apply(self.client(), namespace, yaml).await;
    }

    /// What the scenario made costs the others nothing from now on.
    pub(crate) async fn clean_up(&self) {
        api::delete_namespaces(self.client(), &self.namespaces.lock().await).await;
    }
}
