//! Pages of others: which of them a bot answers, who may read an answer, and who may frame the chat page.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tonic::Status;
use troika_chassis::error::{Code, Error};
use troika_proto::chat::v1::{AnswerResponse, DescribeBotResponse};

use crate::setup::{
    FakeChat, House, QUESTION, complete, connected, ending, header, json, lingering, request, text,
};

const SHOP: &str = "https://shop.example";
const ROUTES: [&str; 2] = ["/api/chat/query/stream", "/api/chat/query"];

/// Answers everything; its bots list these origins.
fn listing(origins: &[&str]) -> FakeChat {
    let allowed_origins: Vec<String> = origins.iter().map(|&origin| origin.to_owned()).collect();
    let answer = |_| {
        Ok(AnswerResponse {
            complete: Some(complete()),
            ..Default::default()
        })
    };
    FakeChat::streaming(|_| ending(vec![connected()]))
        .answers(answer)
        .describing(move |_| {
            Ok(DescribeBotResponse {
                active: true,
                allowed_origins: allowed_origins.clone(),
                ..Default::default()
            })
        })
}

fn from(origin: &str, mut request: Request<Full<bytes::Bytes>>) -> Request<Full<bytes::Bytes>> {
    let origin = origin.parse().unwrap();
    request.headers_mut().insert("origin", origin);
    request
}

async fn ask(house: &House, origin: &str, path: &str) -> Response<Incoming> {
    house
        .send(from(origin, request("POST", path, QUESTION)))
        .await
}

#[tokio::test]
async fn a_bot_answers_on_the_pages_it_lists_and_on_no_others() {
    let house = House::start_with(
        listing(&["https://Shop.example:443", "https://*.shop.example"]),
        |config| {
            config.cors.origins = vec!["https://staff.example".to_owned()];
        },
    )
    .await;
    for path in ROUTES {
        for (origin, allowed) in [
            (SHOP, true),
            ("https://www.shop.example", true),
            ("https://staff.example", true),
            ("http://gateway.test", true),
            ("http://shop.example", false),
            ("https://shop.example:8443", false),
            ("https://shop.example.evil.example", false),
            ("https://evilshop.example", false),
            ("null", false),
        ] {
            let response = ask(&house, origin, path).await;
            let case = format!("{path} {origin}");
            let shared = header(&response, "access-control-allow-origin");
            if allowed {
                assert_eq!(response.status(), StatusCode::OK, "{case}");
                assert_eq!(shared, origin, "{case}");
                assert_eq!(
                    header(&response, "cross-origin-resource-policy"),
                    "cross-origin"
                );
            } else {
                assert_eq!(response.status(), StatusCode::FORBIDDEN, "{case}");
                assert_eq!(shared, "", "{case}");
                assert_eq!(
                    header(&response, "cross-origin-resource-policy"),
                    "same-origin"
                );
                assert!(header(&response, "vary").contains("origin"), "{case}");
                let asked = house.seen.question.lock().unwrap().take();
                assert!(asked.is_none(), "{case}: before the turn");
                let problem = json(response).await;
                assert_eq!(problem["code"], "origin_not_allowed", "{case}");
            }
            house.seen.question.lock().unwrap().take();
        }
        // Who is no browser names no origin.
        assert_eq!(house.post(path, QUESTION).await.status(), StatusCode::OK);
    }
    assert_eq!(
        house.seen.described.load(Ordering::Relaxed),
        1,
        "kept for a moment"
    );
}

#[tokio::test]
async fn a_bot_without_a_list_answers_on_every_page() {
    let house = House::start(listing(&[])).await;
    for path in ROUTES {
        let response = ask(&house, SHOP, path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, "access-control-allow-origin"), SHOP);
        assert_eq!(header(&response, "access-control-allow-credentials"), "");
        let readable = header(&response, "access-control-expose-headers");
        assert!(readable.contains("x-request-id"), "{readable}");
        let response = ask(&house, "null", path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, "access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_question_can_be_read_on_the_page() {
    let house = House::start(listing(&[SHOP])).await;
    let broken = from(SHOP, request("POST", "/api/chat/query", "{"));
    let response = house.send(broken).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(header(&response, "access-control-allow-origin"), SHOP);
}

#[tokio::test]
async fn while_chat_does_not_say_whose_pages_it_allows_it_decides_itself() {
    let refuse = || -> Status {
        Error::new(Code::PermissionDenied, "origin_not_allowed", "Not here.").into()
    };
    let chat = FakeChat::refusing(refuse).describing(|_| Err(Status::unavailable("away")));
    let house = House::start(chat).await;
    for path in ROUTES {
        let response = ask(&house, SHOP, path).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        assert_eq!(header(&response, "access-control-allow-origin"), "");
    }
    assert!(house.seen.question.lock().unwrap().is_some());
    // A chat role that hangs keeps a question waiting for a moment only.
    let chat = listing(&[SHOP]).describing(|_| {
        std::thread::sleep(Duration::from_secs(1));
        Err(Status::unavailable("away"))
    });
    let house = House::start(chat).await;
    let response = ask(&house, "https://other.example", "/api/chat/query").await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn many_who_ask_at_once_make_one_call_and_a_failure_is_not_kept() {
    let away = Arc::new(AtomicBool::new(true));
    let is_away = Arc::clone(&away);
    let chat = listing(&[]).describing(move |_| {
        if is_away.load(Ordering::Relaxed) {
            return Err(Status::unavailable("away"));
        }
        Ok(DescribeBotResponse {
            allowed_origins: vec![SHOP.to_owned()],
            ..Default::default()
        })
    });
    let house = House::start(chat).await;
    let other = "https://other.example";
    let response = ask(&house, other, ROUTES[1]).await;
    assert_eq!(response.status(), StatusCode::OK);
    away.store(false, Ordering::Relaxed);
    let before = house.seen.described.load(Ordering::Relaxed);
    let many = (0..50).map(|_| ask(&house, other, ROUTES[1]));
    for response in futures::future::join_all(many).await {
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(house.seen.described.load(Ordering::Relaxed), before + 1);
}

#[tokio::test]
async fn preflights_reach_no_route() {
    let house = House::start(listing(&[SHOP])).await;
    for path in [
        "/api/chat/query/stream",
        "/api/chat/stop",
        "/api/text-to-speech",
        "/ofrep/v1/evaluate/flags",
    ] {
        let mut preflight = from(SHOP, request("OPTIONS", path, ""));
        let asks = "POST".parse().unwrap();
        preflight
            .headers_mut()
            .insert("access-control-request-method", asks);
        let response = house.send(preflight).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT, "{path}");
        assert_eq!(header(&response, "access-control-allow-origin"), SHOP);
        assert_eq!(
            header(&response, "access-control-allow-methods"),
            "GET, POST"
        );
        assert_eq!(header(&response, "access-control-max-age"), "600");
        assert!(header(&response, "access-control-allow-headers").contains("content-type"));
        assert!(!header(&response, "x-request-id").is_empty());
        assert_eq!(text(response).await, "");
    }
    let mut preflight = from(SHOP, request("OPTIONS", "/api/flags", ""));
    let asks = "PUT".parse().unwrap();
    preflight
        .headers_mut()
        .insert("access-control-request-method", asks);
    let response = house.send(preflight).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header(&response, "access-control-allow-origin"), "");
}

#[tokio::test]
async fn the_chat_page_is_framed_where_its_bot_is_allowed() {
    let shop = "'self' https://shop.example https://*.b.example";
    for (origins, anywhere, page, frames, old) in [
        (
            &[SHOP, "https://*.B.example"][..],
            false,
            "/?bot=0123456789ABCDEF01234567",
            shop,
            "",
        ),
        (
            &[SHOP, "https://*.B.example"],
            true,
            "/?x=1&bot=%200123456789abcdef01234567",
            shop,
            "",
        ),
        (&[SHOP, "https://*.B.example"], true, "/", shop, ""),
        (
            &[],
            false,
            "/?bot=0123456789abcdef01234567",
            "'self'",
            "SAMEORIGIN",
        ),
        (&[], true, "/?bot=0123456789abcdef01234567", "*", ""),
        (&[SHOP], true, "/?bot=nobody", "'self'", "SAMEORIGIN"),
        (
            &[SHOP],
            true,
            "/dashboard?bot=0123456789abcdef01234567",
            "'none'",
            "DENY",
        ),
        (&[SHOP], true, "/rollouts", "'none'", "DENY"),
    ] {
        let house = House::start_with(listing(origins), |config| {
            config.cors.frame_anywhere = anywhere;
        })
        .await;
        let response = house.get(page).await;
        assert_eq!(response.status(), StatusCode::OK, "{page}");
        let policy = header(&response, "content-security-policy");
        let rule = format!("; frame-ancestors {frames}");
        assert!(policy.ends_with(&rule), "{page}: {policy}");
        assert_eq!(header(&response, "x-frame-options"), old, "{page}");
    }
    // Nobody knows the list: nobody but ourselves.
    let chat = FakeChat::streaming(|_| lingering(Vec::new()));
    let house = House::start_with(
        chat.describing(|_| Err(Status::unavailable("away"))),
        |config| {
            config.cors.frame_anywhere = true;
        },
    )
    .await;
    let response = house.get("/").await;
    let policy = header(&response, "content-security-policy");
    assert!(policy.ends_with("frame-ancestors 'self'"), "{policy}");
}
