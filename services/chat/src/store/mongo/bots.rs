//! Bots in the collection `chatbots`. Fields of the existing documents: `name`, `persona_text`, `status`;
//! ours are added beside them, and what we do not know stays untouched.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bson::{Bson, Document, RawBsonRef, RawDocument, RawDocumentBuf, doc, oid::ObjectId};

use super::{
    MongoStore,
    documents::{Fields, date, object_id},
    is_duplicate, unavailable,
};
use crate::{
    bots::{Access, Bot, BotId, BotStore, Limits},
    language,
    store::StoreError,
};

const CHATBOTS: &str = "chatbots";

fn is_active(bot: &RawDocument) -> bool {
    bot.status().is_none_or(|status| status == "active")
}

fn status(active: bool) -> &'static str {
    if active { "active" } else { "inactive" }
}

fn read(id: BotId, bot: &RawDocument) -> Bot {
    let created_at = ["created_at", "createdAt"]
        .into_iter()
        .find_map(|name| bot.time(name));
    let created_at = created_at
        .or_else(|| bot.made_at())
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let updated_at = ["updated_at", "updatedAt"]
        .into_iter()
        .filter_map(|name| bot.time(name))
        .max();
    Bot {
        id,
        name: bot.text("name").unwrap_or_default(),
        persona: bot.text("persona_text").unwrap_or_default(),
        model: bot.filled_text("model"),
        temperature: bot
            .number("temperature")
            .filter(|temperature| (0.0..=2.0).contains(temperature)),
        language: bot
            .filled_text("language")
            .unwrap_or_else(|| language::DEFAULT.to_owned()),
        access: read_access(bot),
        active: is_active(bot),
        allowed_origins: bot.texts("allowed_origins"),
        booking_url: bot.filled_text("booking_url"),
        limits: bot
            .value("limits")
            .and_then(|limits| limits.as_document())
            .map_or_else(Limits::default, read_limits),
        company: read_company(bot),
        created_at,
        updated_at: updated_at.unwrap_or(created_at),
    }
}

/// Bots of an existing database have no such field and are public, as they were; a word that is not
/// understood keeps visitors out.
fn read_access(bot: &RawDocument) -> Access {
    match bot.value("access") {
        None | Some(RawBsonRef::Null | RawBsonRef::Undefined) => Access::Public,
        Some(RawBsonRef::String(access)) if access.trim().eq_ignore_ascii_case("public") => {
            Access::Public
        }
        Some(_) => Access::Private,
    }
}

/// An ObjectId or a text.
fn read_company(bot: &RawDocument) -> Option<String> {
    let id = bot.value("company_id").and_then(|id| id.as_object_id());
    id.map(|id| id.to_hex())
        .or_else(|| bot.filled_text("company_id"))
}

/// Ids of companies are ObjectIds in existing databases; whatever is none is kept as text.
fn write_company(company: &str) -> Bson {
    company
        .parse::<ObjectId>()
        .map_or_else(|_| Bson::from(company), Bson::from)
}

fn read_limits(limits: &RawDocument) -> Limits {
    Limits {
        answer_characters: limits.small("answer_characters"),
        completion_tokens: limits.small("completion_tokens"),
        history_messages: limits.small("history_messages"),
        turn: limits.whole("turn_ms").map(Duration::from_millis),
    }
}

fn write_limits(limits: &Limits) -> Document {
    let turn_ms = limits
        .turn
        .map(|turn| i64::try_from(turn.as_millis()).unwrap_or(i64::MAX));
    let fields = [
        ("answer_characters", limits.answer_characters.map(i64::from)),
        ("completion_tokens", limits.completion_tokens.map(i64::from)),
        ("history_messages", limits.history_messages.map(i64::from)),
        ("turn_ms", turn_ms),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Bson::Int64(value?))))
        .collect()
}

/// What belongs to turns under way: not of a bot's own, and much where many ask.
fn without_turns() -> Document {
    doc! { "quota_held": 0, "quota_settled": 0 }
}

/// Our fields of a bot, but neither its status nor its company: `None` means that the document has no such field.
fn fields(bot: &Bot) -> [(&'static str, Option<Bson>); 11] {
    let limits = write_limits(&bot.limits);
    [
        ("name", Some(bot.name.as_str().into())),
        ("persona_text", Some(bot.persona.as_str().into())),
        ("model", bot.model.as_deref().map(Bson::from)),
        ("temperature", bot.temperature.map(Bson::from)),
        ("language", Some(bot.language.as_str().into())),
        (
            "access",
            Some(Bson::from(match bot.access {
                Access::Public => "public",
                Access::Private => "private",
            })),
        ),
        (
            "allowed_origins",
            Some(Bson::Array(
                bot.allowed_origins.iter().map(Bson::from).collect(),
            )),
        ),
        ("booking_url", bot.booking_url.as_deref().map(Bson::from)),
        (
            "limits",
            (!limits.is_empty()).then_some(Bson::Document(limits)),
        ),
        ("created_at", Some(date(bot.created_at).into())),
        ("updated_at", Some(date(bot.updated_at).into())),
    ]
}

#[async_trait]
impl BotStore for MongoStore {
    async fn create(&self, bot: &Bot) -> Result<(), StoreError> {
        let mut document = doc! { "_id": object_id(bot.id), "status": status(bot.active) };
        for (name, value) in fields(bot) {
            if let Some(value) = value {
                document.insert(name, value);
            }
        }
        if let Some(company) = &bot.company {
            document.insert("company_id", write_company(company));
        }
        let bots = self.collection::<Document>(CHATBOTS);
        match self.run(async { bots.insert_one(document).await }).await {
            Ok(_) => Ok(()),
            Err(error) if is_duplicate(&error) => Err(StoreError::AlreadyExists),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn get(&self, id: BotId) -> Result<Option<Bot>, StoreError> {
        let bots = self.collection::<RawDocumentBuf>(CHATBOTS);
        let found = self
            .run(async {
                bots.find_one(doc! { "_id": object_id(id) })
                    .projection(without_turns())
                    .await
            })
            .await;
        Ok(found.map_err(unavailable)?.map(|bot| read(id, &bot)))
    }

    async fn update(&self, bot: &Bot) -> Result<(), StoreError> {
        let bots = self.collection::<RawDocumentBuf>(CHATBOTS);
        let this = doc! { "_id": object_id(bot.id) };
        let found = self
            .run(async {
                bots.find_one(this.clone())
                    .projection(doc! { "status": 1, "company_id": 1 })
                    .await
            })
            .await
            .map_err(unavailable)?
            .ok_or(StoreError::NotFound)?;

        let (mut set, mut unset) = (Document::new(), Document::new());
        for (name, value) in fields(bot) {
            match value {
                Some(value) => set.insert(name, value),
                None => unset.insert(name, ""),
            };
        }
        // Others have words of their own for a bot that is off; they stay while it stays off.
        if is_active(&found) != bot.active {
            set.insert("status", status(bot.active));
        }
        // An id of whatever type stays as it is while it says the same.
        if read_company(&found) != bot.company {
            match &bot.company {
                Some(company) => set.insert("company_id", write_company(company)),
                None => unset.insert("company_id", ""),
            };
        }
        let mut change = doc! { "$set": set };
        if !unset.is_empty() {
            change.insert("$unset", unset);
        }
        let done = self
            .run(async { bots.update_one(this, change).await })
            .await
            .map_err(unavailable)?;
        if done.matched_count == 0 {
            Err(StoreError::NotFound)
        } else {
            Ok(())
        }
    }

    async fn list(&self, after: Option<BotId>, limit: usize) -> Result<Vec<Bot>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new()); // which the server would take for no limit
        }
        // Comparing with an ObjectId passes over ids of other types, which no BotId can name.
        let ids = match after {
            Some(after) => doc! { "$gt": object_id(after) },
            None => doc! { "$gte": object_id(BotId([0; 12])) },
        };
        let bots = self.collection::<RawDocumentBuf>(CHATBOTS);
        let call = bots
            .find(doc! { "_id": ids })
            .projection(without_turns())
            .sort(doc! { "_id": 1 })
            .limit(i64::try_from(limit).unwrap_or(i64::MAX));
        let mut cursor = self.run(async { call.await }).await.map_err(unavailable)?;
        let found = self
            .drain(&mut cursor, |bot| {
                let id = bot.value("_id")?.as_object_id()?;
                Some(read(BotId(id.bytes()), bot))
            })
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn delete(&self, id: BotId) -> Result<bool, StoreError> {
        let bots = self.collection::<RawDocumentBuf>(CHATBOTS);
        let done = self
            .run(async { bots.delete_one(doc! { "_id": object_id(id) }).await })
            .await;
        Ok(done.map_err(unavailable)?.deleted_count > 0)
    }
}
