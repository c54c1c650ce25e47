//! Rollouts, as admins start, steer and watch them.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use troika_proto::flags::v1 as wire;

use crate::setup::{
    PATIENCE,
    flags::{ADMIN, FakeFlags, as_admin},
    frame, header, json as json_of, request,
};

fn author(reason: &str) -> Option<wire::Author> {
    Some(wire::Author {
        name: ADMIN.to_owned(),
        reason: reason.to_owned(),
    })
}

#[tokio::test]
async fn a_rollout_is_started_with_a_plan() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let body = json!({
        "flag": "streaming", "candidate": "2.4.0", "reason": "new", "overrideRejection": true,
        "plan": {
            "steps": [{"percentage": 1, "bakeSeconds": 0.5}, {"percentage": 100, "bakeSeconds": 60}],
            "criteria": {"minSamples": 50, "windowSeconds": 30}, "manualApproval": true, "rollbackPercentage": 1,
        },
    });
    let response = house.ask("POST", "/api/rollouts", &body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(header(&response, "location"), "/api/rollouts/r-1");
    let document = json_of(response).await;
    assert_eq!(document["success"], true);
    assert_eq!(document["rollout"]["state"], "running");
    assert_eq!(
        document["rollout"]["plan"]["steps"],
        json!([{"percentage": 1, "bakeSeconds": 7200}])
    );
    assert_eq!(
        document["rollout"]["startedBy"],
        json!({"name": ADMIN, "reason": "a new version"})
    );
    let asked: wire::StartRolloutRequest = role.asked().unwrap();
    assert_eq!(
        (asked.flag.as_str(), asked.candidate.as_str()),
        ("streaming", "2.4.0")
    );
    assert_eq!(
        (asked.override_rejection, asked.author),
        (true, author("new"))
    );
    let plan = asked.plan.unwrap();
    assert_eq!(plan.steps[0].bake.unwrap().nanos, 500_000_000);
    assert_eq!(plan.steps[1].bake.unwrap().seconds, 60);
    assert_eq!(
        (plan.manual_approval, plan.dry_run, plan.rollback_percentage),
        (true, false, 1.0)
    );
    let criteria = plan.criteria.unwrap();
    assert_eq!(
        (criteria.min_samples, criteria.confidence),
        (Some(50), None)
    );
    assert_eq!(criteria.window.unwrap().seconds, 30);
}

#[tokio::test]
async fn without_a_plan_the_roles_own_is_taken() {
    let role = FakeFlags::new();
    let house = role.house().await;
    for body in [
        json!({"flag": "streaming", "candidate": "2.4.0", "reason": "new"}),
        json!({"flag": "streaming", "candidate": "2.4.0", "reason": "new", "plan": null, "overrideRejection": null}),
    ] {
        let response = house.ask("POST", "/api/rollouts", &body).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let asked: wire::StartRolloutRequest = role.asked().unwrap();
        assert_eq!((asked.plan, asked.override_rejection), (None, false));
    }
}

#[tokio::test]
async fn a_plan_that_cannot_be_read_is_told_with_the_field_and_starts_nothing() {
    let role = FakeFlags::new();
    let house = role.house().await;
    for (plan, field) in [
        (json!([]), "plan"),
        (json!({"steps": {}}), "plan.steps"),
        (
            json!({"steps": [{"percentage": "1", "bakeSeconds": 1}]}),
            "plan.steps[0].percentage",
        ),
        (
            json!({"steps": [{"percentage": 1, "bakeSeconds": -1}]}),
            "plan.steps[0].bakeSeconds",
        ),
        (
            json!({"steps": [{"percentage": 1, "bakeSeconds": 1e300}]}),
            "plan.steps[0].bakeSeconds",
        ),
        (
            json!({"criteria": {"minSamples": -1}}),
            "plan.criteria.minSamples",
        ),
        (json!({"__proto__": {"dryRun": true}}), "plan.__proto__"),
    ] {
        let body = json!({"flag": "streaming", "candidate": "2.4.0", "plan": plan});
        let response = house.ask("POST", "/api/rollouts", &body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(
            json_of(response).await["details"][0]["field"],
            field,
            "{body}"
        );
    }
    assert_eq!(role.questions(), 0);
}

#[tokio::test]
async fn rollouts_and_decisions_are_listed() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let response = house
        .ask("GET", "/api/rollouts?flag=streaming&limit=5", &Value::Null)
        .await;
    let document = json_of(response).await;
    assert_eq!(
        (&document["success"], &document["rollouts"][0]["id"]),
        (&json!(true), &json!("r-1"))
    );
    let asked: wire::ListRolloutsRequest = role.asked().unwrap();
    assert_eq!((asked.flag.as_str(), asked.limit), ("streaming", Some(5)));

    let response = house
        .ask("GET", "/api/rollouts/r-1/decisions?limit=7", &Value::Null)
        .await;
    let document = json_of(response).await;
    assert_eq!(document["decisions"][0]["verdict"], "hold");
    let asked: wire::ListDecisionsRequest = role.asked().unwrap();
    assert_eq!((asked.id.as_str(), asked.limit), ("r-1", Some(7)));

    let document = json_of(house.ask("GET", "/api/rollouts/r-1", &Value::Null).await).await;
    assert_eq!(document["rollout"]["candidate"], "2.4.0");
    assert_eq!(document["rollout"]["lastDecision"], Value::Null);
}

#[tokio::test]
async fn what_a_person_says_reaches_the_role_with_the_reason() {
    let role = FakeFlags::new();
    let house = role.house().await;
    for action in ["pause", "resume", "abort", "approve"] {
        let path = format!("/api/rollouts/r-1/{action}");
        let response = house.ask("POST", &path, &json!({"reason": action})).await;
        assert_eq!(response.status(), StatusCode::OK, "{action}");
        assert_eq!(json_of(response).await["rollout"]["id"], "r-1");
    }
    let asked: wire::PauseRolloutRequest = role.asked().unwrap();
    assert_eq!((asked.id.as_str(), asked.author), ("r-1", author("pause")));
    let asked: wire::ResumeRolloutRequest = role.asked().unwrap();
    assert_eq!((asked.id.as_str(), asked.author), ("r-1", author("resume")));
    let asked: wire::AbortRolloutRequest = role.asked().unwrap();
    assert_eq!((asked.id.as_str(), asked.author), ("r-1", author("abort")));
    let asked: wire::ApproveStepRequest = role.asked().unwrap();
    assert_eq!(
        (asked.id.as_str(), asked.author),
        ("r-1", author("approve"))
    );

    let body = json!({"step": 3, "reason": "enough"});
    house.ask("POST", "/api/rollouts/r-1/step", &body).await;
    let asked: wire::SetStepRequest = role.asked().unwrap();
    assert_eq!((asked.step, asked.author), (3, author("enough")));
    for step in [json!(null), json!(-1), json!("3"), json!(1.5), json!(1e300)] {
        let response = house
            .ask("POST", "/api/rollouts/r-1/step", &json!({"step": step}))
            .await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{step}");
        assert_eq!(json_of(response).await["details"][0]["field"], "step");
    }
}

#[tokio::test]
async fn a_watched_rollout_is_told_until_its_last_state() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let response = house
        .ask("GET", "/api/rollouts/r-1/watch", &Value::Null)
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "text/event-stream");
    assert_eq!(header(&response, "cache-control"), "no-cache, no-transform");
    assert_eq!(header(&response, "x-accel-buffering"), "no");
    let mut body = response.into_body();
    assert_eq!(told(&frame(&mut body).await.unwrap())["percentage"], 1);
    role.rolls_out(|rollout| rollout.percentage = 5.0);
    assert_eq!(told(&frame(&mut body).await.unwrap())["percentage"], 5);
    role.rolls_out(|rollout| {
        rollout.set_state(wire::RolloutState::RolledBack);
        rollout.note = "errors\u{2028}\n".to_owned();
    });
    let last = told(&frame(&mut body).await.unwrap());
    assert_eq!(
        (&last["state"], &last["note"]),
        (&json!("rolled_back"), &json!("errors\u{2028}\n"))
    );
    assert_eq!(frame(&mut body).await, None);
    role.watched_by(0).await;
}

/// The rollout of an event, whose lines are what naive clients need.
fn told(event: &str) -> Value {
    let lines: Vec<&str> = event.split(['\n', '\u{2028}']).collect();
    assert_eq!(lines.len(), 4, "{event}");
    assert_eq!((lines[0], lines[2], lines[3]), ("event: rollout", "", ""));
    serde_json::from_str(lines[1].strip_prefix("data: ").unwrap()).unwrap()
}

#[tokio::test]
async fn silence_is_bridged_and_who_leaves_lets_go() {
    let role = FakeFlags::new();
    let house = role
        .house_with(|config| config.heartbeat = Duration::from_millis(10))
        .await;
    let mut body = house
        .ask("GET", "/api/rollouts/r-1/watch", &Value::Null)
        .await
        .into_body();
    frame(&mut body).await.unwrap();
    for _ in 0..2 {
        assert_eq!(frame(&mut body).await.unwrap(), ": heartbeat\n\n");
    }
    role.watched_by(1).await;
    drop(body);
    role.watched_by(0).await;
}

#[tokio::test]
async fn a_watched_rollout_ends_with_the_process_and_with_the_role() {
    let role = FakeFlags::new();
    let mut house = role.house().await;
    let path = "/api/rollouts/r-1/watch";
    let watch = as_admin(request("GET", path, ""));
    let mut first = house.send(watch.clone()).await.into_body();
    frame(&mut first).await.unwrap();
    let mut second = house.send_h2(watch).await.into_body();
    frame(&mut second).await.unwrap();
    house.drain.begin();
    assert_eq!(frame(&mut first).await, None);
    // HTTP/2 ends with an empty frame.
    assert!(matches!(
        frame(&mut second).await.as_deref(),
        None | Some("")
    ));
    drop((first, second));
    let served = tokio::time::timeout(PATIENCE, &mut house.house.served).await;
    served.unwrap().unwrap().unwrap();

    let house = role.house().await;
    let mut body = house.ask("GET", path, &Value::Null).await.into_body();
    frame(&mut body).await.unwrap();
    house.kill_flags();
    assert_eq!(frame(&mut body).await, None);
}
