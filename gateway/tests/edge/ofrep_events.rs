//! Changes of flags, as OFREP tells them.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use troika_evaluation::flag::Flag;

use crate::setup::{PATIENCE, flags::FakeFlags, frame, header, json as json_of, request};

const EVENTS: &str = "/ofrep/v1/events";

fn flag(percentage: f64) -> [Flag; 1] {
    let updated_at = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_771_622_898);
    [Flag {
        updated_at: Some(updated_at),
        ..Flag::boolean("streaming", "", percentage)
    }]
}

#[tokio::test]
async fn a_change_is_one_event_with_its_revision() {
    let role = FakeFlags::new();
    let house = role.house().await;
    role.knows(7, flag(25.0));
    house
        .told(|flags| flags["streaming"]["rolloutPercentage"] == 25)
        .await;
    let response = house.get(EVENTS).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "text/event-stream");
    assert_eq!(header(&response, "cache-control"), "no-cache, no-transform");
    let mut body = response.into_body();
    role.knows(8, flag(50.0));
    let event = frame(&mut body).await.unwrap();
    let lines: Vec<&str> = event.split('\n').collect();
    assert_eq!((lines[0], lines[1]), ("id: 8", "event: message"));
    assert_eq!(lines[3..], ["", ""]);
    let data: Value = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(
        data,
        json!({"type": "refetchEvaluation", "etag": "\"8\"", "lastModified": 1_771_622_898})
    );
    role.knows(9, flag(75.0));
    assert!(frame(&mut body).await.unwrap().starts_with("id: 9\n"));
}

#[tokio::test]
async fn who_comes_back_is_told_what_was_missed_and_nothing_else() {
    let role = FakeFlags::new();
    let house = role.house().await;
    role.knows(7, flag(25.0));
    house
        .told(|flags| flags["streaming"]["rolloutPercentage"] == 25)
        .await;
    let listen = |last: &str| {
        let mut request = request("GET", EVENTS, "");
        request
            .headers_mut()
            .insert("last-event-id", last.parse().unwrap());
        house.send(request)
    };
    let mut missed = listen("6").await.into_body();
    assert!(frame(&mut missed).await.unwrap().starts_with("id: 7\n"));
    let mut current = listen("7").await.into_body();
    let mut odd = listen("x; drop").await.into_body();
    role.knows(8, flag(50.0));
    assert!(frame(&mut current).await.unwrap().starts_with("id: 8\n"));
    assert!(frame(&mut odd).await.unwrap().starts_with("id: 8\n"));
}

#[tokio::test]
async fn silence_is_bridged_and_there_is_room_for_so_many() {
    let role = FakeFlags::new();
    let house = role
        .house_with(|config| {
            config.heartbeat = Duration::from_millis(10);
            config.max_listeners = 1;
        })
        .await;
    let mut body = house.get(EVENTS).await.into_body();
    for _ in 0..2 {
        let heard = frame(&mut body).await.unwrap();
        assert!(
            heard == ": heartbeat\n\n" || heard.starts_with("id: 1\n"),
            "{heard}"
        );
    }
    let full = house.get(EVENTS).await;
    assert_eq!(full.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&full, "retry-after"), "30");
    assert_eq!(json_of(full).await["errorCode"], "GENERAL");
    drop(body);
    let free = async { while house.get(EVENTS).await.status() != StatusCode::OK {} };
    tokio::time::timeout(PATIENCE, free).await.unwrap();
}

#[tokio::test]
async fn listening_ends_with_the_process() {
    let mut house = FakeFlags::new().house().await;
    let mut body = house.get(EVENTS).await.into_body();
    house.drain.begin();
    while let Some(event) = frame(&mut body).await {
        assert!(event.starts_with("id: 1\n"), "{event}");
    }
    let served = tokio::time::timeout(PATIENCE, &mut house.house.served).await;
    served.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn who_has_heard_of_a_change_first_is_told_it() {
    let role = FakeFlags::new();
    let house = role.house().await;
    house.told(|flags| flags.get("streaming").is_some()).await;
    let path = "/ofrep/v1/evaluate/flags?flagConfigEtag=%229%22&flagConfigLastModified=1771622898";
    let changes = async { role.knows(9, flag(25.0)) };
    let (response, ()) = tokio::join!(
        house.post(path, r#"{"context":{"targetingKey":"a"}}"#),
        changes
    );
    assert_eq!(json_of(response).await["metadata"]["revision"], 9);
    for odd in ["99999", "x", "", "-1"] {
        let path = format!("/ofrep/v1/evaluate/flags?flagConfigEtag={odd}");
        let response = house.post(&path, r#"{"context":{}}"#).await;
        assert_eq!(response.status(), StatusCode::OK, "{odd}");
    }
}
