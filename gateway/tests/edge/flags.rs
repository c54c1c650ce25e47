//! Flags, as admins read and change them.

use http::StatusCode;
use serde_json::{Value, json};
use troika_evaluation::flag::Flag;
use troika_proto::flags::v1 as wire;

use crate::setup::{
    flags::{ADMIN, FakeFlags, as_admin},
    header, json as json_of, request,
};

fn beta() -> Value {
    serde_json::to_value(Flag::boolean("beta", "Something new.", 5.0)).unwrap()
}

fn with(mut flag: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("more is an object");
    };
    flag.as_object_mut().unwrap().extend(more);
    flag
}

fn author(reason: &str) -> Option<wire::Author> {
    Some(wire::Author {
        name: ADMIN.to_owned(),
        reason: reason.to_owned(),
    })
}

#[tokio::test]
async fn the_list_has_every_flag_and_the_revision() {
    let role = FakeFlags::new();
    role.knows(7, [Flag::boolean("beta", "Something new.", 5.0)]);
    let house = role.house().await;
    let response = house.ask("GET", "/api/flags", &Value::Null).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "cache-control"), "no-store");
    let flag = with(beta(), json!({"revision": 7}));
    assert_eq!(
        json_of(response).await,
        json!({"success": true, "revision": 7, "flags": [flag]})
    );
}

#[tokio::test]
async fn a_flag_is_made_with_the_admin_as_its_author() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let body = with(beta(), json!({"reason": "a try"}));
    let response = house.ask("POST", "/api/flags", &body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(header(&response, "etag"), "\"2\"");
    let flag = with(beta(), json!({"revision": 2}));
    assert_eq!(
        json_of(response).await,
        json!({"success": true, "flag": flag})
    );
    let asked: wire::CreateFlagRequest = role.asked().unwrap();
    assert_eq!(asked.author, author("a try"));
    assert_eq!(asked.flag.unwrap().percentage, 5.0);
}

#[tokio::test]
async fn a_flag_is_read_with_its_revision_as_the_tag() {
    let role = FakeFlags::new();
    role.knows(7, [Flag::boolean("beta", "Something new.", 5.0)]);
    let house = role.house().await;
    let response = house.ask("GET", "/api/flags/beta", &Value::Null).await;
    assert_eq!(header(&response, "etag"), "\"7\"");
    assert_eq!(
        json_of(response).await["flag"]["description"],
        "Something new."
    );
    let escaped = house.ask("GET", "/api/flags/a%2Fb%20c", &Value::Null).await;
    assert_eq!(escaped.status(), StatusCode::OK);
    let asked: wire::GetFlagRequest = role.asked().unwrap();
    assert_eq!(asked.key, "a/b c");
}

#[tokio::test]
async fn a_flag_is_replaced_on_the_revision_that_was_read() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let body = with(beta(), json!({"expectedRevision": 7, "reason": "more"}));
    let response = house.ask("PUT", "/api/flags/beta", &body).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "etag"), "\"8\"");
    let asked: wire::UpdateFlagRequest = role.asked().unwrap();
    assert_eq!((asked.expected_revision, asked.author), (7, author("more")));

    let mut tagged = as_admin(request("PUT", "/api/flags/beta", &beta().to_string()));
    tagged
        .headers_mut()
        .insert("if-match", "\"9\"".parse().unwrap());
    assert_eq!(house.send(tagged).await.status(), StatusCode::OK);
    let asked: wire::UpdateFlagRequest = role.asked().unwrap();
    assert_eq!(asked.expected_revision, 9);
}

#[tokio::test]
async fn a_change_without_a_revision_or_with_two_is_refused() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let seven = with(beta(), json!({"expectedRevision": 7}));
    for (body, tag, field) in [
        (beta(), None, "expectedRevision"),
        (seven.clone(), Some("\"8\""), "If-Match"),
        (beta(), Some("*"), "If-Match"),
        (beta(), Some("W/\"7\""), "If-Match"),
        (
            with(beta(), json!({"key": "other", "expectedRevision": 7})),
            None,
            "key",
        ),
        (
            with(beta(), json!({"colour": "red", "expectedRevision": 7})),
            None,
            "colour",
        ),
    ] {
        let mut request = as_admin(request("PUT", "/api/flags/beta", &body.to_string()));
        if let Some(tag) = tag {
            request
                .headers_mut()
                .insert("if-match", tag.parse().unwrap());
        }
        let response = house.send(request).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{field}");
        assert_eq!(json_of(response).await["details"][0]["field"], field);
    }
    for path in [
        "/api/flags/beta",
        "/api/flags/beta?expectedRevision=x",
        "/api/flags/beta?expectedRevision=1&expectedRevision=2",
    ] {
        let response = house.ask("DELETE", path, &Value::Null).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(
            json_of(response).await["details"][0]["field"],
            "expectedRevision"
        );
    }
    assert_eq!(role.questions(), 0);
}

#[tokio::test]
async fn a_flag_is_deleted_with_a_reason() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let path = "/api/flags/beta?expectedRevision=7&reason=not%20needed+any%20more";
    let response = house.ask("DELETE", path, &Value::Null).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(json_of(response).await, json!({"success": true}));
    let asked: wire::DeleteFlagRequest = role.asked().unwrap();
    assert_eq!((asked.key.as_str(), asked.expected_revision), ("beta", 7));
    assert_eq!(asked.author, author("not needed any more"));
}

#[tokio::test]
async fn the_kill_switch_needs_no_revision_and_says_whether_it_is_stored() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let body = json!({"enabled": false, "reason": "broken"});
    let response = house
        .ask("POST", "/api/flags/streaming/switch", &body)
        .await;
    assert_eq!(header(&response, "etag"), "\"1\"");
    let document = json_of(response).await;
    assert_eq!(document["flag"]["enabled"], false);
    assert_eq!(document["stored"], false);
    let asked: wire::SwitchFlagRequest = role.asked().unwrap();
    assert_eq!((asked.enabled, asked.author), (false, author("broken")));
    for body in [
        json!({}),
        json!({"enabled": null}),
        json!({"enabled": "false"}),
        json!({"enabled": 0}),
    ] {
        let response = house
            .ask("POST", "/api/flags/streaming/switch", &body)
            .await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(json_of(response).await["details"][0]["field"], "enabled");
    }
    assert_eq!(role.questions(), 1);
}

#[tokio::test]
async fn the_history_tells_who_changed_what_and_why() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let path = "/api/flags/streaming/changes?before=9&limit=5";
    let document = json_of(house.ask("GET", path, &Value::Null).await).await;
    let change = &document["changes"][0];
    assert_eq!(change["revision"], 7);
    assert_eq!(change["at"], "1970-01-01T00:00:00Z");
    assert_eq!(change["author"], json!({"name": ADMIN, "reason": "a try"}));
    assert_eq!(change["before"], Value::Null);
    assert_eq!(change["after"]["key"], "streaming");
    assert_eq!(change["rolloutId"], Value::Null);
    let asked: wire::ListChangesRequest = role.asked().unwrap();
    assert_eq!(
        (asked.key.as_str(), asked.before_revision, asked.limit),
        ("streaming", Some(9), Some(5))
    );

    house.ask("GET", "/api/flags/changes", &Value::Null).await;
    let asked: wire::ListChangesRequest = role.asked().unwrap();
    assert_eq!(asked, wire::ListChangesRequest::default());
    for query in ["limit=many", "limit=-1", "before=1.5", "limit=1&limit=2"] {
        let response = house
            .ask("GET", &format!("/api/flags/changes?{query}"), &Value::Null)
            .await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_flag_becomes_what_it_was() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let body = json!({"revision": 3, "expectedRevision": 7, "reason": "it was better"});
    let response = house
        .ask("POST", "/api/flags/streaming/restore", &body)
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "etag"), "\"1\"");
    let asked: wire::RestoreFlagRequest = role.asked().unwrap();
    assert_eq!((asked.revision, asked.expected_revision), (3, 7));
    assert_eq!(asked.author, author("it was better"));
    let response = house
        .ask("POST", "/api/flags/streaming/restore", &json!({}))
        .await;
    assert_eq!(json_of(response).await["details"][0]["field"], "revision");
}

#[tokio::test]
async fn an_explanation_says_what_was_looked_at() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let context =
        json!({"userId": "user-1", "age": 7, "__proto__": {"a": [[[[1]]]]}, "tags": [[[1]]]});
    let body = json!({"context": context});
    let response = house
        .ask("POST", "/api/flags/streaming/explain", &body)
        .await;
    assert_eq!(
        json_of(response).await,
        json!({
            "success": true,
            "evaluation": {
                "key": "streaming", "value": 5, "variant": "on", "reason": "SPLIT", "decidedBy": "percentage", "revision": 1,
            },
            "steps": [{"name": "percentage", "decided": true, "finding": "25 % are let in"}],
            "identifierFrom": "userId",
            "bucket": 19.0,
        })
    );
    let asked: wire::ExplainRequest = role.asked().unwrap();
    let sent = troika_evaluation::wire::from_wire_struct(&asked.context.unwrap()).unwrap();
    let expected = json!({"userId": "user-1", "age": 7, "__proto__": {}, "tags": []});
    assert_eq!(Value::Object(sent), expected);

    let deep = format!(
        "{{\"context\":{{\"a\":{}1{}}}}}",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    for (body, word) in [
        (deep.as_str(), "nested too deeply"),
        (r#"{"context":{"n":1e400}}"#, "number that is too large"),
        (r#"{"context":[]}"#, "context must be an object"),
    ] {
        let response = house
            .ask_raw("POST", "/api/flags/streaming/explain", body)
            .await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{word}");
        let problem = json_of(response).await;
        assert!(
            problem["detail"].as_str().unwrap().contains(word),
            "{problem}"
        );
    }
    assert_eq!(role.questions(), 1);
}
