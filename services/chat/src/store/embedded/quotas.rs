//! Quotas in the embedded database: what bots may use, what they used, what is held for turns under way, and the
//! questions of sessions. One transaction decides and holds.

use std::{collections::HashMap, time::SystemTime};

use async_trait::async_trait;
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Embedded, Fault, bots::is_there, make_table, record};
use crate::{
    bots::BotId,
    quota::{
        KEPT, Month, Quota, QuotaStore, Reservation, Reserved, SESSION, Settlement, Terms, Used,
        fits,
    },
    store::StoreError,
};

const TERMS: TableDefinition<'static, &[u8; 12], &[u8]> = TableDefinition::new("quota_terms");
const USED: TableDefinition<'static, &[u8; 12], &[u8]> = TableDefinition::new("quota_used");

type TurnKey = (&'static [u8; 12], &'static [u8; 16]);
/// By bot and turn.
const HELD: TableDefinition<'static, TurnKey, &[u8]> = TableDefinition::new("quota_held");
/// Questions by bot and session.
const QUESTIONS: TableDefinition<'static, TurnKey, u32> = TableDefinition::new("quota_questions");
/// When the questions of which session are forgotten.
const FORGOTTEN: TableDefinition<'static, (i64, &[u8; 12], &[u8; 16]), ()> =
    TableDefinition::new("quota_questions_forgotten");

/// Old sessions forgotten with each question: more than come with it.
const FORGOTTEN_AT_ONCE: usize = 2;

pub(super) fn make_tables(transaction: &WriteTransaction) -> Result<(), Box<redb::Error>> {
    make_table(transaction, TERMS)?;
    make_table(transaction, USED)?;
    make_table(transaction, HELD)?;
    make_table(transaction, QUESTIONS)?;
    make_table(transaction, FORGOTTEN)
}

/// Forgets a bot's quota; the questions of its sessions are forgotten in their time.
pub(super) fn remove(transaction: &WriteTransaction, bot: BotId) -> Result<(), Fault> {
    transaction.open_table(TERMS)?.remove(&bot.0)?;
    transaction.open_table(USED)?.remove(&bot.0)?;
    transaction
        .open_table(HELD)?
        .retain_in((&bot.0, &[0; 16])..=(&bot.0, &[0xff; 16]), |_, _| false)?;
    Ok(())
}

/// Terms as version 1 keeps them.
#[derive(Serialize, Deserialize)]
struct TermsRecord {
    token_limit: Option<u64>,
    monthly_limit: Option<u64>,
    subscription_ends: Option<i64>,
    free_messages: Option<u32>,
    auth_method: Option<String>,
}

impl TermsRecord {
    fn of(terms: &Terms) -> Self {
        Self {
            token_limit: terms.token_limit,
            monthly_limit: terms.monthly_limit,
            subscription_ends: terms.subscription_ends.map(record::millis),
            free_messages: terms.free_messages,
            auth_method: terms.auth_method.clone(),
        }
    }

    fn terms(self) -> Terms {
        Terms {
            token_limit: self.token_limit,
            monthly_limit: self.monthly_limit,
            subscription_ends: self.subscription_ends.map(record::time),
            free_messages: self.free_messages,
            auth_method: self.auth_method,
        }
    }
}

/// What a bot used, as version 1 keeps it.
#[derive(Default, Serialize, Deserialize)]
struct UsedRecord {
    tokens: u64,
    month: String,
    this_month: u64,
}

impl UsedRecord {
    /// Brings it to a month, unless it is in a later one already.
    fn reach(&mut self, month: &Month) {
        if self.month.as_str() < month.as_str() {
            month.as_str().clone_into(&mut self.month);
            self.this_month = 0;
        }
    }

    fn used(&self) -> Used {
        Used {
            tokens: self.tokens,
            this_month: self.this_month,
        }
    }
}

/// What is held for a turn, or the trace of one that was settled, as version 1 keeps it.
#[derive(Serialize, Deserialize)]
struct HeldRecord {
    tokens: u64,
    month: String,
    until: i64,
    settled: bool,
}

fn terms_of(
    terms: &impl ReadableTable<&'static [u8; 12], &'static [u8]>,
    bot: BotId,
) -> Result<Terms, Fault> {
    let Some(bytes) = terms.get(&bot.0)? else {
        return Ok(Terms::default());
    };
    let terms: TermsRecord = record::decode(bytes.value(), || format!("the quota of bot {bot}"))?;
    Ok(terms.terms())
}

fn used_of(
    used: &impl ReadableTable<&'static [u8; 12], &'static [u8]>,
    bot: BotId,
) -> Result<UsedRecord, Fault> {
    let Some(bytes) = used.get(&bot.0)? else {
        return Ok(UsedRecord::default());
    };
    Ok(record::decode(bytes.value(), || {
        format!("what bot {bot} used")
    })?)
}

fn held_for(
    held: &Table<'_, TurnKey, &'static [u8]>,
    bot: BotId,
    turn: Uuid,
) -> Result<Option<HeldRecord>, Fault> {
    let found = held.get((&bot.0, turn.as_bytes()))?;
    Ok(found
        .map(|bytes| decode_held(bot, bytes.value()))
        .transpose()?)
}

fn decode_held(bot: BotId, bytes: &[u8]) -> Result<HeldRecord, StoreError> {
    record::decode(bytes, || format!("what is held for a turn of bot {bot}"))
}

/// What is held of a bot's tokens; forgets what was over long ago.
fn sum_held(
    held: &mut Table<'_, TurnKey, &'static [u8]>,
    bot: BotId,
    month: &str,
    now: SystemTime,
) -> Result<Used, Fault> {
    let (now, forgotten) = (record::millis(now), record::millis(now - KEPT));
    let mut sum = Used::default();
    let mut over = Vec::new();
    for entry in held.range((&bot.0, &[0; 16])..=(&bot.0, &[0xff; 16]))? {
        let (key, bytes) = entry?;
        let held = decode_held(bot, bytes.value())?;
        if held.until > now && !held.settled {
            sum.tokens = sum.tokens.saturating_add(held.tokens);
            if held.month == month {
                sum.this_month = sum.this_month.saturating_add(held.tokens);
            }
        } else if held.until < forgotten {
            over.push(*key.value().1);
        }
    }
    for turn in over {
        held.remove((&bot.0, &turn))?;
    }
    Ok(sum)
}

#[async_trait]
impl QuotaStore for Embedded {
    async fn quotas(
        &self,
        bots: &[BotId],
        now: SystemTime,
    ) -> Result<HashMap<BotId, Quota>, StoreError> {
        let (bots, month) = (bots.to_vec(), Month::of(now));
        self.read(move |transaction| {
            let terms = transaction.open_table(TERMS)?;
            let used = transaction.open_table(USED)?;
            let mut quotas = HashMap::new();
            for bot in bots {
                let mut used = used_of(&used, bot)?;
                used.reach(&month);
                let quota = Quota {
                    terms: terms_of(&terms, bot)?,
                    used: used.used(),
                };
                if quota != Quota::default() {
                    quotas.insert(bot, quota);
                }
            }
            Ok(quotas)
        })
        .await
    }

    async fn set_terms(&self, bot: BotId, terms: &Terms) -> Result<(), StoreError> {
        let bytes = record::encode(&TermsRecord::of(terms))?;
        self.write(move |transaction| {
            if !is_there(transaction, bot)? {
                return Err(StoreError::NotFound.into());
            }
            transaction
                .open_table(TERMS)?
                .insert(&bot.0, bytes.as_slice())?;
            Ok(())
        })
        .await
    }

    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, StoreError> {
        let Reservation {
            turn,
            bot,
            tokens,
            at,
            until,
        } = *reservation;
        let terms = self
            .read(move |transaction| terms_of(&transaction.open_table(TERMS)?, bot))
            .await?;
        if !terms.count_tokens() {
            // Without a write, which waits for the disk.
            return Ok(Reserved::Unlimited);
        }
        self.write(move |transaction| {
            let terms = terms_of(&transaction.open_table(TERMS)?, bot)?;
            let mut used = used_of(&transaction.open_table(USED)?, bot)?;
            used.reach(&Month::of(at));
            let mut held = transaction.open_table(HELD)?;
            let quota = Quota {
                terms,
                used: used.used(),
            };
            if held_for(&held, bot, turn)?.is_some_and(|held| !held.settled) {
                return Ok(Reserved::Held(quota));
            }
            let sum = sum_held(&mut held, bot, &used.month, at)?;
            if !fits(&quota.terms, quota.used, sum, tokens) {
                return Ok(Reserved::Exhausted(quota));
            }
            let this = HeldRecord {
                tokens,
                month: used.month,
                until: record::millis(until),
                settled: false,
            };
            let bytes = record::encode(&this)?;
            held.insert((&bot.0, turn.as_bytes()), bytes.as_slice())?;
            Ok(Reserved::Held(quota))
        })
        .await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<(), StoreError> {
        let settlement = settlement.clone();
        self.write(move |transaction| {
            let Settlement { turn, bot, .. } = settlement;
            let mut table = transaction.open_table(HELD)?;
            let held = held_for(&table, bot, turn)?;
            let key = (&bot.0, turn.as_bytes());
            let limited =
                || Ok::<_, Fault>(terms_of(&transaction.open_table(TERMS)?, bot)?.count_tokens());
            let charges = match held {
                Some(held) => !held.settled,
                None => !settlement.held && limited()?,
            };
            if !charges {
                return Ok(());
            }
            if settlement.held || settlement.tokens == 0 {
                table.remove(key)?;
            } else {
                let trace = HeldRecord {
                    tokens: 0,
                    month: settlement.month.to_string(),
                    until: record::millis(settlement.at),
                    settled: true,
                };
                table.insert(key, record::encode(&trace)?.as_slice())?;
            }
            if settlement.tokens == 0 {
                return Ok(());
            }
            let mut table = transaction.open_table(USED)?;
            let mut used = used_of(&table, bot)?;
            used.reach(&settlement.month);
            used.tokens = used.tokens.saturating_add(settlement.tokens);
            // A turn that began last month does not burden this one.
            if used.month == settlement.month.as_str() {
                used.this_month = used.this_month.saturating_add(settlement.tokens);
            }
            table.insert(&bot.0, record::encode(&used)?.as_slice())?;
            Ok(())
        })
        .await
    }

    async fn question(
        &self,
        bot: BotId,
        session: Uuid,
        now: SystemTime,
    ) -> Result<u32, StoreError> {
        self.write(move |transaction| {
            let mut questions = transaction.open_table(QUESTIONS)?;
            let mut forgotten = transaction.open_table(FORGOTTEN)?;
            let mut old = Vec::with_capacity(FORGOTTEN_AT_ONCE);
            for entry in forgotten.iter()?.take(FORGOTTEN_AT_ONCE) {
                let (key, _) = entry?;
                let (at, bot, session) = key.value();
                if at <= record::millis(now) {
                    old.push((at, *bot, *session));
                }
            }
            for (at, bot, session) in &old {
                forgotten.remove((*at, bot, session))?;
                questions.remove((bot, session))?;
            }
            let key = (&bot.0, session.as_bytes());
            let before = questions.get(key)?.map(|before| before.value());
            let asked = before.unwrap_or_default().saturating_add(1);
            questions.insert(key, asked)?;
            if before.is_none() {
                let at = record::millis(now + SESSION);
                forgotten.insert((at, &bot.0, session.as_bytes()), ())?;
            }
            Ok(asked)
        })
        .await
    }
}
