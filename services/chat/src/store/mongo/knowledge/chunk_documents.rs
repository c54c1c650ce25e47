//! What a chunk looks like as a document of `embeddingchunks`, and how it is found. Asks no server.

use std::time::SystemTime;

use bson::{Bson, Document, RawDocument, doc};
use sha2::{Digest, Sha256};

use super::super::documents::{Fields, date, object_id};
use crate::{
    bots::BotId,
    knowledge::{Chunk, Embedding},
    store::replacement::Known,
};

/// The model that made the embeddings of existing databases, for those that do not name it.
const FORMER_EMBEDDING_MODEL: &str = "text-embedding-3-small";

/// All chunks of a bot. An existing database may hold the bot's id as text.
pub(super) fn of(bot: BotId) -> Document {
    doc! { "chatbot_id": { "$in": [object_id(bot), bot.to_string()] } }
}

/// All chunks of one document of a bot; those of existing databases belong to none.
pub(super) fn of_document(bot: BotId, file_name: &str) -> Document {
    let mut filter = of(bot);
    if file_name.is_empty() {
        filter.insert("file_name", doc! { "$in": ["", Bson::Null] }); // null finds the missing too
    } else {
        filter.insert("file_name", file_name);
    }
    filter
}

pub(super) fn with(mut filter: Document, name: &str, value: impl Into<Bson>) -> Document {
    filter.insert(name, value);
    filter
}

/// Whether somebody took the chunk out of use. Other words for its state do not matter.
pub(super) fn is_retired(chunk: &RawDocument) -> bool {
    chunk.status().is_some_and(|status| {
        matches!(
            status.as_str(),
            "deleted" | "removed" | "inactive" | "disabled" | "archived"
        )
    })
}

fn imported_at(chunk: &RawDocument) -> SystemTime {
    ["imported_at", "created_at", "createdAt"]
        .into_iter()
        .find_map(|name| chunk.time(name))
        .or_else(|| chunk.made_at())
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(super) fn read(chunk: &RawDocument) -> Chunk {
    let content = chunk.text("content").unwrap_or_default();
    let embedding = chunk.vector("embedding").map(|vector| Embedding {
        model: chunk
            .filled_text("model")
            .unwrap_or_else(|| FORMER_EMBEDDING_MODEL.to_owned()),
        vector: vector.into(),
    });
    Chunk {
        hash: chunk
            .filled_text("hash")
            .unwrap_or_else(|| hex::encode(Sha256::digest(&content))),
        content,
        file_name: chunk.text("file_name").unwrap_or_default(),
        position: chunk.small("position").unwrap_or_default(),
        language: chunk.text("language").unwrap_or_default(),
        embedding,
        imported_at: imported_at(chunk),
    }
}

pub(super) fn write_embedding(embedding: &Embedding) -> [(&'static str, Bson); 2] {
    let vector = embedding
        .vector
        .iter()
        .map(|value| Bson::Double(f64::from(*value)))
        .collect();
    [
        ("model", embedding.model.as_str().into()),
        ("embedding", Bson::Array(vector)),
    ]
}

pub(super) fn write(bot: BotId, file_name: &str, chunk: &Chunk) -> Document {
    let mut document = doc! {
        "chatbot_id": object_id(bot),
        "hash": &chunk.hash,
        "content": &chunk.content,
        "file_name": file_name,
        "position": i64::from(chunk.position),
        "language": &chunk.language,
        "status": "active",
        "imported_at": date(chunk.imported_at),
    };
    for (name, value) in chunk.embedding.iter().flat_map(write_embedding) {
        document.insert(name, value);
    }
    document
}

/// What a listing and a replacement need of a chunk.
pub(super) struct Listed {
    pub(super) hash: Option<String>,
    pub(super) known: Known,
    pub(super) imported_at: SystemTime,
}

impl Listed {
    /// The fields it is read from: of the vector, the first number tells whether there is one.
    pub(super) fn projection() -> Document {
        doc! {
            "hash": 1, "file_name": 1, "position": 1, "status": 1, "imported_at": 1, "created_at": 1, "createdAt": 1,
            "embedding": { "$slice": 1 },
        }
    }

    pub(super) fn read(chunk: &RawDocument) -> Self {
        Self {
            hash: chunk.filled_text("hash"),
            known: Known {
                file_name: chunk.text("file_name").unwrap_or_default(),
                position: chunk.small("position").unwrap_or_default(),
                embedded: chunk.vector("embedding").is_some(),
                retired: is_retired(chunk),
            },
            imported_at: imported_at(chunk),
        }
    }
}
