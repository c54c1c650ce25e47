//! Where a question comes from.

use troika_gateway::Forwarding;
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

#[tokio::test]
async fn a_proxy_that_is_configured_is_believed_in_its_own_header_alone() {
    for (header, expected) in [
        (Forwarding::XForwardedFor, "203.0.113.9"),
        (Forwarding::Forwarded, "2001:db8::17"),
    ] {
        let chat = FakeChat::streaming(|_| ending(vec![connected()]));
        let house = House::start_with(chat, |config| {
            config.proxies.trusted = vec!["127.0.0.0/8".parse().unwrap()];
            config.proxies.header = header;
        })
        .await;
        let mut question = request("POST", "/api/chat/query/stream", QUESTION);
        for (name, value) in [
            ("x-forwarded-for", "198.51.100.1, 203.0.113.9"),
            ("x-forwarded-for", "127.0.0.7"),
            ("forwarded", "for=198.51.100.1"),
            (
                "forwarded",
                "for=\"[2001:db8::17]:4711\";proto=https, for=127.0.0.7",
            ),
        ] {
            question.headers_mut().append(name, value.parse().unwrap());
        }
        let response = house.send(question).await;
        let promised = response.headers().contains_key("strict-transport-security");
        assert_eq!(promised, header == Forwarding::Forwarded);
        let seen = house.seen.question.lock().unwrap().clone().unwrap();
        assert_eq!(seen.client_address.as_deref(), Some(expected));
    }
}
