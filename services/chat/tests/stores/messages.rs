//! The contract of `MessageStore`.

use std::time::{Duration, SystemTime};

use futures::future::join_all;
use troika_chat::{
    bots::BotId,
    history::{Message, MessageStore, Outcome, Sender, Visitor},
};
use uuid::Uuid;

use crate::bots::time;

pub(crate) const BOT: BotId = BotId([7; 12]);

/// A visitor's message of a new turn.
pub(crate) fn message(content: &str, millis: u64) -> Message {
    Message {
        bot: BOT,
        session: "session".into(),
        turn: Some(Uuid::now_v7()),
        sender: Sender::User,
        content: content.into(),
        time: time(millis),
        tokens: None,
        outcome: None,
        visitor: Visitor::default(),
    }
}

/// The bot's answer to a message, at the same time.
pub(crate) fn answer(question: &Message, content: &str) -> Message {
    Message {
        sender: Sender::Bot,
        content: content.into(),
        tokens: Some(12),
        outcome: Some(Outcome::Complete),
        ..question.clone()
    }
}

pub(crate) async fn contents(store: &dyn MessageStore, limit: usize) -> Vec<String> {
    let messages = store.recent(BOT, "session", limit).await.unwrap();
    messages
        .into_iter()
        .map(|message| message.content)
        .collect()
}

fn assert_same(read: &[Message], written: &[Message]) {
    assert_eq!(read.len(), written.len());
    for (read, written) in read.iter().zip(written) {
        assert!(
            read == written,
            "{:?} became {:?}",
            written.content,
            read.content
        );
    }
}

async fn every_field_of_a_message_is_read_back(store: &dyn MessageStore) {
    let visitor = Visitor {
        email: Some("visitor@example.org".into()),
        phone: Some("+910000000000".into()),
        name: Some("Visitor".into()),
    };
    let mut written = vec![Message {
        visitor,
        ..message("नमस्ते 👋\n\"quoted\"", 0)
    }];
    let outcomes = [
        Outcome::Complete,
        Outcome::Truncated,
        Outcome::Stopped,
        Outcome::Cancelled,
        Outcome::Failed,
    ];
    for (millis, outcome) in (1..).zip(outcomes) {
        let question = message(&"long ".repeat(20_000), millis);
        written.push(Message {
            outcome: Some(outcome),
            ..answer(&question, "")
        });
    }
    written.push(Message {
        turn: None,
        tokens: Some(u32::MAX),
        ..message("older than turns", 10)
    });
    written.push(Message {
        turn: Some(Uuid::new_v4()),
        ..message("a random turn", 11)
    });
    store.append(&written).await.unwrap();
    assert_same(&store.recent(BOT, "session", 100).await.unwrap(), &written);
}

async fn the_newest_messages_come_oldest_first(store: &dyn MessageStore) {
    for millis in [5, 1, 4, 2, 3] {
        store
            .append(&[message(&millis.to_string(), millis)])
            .await
            .unwrap();
    }
    assert_eq!(contents(store, 3).await, ["3", "4", "5"]);
    assert_eq!(contents(store, 100).await, ["1", "2", "3", "4", "5"]);
    assert_eq!(contents(store, 0).await, [""; 0]);
}

async fn messages_of_one_time_keep_the_order_in_which_they_were_added(store: &dyn MessageStore) {
    for number in 0..20 {
        let question = message(&format!("question {number}"), 1_000);
        store
            .append(&[
                question.clone(),
                answer(&question, &format!("answer {number}")),
            ])
            .await
            .unwrap();
    }
    let expected: Vec<String> = (0..20)
        .flat_map(|number| [format!("question {number}"), format!("answer {number}")])
        .collect();
    assert_eq!(contents(store, 100).await, expected);
    assert_eq!(contents(store, 3).await, expected[37..]);
}

async fn times_before_1970_and_far_ahead_keep_their_order(store: &dyn MessageStore) {
    let old = Message {
        time: SystemTime::UNIX_EPOCH - Duration::from_millis(1_500),
        ..message("old", 0)
    };
    let ahead = message("ahead", 4_000_000_000_000);
    let written = [old, message("now", 1_790_000_000_000), ahead];
    for message in written.iter().rev() {
        store.append(std::slice::from_ref(message)).await.unwrap();
    }
    assert_same(&store.recent(BOT, "session", 10).await.unwrap(), &written);
}

async fn a_message_of_the_same_turn_and_sender_is_kept_once(store: &dyn MessageStore) {
    let question = message("question", 1);
    let first = answer(&question, "answer");
    store.append(std::slice::from_ref(&question)).await.unwrap();
    store
        .append(&[question.clone(), first.clone()])
        .await
        .unwrap();
    store
        .append(&[question.clone(), first.clone()])
        .await
        .unwrap();
    let later = message("later", 3);
    // Repeated with another time and text, between new ones, and twice in one write.
    let repeated = Message {
        time: time(2),
        content: "repeated".into(),
        ..first
    };
    let last = message("last", 4);
    store
        .append(&[later.clone(), repeated, later, question, last])
        .await
        .unwrap();
    assert_eq!(
        contents(store, 100).await,
        ["question", "answer", "later", "last"]
    );
}

async fn writers_that_repeat_each_other_at_one_time_keep_one_copy(store: &dyn MessageStore) {
    let question = message("question", 1);
    let pair = [question.clone(), answer(&question, "answer")];
    for written in join_all((0..16).map(|_| store.append(&pair))).await {
        written.unwrap();
    }
    assert_eq!(contents(store, 100).await, ["question", "answer"]);
}

async fn messages_without_a_turn_are_all_kept(store: &dyn MessageStore) {
    let message = Message {
        turn: None,
        ..message("again", 1)
    };
    store
        .append(&[message.clone(), message.clone()])
        .await
        .unwrap();
    store.append(&[message]).await.unwrap();
    assert_eq!(contents(store, 100).await, ["again", "again", "again"]);
}

async fn a_session_sees_no_message_of_another_session_or_bot(store: &dyn MessageStore) {
    let sessions = [
        "session",
        "session2",
        "sessio",
        "",
        "session\0",
        "\u{10ffff}",
        "{\"$gt\":\"\"}",
    ];
    for session in sessions {
        for bot in [BOT, BotId([8; 12]), BotId([6; 12])] {
            let content = format!("{bot} {session}");
            store
                .append(&[Message {
                    bot,
                    session: session.into(),
                    ..message(&content, 1)
                }])
                .await
                .unwrap();
        }
    }
    for session in sessions {
        let found = store.recent(BOT, session, 100).await.unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|message| message.content.as_str())
            .collect();
        assert_eq!(found, [format!("{BOT} {session}")]);
    }
    assert!(store.recent(BOT, "nobody", 100).await.unwrap().is_empty());
}

async fn adding_nothing_succeeds(store: &dyn MessageStore) {
    store.append(&[]).await.unwrap();
    assert!(contents(store, 100).await.is_empty());
}

over_every_store!(
    every_field_of_a_message_is_read_back,
    the_newest_messages_come_oldest_first,
    messages_of_one_time_keep_the_order_in_which_they_were_added,
    times_before_1970_and_far_ahead_keep_their_order,
    a_message_of_the_same_turn_and_sender_is_kept_once,
    writers_that_repeat_each_other_at_one_time_keep_one_copy,
    messages_without_a_turn_are_all_kept,
    a_session_sees_no_message_of_another_session_or_bot,
    adding_nothing_succeeds,
);
