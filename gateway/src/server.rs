//! Connections: accepting them, bounding what each may hold and how long it may dawdle, and letting
//! them go when the process drains. HTTP/1.1 and HTTP/2 are served on one port, over TLS or in plain text.
//! It must not know the routes.

mod activity;
mod addresses;
mod connection;
mod redirect;

use std::{io, net::SocketAddr, sync::Arc};

use axum::Router;
use http::HeaderValue;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::task::TaskTracker;
use troika_chassis::{
    lifecycle::Drain,
    meters::Meters,
    tls::{HTTP_1, HTTP_2, ServerTls, Tls, TlsError},
};

use self::{
    addresses::Addresses,
    connection::{Streams, Timeouts},
    redirect::Redirect,
};
use crate::{
    Service,
    config::{Config, TLS},
};

/// How long to wait when the system refuses to give another connection, as when it is out of files.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Whether a request came over TLS to this process. Each has it among its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverTls(pub(crate) bool);

/// Why serving could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener is unusable.
    #[error("the gateway cannot use its listener: {0}")]
    Listener(#[from] io::Error),
}

/// Why doors cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoorError {
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The port for plain requests cannot be had.
    #[error(
        "gateway.tls.redirect_port: {address} cannot be listened on: {problem}; set another one with \
         TROIKA_GATEWAY__TLS__REDIRECT_PORT, or none"
    )]
    Redirect {
        /// Where.
        address: SocketAddr,
        /// Why not.
        problem: io::Error,
    },
}

/// How people come in, beside the listener itself.
#[derive(Debug)]
pub(crate) struct Doors {
    tls: Option<ServerTls>,
    redirect: Option<(TcpListener, Redirect)>,
    addresses: Addresses,
    counted: Counted,
}

/// What is counted of connections.
#[derive(Clone, Debug)]
struct Counted {
    open: Gauge,
    refused: Counter,
}

impl Doors {
    /// Reads the certificate, and listens on the port for plain requests. Must be called within a Tokio runtime.
    pub(crate) async fn open(config: &Config, meters: &Meters) -> Result<Self, DoorError> {
        let files = config.tls.files();
        let tls = if files.serves() {
            Tls::load(TLS, &files, &[HTTP_2, HTTP_1], meters)?.server()
        } else {
            None
        };
        let redirect = match (&tls, config.tls.redirect_port) {
            (Some(tls), Some(port)) => {
                let address = SocketAddr::new(config.host, port);
                let listener = TcpListener::bind(address)
                    .await
                    .map_err(|problem| DoorError::Redirect { address, problem })?;
                let public = config.tls.public_port.unwrap_or(config.port);
                Some((listener, Redirect::new(tls.clone(), public)))
            }
            _ => None,
        };
        let refused = meters.metric(
            "troika_gateway_connections_refused",
            "Connections that were closed at once",
            Family::<[(&'static str, &'static str); 1], Counter>::default,
        );
        let counted = Counted {
            open: meters.metric(
                "troika_gateway_connections",
                "Connections that are open",
                Gauge::default,
            ),
            refused: refused.get_or_create(&[("reason", "address")]).clone(),
        };
        // A proxy makes all connections of its clients.
        let mut exempt = config.rate_limit_ip_whitelist.clone();
        exempt.extend(&config.proxies.trusted);
        Ok(Self {
            tls,
            redirect,
            addresses: Addresses::new(config.max_connections_per_address, exempt),
            counted,
        })
    }
}

/// What answers the requests of a connection.
#[derive(Clone, Debug)]
enum Door {
    /// The routes, in plain text.
    Plain,
    /// The routes, over TLS; told to browsers so that they ask for nothing else.
    Tls(ServerTls, Option<HeaderValue>),
    /// Whoever comes in plain text is sent to where TLS is spoken.
    Redirect(Redirect),
}

/// What all connections share.
struct House {
    router: Router,
    builder: hyper_util::server::conn::auto::Builder<Streams>,
    timeouts: Timeouts,
    slots: Arc<Semaphore>,
    addresses: Addresses,
    counted: Counted,
    connections: TaskTracker,
    drain: Drain,
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
    let Service {
        router,
        config,
        doors,
        follower: _follower,
    } = service;
    let address = listener.local_addr()?;
    tracing::info!(%address, tls = doors.tls.is_some(), "gateway listens");
    // One waits at each listener.
    let waiting = usize::from(doors.redirect.is_some());
    let slots = config.max_connections.saturating_add(waiting);
    let house = Arc::new(House {
        router,
        builder: connection::builder(&config),
        timeouts: Timeouts::of(&config),
        slots: Arc::new(Semaphore::new(slots.min(Semaphore::MAX_PERMITS))),
        addresses: doors.addresses,
        counted: doors.counted,
        connections: TaskTracker::new(),
        drain: drain.clone(),
    });
    let door = match doors.tls {
        Some(tls) => Door::Tls(tls, config.tls.transport_security()),
        None => Door::Plain,
    };
    let redirecting = async {
        if let Some((listener, redirect)) = doors.redirect {
            let address = listener.local_addr()?;
            tracing::info!(%address, "plain requests are sent to TLS");
            attend(listener, Door::Redirect(redirect), &house).await;
        }
        Ok::<_, io::Error>(())
    };
    let (_, redirected) = tokio::join!(attend(listener, door, &house), redirecting);
    redirected?;
    house.connections.close();
    drain.finished().await;
    // The last bytes of a stream that has ended may still be on their way.
    tokio::select! {
        () = house.connections.wait() => {}
        () = drain.forced() => {
            tracing::warn!(connections = house.connections.len(), "connections are cut");
        }
    }
    Ok(())
}

/// Takes connections until the process drains.
async fn attend(listener: TcpListener, door: Door, house: &Arc<House>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = house.drain.refusing() => break,
            accepted = accept(&listener, &house.slots) => accepted,
        };
        let Some((stream, client, slot)) = accepted else {
            continue;
        };
        let Some(place) = house.addresses.enter(client.ip()) else {
            house.counted.refused.inc();
            tracing::debug!("a connection more than its address may have is closed");
            continue;
        };
        let serving = connection::serve(stream, client, door.clone(), Arc::clone(house));
        house.connections.spawn(async move {
            let _held = (slot, place);
            serving.await;
        });
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
