//! `troika knowledge`: documents that a bot of a running chat role answers from.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;
use troika_proto::chat::v1::{
    DeleteKnowledgeRequest, Document, DocumentFormat, ListKnowledgeRequest,
};

use crate::{
    client::{self, Target, within},
    config::Config,
    exit::{Exit, Failure},
    output,
};

mod import;
mod progress;

/// What to do with a bot's knowledge.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Import documents: txt, md, html, pdf, docx, csv
    #[command(after_help = "\
A document is known by its file name: importing the same name again replaces what it held. Chunks that the \
bot knows already are not stored twice. All files must be readable before the first one is sent; one whose \
content is refused does not keep the others from being imported.

Examples:
  troika knowledge import 000000000000000000000001 handbook.pdf faq.md
  troika knowledge import 000000000000000000000001 export.dat --format csv --language de-DE
  troika knowledge import 000000000000000000000001 docs/*.md --json")]
    Import {
        /// The bot's id
        bot: String,
        /// The documents
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// What the files are; told by their endings when absent
        #[arg(long)]
        format: Option<Format>,
        /// The language they are written in, such as de-DE; the bot's own when absent
        #[arg(long, value_name = "TAG")]
        language: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// List a bot's documents, newest first
    List {
        /// The bot's id
        bot: String,
        #[command(flatten)]
        common: Common,
    },
    /// Delete one document of a bot, or all of them
    #[command(
        override_usage = "troika knowledge delete [OPTIONS] <BOT> <NAME | --all>",
        after_help = "\
Examples:
  troika knowledge delete 000000000000000000000001 faq.md
  troika knowledge delete 000000000000000000000001 --all"
    )]
    Delete {
        /// The bot's id
        bot: String,
        /// The document's name, as listed
        #[arg(
            value_name = "NAME",
            required_unless_present = "all",
            conflicts_with = "all"
        )]
        document: Option<String>,
        /// Delete everything the bot knows
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        common: Common,
    },
}

/// What every verb about knowledge takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Markdown,
    Html,
    Pdf,
    Docx,
    Csv,
}

impl From<Format> for DocumentFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Markdown => Self::Markdown,
            Format::Html => Self::Html,
            Format::Pdf => Self::Pdf,
            Format::Docx => Self::Docx,
            Format::Csv => Self::Csv,
        }
    }
}

/// Carries the verb out.
///
/// # Errors
/// What the chat role refuses, and when it does not answer.
pub(crate) async fn run(verb: Verb, config: &Config) -> Result<(), Failure> {
    match verb {
        Verb::Import {
            bot,
            files,
            format,
            language,
            common,
        } => {
            let chat = common.target.chat(config)?;
            let kind = import::Kind {
                bot,
                format: format.map_or(DocumentFormat::Unspecified, Into::into),
                language: language.unwrap_or_default(),
            };
            import::all(&chat, &kind, &files, common.json).await
        }
        Verb::List { bot, common } => {
            let chat = common.target.chat(config)?;
            let request = within(client::SHORT, ListKnowledgeRequest { chatbot_id: bot });
            let listed = chat
                .bots()
                .list_knowledge(request)
                .await
                .map_err(|status| chat.failure(&status))?;
            list(listed.into_inner().documents, common.json)
        }
        Verb::Delete {
            bot,
            document,
            all: _,
            common,
        } => {
            let chat = common.target.chat(config)?;
            let name = document.clone().unwrap_or_default();
            let request = within(
                client::SHORT,
                DeleteKnowledgeRequest {
                    chatbot_id: bot,
                    file_name: name,
                },
            );
            let deleted = chat
                .bots()
                .delete_knowledge(request)
                .await
                .map_err(|status| chat.failure(&status))?;
            let chunks = deleted.into_inner().chunks_deleted;
            if common.json {
                output::json(&serde_json::json!({"chunksDeleted": chunks}))?;
            }
            match document {
                Some(name) if chunks == 0 => Err(Failure::new(
                    Exit::NotFound,
                    format!("the bot has no document named {name}"),
                )
                .with_detail("`troika knowledge list BOT` names those it has")),
                _ if common.json => Ok(()),
                _ => output::line(&format!("deleted {}", output::count(chunks, "chunk"))),
            }
        }
    }
}

/// A document in the names of its JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    file_name: String,
    chunks: u32,
    embedded: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    imported_at: Option<String>,
}

fn list(documents: Vec<Document>, json: bool) -> Result<(), Failure> {
    let documents: Vec<_> = documents
        .into_iter()
        .map(|document| View {
            file_name: document.file_name,
            chunks: document.chunks,
            embedded: document.embedded,
            imported_at: document.imported_at.map(|time| time.to_string()),
        })
        .collect();
    if json {
        return output::json(&documents);
    }
    if documents.is_empty() {
        output::aside("the bot knows nothing yet; `troika knowledge import BOT FILE…` teaches it");
    }
    output::table(
        &["Document", "Chunks", "Embedded", "Imported"],
        documents.into_iter().map(|document| {
            vec![
                document.file_name,
                document.chunks.to_string(),
                document.embedded.to_string(),
                document.imported_at.unwrap_or_default(),
            ]
        }),
    )
}
