//! Where a question comes from.

use troika_proto::chat::v1::AnswerResponse;

use crate::setup::{FakeChat, House, QUESTION, complete, connected, ending, request};

#[tokio::test]
async fn chat_is_told_the_connections_address_and_no_header_is_believed() {
    let house = House::start(FakeChat::streaming(|_| ending(vec![connected()]))).await;
    let mut question = request("POST", "/api/chat/query/stream", QUESTION);
    for name in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let forged = "203.0.113.9".parse().unwrap();
        question.headers_mut().insert(name, forged);
    }
    house.send(question).await;
    let seen = house.seen.question.lock().unwrap().clone().unwrap();
    assert_eq!(seen.client_address.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn an_answer_in_one_piece_is_asked_for_with_the_address_too() {
    let chat = FakeChat::answering(|request| {
        let question = request.question.unwrap();
        assert_eq!(question.client_address.as_deref(), Some("127.0.0.1"));
        Ok(AnswerResponse {
            complete: Some(complete()),
            ..Default::default()
        })
    });
    let house = House::start(chat).await;
    assert_eq!(house.post("/api/chat/query", QUESTION).await.status(), 200);
}
