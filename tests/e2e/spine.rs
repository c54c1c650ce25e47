//! The main job: a question streams to a model and its answer back.

use std::time::Duration;

use serde_json::json;
use troika_tests::{
    listener::{answer, ask, only, order, question, text, texts},
    provider::{Provider, Reply, Step},
};

use crate::sandbox;

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_configured_the_demo_bot_answers_from_its_knowledge() {
    let troika = sandbox().start();
    assert!(troika.fact("store").starts_with("embedded("));
    assert_eq!(troika.fact("model"), "knowledge");

    let events = answer(troika.gateway(), "Which port does the gateway listen on?").await;

    assert_eq!(only(&events, "metadata").data["model"], "knowledge");
    assert!(text(&events).contains("5000"), "{}", text(&events));
    let complete = only(&events, "complete");
    assert_eq!(complete.data["success"], true);
    assert_eq!(complete.data["saved"], true);
    assert_eq!(complete.data["fullAnswer"], text(&events));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_tokens_arrive_in_order_once_each_then_complete_with_usage() {
    let tokens: Vec<String> = (0..100).map(|n| format!("token-{n} ")).collect();
    let provider = Provider::start([Reply::tokens(tokens.clone())]).await;
    let troika = sandbox()
        .provider(&provider)
        .env("OPENAI_MODEL", "scripted")
        .start();

    let events = answer(troika.gateway(), "Count, please").await;

    assert_eq!(
        order(&events),
        [
            "connected",
            "status",
            "metadata",
            "text",
            "complete",
            "close"
        ]
    );
    assert_eq!(texts(&events), tokens);
    let complete = &only(&events, "complete").data;
    assert_eq!(complete["finishReason"], "stop");
    assert_eq!(complete["usage"]["promptTokens"], 7);
    assert_eq!(complete["usage"]["completionTokens"], 100);
    assert_eq!(complete["usage"]["estimated"], false);
    assert_eq!(complete["truncated"], false);
    assert!(
        complete["firstTokenLatency"].as_u64().unwrap() <= complete["duration"].as_u64().unwrap()
    );
    let turn = only(&events, "connected").data["turnId"]
        .as_str()
        .unwrap()
        .to_owned();
    for (sequence, event) in events.iter().enumerate() {
        assert_eq!(event.id, format!("{turn}:{sequence}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_question_of_a_session_carries_the_first_and_knowledge_apart_from_instructions()
{
    let provider = Provider::start([Reply::tokens(["Blue."]), Reply::tokens(["Yes."])]).await;
    let troika = sandbox().provider(&provider).start();
    let session = "3d2a7c52-6f0e-4d8e-9a53-0c8d5b0f6a11";
    let mut first = question("Which roles does troika have?");
    first["sessionId"] = json!(session);
    let events = ask(troika.gateway(), &first).await.all().await;
    assert_eq!(only(&events, "connected").data["sessionId"], session);
    let mut second = question("Are you sure?");
    second["sessionId"] = json!(session);
    ask(troika.gateway(), &second).await.all().await;

    let asked = provider.asked();
    let messages = asked[1].messages();
    let said: Vec<(&str, &str)> = messages
        .iter()
        .map(|(role, text)| (role.as_str(), text.as_str()))
        .collect();
    assert_eq!(said[0].0, "system");
    assert!(said.contains(&("user", "Which roles does troika have?")));
    assert!(said.contains(&("assistant", "Blue.")));
    assert_eq!(said.last(), Some(&("user", "Are you sure?")));
    let first = asked[0].messages();
    let (role, passages) = &first[first.len() - 2];
    assert_eq!(role, "user");
    assert!(passages.starts_with("<passages>") && passages.ends_with("</passages>"));
    assert!(
        !first[0].1.contains(passages.as_str()),
        "knowledge is no instruction"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn suggestions_become_an_event_though_the_tag_is_split_at_every_character() {
    let text_with_tags =
        "It is [KBQ: price] ten.\n\n[SUGGESTIONS: Why ten? | What else? | Who? | Fourth?]";
    let provider = Provider::start([Reply::tokens(text_with_tags.chars())]).await;
    let troika = sandbox().provider(&provider).start();

    let events = answer(troika.gateway(), "How much?").await;

    assert_eq!(text(&events), "It is  ten.");
    let suggestions = &only(&events, "suggestions").data;
    assert_eq!(
        suggestions["items"],
        json!(["Why ten?", "What else?", "Who?"])
    );
    assert_eq!(suggestions["suggestions"], suggestions["items"]);
    assert_eq!(suggestions["count"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_ends_at_two_thousand_characters_on_a_sentence_and_the_provider_is_closed() {
    let mut steps: Vec<Step> = (0..200)
        .map(|n| Step::Token(format!("This is sentence number {n}. ")))
        .collect();
    steps.push(Step::Hang);
    let provider = Provider::start([Reply::Stream(steps)]).await;
    let troika = sandbox().provider(&provider).start();

    let events = answer(troika.gateway(), "Talk").await;

    let said = text(&events);
    assert!(
        said.chars().count() <= 2000 && said.trim_end().ends_with('.'),
        "{said:?}"
    );
    let complete = &only(&events, "complete").data;
    assert_eq!(complete["truncated"], true);
    assert_eq!(complete["finishReason"], "length");
    assert_eq!(complete["usage"]["estimated"], true);
    assert!(complete["usage"]["completionTokens"].as_u64().unwrap() > 100);
    provider.ended(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_tokens_keep_their_order() {
    // One character each, so that the length limit is not what ends them.
    let provider = Provider::start([Reply::tokens(
        (0..10_000).map(|n| if n % 10 == 0 { "x" } else { "" }),
    )])
    .await;
    let troika = sandbox().provider(&provider).start();
    let events = answer(troika.gateway(), "Go").await;
    assert_eq!(text(&events), "x".repeat(1000));
    assert_eq!(only(&events, "complete").data["finishReason"], "stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_answer_comes_in_one_response() {
    let provider = Provider::start([Reply::tokens(["It ", "is.", "\n[SUGGESTIONS: More?]"])]).await;
    let troika = sandbox().provider(&provider).start();
    let response = troika_tests::http()
        .post(format!("{}/api/chat/query", troika.gateway()))
        .json(&question("Is it?"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body["answer"], "It is.");
    assert_eq!(body["suggestions"], json!(["More?"]));
    assert_eq!(body["tokens"], 10);
    for field in [
        "link",
        "audio",
        "sessionId",
        "requiresAuthNext",
        "auth_method",
        "typingDelay",
    ] {
        assert!(body.get(field).is_some(), "{field} is there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_ends_the_turn_saves_what_was_said_and_closes_the_provider() {
    let provider = Provider::start([
        Reply::Stream(vec![Step::Token("Half an".into()), Step::Hang]),
        Reply::tokens(["ok"]),
    ])
    .await;
    let troika = sandbox().provider(&provider).start();
    let mut listening = ask(troika.gateway(), &question("Go on")).await;
    let connected = listening.wait_for("connected").await;
    listening.wait_for("text").await;

    let stop = |body: serde_json::Value| async move { body };
    let body = stop(json!({"turnId": connected.data["turnId"]})).await;
    let client = troika_tests::http();
    let told = client
        .post(format!("{}/api/chat/stop", troika.gateway()))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(told.status(), 200);
    assert_eq!(
        told.json::<serde_json::Value>().await.unwrap()["stopped"],
        1
    );

    let complete = listening.wait_for("complete").await;
    assert_eq!(complete.data["finishReason"], "stopped");
    assert_eq!(complete.data["saved"], true);
    assert_eq!(listening.wait_for("close").await.data["reason"], "stopped");
    provider.ended(1).await;

    let again = client
        .post(format!("{}/api/chat/stop", troika.gateway()))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(
        again.json::<serde_json::Value>().await.unwrap()["stopped"],
        0
    );
    let mut next = question("And then?");
    next["sessionId"] = connected.data["sessionId"].clone();
    ask(troika.gateway(), &next).await.all().await;
    let messages = provider.asked()[1].messages();
    assert!(
        messages.contains(&("assistant".into(), "Half an".into())),
        "the partial answer is in the history"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_open_streams_with_a_final_event_and_the_process_leaves() {
    let provider =
        Provider::start([Reply::Stream(vec![Step::Token("Half".into()), Step::Hang])]).await;
    let mut troika = sandbox()
        .provider(&provider)
        .env("TROIKA_DRAIN__DEADLINE", "500ms")
        .start();
    let mut listening = ask(troika.gateway(), &question("Go on")).await;
    listening.wait_for("text").await;
    troika.signal("TERM");
    assert_eq!(
        listening.wait_for("error").await.data["code"],
        "server_shutdown"
    );
    assert_eq!(
        listening.wait_for("close").await.data["reason"],
        "server_shutdown"
    );
    assert_eq!(troika.exit(Duration::from_secs(10)), 0);
}
