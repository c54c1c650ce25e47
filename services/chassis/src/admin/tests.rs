//! The port as its callers see it.

use axum::{body::Body, extract::ConnectInfo};
use http::{Method, Request, header::ACCEPT};
use tower::ServiceExt as _;

use super::*;

fn admin() -> Admin {
    Admin {
        meters: Meters::new(),
        levels: LogLevels::new("info", |_| true),
        roles: vec![Readiness::default()],
        drain: Drain::default(),
    }
}

async fn ask_from(
    caller: &str,
    admin: &Admin,
    method: Method,
    path: &str,
    body: &'static str,
) -> (StatusCode, HeaderMap, String) {
    let caller: SocketAddr = caller.parse().unwrap();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(ACCEPT, "application/openmetrics-text")
        .extension(ConnectInfo(caller))
        .body(Body::from(body))
        .unwrap();
    let response = routes(admin.clone()).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (
        head.status,
        head.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

async fn ask(
    admin: &Admin,
    method: Method,
    path: &str,
    body: &'static str,
) -> (StatusCode, HeaderMap, String) {
    ask_from("127.0.0.1:1", admin, method, path, body).await
}

#[tokio::test]
async fn figures_are_told_in_the_format_that_is_asked_for() {
    let admin = admin();
    let (status, headers, body) = ask(&admin, Method::GET, "/metrics", "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[CONTENT_TYPE], OPEN_METRICS);
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn readiness_says_what_is_waited_for_and_that_the_process_leaves() {
    let admin = admin();
    assert_eq!(
        ask(&admin, Method::GET, "/ready", "").await.2,
        r#"{"status":"ready","waitingFor":[]}"#
    );
    let store = admin.roles[0].condition("store");
    let (status, _, body) = ask(&admin, Method::GET, "/ready", "").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, r#"{"status":"not_ready","waitingFor":["store"]}"#);
    store.met();
    admin.drain.begin();
    let (status, _, body) = ask(&admin, Method::GET, "/ready", "").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("draining"), "{body}");
    assert_eq!(
        ask(&admin, Method::GET, "/health", "").await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn levels_are_seen_and_changed() {
    let admin = admin();
    let (status, _, body) = ask(&admin, Method::PUT, "/log", "debug,h2=warn").await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::OK, r#"{"level":"debug,h2=warn"}"#)
    );
    let (status, _, body) = ask(&admin, Method::PUT, "/log", "very loud").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        body.contains("invalid_level") && body.contains("write error, warn, info"),
        "{body}"
    );
    assert_eq!(
        ask(&admin, Method::GET, "/log", "").await.2,
        r#"{"level":"debug,h2=warn"}"#
    );
}

#[tokio::test]
async fn levels_are_changed_from_this_machine_only() {
    let admin = admin();
    for (caller, allowed) in [
        ("10.0.0.7:1", false),
        ("[2001:db8::1]:1", false),
        ("[::1]:1", true),
        ("[::ffff:127.0.0.1]:1", true),
    ] {
        let (status, ..) = ask_from(caller, &admin, Method::PUT, "/log", "debug").await;
        assert_eq!(status.is_success(), allowed, "{caller}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let long = Box::leak("x".repeat(LONGEST_BODY + 1).into_boxed_str());
    let (status, ..) = ask(&admin(), Method::PUT, "/log", long).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}
