//! What every answer tells a browser for safety's sake, whatever is answered.

use http::StatusCode;

use crate::setup::{FakeChat, House, QUESTION, connected, ending, header, request};

#[tokio::test]
async fn every_answer_has_the_headers_of_its_kind() {
    let house = House::start_with(
        FakeChat::streaming(|_| ending(vec![connected()])),
        |config| config.proxies.hops = 1,
    )
    .await;
    let api = "default-src 'none'; frame-ancestors 'none'";
    for (method, path, status, policy, frames) in [
        ("POST", "/api/chat/query/stream", 200, api, "DENY"),
        ("POST", "/api/chat/query", 501, api, "DENY"),
        ("GET", "/api/chat/query", 405, api, "DENY"),
        ("GET", "/api/nothing", 404, api, "DENY"),
        ("GET", "/api/flags", 401, api, "DENY"),
        ("GET", "/health", 200, api, "DENY"),
        ("GET", "/openapi.json", 200, "default-src 'self'", "DENY"),
        ("GET", "/docs", 303, "default-src 'self'", "DENY"),
        ("GET", "/docs/", 200, "default-src 'self'", "DENY"),
        (
            "GET",
            "/docs/swagger-ui-bundle.js",
            200,
            "default-src 'self'",
            "DENY",
        ),
        ("GET", "/", 200, "default-src 'self'", "SAMEORIGIN"),
        ("GET", "/dashboard", 200, "default-src 'self'", "DENY"),
        ("GET", "/rollouts/", 308, api, "DENY"),
        ("GET", "/app/main.js", 200, "default-src 'self'", "DENY"),
        ("GET", "/no-such-page", 404, api, "DENY"),
    ] {
        for https in [false, true] {
            let mut asked = request(method, path, QUESTION);
            if https {
                let scheme = "https".parse().unwrap();
                asked.headers_mut().insert("x-forwarded-proto", scheme);
            }
            let response = house.send(asked).await;
            let case = format!("{method} {path}");
            assert_eq!(response.status().as_u16(), status, "{case}");
            let told = |name| header(&response, name);
            assert!(
                told("content-security-policy").starts_with(policy),
                "{case}"
            );
            assert_eq!(told("x-frame-options"), frames, "{case}");
            assert_eq!(told("x-content-type-options"), "nosniff", "{case}");
            assert_eq!(told("referrer-policy"), "same-origin", "{case}");
            assert_eq!(told("cross-origin-opener-policy"), "same-origin", "{case}");
            assert_eq!(
                told("cross-origin-resource-policy"),
                "same-origin",
                "{case}"
            );
            assert!(
                told("permissions-policy").contains("microphone=()"),
                "{case}"
            );
            assert_eq!(told("x-powered-by"), "", "{case}");
            assert_eq!(told("server"), "", "{case}");
            assert_eq!(
                !told("strict-transport-security").is_empty(),
                https,
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_of_a_hundred_thousand_values_is_refused_at_once() {
    let house = House::start(FakeChat::streaming(|_| ending(vec![connected()]))).await;
    let fields: Vec<String> = (0..100_000).map(|at| format!("\"{at}\":0")).collect();
    let body = format!("{{{}}}", fields.join(","));
    for path in ["/api/chat/query/stream", "/api/text-to-speech"] {
        let response = house.post(path, &body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        let problem = crate::setup::json(response).await;
        assert_eq!(problem["code"], "too_many_values", "{path}");
    }
}
