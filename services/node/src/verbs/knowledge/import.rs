//! Sends documents to a chat role, one stream a document, and tells how far they are. It must not know
//! what a document contains.

use std::{
    io,
    path::{Path, PathBuf},
};

use futures::{Stream, StreamExt as _, stream};
use serde::Serialize;
use tokio::{fs::File, sync::oneshot};
use tokio_util::io::ReaderStream;
use troika_chat::knowledge::documents::Format;
use troika_proto::chat::v1::{
    DocumentFormat, ImportHeader, ImportKnowledgeRequest, ImportSummary,
    import_knowledge_request::Part, import_knowledge_response::Progress as Told,
};

use super::progress::Progress;
use crate::{
    client::Peer,
    exit::{Exit, Failure},
    output,
};

/// Bytes of a document in one message; the contract allows 1 MiB.
const PIECE: usize = 256 * 1024;

/// What is the same for all documents of one import.
pub(super) struct Kind {
    pub(super) bot: String,
    pub(super) format: DocumentFormat,
    pub(super) language: String,
}

/// What became of one document, in the names of its JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    file: String,
    #[serde(flatten)]
    became: Became,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Became {
    Imported {
        chunks: u32,
        duplicates: u32,
        embedded: u32,
        warnings: Vec<String>,
    },
    Failed {
        error: String,
    },
}

/// Imports the documents one after the other. All of them must be there before the first one is sent.
///
/// # Errors
/// The first failure, after the other documents had their turn; at once when the role does not answer or
/// has no such bot.
pub(super) async fn all(
    chat: &Peer,
    kind: &Kind,
    files: &[PathBuf],
    json: bool,
) -> Result<(), Failure> {
    let mut documents = Vec::new();
    for path in files {
        documents.push(Source::open(path).await?);
    }
    let mut outcomes = Vec::new();
    let mut first_failure = None;
    for document in documents {
        let name = document.name.clone();
        let became = match one(chat, kind, document).await {
            Ok(summary) => {
                if !json {
                    tell(&name, &summary)?;
                }
                Became::Imported {
                    chunks: summary.chunks,
                    duplicates: summary.duplicates,
                    embedded: summary.embedded,
                    warnings: summary.warnings,
                }
            }
            Err(failure) if matches!(failure.exit(), Exit::Unreachable | Exit::NotFound) => {
                return Err(failure);
            }
            Err(failure) => {
                let failure = hinted(failure, kind, &name);
                let error = failure.lines().collect::<Vec<_>>().join("; ");
                output::error(&format!("{name}: {error}"));
                let exit = failure.exit();
                first_failure.get_or_insert(exit);
                Became::Failed { error }
            }
        };
        outcomes.push(Outcome { file: name, became });
    }
    if json {
        output::json(&outcomes)?;
    }
    first_failure.map_or(Ok(()), |exit| Err(Failure::silent(exit)))
}

/// Says which option helps where a file's name tells no format.
fn hinted(failure: Failure, kind: &Kind, name: &str) -> Failure {
    let told = kind.format != DocumentFormat::Unspecified || Format::of_file(name).is_some();
    if told || failure.exit() != Exit::Usage {
        return failure;
    }
    failure.with_detail("--format says what it is: text, markdown, html, pdf, docx or csv")
}

/// A document that is there.
struct Source {
    name: String,
    file: File,
    size: u64,
}

impl Source {
    async fn open(path: &Path) -> Result<Self, Failure> {
        let unreadable = |error: io::Error| {
            Failure::because(
                Exit::Usage,
                &format!("{} cannot be read", path.display()),
                &error,
            )
        };
        let file = File::open(path).await.map_err(unreadable)?;
        let metadata = file.metadata().await.map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Failure::new(
                Exit::Usage,
                format!("{} is a folder: name its files", path.display()),
            ));
        }
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned();
        Ok(Self {
            name,
            file,
            size: metadata.len(),
        })
    }
}

async fn one(chat: &Peer, kind: &Kind, source: Source) -> Result<ImportSummary, Failure> {
    let Source { name, file, size } = source;
    let header = ImportHeader {
        chatbot_id: kind.bot.clone(),
        file_name: name.clone(),
        format: kind.format.into(),
        language: kind.language.clone(),
    };
    let mut progress = Progress::new(&name, size);
    let (failed, unreadable) = oneshot::channel();
    let imported = tokio::select! {
        imported = follow(chat, messages(header, file, failed), &mut progress) => imported,
        // Leaving the call tells the role that the document is not whole.
        Ok(error) = unreadable => Err(Failure::because(Exit::Failed, "the file cannot be read to its end", &error)),
    };
    progress.clear();
    imported
}

/// The header, then the file. When the file cannot be read on, the stream says so aside and goes silent:
/// its end would mean that the document is complete.
fn messages(
    header: ImportHeader,
    file: File,
    failed: oneshot::Sender<io::Error>,
) -> impl Stream<Item = ImportKnowledgeRequest> + Send + 'static {
    let message = |part| ImportKnowledgeRequest { part: Some(part) };
    let pieces = ReaderStream::with_capacity(file, PIECE);
    let data = stream::unfold((pieces, failed), move |(mut pieces, failed)| async move {
        match pieces.next().await? {
            Ok(piece) => Some((message(Part::Data(piece)), (pieces, failed))),
            Err(error) => {
                // Nobody listens any more when the call is over.
                let _ = failed.send(error);
                std::future::pending().await
            }
        }
    });
    stream::iter([message(Part::Header(header))]).chain(data)
}

async fn follow(
    chat: &Peer,
    messages: impl Stream<Item = ImportKnowledgeRequest> + Send + 'static,
    progress: &mut Progress,
) -> Result<ImportSummary, Failure> {
    let response = chat.bots().import_knowledge(messages).await;
    let mut told = response
        .map_err(|status| chat.failure(&status))?
        .into_inner();
    let mut summary = None;
    while let Some(message) = told
        .message()
        .await
        .map_err(|status| chat.failure(&status))?
    {
        match message.progress {
            Some(Told::Step(step)) => progress.step(&step),
            Some(Told::Done(done)) => summary = Some(done),
            None => {}
        }
    }
    summary.ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            "the import ended without a result: the chat role went away",
        )
    })
}

/// Says what became of a document.
fn tell(name: &str, summary: &ImportSummary) -> Result<(), Failure> {
    let ImportSummary {
        chunks,
        duplicates,
        embedded,
        warnings,
    } = summary;
    let known = if *duplicates > 0 {
        format!(", {duplicates} known before")
    } else {
        String::new()
    };
    let vectors = if *embedded > 0 {
        format!(", {embedded} embedded")
    } else {
        String::new()
    };
    output::line(&output::printable(&format!(
        "{name}: {}{known}{vectors}",
        output::count(*chunks, "chunk")
    )))?;
    for warning in warnings {
        output::warning(&format!("{name}: {warning}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> ImportHeader {
        ImportHeader {
            file_name: "faq.md".into(),
            ..ImportHeader::default()
        }
    }

    #[tokio::test]
    async fn a_document_is_sent_header_first_and_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faq.md");
        std::fs::write(&path, vec![7; PIECE * 2 + 1]).unwrap();
        let source = Source::open(&path).await.unwrap();
        assert_eq!(
            (source.name.as_str(), source.size),
            ("faq.md", PIECE as u64 * 2 + 1)
        );
        let (failed, _unreadable) = oneshot::channel();
        let mut parts: Vec<_> = messages(header(), source.file, failed)
            .map(|message| message.part.unwrap())
            .collect()
            .await;
        assert_eq!(parts.remove(0), Part::Header(header()));
        let sizes = parts.iter().map(|part| match part {
            Part::Data(data) => data.len(),
            Part::Header(_) => panic!("a second header"),
        });
        assert!(sizes.clone().all(|size| size <= PIECE));
        assert_eq!(sizes.sum::<usize>(), PIECE * 2 + 1);
    }

    #[tokio::test]
    async fn a_file_that_breaks_off_never_looks_complete() {
        let folder = tempfile::tempdir().unwrap();
        // Reading a folder fails after opening it worked.
        let file = File::open(folder.path()).await.unwrap();
        let (failed, unreadable) = oneshot::channel();
        let mut messages = Box::pin(messages(header(), file, failed));
        assert!(messages.next().await.is_some());
        tokio::select! {
            next = messages.next() => panic!("the stream went on or ended: {next:?}"),
            error = unreadable => assert!(error.is_ok()),
        }
    }

    #[tokio::test]
    async fn what_is_not_there_is_wrong_usage() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("none.md"), folder.path().to_owned()] {
            assert_eq!(Source::open(&path).await.err().unwrap().exit(), Exit::Usage);
        }
    }
}
