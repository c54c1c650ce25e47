//! Knowledge in the collections `embeddingchunks` and `knowledgerevisions`.
//!
//! A change is several writes, which a server without a replica set cannot join in a transaction. So the
//! revision is raised before the first and after the last of them, and its document is marked in
//! between: a change that died half way is completed by repeating it, and even a repetition that finds
//! nothing left to do then raises the revision.

mod chunk_documents;

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bson::{Document as Fields, RawDocumentBuf, doc};
use futures::{StreamExt, TryStreamExt, stream};
use mongodb::error::{Error, ErrorKind};
use troika_chassis::outbound::CallError;

use chunk_documents::{Listed, is_retired, of, of_document, read, with, write, write_embedding};

use super::{
    DUPLICATE_KEY, MongoStore,
    documents::{Fields as _, date, object_id},
    unavailable,
};
use crate::{
    bots::BotId,
    knowledge::{Chunk, Document, KnowledgeStore, Replaced},
    store::{
        StoreError,
        replacement::{Known, Plan},
    },
};

const CHUNKS: &str = "embeddingchunks";
const REVISIONS: &str = "knowledgerevisions";
/// Chunks in one insert: with embeddings about two megabytes.
const INSERT_BATCH: usize = 100;
/// Hashes in one deletion.
const DELETE_BATCH: usize = 100;
/// How long the deletion of much may take: the server needs its time for each chunk.
const DELETE_LIMIT: Duration = Duration::from_secs(60);
/// Updates on their way at one time.
const UPDATES_AT_ONCE: usize = 8;
/// How many documents of an unordered insert a unique index refused, when nothing else went wrong.
fn refused_as_duplicates(error: &CallError<Error>) -> Option<usize> {
    let CallError::Failed(error) = error else {
        return None;
    };
    let ErrorKind::InsertMany(many) = error.kind.as_ref() else {
        return None;
    };
    let refused = many.write_errors.as_deref()?;
    let only_duplicates = refused.iter().all(|refused| refused.code == DUPLICATE_KEY);
    (only_duplicates && many.write_concern_error.is_none()).then_some(refused.len())
}

fn count(number: impl TryInto<u32>) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}

impl MongoStore {
    async fn listed(&self, bot: BotId) -> Result<Vec<Listed>, StoreError> {
        let chunks = self.collection::<RawDocumentBuf>(CHUNKS);
        let call = chunks.find(of(bot)).projection(Listed::projection());
        let mut cursor = self.run(async { call.await }).await.map_err(unavailable)?;
        self.drain(&mut cursor, Listed::read).await
    }

    async fn revision_document(&self, bot: BotId) -> Result<Option<RawDocumentBuf>, StoreError> {
        let revisions = self.collection::<RawDocumentBuf>(REVISIONS);
        let call = revisions.find_one(doc! { "_id": object_id(bot) });
        self.run(async { call.await }).await.map_err(unavailable)
    }

    /// Raises the revision and marks whether a change is under way.
    async fn raise_revision(&self, bot: BotId, changing: bool) -> Result<(), StoreError> {
        let revisions = self.collection::<RawDocumentBuf>(REVISIONS);
        let change = doc! {
            "$inc": { "revision": 1_i64 },
            "$set": { "changing": changing, "updated_at": date(SystemTime::now()) },
        };
        let call = revisions
            .update_one(doc! { "_id": object_id(bot) }, change)
            .upsert(true);
        self.run(async { call.await })
            .await
            .map(drop)
            .map_err(unavailable)
    }

    /// Raises the revision when an earlier change stopped before it did.
    async fn complete_earlier_change(&self, bot: BotId) -> Result<(), StoreError> {
        let earlier = self.revision_document(bot).await?;
        let changing = earlier.is_some_and(|earlier| {
            earlier
                .value("changing")
                .and_then(|changing| changing.as_bool())
                .unwrap_or(false)
        });
        if changing {
            self.raise_revision(bot, false).await
        } else {
            Ok(())
        }
    }

    /// Inserts chunks; how many another import brought at the same time.
    async fn insert(&self, documents: &[Fields]) -> Result<u32, StoreError> {
        let chunks = self.collection::<Fields>(CHUNKS);
        let mut duplicates = 0;
        for batch in documents.chunks(INSERT_BATCH) {
            if let Err(error) = self
                .run(async { chunks.insert_many(batch).ordered(false).await })
                .await
            {
                let refused = refused_as_duplicates(&error).ok_or_else(|| unavailable(error))?;
                duplicates += count(refused);
            }
        }
        Ok(duplicates)
    }

    /// Sets fields of single chunks, each found by its hash.
    async fn set(&self, bot: BotId, changes: Vec<(String, Fields)>) -> Result<(), StoreError> {
        let chunks = self.collection::<RawDocumentBuf>(CHUNKS);
        stream::iter(changes)
            .map(|(hash, fields)| {
                let call = chunks.update_one(with(of(bot), "hash", hash), doc! { "$set": fields });
                async move {
                    self.run(async { call.await })
                        .await
                        .map(drop)
                        .map_err(unavailable)
                }
            })
            .buffer_unordered(UPDATES_AT_ONCE)
            .try_collect()
            .await
    }

    async fn delete_matching(&self, filter: Fields) -> Result<u64, StoreError> {
        let chunks = self.collection::<RawDocumentBuf>(CHUNKS);
        let done = self
            .mongo
            .run_within(DELETE_LIMIT, async { chunks.delete_many(filter).await })
            .await;
        Ok(done.map_err(unavailable)?.deleted_count)
    }

    async fn remove(
        &self,
        bot: BotId,
        file_name: &str,
        hashes: &[String],
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        for batch in hashes.chunks(DELETE_BATCH) {
            let filter = with(of_document(bot, file_name), "hash", doc! { "$in": batch });
            removed += self.delete_matching(filter).await?;
        }
        Ok(removed)
    }

    async fn carry_out(
        &self,
        plan: &Plan,
        bot: BotId,
        file_name: &str,
        chunks: &[Chunk],
    ) -> Result<Replaced, StoreError> {
        let new: Vec<Fields> = plan
            .add
            .iter()
            .map(|index| write(bot, file_name, &chunks[*index]))
            .collect();
        let brought_meanwhile = self.insert(&new).await?;
        let revived = plan.revive.iter().map(|index| {
            let chunk = &chunks[*index];
            let mut fields = write(bot, file_name, chunk);
            fields.remove("chatbot_id"); // found by it, in whatever form
            (chunk.hash.clone(), fields)
        });
        let embedded = plan.embed.iter().map(|index| {
            let chunk = &chunks[*index];
            let fields = chunk.embedding.iter().flat_map(write_embedding);
            (
                chunk.hash.clone(),
                fields
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
            )
        });
        let repositioned = plan.reposition.iter().map(|index| {
            let chunk = &chunks[*index];
            (
                chunk.hash.clone(),
                doc! { "position": i64::from(chunk.position) },
            )
        });
        self.set(bot, revived.chain(embedded).chain(repositioned).collect())
            .await?;
        let removed = self.remove(bot, file_name, &plan.remove).await?;
        Ok(Replaced {
            added: count(plan.add.len() + plan.revive.len()).saturating_sub(brought_meanwhile),
            duplicates: plan.duplicates + brought_meanwhile,
            removed: count(removed),
        })
    }
}

#[async_trait]
impl KnowledgeStore for MongoStore {
    async fn replace(
        &self,
        bot: BotId,
        file_name: &str,
        chunks: &[Chunk],
    ) -> Result<Replaced, StoreError> {
        let known: HashMap<String, Known> = self
            .listed(bot)
            .await?
            .into_iter()
            .filter_map(|listed| Some((listed.hash?, listed.known)))
            .collect();
        let plan = Plan::new(&known, file_name, chunks);
        if plan.is_empty() {
            self.complete_earlier_change(bot).await?;
            return Ok(Replaced {
                duplicates: plan.duplicates,
                ..Replaced::default()
            });
        }
        self.raise_revision(bot, true).await?;
        let replaced = self.carry_out(&plan, bot, file_name, chunks).await?;
        self.raise_revision(bot, false).await?;
        Ok(replaced)
    }

    async fn documents(&self, bot: BotId) -> Result<Vec<Document>, StoreError> {
        let mut documents = BTreeMap::new();
        for Listed {
            known, imported_at, ..
        } in self.listed(bot).await?
        {
            if known.retired {
                continue;
            }
            let document = documents
                .entry(known.file_name)
                .or_insert_with_key(|file_name| Document {
                    file_name: file_name.clone(),
                    chunks: 0,
                    embedded: 0,
                    imported_at,
                });
            document.chunks += 1;
            document.embedded += u32::from(known.embedded);
            document.imported_at = document.imported_at.max(imported_at);
        }
        let mut documents: Vec<Document> = documents.into_values().collect();
        documents.sort_by_key(|document| std::cmp::Reverse(document.imported_at));
        Ok(documents)
    }

    async fn chunks(&self, bot: BotId) -> Result<Vec<Chunk>, StoreError> {
        let collection = self.collection::<RawDocumentBuf>(CHUNKS);
        let call = collection.find(of(bot));
        let mut cursor = self.run(async { call.await }).await.map_err(unavailable)?;
        let found = self
            .drain(&mut cursor, |chunk| {
                (!is_retired(chunk)).then(|| read(chunk))
            })
            .await?;
        let mut chunks: Vec<Chunk> = found.into_iter().flatten().collect();
        // Sorted here: the server would refuse to sort this much without an index.
        chunks.sort_by(|one, other| {
            (&one.file_name, one.position, &one.hash).cmp(&(
                &other.file_name,
                other.position,
                &other.hash,
            ))
        });
        Ok(chunks)
    }

    async fn delete(&self, bot: BotId, file_name: Option<&str>) -> Result<u64, StoreError> {
        let filter = file_name.map_or_else(|| of(bot), |file_name| of_document(bot, file_name));
        let chunks = self.collection::<RawDocumentBuf>(CHUNKS);
        let call = chunks
            .find_one(filter.clone())
            .projection(doc! { "_id": 1 });
        if self
            .run(async { call.await })
            .await
            .map_err(unavailable)?
            .is_none()
        {
            self.complete_earlier_change(bot).await?;
            return Ok(0);
        }
        self.raise_revision(bot, true).await?;
        let deleted = self.delete_matching(filter).await?;
        self.raise_revision(bot, false).await?;
        Ok(deleted)
    }

    async fn revision(&self, bot: BotId) -> Result<u64, StoreError> {
        let found = self.revision_document(bot).await?;
        Ok(found.and_then(|found| found.whole("revision")).unwrap_or(0))
    }
}
