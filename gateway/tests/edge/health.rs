//! Liveness and readiness.

use http::StatusCode;
use tonic_health::ServingStatus;

use crate::setup::{FakeChat, House, PATIENCE, json, lingering};

const CHAT_STREAM: &str = "troika.chat.v1.ChatStream";

async fn ready_becomes(house: &House, expected: StatusCode) -> serde_json::Value {
    let becomes = async {
        loop {
            let response = house.get("/ready").await;
            if response.status() == expected {
                return json(response).await;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, becomes).await.unwrap()
}

#[tokio::test]
async fn readiness_follows_the_health_of_chat() {
    let house = House::start(FakeChat::streaming(|_| lingering(Vec::new()))).await;
    let alive = house.get("/health").await;
    assert_eq!(alive.status(), StatusCode::OK);
    assert_eq!(json(alive).await, serde_json::json!({"status": "ok"}));
    let waiting = ready_becomes(&house, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(
        waiting,
        serde_json::json!({"status": "not_ready", "waitingFor": ["chat"]})
    );
    house
        .health
        .set_service_status(CHAT_STREAM, ServingStatus::Serving)
        .await;
    let ready = ready_becomes(&house, StatusCode::OK).await;
    assert_eq!(
        ready,
        serde_json::json!({"status": "ready", "waitingFor": []})
    );
    house.kill_chat();
    ready_becomes(&house, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(house.get("/health").await.status(), StatusCode::OK);
}
