//! Serves gRPC with what every server here has: health, reflection, keepalive, request context, panics
//! turned into answers, and an end that follows the drain. It must not know which services it serves.

mod guard;

use std::{
    future::Future,
    io::{self, ErrorKind},
    pin::pin,
    time::Duration,
};

use bytesize::ByteSize;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};

use self::guard::GuardLayer;
use crate::{
    channel::{check_window, window},
    config::{Problems, Validate},
    context::RequestLayer,
    health::{HealthService, v1::health_server::HealthServer},
    lifecycle::{Drain, Readiness},
    meters::{KnownMethods, MeasuredServerLayer},
    tls::{ServerTls, accepting},
};

/// How long connections may take to send their last bytes once nothing is under way any more.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// The pause after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How connections are served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerConfig {
    /// Largest message that is accepted. Each role sets it on its generated servers with
    /// `max_decoding_message_size`.
    pub max_message: ByteSize,
    /// Streams of one connection at once.
    pub max_concurrent_streams: u32,
    /// How often an idle connection is asked whether it still is one.
    #[serde(with = "humantime_serde")]
    pub keepalive_interval: Duration,
    /// How long the answer to that may take.
    #[serde(with = "humantime_serde")]
    pub keepalive_timeout: Duration,
    /// Bytes that may be under way to us on one stream.
    pub stream_window: ByteSize,
    /// Bytes that may be under way to us on one connection.
    pub connection_window: ByteSize,
    /// TLS instead of plain text. Not of this section: the process hands it on.
    #[serde(skip)]
    pub tls: Option<ServerTls>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_message: ByteSize::mib(4),
            max_concurrent_streams: 10_000,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            stream_window: ByteSize::mib(1),
            connection_window: ByteSize::mib(8),
            tls: None,
        }
    }
}

impl Validate for ServerConfig {
    fn validate(&self, problems: &mut Problems) {
        let message = (1024..=u64::from(u32::MAX)).contains(&self.max_message.as_u64());
        problems.check(message, "max_message", "must be from 1 KiB to 4 GiB");
        problems.check(
            self.max_concurrent_streams > 0,
            "max_concurrent_streams",
            "must be at least 1",
        );
        problems.check(
            !self.keepalive_interval.is_zero(),
            "keepalive_interval",
            "must be longer than 0s",
        );
        problems.check(
            !self.keepalive_timeout.is_zero(),
            "keepalive_timeout",
            "must be longer than 0s",
        );
        check_window(problems, "stream_window", self.stream_window);
        check_window(problems, "connection_window", self.connection_window);
    }
}

/// What a role serves.
#[derive(Clone, Debug, Default)]
pub struct GrpcService {
    /// Its generated servers.
    pub routes: Routes,
    /// Their full names, such as `troika.chat.v1.ChatStream`, for the health service.
    pub service_names: Vec<&'static str>,
    /// Their encoded `FileDescriptorSet`s, for reflection.
    pub descriptors: Vec<&'static [u8]>,
}

impl GrpcService {
    /// Both behind one address.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        // Each answers what nobody serves in the same way; one of the two does.
        let others = other.routes.into_axum_router().reset_fallback();
        self.routes = self.routes.into_axum_router().merge(others).into();
        self.service_names.extend(other.service_names);
        self.descriptors.extend(other.descriptors);
        self
    }
}

/// Why serving could not begin or broke off.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The descriptors of the service cannot be read.
    #[error("descriptors for gRPC reflection cannot be read: {0:?}")]
    Reflection(tonic_reflection::server::Error),
    /// The transport broke.
    #[error("serving gRPC broke off")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves until the drain is over. The listener is bound by the caller.
///
/// When the drain refuses new work the listener is closed, connections are told to go away and watches
/// of the health service end; calls under way go on, and hold the drain, until they end or the drain is
/// forced. Then this returns. A connection that is open after that ends with the process.
///
/// # Errors
///
/// Broken descriptors, at once; a broken transport, later.
pub async fn serve_grpc(
    listener: TcpListener,
    service: GrpcService,
    config: &ServerConfig,
    readiness: Readiness,
    drain: Drain,
) -> Result<(), ServeError> {
    let known = KnownMethods::of(&service.descriptors);
    let routes = routes(service, readiness, drain.clone())?;
    let incoming = TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .with_keepalive(Some(config.keepalive_interval))
        .then(paced);
    let router = Server::builder()
        .max_concurrent_streams(config.max_concurrent_streams)
        // Many listeners may leave at once: the default of 20 would cost all others on the connection
        // their streams.
        .http2_max_pending_accept_reset_streams(Some(config.max_concurrent_streams as usize))
        .http2_keepalive_interval(Some(config.keepalive_interval))
        .http2_keepalive_timeout(Some(config.keepalive_timeout))
        .initial_stream_window_size(window(config.stream_window))
        .initial_connection_window_size(window(config.connection_window))
        .layer(RequestLayer::new())
        .layer(MeasuredServerLayer::new(known))
        .layer(GuardLayer::new(drain.clone()))
        .add_routes(routes);
    let refusing = {
        let drain = drain.clone();
        async move { drain.refusing().await }
    };
    match config.tls.clone() {
        None => {
            let serving = router.serve_with_incoming_shutdown(incoming, refusing);
            until_drained(serving, &drain).await
        }
        Some(tls) => {
            let incoming = accepting(incoming, tls);
            let serving = router.serve_with_incoming_shutdown(incoming, refusing);
            until_drained(serving, &drain).await
        }
    }
}

/// Without a pause, running out of file descriptors would spin: the next try fails at once too.
async fn paced<C>(accepted: io::Result<C>) -> io::Result<C> {
    if let Err(error) = &accepted
        && !matches!(
            error.kind(),
            ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
        )
    {
        tracing::warn!(%error, "a connection cannot be accepted");
        tokio::time::sleep(ACCEPT_AGAIN).await;
    }
    accepted
}

/// The transport's own end waits for every connection to close, and with it for clients that never do.
async fn until_drained(
    serving: impl Future<Output = Result<(), tonic::transport::Error>>,
    drain: &Drain,
) -> Result<(), ServeError> {
    let mut serving = pin!(serving);
    tokio::select! {
        // All connections closed: what else the drain waits for is not done yet.
        ended = &mut serving => {
            ended?;
            drain.finished().await;
            return Ok(());
        }
        () = drain.finished() => {}
    }
    match tokio::time::timeout(LAST_BYTES, serving).await {
        Ok(ended) => Ok(ended?),
        Err(_) => Ok(()),
    }
}

/// Health and reflection alone, for a role whose own interface is not gRPC: probes and grpcurl then work
/// against every process alike.
///
/// # Errors
///
/// Broken descriptors.
pub fn introspection(readiness: Readiness, drain: Drain) -> Result<Routes, ServeError> {
    routes(GrpcService::default(), readiness, drain)
}

fn routes(service: GrpcService, readiness: Readiness, drain: Drain) -> Result<Routes, ServeError> {
    let health = HealthService::new(&service.service_names, readiness, drain);
    let reflection = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(crate::health::v1::FILE_DESCRIPTOR_SET)
            // The details of errors: without them a client shows their bytes.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET);
        service.descriptors.iter().fold(builder, |builder, set| {
            builder.register_encoded_file_descriptor_set(set)
        })
    };
    Ok(service
        .routes
        .add_service(HealthServer::new(health))
        .add_service(reflection().build_v1().map_err(ServeError::Reflection)?)
        .add_service(
            reflection()
                .build_v1alpha()
                .map_err(ServeError::Reflection)?,
        )
        .prepare())
}

#[cfg(test)]
mod tests;
