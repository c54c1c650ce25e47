//! The event stream on the wire.

use std::{sync::atomic::Ordering, time::Duration};

use futures::{StreamExt as _, stream};
use http::StatusCode;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tonic::Status;
use troika_proto::chat::v1::turn_event::Event;

use crate::setup::{
    FakeChat, House, PATIENCE, QUESTION, TURN, close, complete, connected, ending, event, frame,
    header, lingering, request, text, token,
};

const PATH: &str = "/api/chat/query/stream";

fn short_turn() -> FakeChat {
    FakeChat::streaming(|_| {
        ending(vec![
            connected(),
            token(1, "Hi\n"),
            token(2, "there."),
            event(3, Event::Complete(complete())),
            close(4),
        ])
    })
}

#[tokio::test]
async fn a_turn_arrives_whole_in_order_and_with_the_right_headers() {
    let house = House::start(short_turn()).await;
    let response = house.post(PATH, QUESTION).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "text/event-stream");
    assert_eq!(header(&response, "cache-control"), "no-cache, no-transform");
    assert_eq!(header(&response, "x-accel-buffering"), "no");
    assert_eq!(header(&response, "content-encoding"), "");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    assert!(!header(&response, "x-request-id").is_empty());
    let body = text(response).await;
    let events: Vec<&str> = body.split_terminator("\n\n").collect();
    assert_eq!(events.len(), 5, "{body}");
    assert_eq!(
        events[1],
        format!("id: {TURN}:1\nevent: text\ndata: {{\"content\":\"Hi\\n\"}}")
    );
    for (event, name) in events
        .iter()
        .zip(["connected", "text", "text", "complete", "close"])
    {
        let lines: Vec<&str> = event.split('\n').collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], format!("event: {name}"));
        assert!(lines[2].starts_with("data: {"));
    }
    let abandoned = *house.seen.abandoned.borrow();
    assert_eq!(abandoned, 0, "chat's stream was heard to its end");
}

#[tokio::test]
async fn the_same_over_http2_with_prior_knowledge() {
    let house = House::start(short_turn()).await;
    let response = house.send_h2(request("POST", PATH, QUESTION)).await;
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert_eq!(header(&response, "content-type"), "text/event-stream");
    let body = text(response).await;
    assert_eq!(body.matches("\nevent: ").count(), 5, "{body}");
}

#[tokio::test]
async fn each_event_leaves_as_one_piece() {
    let house = House::start(short_turn()).await;
    let pieces = house.pieces(PATH, QUESTION).await;
    assert_eq!(pieces.len(), 5, "{pieces:?}");
    for piece in pieces {
        assert!(
            piece.starts_with("id: ") && piece.ends_with("\n\n"),
            "{piece}"
        );
        assert_eq!(piece.matches("\nevent: ").count(), 1);
    }
}

#[tokio::test]
async fn a_silent_stream_is_kept_alive_by_comments() {
    let chat = FakeChat::streaming(|_| lingering(vec![connected()]));
    let house = House::start_with(chat, |config| {
        config.heartbeat = Duration::from_millis(50);
    })
    .await;
    let mut body = house.post(PATH, QUESTION).await.into_body();
    assert!(
        frame(&mut body)
            .await
            .unwrap()
            .contains("event: connected\n")
    );
    for _ in 0..3 {
        assert_eq!(frame(&mut body).await.unwrap(), ": heartbeat\n\n");
    }
}

#[tokio::test]
async fn a_browser_that_leaves_cancels_the_turn() {
    let chat = FakeChat::streaming(|_| lingering(vec![connected()]));
    let house = House::start(chat).await;
    for (count, over_http2) in [(1, false), (2, true)] {
        let question = request("POST", PATH, QUESTION);
        let response = if over_http2 {
            house.send_h2(question).await
        } else {
            house.send(question).await
        };
        let mut body = response.into_body();
        frame(&mut body).await.unwrap();
        drop(body);
        house.abandoned(count).await;
    }
    assert!(house.drain.held().is_empty());
}

#[tokio::test]
async fn a_browser_that_leaves_before_the_first_event_cancels_the_turn() {
    let chat = FakeChat::streaming(|_| lingering(Vec::new()));
    let house = House::start(chat).await;
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{QUESTION}",
        QUESTION.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let asked = async {
        while house.seen.question.lock().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap();
    drop(stream);
    house.abandoned(1).await;
}

#[tokio::test]
async fn an_error_in_the_middle_is_told_and_closed() {
    let chat = FakeChat::streaming(|_| {
        let events = vec![
            Ok(connected()),
            Ok(token(1, "Hi")),
            Err(Status::internal("secret")),
        ];
        Ok(Box::pin(stream::iter(events)))
    });
    let house = House::start(chat).await;
    let body = text(house.post(PATH, QUESTION).await).await;
    assert!(!body.contains("secret"));
    assert_is_lost(&body);
}

#[tokio::test]
async fn a_chat_role_that_dies_in_the_middle_is_told_and_closed() {
    let chat = FakeChat::streaming(|_| lingering(vec![connected(), token(1, "Hi")]));
    let house = House::start(chat).await;
    let mut body = house.post(PATH, QUESTION).await.into_body();
    let mut all = String::new();
    while !all.contains("\"Hi\"") {
        all += &frame(&mut body).await.unwrap();
    }
    house.kill_chat();
    while let Some(piece) = frame(&mut body).await {
        all += &piece;
    }
    assert_is_lost(&all);
}

fn assert_is_lost(body: &str) {
    let events: Vec<&str> = body.split_terminator("\n\n").collect();
    assert_eq!(events.len(), 4, "{body}");
    assert!(
        events[2].starts_with("event: error\ndata: {\"message\":\""),
        "{body}"
    );
    assert!(
        events[2].contains(r#""code":"upstream_lost","canRetry":true"#),
        "{body}"
    );
    assert!(
        events[3].starts_with("event: close\ndata: {\"reason\":\"error\""),
        "{body}"
    );
}

#[tokio::test]
async fn a_reader_that_is_slow_slows_its_own_stream_alone() {
    const TOKENS: u64 = 20_000;
    let chat = FakeChat::streaming(|question| {
        let content = "x".repeat(1000);
        if question.query == "endless" {
            let events = stream::iter(0..).map(move |sequence| Ok(token(sequence, &content)));
            return Ok(Box::pin(events));
        }
        let events = (0..TOKENS).map(|sequence| token(sequence, "y")).collect();
        ending(events)
    });
    let house = House::start_with(chat, |config| config.channel.connections = 1).await;
    let endless = QUESTION.replace("Hi?", "endless");
    let mut stuck = house.post(PATH, &endless).await.into_body();
    frame(&mut stuck).await.unwrap();
    let body = text(house.post(PATH, QUESTION).await).await;
    assert!(body.matches("event: text").count() as u64 == TOKENS);
    // What the stuck stream has taken stands in windows and buffers, which are bounded.
    let taken = house.seen.taken.load(Ordering::Relaxed) - TOKENS as usize;
    assert!(taken < 30_000, "{taken} events of 1 kB for nobody");
    drop(stuck);
    house.abandoned(1).await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_at_all_is_cut() {
    let chat = FakeChat::streaming(|_| {
        let content = "x".repeat(1000);
        let events = stream::iter(0..).map(move |sequence| Ok(token(sequence, &content)));
        Ok(Box::pin(events))
    });
    let house = House::start_with(chat, |config| {
        config.write_timeout = Duration::from_millis(200);
    })
    .await;
    let mut stuck = TcpStream::connect(house.address).await.unwrap();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{QUESTION}",
        QUESTION.len()
    );
    stuck.write_all(head.as_bytes()).await.unwrap();
    house.abandoned(1).await;
    assert!(house.drain.held().is_empty());
}

#[tokio::test]
async fn many_readers_that_take_nothing_do_not_keep_others_from_asking() {
    const STUCK: usize = 100;
    let chat = FakeChat::streaming(|question| {
        let content = "x".repeat(1000);
        let tokens = if question.query == "stuck" { 200 } else { 1 };
        let events = (0..tokens).map(|sequence| token(sequence, &content));
        ending(events.collect())
    });
    let house = House::start_with(chat, |config| {
        config.channel.connections = 1;
        // One connection: what the stuck streams leave untaken must fit into it together.
    })
    .await;
    let stream = TcpStream::connect(house.address).await.unwrap();
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(1)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let question = QUESTION.replace("Hi?", "stuck");
    let mut stuck = Vec::new();
    for _ in 0..STUCK {
        let response = sender.send_request(request("POST", PATH, &question));
        stuck.push(
            tokio::time::timeout(PATIENCE, response)
                .await
                .unwrap()
                .unwrap(),
        );
    }
    let body = text(house.post(PATH, QUESTION).await).await;
    assert!(body.contains("event: close"), "{body}");
}
