//! Retrieval over a real store, a cache and an endpoint that fails.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::*;
use crate::{
    embedder::tests::{Behaviour, Endpoint, client},
    knowledge::{Chunk, Document, Embedding, Replaced, chunks::content_hash},
};

const BOT: BotId = BotId([1; 12]);
const OTHER: BotId = BotId([2; 12]);
const LONG: Duration = Duration::from_secs(20);

/// A store whose reading can be counted, held up and refused.
struct Shelf {
    chunks: Mutex<HashMap<BotId, Vec<Chunk>>>,
    revision: AtomicUsize,
    reads: AtomicUsize,
    gate: Semaphore,
    refuses: Mutex<bool>,
}

impl Shelf {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            chunks: Mutex::default(),
            revision: AtomicUsize::new(1),
            reads: AtomicUsize::new(0),
            gate: Semaphore::new(1000),
            refuses: Mutex::new(false),
        })
    }

    fn put(&self, bot: BotId, content: &str, vector: Option<&[f32]>) {
        let chunk = Chunk {
            hash: content_hash(content),
            content: content.into(),
            file_name: "a.md".into(),
            position: 0,
            language: "en-IN".into(),
            embedding: vector.map(|vector| Embedding {
                model: "text-embedding-3-small".into(),
                vector: vector.into(),
            }),
            imported_at: SystemTime::UNIX_EPOCH,
        };
        self.chunks
            .lock()
            .unwrap()
            .entry(bot)
            .or_default()
            .push(chunk);
        self.revision.fetch_add(1, Ordering::Relaxed);
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl KnowledgeStore for Shelf {
    async fn replace(&self, _: BotId, _: &str, _: &[Chunk]) -> Result<Replaced, StoreError> {
        Err(StoreError::unavailable("read only"))
    }
    async fn documents(&self, _: BotId) -> Result<Vec<Document>, StoreError> {
        Ok(Vec::new())
    }
    async fn chunks(&self, bot: BotId) -> Result<Vec<Chunk>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let _pass = self.gate.acquire().await;
        if *self.refuses.lock().unwrap() {
            return Err(StoreError::unavailable("refused"));
        }
        Ok(self
            .chunks
            .lock()
            .unwrap()
            .get(&bot)
            .cloned()
            .unwrap_or_default())
    }
    async fn delete(&self, _: BotId, _: Option<&str>) -> Result<u64, StoreError> {
        Ok(0)
    }
    async fn revision(&self, _: BotId) -> Result<u64, StoreError> {
        Ok(self.revision.load(Ordering::Relaxed) as u64)
    }
}

#[derive(Default)]
struct Memory(Mutex<HashMap<String, Bytes>>);

#[async_trait]
impl Cache for Memory {
    async fn get(&self, key: &str) -> Option<Bytes> {
        self.0.lock().unwrap().get(key).cloned()
    }
    async fn put(&self, key: &str, value: Bytes, _lifetime: Duration) {
        self.0.lock().unwrap().insert(key.to_owned(), value);
    }
}

fn retriever(shelf: &Arc<Shelf>, embedder: Option<Embedder>) -> (Arc<Retriever>, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    let retriever = Retriever::new(
        shelf.clone(),
        memory.clone(),
        embedder.map(Arc::new),
        Config::default(),
    );
    (Arc::new(retriever), memory)
}

fn contents(retrieved: &Retrieved) -> Vec<&str> {
    retrieved
        .passages
        .iter()
        .map(|passage| &*passage.content)
        .collect()
}

/// Waits for a condition that another task brings about.
async fn until(condition: impl Fn() -> bool) {
    tokio::time::timeout(LONG, async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_bot_answers_from_its_own_knowledge_alone() {
    let shelf = Shelf::new();
    shelf.put(BOT, "Refunds take five days.", None);
    shelf.put(OTHER, "Refunds take forever.", None);
    let (retriever, _) = retriever(&shelf, None);
    assert_eq!(
        contents(&retriever.retrieve(BOT, "refunds").await.unwrap()),
        ["Refunds take five days."]
    );
    assert_eq!(
        contents(&retriever.retrieve(OTHER, "refunds").await.unwrap()),
        ["Refunds take forever."]
    );
}

#[tokio::test]
async fn the_same_question_is_answered_from_the_cache_until_the_knowledge_changes() {
    let shelf = Shelf::new();
    shelf.put(BOT, "Refunds take five days.", None);
    let (retriever, memory) = retriever(&shelf, None);
    let first = retriever
        .retrieve(BOT, "How are refunds made?")
        .await
        .unwrap();
    // What was found is kept in the background.
    while memory.0.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        retriever
            .retrieve(BOT, "  how are  REFUNDS made? ")
            .await
            .unwrap(),
        Retrieved {
            cached: true,
            ..first
        }
    );
    assert_eq!(memory.0.lock().unwrap().len(), 1);
    shelf.put(BOT, "Refunds are made to the card.", None);
    assert_eq!(
        retriever
            .retrieve(BOT, "How are refunds made?")
            .await
            .unwrap()
            .passages
            .len(),
        2
    );
}

#[tokio::test]
async fn a_broken_cache_entry_is_a_miss() {
    let shelf = Shelf::new();
    shelf.put(BOT, "Refunds take five days.", None);
    let (retriever, memory) = retriever(&shelf, None);
    let found = retriever.retrieve(BOT, "refunds").await.unwrap();
    for entry in memory.0.lock().unwrap().values_mut() {
        *entry = Bytes::from_static(b"\xff\xff\xff\xff\xff\xff");
    }
    assert_eq!(retriever.retrieve(BOT, "refunds").await.unwrap(), found);
}

#[tokio::test]
async fn an_index_is_built_once_however_many_ask() {
    let shelf = Shelf::new();
    shelf.put(BOT, "Refunds take five days.", None);
    let (retriever, _) = retriever(&shelf, None);
    shelf.gate.forget_permits(1000);
    let asking: Vec<_> = (0..20)
        .map(|n| {
            let retriever = retriever.clone();
            tokio::spawn(async move { retriever.retrieve(BOT, &format!("refunds {n}")).await })
        })
        .collect();
    until(|| shelf.reads() > 0).await;
    shelf.gate.add_permits(1000);
    for asked in asking {
        assert_eq!(asked.await.unwrap().unwrap().passages.len(), 1);
    }
    assert_eq!(shelf.reads(), 1);
}

#[tokio::test]
async fn an_index_is_built_to_its_end_when_the_asker_leaves() {
    let shelf = Shelf::new();
    shelf.put(BOT, "Refunds take five days.", None);
    let (retriever, _) = retriever(&shelf, None);
    shelf.gate.forget_permits(1000);
    let asking = tokio::spawn({
        let retriever = retriever.clone();
        async move { retriever.retrieve(BOT, "refunds").await }
    });
    until(|| shelf.reads() == 1).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    shelf.gate.add_permits(1000);
    assert_eq!(
        retriever
            .retrieve(BOT, "refunds")
            .await
            .unwrap()
            .passages
            .len(),
        1
    );
    assert_eq!(shelf.reads(), 1);
}

#[tokio::test]
async fn a_store_that_fails_is_an_error_and_is_asked_again() {
    let shelf = Shelf::new();
    shelf.put(BOT, "Refunds take five days.", None);
    let (retriever, _) = retriever(&shelf, None);
    *shelf.refuses.lock().unwrap() = true;
    assert!(matches!(
        retriever.retrieve(BOT, "refunds").await,
        Err(StoreError::Unavailable(_))
    ));
    *shelf.refuses.lock().unwrap() = false;
    assert_eq!(
        retriever
            .retrieve(BOT, "refunds")
            .await
            .unwrap()
            .passages
            .len(),
        1
    );
}

#[tokio::test]
async fn vectors_find_what_words_do_not() {
    let (endpoint, address) = Endpoint::start(Behaviour::Good).await;
    let shelf = Shelf::new();
    shelf.put(BOT, "Money comes back soon.", Some(&[1.0, 1.0]));
    let (retriever, _) = retriever(&shelf, Some(client(address, LONG)));
    let found = retriever.retrieve(BOT, "refunds").await.unwrap();
    assert_eq!(contents(&found), ["Money comes back soon."]);
    assert!(!found.lexical_only);
    assert_eq!(endpoint.requests(), [["refunds"]]);
}

#[tokio::test]
async fn a_question_is_not_embedded_for_a_bot_without_vectors() {
    let (endpoint, address) = Endpoint::start(Behaviour::Good).await;
    let shelf = Shelf::new();
    shelf.put(BOT, "Refunds take five days.", None);
    let (retriever, _) = retriever(&shelf, Some(client(address, LONG)));
    assert!(
        !retriever
            .retrieve(BOT, "refunds")
            .await
            .unwrap()
            .lexical_only
    );
    assert!(endpoint.requests().is_empty());
}

#[tokio::test]
async fn embeddings_that_fail_or_hang_cost_the_vectors_only_and_for_this_question_only() {
    for behaviour in [
        Behaviour::Fails(500),
        Behaviour::Hangs,
        Behaviour::Malformed,
    ] {
        let (endpoint, address) = Endpoint::start(behaviour).await;
        let shelf = Shelf::new();
        shelf.put(BOT, "Refunds take five days.", Some(&[1.0, 1.0]));
        shelf.put(BOT, "Money comes back soon.", Some(&[1.0, 1.0]));
        let limit = if matches!(behaviour, Behaviour::Hangs) {
            Duration::from_millis(100)
        } else {
            LONG
        };
        let (retriever, memory) = retriever(&shelf, Some(client(address, limit)));
        let found = retriever.retrieve(BOT, "refunds").await.unwrap();
        assert_eq!(contents(&found), ["Refunds take five days."]);
        assert!(found.lexical_only);
        assert!(memory.0.lock().unwrap().is_empty());
        if limit == LONG {
            endpoint.behave(Behaviour::Good);
            let found = retriever.retrieve(BOT, "refunds").await.unwrap();
            assert_eq!((found.passages.len(), found.lexical_only), (2, false));
        }
    }
}
