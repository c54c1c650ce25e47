//! Who is let in where an admin is asked for, and what all admin routes have in common.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Value, json};
use troika_chassis::error::{Code, Error};

use crate::setup::{
    PATIENCE,
    flags::{FakeFlags, SECRET, token},
    header, json as json_of, request,
};

/// Every route that takes an admin, with a body that is right.
fn routes() -> Vec<(&'static str, &'static str, Value)> {
    let flag = || {
        let flag = troika_evaluation::flag::Flag::boolean("beta", "", 5.0);
        let mut flag = serde_json::to_value(flag).unwrap();
        flag["expectedRevision"] = json!(1);
        flag["reason"] = json!("a try");
        flag
    };
    let why = || json!({"reason": "a try"});
    vec![
        (
            "POST",
            "/api/metrics/feature-flags/rollout",
            json!({"feature": "streaming", "percentage": 25}),
        ),
        ("GET", "/api/flags", Value::Null),
        ("POST", "/api/flags", flag()),
        ("GET", "/api/flags/beta", Value::Null),
        ("PUT", "/api/flags/beta", flag()),
        (
            "DELETE",
            "/api/flags/beta?expectedRevision=1&reason=old",
            Value::Null,
        ),
        (
            "POST",
            "/api/flags/beta/switch",
            json!({"enabled": false, "reason": "broken"}),
        ),
        ("GET", "/api/flags/beta/changes", Value::Null),
        ("GET", "/api/flags/changes", Value::Null),
        (
            "POST",
            "/api/flags/beta/restore",
            json!({"revision": 1, "expectedRevision": 2, "reason": "back"}),
        ),
        (
            "POST",
            "/api/flags/beta/explain",
            json!({"context": {"userId": "user-1"}}),
        ),
        ("GET", "/api/rollouts", Value::Null),
        (
            "POST",
            "/api/rollouts",
            json!({"flag": "streaming", "candidate": "2.4.0", "reason": "new"}),
        ),
        ("GET", "/api/rollouts/r-1", Value::Null),
        ("POST", "/api/rollouts/r-1/pause", why()),
        ("POST", "/api/rollouts/r-1/resume", why()),
        ("POST", "/api/rollouts/r-1/abort", why()),
        ("POST", "/api/rollouts/r-1/approve", why()),
        (
            "POST",
            "/api/rollouts/r-1/step",
            json!({"step": 1, "reason": "enough"}),
        ),
        ("GET", "/api/rollouts/r-1/decisions", Value::Null),
        ("GET", "/api/rollouts/r-1/watch", Value::Null),
        ("GET", "/api/audit?source=flags", Value::Null),
    ]
}

#[tokio::test]
async fn an_admin_is_let_in_everywhere() {
    let role = FakeFlags::new();
    let house = role.house().await;
    for (asked, (method, path, body)) in routes().into_iter().enumerate() {
        let response = house.ask(method, path, &body).await;
        assert!(
            response.status().is_success(),
            "{method} {path}: {}",
            response.status()
        );
        assert_eq!(role.questions(), asked + 1, "{method} {path}");
    }
}

#[tokio::test]
async fn nobody_else_is_let_in_anywhere() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let claims = json!({"id": "s-1", "email": "a@b.example", "role": "admin"});
    let good = token(&claims, 60, SECRET);
    let (_, payload) = good.rsplit_once('.').unwrap().0.split_once('.').unwrap();
    let unsigned = format!(
        "{}.{payload}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#)
    );
    let staff = json!({"id": "s-1", "role": "user"});
    let visitor = json!({"userId": "v-1", "phone": "+4915112345678", "chatbotId": "000000000000000000000001"});
    let table = [
        (None, 401, "auth_required", r#"Bearer realm="troika""#),
        (
            Some("Basic czE6czE=".to_owned()),
            401,
            "auth_required",
            r#"Bearer realm="troika""#,
        ),
        (
            Some("Bearer garbage".to_owned()),
            401,
            "invalid_token",
            r#"Bearer realm="troika", error="invalid_token""#,
        ),
        (
            Some(format!(
                "Bearer {}",
                token(&claims, 60, "another secret of thirty-two bytes")
            )),
            401,
            "invalid_token",
            r#"Bearer realm="troika", error="invalid_token""#,
        ),
        (
            Some(format!("Bearer {unsigned}")),
            401,
            "invalid_token",
            r#"Bearer realm="troika", error="invalid_token""#,
        ),
        (
            Some(format!("Bearer {}", token(&claims, -60, SECRET))),
            401,
            "token_expired",
            r#"Bearer realm="troika", error="invalid_token""#,
        ),
        (
            Some(format!("Bearer {}", token(&staff, 60, SECRET))),
            403,
            "admin_required",
            r#"Bearer realm="troika", error="insufficient_scope""#,
        ),
        (
            Some(format!("Bearer {}", token(&visitor, 60, SECRET))),
            403,
            "admin_required",
            r#"Bearer realm="troika", error="insufficient_scope""#,
        ),
    ];
    for (method, path, body) in routes() {
        for (authorization, status, code, challenge) in &table {
            // A body that cannot be read is not looked at either.
            for body in [body.to_string(), "{".to_owned()] {
                let mut request = request(method, path, &body);
                if let Some(authorization) = authorization {
                    let value = authorization.parse().unwrap();
                    request.headers_mut().insert("authorization", value);
                }
                let response = house.send(request).await;
                assert_eq!(
                    response.status().as_u16(),
                    *status,
                    "{method} {path} {code}"
                );
                assert_eq!(header(&response, "www-authenticate"), *challenge);
                assert_eq!(
                    header(&response, "content-type"),
                    "application/problem+json"
                );
                assert_eq!(json_of(response).await["code"], *code);
            }
        }
    }
    assert_eq!(role.questions(), 0);
}

#[tokio::test]
async fn what_the_role_refuses_is_a_problem_everywhere() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let table = [
        (Code::NotFound, "flag_not_found", 404),
        (Code::AlreadyExists, "flag_exists", 409),
        (Code::Conflict, "revision_conflict", 409),
        (Code::Conflict, "rollout_running", 409),
        (Code::InvalidArgument, "invalid_argument", 400),
        (Code::Unavailable, "store_unavailable", 503),
        (Code::Internal, "internal", 500),
    ];
    for (code, reason, status) in table {
        role.refuses(move || {
            Error::new(code, reason, "Read it again.").with_violation(
                "author.reason",
                "author.reason must be shorter",
                "string.max",
            )
        });
        for (method, path, body) in routes() {
            let response = house.ask(method, path, &body).await;
            assert_eq!(
                response.status().as_u16(),
                status,
                "{method} {path} {reason}"
            );
            let problem = json_of(response).await;
            assert_eq!(problem["code"], reason, "{method} {path}");
            assert_eq!(problem["detail"], "Read it again.");
            assert_eq!(problem["details"][0]["field"], "reason");
            assert_eq!(problem["details"][0]["message"], "reason must be shorter");
        }
    }
}

#[tokio::test]
async fn a_role_that_is_away_is_503_everywhere_and_tells_no_address() {
    let house = FakeFlags::new().house().await;
    house.kill_flags();
    for (method, path, body) in routes() {
        let away = async {
            loop {
                let response = house.ask(method, path, &body).await;
                // A connection that has just broken may be told otherwise once.
                if response.status() == StatusCode::SERVICE_UNAVAILABLE {
                    break response;
                }
            }
        };
        let response = tokio::time::timeout(PATIENCE, away).await.unwrap();
        assert_eq!(header(&response, "retry-after"), "5", "{method} {path}");
        let problem = json_of(response).await;
        assert_eq!(problem["code"], "flags_unavailable", "{method} {path}");
        assert!(!problem.to_string().contains("127.0.0.1"), "{problem}");
    }
}

#[tokio::test]
async fn a_role_that_does_not_answer_is_504_everywhere() {
    let role = FakeFlags::new();
    let house = role
        .house_with(|config| config.flags_deadline = Duration::from_millis(20))
        .await;
    role.hangs();
    for (method, path, body) in routes() {
        let response = house.ask(method, path, &body).await;
        assert_eq!(
            response.status(),
            StatusCode::GATEWAY_TIMEOUT,
            "{method} {path}"
        );
        assert_eq!(json_of(response).await["code"], "deadline_exceeded");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_changes_nothing() {
    let role = FakeFlags::new();
    let house = role.house().await;
    for (method, path, _) in routes().into_iter().filter(|(_, _, body)| !body.is_null()) {
        for body in [
            "",
            "{",
            "[]",
            "null",
            "NaN",
            r#"{"reason":}"#,
            r#"{"reason":"a"} x"#,
        ] {
            let response = house.ask_raw(method, path, body).await;
            assert_eq!(
                response.status(),
                StatusCode::BAD_REQUEST,
                "{method} {path} {body:.40}"
            );
            let problem = json_of(response).await;
            assert!(problem["detail"].as_str().unwrap().len() > 20, "{problem}");
        }
    }
    assert_eq!(role.questions(), 0);
}

#[tokio::test]
async fn the_request_id_goes_along() {
    let role = FakeFlags::new();
    let house = role.house().await;
    for (method, path, body) in routes() {
        let response = house.ask(method, path, &body).await;
        let metadata = role.metadata();
        let id = metadata.get("x-request-id").unwrap().to_str().unwrap();
        assert_eq!(header(&response, "x-request-id"), id, "{method} {path}");
        assert!(
            metadata.get("authorization").is_none(),
            "the token stays here"
        );
    }
}
