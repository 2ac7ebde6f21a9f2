//! The demo's own server and its ears for Ctrl-C, on a thread of their own.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::mpsc,
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use tokio::{net::TcpListener, runtime, task};
use tokio_util::sync::CancellationToken;

use crate::{http::Http, scaler::Server, shutdown::Shutdown};

/// A server that runs until it is ended.
pub(super) struct Service {
    /// Where KEDA calls.
    pub(super) grpc: SocketAddr,
    /// Where metrics and the API are.
    pub(super) http: SocketAddr,
    /// Cancelled by Ctrl-C or SIGTERM.
    pub(super) interrupted: CancellationToken,
    stop: CancellationToken,
    thread: thread::JoinHandle<Result<()>>,
}

impl Service {
    /// Starts to serve gRPC on a free port of the loopback, and HTTP on `http_listen`. `stop` is the token
    /// that ends `server`.
    pub(super) fn start(
        server: Server,
        http: Http,
        http_listen: SocketAddr,
        stop: CancellationToken,
    ) -> Result<Self> {
        let (grpc_listener, grpc) = bind("gRPC", (Ipv4Addr::LOCALHOST, 0).into())?;
        let (http_listener, http_address) = bind("--http", http_listen)?;
        let interrupted = CancellationToken::new();
        let (ready, is_ready) = mpsc::channel();
        let serve = {
            let (interrupted, stop) = (interrupted.clone(), stop.clone());
            async move {
                let shutdown = Shutdown::new()?;
                task::spawn(async move {
                    shutdown.requested().await;
                    interrupted.cancel();
                });
                ready.send(()).context("nobody waits for the server")?;
                let pages = task::spawn(http.run(TcpListener::from_std(http_listener)?, stop));
                server.run(TcpListener::from_std(grpc_listener)?).await?;
                pages.await??;
                anyhow::Ok(())
            }
        };
        let thread = thread::Builder::new().name("serve".to_owned()).spawn(|| {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(serve)
        })?;
        // Where the server does not come up its thread ends, and knows why.
        match is_ready.recv() {
            Ok(()) => Ok(Self { grpc, http: http_address, interrupted, stop, thread }),
            Err(_) => Err(join(thread).err().unwrap_or_else(|| anyhow!("the server has ended by itself"))),
        }
    }

    /// What `work` comes to; `None` where Ctrl-C (or SIGTERM) comes first.
    pub(super) async fn unless_interrupted<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.interrupted.cancelled() => None,
            done = work => Some(done),
        }
    }

    /// Waits for Ctrl-C (or SIGTERM).
    pub(super) fn wait(&self) -> Result<()> {
        let runtime = runtime::Builder::new_current_thread().build()?;
        runtime.block_on(self.interrupted.cancelled());
        Ok(())
    }

    /// Stops serving and waits for it.
    pub(super) fn end(self) -> Result<()> {
        self.stop.cancel();
        join(self.thread)
    }
}

fn bind(what: &str, address: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr)> {
    let listen = || {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listen().map_err(|error: io::Error| anyhow!("{what}: cannot listen on {address}: {error}"))
}

fn join(thread: thread::JoinHandle<Result<()>>) -> Result<()> {
    thread.join().map_err(|_| anyhow!("the server's thread panicked"))?
}
