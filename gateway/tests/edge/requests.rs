//! Requests in JSON and what they are answered, mistakes first of all.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::Status;
use troika_chassis::error::{Code, Error};
use troika_proto::chat::v1::{AnswerResponse, SpokenAnswer, Warning, stop_request::Target};

use crate::setup::{
    FakeChat, House, PATIENCE, QUESTION, complete, ending, header, json, lingering, request,
};

fn mute() -> FakeChat {
    FakeChat::streaming(|_| lingering(Vec::new()))
}

#[tokio::test]
async fn chats_refusals_are_http_errors_with_both_vocabularies() {
    let table = [
        (Code::InvalidArgument, "invalid_argument", 400),
        (Code::Unauthenticated, "token_needed", 401),
        (Code::PermissionDenied, "bot_is_private", 403),
        (Code::NotFound, "bot_not_found", 404),
        (Code::ResourceExhausted, "bot_budget_spent", 429),
        (Code::Unavailable, "store_unavailable", 503),
        (Code::DeadlineExceeded, "too_slow", 504),
        (Code::Internal, "internal", 500),
    ];
    for (code, reason, expected) in table {
        let refuse = move || -> Status {
            Error::new(code, reason, "A sentence for the visitor.")
                .with_violation("chatbot_id", "chatbot_id is the matter", "any.only")
                .with_retry_after(Duration::from_millis(1500))
                .into()
        };
        let house = House::start(FakeChat::refusing(refuse)).await;
        for path in ["/api/chat/query/stream", "/api/chat/query"] {
            let response = house.post(path, QUESTION).await;
            assert_eq!(response.status().as_u16(), expected, "{reason}");
            assert_eq!(
                header(&response, "content-type"),
                "application/problem+json"
            );
            assert_eq!(header(&response, "retry-after"), "2");
            let id = header(&response, "x-request-id").to_owned();
            let problem = json(response).await;
            assert_eq!(problem["status"], expected);
            assert_eq!(problem["code"], reason);
            assert_eq!(problem["type"], format!("urn:troika:problem:{reason}"));
            assert_eq!(problem["requestId"], id);
            for member in ["detail", "error", "message"] {
                assert_eq!(problem[member], "A sentence for the visitor.", "{member}");
            }
            assert_eq!(problem["details"][0]["field"], "chatbotId");
            assert_eq!(problem["details"][0]["message"], "chatbotId is the matter");
            assert_eq!(problem["details"][0]["type"], "any.only");
        }
    }
}

#[tokio::test]
async fn a_chat_role_that_is_away_is_503_and_tells_no_address() {
    let house = House::start(mute()).await;
    house.kill_chat();
    let gone = async {
        loop {
            let response = house.post("/api/chat/stop", r#"{"turnId":"t"}"#).await;
            if response.status() == StatusCode::SERVICE_UNAVAILABLE {
                break json(response).await;
            }
        }
    };
    let problem = tokio::time::timeout(PATIENCE, gone).await.unwrap();
    assert!(!problem.to_string().contains("127.0.0.1"), "{problem}");
    let response = house.post("/api/chat/query/stream", QUESTION).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_stream_that_never_begins_is_504_and_one_that_ends_at_once_is_503() {
    let house = House::start_with(mute(), |config| {
        config.open_timeout = Duration::from_millis(50);
    })
    .await;
    let response = house.post("/api/chat/query/stream", QUESTION).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(json(response).await["code"], "deadline_exceeded");
    house.abandoned(1).await;
    let house = House::start(FakeChat::streaming(|_| ending(Vec::new()))).await;
    let response = house.post("/api/chat/query/stream", QUESTION).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_problems() {
    let house = House::start(mute()).await;
    for path in ["/api/nothing", "/no-such-page.html", "/api/chat/query/"] {
        let response = house.get(path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(
            header(&response, "content-type"),
            "application/problem+json"
        );
        let problem = json(response).await;
        assert_eq!(problem["code"], "path_not_found");
        assert_eq!(problem["status"], 404);
    }
    for (method, path, allow) in [
        ("GET", "/api/chat/query/stream", "POST"),
        ("DELETE", "/api/chat/query", "POST"),
        ("POST", "/health", "GET,HEAD"),
        ("POST", "/", "GET, HEAD"),
    ] {
        let response = house.send(request(method, path, "{}")).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(header(&response, "allow"), allow, "{path}");
        assert_eq!(json(response).await["code"], "method_not_allowed");
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_taken_are_told_why() {
    let house = House::start_with(mute(), |config| {
        config.body_limit = bytesize::ByteSize::kib(1);
    })
    .await;
    let long = format!(r#"{{"query":"{}"}}"#, "x".repeat(3_000_000));
    let table = [
        (
            Some("application/json"),
            long.as_str(),
            413,
            "body_too_large",
        ),
        (Some("text/plain"), QUESTION, 415, "unsupported_media_type"),
        (None, QUESTION, 415, "unsupported_media_type"),
        (
            Some("application/json"),
            "{\"query\":",
            400,
            "malformed_json",
        ),
        (Some("application/json"), "[]", 400, "invalid_argument"),
        (
            Some("application/json; charset=utf-8"),
            r#"{"query":5}"#,
            400,
            "invalid_argument",
        ),
    ];
    for path in [
        "/api/chat/query/stream",
        "/api/chat/query",
        "/api/chat/stop",
    ] {
        for (kind, body, status, code) in table {
            if path.ends_with("stop") && body.contains("query\":5") {
                continue;
            }
            let mut question = request("POST", path, body);
            question.headers_mut().remove("content-type");
            if let Some(kind) = kind {
                question
                    .headers_mut()
                    .insert("content-type", kind.parse().unwrap());
            }
            let response = house.send(question).await;
            assert_eq!(response.status().as_u16(), status, "{path} {code}");
            let problem = json(response).await;
            assert_eq!(problem["code"], code, "{problem}");
            assert!(problem["requestId"].as_str().unwrap().len() > 3);
        }
    }
    assert!(house.seen.question.lock().unwrap().is_none());
}

#[tokio::test]
async fn a_body_that_dawdles_is_408_and_a_head_that_dawdles_is_cut() {
    let house = House::start_with(mute(), |config| {
        config.body_timeout = Duration::from_millis(50);
        config.head_timeout = Duration::from_millis(300);
    })
    .await;
    let slow_body = "POST /api/chat/query HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let table = [
        (slow_body, "HTTP/1.1 408 "),
        ("POST /api/chat/query HTTP/1.1\r\nhost:", ""),
        ("PRI * HTTP/2.0", ""),
        ("", ""),
    ];
    for (sent, expected) in table {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .expect("the connection is not cut")
            .unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with(expected), "{sent:?}: {answer}");
    }
}

#[tokio::test]
async fn an_answer_in_one_piece_has_the_old_members_and_the_new() {
    let chat = FakeChat::answering(|request| {
        let question = request.question.unwrap();
        assert_eq!(question.chatbot_id, "000000000000000000000001");
        Ok(AnswerResponse {
            turn_id: "t".to_owned(),
            complete: Some(complete()),
            suggestions: vec!["More?".to_owned()],
            warnings: vec![Warning {
                code: "w".to_owned(),
                message: "Something was missing".to_owned(),
            }],
            audio: Some(SpokenAnswer {
                data: Bytes::from_static(b"mp3"),
                content_type: "audio/mpeg".to_owned(),
            }),
            requires_auth_next: true,
            auth_method: "whatsapp".to_owned(),
        })
    });
    let house = House::start(chat).await;
    let mut question = request("POST", "/api/chat/query", QUESTION);
    let id = "visitor-7.a_B".parse().unwrap();
    question.headers_mut().insert("x-request-id", id);
    let response = house.send(question).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(header(&response, "x-request-id"), "visitor-7.a_B");
    assert_eq!(
        json(response).await,
        serde_json::json!({
            "answer": "Hi there.", "link": null, "tokens": 12, "audio": "data:audio/mpeg;base64,bXAz", "sessionId": "s",
            "requiresAuthNext": true, "auth_method": "whatsapp", "typingDelay": 0, "suggestions": ["More?"],
            "turnId": "t", "finishReason": "stop", "truncated": false, "language": "en-IN", "model": "knowledge",
            "usage": {"promptTokens": 10, "completionTokens": 2, "totalTokens": 12, "estimated": false},
            "warnings": [{"code": "w", "message": "Something was missing"}],
        })
    );
    let metadata = house.seen.metadata.lock().unwrap().clone().unwrap();
    assert_eq!(metadata.get("x-request-id").unwrap(), "visitor-7.a_B");
    assert!(metadata.get("grpc-timeout").is_some());
}

#[tokio::test]
async fn an_answer_that_is_late_is_504() {
    let chat = FakeChat::answering(|_| {
        // Blocks the fake's own thread, as a chat role that hangs would.
        std::thread::sleep(Duration::from_millis(700));
        Err(Status::internal("too late"))
    });
    let house = House::start_with(chat, |config| {
        config.answer_deadline = Duration::from_millis(100);
    })
    .await;
    let response = house.post("/api/chat/query", QUESTION).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(json(response).await["code"], "deadline_exceeded");
}

#[tokio::test]
async fn stop_names_a_turn_or_a_session() {
    let house = House::start(mute()).await;
    for (body, expected) in [
        (r#"{"turnId":"t"}"#, Target::TurnId("t".to_owned())),
        (r#"{"sessionId":"s"}"#, Target::SessionId("s".to_owned())),
    ] {
        let response = house.post("/api/chat/stop", body).await;
        assert_eq!(response.status(), StatusCode::OK);
        let answer = json(response).await;
        assert_eq!(answer, serde_json::json!({"success": true, "stopped": 2}));
        let seen = house.seen.stop.lock().unwrap().clone().unwrap();
        assert_eq!(seen.target, Some(expected));
    }
    for body in ["{}", r#"{"turnId":"t","sessionId":"s"}"#] {
        let response = house.post("/api/chat/stop", body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(json(response).await["details"][0]["type"], "object.xor");
    }
}

#[tokio::test]
async fn a_chunked_body_is_bounded_too() {
    let house = House::start_with(mute(), |config| {
        config.body_limit = bytesize::ByteSize::b(64);
    })
    .await;
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 100, "x".repeat(100));
    let sent = format!(
        "POST /api/chat/query HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
    );
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_compressed_body_is_415() {
    let house = House::start(mute()).await;
    let mut question: Request<Full<Bytes>> = request("POST", "/api/chat/query", QUESTION);
    question
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    let response = house.send(question).await;
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
