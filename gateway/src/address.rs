//! Who is asking, by address: the connection's other end, or whom the proxies in front say they ask for, as far as they
//! are believed. It must not know what an address may do.
//!
//! Lists of addresses are read from the right. The rightmost entry was written by the neighbour that the connection
//! comes from, each further one by the neighbour of the one after it; so an entry counts only while everybody to its
//! right is believed, and whatever a client wrote itself stands further left than any entry that counts.

mod forwarded;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::extract::ConnectInfo;
use http::HeaderMap;

use crate::{
    config::{Forwarding, Proxies},
    server::OverTls,
};

/// Who is asking. An IPv4 address in the clothes of IPv6 is an IPv4 address. No `Debug`: it is personal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// Whether the client's own connection is one over TLS. Whoever accepts a connection over TLS says so beside
/// `ConnectInfo`; a proxy that is believed knows better.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Https(pub(crate) bool);

/// What a neighbour wrote about whom it asks for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Entry {
    /// `None`: it does not say, or in no words that are known.
    address: Option<IpAddr>,
    https: Option<bool>,
}

/// Believes proxies as it is configured. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Doorman(Arc<Proxies>);

impl Doorman {
    /// Believes the proxies of `config`, and nobody when there are none.
    pub(crate) fn new(config: &Proxies) -> Self {
        Self(Arc::new(config.clone()))
    }

    /// Notes at a request who asks. Comes before all who want to know.
    pub(crate) fn note<B>(&self, mut request: http::Request<B>) -> http::Request<B> {
        let connection = request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
        let over_tls = request.extensions().get::<OverTls>();
        let secure = Https(over_tls.is_some_and(|OverTls(tls)| *tls));
        let (client, secure) = self.asks(connection.to_canonical(), secure, request.headers());
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(secure);
        request
    }

    /// Who asks over a connection from `peer`.
    fn asks(&self, peer: IpAddr, secure: Https, headers: &HeaderMap) -> (ClientAddress, Https) {
        let mut who = (peer, secure.0);
        let mut believed = 0;
        let mut entries = Entries::of(self.0.header, headers);
        while self.believes(who.0, believed) {
            let Some(entry) = entries.next() else { break };
            believed += 1;
            // Who wrote it is believed, also where they do not name whom they ask for.
            who.1 = entry.https.unwrap_or(who.1);
            let Some(address) = entry.address else { break };
            who.0 = address;
        }
        (ClientAddress(who.0), Https(who.1))
    }

    /// Whether the one who asks is a proxy whose word counts; `believed` others stand between it and us.
    fn believes(&self, asking: IpAddr, believed: usize) -> bool {
        if self.0.trusted.is_empty() {
            return believed < self.0.hops;
        }
        self.0
            .trusted
            .iter()
            .any(|network| network.contains(&asking))
    }
}

/// What neighbours wrote, the nearest first.
enum Entries<'a> {
    Forwarded(forwarded::FromRight<'a>),
    Plain {
        addresses: forwarded::FromRight<'a>,
        schemes: forwarded::FromRight<'a>,
    },
}

impl<'a> Entries<'a> {
    fn of(header: Forwarding, headers: &'a HeaderMap) -> Self {
        let list = |name| {
            forwarded::FromRight::new(headers.get_all(name), header == Forwarding::Forwarded)
        };
        match header {
            Forwarding::Forwarded => Self::Forwarded(list("forwarded")),
            Forwarding::XForwardedFor => Self::Plain {
                addresses: list("x-forwarded-for"),
                schemes: list("x-forwarded-proto"),
            },
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        match self {
            Self::Forwarded(elements) => elements.next().map(forwarded::element),
            Self::Plain { addresses, schemes } => {
                let (address, scheme) = (addresses.next(), schemes.next());
                (address.is_some() || scheme.is_some()).then(|| Entry {
                    address: address.and_then(forwarded::plain),
                    https: scheme.and_then(forwarded::scheme),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
