//! Whom the gateway takes for the client, whatever headers say.

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

use super::*;

mod fuzz;

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect()
}

fn networks(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn hops(hops: usize, header: Forwarding) -> Doorman {
    Doorman::new(&Proxies {
        hops,
        header,
        ..Proxies::default()
    })
}

fn trusting(trusted: &[&str], header: Forwarding) -> Doorman {
    Doorman::new(&Proxies {
        trusted: networks(trusted),
        header,
        ..Proxies::default()
    })
}

fn asks(doorman: &Doorman, peer: &str, lines: &[(&str, &str)]) -> (String, bool) {
    let (client, https) = doorman.asks(peer.parse().unwrap(), Https(false), &headers(lines));
    (client.0.to_string(), https.0)
}

const PLAIN: Forwarding = Forwarding::XForwardedFor;
const RFC: Forwarding = Forwarding::Forwarded;

#[test]
fn hops_count_entries_from_the_right() {
    let table: [(usize, &[&str], &str); 12] = [
        (0, &["203.0.113.9"], "10.0.0.1"),
        (1, &[], "10.0.0.1"),
        (1, &["203.0.113.9"], "203.0.113.9"),
        (1, &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        (2, &["1.1.1.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        // Several lines are one list.
        (2, &["1.1.1.1", "203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        (2, &["1.1.1.1,203.0.113.9", " 10.0.0.2 "], "203.0.113.9"),
        // Fewer entries than proxies: the last one that there is.
        (3, &["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        // An entry that cannot be read ends it.
        (2, &["203.0.113.9, nonsense"], "10.0.0.1"),
        (2, &["nonsense, 10.0.0.2"], "10.0.0.2"),
        (1, &["203.0.113.9, ,"], "203.0.113.9"),
        (1, &["unknown"], "10.0.0.1"),
    ];
    for (count, lines, expected) in table {
        let lines: Vec<_> = lines
            .iter()
            .map(|line| ("x-forwarded-for", *line))
            .collect();
        let (client, _) = asks(&hops(count, PLAIN), "10.0.0.1", &lines);
        assert_eq!(client, expected, "{count} {lines:?}");
    }
}

#[test]
fn trusted_proxies_are_skipped_and_nobody_elses_word_counts() {
    let doorman = trusting(&["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.7/32"], PLAIN);
    for (peer, line, expected) in [
        // Not one of ours: what it says does not matter.
        ("203.0.113.1", "1.1.1.1", "203.0.113.1"),
        ("2001:db8:2::1", "1.1.1.1", "2001:db8:2::1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("2001:db8:1::1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        (
            "10.0.0.1",
            "1.1.1.1, 203.0.113.9, 192.0.2.7, 10.9.9.9",
            "203.0.113.9",
        ),
        // All of them ours: the farthest.
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "203.0.113.9, oops, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", "2001:db8::17", "2001:db8::17"),
        ("10.0.0.1", "[2001:db8::17]:4711", "2001:db8::17"),
        ("10.0.0.1", "203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9"),
    ] {
        let (client, _) = asks(&doorman, peer, &[("x-forwarded-for", line)]);
        assert_eq!(client, expected, "{peer} {line}");
    }
}

#[test]
fn forwarded_is_read_as_its_rfc_says() {
    let doorman = trusting(&["10.0.0.0/8"], RFC);
    for (line, client, https) in [
        ("for=203.0.113.9", "203.0.113.9", false),
        ("For=\"203.0.113.9:47011\";proto=https", "203.0.113.9", true),
        (
            "for=\"[2001:db8:cafe::17]:4711\"",
            "2001:db8:cafe::17",
            false,
        ),
        (
            "for=\"[2001:db8:cafe::17]\"; proto=\"HTTPS\" ;by=_me",
            "2001:db8:cafe::17",
            true,
        ),
        ("for=\"203.0.113.9:_hidden\"", "203.0.113.9", false),
        (
            "proto=http;for=203.0.113.9;host=chat.example;",
            "203.0.113.9",
            false,
        ),
        ("for=\"203.0.\\113.9\"", "203.0.113.9", false),
        (
            "for=1.1.1.1, for=203.0.113.9;proto=https, for=10.0.0.2;proto=http",
            "203.0.113.9",
            true,
        ),
        // Somebody is hidden: the proxy that hides them, and what it says of the connection.
        ("for=1.1.1.1, for=unknown;proto=https", "10.0.0.1", true),
        ("for=1.1.1.1, for=_SEVKISEK", "10.0.0.1", false),
        ("by=10.0.0.1;proto=https", "10.0.0.1", true),
        // A forged quotation mark swallows nothing that a proxy appended.
        ("for=\"1.1.1.1, for=203.0.113.9", "203.0.113.9", false),
        (
            "for=\"1.1.1.1, for=\"[2001:db8::17]:1\"",
            "2001:db8::17",
            false,
        ),
        ("for=\\\", for=203.0.113.9", "203.0.113.9", false),
        // Malformed.
        ("for=203.0.113.9;for=1.1.1.1", "10.0.0.1", false),
        ("for=203.0.113.9;proto=https;proto=http", "10.0.0.1", false),
        ("for", "10.0.0.1", false),
        ("for=", "10.0.0.1", false),
        ("for=\"203.0.113.9", "10.0.0.1", false),
        ("for=\"203.0.113.9\"x", "10.0.0.1", false),
        ("for=2001:db8::17", "10.0.0.1", false),
        ("for=\"[2001:db8::17\"", "10.0.0.1", false),
        ("for=\"[203.0.113.9]\"", "10.0.0.1", false),
        ("for=\"203.0.113.9:123456\"", "10.0.0.1", false),
        ("f or=203.0.113.9", "10.0.0.1", false),
        ("203.0.113.9", "10.0.0.1", false),
    ] {
        let told = asks(&doorman, "10.0.0.1", &[("forwarded", line)]);
        assert_eq!(told, (client.to_owned(), https), "{line}");
    }
}

#[test]
fn the_header_that_is_not_configured_is_not_read() {
    let both = [
        ("forwarded", "for=1.1.1.1;proto=https"),
        ("x-forwarded-for", "2.2.2.2"),
    ];
    let told = |header| asks(&hops(1, header), "10.0.0.1", &both);
    assert_eq!(told(PLAIN), ("2.2.2.2".to_owned(), false));
    assert_eq!(told(RFC), ("1.1.1.1".to_owned(), true));
    let other = [("forwarded", "for=1.1.1.1"), ("x-real-ip", "3.3.3.3")];
    assert_eq!(asks(&hops(1, PLAIN), "10.0.0.1", &other).0, "10.0.0.1");
}

#[test]
fn a_proxy_that_is_believed_tells_whether_the_client_came_by_https() {
    type Lines = &'static [(&'static str, &'static str)];
    let table: [(usize, Lines, bool); 8] = [
        (0, &[("x-forwarded-proto", "https")], false),
        (1, &[("x-forwarded-proto", "https")], true),
        (
            1,
            &[
                ("x-forwarded-proto", "HTTPS"),
                ("x-forwarded-for", "1.1.1.1"),
            ],
            true,
        ),
        (1, &[("x-forwarded-proto", "https, http")], false),
        // The proxies behind the first hand its word on, or append their own.
        (
            2,
            &[
                ("x-forwarded-proto", "https"),
                ("x-forwarded-for", "1.1.1.1, 10.0.0.2"),
            ],
            true,
        ),
        (
            2,
            &[
                ("x-forwarded-proto", "https, http"),
                ("x-forwarded-for", "1.1.1.1, 10.0.0.2"),
            ],
            true,
        ),
        (1, &[("x-forwarded-proto", "gopher")], false),
        (1, &[("x-forwarded-for", "1.1.1.1")], false),
    ];
    for (count, lines, expected) in table {
        assert_eq!(
            asks(&hops(count, PLAIN), "10.0.0.1", lines).1,
            expected,
            "{lines:?}"
        );
    }
    let over_tls = |lines: &[(&str, &str)]| {
        let peer = "10.0.0.1".parse().unwrap();
        hops(1, PLAIN).asks(peer, Https(true), &headers(lines)).1
    };
    assert_eq!(over_tls(&[]), Https(true));
    assert_eq!(over_tls(&[("x-forwarded-proto", "http")]), Https(false));
}

#[test]
fn a_request_is_noted_with_the_address_of_its_connection() {
    let note = |peer: &str| {
        let peer: SocketAddr = peer.parse().unwrap();
        let request = http::Request::builder()
            .extension(ConnectInfo(peer))
            .body(())
            .unwrap();
        let noted = hops(0, PLAIN).note(request);
        noted
            .extensions()
            .get::<ClientAddress>()
            .unwrap()
            .0
            .to_string()
    };
    assert_eq!(note("[::ffff:203.0.113.9]:1"), "203.0.113.9");
    assert_eq!(note("[2001:db8::1]:1"), "2001:db8::1");
}
