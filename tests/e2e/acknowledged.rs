//! What troika has called saved is there after a crash: of troika itself, or of the store under it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use troika_proto::chat::v1::{
    ListMessagesRequest, Message, Sender, chatbots_client::ChatbotsClient,
};
use troika_tests::{
    listener::{DEMO_BOT, try_ask},
    raw_provider::{Act, RawProvider, STREAM_HEAD, asked, finish, token},
    sandbox::Troika,
    servers, until,
};

use crate::{callers::as_admin, sandbox};

/// Visitors at once.
const VISITORS: u128 = 16;

/// Echoes the question in three tokens.
async fn echo() -> RawProvider {
    RawProvider::start(|body| {
        let question = asked(body).to_owned();
        vec![
            Act::Send(STREAM_HEAD.to_vec()),
            Act::Send(token("You said: ")),
            Act::Pause(Duration::from_millis(5)),
            Act::Send(token(&question)),
            Act::Send(token(".")),
            Act::Send(finish()),
        ]
    })
    .await
}

/// An exchange that troika said it saved.
struct Exchange {
    session: String,
    question: String,
    answer: String,
}

/// Visitors who ask one question after another until nobody answers any more.
fn visitors(gateway: &str) -> (Arc<Mutex<Vec<Exchange>>>, tokio::task::JoinSet<()>) {
    let saved = Arc::new(Mutex::new(Vec::new()));
    let mut asking = tokio::task::JoinSet::new();
    for visitor in 0..VISITORS {
        let (gateway, saved) = (gateway.to_owned(), saved.clone());
        asking.spawn(async move {
            let session = format!("00000000-0000-4000-8000-{visitor:012x}");
            for place in 0.. {
                let question = format!("visitor {visitor} question {place}");
                let body = json!({"query": question, "chatbotId": DEMO_BOT, "sessionId": session});
                let Some(events) = try_ask(&gateway, &body).await else {
                    return;
                };
                let complete = events.iter().find(|event| event.name == "complete");
                if let Some(complete) = complete.filter(|event| event.data["saved"] == true) {
                    saved.lock().unwrap().push(Exchange {
                        session: session.clone(),
                        question,
                        answer: complete.data["fullAnswer"].as_str().unwrap().to_owned(),
                    });
                }
            }
        });
    }
    (saved, asking)
}

/// What is in the history of a conversation.
pub(crate) async fn messages(troika: &Troika, session: &str) -> Vec<Message> {
    let request = ListMessagesRequest {
        chatbot_id: DEMO_BOT.into(),
        session_id: session.into(),
        limit: 200,
    };
    let answer = ChatbotsClient::new(as_admin(troika.chat()))
        .list_messages(request)
        .await;
    answer.unwrap().into_inner().messages
}

/// Every saved exchange stands in the history, the answer right behind its question, once.
async fn all_there(troika: &Troika, saved: &[Exchange]) {
    for visitor in 0..VISITORS {
        let session = format!("00000000-0000-4000-8000-{visitor:012x}");
        let history = messages(troika, &session).await;
        // 200 are listed at most, the newest.
        let mine: Vec<&Exchange> = saved.iter().filter(|one| one.session == session).collect();
        for exchange in mine.iter().rev().take(90) {
            let places: Vec<usize> = (0..history.len())
                .filter(|place| {
                    history[*place].sender() == Sender::User
                        && history[*place].content == exchange.question
                })
                .collect();
            assert_eq!(places.len(), 1, "{:?} is there once", exchange.question);
            let answer = history.get(places[0] + 1);
            assert!(
                answer
                    .is_some_and(|message| message.sender() == Sender::Bot
                        && message.content == exchange.answer),
                "the answer to {:?} follows it: {answer:?}",
                exchange.question
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_troika_loses_nothing_that_it_called_saved() {
    let provider = echo().await;
    let sandbox = sandbox().env("OPENAI_BASE_URL", provider.url.clone());
    let mut troika = sandbox.start();
    let (saved, asking) = visitors(troika.gateway());
    until("many are saved", Duration::from_secs(30), async || {
        saved.lock().unwrap().len() >= 200
    })
    .await;
    troika.kill();
    asking.join_all().await;

    let troika = sandbox.start();
    let saved = saved.lock().unwrap().drain(..).collect::<Vec<_>>();
    all_there(&troika, &saved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_mongodb_loses_nothing_that_troika_called_saved_and_only_history() {
    let mut mongodb = servers::mongodb();
    let provider = echo().await;
    let uri = format!("mongodb://127.0.0.1:{}/shop", mongodb.port);
    let sandbox = sandbox()
        .env("OPENAI_BASE_URL", provider.url.clone())
        .env("MONGODB_URI", uri)
        .env("TROIKA_MONGODB__BREAKER__OPEN_FOR", "500ms");
    let made = sandbox.run(&["check", "indexes", "--create"]);
    assert!(made.status.success());
    let troika = sandbox.start();
    let made = sandbox
        .command(&["bots", "create", "--id", DEMO_BOT, "--name", "Shop"])
        .env("TROIKA_GATEWAY__CHAT", troika.chat())
        .output()
        .unwrap();
    assert!(made.status.success());

    let (saved, mut asking) = visitors(troika.gateway());
    until("many are saved", Duration::from_secs(30), async || {
        saved.lock().unwrap().len() >= 100
    })
    .await;
    mongodb.kill();
    let before = saved.lock().unwrap().len();
    mongodb.restart_mongodb();
    until("it saves again", Duration::from_secs(30), async || {
        saved.lock().unwrap().len() >= before + 50
    })
    .await;
    asking.shutdown().await;
    let saved = saved.lock().unwrap().drain(..).collect::<Vec<_>>();
    all_there(&troika, &saved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_stores_what_it_still_has_to() {
    let provider = echo().await;
    let sandbox = sandbox().env("OPENAI_BASE_URL", provider.url.clone());
    let mut troika = sandbox.start();
    let (saved, asking) = visitors(troika.gateway());
    until("some are saved", Duration::from_secs(30), async || {
        saved.lock().unwrap().len() >= 50
    })
    .await;
    troika.signal("TERM");
    assert_eq!(troika.exit(Duration::from_secs(20)), 0);
    asking.join_all().await;
    let troika = sandbox.start();
    let saved = saved.lock().unwrap().drain(..).collect::<Vec<_>>();
    all_there(&troika, &saved).await;
}
