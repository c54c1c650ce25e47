//! Chunks that others wrote into MongoDB, and imports over them or beside others.

use std::time::Duration;

use bson::{Bson, Document, doc, oid::ObjectId};
use troika_chat::knowledge::KnowledgeStore;

use crate::{
    engines,
    existing_documents::{id, insert, only},
    knowledge::{chunk, embedded},
    messages::BOT,
};

#[tokio::test]
async fn knowledge_of_an_existing_database_is_read_unless_it_was_taken_out_of_use() {
    let engine = engines::mongo().await;
    let old = |content: &str| {
        doc! { "chatbot_id": id(BOT), "content": content, "hash": content, "embedding": [0.5, 1, 2_i64], "language": "en" }
    };
    let with = |content: &str, name: &str, value: Bson| {
        let mut document = old(content);
        document.insert(name, value);
        document
    };
    let mut as_text = old("id as text");
    as_text.insert("chatbot_id", BOT.to_string());
    let mut without_vector = with("without a vector", "embedding", Bson::Array(Vec::new()));
    without_vector.remove("hash");
    for document in [
        with("active", "status", "active".into()),
        with("completed", "status", "Completed".into()),
        with("named model", "model", "text-embedding-ada-002".into()),
        as_text,
        without_vector,
        with("deleted", "status", "DELETED".into()),
        with("inactive", "status", "inactive".into()),
        doc! { "chatbot_id": ObjectId::new(), "content": "another bot's", "hash": "x" },
    ] {
        insert(&engine, "embeddingchunks", document).await;
    }

    let mut chunks = engine.store.chunks(BOT).await.unwrap();
    chunks.sort_by(|one, other| one.content.cmp(&other.content));
    let contents: Vec<&str> = chunks.iter().map(|chunk| chunk.content.as_str()).collect();
    assert_eq!(
        contents,
        [
            "active",
            "completed",
            "id as text",
            "named model",
            "without a vector"
        ]
    );
    let embedding = chunks[0].embedding.as_ref().unwrap();
    assert_eq!(
        (embedding.model.as_str(), &*embedding.vector),
        ("text-embedding-3-small", &[0.5, 1.0, 2.0][..])
    );
    assert_eq!(
        chunks[3].embedding.as_ref().unwrap().model,
        "text-embedding-ada-002"
    );
    assert_eq!((&chunks[4].embedding, chunks[4].hash.len()), (&None, 64));

    let documents = engine.store.documents(BOT).await.unwrap();
    assert_eq!(
        (documents.len(), documents[0].chunks, documents[0].embedded),
        (1, 5, 4)
    );
    assert_eq!(engine.store.delete(BOT, Some("")).await.unwrap(), 7);
    assert_eq!(engine.store.chunks(BOT).await.unwrap(), []);
}

#[tokio::test]
async fn importing_a_text_that_was_taken_out_of_use_brings_it_back() {
    let engine = engines::mongo_with_indexes().await;
    let new = embedded(chunk("tea", "tea.txt", 0), "model", &[1.0]);
    let retired = doc! {
        "chatbot_id": id(BOT), "content": "tea", "hash": &new.hash, "status": "deleted", "note": "kept",
    };
    insert(&engine, "embeddingchunks", retired).await;
    let replaced = engine
        .store
        .replace(BOT, "tea.txt", std::slice::from_ref(&new))
        .await
        .unwrap();
    assert_eq!((replaced.added, replaced.duplicates), (1, 0));
    assert_eq!(engine.store.chunks(BOT).await.unwrap(), [new]);
    assert_eq!(
        only(&engine, "embeddingchunks")
            .await
            .get_str("note")
            .unwrap(),
        "kept"
    );
}

#[tokio::test]
async fn repeating_an_import_that_died_half_way_raises_the_revision_even_when_nothing_is_left_to_do()
 {
    let engine = engines::mongo().await;
    let chunks = [chunk("one", "a.txt", 0)];
    engine.store.replace(BOT, "a.txt", &chunks).await.unwrap();
    let revision = engine.store.revision(BOT).await.unwrap();
    let revisions = engine.mongo.db.collection::<Document>("knowledgerevisions");
    revisions
        .update_one(
            doc! { "_id": id(BOT) },
            doc! { "$set": { "changing": true } },
        )
        .await
        .unwrap();

    engine.store.replace(BOT, "a.txt", &chunks).await.unwrap();
    let completed = engine.store.revision(BOT).await.unwrap();
    assert!(completed > revision);
    engine.store.replace(BOT, "a.txt", &chunks).await.unwrap();
    assert_eq!(engine.store.revision(BOT).await.unwrap(), completed);
}

#[tokio::test]
async fn two_imports_of_one_text_at_one_time_both_succeed_and_keep_it_once() {
    let engine = engines::mongo_with_indexes().await;
    let chunks: Vec<_> = (0..250)
        .map(|number| chunk(&format!("part {number}"), "a.txt", number))
        .collect();
    let (one, other) = tokio::join!(
        engine.store.replace(BOT, "a.txt", &chunks),
        engine.store.replace(BOT, "a.txt", &chunks)
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.added + other.added, 250, "{one:?} {other:?}");
    assert_eq!(one.duplicates + other.duplicates, 250, "{one:?} {other:?}");
    assert_eq!(engine.store.chunks(BOT).await.unwrap(), chunks);
    let revision = engine.store.revision(BOT).await.unwrap();
    tokio::time::timeout(
        Duration::from_secs(5),
        engine.store.replace(BOT, "a.txt", &chunks),
    )
    .await
    .unwrap()
    .unwrap();
    assert_eq!(engine.store.revision(BOT).await.unwrap(), revision);
}
