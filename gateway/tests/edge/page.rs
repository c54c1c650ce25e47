//! The page, its assets and the API's description.

use http::StatusCode;

use crate::setup::{FakeChat, House, header, json, lingering, request, text};

async fn house() -> House {
    House::start(FakeChat::streaming(|_| lingering(Vec::new()))).await
}

#[tokio::test]
async fn the_page_is_served_with_a_strict_policy_and_a_tag() {
    let house = house().await;
    let response = house.get("/").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        header(&response, "content-type"),
        "text/html; charset=utf-8"
    );
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    assert_eq!(header(&response, "cache-control"), "no-cache");
    let policy = header(&response, "content-security-policy");
    assert!(policy.contains("default-src 'self'") && policy.contains("script-src 'self'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    let tag = header(&response, "etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
    let page = text(response).await;
    assert!(page.starts_with("<!"), "{page}");

    let mut again = request("GET", "/", "");
    let known = format!("\"other\", W/{tag}").parse().unwrap();
    again.headers_mut().insert("if-none-match", known);
    let response = house.send(again).await;
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(header(&response, "etag"), tag);
    assert_eq!(text(response).await, "");

    let response = house.send(request("HEAD", "/", "")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, "");
}

#[tokio::test]
async fn nothing_outside_the_page_can_be_reached() {
    let house = house().await;
    for path in [
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "//etc/passwd",
        "/index.html/",
    ] {
        let response = house.get(path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_api_describes_itself() {
    let house = house().await;
    let document = json(house.get("/openapi.json").await).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert!(document["paths"]["/api/chat/query/stream"]["post"].is_object());
    let response = house.get("/docs/").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(header(&response, "content-type").starts_with("text/html"));
    assert!(header(&response, "content-security-policy").contains("script-src 'self'"));
    let response = house.get("/docs").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let script = house.get("/docs/swagger-ui-bundle.js").await;
    assert_eq!(script.status(), StatusCode::OK);
}
