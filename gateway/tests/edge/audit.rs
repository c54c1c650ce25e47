//! Who changed what, for admins: each log at its place, in one shape.

use http::StatusCode;
use prost_types::Timestamp;
use serde_json::{Value, json};
use troika_chassis::error::{Code, Error};
use troika_gateway::Config;
use troika_proto::{
    audit::v1::{Entry, ListEntriesRequest, VerifyResponse},
    flags::v1::ListChangesRequest,
};

use crate::setup::{
    audit::FakeAudit,
    flags::{ADMIN, FakeFlags, as_admin},
    header, json as json_of, request,
};

/// Puts a log where the gateway looks for it.
type Place = fn(&mut Config, url::Url);

fn entry(number: u64) -> Entry {
    Entry {
        number,
        time: Some(Timestamp {
            seconds: 1_771_622_898,
            nanos: 816_000_000,
        }),
        subject: "7".to_owned(),
        name: "ada@example.com".to_owned(),
        role: "admin".to_owned(),
        action: "bot.update".to_owned(),
        target: "b-1".to_owned(),
        before: r#"{"name":"a"}"#.to_owned(),
        after: String::new(),
        request_id: "r-1".to_owned(),
        hash: "00".to_owned(),
    }
}

#[tokio::test]
async fn entries_are_told_as_their_log_tells_them() {
    let unreadable = Entry {
        number: 1,
        action: "unreadable".to_owned(),
        before: "{".to_owned(),
        ..Entry::default()
    };
    let log = FakeAudit::telling(vec![entry(2), unreadable]);
    let house = log.house(|config, address| config.chat = address).await;
    let path = "/api/audit?source=chat&before=3&limit=2&target=b-1&action=bot.update";
    let response = house.send(as_admin(request("GET", path, ""))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "cache-control"), "no-store");
    let nobody = Value::Null;
    assert_eq!(
        json_of(response).await,
        json!({"success": true, "entries": [
            {
                "number": 2, "time": "2026-02-20T21:28:18.816Z", "subject": "7", "name": "ada@example.com",
                "role": "admin", "action": "bot.update", "target": "b-1", "before": {"name": "a"}, "after": null,
                "requestId": "r-1",
            },
            {
                "number": 1, "time": null, "subject": nobody, "name": nobody, "role": nobody, "action": "unreadable",
                "target": "", "before": "{", "after": null, "requestId": null,
            },
        ]})
    );
    let asked: Vec<ListEntriesRequest> = log.asked();
    assert_eq!(
        asked,
        [ListEntriesRequest {
            before: 3,
            limit: 2,
            target: "b-1".to_owned(),
            action: "bot.update".to_owned(),
        }]
    );
    for along in ["x-request-id", "troika-caller-bin"] {
        assert!(log.metadata().contains_key(along), "{along}");
    }
}

#[tokio::test]
async fn each_log_is_asked_for_at_its_place() {
    let places: [(&str, Place); 3] = [
        ("chat", |config, address| config.chat = address),
        ("metrics", |config, address| config.metrics = address),
        ("accounts", |config, address| config.flags = address),
    ];
    for (source, place) in places {
        let log = FakeAudit::telling(vec![entry(1)]);
        let house = log.house(place).await;
        let path = format!("/api/audit?source={source}");
        let response = house.send(as_admin(request("GET", &path, ""))).await;
        assert_eq!(response.status(), StatusCode::OK, "{source}");
        let asked: Vec<ListEntriesRequest> = log.asked();
        assert_eq!(asked, [ListEntriesRequest::default()], "{source}");
    }
}

#[tokio::test]
async fn a_log_is_whole_or_broken_at_a_number() {
    let log = FakeAudit::default();
    let house = log.house(|config, address| config.metrics = address).await;
    for (first_broken, told) in [(0, Value::Null), (4, json!(4))] {
        log.is(VerifyResponse {
            entries: 9,
            first_broken,
        });
        let path = "/api/audit/verify?source=metrics";
        let response = house.send(as_admin(request("GET", path, ""))).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            json_of(response).await,
            json!({"success": true, "intact": first_broken == 0, "entries": 9, "firstBroken": told})
        );
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_by_its_name() {
    let log = FakeAudit::default();
    let house = log.house(|config, address| config.chat = address).await;
    for (query, field) in [
        ("", "source"),
        ("?source=tts", "source"),
        ("?source=chat&source=flags", "source"),
        ("?source=chat&before=-1", "before"),
        ("?source=chat&limit=x", "limit"),
        ("?source=chat&target=a&target=b", "target"),
        ("/verify?source=flags", "source"),
        ("/verify", "source"),
    ] {
        let path = format!("/api/audit{query}");
        let response = house.send(as_admin(request("GET", &path, ""))).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        let problem = json_of(response).await;
        assert_eq!(problem["details"][0]["field"], field, "{query}");
    }
    assert!(log.asked::<ListEntriesRequest>().is_empty());
}

#[tokio::test]
async fn nobody_but_admins_reads_a_log() {
    let log = FakeAudit::default();
    let house = log.house(|config, address| config.chat = address).await;
    for path in ["/api/audit?source=chat", "/api/audit/verify?source=chat"] {
        let response = house.get(path).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(json_of(response).await["code"], "auth_required", "{path}");
    }
    assert!(log.asked::<ListEntriesRequest>().is_empty());
    // And whoever the role itself turns away is told so.
    log.refuses(|| {
        Error::new(
            Code::PermissionDenied,
            "admin_required",
            "This is for admins.",
        )
    });
    let path = "/api/audit?source=chat";
    let response = house.send(as_admin(request("GET", path, ""))).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(json_of(response).await["code"], "admin_required");
}

#[tokio::test]
async fn a_log_that_is_away_is_unavailable_by_one_code() {
    let log = FakeAudit::default();
    let house = log.house(|config, address| config.chat = address).await;
    log.refuses(|| {
        Error::new(Code::Unavailable, "audit_unavailable", "Try again.")
            .with_retry_after(std::time::Duration::from_secs(2))
    });
    // Refused by the role, and nobody at the address.
    for source in ["chat", "metrics", "accounts"] {
        for path in ["/api/audit", "/api/audit/verify"] {
            let path = format!("{path}?source={source}");
            let response = house.send(as_admin(request("GET", &path, ""))).await;
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert_ne!(header(&response, "retry-after"), "", "{path}");
            assert_eq!(
                json_of(response).await["code"],
                "audit_unavailable",
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn changes_of_flags_have_the_same_shape() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let path = "/api/audit?source=flags&before=9&limit=5&target=streaming";
    let response = house.ask("GET", path, &Value::Null).await;
    assert_eq!(response.status(), StatusCode::OK);
    let document = json_of(response).await;
    let entry = &document["entries"][0];
    assert_eq!(entry["after"]["key"], "streaming");
    let mut entry = entry.clone();
    entry["after"] = Value::Null;
    assert_eq!(
        entry,
        json!({
            "number": 7, "time": "1970-01-01T00:00:00Z", "subject": null, "name": ADMIN, "role": null,
            "action": "flag.create", "target": "streaming", "before": null, "after": null, "requestId": null,
        })
    );
    let asked: ListChangesRequest = role.asked().unwrap();
    assert_eq!(
        asked,
        ListChangesRequest {
            key: "streaming".to_owned(),
            before_revision: Some(9),
            limit: Some(5),
        }
    );
    for (action, count) in [("flag.create", 1), ("flag.delete", 0)] {
        let path = format!("/api/audit?source=flags&action={action}");
        let document = json_of(house.ask("GET", &path, &Value::Null).await).await;
        let entries = document["entries"].as_array().unwrap();
        assert_eq!(entries.len(), count, "{action}");
    }
}

#[tokio::test]
async fn without_a_log_of_accounts_it_is_said_that_there_is_none() {
    let role = FakeFlags::new();
    let house = role.house().await;
    for path in ["/api/audit", "/api/audit/verify"] {
        let path = format!("{path}?source=accounts");
        let response = house.ask("GET", &path, &Value::Null).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let problem = json_of(response).await;
        assert_eq!(problem["code"], "audit_unavailable", "{path}");
        assert!(
            problem["message"].as_str().unwrap().contains("accounts"),
            "{problem}"
        );
    }
}
