//! Knowledge in the embedded database. A chunk lies in three tables under (bot, hash): what listing and
//! importing need, its text, and its vector; so a listing does not read megabytes of vectors.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::{Embedded, Fault, make_table, record};
use crate::{
    bots::BotId,
    knowledge::{Chunk, Document, Embedding, KnowledgeStore, Replaced},
    store::{
        StoreError,
        replacement::{Known, Plan},
    },
};

type ChunkKey = (&'static [u8; 12], &'static str);

const CHUNKS: TableDefinition<'static, ChunkKey, &[u8]> = TableDefinition::new("chunks");
const CONTENTS: TableDefinition<'static, ChunkKey, &str> = TableDefinition::new("chunk_contents");
/// 32-bit floats, little-endian.
const VECTORS: TableDefinition<'static, ChunkKey, &[u8]> = TableDefinition::new("chunk_vectors");
const REVISIONS: TableDefinition<'static, &[u8; 12], u64> =
    TableDefinition::new("knowledge_revisions");

pub(super) fn make_tables(transaction: &WriteTransaction) -> Result<(), Box<redb::Error>> {
    make_table(transaction, CHUNKS)?;
    make_table(transaction, CONTENTS)?;
    make_table(transaction, VECTORS)?;
    make_table(transaction, REVISIONS)
}

/// A chunk as version 1 keeps it, without text and vector.
#[derive(Serialize, Deserialize)]
struct ChunkRecord {
    file_name: String,
    position: u32,
    language: String,
    /// The model of the embedding, where there is one.
    embedded_by: Option<String>,
    imported_at: i64,
}

impl ChunkRecord {
    fn decode(bot: BotId, hash: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        record::decode(bytes, || format!("chunk {hash} of bot {bot}"))
    }
}

/// The records of all of a bot's chunks, by hash.
fn records(
    table: &impl ReadableTable<ChunkKey, &'static [u8]>,
    bot: BotId,
) -> Result<Vec<(String, ChunkRecord)>, Fault> {
    let mut found = Vec::new();
    for entry in table.range((&bot.0, "")..)? {
        let (key, bytes) = entry?;
        let (owner, hash) = key.value();
        if *owner != bot.0 {
            break;
        }
        found.push((
            hash.to_owned(),
            ChunkRecord::decode(bot, hash, bytes.value())?,
        ));
    }
    Ok(found)
}

fn vector_bytes(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn vector(bytes: &[u8]) -> Arc<[f32]> {
    let (values, _) = bytes.as_chunks::<4>();
    values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect()
}

/// The three tables of chunks in a writing transaction.
struct ChunkTables<'t> {
    records: Table<'t, ChunkKey, &'static [u8]>,
    contents: Table<'t, ChunkKey, &'static str>,
    vectors: Table<'t, ChunkKey, &'static [u8]>,
}

impl<'t> ChunkTables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, Fault> {
        Ok(Self {
            records: transaction.open_table(CHUNKS)?,
            contents: transaction.open_table(CONTENTS)?,
            vectors: transaction.open_table(VECTORS)?,
        })
    }

    fn put_record(&mut self, bot: BotId, hash: &str, chunk: &ChunkRecord) -> Result<(), Fault> {
        self.records
            .insert((&bot.0, hash), record::encode(chunk)?.as_slice())?;
        Ok(())
    }

    fn put_vector(
        &mut self,
        bot: BotId,
        hash: &str,
        embedding: Option<&Embedding>,
    ) -> Result<(), Fault> {
        if let Some(embedding) = embedding {
            self.vectors
                .insert((&bot.0, hash), vector_bytes(&embedding.vector).as_slice())?;
        }
        Ok(())
    }

    fn add(&mut self, bot: BotId, file_name: &str, chunk: &Chunk) -> Result<(), Fault> {
        let kept = ChunkRecord {
            file_name: file_name.to_owned(),
            position: chunk.position,
            language: chunk.language.clone(),
            embedded_by: chunk
                .embedding
                .as_ref()
                .map(|embedding| embedding.model.clone()),
            imported_at: record::millis(chunk.imported_at),
        };
        self.put_record(bot, &chunk.hash, &kept)?;
        self.contents
            .insert((&bot.0, chunk.hash.as_str()), chunk.content.as_str())?;
        self.put_vector(bot, &chunk.hash, chunk.embedding.as_ref())
    }

    fn remove(&mut self, bot: BotId, hash: &str) -> Result<(), Fault> {
        self.records.remove((&bot.0, hash))?;
        self.contents.remove((&bot.0, hash))?;
        self.vectors.remove((&bot.0, hash))?;
        Ok(())
    }
}

fn raise_revision(transaction: &WriteTransaction, bot: BotId) -> Result<(), Fault> {
    let mut revisions = transaction.open_table(REVISIONS)?;
    let revision = revisions
        .get(&bot.0)?
        .map_or(0, |revision| revision.value());
    revisions.insert(&bot.0, revision + 1)?;
    Ok(())
}

fn replace(
    transaction: &WriteTransaction,
    bot: BotId,
    file_name: &str,
    chunks: &[Chunk],
) -> Result<Replaced, Fault> {
    let mut tables = ChunkTables::open(transaction)?;
    let mut held: HashMap<String, ChunkRecord> =
        records(&tables.records, bot)?.into_iter().collect();
    let known = held
        .iter()
        .map(|(hash, chunk)| {
            let known = Known {
                file_name: chunk.file_name.clone(),
                position: chunk.position,
                embedded: chunk.embedded_by.is_some(),
                retired: false, // deleting here removes
            };
            (hash.clone(), known)
        })
        .collect();
    let plan = Plan::new(&known, file_name, chunks);
    if plan.is_empty() {
        return Ok(Replaced {
            duplicates: plan.duplicates,
            ..Replaced::default()
        });
    }

    for index in plan.add.iter().chain(&plan.revive) {
        tables.add(bot, file_name, &chunks[*index])?;
    }
    for index in &plan.embed {
        let chunk = &chunks[*index];
        if let Some(record) = held.get_mut(&chunk.hash) {
            record.embedded_by = chunk
                .embedding
                .as_ref()
                .map(|embedding| embedding.model.clone());
            tables.put_record(bot, &chunk.hash, record)?;
            tables.put_vector(bot, &chunk.hash, chunk.embedding.as_ref())?;
        }
    }
    for index in &plan.reposition {
        let chunk = &chunks[*index];
        if let Some(record) = held.get_mut(&chunk.hash) {
            record.position = chunk.position;
            tables.put_record(bot, &chunk.hash, record)?;
        }
    }
    for hash in &plan.remove {
        tables.remove(bot, hash)?;
    }
    raise_revision(transaction, bot)?;
    Ok(Replaced {
        added: count(plan.add.len() + plan.revive.len()),
        duplicates: plan.duplicates,
        removed: count(plan.remove.len()),
    })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[async_trait]
impl KnowledgeStore for Embedded {
    async fn replace(
        &self,
        bot: BotId,
        file_name: &str,
        chunks: &[Chunk],
    ) -> Result<Replaced, StoreError> {
        let (file_name, chunks) = (file_name.to_owned(), chunks.to_vec());
        self.write(move |transaction| replace(transaction, bot, &file_name, &chunks))
            .await
    }

    async fn documents(&self, bot: BotId) -> Result<Vec<Document>, StoreError> {
        self.read(move |transaction| {
            let mut documents = BTreeMap::new();
            for (_, chunk) in records(&transaction.open_table(CHUNKS)?, bot)? {
                let imported_at = record::time(chunk.imported_at);
                let document = documents
                    .entry(chunk.file_name)
                    .or_insert_with_key(|file_name| Document {
                        file_name: file_name.clone(),
                        chunks: 0,
                        embedded: 0,
                        imported_at,
                    });
                document.chunks += 1;
                document.embedded += u32::from(chunk.embedded_by.is_some());
                document.imported_at = document.imported_at.max(imported_at);
            }
            let mut documents: Vec<Document> = documents.into_values().collect();
            documents.sort_by_key(|document| std::cmp::Reverse(document.imported_at));
            Ok(documents)
        })
        .await
    }

    async fn chunks(&self, bot: BotId) -> Result<Vec<Chunk>, StoreError> {
        self.read(move |transaction| {
            let contents = transaction.open_table(CONTENTS)?;
            let vectors = transaction.open_table(VECTORS)?;
            let mut chunks = Vec::new();
            for (hash, record) in records(&transaction.open_table(CHUNKS)?, bot)? {
                let missing = |part: &str| StoreError::Corrupt {
                    what: format!("the {part} of chunk {hash} of bot {bot}"),
                };
                let key = (&bot.0, hash.as_str());
                let content = contents
                    .get(key)?
                    .ok_or_else(|| missing("text"))?
                    .value()
                    .to_owned();
                let embedding = match record.embedded_by {
                    None => None,
                    Some(model) => {
                        let bytes = vectors.get(key)?.ok_or_else(|| missing("vector"))?;
                        Some(Embedding {
                            model,
                            vector: vector(bytes.value()),
                        })
                    }
                };
                chunks.push(Chunk {
                    content,
                    file_name: record.file_name,
                    position: record.position,
                    language: record.language,
                    embedding,
                    imported_at: record::time(record.imported_at),
                    hash,
                });
            }
            chunks.sort_by(|one, other| {
                (&one.file_name, one.position, &one.hash).cmp(&(
                    &other.file_name,
                    other.position,
                    &other.hash,
                ))
            });
            Ok(chunks)
        })
        .await
    }

    async fn delete(&self, bot: BotId, file_name: Option<&str>) -> Result<u64, StoreError> {
        let file_name = file_name.map(str::to_owned);
        self.write(move |transaction| {
            let mut tables = ChunkTables::open(transaction)?;
            let mut deleted = 0;
            for (hash, chunk) in records(&tables.records, bot)? {
                if file_name
                    .as_ref()
                    .is_none_or(|file_name| *file_name == chunk.file_name)
                {
                    tables.remove(bot, &hash)?;
                    deleted += 1;
                }
            }
            if deleted > 0 {
                raise_revision(transaction, bot)?;
            }
            Ok(deleted)
        })
        .await
    }

    async fn revision(&self, bot: BotId) -> Result<u64, StoreError> {
        self.read(move |transaction| {
            let revisions = transaction.open_table(REVISIONS)?;
            Ok(revisions
                .get(&bot.0)?
                .map_or(0, |revision| revision.value()))
        })
        .await
    }
}
