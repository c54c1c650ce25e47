//! MongoDB as the store: collections `featureflaglog`, `rolloutdecisions` and `leases`. Documents carry their contents as one
//! JSON text beside the fields that are searched for: what was stored is read back to the letter.

use std::time::Duration;

use async_trait::async_trait;
use bson::{DateTime, Document, doc};
use futures::TryStreamExt as _;
use mongodb::{Collection, IndexModel, error::Error, options::IndexOptions};
use tokio::sync::OnceCell;
use troika_chassis::{
    mongo::{Mongo, is_duplicate, words},
    outbound::CallError,
};
use troika_rollouts::decide::Decision;

use super::{Appended, DECISIONS_KEPT, Store, StoreError};
use crate::log::Entry;

const LOG: &str = "featureflaglog";
const DECISIONS: &str = "rolloutdecisions";
/// The lease of the one who decides on rollouts.
const CONTROLLER: &str = "rollouts";

/// The log, the decisions and the lease in a MongoDB database. Writes are acknowledged by a majority, from its
/// journals. Clones share the connection.
#[derive(Clone, Debug)]
pub struct MongoStore {
    mongo: Mongo,
    /// Set once the indexes are there.
    indexed: std::sync::Arc<OnceCell<()>>,
}

impl MongoStore {
    /// A store over a connection; asks nothing of the server yet.
    pub fn new(mongo: Mongo) -> Self {
        Self {
            mongo,
            indexed: std::sync::Arc::default(),
        }
    }

    fn collection(&self, name: &str) -> Collection<Document> {
        self.mongo.durable(name)
    }

    async fn run<T>(
        &self,
        call: impl Future<Output = mongodb::error::Result<T>>,
    ) -> Result<T, StoreError> {
        self.mongo.run(call).await.map_err(unavailable)
    }

    async fn read(
        &self,
        collection: &str,
        filter: Document,
        sort: Document,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        let collection = self.collection(collection);
        self.run(async {
            collection
                .find(filter)
                .sort(sort)
                .limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .await?
                .try_collect()
                .await
        })
        .await
    }

    /// Makes the indexes, once: before the first write that needs one.
    async fn index(&self) -> Result<(), StoreError> {
        self.indexed
            .get_or_try_init(|| async {
                let history = IndexModel::builder()
                    .keys(doc! { "key": 1, "_id": -1 })
                    .build();
                let unique = IndexOptions::builder().unique(true).build();
                let decisions = IndexModel::builder()
                    .keys(doc! { "rollout": 1, "number": -1 })
                    .options(unique)
                    .build();
                let (log, decided) = (self.collection(LOG), self.collection(DECISIONS));
                self.run(async {
                    log.create_index(history).await?;
                    decided.create_index(decisions).await
                })
                .await
                .map(drop)
            })
            .await
            .copied()
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn after(&self, revision: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let filter = doc! { "_id": { "$gt": number(revision) } };
        let found = self.read(LOG, filter, doc! { "_id": 1 }, limit).await?;
        found.iter().map(contents).collect()
    }

    async fn before(
        &self,
        revision: u64,
        key: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut filter = doc! { "_id": { "$lt": number(revision) } };
        match key {
            Some(key) => filter.insert("key", key),
            None => filter.insert("key", doc! { "$exists": true }),
        };
        let found = self.read(LOG, filter, doc! { "_id": -1 }, limit).await?;
        found.iter().map(contents).collect()
    }

    async fn append(&self, entry: &Entry) -> Result<Appended, StoreError> {
        self.index().await?;
        let mut document = doc! {
            "_id": number(entry.revision),
            "at": DateTime::from_system_time(entry.at),
            "author": &entry.author.name,
            "contents": written(entry)?,
        };
        if let Some(change) = &entry.flag {
            document.insert("key", &change.key);
        }
        if let Some(rollout) = &entry.rollout {
            document.insert("rollout", &rollout.id);
        }
        let log = self.collection(LOG);
        match self
            .mongo
            .run(async { log.insert_one(document).await })
            .await
        {
            Ok(_) => Ok(Appended::Done),
            Err(CallError::Failed(error)) if is_duplicate(&error) => Ok(Appended::Taken),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn decide(&self, rollout: &str, decision: &Decision) -> Result<(), StoreError> {
        self.index().await?;
        let newest = doc! { "rollout": rollout };
        let last = self
            .read(DECISIONS, newest, doc! { "number": -1 }, 1)
            .await?;
        let next = last
            .first()
            .and_then(|document| document.get_i64("number").ok())
            .map_or(0, |last| last + 1);
        let document = doc! {
            "rollout": rollout,
            "number": next,
            "at": DateTime::now(),
            "contents": written(decision)?,
        };
        let decisions = self.collection(DECISIONS);
        let kept = i64::try_from(DECISIONS_KEPT).unwrap_or(i64::MAX);
        let old = doc! { "rollout": rollout, "number": { "$lte": next - kept } };
        self.run(async {
            decisions.insert_one(document).await?;
            if next >= kept {
                decisions.delete_many(old).await?;
            }
            Ok(())
        })
        .await
    }

    async fn decisions(&self, rollout: &str, limit: usize) -> Result<Vec<Decision>, StoreError> {
        let filter = doc! { "rollout": rollout };
        let found = self
            .read(DECISIONS, filter, doc! { "number": -1 }, limit)
            .await?;
        found.iter().map(contents).collect()
    }

    async fn lease(&self, holder: &str, time: Duration) -> Result<bool, StoreError> {
        let leased = self.mongo.lease(CONTROLLER, holder, time).await;
        leased.map_err(unavailable)
    }

    async fn release(&self, holder: &str) -> Result<(), StoreError> {
        let released = self.mongo.release(CONTROLLER, holder).await;
        released.map_err(unavailable)
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// Revisions stay far below the sign.
fn number(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

fn written(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn contents<T: serde::de::DeserializeOwned>(document: &Document) -> Result<T, StoreError> {
    let corrupt = |what: String| StoreError::Corrupt(what);
    let text = document
        .get_str("contents")
        .map_err(|error| corrupt(error.to_string()))?;
    serde_json::from_str(text).map_err(|error| corrupt(error.to_string()))
}

fn unavailable(error: CallError<Error>) -> StoreError {
    StoreError::unavailable(words(&error))
}
