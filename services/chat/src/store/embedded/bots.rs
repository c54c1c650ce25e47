//! Bots in the embedded database: one table, by id.

use std::{ops::Bound, time::Duration};

use async_trait::async_trait;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::{Embedded, make_table, record};
use crate::{
    bots::{Access, Bot, BotId, BotStore, Limits},
    store::StoreError,
};

const BOTS: TableDefinition<'static, &[u8; 12], &[u8]> = TableDefinition::new("bots");

pub(super) fn make_tables(transaction: &WriteTransaction) -> Result<(), Box<redb::Error>> {
    make_table(transaction, BOTS)
}

/// A bot as version 1 keeps it.
#[derive(Serialize, Deserialize)]
struct BotRecord {
    name: String,
    persona: String,
    model: Option<String>,
    temperature: Option<f64>,
    language: String,
    private: bool,
    active: bool,
    allowed_origins: Vec<String>,
    booking_url: Option<String>,
    answer_characters: Option<u32>,
    completion_tokens: Option<u32>,
    history_messages: Option<u32>,
    turn_millis: Option<u64>,
    created_at: i64,
    updated_at: i64,
}

fn encode(bot: &Bot) -> Result<Vec<u8>, StoreError> {
    let bot = bot.clone();
    record::encode(&BotRecord {
        name: bot.name,
        persona: bot.persona,
        model: bot.model,
        temperature: bot.temperature,
        language: bot.language,
        private: bot.access == Access::Private,
        active: bot.active,
        allowed_origins: bot.allowed_origins,
        booking_url: bot.booking_url,
        answer_characters: bot.limits.answer_characters,
        completion_tokens: bot.limits.completion_tokens,
        history_messages: bot.limits.history_messages,
        turn_millis: bot
            .limits
            .turn
            .map(|turn| u64::try_from(turn.as_millis()).unwrap_or(u64::MAX)),
        created_at: record::millis(bot.created_at),
        updated_at: record::millis(bot.updated_at),
    })
}

fn decode(id: BotId, bytes: &[u8]) -> Result<Bot, StoreError> {
    let bot: BotRecord = record::decode(bytes, || format!("bot {id}"))?;
    Ok(Bot {
        id,
        name: bot.name,
        persona: bot.persona,
        model: bot.model,
        temperature: bot.temperature,
        language: bot.language,
        access: if bot.private {
            Access::Private
        } else {
            Access::Public
        },
        active: bot.active,
        allowed_origins: bot.allowed_origins,
        booking_url: bot.booking_url,
        limits: Limits {
            answer_characters: bot.answer_characters,
            completion_tokens: bot.completion_tokens,
            history_messages: bot.history_messages,
            turn: bot.turn_millis.map(Duration::from_millis),
        },
        company: None,
        created_at: record::time(bot.created_at),
        updated_at: record::time(bot.updated_at),
    })
}

#[async_trait]
impl BotStore for Embedded {
    async fn create(&self, bot: &Bot) -> Result<(), StoreError> {
        let (id, bytes) = (bot.id, encode(bot)?);
        self.write(move |transaction| {
            let mut bots = transaction.open_table(BOTS)?;
            if bots.get(&id.0)?.is_some() {
                return Err(StoreError::AlreadyExists.into());
            }
            bots.insert(&id.0, bytes.as_slice())?;
            Ok(())
        })
        .await
    }

    async fn get(&self, id: BotId) -> Result<Option<Bot>, StoreError> {
        self.read(move |transaction| {
            let bots = transaction.open_table(BOTS)?;
            let found = bots.get(&id.0)?;
            Ok(found.map(|bytes| decode(id, bytes.value())).transpose()?)
        })
        .await
    }

    async fn update(&self, bot: &Bot) -> Result<(), StoreError> {
        let (id, bytes) = (bot.id, encode(bot)?);
        self.write(move |transaction| {
            let mut bots = transaction.open_table(BOTS)?;
            if bots.get(&id.0)?.is_none() {
                return Err(StoreError::NotFound.into());
            }
            bots.insert(&id.0, bytes.as_slice())?;
            Ok(())
        })
        .await
    }

    async fn list(&self, after: Option<BotId>, limit: usize) -> Result<Vec<Bot>, StoreError> {
        self.read(move |transaction| {
            let bots = transaction.open_table(BOTS)?;
            let start = after
                .as_ref()
                .map_or(Bound::Unbounded, |after| Bound::Excluded(&after.0));
            let mut found = Vec::new();
            for entry in bots
                .range::<&[u8; 12]>((start, Bound::Unbounded))?
                .take(limit)
            {
                let (id, bytes) = entry?;
                found.push(decode(BotId(*id.value()), bytes.value())?);
            }
            Ok(found)
        })
        .await
    }

    async fn delete(&self, id: BotId) -> Result<bool, StoreError> {
        self.write(move |transaction| {
            let mut bots = transaction.open_table(BOTS)?;
            let removed = bots.remove(&id.0)?.is_some();
            Ok(removed)
        })
        .await
    }
}
