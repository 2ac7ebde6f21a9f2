//! An address before others, as a `ClusterIP` is: each new connection goes to one of them and stays with it.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

/// For one that does not answer at all; a kube-proxy leaves that to the kernel.
const CONNECT: Duration = Duration::from_secs(5);

/// An address that leads where the test says. It listens until it drops; its connections break with it.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    backends: watch::Sender<Vec<SocketAddr>>,
    delay: Arc<Delay>,
    task: AbortHandle,
}

/// By how much answers come later, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Delay(AtomicU64);

impl Proxy {
    /// On a free port, before a server that listens on this port of 127.0.0.1, or before nothing.
    pub(crate) async fn before(port: Option<u16>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("some port is free");
        let own = listener.local_addr().expect("it listens").port();
        let (backends, ready) = watch::channel(Vec::new());
        let delay = Arc::<Delay>::default();
        let task = tokio::spawn(accept(listener, ready, Arc::clone(&delay))).abort_handle();
        let proxy = Self { port: own, backends, delay, task };
        if let Some(port) = port {
            proxy.lead_to(port);
        }
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on new connections lead to this port of 127.0.0.1; those that are there stay, as they do when a
    /// Service's endpoints change.
    pub(crate) fn lead_to(&self, port: u16) {
        self.backends.send_replace(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
    }

    /// From now on each answer takes so much longer, on old connections too.
    pub(crate) fn delay(&self, delay: Duration) {
        let milliseconds = u64::try_from(delay.as_millis()).expect("a test does not wait so long");
        self.delay.0.store(milliseconds, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes each new connection on to one of those that are ready then, in turn.
pub(crate) async fn accept(
    listener: TcpListener,
    ready: watch::Receiver<Vec<SocketAddr>>,
    delay: Arc<Delay>,
) {
    let next = AtomicUsize::new(0);
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let backend = {
            let ready = ready.borrow();
            let turn = next.fetch_add(1, Ordering::Relaxed);
            ready.get(turn % ready.len().max(1)).copied()
        };
        connections.spawn(pass(client, backend, Arc::clone(&delay)));
    }
}

/// Passes one connection on, for as long as both sides hold it.
async fn pass(mut client: TcpStream, backend: Option<SocketAddr>, delay: Arc<Delay>) {
    let server = match backend {
        Some(backend) => timeout(CONNECT, TcpStream::connect(backend)).await.ok().and_then(Result::ok),
        None => None,
    };
    let passed = match server {
        Some(mut server) => {
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let ((mut asks, mut hears), (mut answers, mut takes)) = (client.split(), server.split());
            let (there, back) =
                (carry(&mut asks, &mut takes, None), carry(&mut answers, &mut hears, Some(&*delay)));
            tokio::try_join!(there, back).is_ok()
        }
        None => false,
    };
    if !passed {
        // A reset, as the kernel answers for one that is not there.
        let _ = client.set_zero_linger();
    }
}

async fn carry(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>, delay: Option<&Delay>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        if let Some(Delay(milliseconds)) = delay {
            sleep(Duration::from_millis(milliseconds.load(Ordering::Relaxed))).await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}
