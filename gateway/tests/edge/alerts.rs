//! Alerts for admins: what is wrong, silence, and tests.

use http::StatusCode;
use prost_types::{Duration, Timestamp};
use serde_json::{Value, json};
use troika_chassis::error::{Code, Error};
use troika_proto::metrics::v1::{
    ActiveSilence, Alert, AlertState, Delivery, LiftSilenceRequest, ListAlertsResponse,
    SilenceRequest, TestAlertRequest,
};

use crate::setup::{
    flags::{ADMIN, as_admin},
    json as json_of,
    metrics::FakeMetrics,
    request,
};

const SILENCES: &str = "/api/metrics/alerts/silences";
const TEST: &str = "/api/metrics/alerts/test";

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn silence() -> ActiveSilence {
    ActiveSilence {
        id: "s-1".to_owned(),
        alert: "many_errors".to_owned(),
        until: at(1_771_622_898),
        author: ADMIN.to_owned(),
        reason: "known".to_owned(),
    }
}

fn silence_in_json() -> Value {
    json!({
        "id": "s-1", "alert": "many_errors", "until": "2026-02-20T21:28:18Z", "author": ADMIN, "reason": "known",
    })
}

#[tokio::test]
async fn alerts_and_silences_are_listed() {
    let alert = |name: &str, state: AlertState| Alert {
        name: name.to_owned(),
        severity: "critical".to_owned(),
        since: at(0),
        state: state.into(),
        ..Alert::default()
    };
    let role = FakeMetrics::telling(|told| {
        told.alerts = ListAlertsResponse {
            alerts: vec![
                Alert {
                    value: 6.25,
                    threshold: 5.0,
                    summary: "Many turns fail.".to_owned(),
                    silenced: true,
                    sent_at: at(60),
                    ..alert("many_errors", AlertState::Firing)
                },
                alert("slow", AlertState::Pending),
                alert("degraded", AlertState::Resolved),
            ],
            silences: vec![silence()],
        };
    });
    let house = role.house().await;
    let response = house
        .ask_as_admin("GET", "/api/metrics/alerts", &Value::Null)
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    let document = json_of(response).await;
    assert_eq!(
        document["alerts"][0],
        json!({
            "name": "many_errors", "severity": "critical", "state": "firing", "since": "1970-01-01T00:00:00Z",
            "value": 6.25, "threshold": 5, "summary": "Many turns fail.", "silenced": true,
            "sentAt": "1970-01-01T00:01:00Z",
        })
    );
    assert_eq!(document["alerts"][1]["state"], "pending");
    assert_eq!(document["alerts"][1]["sentAt"], Value::Null);
    assert_eq!(document["alerts"][2]["state"], "resolved");
    assert_eq!(document["silences"], json!([silence_in_json()]));
}

#[tokio::test]
async fn a_silence_begins_in_the_admins_name() {
    let role = FakeMetrics::telling(|told| told.silence = silence());
    let house = role.house().await;
    let body = json!({"alert": "many_errors", "seconds": 3600, "reason": "known"});
    let response = house.ask_as_admin("POST", SILENCES, &body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(json_of(response).await, silence_in_json());
    let asked: SilenceRequest = role.asked().unwrap();
    assert_eq!(
        asked,
        SilenceRequest {
            alert: "many_errors".to_owned(),
            duration: Some(Duration {
                seconds: 3600,
                nanos: 0,
            }),
            author: ADMIN.to_owned(),
            reason: "known".to_owned(),
        }
    );
    // Of all alerts, and without a word.
    let response = house
        .ask_as_admin("POST", SILENCES, &json!({"seconds": 1}))
        .await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let asked: SilenceRequest = role.asked().unwrap();
    assert_eq!((asked.alert.as_str(), asked.reason.as_str()), ("", ""));
}

#[tokio::test]
async fn a_silence_that_cannot_be_is_told_by_the_names_of_the_json() {
    let role = FakeMetrics::new();
    let house = role.house().await;
    for body in [
        json!({}),
        json!({"seconds": -1}),
        json!({"seconds": "60"}),
        json!({"seconds": 1.5}),
        json!({"seconds": 4_294_967_296_u64}),
        json!({"seconds": 60, "author": "somebody else"}),
        json!({"seconds": 60, "alert": null}),
        json!([60]),
    ] {
        let response = house.ask_as_admin("POST", SILENCES, &body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(role.questions(), 0);
    role.refuses(|| {
        let message = "duration must be at most 7 days";
        Error::new(Code::InvalidArgument, "invalid_argument", message).with_violation(
            "duration",
            message,
            "number.max",
        )
    });
    let response = house
        .ask_as_admin("POST", SILENCES, &json!({"seconds": 604_801}))
        .await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let problem = json_of(response).await;
    assert_eq!(
        problem["details"],
        json!([{"field": "seconds", "message": "seconds must be at most 7 days", "type": "number.max"}])
    );
    assert!(!problem.to_string().contains("duration"), "{problem}");
}

#[tokio::test]
async fn a_silence_is_lifted() {
    let role = FakeMetrics::new();
    let house = role.house().await;
    let path = format!("{SILENCES}/a%20b");
    let response = house.ask_as_admin("DELETE", &path, &Value::Null).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let asked: LiftSilenceRequest = role.asked().unwrap();
    assert_eq!(asked.id, "a b");
}

#[tokio::test]
async fn a_test_says_for_each_receiver_what_became_of_it() {
    let delivery = |receiver: &str, problem: &str| Delivery {
        receiver: receiver.to_owned(),
        delivered: problem.is_empty(),
        problem: problem.to_owned(),
    };
    let role = FakeMetrics::telling(|told| {
        told.deliveries = vec![delivery("webhook", ""), delivery("email", "no answer")];
    });
    let house = role.house().await;
    for (body, receiver) in [(json!({}), ""), (json!({"receiver": "email"}), "email")] {
        let response = house.ask_as_admin("POST", TEST, &body).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            json_of(response).await,
            json!({"deliveries": [
                {"receiver": "webhook", "delivered": true, "problem": ""},
                {"receiver": "email", "delivered": false, "problem": "no answer"},
            ]})
        );
        let asked: TestAlertRequest = role.asked().unwrap();
        assert_eq!(asked.receiver, receiver);
    }
    for body in ["{", r#"{"receiver":1}"#, r#"{"reciever":"email"}"#] {
        let response = house.send(as_admin(request("POST", TEST, body))).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(role.questions(), 2);
}
