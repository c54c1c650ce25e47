//! OpenFeature's remote evaluation protocol, as its specification writes it.

use http::StatusCode;
use serde_json::{Value, json};
use troika_evaluation::flag::{Flag, FlagType, Variant};

use crate::setup::{
    flags::{FakeFlags, FlagsHouse},
    header, json as json_of, request, text,
};

const ALL: &str = "/ofrep/v1/evaluate/flags";

fn valued(key: &str, kind: FlagType, on: Value, off: Value) -> Flag {
    let variant = |name: &str, value| Variant {
        name: name.to_owned(),
        value,
    };
    Flag {
        kind,
        variants: vec![variant("on", on), variant("off", off)],
        ..Flag::boolean(key, "", 100.0)
    }
}

/// A gateway that knows a flag of each kind.
async fn house() -> FlagsHouse {
    let role = FakeFlags::new();
    let mut flags = vec![
        valued("greeting", FlagType::String, json!("hello"), json!("")),
        valued("retries", FlagType::Number, json!(5), json!(0)),
        valued("ratio", FlagType::Number, json!(0.25), json!(0)),
        valued(
            "theme",
            FlagType::Object,
            json!({"colour": "red", "sizes": [1, 2.5]}),
            json!({}),
        ),
        Flag::boolean("half", "", 50.0),
        Flag::boolean("everybody", "", 100.0),
        Flag::boolean("nobody", "", 0.0),
        Flag {
            enabled: false,
            ..Flag::boolean("killed", "", 100.0)
        },
    ];
    flags[4].whitelist = vec!["vip".to_owned()];
    role.knows(7, flags);
    let house = role.house().await;
    house.told(|flags| flags.get("half").is_some()).await;
    house
}

fn one(key: &str) -> String {
    format!("{ALL}/{key}")
}

fn asking(context: &Value) -> String {
    json!({ "context": context }).to_string()
}

#[tokio::test]
async fn a_flag_says_its_value_variant_and_reason() {
    let house = house().await;
    let table = [
        (
            "everybody",
            "user-1",
            json!(true),
            "on",
            "STATIC",
            "everybody",
        ),
        ("nobody", "user-1", json!(false), "off", "STATIC", "nobody"),
        (
            "killed",
            "user-1",
            json!(false),
            "off",
            "DISABLED",
            "kill_switch",
        ),
        (
            "half",
            "vip",
            json!(true),
            "on",
            "TARGETING_MATCH",
            "whitelist",
        ),
        (
            "greeting",
            "user-1",
            json!("hello"),
            "on",
            "STATIC",
            "everybody",
        ),
        ("retries", "user-1", json!(5), "on", "STATIC", "everybody"),
        ("ratio", "user-1", json!(0.25), "on", "STATIC", "everybody"),
        (
            "theme",
            "user-1",
            json!({"colour": "red", "sizes": [1, 2.5]}),
            "on",
            "STATIC",
            "everybody",
        ),
    ];
    for (key, who, value, variant, reason, decided_by) in table {
        let body = asking(&json!({ "targetingKey": who }));
        let response = house.post(&one(key), &body).await;
        assert_eq!(response.status(), StatusCode::OK, "{key}");
        assert_eq!(header(&response, "content-type"), "application/json");
        let raw = text(response).await;
        let expected = json!({
            "key": key, "value": value, "variant": variant, "reason": reason,
            "metadata": {"revision": 7, "decidedBy": decided_by},
        });
        assert_eq!(serde_json::from_str::<Value>(&raw).unwrap(), expected);
        if key == "retries" {
            assert!(raw.contains("\"value\":5,"), "{raw}");
        }
    }
}

#[tokio::test]
async fn a_share_is_dealt_by_the_first_identifier_there_is() {
    let house = house().await;
    let body = asking(&json!({"targetingKey": "user-1", "userId": "vip"}));
    let dealt = json_of(house.post(&one("half"), &body).await).await;
    assert_eq!(dealt["reason"], "SPLIT");
    for name in ["targetingKey", "userId", "sessionId", "ip", "chatbotId"] {
        let body = asking(&json!({ name: "user-1" }));
        let same = json_of(house.post(&one("half"), &body).await).await;
        assert_eq!(same["value"], dealt["value"], "{name}");
    }
}

#[tokio::test]
async fn without_an_identifier_only_a_flag_that_deals_is_an_error() {
    let house = house().await;
    for context in [
        json!({}),
        json!({"targetingKey": ""}),
        json!({"targetingKey": null, "plan": "free"}),
    ] {
        let response = house.post(&one("everybody"), &asking(&context)).await;
        assert_eq!(response.status(), StatusCode::OK, "{context}");
        let response = house.post(&one("half"), &asking(&context)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{context}");
        let failure = json_of(response).await;
        assert_eq!(failure["key"], "half");
        assert_eq!(failure["errorCode"], "TARGETING_KEY_MISSING");
    }
    let bulk = json_of(house.post(ALL, &asking(&json!({}))).await).await;
    let half = bulk["flags"]
        .as_array()
        .unwrap()
        .iter()
        .find(|flag| flag["key"] == "half");
    assert_eq!(half.unwrap()["errorCode"], "TARGETING_KEY_MISSING");
}

#[tokio::test]
async fn what_cannot_be_answered_is_told_in_the_protocols_words() {
    let house = house().await;
    for key in ["nothing", "__proto__", "a%2Fb", "%FF", "half%20"] {
        let response = house
            .post(&one(key), &asking(&json!({"targetingKey": "a"})))
            .await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{key}");
        assert_eq!(header(&response, "content-type"), "application/json");
        let failure = json_of(response).await;
        assert_eq!(failure["errorCode"], "FLAG_NOT_FOUND", "{key}");
        assert!(failure["key"].is_string() && failure["errorDetails"].is_string());
    }
    let deep = format!(
        "{{\"context\":{{\"a\":{}{}}}}}",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    for (body, status, code) in [
        ("", 400, "PARSE_ERROR"),
        ("{", 400, "PARSE_ERROR"),
        ("[]", 400, "PARSE_ERROR"),
        ("null", 400, "PARSE_ERROR"),
        (
            r#"{"context":{"targetingKey":"a","n":1e400}}"#,
            400,
            "PARSE_ERROR",
        ),
        (
            r#"{"context":{"targetingKey":"a","n":NaN}}"#,
            400,
            "PARSE_ERROR",
        ),
        (&deep, 400, "PARSE_ERROR"),
        ("{}", 400, "INVALID_CONTEXT"),
        (r#"{"context":null}"#, 400, "INVALID_CONTEXT"),
        (r#"{"context":"a"}"#, 400, "INVALID_CONTEXT"),
        (r#"{"context":[]}"#, 400, "INVALID_CONTEXT"),
        (r#"{"context":{"targetingKey":5}}"#, 400, "INVALID_CONTEXT"),
        (
            r#"{"context":{"targetingKey":["a"]}}"#,
            400,
            "INVALID_CONTEXT",
        ),
        (r#"{"context":{"userId":5}}"#, 400, "INVALID_CONTEXT"),
    ] {
        for path in [ALL, &one("half")] {
            let response = house.post(path, body).await;
            assert_eq!(response.status().as_u16(), status, "{path} {body:.60}");
            assert_eq!(header(&response, "content-type"), "application/json");
            let failure = json_of(response).await;
            assert_eq!(failure["errorCode"], code, "{path} {body:.60}");
            assert!(failure["errorDetails"].as_str().unwrap().len() > 10);
            assert_eq!(failure.get("key").is_some(), path != ALL);
        }
    }
    let large = asking(&json!({"targetingKey": "x".repeat(2_000_000)}));
    let response = house.post(ALL, &large).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(json_of(response).await["errorCode"], "GENERAL");
    let mut plain = request("POST", ALL, "{}");
    plain
        .headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    let response = house.send(plain).await;
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(json_of(response).await["errorCode"], "GENERAL");
}

#[tokio::test]
async fn a_context_may_hold_anything() {
    let house = house().await;
    let nested = (0..100).fold(json!("x"), |inner, _| json!([inner]));
    let long: String = "ü".repeat(400_000);
    let many = |count: usize| -> Value {
        let vip = ("targetingKey".to_owned(), json!("vip"));
        let attributes = (0..count).map(|at| (format!("attribute{at}"), json!(at)));
        attributes.chain([vip]).collect()
    };
    for context in [
        json!({"targetingKey": "vip", "nested": nested}),
        json!({"targetingKey": "vip", "__proto__": {"targetingKey": "x"}, "constructor": {"prototype": null}}),
        json!({"targetingKey": "vip", "n": 1e308, "m": -0.0, "l": i64::MIN, "k": u64::MAX}),
        json!({"targetingKey": "vip", "text": long}),
        json!({"targetingKey": "vip", "text": "\u{0}\u{2028}\n"}),
        many(9_000),
    ] {
        let response = house.post(&one("half"), &asking(&context)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(json_of(response).await["reason"], "TARGETING_MATCH");
    }
    let response = house.post(&one("half"), &asking(&many(40_000))).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(response).await["errorCode"], "INVALID_CONTEXT");
}

#[tokio::test]
async fn all_flags_are_told_by_key_with_a_tag_and_where_changes_are_told() {
    let house = house().await;
    let response = house
        .post(ALL, &asking(&json!({"targetingKey": "vip"})))
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    let tag = header(&response, "etag").to_owned();
    let bulk = json_of(response).await;
    let keys: Vec<&str> = bulk["flags"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|flag| flag["key"].as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "everybody",
            "greeting",
            "half",
            "killed",
            "nobody",
            "ratio",
            "retries",
            "theme"
        ]
    );
    assert_eq!(bulk["flags"][2]["value"], true);
    assert_eq!(bulk["metadata"], json!({"revision": 7}));
    assert_eq!(
        bulk["eventStreams"],
        json!([{"type": "sse", "endpoint": {"requestUri": "/ofrep/v1/events"}, "inactivityDelaySec": 120}])
    );

    let again = |context: Value| {
        let mut request = request("POST", ALL, &asking(&context));
        request
            .headers_mut()
            .insert("if-none-match", tag.parse().unwrap());
        house.send(request)
    };
    let response = again(json!({"targetingKey": "vip"})).await;
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(header(&response, "etag"), tag);
    assert_eq!(text(response).await, "");
    // Somebody else whose flags say something else.
    let other = (0..).map(|at| format!("user-{at}"));
    for who in other {
        let response = again(json!({ "targetingKey": who })).await;
        if response.status() == StatusCode::OK {
            assert_ne!(header(&response, "etag"), tag);
            break;
        }
    }
}

#[tokio::test]
async fn the_flags_go_on_while_the_role_is_away() {
    let house = house().await;
    house.kill_flags();
    let response = house
        .post(&one("half"), &asking(&json!({"targetingKey": "vip"})))
        .await;
    assert_eq!(json_of(response).await["value"], true);
}
