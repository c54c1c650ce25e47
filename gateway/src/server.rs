//! Connections: accepting them, bounding what each may hold and how long it may dawdle, and letting
//! them go when the process drains. HTTP/1.1 and HTTP/2 with prior knowledge are served on one port.
//! It must not know the routes.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
};
use hyper::{body::Incoming, rt::Executor};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::task::TaskTracker;
use tower::{ServiceExt as _, service_fn};
use troika_chassis::lifecycle::Drain;

use crate::{Service, config::Config};

/// What one connection may pile up for a reader that is slow.
const WRITE_BUFFER: usize = 64 * 1024;
/// Streams of one HTTP/2 connection.
const STREAMS_PER_CONNECTION: u32 = 256;
/// Bytes of bodies that may be under way to us on one stream and on one connection of HTTP/2: a question
/// fits, and who opens many streams cannot fill the memory with what nobody reads.
const WINDOWS: (u32, u32) = (64 * 1024, 256 * 1024);
/// The longest a stream of HTTP/2 may live. A client that answers pings and takes nothing of a stream is
/// no slow writer to its connection; this lets go of it. Longer than any turn.
const STREAM_LIFE: Duration = Duration::from_secs(30 * 60);
/// How often a silent HTTP/2 connection is asked whether it lives, and how long it may take to say so.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));
/// How long to wait when the system refuses to give another connection, as when it is out of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why serving could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener is unusable.
    #[error("the gateway cannot use its listener: {0}")]
    Listener(#[from] io::Error),
}

/// Serves connections from `listener` until the process drains: nothing new is accepted once
/// `drain` refuses, streams that are open go on until they end or are forced to, and then this
/// returns. Dropping the future cuts nothing that is accepted; `drain` is the way to stop.
///
/// # Errors
/// When the listener cannot be used at all. What goes wrong on one connection ends that one.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    drain: Drain,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    tracing::info!(%address, "gateway listens");
    let Service {
        router,
        config,
        follower: _follower,
    } = service;
    let builder = Arc::new(builder(&config));
    let slots = Arc::new(Semaphore::new(
        config.max_connections.min(Semaphore::MAX_PERMITS),
    ));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.refusing() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, client, slot)) = accepted else {
            continue;
        };
        connections.spawn(connection(
            stream,
            client,
            slot,
            Arc::clone(&builder),
            router.clone(),
            Timeouts {
                head: config.head_timeout,
                write: config.write_timeout,
            },
            drain.clone(),
        ));
    }
    drop(listener);
    connections.close();
    drain.finished().await;
    // The last bytes of a stream that has ended may still be on their way.
    tokio::select! {
        () = connections.wait() => {}
        () = drain.forced() => {
            tracing::warn!(connections = connections.len(), "connections are cut");
        }
    }
    Ok(())
}

fn builder(config: &Config) -> auto::Builder<Streams> {
    let mut builder = auto::Builder::new(Streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.head_timeout)
        .max_buf_size(WRITE_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .max_send_buf_size(WRITE_BUFFER)
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .keep_alive_interval(KEEPALIVE.0)
        .keep_alive_timeout(KEEPALIVE.1);
    builder
}

/// Runs the streams of HTTP/2 connections, each for as long as it may live.
#[derive(Clone, Copy)]
struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(tokio::time::timeout(STREAM_LIFE, stream));
    }
}

/// The next connection, once there is room for it. `None` when this one failed.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, client)) => Some((stream, client, slot)),
        Err(error) => {
            let of_the_client = matches!(
                error.kind(),
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
            );
            if !of_the_client {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            None
        }
    }
}

/// How long a connection may dawdle.
#[derive(Clone, Copy)]
struct Timeouts {
    head: Duration,
    write: Duration,
}

async fn connection(
    stream: TcpStream,
    client: SocketAddr,
    slot: OwnedSemaphorePermit,
    builder: Arc<auto::Builder<Streams>>,
    router: Router,
    timeouts: Timeouts,
    drain: Drain,
) {
    let _slot = slot;
    // A token is a small write that must not wait for the next.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(timeouts.write));
    let first_request = Arc::new(Notify::new());
    let arrived = Arc::clone(&first_request);
    let service = service_fn(move |mut request: Request<Incoming>| {
        arrived.notify_one();
        request.extensions_mut().insert(ConnectInfo(client));
        router.clone().oneshot(request)
    });
    let io = TokioIo::new(Box::pin(stream));
    let connection = builder.serve_connection(io, TowerToHyperService::new(service));
    tokio::pin!(connection);
    let first_deadline = tokio::time::sleep(timeouts.head);
    tokio::pin!(first_deadline);
    let refusing = drain.refusing();
    tokio::pin!(refusing);
    let (mut waiting, mut leaving) = (true, false);
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    // Mostly a client that left in the middle: its right, and no event of ours.
                    tracing::debug!(error, "a connection ended early");
                }
                return;
            }
            () = first_request.notified(), if waiting => waiting = false,
            // hyper's own limit begins only once it knows the protocol.
            () = first_deadline.as_mut(), if waiting => return,
            () = refusing.as_mut(), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_nobody_takes_is_let_go_after_its_life() {
        let (held, let_go) = tokio::sync::oneshot::channel::<()>();
        Streams.execute(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        let began = tokio::time::Instant::now();
        assert!(let_go.await.is_err());
        assert_eq!(began.elapsed().as_secs(), STREAM_LIFE.as_secs());
    }
}
