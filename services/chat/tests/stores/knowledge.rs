//! The contract of `KnowledgeStore`.

use sha2::{Digest, Sha256};
use troika_chat::{
    bots::BotId,
    knowledge::{Chunk, Document, Embedding, KnowledgeStore, Replaced},
};

use crate::{bots::time, messages::BOT};

/// A chunk without an embedding.
pub(crate) fn chunk(content: &str, file_name: &str, position: u32) -> Chunk {
    Chunk {
        hash: hex::encode(Sha256::digest(content)),
        content: content.into(),
        file_name: file_name.into(),
        position,
        language: "en-IN".into(),
        embedding: None,
        imported_at: time(1_790_000_000_000),
    }
}

/// The same chunk with an embedding.
pub(crate) fn embedded(chunk: Chunk, model: &str, vector: &[f32]) -> Chunk {
    Chunk {
        embedding: Some(Embedding {
            model: model.into(),
            vector: vector.into(),
        }),
        ..chunk
    }
}

fn document(file_name: &str, contents: &[&str]) -> Vec<Chunk> {
    (0..)
        .zip(contents)
        .map(|(position, content)| chunk(content, file_name, position))
        .collect()
}

fn replaced(added: u32, duplicates: u32, removed: u32) -> Replaced {
    Replaced {
        added,
        duplicates,
        removed,
    }
}

/// Asserts that the revision is another one than `before`, and gives it.
async fn changed(store: &dyn KnowledgeStore, before: u64) -> u64 {
    let revision = store.revision(BOT).await.unwrap();
    assert_ne!(revision, before);
    revision
}

async fn chunks_are_read_back_in_the_order_of_their_document(store: &dyn KnowledgeStore) {
    assert_eq!(store.chunks(BOT).await.unwrap(), []);
    let chunks = vec![
        chunk("second in the alphabet, first in the text", "a.txt", 0),
        embedded(
            chunk("another, with numbers", "a.txt", 1),
            "model",
            &[0.5, -1.25, 3.0e-7, f32::MAX],
        ),
        Chunk {
            language: String::new(),
            ..chunk("ਇੱਕ 👍", "a.txt", 2)
        },
    ];
    let shuffled = [chunks[2].clone(), chunks[0].clone(), chunks[1].clone()];
    assert_eq!(
        store.replace(BOT, "a.txt", &shuffled).await.unwrap(),
        replaced(3, 0, 0)
    );
    assert_eq!(store.chunks(BOT).await.unwrap(), chunks);
}

async fn the_same_document_again_changes_nothing(store: &dyn KnowledgeStore) {
    let chunks = document("a.txt", &["one", "two"]);
    store.replace(BOT, "a.txt", &chunks).await.unwrap();
    let revision = changed(store, 0).await;
    assert_eq!(
        store.replace(BOT, "a.txt", &chunks).await.unwrap(),
        replaced(0, 2, 0)
    );
    assert_eq!(store.revision(BOT).await.unwrap(), revision);
    assert_eq!(store.chunks(BOT).await.unwrap(), chunks);
}

async fn a_new_version_adds_what_is_new_and_removes_what_is_gone(store: &dyn KnowledgeStore) {
    store
        .replace(BOT, "a.txt", &document("a.txt", &["one", "two", "three"]))
        .await
        .unwrap();
    store
        .replace(BOT, "b.txt", &document("b.txt", &["other"]))
        .await
        .unwrap();
    let revision = changed(store, 0).await;

    let new = document("a.txt", &["three", "four"]);
    assert_eq!(
        store.replace(BOT, "a.txt", &new).await.unwrap(),
        replaced(1, 1, 2)
    );
    let revision = changed(store, revision).await;
    let mut expected = new;
    expected.extend(document("b.txt", &["other"]));
    assert_eq!(store.chunks(BOT).await.unwrap(), expected);

    assert_eq!(
        store.replace(BOT, "a.txt", &[]).await.unwrap(),
        replaced(0, 0, 2)
    );
    changed(store, revision).await;
    assert_eq!(
        store.chunks(BOT).await.unwrap(),
        document("b.txt", &["other"])
    );
}

async fn a_text_is_kept_once_however_often_it_comes(store: &dyn KnowledgeStore) {
    store
        .replace(BOT, "a.txt", &document("a.txt", &["shared", "a"]))
        .await
        .unwrap();
    let other = document("b.txt", &["shared", "b", "b"]);
    assert_eq!(
        store.replace(BOT, "b.txt", &other).await.unwrap(),
        replaced(1, 2, 0)
    );
    let mut expected = document("a.txt", &["shared", "a"]);
    expected.push(chunk("b", "b.txt", 1));
    assert_eq!(store.chunks(BOT).await.unwrap(), expected);
}

async fn a_known_text_takes_an_embedding_only_where_it_has_none(store: &dyn KnowledgeStore) {
    let plain = chunk("plain", "a.txt", 0);
    let first = embedded(chunk("embedded", "a.txt", 1), "old", &[1.0, 2.0]);
    store
        .replace(BOT, "a.txt", &[plain.clone(), first.clone()])
        .await
        .unwrap();
    let revision = changed(store, 0).await;

    let filled = embedded(plain, "new", &[3.0, 4.0]);
    let again = [filled.clone(), embedded(first.clone(), "new", &[5.0, 6.0])];
    assert_eq!(
        store.replace(BOT, "a.txt", &again).await.unwrap(),
        replaced(0, 2, 0)
    );
    changed(store, revision).await;
    assert_eq!(store.chunks(BOT).await.unwrap(), [filled, first]);
}

async fn documents_are_listed_newest_first_with_what_they_hold(store: &dyn KnowledgeStore) {
    assert_eq!(store.documents(BOT).await.unwrap(), []);
    store
        .replace(BOT, "old.txt", &document("old.txt", &["one", "two"]))
        .await
        .unwrap();
    let newer = time(1_790_000_100_000);
    let new = Chunk {
        imported_at: newer,
        ..chunk("three", "new.txt", 0)
    };
    store
        .replace(BOT, "new.txt", &[embedded(new, "model", &[1.0])])
        .await
        .unwrap();
    let listed = |file_name: &str, chunks, embedded, imported_at| Document {
        file_name: file_name.into(),
        chunks,
        embedded,
        imported_at,
    };
    assert_eq!(
        store.documents(BOT).await.unwrap(),
        [
            listed("new.txt", 1, 1, newer),
            listed("old.txt", 2, 0, time(1_790_000_000_000))
        ]
    );
}

async fn deleting_takes_one_document_or_everything_and_counts(store: &dyn KnowledgeStore) {
    assert_eq!(store.delete(BOT, None).await.unwrap(), 0);
    assert_eq!(store.revision(BOT).await.unwrap(), 0);
    for file_name in ["a.txt", "b.txt", "c.txt"] {
        let contents = [format!("{file_name} one"), format!("{file_name} two")];
        let contents: Vec<&str> = contents.iter().map(String::as_str).collect();
        store
            .replace(BOT, file_name, &document(file_name, &contents))
            .await
            .unwrap();
    }
    let revision = changed(store, 0).await;
    assert_eq!(store.delete(BOT, Some("nothing.txt")).await.unwrap(), 0);
    assert_eq!(store.revision(BOT).await.unwrap(), revision);
    assert_eq!(store.delete(BOT, Some("b.txt")).await.unwrap(), 2);
    let revision = changed(store, revision).await;
    assert_eq!(store.documents(BOT).await.unwrap().len(), 2);
    assert_eq!(store.delete(BOT, None).await.unwrap(), 4);
    changed(store, revision).await;
    assert_eq!(store.chunks(BOT).await.unwrap(), []);
    assert_eq!(store.documents(BOT).await.unwrap(), []);
}

async fn a_bot_knows_nothing_of_what_another_knows(store: &dyn KnowledgeStore) {
    let other = BotId([8; 12]);
    let chunks = document("a.txt", &["the same text"]);
    store.replace(BOT, "a.txt", &chunks).await.unwrap();
    let revision = store.revision(BOT).await.unwrap();
    assert_eq!(store.revision(other).await.unwrap(), 0);
    assert_eq!(store.chunks(other).await.unwrap(), []);
    assert_eq!(
        store.replace(other, "a.txt", &chunks).await.unwrap(),
        replaced(1, 0, 0)
    );
    assert_eq!(store.delete(other, None).await.unwrap(), 1);
    assert_eq!(store.chunks(BOT).await.unwrap(), chunks);
    assert_eq!(store.revision(BOT).await.unwrap(), revision);
}

async fn a_long_document_is_taken_whole_and_removed_whole(store: &dyn KnowledgeStore) {
    let chunks: Vec<Chunk> = (0..450)
        .map(|number| {
            embedded(
                chunk(&format!("part {number}"), "book.pdf", number),
                "model",
                &[number as f32; 16],
            )
        })
        .collect();
    assert_eq!(
        store.replace(BOT, "book.pdf", &chunks).await.unwrap(),
        replaced(450, 0, 0)
    );
    assert_eq!(store.chunks(BOT).await.unwrap(), chunks);
    assert_eq!(
        store
            .replace(BOT, "book.pdf", &chunks[..100])
            .await
            .unwrap(),
        replaced(0, 100, 350)
    );
    assert_eq!(store.delete(BOT, Some("book.pdf")).await.unwrap(), 100);
}

over_every_store!(
    chunks_are_read_back_in_the_order_of_their_document,
    the_same_document_again_changes_nothing,
    a_new_version_adds_what_is_new_and_removes_what_is_gone,
    a_text_is_kept_once_however_often_it_comes,
    a_known_text_takes_an_embedding_only_where_it_has_none,
    documents_are_listed_newest_first_with_what_they_hold,
    deleting_takes_one_document_or_everything_and_counts,
    a_bot_knows_nothing_of_what_another_knows,
    a_long_document_is_taken_whole_and_removed_whole,
);
