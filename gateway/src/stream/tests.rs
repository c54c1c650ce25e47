//! What a stream tells and when, on a paused clock and without a network.

use futures::{
    channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
    future::poll_fn,
};
use troika_chassis::lifecycle::DrainConfig;
use troika_proto::chat::v1 as proto;
use troika_proto::chat::v1::turn_event::Event;

use super::*;

const HEARTBEAT: Duration = Duration::from_secs(15);

type Item = Result<TurnEvent, Status>;

fn event(sequence: u64, event: Event) -> TurnEvent {
    TurnEvent {
        turn_id: "t".to_owned(),
        sequence,
        time: None,
        event: Some(event),
    }
}

fn text(sequence: u64, content: &str) -> TurnEvent {
    let content = content.to_owned();
    event(sequence, Event::Text(proto::Text { content }))
}

fn complete(sequence: u64) -> TurnEvent {
    let complete = proto::Complete {
        finish_reason: proto::FinishReason::Stop.into(),
        ..Default::default()
    };
    event(sequence, Event::Complete(complete))
}

fn close(sequence: u64) -> TurnEvent {
    let close = proto::Close {
        reason: "complete".to_owned(),
        message: String::new(),
    };
    event(sequence, Event::Close(close))
}

fn drain() -> Drain {
    Drain::new(DrainConfig {
        delay: Duration::ZERO,
        deadline: Duration::from_secs(3),
        force: Duration::from_secs(5),
    })
}

fn body(drain: &Drain) -> (UnboundedSender<Item>, EventBody<UnboundedReceiver<Item>>) {
    let (chat, events) = unbounded();
    (
        chat,
        EventBody::new(text(0, "first"), events, HEARTBEAT, drain),
    )
}

async fn frame(body: &mut EventBody<UnboundedReceiver<Item>>) -> Option<String> {
    let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
    let data = frame.unwrap().into_data().unwrap();
    Some(String::from_utf8(data.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn each_event_is_one_frame_and_the_body_ends_with_chats_stream() {
    let (chat, mut body) = body(&drain());
    for event in [text(1, "a"), text(2, "b"), complete(3), close(4)] {
        chat.unbounded_send(Ok(event)).unwrap();
    }
    drop(chat);
    for (number, name) in ["text", "text", "text", "complete", "close"]
        .iter()
        .enumerate()
    {
        let frame = frame(&mut body).await.unwrap();
        assert!(
            frame.starts_with(&format!("id: t:{number}\nevent: {name}\n")),
            "{frame}"
        );
        assert!(frame.ends_with("\n\n"));
    }
    assert_eq!(frame(&mut body).await, None);
    assert!(body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_a_comment_every_heartbeat_and_only_then() {
    let (chat, mut body) = body(&drain());
    frame(&mut body).await.unwrap();
    let start = Instant::now();
    assert_eq!(frame(&mut body).await.unwrap(), ": heartbeat\n\n");
    assert_eq!(start.elapsed().as_secs(), 15);
    assert_eq!(frame(&mut body).await.unwrap(), ": heartbeat\n\n");
    assert_eq!(start.elapsed().as_secs(), 30);
    // An event starts the silence anew.
    tokio::time::advance(Duration::from_secs(10)).await;
    chat.unbounded_send(Ok(text(1, "a"))).unwrap();
    assert!(frame(&mut body).await.unwrap().contains("event: text"));
    assert_eq!(frame(&mut body).await.unwrap(), ": heartbeat\n\n");
    assert_eq!(start.elapsed().as_secs(), 55);
}

#[tokio::test(start_paused = true)]
async fn a_lost_upstream_is_told_as_an_error_and_a_close() {
    for lost in [Some(Status::unavailable("tcp reset by 10.0.0.7")), None] {
        let (chat, mut body) = body(&drain());
        frame(&mut body).await.unwrap();
        if let Some(status) = lost {
            chat.unbounded_send(Err(status)).unwrap();
        }
        drop(chat);
        let error = frame(&mut body).await.unwrap();
        assert!(error.starts_with("event: error\ndata: {"), "{error}");
        assert!(error.contains(r#""code":"upstream_lost","canRetry":true"#));
        assert!(!error.contains("10.0.0.7"));
        let close = frame(&mut body).await.unwrap();
        assert!(
            close.starts_with("event: close\ndata: {\"reason\":\"error\""),
            "{close}"
        );
        assert_eq!(frame(&mut body).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_decided_before_the_loss_stays_decided() {
    let (chat, mut body) = body(&drain());
    frame(&mut body).await.unwrap();
    chat.unbounded_send(Ok(complete(1))).unwrap();
    chat.unbounded_send(Err(Status::unavailable("gone")))
        .unwrap();
    assert!(frame(&mut body).await.unwrap().contains("event: complete"));
    let close = frame(&mut body).await.unwrap();
    assert!(
        close.starts_with("event: close\ndata: {\"reason\":\"complete\""),
        "{close}"
    );
    assert_eq!(frame(&mut body).await, None);
}

#[tokio::test(start_paused = true)]
async fn after_close_the_body_ends_even_when_chats_stream_lingers() {
    let (chat, mut body) = body(&drain());
    chat.unbounded_send(Ok(close(1))).unwrap();
    frame(&mut body).await.unwrap();
    assert!(frame(&mut body).await.unwrap().contains("event: close"));
    let start = Instant::now();
    assert_eq!(frame(&mut body).await, None);
    assert_eq!(start.elapsed().as_secs(), END_GRACE.as_secs());
    assert!(chat.is_closed(), "chat's stream is let go");
}

#[tokio::test(start_paused = true)]
async fn when_the_process_ends_chat_says_goodbye_if_it_can() {
    let drain = drain();
    let (chat, mut body) = body(&drain);
    frame(&mut body).await.unwrap();
    drain.begin();
    let ends = drain.clone();
    tokio::spawn(async move {
        ends.ending().await;
        chat.unbounded_send(Ok(close(1))).unwrap();
    });
    let close = frame(&mut body).await.unwrap();
    assert!(close.starts_with("id: t:1\nevent: close\n"), "{close}");
    assert_eq!(frame(&mut body).await, None);
}

#[tokio::test(start_paused = true)]
async fn when_the_process_ends_and_chat_is_mute_the_gateway_says_goodbye() {
    let drain = drain();
    let (_chat, mut body) = body(&drain);
    frame(&mut body).await.unwrap();
    drain.begin();
    let error = frame(&mut body).await.unwrap();
    assert!(
        error.contains(r#""code":"server_shutdown","canRetry":true"#),
        "{error}"
    );
    let close = frame(&mut body).await.unwrap();
    assert!(close.contains(r#"{"reason":"server_shutdown""#), "{close}");
    assert_eq!(frame(&mut body).await, None);
    drop(body);
    let start = Instant::now();
    drain.finished().await;
    assert_eq!(start.elapsed(), Duration::ZERO, "nothing is held");
}

#[tokio::test(start_paused = true)]
async fn the_drain_waits_for_an_open_stream_and_dropping_it_drops_chats() {
    let drain = drain();
    let (chat, body) = body(&drain);
    assert_eq!(drain.held().len(), 1);
    drop(body);
    assert!(drain.held().is_empty());
    assert!(chat.is_closed());
}
