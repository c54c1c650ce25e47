//! Takes a document in: receives it, reads its text, cuts it, embeds what is new and stores it. Knows
//! stores and embeddings by their traits and errors; knows nothing of the wire.
//!
//! Nothing is stored before everything is ready: an import that fails or is abandoned leaves the bot's
//! knowledge as it was.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_stream::try_stream;
use bytes::{Bytes, BytesMut};
use bytesize::ByteSize;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};
use tracing::{info, warn};

use super::{
    Chunk, Config, Embedding, KnowledgeStore, chunks,
    documents::{DocumentError, Format, Reader},
};
use crate::{
    bots::BotId,
    embedder::{BATCH, Embedder},
    store::StoreError,
};

/// Progress of receiving is told again after so many bytes.
const RECEIVING_STEP: u64 = 256 << 10;

/// What is to be imported, and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Whose knowledge.
    pub bot: BotId,
    /// Names the document; one of the same name is replaced.
    pub file_name: String,
    /// What it is written in.
    pub format: Format,
    /// BCP 47.
    pub language: String,
}

/// How far an import is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many bytes have come.
    Receiving {
        /// Bytes.
        bytes: u64,
    },
    /// All has come; its text is being read.
    Extracting,
    /// New chunks are being embedded.
    Embedding {
        /// Chunks embedded.
        completed: u64,
        /// Chunks to embed.
        total: u64,
    },
    /// The chunks are being stored.
    Storing {
        /// Chunks of the document.
        total: u64,
    },
    /// The end.
    Done(Summary),
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Chunks of the document.
    pub chunks: u32,
    /// Those of them that the bot knew already, in this or another document.
    pub duplicates: u32,
    /// Those of them that carry an embedding.
    pub embedded: u32,
    /// What went less than well, for a person.
    pub warnings: Vec<String>,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The document gave no text.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The store failed.
    #[error("the bot's knowledge cannot be stored")]
    Store(#[from] StoreError),
    /// The sender broke off, or sent what does not belong there.
    #[error("the upload broke off")]
    Upload(#[source] Box<dyn Error + Send + Sync>),
    /// The sender fell silent.
    #[error("nothing was received for {0:?}; send the document again")]
    Stalled(Duration),
    /// As many imports as allowed are running.
    #[error("{0} imports are running, which is the limit; try again when one has ended")]
    TooMany(usize),
    /// The text could not be cut: a fault of this program.
    #[error("the document's text could not be cut into chunks")]
    Cut,
}

/// Imports documents. Clones share the limits.
#[derive(Clone)]
pub struct Importer {
    store: Arc<dyn KnowledgeStore>,
    embedder: Option<Arc<Embedder>>,
    reader: Reader,
    running: Arc<Semaphore>,
    config: Config,
}

impl Importer {
    /// An importer into a store. Without an embedder chunks are stored without embeddings.
    pub fn new(
        store: Arc<dyn KnowledgeStore>,
        embedder: Option<Arc<Embedder>>,
        config: Config,
    ) -> Self {
        let reader = Reader::new(config.extraction_limit, config.max_document);
        let reader = match &config.reader {
            Some(program) => reader.apart(program, config.extraction_memory),
            None => reader,
        };
        let running = Arc::new(Semaphore::new(config.concurrent_imports));
        Self {
            store,
            embedder,
            reader,
            running,
            config,
        }
    }

    /// Imports a document that comes in pieces, telling how far it is; the last progress is
    /// [`Progress::Done`]. Fails at once when too many imports are running. Dropping the stream
    /// abandons the import.
    pub fn import<S>(
        &self,
        upload: Upload,
        pieces: S,
    ) -> Result<impl Stream<Item = Result<Progress, ImportError>> + Send + use<S>, ImportError>
    where
        S: Stream<Item = Result<Bytes, Box<dyn Error + Send + Sync>>> + Send,
    {
        let permit = Arc::clone(&self.running)
            .try_acquire_owned()
            .map_err(|_| ImportError::TooMany(self.config.concurrent_imports))?;
        let importer = self.clone();
        Ok(try_stream! {
            let _permit = permit;
            let mut pieces = pin!(pieces);
            let mut document = BytesMut::new();
            let mut told = None;
            loop {
                let bytes = document.len() as u64;
                if told.is_none_or(|told| bytes >= told + RECEIVING_STEP) {
                    told = Some(bytes);
                    yield Progress::Receiving { bytes };
                }
                match importer.next_piece(&mut pieces, document.len()).await? {
                    Some(piece) => document.extend_from_slice(&piece),
                    None => break,
                }
            }
            yield Progress::Extracting;
            let text = importer.reader.read(upload.format, document.freeze()).await?;
            let mut chunks = importer.cut(&upload, text).await?;
            let mut warnings = Vec::new();
            let wanting = importer.wanting(upload.bot, &chunks, &mut warnings).await?;
            if let Some(embedder) = &importer.embedder {
                let total = wanting.indexes.len() as u64;
                let mut completed = 0;
                for batch in wanting.indexes.chunks(BATCH) {
                    yield Progress::Embedding { completed, total };
                    if let Err(error) = embed(embedder, &mut chunks, batch).await {
                        warn!(bot = %upload.bot, %error, missing = total - completed, "importing without embeddings");
                        warnings.push(format!(
                            "{} of {total} new chunks were stored without embeddings, because {error}. They are found by \
                             their words; import the document again to add the embeddings.",
                            total - completed,
                        ));
                        break;
                    }
                    completed += batch.len() as u64;
                }
            }
            yield Progress::Storing { total: chunks.len() as u64 };
            let replaced = importer.store.replace(upload.bot, &upload.file_name, &chunks).await?;
            let summary = Summary {
                chunks: chunks.len() as u32,
                duplicates: replaced.duplicates,
                embedded: embedded(&chunks, wanting.embedded_before),
                warnings,
            };
            info!(
                bot = %upload.bot, chunks = summary.chunks, added = replaced.added, duplicates = replaced.duplicates,
                removed = replaced.removed, embedded = summary.embedded, "imported a document",
            );
            yield Progress::Done(summary);
        })
    }

    /// The longest silence of a sender that is waited through.
    pub fn upload_silence(&self) -> Duration {
        self.config.upload_silence
    }

    /// Imports a text at hand; its format is that of the file name's ending, else plain text.
    pub async fn import_text(
        &self,
        bot: BotId,
        file_name: &str,
        text: &str,
        language: &str,
    ) -> Result<Summary, ImportError> {
        let upload = Upload {
            bot,
            file_name: file_name.to_owned(),
            format: Format::of_file(file_name).unwrap_or(Format::Text),
            language: language.to_owned(),
        };
        let text = Bytes::copy_from_slice(text.as_bytes());
        let last = self
            .import(upload, stream::iter([Ok(text)]))?
            .try_fold(None, async |_, step| Ok(Some(step)))
            .await?;
        match last {
            Some(Progress::Done(summary)) => Ok(summary),
            _ => Ok(Summary::default()),
        }
    }

    /// The next piece, unless the document becomes too large with it or its sender falls silent.
    async fn next_piece<S>(
        &self,
        pieces: &mut S,
        received: usize,
    ) -> Result<Option<Bytes>, ImportError>
    where
        S: Stream<Item = Result<Bytes, Box<dyn Error + Send + Sync>>> + Unpin,
    {
        let silence = self.config.upload_silence;
        let next = timeout(silence, pieces.next())
            .await
            .map_err(|_| ImportError::Stalled(silence))?;
        let Some(piece) = next.transpose().map_err(ImportError::Upload)? else {
            return Ok(None);
        };
        let limit: ByteSize = self.config.max_document;
        if (received + piece.len()) as u64 > limit.as_u64() {
            return Err(DocumentError::TooLarge(limit).into());
        }
        Ok(Some(piece))
    }

    /// Cuts a text into chunks, off the async threads: a large one takes a while.
    async fn cut(&self, upload: &Upload, text: String) -> Result<Vec<Chunk>, ImportError> {
        let (words, overlap) = (self.config.chunk_words, self.config.overlap_words);
        let Upload {
            file_name,
            language,
            ..
        } = upload.clone();
        let imported_at = SystemTime::now();
        let cut = move || {
            let pieces = chunks::split(&text, words, overlap).into_iter();
            pieces
                .zip(0..)
                .map(|(content, position)| Chunk {
                    hash: chunks::content_hash(content),
                    content: content.to_owned(),
                    file_name: file_name.clone(),
                    position,
                    language: language.clone(),
                    embedding: None,
                    imported_at,
                })
                .collect()
        };
        spawn_blocking(cut).await.map_err(|_| ImportError::Cut)
    }

    /// Which chunks want an embedding: those that the bot does not know, or knows without one.
    async fn wanting(
        &self,
        bot: BotId,
        chunks: &[Chunk],
        warnings: &mut Vec<String>,
    ) -> Result<Wanting, StoreError> {
        let mut known: HashMap<String, Option<String>> = HashMap::new();
        for chunk in self.store.chunks(bot).await? {
            known.insert(chunk.hash, chunk.embedding.map(|embedding| embedding.model));
        }
        let mut wanting = Wanting::default();
        let mut seen = HashSet::new();
        let mut other_models = 0;
        for (index, chunk) in chunks.iter().enumerate() {
            match known.get(&chunk.hash) {
                Some(Some(model)) => {
                    wanting.embedded_before.insert(chunk.hash.clone());
                    other_models += usize::from(
                        self.embedder
                            .as_ref()
                            .is_some_and(|embedder| embedder.model() != model),
                    );
                }
                Some(None) | None if seen.insert(&chunk.hash) => wanting.indexes.push(index),
                Some(None) | None => {}
            }
        }
        if other_models > 0 {
            warnings.push(format!(
                "{other_models} known chunks carry embeddings of another model, which questions are not compared with. \
                 Delete the document and import it again to embed them anew."
            ));
        }
        Ok(wanting)
    }
}

/// Which chunks of a document want an embedding.
#[derive(Default)]
struct Wanting {
    indexes: Vec<usize>,
    embedded_before: HashSet<String>,
}

/// Embeds one batch of chunks.
async fn embed(
    embedder: &Embedder,
    chunks: &mut [Chunk],
    batch: &[usize],
) -> Result<(), crate::embedder::EmbedError> {
    let texts: Vec<&str> = batch
        .iter()
        .map(|index| chunks[*index].content.as_str())
        .collect();
    let vectors = embedder.embed(&texts).await?;
    for (index, vector) in batch.iter().zip(vectors) {
        chunks[*index].embedding = Some(Embedding {
            model: embedder.model().to_owned(),
            vector: vector.into(),
        });
    }
    Ok(())
}

/// How many of the chunks carry an embedding, now or from before. Chunks of one hash are one.
fn embedded(chunks: &[Chunk], mut hashes: HashSet<String>) -> u32 {
    hashes.extend(
        chunks
            .iter()
            .filter(|chunk| chunk.embedding.is_some())
            .map(|chunk| chunk.hash.clone()),
    );
    chunks
        .iter()
        .filter(|chunk| hashes.contains(&chunk.hash))
        .count() as u32
}

#[cfg(test)]
mod tests;
