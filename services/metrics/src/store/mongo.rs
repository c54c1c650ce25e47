//! MongoDB as the store: collections `metricsdeltas`, `metricsrollups` and `metricsnotes`. Contents lie in one binary
//! field beside those that are searched for; a TTL index lets go of what was kept for its time.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bson::{Binary, DateTime, Document, doc, spec::BinarySubtype};
use futures::{TryStreamExt as _, future::try_join_all};
use mongodb::{Collection, IndexModel, error::Error, options::IndexOptions};
use tokio::sync::OnceCell;
use troika_chassis::{
    mongo::{Mongo, is_duplicate, words},
    outbound::CallError,
};

use super::{DELTAS_KEPT, Known, Store, StoreError, StoredDelta};
use crate::{
    delta::{Part, Resolution, Rollup},
    moment::time,
};

const DELTAS: &str = "metricsdeltas";
const ROLLUPS: &str = "metricsrollups";
const NOTES: &str = "metricsnotes";

/// All in a MongoDB database. Clones share the connection.
#[derive(Clone, Debug)]
pub struct MongoStore {
    mongo: Mongo,
    /// Set once the indexes are there.
    indexed: Arc<OnceCell<()>>,
}

impl MongoStore {
    /// A store over a connection; asks nothing of the server yet.
    pub fn new(mongo: Mongo) -> Self {
        Self {
            mongo,
            indexed: Arc::default(),
        }
    }

    fn collection(&self, name: &str) -> Collection<Document> {
        self.mongo.db.collection(name)
    }

    async fn run<T>(
        &self,
        call: impl Future<Output = mongodb::error::Result<T>>,
    ) -> Result<T, StoreError> {
        self.mongo.run(call).await.map_err(unavailable)
    }

    async fn find(
        &self,
        collection: &str,
        filter: Document,
        sort: Document,
    ) -> Result<Vec<Document>, StoreError> {
        let collection = self.collection(collection);
        self.run(async {
            collection
                .find(filter)
                .sort(sort)
                .await?
                .try_collect()
                .await
        })
        .await
    }

    async fn replace(&self, collection: &str, document: Document) -> Result<(), StoreError> {
        let same = doc! { "_id": document.get("_id") };
        let collection = self.collection(collection);
        self.run(async {
            let replacing = collection.replace_one(same, document).upsert(true);
            replacing.await.map(drop)
        })
        .await
    }

    /// Makes the indexes, once: before the first write.
    async fn index(&self) -> Result<(), StoreError> {
        self.indexed
            .get_or_try_init(|| async {
                let at_once = IndexOptions::builder().expire_after(Duration::ZERO).build();
                let ttl = IndexModel::builder()
                    .keys(doc! { "expires": 1 })
                    .options(at_once)
                    .build();
                let times = IndexModel::builder()
                    .keys(doc! { "resolution": 1, "part": 1, "at": 1 })
                    .build();
                let closed = IndexModel::builder().keys(doc! { "at": 1 }).build();
                let (rollups, deltas) = (self.collection(ROLLUPS), self.collection(DELTAS));
                self.run(async {
                    rollups.create_indexes([ttl.clone(), times]).await?;
                    deltas.create_indexes([ttl, closed]).await
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
    async fn write(&self, rollups: Vec<Rollup>, delta: StoredDelta) -> Result<(), StoreError> {
        self.index().await?;
        let kept = rollups.into_iter().map(|rollup| {
            let (resolution, part) = (rollup.resolution.name(), rollup.part.name());
            let (at, replica) = (rollup.at, &rollup.replica);
            let mut document = doc! {
                "_id": format!("{resolution}/{part}/{at}/{replica}"),
                "resolution": resolution,
                "part": part,
                "at": number(at),
                "replica": replica,
                "number": number(rollup.number),
                "data": binary(rollup.data),
            };
            if let Some(kept) = rollup.resolution.kept() {
                document.insert("expires", DateTime::from_system_time(time(at) + kept));
            }
            self.replace(ROLLUPS, document)
        });
        try_join_all(kept).await?;
        let expires = DateTime::from_system_time(time(delta.at) + DELTAS_KEPT);
        self.replace(
            DELTAS,
            doc! {
                "_id": format!("{}/{}", delta.replica, delta.number),
                "replica": delta.replica,
                "number": number(delta.number),
                "at": number(delta.at),
                "data": binary(delta.data),
                "expires": expires,
            },
        )
        .await
    }

    async fn deltas(&self, since: u64, known: &Known) -> Result<Vec<StoredDelta>, StoreError> {
        let mut filter = doc! { "at": { "$gte": number(since) } };
        let known: Vec<Document> = known
            .iter()
            .map(|(replica, newest)| doc! { "replica": replica, "number": { "$lte": number(*newest) } })
            .collect();
        // The server takes no empty list.
        if !known.is_empty() {
            filter.insert("$nor", known);
        }
        let found = self.find(DELTAS, filter, doc! { "at": 1 }).await?;
        let read = |mut document: Document| {
            Some(StoredDelta {
                replica: document.get_str("replica").ok()?.to_owned(),
                number: unsigned(&document, "number")?,
                at: unsigned(&document, "at")?,
                data: bytes(&mut document)?,
            })
        };
        Ok(found.into_iter().filter_map(read).collect())
    }

    async fn rollups(
        &self,
        resolution: Resolution,
        part: Part,
        from: u64,
        to: u64,
    ) -> Result<Vec<Rollup>, StoreError> {
        let filter = doc! {
            "resolution": resolution.name(),
            "part": part.name(),
            "at": { "$gte": number(from), "$lt": number(to) },
        };
        let found = self.find(ROLLUPS, filter, doc! { "at": 1 }).await?;
        let read = |mut document: Document| {
            Some(Rollup {
                resolution,
                part,
                at: unsigned(&document, "at")?,
                replica: document.get_str("replica").ok()?.to_owned(),
                number: unsigned(&document, "number")?,
                data: bytes(&mut document)?,
            })
        };
        Ok(found.into_iter().filter_map(read).collect())
    }

    async fn noted(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.find(NOTES, doc! { "_id": key }, doc! {}).await?;
        Ok(found
            .into_iter()
            .next()
            .and_then(|mut note| bytes(&mut note)))
    }

    async fn note(&self, key: &str, data: Vec<u8>) -> Result<(), StoreError> {
        self.replace(NOTES, doc! { "_id": key, "data": binary(data) })
            .await
    }

    async fn note_first(&self, key: &str, data: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let notes = self.collection(NOTES);
        let document = doc! { "_id": key, "data": binary(data.clone()) };
        match self
            .mongo
            .run(async { notes.insert_one(document).await })
            .await
        {
            Ok(_) => Ok(data),
            Err(CallError::Failed(error)) if is_duplicate(&error) => {
                Ok(self.noted(key).await?.unwrap_or(data))
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn lease(&self, name: &str, holder: &str, time: Duration) -> Result<bool, StoreError> {
        let leased = self.mongo.lease(name, holder, time).await;
        leased.map_err(unavailable)
    }

    async fn sweep(&self, _: u64) -> Result<(), StoreError> {
        // The server does it, by `expires`.
        Ok(())
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// Times and numbers stay far below the sign.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(document: &Document, field: &str) -> Option<u64> {
    document.get_i64(field).ok()?.try_into().ok()
}

fn binary(bytes: Vec<u8>) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes,
    }
}

fn bytes(document: &mut Document) -> Option<Vec<u8>> {
    match document.remove("data") {
        Some(bson::Bson::Binary(data)) => Some(data.bytes),
        _ => None,
    }
}

fn unavailable(error: CallError<Error>) -> StoreError {
    StoreError::of(words(&error))
}
