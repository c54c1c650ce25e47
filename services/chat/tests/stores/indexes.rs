//! The declared MongoDB indexes: found missing, made, and recognised under other names.

use bson::{Bson, Document, doc, oid::ObjectId};
use mongodb::{IndexModel, options::IndexOptions};
use troika_chat::store::indexes::{self, IndexState};

use crate::engines::{self, MongoEngine};

async fn make(engine: &MongoEngine, collection: &str, keys: Document, options: IndexOptions) {
    let index = IndexModel::builder().keys(keys).options(options).build();
    engine
        .mongo
        .db
        .collection::<Document>(collection)
        .create_index(index)
        .await
        .unwrap();
}

fn find<'a>(states: &'a [IndexState], collection: &str, first_key: &str) -> &'a IndexState {
    states
        .iter()
        .find(|state| state.collection == collection && state.keys[0].0 == first_key)
        .unwrap()
}

#[tokio::test]
async fn an_empty_database_lacks_every_index_and_has_every_one_once_they_are_made() {
    let engine = engines::mongo().await;
    let before = indexes::inspect(&engine.mongo).await.unwrap();
    assert_eq!(before.len(), indexes::DECLARED.len());
    assert!(
        before
            .iter()
            .all(|index| !index.present && index.problem.is_none()),
        "{before:?}"
    );

    let made = indexes::create(&engine.mongo).await.unwrap();
    assert!(
        made.iter()
            .all(|index| index.present && index.problem.is_none()),
        "{made:?}"
    );
    assert_eq!(indexes::inspect(&engine.mongo).await.unwrap(), made);
    assert_eq!(indexes::create(&engine.mongo).await.unwrap(), made);
}

#[tokio::test]
async fn an_index_counts_under_whatever_name_and_number_type_it_has() {
    let engine = engines::mongo().await;
    let keys = doc! { "chatbot_id": 1.0, "session_id": 1_i64, "timestamp": -1.0 };
    make(
        &engine,
        "messages",
        keys,
        IndexOptions::builder()
            .name("somebody's name".to_owned())
            .build(),
    )
    .await;
    let states = indexes::inspect(&engine.mongo).await.unwrap();
    let found = find(&states, "messages", "chatbot_id");
    assert!(found.present, "{found:?}");
    assert_eq!(found.name, "somebody's name");
    assert!(!find(&states, "messages", "session_id").present);
}

#[tokio::test]
async fn an_index_that_should_be_unique_and_is_not_says_what_to_do() {
    let engine = engines::mongo().await;
    make(
        &engine,
        "embeddingchunks",
        doc! { "chatbot_id": 1, "hash": 1 },
        IndexOptions::default(),
    )
    .await;
    for states in [
        indexes::inspect(&engine.mongo).await.unwrap(),
        indexes::create(&engine.mongo).await.unwrap(),
    ] {
        let state = find(&states, "embeddingchunks", "chatbot_id");
        assert!(!state.present);
        assert!(
            state.problem.as_ref().unwrap().contains("not unique"),
            "{state:?}"
        );
    }
}

#[tokio::test]
async fn documents_in_the_way_of_a_unique_index_are_named_as_the_reason() {
    let engine = engines::mongo().await;
    let bot = Bson::ObjectId(ObjectId::new());
    let chunks = engine.mongo.db.collection::<Document>("embeddingchunks");
    chunks
        .insert_one(doc! { "chatbot_id": &bot, "hash": "same" })
        .await
        .unwrap();
    chunks
        .insert_one(doc! { "chatbot_id": &bot, "hash": "same" })
        .await
        .unwrap();
    let states = indexes::create(&engine.mongo).await.unwrap();
    let state = find(&states, "embeddingchunks", "chatbot_id");
    assert!(!state.present);
    assert!(
        state.problem.as_ref().unwrap().contains("same keys"),
        "{state:?}"
    );
    assert!(
        find(&states, "messages", "turn_id").present,
        "the others are made all the same"
    );
}

#[tokio::test]
async fn the_index_on_turns_leaves_old_messages_alone() {
    let engine = engines::mongo_with_indexes().await;
    let messages = engine.mongo.db.collection::<Document>("messages");
    for _ in 0..2 {
        messages
            .insert_one(doc! { "sender": "user", "content": "without a turn" })
            .await
            .unwrap();
    }
}
