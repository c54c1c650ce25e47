//! MongoDB as the store: the collection `auditlog`, in which each log has its own numbers. A number is the document's
//! identity, so two replicas cannot both have it.

use std::sync::Arc;

use async_trait::async_trait;
use bson::{Bson, DateTime, Document, doc};
use futures::TryStreamExt as _;
use mongodb::{Collection, IndexModel, error::Error};
use tokio::sync::OnceCell;
use troika_chassis::{
    mongo::{Mongo, is_duplicate, words},
    outbound::CallError,
};

use super::{Appended, Store, StoreError, Stored, Wanted};
use crate::{
    chain::Hash,
    entry::{Entry, Recorded},
};

const LOG: &str = "auditlog";

/// A log in a MongoDB database. Writes are acknowledged by a majority, from its journals. Clones share the connection.
#[derive(Clone, Debug)]
pub struct MongoStore {
    mongo: Mongo,
    log: Arc<str>,
    /// Set once the indexes are there.
    indexed: Arc<OnceCell<()>>,
}

impl MongoStore {
    /// The log of a name; asks nothing of the server yet.
    pub fn new(mongo: Mongo, log: &str) -> Self {
        Self {
            mongo,
            log: log.into(),
            indexed: Arc::default(),
        }
    }

    fn collection(&self) -> Collection<Document> {
        self.mongo.durable(LOG)
    }

    /// Makes the indexes, once: before the first write.
    async fn index(&self) -> Result<(), StoreError> {
        self.indexed
            .get_or_try_init(|| async {
                let keys = [
                    doc! { "log": 1, "number": -1 },
                    doc! { "log": 1, "target": 1, "number": -1 },
                ];
                let indexes = keys.map(|keys| IndexModel::builder().keys(keys).build());
                let collection = self.collection();
                self.mongo
                    .run(async { collection.create_indexes(indexes).await })
                    .await
                    .map(drop)
                    .map_err(unavailable)
            })
            .await
            .copied()
    }

    async fn find(
        &self,
        filter: Document,
        order: i32,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let collection = self.collection();
        let found: Vec<Document> = self
            .mongo
            .run(async {
                collection
                    .find(filter)
                    .sort(doc! { "number": order })
                    .limit(i64::try_from(limit).unwrap_or(i64::MAX))
                    .await?
                    .try_collect()
                    .await
            })
            .await
            .map_err(unavailable)?;
        Ok(found.iter().map(|document| self.read(document)).collect())
    }

    /// What a document says; whatever else it is, it is none of ours.
    fn read(&self, document: &Document) -> Stored {
        let number = match document.get("number") {
            Some(Bson::Int64(number)) => u64::try_from(*number).unwrap_or_default(),
            _ => 0,
        };
        let is_own = document
            .get_str("_id")
            .is_ok_and(|id| id == self.id(number));
        Stored {
            number,
            entry: entry(number, document).filter(|_| is_own),
        }
    }

    fn id(&self, number: u64) -> String {
        format!("{}/{number}", self.log)
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn append(&self, entry: &Entry) -> Result<Appended, StoreError> {
        self.index().await?;
        let said = entry.recorded.clone();
        let document = doc! {
            "_id": self.id(entry.number),
            "log": &*self.log,
            "number": number(entry.number),
            "id": said.id,
            "at": DateTime::from_millis(number(said.at)),
            "subject": said.subject,
            "name": said.name,
            "role": said.role,
            "action": said.action,
            "target": said.target,
            "before": said.before,
            "after": said.after,
            "requestId": said.request_id,
            "hash": entry.hash.to_string(),
        };
        let collection = self.collection();
        match self
            .mongo
            .run(async { collection.insert_one(document).await })
            .await
        {
            Ok(_) => Ok(Appended::Done),
            Err(CallError::Failed(error)) if is_duplicate(&error) => Ok(Appended::Taken),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn after(&self, after: u64, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let filter = doc! { "log": &*self.log, "number": { "$gt": number(after) } };
        self.find(filter, 1, limit).await
    }

    async fn newest(&self, wanted: &Wanted, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let mut filter = doc! { "log": &*self.log };
        if let Some(before) = wanted.before {
            filter.insert("number", doc! { "$lt": number(before) });
        }
        if let Some(target) = &wanted.target {
            filter.insert("target", target);
        }
        if let Some(action) = &wanted.action {
            filter.insert("action", action);
        }
        self.find(filter, -1, limit).await
    }
}

fn entry(number: u64, document: &Document) -> Option<Entry> {
    let text = |name: &str| document.get_str(name).ok().map(ToOwned::to_owned);
    Some(Entry {
        number,
        hash: Hash::read(document.get_str("hash").ok()?)?,
        recorded: Recorded {
            id: text("id")?,
            at: u64::try_from(document.get_datetime("at").ok()?.timestamp_millis()).ok()?,
            subject: text("subject")?,
            name: text("name")?,
            role: text("role")?,
            action: text("action")?,
            target: text("target")?,
            before: text("before")?,
            after: text("after")?,
            request_id: text("requestId")?,
        },
    })
}

/// Numbers and times stay far below the sign.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unavailable(error: CallError<Error>) -> StoreError {
    StoreError::of(words(&error))
}
