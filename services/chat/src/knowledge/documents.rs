//! Reads the text out of documents. Knows formats; knows nothing of bots, chunks or stores.
//!
//! Documents are untrusted: every reader is bounded in what it unpacks and within a time limit, and its panics
//! are caught. What needs a parser is read by a process of its own, which is killed when it overruns
//! ([`apart`]); text, and everything where no such program is known, on a thread off the async ones. A thread
//! cannot be killed; it keeps its permit until it ends, so that two at most are ever busy with it.

use std::{borrow::Cow, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use bytesize::ByteSize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

pub mod apart;
mod csv;
mod docx;
mod html;
mod pdf;
mod plain;

/// Documents read at the same time.
const READERS: usize = 2;

/// What a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Plain text.
    Text,
    /// Markdown, kept as it is: models read it well.
    Markdown,
    /// HTML.
    Html,
    /// PDF with text in it.
    Pdf,
    /// Word, from 2007 on.
    Docx,
    /// A table with a header line.
    Csv,
}

impl Format {
    /// The endings of file names that tell a format, for people.
    pub const ENDINGS: &'static str = ".txt, .md, .html, .pdf, .docx or .csv";

    /// The format that the ending of a file name tells, whatever its case.
    pub fn of_file(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "txt" | "text" => Some(Self::Text),
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "pdf" => Some(Self::Pdf),
            "docx" => Some(Self::Docx),
            "csv" | "tsv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// An ending of file names that tells the format.
    fn ending(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Markdown => "md",
            Self::Html => "html",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Csv => "csv",
        }
    }

    /// Whether reading it is more than decoding it.
    fn is_parsed(self) -> bool {
        !matches!(self, Self::Text | Self::Markdown)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "Markdown",
            Self::Html => "HTML",
            Self::Pdf => "PDF",
            Self::Docx => "Word (.docx)",
            Self::Csv => "CSV",
        }
    }
}

/// Why a document gave no text. The messages are for the person who sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Nothing in it.
    #[error("the document is empty")]
    Empty,
    /// Pages, but no text on them.
    #[error("the document holds no text; a scanned one needs text recognition (OCR) first")]
    NoText,
    /// Too many bytes, as sent or unpacked.
    #[error("the document is larger than {0}; split it into smaller ones")]
    TooLarge(ByteSize),
    /// Locked with a password.
    #[error(
        "the document is protected by a password, or an old .doc; save it without a password, in the newer format"
    )]
    Encrypted,
    /// Bytes that are no text in a known encoding.
    #[error(
        "the document is not UTF-8 text; save it as UTF-8, or check that its format is the right one"
    )]
    NotUtf8,
    /// Not what its name says.
    #[error(
        "the document cannot be read as {format}: {problem}; check that the file is whole and its ending is right"
    )]
    Malformed {
        /// What it was read as.
        format: &'static str,
        /// What is wrong, without quoting the document.
        problem: Cow<'static, str>,
    },
    /// Reading took too long.
    #[error("reading the document took longer than {}; split it into smaller ones", humantime_serde::re::humantime::format_duration(*.0))]
    TooSlow(Duration),
    /// Other documents keep the readers busy.
    #[error("other documents are being read; try again later")]
    Busy,
    /// The program that reads cannot be started.
    #[error("documents cannot be read now; the log of the chat role says why")]
    NoReader,
}

impl DocumentError {
    /// A stable name for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "document_empty",
            Self::NoText => "document_without_text",
            Self::TooLarge(_) => "document_too_large",
            Self::Encrypted => "document_encrypted",
            Self::NotUtf8 => "document_not_utf8",
            Self::Malformed { .. } => "document_malformed",
            Self::TooSlow(_) => "document_too_slow",
            Self::Busy => "document_readers_busy",
            Self::NoReader => "document_reader_missing",
        }
    }
}

/// Reads the text out of documents, a few at a time.
#[derive(Clone, Debug)]
pub struct Reader {
    permits: Arc<Semaphore>,
    time_limit: Duration,
    size_limit: ByteSize,
    apart: Option<apart::Apart>,
}

impl Reader {
    /// A reader of documents of at most `size_limit`, as bytes and as text, that gives up on one
    /// after `time_limit`, the wait for its turn included.
    pub fn new(time_limit: Duration, size_limit: ByteSize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(READERS)),
            time_limit,
            size_limit,
            apart: None,
        }
    }

    /// What needs a parser is read by this program, in so much memory: it takes [`apart::VERB`].
    pub fn apart(mut self, program: &Path, memory: ByteSize) -> Self {
        self.apart = Some(apart::Apart::new(program, memory, self.time_limit));
        self
    }

    /// The text of a document, tidied: never empty, `\n` line ends, no control characters. Dropping
    /// the call abandons it.
    pub async fn read(&self, format: Format, document: Bytes) -> Result<String, DocumentError> {
        let size_limit = self.size_limit;
        let Some(apart) = self.apart.as_ref().filter(|_| format.is_parsed()) else {
            return self
                .off_thread(format, move || text_of(format, &document, size_limit))
                .await;
        };
        let deadline = Instant::now() + self.time_limit;
        let _permit = self.permit(deadline).await?;
        tokio::time::timeout_at(deadline, apart.read(format, document, size_limit))
            .await
            .unwrap_or(Err(DocumentError::TooSlow(self.time_limit)))
    }

    /// One of the few that read at the same time.
    async fn permit(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, DocumentError> {
        let acquired = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout_at(deadline, acquired).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(DocumentError::Busy),
        }
    }

    /// Runs a reader on a thread of its own kind, within the limits.
    async fn off_thread<F>(&self, format: Format, read: F) -> Result<String, DocumentError>
    where
        F: FnOnce() -> Result<String, DocumentError> + Send + 'static,
    {
        let deadline = Instant::now() + self.time_limit;
        let permit = self.permit(deadline).await?;
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            read()
        });
        match tokio::time::timeout_at(deadline, reading).await {
            Ok(Ok(text)) => text,
            // The readers of PDF panic on some malformed files.
            Ok(Err(_panicked)) => Err(DocumentError::Malformed {
                format: format.name(),
                problem: "its structure is damaged".into(),
            }),
            Err(_) => Err(DocumentError::TooSlow(self.time_limit)),
        }
    }
}

/// The text of a document, on this thread.
fn text_of(format: Format, document: &[u8], limit: ByteSize) -> Result<String, DocumentError> {
    if document.is_empty() {
        return Err(DocumentError::Empty);
    }
    let most = usize::try_from(limit.as_u64()).unwrap_or(usize::MAX);
    if document.len() > most {
        return Err(DocumentError::TooLarge(limit));
    }
    let text = match format {
        Format::Text | Format::Markdown => plain::decode(document)?.into_owned(),
        Format::Html => html::text(&plain::decode(document)?)?,
        Format::Csv => csv::text(&plain::decode(document)?, limit)?,
        Format::Pdf => pdf::text(document, limit)?,
        Format::Docx => docx::text(document, limit)?,
    };
    let text = plain::tidy(&text);
    if text.is_empty() {
        let paged = matches!(format, Format::Pdf | Format::Docx);
        return Err(if paged {
            DocumentError::NoText
        } else {
            DocumentError::Empty
        });
    }
    if text.len() > most {
        return Err(DocumentError::TooLarge(limit));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
