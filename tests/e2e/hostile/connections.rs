//! Connections that dawdle: heads and bodies byte by byte, answers that nobody reads, silence.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use troika_tests::{
    listener::text,
    provider::{Provider, Reply},
    until,
};

use super::{
    Bound, from_everywhere, provider,
    sockets::{address, asking, connect, connect_narrow, drip},
    visitor::{Visitor, answered},
};

/// Slow clients of one kind in the suite.
const SLOW: usize = 300;
/// What is set for the longest head and the longest body.
const PATIENCE: &str = "2s";
/// Within what time a slow client must be gone: far more than what is set, for busy machines.
const GONE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_come_byte_by_byte_are_cut_and_hold_up_nobody() {
    let provider = provider().await;
    let troika = from_everywhere(&provider)
        .env("TROIKA_GATEWAY__HEAD_TIMEOUT", PATIENCE)
        .start();
    let bound = Bound::of(&troika, 64);
    let visitor = Visitor::asks(troika.gateway());
    let begin = b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ".to_vec();
    let slow = (0..SLOW).map(|_| {
        let (gateway, begin) = (troika.gateway().to_owned(), begin.clone());
        tokio::spawn(drip(gateway, begin, b'a', Duration::from_millis(50)))
    });
    for cut in join_all(slow).await {
        let cut = cut.unwrap();
        assert!(cut.after < GONE, "{:?}", cut.after);
        assert!(!cut.said.contains("200 OK"), "{}", cut.said);
    }
    visitor.leaves("slow heads").await;
    bound.holds("slow heads");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_come_byte_by_byte_are_refused_and_hold_up_nobody() {
    let provider = provider().await;
    let troika = from_everywhere(&provider)
        .env("TROIKA_GATEWAY__BODY_TIMEOUT", PATIENCE)
        .start();
    let bound = Bound::of(&troika, 64);
    let visitor = Visitor::asks(troika.gateway());
    let begin = format!(
        "POST /api/chat/query HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n{{",
        address(troika.gateway())
    );
    let slow = (0..SLOW).map(|_| {
        let (gateway, begin) = (troika.gateway().to_owned(), begin.clone().into_bytes());
        tokio::spawn(drip(gateway, begin, b' ', Duration::from_millis(50)))
    });
    let mut told = 0;
    for cut in join_all(slow).await {
        let cut = cut.unwrap();
        assert!(cut.after < GONE, "{:?}", cut.after);
        // Of a reset the answer may be lost; nobody is told anything else.
        told += usize::from(cut.said.contains("body_timeout"));
        assert!(!cut.said.contains("200 OK"), "{}", cut.said);
    }
    assert!(told > 0, "nobody was told why");
    visitor.leaves("slow bodies").await;
    bound.holds("slow bodies");
}

/// As much text as an answer may have, in pieces of one character.
async fn talkative() -> Provider {
    Provider::choosing(|asked| {
        let greedy = asked
            .messages()
            .last()
            .is_some_and(|(_, said)| said == "greedy");
        Reply::tokens((0..if greedy { 2000 } else { 2 }).map(|_| "x"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_that_read_slowly_or_never_fill_no_memory_and_hold_up_nobody() {
    let provider = talkative().await;
    let troika = from_everywhere(&provider).start();
    answered(troika.gateway()).await;
    let bound = Bound::of(&troika, 128);
    let visitor = Visitor::asks(troika.gateway());
    let mut never = Vec::new();
    let mut slowly = Vec::new();
    for place in 0..SLOW {
        let mut socket = connect_narrow(troika.gateway()).await;
        socket.write_all(&asking(troika.gateway())).await.unwrap();
        // The head of the answer: it is under way.
        socket.read_u8().await.unwrap();
        if place % 2 == 0 {
            never.push(socket);
        } else {
            slowly.push(tokio::spawn(sip(socket)));
        }
    }
    for sipping in slowly {
        sipping.await.unwrap();
    }
    visitor.leaves("slow readers").await;
    bound.holds("slow readers");
    drop(never);
}

/// Reads a byte at a time for three seconds.
async fn sip(mut socket: TcpStream) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        socket.read_u8().await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// With every slot taken, who comes waits until the silent are let go; nothing breaks.
#[tokio::test(flavor = "multi_thread")]
async fn when_silent_connections_took_every_slot_others_are_answered_once_those_are_let_go() {
    let provider = provider().await;
    let troika = from_everywhere(&provider)
        .env("TROIKA_GATEWAY__MAX_CONNECTIONS", "50")
        .env("TROIKA_GATEWAY__HEAD_TIMEOUT", "1s")
        .start();
    let mut silent = Vec::new();
    for _ in 0..150 {
        silent.push(connect(troika.gateway()).await);
    }
    let waited = answered(troika.gateway()).await;
    println!("three times as many silent connections as slots: answered after {waited:?}");
    assert!(waited < GONE, "{waited:?}");
    drop(silent);
    until("the visitor is quick again", GONE, async || {
        answered(troika.gateway()).await < Duration::from_secs(1)
    })
    .await;
    let events = troika_tests::listener::answer(troika.gateway(), "Q").await;
    assert_eq!(text(&events), "A short answer.");
}
