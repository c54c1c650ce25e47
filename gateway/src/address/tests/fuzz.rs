//! Whatever somebody writes into the headers that proxies write: it is nobody else who asks, and nothing panics.

use proptest::prelude::*;

use super::*;

/// These cases are quick: more of them than of others, and as many as a long run asks for.
fn at_least(cases: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: config.cases.max(cases),
        ..config
    }
}

/// Something that a client may send as one of the headers: sense and nonsense.
fn forged() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop::sample::select(vec![
        "x-forwarded-for",
        "forwarded",
        "x-forwarded-proto",
        "x-real-ip",
        "x-forwarded-host",
        "via",
    ]);
    let part = prop_oneof![
        Just("for=".to_owned()),
        Just("proto=https".to_owned()),
        Just("by=".to_owned()),
        Just("unknown".to_owned()),
        Just("10.0.0.1".to_owned()),
        Just("[2001:db8::1]:443".to_owned()),
        Just("::ffff:10.0.0.1".to_owned()),
        Just("_hidden".to_owned()),
        "[,;=\" \\\\:\\[\\]]{1,3}",
        "[0-9.]{1,15}",
        "[0-9a-f:]{1,39}",
    ];
    let sense = prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat().into_bytes());
    let nonsense = prop::collection::vec(prop_oneof![0x20u8..=0x7e, 0x80u8..=0xff], 0..60);
    let line = (
        name.prop_map(str::to_owned),
        prop_oneof![3 => sense, 1 => nonsense],
    );
    prop::collection::vec(line, 0..8)
}

fn lines(forged: &[(String, Vec<u8>)]) -> HeaderMap {
    let mut lines = HeaderMap::new();
    for (name, value) in forged {
        let name: HeaderName = name.parse().unwrap();
        lines.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    lines
}

proptest! {
    #![proptest_config(at_least(2000))]

    /// Whatever somebody sends who is no proxy of ours, they are who they are.
    #[test]
    fn no_header_of_an_untrusted_peer_changes_anything(forged in forged(), rfc: bool, last: u8) {
        let header = if rfc { RFC } else { PLAIN };
        let peer = IpAddr::from([203, 0, 113, last]);
        let forged = lines(&forged);
        for doorman in [hops(0, header), trusting(&["10.0.0.0/8", "2001:db8::/32"], header)] {
            let (client, https) = doorman.asks(peer, Https(false), &forged);
            prop_assert!(client.0 == peer && !https.0);
        }
    }

    /// A client's own headers stand left of what the proxy appends, and change nothing either.
    #[test]
    fn what_a_client_sends_through_a_proxy_does_not_hide_it(forged in forged(), rfc: bool, same_line: bool, last: u8) {
        let (header, name) = if rfc { (RFC, "forwarded") } else { (PLAIN, "x-forwarded-for") };
        let client = IpAddr::from([203, 0, 113, last]);
        let mut forged = lines(&forged);
        let own = if rfc { format!("for={client};proto=http") } else { client.to_string() };
        // Proxies append a line, or to the last line.
        let mut before: Vec<HeaderValue> = forged.get_all(name).iter().cloned().collect();
        let appended = match before.pop().filter(|_| same_line) {
            Some(line) => [line.as_bytes(), b", ", own.as_bytes()].concat(),
            None => own.into_bytes(),
        };
        let lines: Vec<HeaderValue> = forged.get_all(name).iter().cloned().collect();
        let kept = if same_line { lines.len().saturating_sub(1) } else { lines.len() };
        forged.remove(name);
        for line in lines.into_iter().take(kept) {
            forged.append(name, line);
        }
        forged.append(name, HeaderValue::from_bytes(&appended).unwrap());
        forged.insert("x-forwarded-proto", HeaderValue::from_static("http"));
        for doorman in [hops(1, header), trusting(&["10.0.0.0/8"], header)] {
            let peer = "10.0.0.1".parse().unwrap();
            let (told, https) = doorman.asks(peer, Https(false), &forged);
            prop_assert!(told.0 == client, "{} of {:?}", told.0, forged);
            prop_assert!(!https.0);
        }
    }

    /// However many proxies are believed: an answer, and always a canonical one.
    #[test]
    fn nothing_that_is_sent_panics(forged in forged(), rfc: bool, count in 0usize..20) {
        let header = if rfc { RFC } else { PLAIN };
        let forged = lines(&forged);
        for doorman in [hops(count, header), trusting(&["0.0.0.0/0", "::/0"], header)] {
            let peer = "10.0.0.1".parse().unwrap();
            let (client, _) = doorman.asks(peer, Https(false), &forged);
            prop_assert!(client.0 == client.0.to_canonical());
        }
    }
}
