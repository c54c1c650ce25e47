//! How the gateway goes away.

use std::sync::Mutex;

use futures::channel::mpsc::{UnboundedSender, unbounded};
use http::StatusCode;
use tokio::{net::TcpStream, time::Instant};
use tonic::Status;
use troika_proto::chat::v1::TurnEvent;

use crate::setup::{FakeChat, House, PATIENCE, QUESTION, close, connected, frame, json, token};

const PATH: &str = "/api/chat/query/stream";

/// A chat role whose one turn says what is sent through the channel.
fn channelled() -> (UnboundedSender<Result<TurnEvent, Status>>, FakeChat) {
    let (chat, events) = unbounded();
    chat.unbounded_send(Ok(connected())).unwrap();
    let events = Mutex::new(Some(events));
    let fake = FakeChat::streaming(move |_| Ok(Box::pin(events.lock().unwrap().take().unwrap())));
    (chat, fake)
}

#[tokio::test]
async fn an_open_stream_goes_on_while_nothing_new_is_accepted() {
    let (chat, fake) = channelled();
    let mut house = House::start(fake).await;
    let mut body = house.post(PATH, QUESTION).await.into_body();
    frame(&mut body).await.unwrap();
    house.drain.begin();
    let refused = async {
        while TcpStream::connect(house.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    chat.unbounded_send(Ok(token(1, "still here"))).unwrap();
    assert!(frame(&mut body).await.unwrap().contains("still here"));
    assert!(!house.served.is_finished());
    chat.unbounded_send(Ok(close(2))).unwrap();
    drop(chat);
    assert!(frame(&mut body).await.unwrap().contains("event: close"));
    assert_eq!(frame(&mut body).await, None);
    let served = tokio::time::timeout(PATIENCE, &mut house.served).await;
    served.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_stream_that_chat_does_not_end_is_ended_with_words() {
    let (_chat, fake) = channelled();
    let mut house = House::start(fake).await;
    let mut body = house.post(PATH, QUESTION).await.into_body();
    frame(&mut body).await.unwrap();
    let start = Instant::now();
    house.drain.begin();
    let error = frame(&mut body).await.unwrap();
    assert!(error.contains(r#""code":"server_shutdown""#), "{error}");
    assert!(frame(&mut body).await.unwrap().contains("event: close"));
    assert_eq!(frame(&mut body).await, None);
    let served = tokio::time::timeout(PATIENCE, &mut house.served).await;
    served.unwrap().unwrap().unwrap();
    assert!(start.elapsed() < PATIENCE);
}

#[tokio::test]
async fn a_draining_gateway_is_not_ready_on_connections_it_still_has() {
    let (_chat, fake) = channelled();
    let house = House::start_draining_later(fake).await;
    house.drain.begin();
    let response = house.get("/ready").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(json(response).await["status"], "draining");
    assert_eq!(house.get("/health").await.status(), StatusCode::OK);
}
