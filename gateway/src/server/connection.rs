//! One connection: the handshake, the protocol, and how long each side of it may dawdle. It must not know how it came
//! to be accepted.

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::extract::{ConnectInfo, Request};
use http::{Response, header::STRICT_TRANSPORT_SECURITY};
use hyper::{body::Incoming, rt::Executor};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep, sleep_until},
};
use tokio_io_timeout::TimeoutStream;
use tower::{ServiceExt as _, service_fn};

use super::{
    Door, House, OverTls,
    activity::{Activity, Answer},
};
use crate::config::Config;

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
/// The longest a TLS handshake may take, where a request's head may take longer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// What an idle connection may take to say goodbye.
const PARTING: Duration = Duration::from_secs(5);

pub(super) fn builder(config: &Config) -> auto::Builder<Streams> {
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
pub(super) struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(tokio::time::timeout(STREAM_LIFE, stream));
    }
}

/// How long a connection may dawdle.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    head: Duration,
    write: Duration,
    idle: Duration,
}

impl Timeouts {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            head: config.head_timeout,
            write: config.write_timeout,
            idle: config.idle_timeout,
        }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, client: SocketAddr, door: Door, house: Arc<House>) {
    let _open = Open::new(&house);
    // A token is a small write that must not wait for the next.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let first_request = Instant::now() + house.timeouts.head;
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(house.timeouts.write));
    let stream = Box::pin(stream);
    match &door {
        Door::Plain | Door::Redirect(_) => {
            speak(stream, client, door, &house, first_request).await;
        }
        Door::Tls(tls, _) => {
            let within = HANDSHAKE.min(house.timeouts.head);
            match tls.accept(stream, within).await {
                Ok(stream) => speak(stream, client, door, &house, first_request).await,
                // Mostly somebody who looks for something else: no event of ours.
                Err(error) => tracing::debug!(%error, "a TLS handshake came to nothing"),
            }
        }
    }
}

/// Speaks HTTP until one of the sides has enough.
async fn speak<S>(stream: S, client: SocketAddr, door: Door, house: &House, first_request: Instant)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::default();
    let service = {
        let (activity, router) = (activity.clone(), house.router.clone());
        service_fn(move |mut request: Request<Incoming>| {
            let busy = activity.begin();
            request.extensions_mut().insert(ConnectInfo(client));
            let (door, router) = (door.clone(), router.clone());
            async move {
                let answer = answer(request, &door, router).await;
                Ok::<_, Infallible>(answer.map(|body| Answer::new(body, busy)))
            }
        })
    };
    let connection = house
        .builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let first_deadline = sleep_until(first_request);
    tokio::pin!(first_deadline);
    let idle = sleep(house.timeouts.idle);
    tokio::pin!(idle);
    let refusing = house.drain.refusing();
    tokio::pin!(refusing);
    let (mut waiting, mut leaving, mut parting) = (true, false, false);
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    // Mostly a client that left in the middle: its right, and no event of ours.
                    tracing::debug!(error, "a connection ended early");
                }
                return;
            }
            () = activity.changed() => {
                waiting = false;
                idle.as_mut().reset(Instant::now() + house.timeouts.idle);
            }
            // hyper's own limit begins only once it knows the protocol.
            () = first_deadline.as_mut(), if waiting => return,
            // A client that answers pings could stay for ever.
            () = idle.as_mut(), if !waiting && activity.is_none() => {
                if parting {
                    return;
                }
                parting = true;
                connection.as_mut().graceful_shutdown();
                idle.as_mut().reset(Instant::now() + PARTING);
            }
            () = refusing.as_mut(), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn answer(
    mut request: Request<Incoming>,
    door: &Door,
    router: axum::Router,
) -> Response<axum::body::Body> {
    let over_tls = OverTls(matches!(door, Door::Tls(..)));
    request.extensions_mut().insert(over_tls);
    if let Door::Redirect(redirect) = door
        && let Some(answer) = redirect.answer(&request)
    {
        return answer;
    }
    let answered: Result<_, Infallible> = router.oneshot(request).await;
    let mut answer = match answered {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    if let Door::Tls(_, Some(security)) = door {
        answer
            .headers_mut()
            .insert(STRICT_TRANSPORT_SECURITY, security.clone());
    }
    answer
}

/// A connection that is counted while this lives.
struct Open(prometheus_client::metrics::gauge::Gauge);

impl Open {
    fn new(house: &House) -> Self {
        let open = house.counted.open.clone();
        open.inc();
        Self(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
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
