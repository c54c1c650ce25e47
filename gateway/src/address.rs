//! Where a request comes from: the connection's own address, or what proxies before us say, as far as they are believed. It
//! must not know what addresses are counted for.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderName, header::FORWARDED};
use ipnet::IpNet;

use crate::{
    config::{ForwardedBy, Proxies},
    server::OverTls,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Where a request comes from. An IPv4 address that is written as one of IPv6 is an IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// Whether the client's own connection is encrypted: ours, or that of a proxy which is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Https(pub(crate) bool);

/// Finds out where a request comes from, before anything else is looked at.
pub(crate) async fn locate(
    State(proxies): State<Arc<Proxies>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| {
        peer.ip().to_canonical()
    });
    let over_tls = request.extensions().get::<OverTls>();
    let over_tls = over_tls.is_some_and(|OverTls(tls)| *tls);
    let (address, https) = origin(peer, request.headers(), &proxies);
    let extensions = request.extensions_mut();
    extensions.insert(ClientAddress(address));
    extensions.insert(Https(https.unwrap_or(over_tls)));
    next.run(request).await
}

/// The client's address, and whether it came by https where a believed proxy says so.
fn origin(peer: IpAddr, headers: &HeaderMap, proxies: &Proxies) -> (IpAddr, Option<bool>) {
    let trusts = |address: IpAddr| proxies.trusted.iter().any(|net| within(net, address));
    // Networks say who is believed; without them the number of proxies does, and whoever connects is the nearest.
    let by_network = !proxies.trusted.is_empty();
    if (by_network && !trusts(peer)) || (!by_network && proxies.hops == 0) {
        return (peer, None);
    }
    let hops = match proxies.header {
        ForwardedBy::XForwardedFor => x_forwarded_for(headers),
        ForwardedBy::Forwarded => forwarded(headers),
    };
    let mut client = peer;
    let mut https = None;
    for (number, hop) in hops.into_iter().rev().enumerate() {
        if !by_network && number >= usize::from(proxies.hops) {
            break;
        }
        // What cannot be read, or is hidden, says nothing, and neither does what stands left of it.
        let Some(address) = hop.address else {
            break;
        };
        client = address;
        https = hop.https.or(https);
        if by_network && !trusts(address) {
            break;
        }
    }
    if proxies.header == ForwardedBy::XForwardedFor {
        https = last_text(headers, &X_FORWARDED_PROTO)
            .map(|scheme| scheme.eq_ignore_ascii_case("https"));
    }
    (client, https)
}

/// Whether an address is of a network, both as they are meant.
fn within(net: &IpNet, address: IpAddr) -> bool {
    net.contains(&address)
        || match (net, address) {
            // A network of mapped addresses.
            (IpNet::V6(_), IpAddr::V4(address)) => {
                net.contains(&IpAddr::V6(address.to_ipv6_mapped()))
            }
            _ => false,
        }
}

/// What one proxy says of who called it.
struct Hop {
    address: Option<IpAddr>,
    https: Option<bool>,
}

/// Several lines are one list (RFC 9110, 5.3).
fn x_forwarded_for(headers: &HeaderMap) -> Vec<Hop> {
    list(headers, &X_FORWARDED_FOR)
        .map(|item| Hop {
            address: item.and_then(address),
            https: None,
        })
        .collect()
}

/// RFC 7239.
fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    list(headers, &FORWARDED)
        .map(|item| {
            let mut hop = Hop {
                address: None,
                https: None,
            };
            for pair in item.unwrap_or_default().split(';') {
                let Some((name, value)) = pair.split_once('=') else {
                    continue;
                };
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "for" => hop.address = address(value),
                    "proto" => hop.https = Some(value.eq_ignore_ascii_case("https")),
                    _ => {}
                }
            }
            hop
        })
        .collect()
}

/// The items of a list header, over all its lines; `None` for what is no text. Commas in quotes cannot stand in what is
/// believed: an item that is cut there cannot be read.
fn list<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| match line.to_str() {
            Ok(line) => line.split(',').map(|item| Some(item.trim())).collect(),
            Err(_) => vec![None],
        })
}

fn last_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    list(headers, name).last().flatten()
}

/// An address, with or without a port, in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(bare.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn proxies(hops: u8, trusted: &[&str], header: ForwardedBy) -> Proxies {
        Proxies {
            hops,
            trusted: trusted.iter().map(|net| net.parse().unwrap()).collect(),
            header,
        }
    }

    fn found(
        peer: &str,
        lines: &[(&'static str, &str)],
        proxies: &Proxies,
    ) -> (String, Option<bool>) {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(*name, HeaderValue::from_str(line).unwrap());
        }
        let (address, https) = origin(peer.parse().unwrap(), &headers, proxies);
        (address.to_string(), https)
    }

    #[test]
    fn nobody_is_believed_unless_configured() {
        let lines = [
            ("x-forwarded-for", "1.1.1.1"),
            ("forwarded", "for=2.2.2.2;proto=https"),
            ("x-forwarded-proto", "https"),
        ];
        for header in [ForwardedBy::XForwardedFor, ForwardedBy::Forwarded] {
            let nobody = proxies(0, &[], header);
            assert_eq!(
                found("9.9.9.9", &lines, &nobody),
                ("9.9.9.9".to_owned(), None)
            );
            let others = proxies(0, &["10.0.0.0/8"], header);
            assert_eq!(
                found("9.9.9.9", &lines, &others),
                ("9.9.9.9".to_owned(), None)
            );
        }
    }

    #[test]
    fn as_many_proxies_as_there_are_are_believed() {
        for (hops, line, expected) in [
            (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
            (2, "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
            (2, "1.1.1.1", "1.1.1.1"),
            (1, "", "9.9.9.9"),
            (1, "1.1.1.1, unknown", "9.9.9.9"),
            (2, "garbage, 10.0.0.2", "10.0.0.2"),
            (1, "[2001:db8::7]:4711", "2001:db8::7"),
            (1, "::ffff:1.1.1.1", "1.1.1.1"),
            (1, "1.1.1.1:8080", "1.1.1.1"),
        ] {
            let proxies = proxies(hops, &[], ForwardedBy::XForwardedFor);
            let (address, _) = found("9.9.9.9", &[("x-forwarded-for", line)], &proxies);
            assert_eq!(address, expected, "{hops} {line}");
        }
        let two = proxies(2, &[], ForwardedBy::XForwardedFor);
        let lines = [
            ("x-forwarded-for", "6.6.6.6, 1.1.1.1"),
            ("x-forwarded-for", "10.0.0.2"),
        ];
        assert_eq!(found("10.0.0.3", &lines, &two).0, "1.1.1.1");
    }

    #[test]
    fn trusted_networks_are_passed_over_from_the_right() {
        let proxies = proxies(0, &["10.0.0.0/8", "fd00::/8"], ForwardedBy::XForwardedFor);
        for (line, expected) in [
            ("6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
            ("1.1.1.1, fd00::1, 10.0.0.2", "1.1.1.1"),
            ("10.0.0.5", "10.0.0.5"),
            ("6.6.6.6, _hidden, 10.0.0.2", "10.0.0.2"),
            ("", "10.0.0.3"),
        ] {
            let (address, _) = found("10.0.0.3", &[("x-forwarded-for", line)], &proxies);
            assert_eq!(address, expected, "{line}");
        }
    }

    #[test]
    fn the_standard_header_is_read_where_it_is_configured() {
        let proxies = proxies(1, &[], ForwardedBy::Forwarded);
        for (line, expected, https) in [
            ("for=1.1.1.1;proto=https;by=10.0.0.1", "1.1.1.1", Some(true)),
            (
                "for=6.6.6.6, For=\"[2001:db8::7]:4711\";Proto=http",
                "2001:db8::7",
                Some(false),
            ),
            ("for=unknown;proto=https", "9.9.9.9", None),
            ("for=_hidden", "9.9.9.9", None),
            ("by=1.1.1.1", "9.9.9.9", None),
        ] {
            let lines = [("forwarded", line), ("x-forwarded-for", "6.6.6.6")];
            assert_eq!(
                found("9.9.9.9", &lines, &proxies),
                (expected.to_owned(), https),
                "{line}"
            );
        }
    }

    proptest! {
        #[test]
        fn whoever_is_not_believed_changes_nothing(line in "[ -~]{0,80}", other in "[ -~]{0,80}") {
            let lines = [("x-forwarded-for", line.as_str()), ("forwarded", &other), ("x-forwarded-proto", &line)];
            for proxies in [proxies(0, &[], ForwardedBy::Forwarded), proxies(3, &["10.0.0.0/8"], ForwardedBy::XForwardedFor)] {
                prop_assert_eq!(found("9.9.9.9", &lines, &proxies), ("9.9.9.9".to_owned(), None));
            }
        }

        #[test]
        fn what_a_client_writes_itself_never_gets_past_the_proxy(forged in "[0-9a-f:., ]{0,60}") {
            // The proxy adds whom it saw on the right.
            let line = format!("{forged}, 1.1.1.1");
            let one = proxies(1, &[], ForwardedBy::XForwardedFor);
            prop_assert_eq!(found("9.9.9.9", &[("x-forwarded-for", &line)], &one).0, "1.1.1.1");
            let network = proxies(0, &["9.0.0.0/8"], ForwardedBy::XForwardedFor);
            prop_assert_eq!(found("9.9.9.9", &[("x-forwarded-for", &line)], &network).0, "1.1.1.1");
        }
    }
}
