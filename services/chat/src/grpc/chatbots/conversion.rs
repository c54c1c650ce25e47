//! The domain's types as the wire's. Nothing can fail here.

use troika_proto::chat::v1 as wire;
use wire::import_knowledge_response::Progress as Step;

use crate::{
    bots::{Access, Bot, Limits},
    history::{Message, Outcome, Sender},
    knowledge::{
        Document,
        importer::{Progress, Summary},
    },
    quota::Quota,
};

impl From<Bot> for wire::Bot {
    fn from(bot: Bot) -> Self {
        let access = match bot.access {
            Access::Public => wire::Access::Public,
            Access::Private => wire::Access::Private,
        };
        Self {
            id: bot.id.to_string(),
            name: bot.name,
            persona: bot.persona,
            model: bot.model.unwrap_or_default(),
            temperature: bot.temperature,
            language: bot.language,
            access: access.into(),
            allowed_origins: bot.allowed_origins,
            booking_url: bot.booking_url.unwrap_or_default(),
            limits: (bot.limits != Limits::default()).then(|| bot.limits.into()),
            created_at: Some(bot.created_at.into()),
            updated_at: Some(bot.updated_at.into()),
            company_id: bot.company.unwrap_or_default(),
            quota: None,
        }
    }
}

impl From<Quota> for wire::BotQuota {
    fn from(Quota { terms, used }: Quota) -> Self {
        Self {
            token_limit: terms.token_limit,
            used_tokens: used.tokens,
            monthly_limit: terms.monthly_limit,
            monthly_used: used.this_month,
            subscription_ends: terms.subscription_ends.map(Into::into),
            free_messages: terms.free_messages,
            auth_method: terms.auth_method.unwrap_or_default(),
        }
    }
}

impl From<Limits> for wire::BotLimits {
    fn from(limits: Limits) -> Self {
        Self {
            answer_characters: limits.answer_characters,
            completion_tokens: limits.completion_tokens,
            history_messages: limits.history_messages,
            // Longer than the wire can say is longer than any turn: as good as no limit.
            turn: limits.turn.and_then(|turn| turn.try_into().ok()),
        }
    }
}

impl From<Document> for wire::Document {
    fn from(document: Document) -> Self {
        Self {
            file_name: document.file_name,
            chunks: document.chunks,
            embedded: document.embedded,
            imported_at: Some(document.imported_at.into()),
        }
    }
}

impl From<Message> for wire::Message {
    fn from(message: Message) -> Self {
        let sender = match message.sender {
            Sender::User => wire::Sender::User,
            Sender::Bot => wire::Sender::Bot,
        };
        Self {
            sender: sender.into(),
            content: message.content,
            time: Some(message.time.into()),
            outcome: message
                .outcome
                .map(Outcome::as_str)
                .unwrap_or_default()
                .to_owned(),
        }
    }
}

impl From<Progress> for wire::ImportKnowledgeResponse {
    fn from(progress: Progress) -> Self {
        let step = |stage: wire::ImportStage, completed, total| {
            Step::Step(wire::ImportProgress {
                stage: stage.into(),
                completed,
                total,
            })
        };
        let progress = match progress {
            Progress::Receiving { bytes } => step(wire::ImportStage::Receiving, bytes, 0),
            Progress::Extracting => step(wire::ImportStage::Extracting, 0, 0),
            Progress::Embedding { completed, total } => {
                step(wire::ImportStage::Embedding, completed, total)
            }
            Progress::Storing { total } => step(wire::ImportStage::Storing, 0, total),
            Progress::Done(Summary {
                chunks,
                duplicates,
                embedded,
                warnings,
            }) => Step::Done(wire::ImportSummary {
                chunks,
                duplicates,
                embedded,
                warnings,
            }),
        };
        Self {
            progress: Some(progress),
        }
    }
}
