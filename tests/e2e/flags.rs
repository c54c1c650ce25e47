//! Flags over the real processes: who gets what, how soon a change is everywhere, and that nothing changes
//! while the flags role or its store is away.

use std::{
    process::Output,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tonic::Code;
use troika_evaluation::{context::Visitor, flag::Flag, snapshot::Snapshot, wire};
use troika_proto::flags::v1::{
    Author, CreateFlagRequest, ListChangesRequest, ListFlagsRequest, RestoreFlagRequest,
    SetPercentageRequest, SwitchFlagRequest, UpdateFlagRequest, WatchRequest,
    flags_client::FlagsClient,
};
use troika_tests::{
    listener::{DEMO_BOT, Event, ask, only, texts},
    provider::{Provider, Reply},
    proxy::Proxy,
    sandbox::{Sandbox, Troika},
    servers, until,
};
use uuid::Uuid;

use crate::{
    callers::{Called, as_admin},
    sandbox,
};

const TOKENS: [&str; 3] = ["One ", "two ", "three."];

pub(crate) fn author(name: &str) -> Author {
    Author {
        name: name.to_owned(),
        reason: "a test".to_owned(),
    }
}

pub(crate) async fn flags_of(troika: &Troika) -> FlagsClient<Called> {
    FlagsClient::new(as_admin(troika.flags()))
}

/// All flags as whoever watches is told.
pub(crate) async fn snapshot(client: &mut FlagsClient<Called>) -> Snapshot {
    let mut watched = client.watch(WatchRequest {}).await.unwrap().into_inner();
    wire::snapshot(watched.message().await.unwrap().unwrap())
}

pub(crate) async fn set(client: &mut FlagsClient<Called>, key: &str, percentage: f64) {
    let request = SetPercentageRequest {
        key: key.to_owned(),
        percentage,
        author: Some(author("tests")),
    };
    client.set_percentage(request).await.unwrap();
}

async fn switch(client: &mut FlagsClient<Called>, key: &str, enabled: bool) -> bool {
    let request = SwitchFlagRequest {
        key: key.to_owned(),
        enabled,
        author: Some(author("tests")),
    };
    client
        .switch_flag(request)
        .await
        .unwrap()
        .into_inner()
        .stored
}

pub(crate) fn question(session: &str) -> Value {
    json!({"query": "Why?", "chatbotId": DEMO_BOT, "sessionId": session, "enableTTS": false})
}

async fn answer(gateway: &str, session: &str) -> Vec<Event> {
    ask(gateway, &question(session)).await.all().await
}

/// Whether an answer came word by word; else it came in one piece, whole.
async fn streams(gateway: &str, session: &str) -> bool {
    let events = answer(gateway, session).await;
    let pieces = texts(&events);
    assert_eq!(pieces.concat(), TOKENS.concat());
    assert_eq!(only(&events, "complete").data["success"], true);
    match pieces.len() {
        1 => false,
        3 => true,
        other => panic!("{other} pieces"),
    }
}

fn sessions(count: usize) -> Vec<String> {
    (0..count).map(|_| Uuid::new_v4().to_string()).collect()
}

fn is_in(snapshot: &Snapshot, session: &str) -> bool {
    let visitor = Visitor {
        session_id: Some(session),
        chatbot_id: Some(DEMO_BOT),
        ..Visitor::default()
    };
    snapshot.evaluate("streaming", &visitor).unwrap().is_on()
}

/// Waits until an answer streams, or does not; how long that took.
async fn until_streams(gateway: &str, session: &str, expected: bool) -> Duration {
    let began = Instant::now();
    until("the change is there", Duration::from_secs(20), async || {
        streams(gateway, session).await == expected
    })
    .await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_streams_at_0_everybody_at_100_and_at_25_those_of_their_bucket() {
    let provider = Provider::start([Reply::tokens(TOKENS)]).await;
    let sandbox = sandbox().provider(&provider);
    let mut troika = sandbox.start();
    let mut client = flags_of(&troika).await;
    let sessions = sessions(24);
    for (percentage, expected) in [(0.0, false), (100.0, true)] {
        set(&mut client, "streaming", percentage).await;
        until_streams(troika.gateway(), &sessions[0], expected).await;
        for session in &sessions {
            assert_eq!(streams(troika.gateway(), session).await, expected);
        }
    }
    set(&mut client, "streaming", 25.0).await;
    let at_25 = snapshot(&mut client).await;
    let turned_away = sessions.iter().find(|session| !is_in(&at_25, session));
    until_streams(troika.gateway(), turned_away.unwrap(), false).await;
    for session in &sessions {
        assert_eq!(
            streams(troika.gateway(), session).await,
            is_in(&at_25, session)
        );
    }

    // A hundred thousand by the flags that the role tells, before and after a restart, then at a half.
    let crowd: Vec<String> = (0..100_000).map(|n| format!("crowd-{n}")).collect();
    let who =
        |snapshot: &Snapshot| -> Vec<bool> { crowd.iter().map(|id| is_in(snapshot, id)).collect() };
    let before = who(&at_25);
    let count = before.iter().filter(|is_in| **is_in).count();
    assert!((24_500..=25_500).contains(&count), "{count} of 100000");
    troika.kill();
    let troika = sandbox.start();
    let mut client = flags_of(&troika).await;
    assert_eq!(who(&snapshot(&mut client).await), before);
    set(&mut client, "streaming", 50.0).await;
    let half = who(&snapshot(&mut client).await);
    assert!(
        before
            .iter()
            .zip(&half)
            .all(|(before, half)| !before || *half)
    );
}

/// Every role in a process of its own.
struct Apart {
    sandbox: Sandbox,
    flags: Troika,
    way: Proxy,
    chat: Troika,
    gateway: Troika,
    _provider: Provider,
}

async fn apart() -> Apart {
    let provider = Provider::start([Reply::tokens(TOKENS)]).await;
    let sandbox = sandbox().provider(&provider);
    let flags = sandbox.start_role("flags");
    let way = Proxy::to_url(flags.flags()).await;
    let sandbox = sandbox
        .env("TROIKA_CHAT__FLAGS__ADDRESS", way.url())
        .env("TROIKA_GATEWAY__FLAGS", way.url());
    let chat = sandbox.start_role("chat");
    let sandbox = sandbox.env("TROIKA_GATEWAY__CHAT", chat.chat());
    let gateway = sandbox.start_role("gateway");
    until(
        "the gateway is ready",
        Duration::from_secs(20),
        async || {
            troika_tests::get(format!("{}/ready", gateway.gateway()))
                .await
                .is_ok_and(|answer| answer.status() == 200)
        },
    )
    .await;
    Apart {
        sandbox,
        flags,
        way,
        chat,
        gateway,
        _provider: provider,
    }
}

/// What the gateway tells of a flag.
async fn told(gateway: &Troika, flag: &str) -> Value {
    let answer = troika_tests::get(format!("{}/api/metrics/feature-flags", gateway.gateway()));
    let answer: Value = answer.await.unwrap().json().await.unwrap();
    answer["flags"][flag].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_every_process_within_a_second() {
    let apart = apart().await;
    let session = Uuid::new_v4().to_string();
    let mut client = flags_of(&apart.flags).await;
    assert!(streams(apart.gateway.gateway(), &session).await);
    for (percentage, expected) in [(0.0, false), (100.0, true), (0.0, false)] {
        set(&mut client, "streaming", percentage).await;
        let began = Instant::now();
        until_streams(apart.gateway.gateway(), &session, expected).await;
        until("the gateway knows", Duration::from_secs(20), async || {
            told(&apart.gateway, "streaming").await["rolloutPercentage"].as_f64()
                == Some(percentage)
        })
        .await;
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_flags_role_is_away_the_last_flags_hold_over_restarts_too() {
    let mut apart = apart().await;
    let session = Uuid::new_v4().to_string();
    let mut client = flags_of(&apart.flags).await;
    set(&mut client, "streaming", 0.0).await;
    until_streams(apart.gateway.gateway(), &session, false).await;

    // The network between, then the role itself.
    apart.way.cut();
    assert!(!streams(apart.gateway.gateway(), &session).await);
    apart.flags.kill();
    apart.chat.kill();
    let chat = apart.sandbox.start_role("chat");
    let sandbox = apart.sandbox.env("TROIKA_GATEWAY__CHAT", chat.chat());
    let gateway = sandbox.start_role("gateway");
    until(
        "the gateway is ready",
        Duration::from_secs(20),
        async || {
            troika_tests::get(format!("{}/ready", gateway.gateway()))
                .await
                .is_ok_and(|answer| answer.status() == 200)
        },
    )
    .await;
    assert!(!streams(gateway.gateway(), &session).await);
    assert_eq!(told(&gateway, "streaming").await["rolloutPercentage"], 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_voice_flag_there_is_text_alone_and_no_warning() {
    let troika = sandbox().start();
    let aloud = json!({"query": "What is troika?", "chatbotId": DEMO_BOT, "enableTTS": true});
    let heard = async || {
        let events = ask(troika.gateway(), &aloud).await.all().await;
        assert!(!texts(&events).is_empty());
        assert!(events.iter().all(|event| event.name != "warning"));
        events.iter().any(|event| event.name == "audio")
    };
    assert!(heard().await);
    let mut client = flags_of(&troika).await;
    assert!(switch(&mut client, "tts", false).await);
    until("it is quiet", Duration::from_secs(10), async || {
        !heard().await
    })
    .await;
    let spoken = troika_tests::http()
        .post(format!("{}/api/text-to-speech", troika.gateway()))
        .json(&json!({"text": "Hello."}));
    let spoken = spoken.send().await.unwrap();
    assert_eq!(spoken.status(), 503);
    let body: Value = spoken.json().await.unwrap();
    assert_eq!(body["code"], "voice_off");
    switch(&mut client, "tts", true).await;
    until("it is heard again", Duration::from_secs(10), heard).await;
}

fn shown(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The emergency stop: the flags role alone, its store gone.
#[tokio::test(flavor = "multi_thread")]
async fn the_kill_switch_works_while_the_store_is_away_and_is_stored_when_it_is_back() {
    let mut mongodb = servers::mongodb();
    let provider = Provider::start([Reply::tokens(TOKENS)]).await;
    let sandbox = sandbox()
        .provider(&provider)
        .env("TROIKA_MONGODB__OPERATION_TIMEOUT", "500ms")
        .env("TROIKA_MONGODB__SERVER_SELECTION_TIMEOUT", "500ms");
    let on_mongo = |sandbox: Sandbox| {
        sandbox.env(
            "MONGODB_URI",
            format!("mongodb://127.0.0.1:{}/shop", mongodb.port),
        )
    };
    let flags_sandbox = on_mongo(crate::sandbox())
        .env("TROIKA_MONGODB__OPERATION_TIMEOUT", "500ms")
        .env("TROIKA_MONGODB__SERVER_SELECTION_TIMEOUT", "500ms");
    let flags = flags_sandbox.start_role("flags");
    let sandbox = sandbox
        .env("TROIKA_CHAT__FLAGS__ADDRESS", flags.flags())
        .env("TROIKA_GATEWAY__FLAGS", flags.flags());
    let chat = sandbox.start_role("chat");
    let gateway = sandbox
        .env("TROIKA_GATEWAY__CHAT", chat.chat())
        .start_role("gateway");
    let session = Uuid::new_v4().to_string();
    until_streams(gateway.gateway(), &session, true).await;

    mongodb.kill();
    let off = flags_sandbox
        .command(&[
            "flags",
            "off",
            "streaming",
            "--as",
            "ops",
            "--reason",
            "fire",
        ])
        .args(["--addr", flags.flags()])
        .output()
        .unwrap();
    assert!(shown(&off).contains("streaming is off"));
    assert!(String::from_utf8_lossy(&off.stderr).contains("not stored"));
    until_streams(gateway.gateway(), &session, false).await;

    mongodb.restart_mongodb();
    let mut client = flags_of(&flags).await;
    until(
        "the switch is stored",
        Duration::from_secs(30),
        async || {
            let request = ListChangesRequest {
                key: "streaming".to_owned(),
                ..ListChangesRequest::default()
            };
            match client.list_changes(request).await {
                Ok(listed) => listed.into_inner().changes.iter().any(|change| {
                    change.after.as_ref().is_some_and(|after| !after.enabled)
                        && change
                            .author
                            .as_ref()
                            .is_some_and(|author| author.reason == "fire")
                }),
                Err(_) => false,
            }
        },
    )
    .await;
    assert!(!streams(gateway.gateway(), &session).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_on_one_store_agree_and_an_old_revision_is_refused() {
    let mongodb = servers::mongodb();
    let sandbox = sandbox().env(
        "MONGODB_URI",
        format!("mongodb://127.0.0.1:{}/shop", mongodb.port),
    );
    let replicas = [sandbox.start_role("flags"), sandbox.start_role("flags")];
    let mut first = flags_of(&replicas[0]).await;
    let mut second = flags_of(&replicas[1]).await;
    set(&mut first, "streaming", 10.0).await;
    let began = Instant::now();
    until(
        "the other replica knows",
        Duration::from_secs(20),
        async || {
            snapshot(&mut second)
                .await
                .flag("streaming")
                .unwrap()
                .percentage
                == 10.0
        },
    )
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );

    // Both change at once, again and again: every change is in the history, none twice.
    let changes = 20;
    let mut writers = Vec::new();
    for client in [first.clone(), second.clone()] {
        writers.push(tokio::spawn(async move {
            for round in 0..changes {
                set(&mut client.clone(), "streaming", f64::from(round)).await;
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let listed = first
        .list_changes(ListChangesRequest {
            limit: Some(500),
            ..ListChangesRequest::default()
        })
        .await
        .unwrap()
        .into_inner()
        .changes;
    let revisions: Vec<u64> = listed.iter().map(|change| change.revision).collect();
    let expected: Vec<u64> = (1..=2 * u64::try_from(changes).unwrap() + 1)
        .rev()
        .collect();
    assert_eq!(revisions, expected);

    let stale = snapshot(&mut first)
        .await
        .flag("streaming")
        .unwrap()
        .clone();
    set(&mut second, "streaming", 77.0).await;
    let request = UpdateFlagRequest {
        expected_revision: stale.revision,
        flag: Some((&stale).into()),
        author: Some(author("tests")),
    };
    let refused = first.update_flag(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_revision_can_be_restored_and_the_history_tells_who_and_why() {
    let troika = sandbox().start_role("flags");
    let mut client = flags_of(&troika).await;
    set(&mut client, "streaming", 10.0).await;
    set(&mut client, "streaming", 20.0).await;
    let current = snapshot(&mut client)
        .await
        .flag("streaming")
        .unwrap()
        .clone();
    let request = RestoreFlagRequest {
        key: "streaming".to_owned(),
        revision: 1,
        expected_revision: current.revision,
        author: Some(author("restorer")),
    };
    let restored = client
        .restore_flag(request)
        .await
        .unwrap()
        .into_inner()
        .flag
        .unwrap();
    assert_eq!((restored.percentage, restored.revision), (10.0, 3));
    let listed = client
        .list_changes(ListChangesRequest::default())
        .await
        .unwrap()
        .into_inner();
    let newest = &listed.changes[0];
    assert_eq!(newest.author.as_ref().unwrap().name, "a-test as restorer");
    assert_eq!(newest.before.as_ref().unwrap().percentage, 20.0);
    assert_eq!(newest.after.as_ref().unwrap().percentage, 10.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_input_gets_a_clear_error_and_changes_nothing() {
    let troika = sandbox().start_role("flags");
    let mut client = flags_of(&troika).await;
    // Which flags there are is known once the store was read.
    until("the flags are read", Duration::from_secs(15), async || {
        let listed = client.clone().list_flags(ListFlagsRequest::default()).await;
        listed.is_ok_and(|listed| !listed.into_inner().flags.is_empty())
    })
    .await;
    let by = || Some(author("tests"));
    for percentage in [f64::NAN, f64::INFINITY, -1.0, 100.5, 1e300] {
        let request = SetPercentageRequest {
            key: "streaming".to_owned(),
            percentage,
            author: by(),
        };
        let refused = client.set_percentage(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(
            refused.message().contains("from 0 to 100"),
            "{}",
            refused.message()
        );
    }
    for key in ["__proto__", "", "constructor()", "no such flag", "\u{0}"] {
        let request = SetPercentageRequest {
            key: key.to_owned(),
            percentage: 5.0,
            author: by(),
        };
        assert_eq!(
            client.set_percentage(request).await.unwrap_err().code(),
            Code::NotFound
        );
        let flag = Some((&Flag::boolean(key, "", 5.0)).into());
        let request = CreateFlagRequest { flag, author: by() };
        assert_eq!(
            client.create_flag(request).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }
    // Nobody changes anything in nobody's name, and nobody in another's.
    let request = SetPercentageRequest {
        key: "streaming".to_owned(),
        percentage: 5.0,
        author: by(),
    };
    let mut stranger = FlagsClient::connect(troika.flags().to_owned())
        .await
        .unwrap();
    let refused = stranger.set_percentage(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let listed = client
        .list_flags(ListFlagsRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!((listed.revision, listed.flags.len()), (0, 4));
}
