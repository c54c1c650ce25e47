//! What browsers are told, by whose page asks which route.

use axum::{Extension, Router, body::Body, middleware, routing::any};
use tower::ServiceExt as _;

use super::*;

const SHOP: &str = "https://shop.example";
const STAFF: &str = "https://staff.example";

/// Answers whose page asked; or refuses it.
fn router() -> Router {
    let cors = Cors::new(&config::Cors {
        origins: vec![STAFF.to_owned(), "https://*.staff.example".to_owned()],
        frame_anywhere: false,
    });
    let told = |Extension(page): Extension<Page>| async move { format!("{page:?}") };
    let refused = || async { Problem::new(StatusCode::FORBIDDEN, NOT_ALLOWED, "No.") };
    Router::new()
        .route("/api/chat/query", any(told))
        .route("/api/chat/refused", any(refused))
        .route("/api/flags", any(told))
        .layer(middleware::from_fn_with_state(cors, share))
}

async fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "chat.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    router().oneshot(request).await.unwrap()
}

fn told<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

async fn page(headers: &[(&str, &str)]) -> String {
    let response = ask("POST", "/api/chat/query", headers).await;
    let body = axum::body::to_bytes(response.into_body(), 1000)
        .await
        .unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_page_is_whose_its_browser_says() {
    for (headers, expected) in [
        (&[][..], "Own"),
        (&[("origin", "https://chat.example")], "Own"),
        (&[("origin", "http://chat.example")], "Own"),
        (
            &[("origin", "https://chat.example:444")],
            r#"Foreign("https://chat.example:444")"#,
        ),
        (
            &[
                ("origin", "https://other.example"),
                ("sec-fetch-site", "same-origin"),
            ],
            "Own",
        ),
        (
            &[
                ("origin", "https://other.example"),
                ("sec-fetch-site", "same-site"),
            ],
            r#"Foreign("https://other.example")"#,
        ),
        (&[("origin", STAFF)], "Operators"),
        (&[("origin", "https://a.staff.example")], "Operators"),
        (
            &[("origin", "http://staff.example")],
            r#"Foreign("http://staff.example")"#,
        ),
        (
            &[("origin", "HTTPS://Shop.example:443")],
            r#"Foreign("https://shop.example")"#,
        ),
        (&[("origin", "null")], r#"Foreign("null")"#),
        (&[("origin", "")], r#"Foreign("null")"#),
        (
            &[("origin", "chrome-extension://abc")],
            r#"Foreign("null")"#,
        ),
        (
            &[("origin", STAFF), ("origin", STAFF)],
            r#"Foreign("null")"#,
        ),
    ] {
        assert_eq!(page(headers).await, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn an_answer_is_shared_with_the_pages_that_may_have_it() {
    // Path, origin: who may read it, and whether with credentials.
    for (path, origin, read, credentials) in [
        ("/api/chat/query", SHOP, true, false),
        ("/api/chat/query", STAFF, true, true),
        ("/api/chat/query", "null", false, false),
        ("/api/chat/nothing", SHOP, true, false),
        ("/api/chat/refused", SHOP, false, false),
        ("/api/chat/refused", STAFF, true, true),
        ("/api/flags", SHOP, false, false),
        ("/api/flags", STAFF, true, true),
        ("/api/flags", "null", false, false),
        ("/", SHOP, false, false),
    ] {
        let response = ask("POST", path, &[("origin", origin)]).await;
        let case = format!("{path} {origin}");
        let allowed = told(&response, "access-control-allow-origin");
        assert_eq!(allowed, read.then_some(origin), "{case}");
        let with = told(&response, "access-control-allow-credentials");
        assert_eq!(with, credentials.then_some("true"), "{case}");
        assert_eq!(told(&response, "vary"), Some("origin"), "{case}");
        let readable = told(&response, "access-control-expose-headers");
        assert_eq!(readable.is_some(), read, "{case}");
        if let Some(readable) = readable {
            for name in [
                "x-request-id",
                "retry-after",
                "ratelimit",
                "x-session-token",
            ] {
                assert!(readable.contains(name), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_preflight_is_answered_for_what_a_page_may_ask() {
    let asks = |origin| {
        [
            ("origin", origin),
            ("access-control-request-method", "POST"),
        ]
    };
    for (path, origin, status, allowed, credentials) in [
        ("/api/chat/query", SHOP, 204, true, false),
        ("/api/chat/refused", SHOP, 204, true, false),
        ("/api/chat/query", STAFF, 204, true, true),
        ("/api/chat/query", "https://chat.example", 204, true, false),
        ("/api/chat/query", "null", 204, false, false),
        ("/api/flags", STAFF, 204, true, true),
        // As if there were no such thing: the route's own answer.
        ("/api/flags", SHOP, 200, false, false),
        ("/api/flags", "null", 200, false, false),
    ] {
        let response = ask("OPTIONS", path, &asks(origin)).await;
        let case = format!("{path} {origin}");
        assert_eq!(response.status().as_u16(), status, "{case}");
        let told = |name| told(&response, name);
        assert_eq!(
            told("access-control-allow-origin"),
            allowed.then_some(origin),
            "{case}"
        );
        assert_eq!(
            told("access-control-allow-credentials"),
            credentials.then_some("true")
        );
        assert_eq!(
            told("access-control-max-age"),
            allowed.then_some("600"),
            "{case}"
        );
        assert_eq!(told("vary"), Some("origin"), "{case}");
        let methods = told("access-control-allow-methods").unwrap_or_default();
        assert_eq!(methods.contains("POST"), allowed, "{case}");
        assert_eq!(
            methods.contains("DELETE"),
            allowed && path == "/api/flags",
            "{case}"
        );
        let headers = told("access-control-allow-headers").unwrap_or_default();
        for name in ["authorization", "content-type", "x-session-token"] {
            assert_eq!(headers.contains(name), allowed, "{case} {name}");
        }
        assert!(!headers.contains('*') && !methods.contains('*'));
    }
    // No preflight: somebody asks what there is.
    for headers in [
        &[][..],
        &[("origin", SHOP)],
        &[("access-control-request-method", "POST")],
    ] {
        let response = ask("OPTIONS", "/api/chat/query", headers).await;
        assert_eq!(response.status(), 200, "{headers:?}");
    }
}

#[tokio::test]
async fn without_operators_pages_nothing_varies_that_is_not_open() {
    let cors = Cors::new(&config::Cors::default());
    let router = Router::new()
        .route("/api/flags", any(|| async {}))
        .layer(middleware::from_fn_with_state(cors, share));
    let request = Request::get("/api/flags").header("origin", SHOP);
    let response = router
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(told(&response, "vary"), None);
    assert_eq!(told(&response, "access-control-allow-origin"), None);
}

#[test]
fn the_routes_of_visitors_are_open_and_those_of_staff_are_not() {
    for path in [
        "/api/chat/query/stream",
        "/api/chat/query",
        "/api/chat/stop",
        "/api/troika/intelligent-chat/stream",
        "/api/troika/intelligent-chat",
        "/api/text-to-speech",
        "/api/tts/voices",
        "/api/auth/status",
        "/ofrep/v1/evaluate/flags",
        "/ofrep/v1/events",
    ] {
        assert!(is_open(path), "{path}");
    }
    for path in [
        "/",
        "/dashboard",
        "/docs/",
        "/health",
        "/prometheus/metrics",
        "/api/flags",
        "/api/rollouts/x/watch",
        "/api/metrics/streaming",
        "/api/admin/sign-in",
        "/api/audit",
        "/API/chat/query",
        "/grpc.health.v1.Health/Check",
    ] {
        assert!(!is_open(path), "{path}");
    }
}
