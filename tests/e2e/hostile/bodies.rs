//! Requests that hold too much: each is refused or taken within bounds, and none is an error of the server's.

use std::{fmt::Write as _, time::Duration};

use futures::future::join_all;
use serde_json::Value;
use troika_tests::listener::DEMO_BOT;

use super::{Bound, from_everywhere, provider, visitor::Visitor};

/// Each body, so many times at once.
const AT_ONCE: usize = 8;
/// What a body may hold by default.
const LIMIT: usize = 1 << 20;

/// Routes that read a body, open to anybody.
const ROUTES: [&str; 5] = [
    "/api/chat/query/stream",
    "/api/chat/query",
    "/api/chat/stop",
    "/api/text-to-speech",
    "/ofrep/v1/evaluate/flags",
];

/// A body, and the statuses that are an answer to it.
struct Hostile {
    what: &'static str,
    body: String,
    statuses: &'static [u16],
}

fn hostile() -> Vec<Hostile> {
    let question = format!(r#""query":"Q","chatbotId":"{DEMO_BOT}""#);
    let case = |what, statuses, body| Hostile {
        what,
        body,
        statuses,
    };
    // Who sends what is not known may be answered (the rest is a question) or refused; other routes refuse it.
    let taken: &[u16] = &[200, 400, 404, 413, 422, 429];
    let refused: &[u16] = &[400, 401, 404, 413, 422, 429];
    vec![
        case("one byte too many", &[413], exactly(LIMIT + 1)),
        case("as many bytes as are taken", taken, exactly(LIMIT)),
        case("eight times too many bytes", &[413], exactly(8 * LIMIT)),
        case(
            "100 000 keys",
            taken,
            format!("{{{question}{}}}", keys(100_000)),
        ),
        case(
            "one key 100 000 times",
            refused,
            format!("{{{question}{}}}", r#","query":1"#.repeat(90_000)),
        ),
        case("500 000 brackets", refused, "[".repeat(500_000)),
        case(
            "lists in lists in a field that is not read",
            taken,
            format!(
                r#"{{{question},"context":{}{}}}"#,
                "[".repeat(300_000),
                "]".repeat(300_000)
            ),
        ),
        case(
            "objects in objects in a field that is read",
            refused,
            format!(
                r#"{{"chatbotId":"{DEMO_BOT}","query":{}1{}}}"#,
                r#"{"a":"#.repeat(100_000),
                "}".repeat(100_000)
            ),
        ),
        case(
            "a list of 500 000",
            taken,
            format!(r#"{{{question},"context":[0{}]}}"#, ",0".repeat(500_000)),
        ),
        case(
            "a question of a megabyte",
            refused,
            format!(
                r#"{{"chatbotId":"{DEMO_BOT}","query":"{}"}}"#,
                "q".repeat(1_000_000)
            ),
        ),
        case(
            "a number of a megabyte",
            refused,
            format!(r#"{{"query":{}}}"#, "9".repeat(1_000_000)),
        ),
        case(
            "escapes alone",
            refused,
            format!(
                r#"{{"chatbotId":"{DEMO_BOT}","query":"{}"}}"#,
                r"\u0000".repeat(170_000)
            ),
        ),
    ]
}

/// A question of exactly so many bytes.
fn exactly(bytes: usize) -> String {
    let mut body = format!(r#"{{"query":"Q","chatbotId":"{DEMO_BOT}","context":""#);
    let filling = bytes - body.len() - 2;
    body.extend(std::iter::repeat_n('x', filling));
    body.push_str("\"}");
    assert_eq!(body.len(), bytes);
    body
}

fn keys(count: usize) -> String {
    let mut keys = String::new();
    for place in 0..count {
        write!(keys, r#","{place:x}":0"#).unwrap();
    }
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_hold_too_much_are_answered_within_bounds_and_hold_up_nobody() {
    let provider = provider().await;
    let troika = from_everywhere(&provider).start();
    super::visitor::answered(troika.gateway()).await;
    let bound = Bound::of(&troika, 192);
    let visitor = Visitor::asks(troika.gateway());
    let client = troika_tests::http();
    for hostile in hostile() {
        for route in ROUTES {
            let url = format!("{}{route}", troika.gateway());
            let requests = (0..AT_ONCE).map(|_| {
                let request = client
                    .post(&url)
                    .header("content-type", "application/json")
                    .timeout(Duration::from_secs(60))
                    .body(hostile.body.clone());
                tokio::spawn(async move {
                    let response = request.send().await.unwrap();
                    (response.status().as_u16(), response.text().await.unwrap())
                })
            });
            for answer in join_all(requests).await {
                let (status, body) = answer.unwrap();
                let what = format!("{} to {route}: {status}", hostile.what);
                assert!(hostile.statuses.contains(&status), "{what}: {body:.500}");
                assert!(body.len() < 64 * 1024, "{what}: it is repeated");
                if status >= 400 {
                    let problem: Value = serde_json::from_str(&body).unwrap();
                    // OpenFeature's errors have a form of their own.
                    let is_ofrep = route.starts_with("/ofrep");
                    assert!(is_ofrep || problem["status"] == status, "{what}: {problem}");
                }
            }
        }
    }
    visitor.leaves("bodies that hold too much").await;
    bound.holds("bodies that hold too much");
}

/// Heads that hold too much are refused before they are read to their end.
#[tokio::test(flavor = "multi_thread")]
async fn heads_that_hold_too_much_are_refused_and_hold_up_nobody() {
    let provider = provider().await;
    let troika = from_everywhere(&provider).start();
    super::visitor::answered(troika.gateway()).await;
    let bound = Bound::of(&troika, 64);
    let visitor = Visitor::asks(troika.gateway());
    let many = (0..5000).fold(String::new(), |mut head, place| {
        let _ = write!(head, "x-{place}: 1\r\n");
        head
    });
    let heads = [
        format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        format!(
            "GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n",
            "a".repeat(5 << 20)
        ),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(1 << 20)),
        format!("{} / HTTP/1.1\r\nhost: x\r\n\r\n", "A".repeat(1 << 20)),
        "GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n".to_owned(),
        "\r\n".repeat(1 << 20),
        "\0".repeat(1 << 20),
    ];
    for head in heads {
        let statuses = super::sockets::statuses(troika.gateway(), head.as_bytes()).await;
        let begin: String = head.chars().take(40).collect();
        assert!(
            statuses.iter().all(|status| (400..500).contains(status)),
            "{begin:?}: {statuses:?}"
        );
    }
    visitor.leaves("heads that hold too much").await;
    bound.holds("heads that hold too much");
}

/// One request that says its length in two ways may be read in two ways, by us and by a proxy before us: what
/// follows it must not be taken for a request.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_two_lengths_is_the_last_of_its_connection() {
    let provider = provider().await;
    let troika = from_everywhere(&provider).start();
    let lengths = [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: xchunked",
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5, 6",
        "content-length: +5",
        "content-length: 0x5",
    ];
    for length in lengths {
        let two = format!(
            "POST /api/chat/stop HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{length}\r\n\r\n0\r\n\r\n\
             GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
        );
        let statuses = super::sockets::statuses(troika.gateway(), two.as_bytes()).await;
        assert!(!statuses.contains(&200), "{length}: {statuses:?}");
    }
}
