//! Very many connections that idle, from many addresses, each with fewer than one address may have: what a connection
//! costs, and that whoever asks meanwhile is answered.

use std::{
    io::ErrorKind,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use troika_tests::memory;

use super::{
    Bound, provider,
    sockets::{address, connect_from, raise_open_files, until_cut},
    visitor::{Visitor, answered, figures},
};

/// Descriptors that each process needs beside those of the connections.
const OTHER_FILES: usize = 1000;
/// Connections from one address; 200 are allowed.
const OF_AN_ADDRESS: usize = 100;
/// Questions whose times are told, before and while all connections are open.
const QUESTIONS: usize = 40;
/// Within what time idle connections must be gone, beyond what is set: far more than it takes, for busy machines.
const GONE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_connections_hold_up_nobody_and_are_let_go() {
    idle_connections(1000, 64, Duration::from_secs(20)).await;
}

/// The full size: a minute or two, and more open files than many machines allow a test.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: tests/run --long"]
async fn ten_thousand_idle_connections_hold_up_nobody_and_are_let_go() {
    idle_connections(10_000, 384, Duration::from_secs(60)).await;
}

/// Half of the connections say nothing at all, half of them asked once. `patience` is how long the gateway bears
/// silence.
async fn idle_connections(wanted: usize, mebibytes: u64, patience: Duration) {
    let files = raise_open_files((wanted + OTHER_FILES) as u64) as usize;
    let count = wanted.min(files.saturating_sub(OTHER_FILES));
    if count < wanted {
        println!("the limit of open files allows {count} connections of {wanted}");
    }
    let provider = provider().await;
    let troika = crate::sandbox()
        .provider(&provider)
        // The visitor, who asks more than one may; nobody else.
        .env("TROIKA_GATEWAY__RATE_LIMIT_IP_WHITELIST", "127.0.0.1/32")
        .env("TROIKA_GATEWAY__MAX_CONNECTIONS", (count + 500).to_string())
        .env(
            "TROIKA_GATEWAY__HEAD_TIMEOUT",
            format!("{}s", patience.as_secs()),
        )
        .env("RUST_LOG", "error")
        .start();
    figures("before", asked(troika.gateway()).await);
    let bound = Bound::of(&troika, mebibytes);
    let before = memory::resident(troika.id());

    let visitor = Visitor::asks(troika.gateway());
    let begun = Instant::now();
    let opening = (0..count).step_by(OF_AN_ADDRESS).map(|first| {
        let gateway = troika.gateway().to_owned();
        tokio::spawn(some(gateway, first, OF_AN_ADDRESS.min(count - first)))
    });
    let mut idle = Vec::with_capacity(count);
    for opened in join_all(opening).await {
        idle.append(&mut opened.unwrap());
    }
    println!("{count} connections: opened in {:?}", begun.elapsed());
    visitor.leaves("while they are opened").await;
    figures("while all are open", asked(troika.gateway()).await);
    let grown = memory::resident(troika.id()).saturating_sub(before);
    println!(
        "{count} idle connections: {:.1} KiB resident for each",
        grown as f64 / 1024.0 / count as f64
    );
    let open = idle.iter().filter(|socket| is_open(socket)).count();
    assert_eq!(open, count, "what was measured is all of them");

    let gone = join_all(
        idle.into_iter()
            .map(|socket| tokio::spawn(until_cut(socket))),
    );
    let gone = tokio::time::timeout(patience + GONE, gone)
        .await
        .expect("idle connections are let go");
    assert_eq!(gone.len(), count);
    figures("once they are gone", asked(troika.gateway()).await);
    bound.holds(&format!("{count} idle connections"));
}

/// How long some questions took, one after the other.
async fn asked(gateway: &str) -> Vec<Duration> {
    let mut took = Vec::new();
    for _ in 0..QUESTIONS {
        took.push(answered(gateway).await);
    }
    took
}

/// So many connections from an address of their own.
async fn some(gateway: String, first: usize, count: usize) -> Vec<TcpStream> {
    let [high, low] = (((first / OF_AN_ADDRESS) + 1) as u16).to_be_bytes();
    let from = Ipv4Addr::new(127, 1, high, low);
    let mut opened = Vec::with_capacity(count);
    for place in 0..count {
        let mut socket = connect_from(&gateway, from).await;
        if place % 2 == 0 {
            ask_once(&mut socket, &gateway).await;
        }
        opened.push(socket);
    }
    opened
}

async fn ask_once(socket: &mut TcpStream, gateway: &str) {
    let head = format!("GET /health HTTP/1.1\r\nhost: {}\r\n\r\n", address(gateway));
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 4096];
    let read = socket.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Whether the server has not ended it. What is left of an answer may still be there to read.
fn is_open(socket: &TcpStream) -> bool {
    let mut rest = [0; 4096];
    loop {
        match socket.try_read(&mut rest) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
