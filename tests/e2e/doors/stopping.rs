//! Stopping what runs in a conversation: held to the same as going on with it.

use std::time::Duration;

use http::HeaderMap;
use serde_json::{Value, json};
use troika_tests::{
    listener::{DEMO_BOT, Listening, ask_with, question},
    provider::{Provider, Reply, Step},
    sandbox::{Troika, token},
    until,
};

use super::bearer;
use crate::sandbox;

const SOON: Duration = Duration::from_secs(15);

async fn stop(troika: &Troika, target: &Value, who: &HeaderMap) -> (u16, Value) {
    let request = troika_tests::http()
        .post(format!("{}/api/chat/stop", troika.gateway()))
        .headers(who.clone())
        .json(target);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

/// Asks, and hears that the turn runs.
async fn ask(troika: &Troika, session: Option<&str>, who: &HeaderMap) -> (Listening, Value) {
    let mut asked = question("What is troika?");
    asked["sessionId"] = session.into();
    let headers: Vec<_> = who
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let mut listening = ask_with(troika.gateway(), &asked, &headers).await;
    let connected = listening.wait_for("connected").await;
    (listening, connected.data)
}

fn visitor(id: &str) -> HeaderMap {
    let claims = json!({ "userId": id, "chatbotId": DEMO_BOT });
    bearer(Some(&token(claims)))
}

fn strangers() -> [HeaderMap; 3] {
    let admin = token(json!({ "id": "s1", "role": "admin" }));
    [HeaderMap::new(), visitor("bob"), bearer(Some(&admin))]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_in_a_conversation_is_its_visitor_s_to_stop_and_nothing_is_told_of_others() {
    let reply = Reply::Stream(vec![Step::Token("Still".into()), Step::Hang]);
    let provider = Provider::start([reply]).await;
    let troika = sandbox().provider(&provider).start();
    // A session that the gateway signed, and one that a token binds.
    let (first, connected) = ask(&troika, None, &HeaderMap::new()).await;
    let mut signed = HeaderMap::new();
    signed.insert("x-session-token", first.headers["x-session-token"].clone());
    drop(first);
    let signed = (connected["sessionId"].as_str().unwrap().to_owned(), signed);
    let bound = (uuid::Uuid::new_v4().to_string(), visitor("ada"));
    let nothing = (200, json!({ "success": true, "stopped": 0 }));
    for (session, own) in [signed, bound] {
        let target = json!({ "sessionId": session });
        let (running, _) = ask(&troika, Some(&session), &own).await;
        for stranger in strangers() {
            let (status, answer) = stop(&troika, &target, &stranger).await;
            assert_eq!(
                (status, &answer["code"]),
                (403, &json!("session_not_yours"))
            );
        }
        let stopped = json!({ "success": true, "stopped": 1 });
        assert_eq!(stop(&troika, &target, &own).await, (200, stopped));
        let mut running = running;
        assert_eq!(running.wait_for("close").await.data["reason"], "stopped");
        // What is over is as what never was, to everybody.
        until("the turn is over", SOON, async || {
            stop(&troika, &target, &HeaderMap::new()).await == nothing
        })
        .await;
        let unknown = json!({ "sessionId": uuid::Uuid::new_v4() });
        assert_eq!(stop(&troika, &target, &own).await, nothing);
        for stranger in strangers() {
            assert_eq!(stop(&troika, &target, &stranger).await, nothing);
            assert_eq!(stop(&troika, &unknown, &stranger).await, nothing);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_nobody_showed_to_be_theirs_is_stopped_by_its_id() {
    let reply = Reply::Stream(vec![Step::Token("Still".into()), Step::Hang]);
    let provider = Provider::start([reply]).await;
    let troika = sandbox().provider(&provider).start();
    let session = uuid::Uuid::new_v4().to_string();
    let (mut running, _) = ask(&troika, Some(&session), &HeaderMap::new()).await;
    let target = json!({ "sessionId": session });
    let stopped = json!({ "success": true, "stopped": 1 });
    assert_eq!(
        stop(&troika, &target, &HeaderMap::new()).await,
        (200, stopped)
    );
    assert_eq!(running.wait_for("close").await.data["reason"], "stopped");
}
