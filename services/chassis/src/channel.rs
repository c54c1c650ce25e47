//! Channels to the services of other processes. It must not know which services there are.

mod credential;
mod renewal;

use std::{
    error::Error as _,
    sync::Arc,
    time::{Duration, Instant},
};

use bytesize::ByteSize;
use http::Uri;
use serde::{Deserialize, Serialize};
use tonic::{
    ConnectError, Status,
    transport::{self, Endpoint, channel::Change},
};
use url::Url;

pub use self::credential::Credential;
pub(crate) use self::renewal::Renewal;
pub use crate::meters::MeasuredChannel as Channel;
use crate::{
    config::{Problems, Validate},
    tls::ClientTls,
};

/// Changes of certificates that may wait for a call, for each connection. One is usual.
const CHANGES: usize = 4;

/// How a channel keeps its connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelConfig {
    /// HTTP/2 connections that calls are spread over.
    pub connections: usize,
    /// Limit for a connection with its TLS handshake.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How often an idle connection is asked whether it still is one.
    #[serde(with = "humantime_serde")]
    pub keepalive_interval: Duration,
    /// How long the answer to that may take.
    #[serde(with = "humantime_serde")]
    pub keepalive_timeout: Duration,
    /// Bytes that may be under way on one stream.
    pub stream_window: ByteSize,
    /// Bytes that may be under way on one connection.
    pub connection_window: ByteSize,
    /// What is shown with each call. Not of the file: the process fills it in.
    #[serde(skip)]
    pub credential: Credential,
    /// What `https` addresses are trusted by, and shown. Not of this section: the process hands it on.
    #[serde(skip)]
    pub tls: ClientTls,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            connections: 4,
            connect_timeout: Duration::from_secs(2),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            // Far more than a turn's text, so that a short stall is bridged.
            stream_window: ByteSize::kib(256),
            // A permit, not memory: all streams' unread bytes must fit together, or readers that take
            // nothing would keep every other stream of the connection waiting.
            connection_window: ByteSize::gib(1),
            credential: Credential::default(),
            tls: ClientTls::default(),
        }
    }
}

impl Validate for ChannelConfig {
    fn validate(&self, problems: &mut Problems) {
        problems.check(
            (1..=64).contains(&self.connections),
            "connections",
            "must be from 1 to 64",
        );
        for (key, value) in [
            ("connect_timeout", self.connect_timeout),
            ("keepalive_interval", self.keepalive_interval),
            ("keepalive_timeout", self.keepalive_timeout),
        ] {
            problems.check(!value.is_zero(), key, "must be longer than 0s");
        }
        check_window(problems, "stream_window", self.stream_window);
        check_window(problems, "connection_window", self.connection_window);
    }
}

/// Where a role that listens on `PORT` by default is, and how it is reached: for calls that are few.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbour<const PORT: u16> {
    /// Its gRPC address: `http://` in plain text, `https://` with TLS.
    #[serde(default = "local::<PORT>")]
    pub address: Url,
    /// The connection to it: one is enough.
    #[serde(default = "single")]
    pub channel: ChannelConfig,
}

impl<const PORT: u16> Default for Neighbour<PORT> {
    fn default() -> Self {
        Self {
            address: local::<PORT>(),
            channel: single(),
        }
    }
}

// It is a URL; a test says so.
#[allow(clippy::expect_used)]
fn local<const PORT: u16>() -> Url {
    Url::parse(&format!("http://127.0.0.1:{PORT}")).expect("the default address is a URL")
}

fn single() -> ChannelConfig {
    ChannelConfig {
        connections: 1,
        ..ChannelConfig::default()
    }
}

impl<const PORT: u16> Validate for Neighbour<PORT> {
    fn validate(&self, problems: &mut Problems) {
        check_address(problems, "address", &self.address);
        self.channel.validate(&mut problems.at("channel"));
    }
}

/// Reports an address that no gRPC service can be called at.
pub fn check_address(problems: &mut Problems, key: &str, address: &Url) {
    if !matches!(address.scheme(), "http" | "https") || !address.has_host() {
        problems.push(
            key,
            "must be an address such as http://127.0.0.1:50051 or https://chat.example:443",
        );
    } else if address.path() != "/" || address.query().is_some() {
        problems.push(key, "must be an address without a path or a query");
    } else if !address.username().is_empty() || address.password().is_some() {
        // They would be shown with the settings, and are not sent.
        problems.push(key, "must be an address without a user and a password");
    }
}

/// HTTP/2 windows have 31 bits, and begin at 64 KiB less one byte.
pub(crate) fn check_window(problems: &mut Problems, key: &str, window: ByteSize) {
    let right = (u64::from(u16::MAX)..=u64::from(u32::MAX >> 1)).contains(&window.as_u64());
    problems.check(right, key, "must be from 64 KiB to 2 GiB less one byte");
}

/// The window as HTTP/2 takes it.
pub(crate) fn window(size: ByteSize) -> u32 {
    u32::try_from(size.as_u64())
        .unwrap_or(u32::MAX)
        .min(u32::MAX >> 1)
}

/// A channel that connects when it is first used and again whenever a connection breaks; TLS when the
/// scheme is `https`. While the peer cannot be reached, calls fail as unavailable after at most the
/// connect timeout. Must be called inside a tokio runtime.
pub fn channel(uri: Uri, config: &ChannelConfig) -> Channel {
    if !is_https(&uri) || config.tls == ClientTls::default() {
        return Channel::new(uncounted(uri, config), config.credential.clone(), None);
    }
    let credential = config.credential.clone();
    let (channel, changes) = balanced(uri.clone(), config);
    let renewal = |(changes, taken)| Renewal::new(uri, config.clone(), changes, taken);
    Channel::new(channel, credential, Some(Arc::new(renewal(changes))))
}

/// The same, its calls not among the process's figures, and nothing in it renewed.
pub(crate) fn uncounted(uri: Uri, config: &ChannelConfig) -> transport::Channel {
    if config.connections <= 1 {
        return usable(uri, config).1.connect_lazy();
    }
    balanced(uri, config).0
}

type Changes = (tokio::sync::mpsc::Sender<Change<usize, Endpoint>>, u64);

/// A channel over all its connections, what they are changed by, and the number of what they are made with.
fn balanced(uri: Uri, config: &ChannelConfig) -> (transport::Channel, Changes) {
    let (number, endpoint) = usable(uri, config);
    let connections = config.connections.max(1);
    let (channel, changes) =
        transport::Channel::balance_channel::<usize>(connections * (1 + CHANGES));
    for connection in 0..connections {
        // The queue is longer than the list.
        let _ = changes.try_send(Change::Insert(connection, endpoint.clone()));
    }
    (channel, (changes, number))
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

/// How often a call that never left this process is made again, and for how long.
const TRIES: usize = 8;
const PATIENCE: Duration = Duration::from_millis(500);

/// Makes a call, and makes it again at once when it never left this process: each connection of a
/// channel tells the failure of its last connecting to the next call it gets, though the peer may be back
/// since. A peer that is away for real is told after half a second, or one connect timeout.
pub async fn reach<T, F>(mut call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let began = Instant::now();
    let mut tries = 1;
    loop {
        match call().await {
            Err(status) if tries < TRIES && began.elapsed() < PATIENCE && is_unsent(&status) => {
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}

/// The status stands for a connection that could not be made: the peer has not seen the call.
fn is_unsent(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn usable(uri: Uri, config: &ChannelConfig) -> (u64, Endpoint) {
    endpoint(uri.clone(), config).unwrap_or_else(|error| {
        // Without TLS this endpoint refuses every call: an https address is never spoken to in the clear.
        tracing::error!(%error, "TLS cannot be set up for calls to other processes");
        (0, plain(uri, config))
    })
}

/// How one connection is made, and the number of what it trusts and shows.
fn endpoint(uri: Uri, config: &ChannelConfig) -> Result<(u64, Endpoint), transport::Error> {
    if !is_https(&uri) {
        return Ok((0, plain(uri, config)));
    }
    let (number, tls) = config.tls.now();
    let endpoint = plain(uri, config).tls_config(tls.timeout(config.connect_timeout))?;
    Ok((number, endpoint))
}

fn plain(uri: Uri, config: &ChannelConfig) -> Endpoint {
    Endpoint::from(uri)
        .connect_timeout(config.connect_timeout)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(config.keepalive_interval))
        .http2_keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(window(config.stream_window))
        .initial_connection_window_size(window(config.connection_window))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        net::SocketAddr,
        sync::{Arc, Mutex},
    };

    use tokio::{io::AsyncReadExt as _, net::TcpListener};
    use tonic::{Request, Response, Status, transport::server::TcpIncoming};

    use super::*;
    use crate::{
        health::{
            client::HealthClient,
            v1::{
                HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
                health_server::{Health, HealthServer},
            },
        },
        lifecycle::{Drain, Readiness},
        server::{GrpcService, ServerConfig, serve_grpc},
    };

    #[test]
    fn a_neighbour_is_on_this_machine_where_nothing_is_said() {
        let neighbour: Neighbour<50054> = serde_json::from_str("{}").unwrap();
        assert_eq!(neighbour, Neighbour::default());
        assert_eq!(neighbour.address.as_str(), "http://127.0.0.1:50054/");
        assert!(Problems::of(&neighbour).is_empty());
    }

    async fn check(channel: Channel) -> Result<(), tonic::Status> {
        HealthClient::new(channel)
            .check(HealthCheckRequest::default())
            .await
            .map(|_| ())
    }

    #[tokio::test]
    async fn it_connects_when_the_peer_appears_and_again_after_it_was_away() {
        let place = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let channel = channel(
            format!("http://{place}").parse().unwrap(),
            &ChannelConfig::default(),
        );
        let status = check(channel.clone()).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
        for _ in 0..2 {
            let drain = Drain::default();
            let listener = TcpListener::bind(place).await.unwrap();
            let config = ServerConfig::default();
            let server = tokio::spawn({
                let drain = drain.clone();
                async move {
                    serve_grpc(
                        listener,
                        GrpcService::default(),
                        &config,
                        Readiness::default(),
                        drain,
                    )
                    .await
                }
            });
            let reached = async {
                while check(channel.clone()).await.is_err() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), reached)
                .await
                .unwrap();
            drain.begin();
            server.await.unwrap().unwrap();
        }
    }

    /// Remembers from where it was asked.
    #[derive(Clone, Default)]
    struct Callers(Arc<Mutex<BTreeSet<SocketAddr>>>);

    #[tonic::async_trait]
    impl Health for Callers {
        type WatchStream = futures::stream::Empty<Result<HealthCheckResponse, Status>>;

        async fn check(
            &self,
            request: Request<HealthCheckRequest>,
        ) -> Result<Response<HealthCheckResponse>, Status> {
            self.0.lock().unwrap().extend(request.remote_addr());
            Ok(Response::new(Default::default()))
        }

        async fn list(
            &self,
            _: Request<HealthListRequest>,
        ) -> Result<Response<HealthListResponse>, Status> {
            Ok(Response::new(Default::default()))
        }

        async fn watch(
            &self,
            _: Request<HealthCheckRequest>,
        ) -> Result<Response<Self::WatchStream>, Status> {
            Ok(Response::new(futures::stream::empty()))
        }
    }

    #[tokio::test]
    async fn calls_are_spread_over_its_connections() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap();
        let callers = Callers::default();
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(HealthServer::new(callers.clone()))
                .serve_with_incoming(TcpIncoming::from(listener)),
        );
        let config = ChannelConfig::default();
        let channel = channel(format!("http://{place}").parse().unwrap(), &config);
        let spread = async {
            while callers.0.lock().unwrap().len() < config.connections {
                check(channel.clone()).await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(10), spread)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn an_https_address_is_never_spoken_to_in_the_clear() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("https://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let config = ChannelConfig {
            connections: 1,
            ..ChannelConfig::default()
        };
        let call = tokio::spawn(check(channel(uri, &config)));
        let (mut stream, _) = listener.accept().await.unwrap();
        let first = stream.read_u8().await.unwrap();
        assert_eq!(first, 0x16, "a TLS handshake begins with its record type");
        drop(stream);
        assert!(call.await.unwrap().is_err());
    }

    #[test]
    fn windows_outside_of_http2_are_refused() {
        let config = ChannelConfig {
            stream_window: ByteSize::gib(2),
            ..ChannelConfig::default()
        };
        assert!(
            Problems::of(&config)
                .to_string()
                .starts_with("stream_window: ")
        );
        assert!(Problems::of(&ChannelConfig::default()).is_empty());
    }
}
