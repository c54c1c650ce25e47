//! Bots in the embedded database: one table, by id.

use std::{ops::Bound, time::Duration};

use async_trait::async_trait;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::{Embedded, Fault, make_table, quotas, record};
use crate::{
    bots::{Access, Bot, BotId, BotStore, Limits},
    store::StoreError,
};

const BOTS: TableDefinition<'static, &[u8; 12], &[u8]> = TableDefinition::new("bots");

/// Whose bots are, where they are anybody's.
const COMPANIES: TableDefinition<'static, &[u8; 12], &str> = TableDefinition::new("bot_companies");

pub(super) fn make_tables(transaction: &WriteTransaction) -> Result<(), Box<redb::Error>> {
    make_table(transaction, BOTS)?;
    make_table(transaction, COMPANIES)
}

/// Whether there is a bot of this id.
pub(super) fn is_there(transaction: &WriteTransaction, id: BotId) -> Result<bool, Fault> {
    Ok(transaction.open_table(BOTS)?.get(&id.0)?.is_some())
}

fn company_of(
    companies: &impl ReadableTable<&'static [u8; 12], &'static str>,
    id: BotId,
) -> Result<Option<String>, Fault> {
    let company = companies.get(&id.0)?;
    Ok(company.map(|company| company.value().to_owned()))
}

fn set_company(
    transaction: &WriteTransaction,
    id: BotId,
    company: Option<&str>,
) -> Result<(), Fault> {
    let mut companies = transaction.open_table(COMPANIES)?;
    match company {
        Some(company) => companies.insert(&id.0, company)?,
        None => companies.remove(&id.0)?,
    };
    Ok(())
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

fn decode(id: BotId, company: Option<String>, bytes: &[u8]) -> Result<Bot, StoreError> {
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
        company,
        created_at: record::time(bot.created_at),
        updated_at: record::time(bot.updated_at),
    })
}

#[async_trait]
impl BotStore for Embedded {
    async fn create(&self, bot: &Bot) -> Result<(), StoreError> {
        let (id, company, bytes) = (bot.id, bot.company.clone(), encode(bot)?);
        self.write(move |transaction| {
            let mut bots = transaction.open_table(BOTS)?;
            if bots.get(&id.0)?.is_some() {
                return Err(StoreError::AlreadyExists.into());
            }
            bots.insert(&id.0, bytes.as_slice())?;
            set_company(transaction, id, company.as_deref())
        })
        .await
    }

    async fn get(&self, id: BotId) -> Result<Option<Bot>, StoreError> {
        self.read(move |transaction| {
            let bots = transaction.open_table(BOTS)?;
            let Some(found) = bots.get(&id.0)? else {
                return Ok(None);
            };
            let company = company_of(&transaction.open_table(COMPANIES)?, id)?;
            Ok(Some(decode(id, company, found.value())?))
        })
        .await
    }

    async fn update(&self, bot: &Bot) -> Result<(), StoreError> {
        let (id, company, bytes) = (bot.id, bot.company.clone(), encode(bot)?);
        self.write(move |transaction| {
            let mut bots = transaction.open_table(BOTS)?;
            if bots.get(&id.0)?.is_none() {
                return Err(StoreError::NotFound.into());
            }
            bots.insert(&id.0, bytes.as_slice())?;
            set_company(transaction, id, company.as_deref())
        })
        .await
    }

    async fn list(&self, after: Option<BotId>, limit: usize) -> Result<Vec<Bot>, StoreError> {
        self.read(move |transaction| {
            let bots = transaction.open_table(BOTS)?;
            let companies = transaction.open_table(COMPANIES)?;
            let start = after
                .as_ref()
                .map_or(Bound::Unbounded, |after| Bound::Excluded(&after.0));
            let mut found = Vec::new();
            for entry in bots
                .range::<&[u8; 12]>((start, Bound::Unbounded))?
                .take(limit)
            {
                let (id, bytes) = entry?;
                let id = BotId(*id.value());
                found.push(decode(id, company_of(&companies, id)?, bytes.value())?);
            }
            Ok(found)
        })
        .await
    }

    async fn delete(&self, id: BotId) -> Result<bool, StoreError> {
        self.write(move |transaction| {
            let mut bots = transaction.open_table(BOTS)?;
            let removed = bots.remove(&id.0)?.is_some();
            set_company(transaction, id, None)?;
            quotas::remove(transaction, id)?;
            Ok(removed)
        })
        .await
    }
}
