//! MongoDB as the store: collections `admins`, `signintries` and `leases`. Addresses are unique by an index, and tries go
//! away by one. What in `admins` is no account of ours is left alone.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bson::{DateTime, Document, doc};
use futures::TryStreamExt as _;
use mongodb::{Collection, IndexModel, error::Error, options::IndexOptions};
use tokio::sync::OnceCell;
use troika_chassis::{
    mongo::{Mongo, is_duplicate, words},
    outbound::CallError,
};
use uuid::Uuid;

use super::{Inserted, MOST_ACCOUNTS, Store, StoreError};
use crate::{
    account::{Account, Email, Role},
    tries::Tries,
};

const ADMINS: &str = "admins";
const TRIES: &str = "signintries";
/// The lease of the one who changes accounts.
const CHANGES: &str = "accounts";

/// Accounts, tries and the lease in a MongoDB database. Writes are acknowledged by a majority, from its journals. Clones share
/// the connection.
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

    async fn one(
        &self,
        collection: &str,
        filter: Document,
    ) -> Result<Option<Document>, StoreError> {
        let collection = self.collection(collection);
        self.run(async { collection.find_one(filter).await }).await
    }

    /// Updates the account with this revision; `false` when there is none.
    async fn edit(&self, id: Uuid, revision: u64, set: Document) -> Result<bool, StoreError> {
        let admins = self.collection(ADMINS);
        let filter = doc! { "_id": id.to_string(), "revision": number(revision) };
        let updated = self
            .run(async { admins.update_one(filter, doc! { "$set": set }).await })
            .await?;
        Ok(updated.matched_count > 0)
    }

    /// Makes the indexes, once: before the first write that needs one.
    async fn index(&self) -> Result<(), StoreError> {
        self.indexed
            .get_or_try_init(|| async {
                let unique = IndexOptions::builder()
                    .unique(true)
                    .partial_filter_expression(ours())
                    .build();
                let emails = IndexModel::builder()
                    .keys(doc! { "email": 1 })
                    .options(unique)
                    .build();
                let expiring = IndexOptions::builder().expire_after(Duration::ZERO).build();
                let expiring = IndexModel::builder()
                    .keys(doc! { "expires": 1 })
                    .options(expiring)
                    .build();
                let (admins, tries) = (self.collection(ADMINS), self.collection(TRIES));
                self.run(async {
                    admins.create_index(emails).await?;
                    tries.create_index(expiring).await
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
    async fn list(&self) -> Result<Vec<Account>, StoreError> {
        let admins = self.collection(ADMINS);
        let documents: Vec<Document> = self
            .run(async {
                admins
                    .find(ours())
                    .sort(doc! { "email": 1 })
                    .limit(i64::try_from(MOST_ACCOUNTS).unwrap_or(i64::MAX))
                    .await?
                    .try_collect()
                    .await
            })
            .await?;
        let found: Vec<Account> = documents.iter().filter_map(account).collect();
        if found.len() < documents.len() {
            tracing::warn!(
                others = documents.len() - found.len(),
                "the collection admins holds documents that are no accounts of troika; they are left alone"
            );
        }
        Ok(found)
    }

    async fn by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        let mut filter = ours();
        filter.insert("email", email.as_str());
        let found = self.one(ADMINS, filter).await?;
        Ok(found.as_ref().and_then(account))
    }

    async fn by_id(&self, id: Uuid) -> Result<Option<Account>, StoreError> {
        let found = self.one(ADMINS, doc! { "_id": id.to_string() }).await?;
        Ok(found.as_ref().and_then(account))
    }

    async fn insert(&self, account: &Account) -> Result<Inserted, StoreError> {
        self.index().await?;
        let document = doc! {
            "_id": account.id.to_string(),
            "email": account.email.as_str(),
            "password_hash": &account.password_hash,
            "role": account.role.as_str(),
            "enabled": account.enabled,
            "revision": number(account.revision),
            "created_at": DateTime::from_system_time(account.created_at),
            "last_sign_in": account.last_sign_in.map(DateTime::from_system_time),
        };
        let admins = self.collection(ADMINS);
        match self
            .mongo
            .run(async { admins.insert_one(document).await })
            .await
        {
            Ok(_) => Ok(Inserted::Done),
            Err(CallError::Failed(error)) if is_duplicate(&error) => Ok(Inserted::Taken),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn change(&self, account: &Account, before: u64) -> Result<bool, StoreError> {
        let set = doc! {
            "password_hash": &account.password_hash,
            "role": account.role.as_str(),
            "enabled": account.enabled,
            "revision": number(account.revision),
        };
        self.edit(account.id, before, set).await
    }

    async fn signed_in(
        &self,
        id: Uuid,
        revision: u64,
        at: SystemTime,
        rehashed: Option<&str>,
    ) -> Result<bool, StoreError> {
        let mut set = doc! { "last_sign_in": DateTime::from_system_time(at) };
        if let Some(hash) = rehashed {
            set.insert("password_hash", hash);
        }
        self.edit(id, revision, set).await
    }

    async fn delete(&self, id: Uuid, before: u64) -> Result<bool, StoreError> {
        let admins = self.collection(ADMINS);
        let filter = doc! { "_id": id.to_string(), "revision": number(before) };
        let deleted = self.run(async { admins.delete_one(filter).await }).await?;
        Ok(deleted.deleted_count > 0)
    }

    async fn tries(&self, key: &str) -> Result<Option<Tries>, StoreError> {
        let found = self.one(TRIES, doc! { "_id": key }).await?;
        Ok(found.as_ref().and_then(tries))
    }

    async fn swap_tries(
        &self,
        key: &str,
        known: Option<&Tries>,
        new: Option<&Tries>,
    ) -> Result<bool, StoreError> {
        self.index().await?;
        let collection = self.collection(TRIES);
        let same = known.map(|known| doc! { "_id": key, "tag": signed(known.tag) });
        match (same, new) {
            (Some(same), Some(new)) => {
                let set = doc! { "$set": document(new) };
                let updated = self
                    .run(async { collection.update_one(same, set).await })
                    .await?;
                Ok(updated.matched_count > 0)
            }
            (Some(same), None) => {
                let deleted = self
                    .run(async { collection.delete_one(same).await })
                    .await?;
                Ok(deleted.deleted_count > 0)
            }
            (None, Some(new)) => {
                let mut first = document(new);
                first.insert("_id", key);
                match self
                    .mongo
                    .run(async { collection.insert_one(first).await })
                    .await
                {
                    Ok(_) => Ok(true),
                    Err(CallError::Failed(error)) if is_duplicate(&error) => Ok(false),
                    Err(error) => Err(unavailable(error)),
                }
            }
            (None, None) => Ok(self.one(TRIES, doc! { "_id": key }).await?.is_none()),
        }
    }

    async fn lease(&self, holder: &str, time: Duration) -> Result<bool, StoreError> {
        let leased = self.mongo.lease(CHANGES, holder, time).await;
        leased.map_err(unavailable)
    }

    async fn release(&self, holder: &str) -> Result<(), StoreError> {
        let released = self.mongo.release(CHANGES, holder).await;
        released.map_err(unavailable)
    }
}

/// What tells accounts of ours from what others may have put into the collection.
fn ours() -> Document {
    doc! { "revision": { "$exists": true } }
}

/// An account; `None` for what is none of ours.
fn account(document: &Document) -> Option<Account> {
    let role = document.get_str("role").ok()?;
    let role = [Role::Admin, Role::SuperAdmin]
        .into_iter()
        .find(|known| known.as_str() == role)?;
    let time = |key| document.get_datetime(key).map(|time| time.to_system_time());
    Some(Account {
        id: Uuid::parse_str(document.get_str("_id").ok()?).ok()?,
        email: Email::parse(document.get_str("email").ok()?).ok()?,
        password_hash: document.get_str("password_hash").ok()?.to_owned(),
        role,
        enabled: document.get_bool("enabled").ok()?,
        revision: u64::try_from(document.get_i64("revision").ok()?).ok()?,
        created_at: time("created_at").ok()?,
        last_sign_in: time("last_sign_in").ok(),
    })
}

fn document(tries: &Tries) -> Document {
    doc! {
        "tag": signed(tries.tag),
        "wrong": i64::from(tries.wrong),
        "until": number(tries.until),
        "expires": DateTime::from_millis(number(tries.expires)),
    }
}

/// Where a document cannot be read it is as if nobody had tried; the next try that is counted finds it in its place, and waits.
fn tries(document: &Document) -> Option<Tries> {
    let whole = |key| u64::try_from(document.get_i64(key).ok()?).ok();
    Some(Tries {
        tag: document.get_i64("tag").ok()?.cast_unsigned(),
        wrong: u32::try_from(document.get_i64("wrong").ok()?).ok()?,
        until: whole("until")?,
        expires: u64::try_from(document.get_datetime("expires").ok()?.timestamp_millis()).ok()?,
    })
}

/// Numbers that rise stay far below the sign.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The same bits.
fn signed(tag: u64) -> i64 {
    tag.cast_signed()
}

fn unavailable(error: CallError<Error>) -> StoreError {
    StoreError::unavailable(words(&error))
}
