//! Bots and messages that others wrote into MongoDB: read as they are, changed without loss, and ours
//! readable to them.

use bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use troika_chat::{
    bots::{Access, Bot, BotId, BotStore, Limits},
    history::{MessageStore, Sender, Visitor},
};

use crate::{
    bots::time,
    engines::{self, MongoEngine},
    messages::{BOT, answer, contents, message},
};

pub(crate) async fn insert(engine: &MongoEngine, collection: &str, document: Document) {
    engine
        .mongo
        .db
        .collection::<Document>(collection)
        .insert_one(document)
        .await
        .unwrap();
}

pub(crate) async fn only(engine: &MongoEngine, collection: &str) -> Document {
    engine
        .mongo
        .db
        .collection::<Document>(collection)
        .find_one(doc! {})
        .await
        .unwrap()
        .unwrap()
}

pub(crate) fn id(bot: BotId) -> ObjectId {
    ObjectId::from_bytes(bot.0)
}

#[tokio::test]
async fn a_bot_of_an_existing_database_gets_defaults_for_what_it_lacks() {
    let engine = engines::mongo().await;
    // Its id says that it was made 1000 seconds after 1970.
    let bot_id = BotId([0, 0, 3, 0xe8, 1, 1, 1, 1, 1, 1, 1, 1]);
    let company = ObjectId::new();
    let document = doc! {
        "_id": id(bot_id), "company_id": company, "name": "Old bot", "persona_text": "You sell tea.",
        "status": "Active", "token_limit": 100_000, "used_tokens": 12.5, "monthlyLimit": Bson::Null,
    };
    insert(&engine, "chatbots", document).await;
    let expected = Bot {
        id: bot_id,
        name: "Old bot".into(),
        persona: "You sell tea.".into(),
        model: None,
        temperature: None,
        language: "en-IN".into(),
        access: Access::Public,
        active: true,
        allowed_origins: Vec::new(),
        booking_url: None,
        limits: Limits::default(),
        company: Some(company.to_hex()),
        created_at: time(1_000_000),
        updated_at: time(1_000_000),
    };
    assert_eq!(engine.store.get(bot_id).await.unwrap(), Some(expected));
}

#[tokio::test]
async fn a_bot_is_active_without_a_status_or_with_active_in_any_case_and_not_otherwise() {
    let engine = engines::mongo().await;
    let cases = [
        (None, true),
        (Some(Bson::Null), true),
        (Some("active".into()), true),
        (Some("ACTIVE ".into()), true),
        (Some("inactive".into()), false),
        (Some("suspended".into()), false),
        (Some("".into()), false),
        (Some(Bson::Boolean(true)), true),
        (Some(Bson::Boolean(false)), false),
        (Some(Bson::Int32(1)), false),
    ];
    for (number, (status, active)) in (1_u8..).zip(cases) {
        let bot = BotId([number; 12]);
        let mut document = doc! { "_id": id(bot), "name": "Bot" };
        if let Some(status) = status.clone() {
            document.insert("status", status);
        }
        insert(&engine, "chatbots", document).await;
        assert_eq!(
            engine.store.get(bot).await.unwrap().unwrap().active,
            active,
            "{status:?}"
        );
    }
}

#[tokio::test]
async fn fields_of_an_unexpected_type_cost_themselves_and_not_the_bot() {
    let engine = engines::mongo().await;
    let document = doc! {
        "_id": id(BOT), "name": 7, "persona_text": ["x"], "temperature": "hot", "model": "", "language": Bson::Null,
        "allowed_origins": ["https://one.example", 5], "limits": "none", "created_at": "2026-01-02T03:04:05Z",
        "updatedAt": 12, "access": "staff",
    };
    insert(&engine, "chatbots", document).await;
    insert(
        &engine,
        "chatbots",
        doc! { "_id": "an id of another type", "name": "Nobody's" },
    )
    .await;
    let bots = engine.store.list(None, 10).await.unwrap();
    assert_eq!(bots.len(), 1);
    let bot = &bots[0];
    assert_eq!(
        (bot.name.as_str(), bot.temperature, bot.model.as_deref()),
        ("", None, None)
    );
    assert_eq!(
        (bot.language.as_str(), &bot.limits),
        ("en-IN", &Limits::default())
    );
    assert_eq!(bot.allowed_origins, ["https://one.example"]);
    assert_eq!(bot.created_at, time(1_767_323_045_000));
    assert_eq!(
        bot.access,
        Access::Private,
        "a word that is not understood opens no door"
    );
}

#[tokio::test]
async fn an_update_leaves_the_fields_of_others_and_their_word_for_a_bot_that_is_off() {
    let engine = engines::mongo().await;
    let company = ObjectId::new();
    let document = doc! {
        "_id": id(BOT), "company_id": company, "name": "Old", "persona_text": "p", "status": "suspended",
        "used_tokens": 12.5, "nested": { "deep": [1, { "x": Bson::Null }] },
    };
    insert(&engine, "chatbots", document.clone()).await;
    let bot = engine.store.get(BOT).await.unwrap().unwrap();
    assert!(!bot.active);
    engine
        .store
        .update(&Bot {
            name: "New".into(),
            ..bot.clone()
        })
        .await
        .unwrap();
    let kept = only(&engine, "chatbots").await;
    for name in ["company_id", "used_tokens", "nested", "status"] {
        assert_eq!(kept.get(name), document.get(name), "{name}");
    }
    assert_eq!(kept.get_str("name").unwrap(), "New");

    engine
        .store
        .update(&Bot {
            active: true,
            ..bot
        })
        .await
        .unwrap();
    assert_eq!(
        only(&engine, "chatbots").await.get_str("status").unwrap(),
        "active"
    );
}

#[tokio::test]
async fn messages_of_an_existing_conversation_are_the_history_of_the_next_turn() {
    let engine = engines::mongo().await;
    let old = |sender: &str, content: &str, millis: i64| {
        doc! {
            "chatbot_id": id(BOT), "session_id": "session", "sender": sender, "content": content,
            "timestamp": DateTime::from_millis(millis), "email": Bson::Null, "phone": "", "name": "Visitor",
            "token_count": 3.0, "is_guest": false,
        }
    };
    insert(&engine, "messages", old("bot", "old answer", 2_000)).await;
    insert(&engine, "messages", old("user", "old question", 1_000)).await;
    insert(
        &engine,
        "messages",
        old("user", "same time as a new one", 3_000),
    )
    .await;
    // Another bot's id as text, and no time: of no use, and no harm.
    insert(
        &engine,
        "messages",
        doc! { "chatbot_id": BOT.to_string(), "session_id": "session" },
    )
    .await;
    engine
        .store
        .append(&[message("new question", 3_000)])
        .await
        .unwrap();

    let expected = [
        "old question",
        "old answer",
        "same time as a new one",
        "new question",
    ];
    assert_eq!(contents(&engine.store, 10).await, expected);
    let messages = engine.store.recent(BOT, "session", 4).await.unwrap();
    let first = &messages[0];
    assert_eq!(
        (first.sender, first.turn, first.outcome, first.tokens),
        (Sender::User, None, None, Some(3))
    );
    assert!(
        first.visitor
            == Visitor {
                name: Some("Visitor".into()),
                ..Visitor::default()
            }
    );
    assert_eq!(messages[1].sender, Sender::Bot);
}

#[tokio::test]
async fn a_message_is_written_with_the_fields_that_others_read() {
    let engine = engines::mongo().await;
    let question = message("question", 1_500);
    let visitor = Visitor {
        email: Some("visitor@example.org".into()),
        ..Visitor::default()
    };
    let mut reply = answer(&question, "answer");
    reply.visitor = visitor;
    engine.store.append(&[reply]).await.unwrap();
    let mut written = only(&engine, "messages").await;
    assert!(matches!(written.remove("_id"), Some(Bson::ObjectId(_))));
    assert!(matches!(
        written.remove("insertion"),
        Some(Bson::Int64(1..))
    ));
    let expected = doc! {
        "chatbot_id": id(BOT), "session_id": "session", "email": "visitor@example.org", "phone": Bson::Null,
        "name": Bson::Null, "is_guest": false, "sender": "bot", "content": "answer",
        "timestamp": DateTime::from_millis(1_500), "turn_id": question.turn.unwrap().to_string(),
        "token_count": 12_i64, "outcome": "complete",
    };
    assert_eq!(written, expected);
}

#[tokio::test]
async fn a_repeated_message_is_kept_once_where_somebody_stored_it_under_another_id() {
    let engine = engines::mongo_with_indexes().await;
    let question = message("question", 1);
    let turn = question.turn.unwrap().to_string();
    let copied = doc! {
        "chatbot_id": id(BOT), "session_id": "session", "sender": "user", "content": "question",
        "timestamp": DateTime::from_millis(1), "turn_id": turn,
    };
    insert(&engine, "messages", copied).await;
    let later = message("later", 2);
    engine.store.append(&[question, later]).await.unwrap();
    assert_eq!(contents(&engine.store, 10).await, ["question", "later"]);
}
