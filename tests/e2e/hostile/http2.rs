//! HTTP/2 used against its server, by frames made by hand: streams opened and reset, heads without end, pings
//! without end, and streams whose answers nobody takes.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use troika_tests::listener::question;

use super::{
    Bound, from_everywhere, provider,
    sockets::connect,
    visitor::{Visitor, answered},
};

const HEADERS: u8 = 1;
const DATA: u8 = 0;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Connections of one attack.
const CONNECTIONS: usize = 8;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header whose name stands in the static table, its value as it is.
fn literal(prefix: &[u8], value: &str) -> Vec<u8> {
    let mut header = prefix.to_vec();
    header.push(u8::try_from(value.len()).unwrap());
    header.extend(value.as_bytes());
    header
}

/// The head of a request: GET without a body, POST with one of JSON.
fn head(method: u8, path: &str) -> Vec<u8> {
    // :method and :scheme http are whole entries of the table.
    let mut head = vec![method, 0x86];
    head.extend(literal(&[0x04], path));
    head.extend(literal(&[0x01], "x"));
    head.extend(literal(&[0x0f, 0x10], "application/json"));
    head
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;

/// A connection whose streams may be sent so many bytes before their client takes more.
async fn http2(gateway: &str, window: u32) -> TcpStream {
    let mut socket = connect(gateway).await;
    let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut setting = vec![0, 4];
    setting.extend(window.to_be_bytes());
    begin.extend(frame(SETTINGS, 0, 0, &setting));
    begin.extend(frame(SETTINGS, 1, 0, &[]));
    socket.write_all(&begin).await.unwrap();
    socket
}

/// Sends until the server ends the connection, or all is sent, and reads nothing; whether it was ended.
async fn flood(mut socket: TcpStream, frames: impl Iterator<Item = Vec<u8>>) -> bool {
    for frame in frames {
        let sent = tokio::time::timeout(Duration::from_secs(5), socket.write_all(&frame)).await;
        match sent {
            Ok(Ok(())) => {}
            // It takes no more: as good as ended, and as far as this goes.
            Ok(Err(_)) | Err(_) => return true,
        }
    }
    // What it says last, if anything, comes before the end.
    let mut said = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut said)).await;
    ended.is_ok()
}

/// One attack from several connections, while a visitor asks on.
async fn attack<I>(what: &str, mebibytes: u64, frames: impl Fn() -> I) -> usize
where
    I: Iterator<Item = Vec<u8>> + Send + 'static,
{
    let provider = provider().await;
    let troika = from_everywhere(&provider).start();
    answered(troika.gateway()).await;
    let bound = Bound::of(&troika, mebibytes);
    let visitor = Visitor::asks(troika.gateway());
    let mut floods = Vec::new();
    for _ in 0..CONNECTIONS {
        let socket = http2(troika.gateway(), 65_535).await;
        floods.push(tokio::spawn(flood(socket, frames())));
    }
    let mut ended = 0;
    for flood in floods {
        ended += usize::from(flood.await.unwrap());
    }
    visitor.leaves(what).await;
    println!("{what}: {ended} of {CONNECTIONS} connections were ended");
    bound.holds(what);
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_reset_as_fast_as_they_are_opened_hold_up_nobody() {
    attack("streams opened and reset", 96, || {
        (0..20_000_u32).map(|place| {
            let stream = 2 * place + 1;
            let mut both = frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                &head(GET, "/health"),
            );
            both.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
            both
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_an_end_is_cut_and_fills_no_memory() {
    let ended = attack("heads without end", 96, || {
        // Each piece holds 100 headers of their own.
        let piece: Vec<u8> = (0..100)
            .flat_map(|_| literal(&[0x0f, 0x10], &"a".repeat(100)))
            .collect();
        let first = frame(HEADERS, 0, 1, &head(GET, "/health"));
        let rest = std::iter::repeat_n(frame(CONTINUATION, 0, 1, &piece), 5000);
        std::iter::once(first).chain(rest)
    })
    .await;
    assert_eq!(ended, CONNECTIONS);
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_whose_answers_nobody_reads_fill_no_memory() {
    attack("pings", 96, || {
        std::iter::repeat_n(frame(PING, 0, 0, &[7; 8]).repeat(1000), 500)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_whose_answers_nobody_takes_hold_up_nobody() {
    // On each connection: as many as are answered within a second or so, on two cores and without optimizing.
    // Nobody could ask for more at once, did the limits count this machine.
    let streams = 50;
    let provider = provider().await;
    let troika = from_everywhere(&provider).start();
    answered(troika.gateway()).await;
    let bound = Bound::of(&troika, 192);
    let visitor = Visitor::asks(troika.gateway());
    let body = question("Q").to_string();
    let mut untaken = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut socket = http2(troika.gateway(), 0).await;
        for place in 0..streams {
            let stream = 2 * place + 1;
            let path = "/api/chat/query/stream";
            let mut request = frame(HEADERS, END_HEADERS, stream, &head(POST, path));
            request.extend(frame(DATA, END_STREAM, stream, body.as_bytes()));
            socket.write_all(&request).await.unwrap();
        }
        untaken.push(socket);
    }
    // All of them have been asked, and the visitor too.
    troika_tests::until(
        "the questions arrive",
        Duration::from_secs(60),
        async || provider.asked().len() >= CONNECTIONS * streams as usize,
    )
    .await;
    for _ in 0..10 {
        answered(troika.gateway()).await;
    }
    visitor.leaves("streams that nobody takes").await;
    bound.holds("streams that nobody takes");
    drop(untaken);
}
