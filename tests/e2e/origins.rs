//! Pages of others over the real binary: a bot's list holds as soon as it is kept, browsers are told who may read and
//! frame, and forged headers change nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use troika_tests::{
    listener::{DEMO_BOT, ask_with, question},
    sandbox::Troika,
    until,
};

use crate::sandbox;

const SHOP: &str = "https://shop.example";
const OTHER: &str = "https://other.example";

/// The demo bot's list of origins, from now on.
fn list(sandbox: &troika_tests::sandbox::Sandbox, troika: &Troika, origins: &[&str]) {
    let mut arguments = vec!["bots", "update", DEMO_BOT, "--addr", troika.chat()];
    arguments.extend(origins.iter().flat_map(|origin| ["--origin", origin]));
    let done = sandbox.run(&arguments);
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}");
}

async fn status(troika: &Troika, origin: &str) -> u16 {
    let headers = [("origin", origin)];
    ask_with(troika.gateway(), &question("Q"), &headers)
        .await
        .status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bots_list_holds_for_pages_and_frames_within_seconds() {
    let sandbox = sandbox()
        .env("TROIKA_GATEWAY__CORS__ORIGINS", "https://staff.example")
        .env("RATE_LIMIT_IP_WHITELIST", "127.0.0.1");
    let troika = sandbox.start();
    assert_eq!(status(&troika, OTHER).await, 200);
    list(&sandbox, &troika, &[SHOP, "https://*.shop.example"]);
    until("the list holds", Duration::from_secs(15), async || {
        status(&troika, OTHER).await == 403
    })
    .await;
    for (origin, expected) in [
        (SHOP, 200),
        ("https://www.shop.example", 200),
        ("https://staff.example", 200),
        (troika.gateway(), 200),
        ("null", 403),
        ("http://shop.example", 403),
    ] {
        assert_eq!(status(&troika, origin).await, expected, "{origin}");
    }
    let listening = ask_with(troika.gateway(), &question("Q"), &[("origin", SHOP)]).await;
    assert_eq!(listening.headers["access-control-allow-origin"], SHOP);
    assert!(!listening.all().await.is_empty());
    // Chat refused first; the edge hears of the list within seconds.
    until(
        "the page may be framed",
        Duration::from_secs(15),
        async || {
            let page = troika_tests::get(troika.gateway()).await.unwrap();
            let policy = page.headers()["content-security-policy"].to_str().unwrap();
            policy.ends_with("frame-ancestors 'self' https://shop.example https://*.shop.example")
        },
    )
    .await;
    let docs = troika_tests::get(format!("{}/docs/", troika.gateway()))
        .await
        .unwrap();
    assert_eq!(docs.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_headers_make_nobody_another_client() {
    // Who is believed to have come by https is promised that it stays so.
    let promised = async |troika: &Troika| {
        let forged = [
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9;proto=https"),
            ("x-forwarded-proto", "https"),
        ];
        let listening = ask_with(troika.gateway(), &question("Q"), &forged).await;
        assert_eq!(listening.status, 200);
        listening.headers.contains_key("strict-transport-security")
    };
    let plain = sandbox().start();
    assert!(!promised(&plain).await);
    let others = sandbox()
        .env("TROIKA_GATEWAY__PROXIES__TRUSTED", "10.0.0.0/8,192.0.2.7")
        .start();
    assert!(!promised(&others).await);
    let behind = sandbox().env("TROIKA_GATEWAY__PROXIES__HOPS", "1").start();
    assert!(promised(&behind).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_types_is_refused_with_all_else_that_is_wrong() {
    let troika = sandbox().start();
    let ask = async |body: &Value| {
        let url = format!("{}/api/chat/query", troika.gateway());
        let response = troika_tests::http()
            .post(url)
            .json(body)
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap())
    };
    let (status, problem) = ask(&json!({
        "query": "a\u{0}b", "chatbotId": "x", "name": "gpj.\u{202e}exe", "email": "nobody",
    }))
    .await;
    assert_eq!(status, 400);
    let told: Vec<(&str, &str)> = problem["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["field"].as_str().unwrap(), it["type"].as_str().unwrap()))
        .collect();
    let expected = [
        ("query", "string.control"),
        ("chatbotId", "string.hex"),
        ("email", "string.email"),
        ("name", "string.control"),
    ];
    assert_eq!(told, expected);

    let many: serde_json::Map<String, Value> =
        (0..100_000).map(|at| (at.to_string(), json!(0))).collect();
    let began = Instant::now();
    let (status, problem) = ask(&Value::Object(many)).await;
    println!("100 000 keys are refused after {:?}", began.elapsed());
    assert_eq!(
        (status, problem["code"].as_str()),
        (400, Some("too_many_values"))
    );
    let nested = format!(
        "{{\"query\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let url = format!("{}/api/chat/query", troika.gateway());
    let request = troika_tests::http().post(url).body(nested);
    let response = request
        .header("content-type", "application/json")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
}
