//! The two routes of the backend that came before.

use http::StatusCode;
use serde_json::json;
use troika_chassis::error::{Code, Error};
use troika_evaluation::{built_in, flag::Flag};
use troika_proto::flags::v1::SetPercentageRequest;

use crate::setup::{
    flags::{ADMIN, FakeFlags},
    header, json as json_of,
};

const FLAGS: &str = "/api/metrics/feature-flags";
const ROLLOUT: &str = "/api/metrics/feature-flags/rollout";

#[tokio::test]
async fn everybody_reads_the_flags_with_the_old_fields() {
    let role = FakeFlags::new();
    let mut flags = Vec::from(built_in::flags());
    flags[0].percentage = 12.5;
    flags[0].whitelist = vec!["a".to_owned(), "b".to_owned()];
    flags[0].blacklist = vec!["c".to_owned()];
    flags[1].enabled = false;
    flags.push(Flag::boolean("newThing", "", 5.0));
    role.knows(7, flags);
    let house = role.house().await;
    house.told(|flags| flags.get("newThing").is_some()).await;
    let response = house.get(FLAGS).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "cache-control"), "no-store");
    let document = json_of(response).await;
    assert_eq!(document["success"], true);
    assert!(document["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        document["flags"],
        json!({
            "streaming": {"enabled": true, "rolloutPercentage": 12.5, "whitelistCount": 2, "blacklistCount": 1},
            "tts": {"enabled": false, "rolloutPercentage": 100},
            "abTest": {"enabled": false, "variant": "control"},
            "metrics": {"enabled": true},
            "newThing": {"enabled": true, "rolloutPercentage": 5, "whitelistCount": 0, "blacklistCount": 0},
        })
    );
}

#[tokio::test]
async fn the_flags_are_told_while_the_role_is_away_and_after_it_went() {
    let role = FakeFlags::new();
    role.knows(7, [Flag::boolean("streaming", "", 25.0)]);
    let house = role.house().await;
    house
        .told(|flags| flags["streaming"]["rolloutPercentage"] == 25)
        .await;
    house.kill_flags();
    for _ in 0..3 {
        let document = json_of(house.get(FLAGS).await).await;
        assert_eq!(document["flags"]["streaming"]["rolloutPercentage"], 25);
    }
    let without = role
        .house_with(|config| config.flags = "http://127.0.0.1:1".parse().unwrap())
        .await;
    let document = json_of(without.get(FLAGS).await).await;
    assert_eq!(document["flags"]["streaming"]["rolloutPercentage"], 100);
}

#[tokio::test]
async fn a_change_is_told_soon() {
    let role = FakeFlags::new();
    let house = role.house().await;
    for percentage in [10, 25, 50] {
        role.knows(
            percentage,
            [Flag::boolean("streaming", "", percentage as f64)],
        );
        house
            .told(|flags| flags["streaming"]["rolloutPercentage"] == percentage)
            .await;
    }
}

#[tokio::test]
async fn an_admin_sets_the_percentage() {
    let role = FakeFlags::new();
    let house = role.house().await;
    for percentage in [json!(0), json!(25), json!(12.5), json!(100)] {
        let body = json!({"feature": "streaming", "percentage": percentage});
        let response = house.ask("POST", ROLLOUT, &body).await;
        assert_eq!(response.status(), StatusCode::OK);
        let document = json_of(response).await;
        let expected = json!({
            "success": true,
            "message": format!("streaming is rolled out to {percentage} %."),
            "newPercentage": percentage,
        });
        assert_eq!(document, expected);
        let asked: SetPercentageRequest = role.asked().unwrap();
        assert_eq!(asked.key, "streaming");
        assert_eq!(Some(asked.percentage), percentage.as_f64());
        let author = asked.author.unwrap();
        assert_eq!(
            (author.name.as_str(), author.reason.as_str()),
            (ADMIN, "rollout route")
        );
    }
}

#[tokio::test]
async fn what_cannot_be_a_percentage_is_refused_in_words_and_changes_nothing() {
    let role = FakeFlags::new();
    let house = role.house().await;
    for (body, status, code, word) in [
        ("{}", 400, "invalid_argument", "feature is required"),
        (
            r#"{"feature":"streaming"}"#,
            400,
            "invalid_argument",
            "percentage is required",
        ),
        (
            r#"{"percentage":25}"#,
            400,
            "invalid_argument",
            "feature is required",
        ),
        (
            r#"{"feature":"streaming","percentage":null}"#,
            400,
            "invalid_argument",
            "percentage is required",
        ),
        (
            r#"{"feature":"streaming","percentage":"25"}"#,
            400,
            "invalid_argument",
            "not a string",
        ),
        (
            r#"{"feature":"streaming","percentage":"NaN"}"#,
            400,
            "invalid_argument",
            "not a string",
        ),
        (
            r#"{"feature":"streaming","percentage":-1}"#,
            400,
            "invalid_argument",
            "from 0 to 100",
        ),
        (
            r#"{"feature":"streaming","percentage":-0.001}"#,
            400,
            "invalid_argument",
            "from 0 to 100",
        ),
        (
            r#"{"feature":"streaming","percentage":101}"#,
            400,
            "invalid_argument",
            "from 0 to 100",
        ),
        (
            r#"{"feature":"streaming","percentage":1e300}"#,
            400,
            "invalid_argument",
            "from 0 to 100",
        ),
        (
            r#"{"feature":"streaming","percentage":1e400}"#,
            400,
            "malformed_json",
            "too large",
        ),
        (
            r#"{"feature":"streaming","percentage":NaN}"#,
            400,
            "malformed_json",
            "not valid JSON",
        ),
        (
            r#"{"feature":"streaming","percentage":Infinity}"#,
            400,
            "malformed_json",
            "not valid JSON",
        ),
        (
            r#"{"feature":"streaming","percentage":[25]}"#,
            400,
            "invalid_argument",
            "must be a number",
        ),
        (
            r#"{"feature":"streaming","percentage":{}}"#,
            400,
            "invalid_argument",
            "must be a number",
        ),
        (
            r#"{"feature":"streaming","percentage":true}"#,
            400,
            "invalid_argument",
            "must be a number",
        ),
        (
            r#"{"feature":["streaming"],"percentage":25}"#,
            400,
            "invalid_argument",
            "must be a string",
        ),
        (
            r#"{"feature":{"toString":1},"percentage":25}"#,
            400,
            "invalid_argument",
            "must be a string",
        ),
        (
            r#"{"feature":"streaming","percentage":25,"percentage":50}"#,
            400,
            "invalid_argument",
            "twice",
        ),
        (
            r#"{"feature":"__proto__","percentage":25}"#,
            404,
            "flag_not_found",
            "no flag",
        ),
        (
            r#"{"feature":"constructor.prototype!","percentage":25}"#,
            404,
            "flag_not_found",
            "no flag",
        ),
    ] {
        let response = house.ask_raw("POST", ROLLOUT, body).await;
        assert_eq!(response.status().as_u16(), status, "{body}");
        let problem = json_of(response).await;
        assert_eq!(problem["code"], code, "{body}");
        assert!(
            problem["detail"].as_str().unwrap().contains(word),
            "{body}: {problem}"
        );
    }
    assert_eq!(role.questions(), 0);
}

#[tokio::test]
async fn an_unknown_feature_is_404_and_one_that_a_rollout_steers_is_409() {
    let role = FakeFlags::new();
    let house = role.house().await;
    let body = json!({"feature": "nothing", "percentage": 25});
    for (code, reason, status) in [
        (Code::NotFound, "flag_not_found", 404),
        (Code::Conflict, "rollout_running", 409),
    ] {
        role.refuses(move || Error::new(code, reason, "No."));
        let response = house.ask("POST", ROLLOUT, &body).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(json_of(response).await["code"], reason);
    }
}
