//! Messages in the embedded database. The key is (bot, session, time, insertion number), so that the
//! newest messages of a session are the end of one range; a second table remembers which turn and
//! sender were added, so that a repeated write changes nothing.

use async_trait::async_trait;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Embedded, make_table, record};
use crate::{
    bots::BotId,
    history::{Message, MessageStore, Outcome, Sender, Visitor},
    store::StoreError,
};

type MessageKey = (&'static [u8; 12], &'static str, i64, u64);

const MESSAGES: TableDefinition<'static, MessageKey, &[u8]> = TableDefinition::new("messages");
/// (turn, sender) of every message that has a turn.
const TURNS: TableDefinition<'static, (&[u8; 16], u8), ()> = TableDefinition::new("message_turns");
/// The insertion number of the last message, under the one key there is.
const INSERTIONS: TableDefinition<'static, (), u64> = TableDefinition::new("message_insertions");

pub(super) fn make_tables(transaction: &WriteTransaction) -> Result<(), Box<redb::Error>> {
    make_table(transaction, MESSAGES)?;
    make_table(transaction, TURNS)?;
    make_table(transaction, INSERTIONS)
}

/// A message as version 1 keeps it, without what its key says.
#[derive(Serialize, Deserialize)]
struct MessageRecord {
    turn: Option<[u8; 16]>,
    sender: u8,
    content: String,
    tokens: Option<u32>,
    outcome: Option<u8>,
    email: Option<String>,
    phone: Option<String>,
    name: Option<String>,
}

/// The numbers of senders and outcomes are part of the file's format.
const SENDERS: [Sender; 2] = [Sender::User, Sender::Bot];
const OUTCOMES: [Outcome; 5] = [
    Outcome::Complete,
    Outcome::Truncated,
    Outcome::Stopped,
    Outcome::Cancelled,
    Outcome::Failed,
];

fn sender_number(sender: Sender) -> u8 {
    match sender {
        Sender::User => 0,
        Sender::Bot => 1,
    }
}

fn outcome_number(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Complete => 0,
        Outcome::Truncated => 1,
        Outcome::Stopped => 2,
        Outcome::Cancelled => 3,
        Outcome::Failed => 4,
    }
}

fn encode(message: &Message) -> Result<Vec<u8>, StoreError> {
    let visitor = message.visitor.clone();
    record::encode(&MessageRecord {
        turn: message.turn.map(Uuid::into_bytes),
        sender: sender_number(message.sender),
        content: message.content.clone(),
        tokens: message.tokens,
        outcome: message.outcome.map(outcome_number),
        email: visitor.email,
        phone: visitor.phone,
        name: visitor.name,
    })
}

fn decode(bot: BotId, session: &str, time: i64, bytes: &[u8]) -> Result<Message, StoreError> {
    let what = || format!("a message of bot {bot}");
    let corrupt = || StoreError::Corrupt { what: what() };
    let message: MessageRecord = record::decode(bytes, what)?;
    let outcome = match message.outcome {
        None => None,
        Some(number) => Some(*OUTCOMES.get(usize::from(number)).ok_or_else(corrupt)?),
    };
    Ok(Message {
        bot,
        session: session.to_owned(),
        turn: message.turn.map(Uuid::from_bytes),
        sender: *SENDERS
            .get(usize::from(message.sender))
            .ok_or_else(corrupt)?,
        content: message.content,
        time: record::time(time),
        tokens: message.tokens,
        outcome,
        visitor: Visitor {
            email: message.email,
            phone: message.phone,
            name: message.name,
        },
    })
}

#[async_trait]
impl MessageStore for Embedded {
    async fn append(&self, messages: &[Message]) -> Result<(), StoreError> {
        if messages.is_empty() {
            return Ok(());
        }
        let messages: Vec<_> = messages
            .iter()
            .map(|message| Ok((NewMessage::of(message), encode(message)?)))
            .collect::<Result<_, StoreError>>()?;
        self.write(move |transaction| {
            let mut table = transaction.open_table(MESSAGES)?;
            let mut turns = transaction.open_table(TURNS)?;
            let mut insertions = transaction.open_table(INSERTIONS)?;
            let mut number = insertions.get(())?.map_or(0, |last| last.value());
            for (message, bytes) in &messages {
                if let Some(turn) = &message.turn
                    && turns.insert((turn, message.sender), ())?.is_some()
                {
                    continue;
                }
                number += 1;
                let key = (&message.bot, message.session.as_str(), message.time, number);
                table.insert(key, bytes.as_slice())?;
            }
            insertions.insert((), number)?;
            Ok(())
        })
        .await
    }

    async fn recent(
        &self,
        bot: BotId,
        session: &str,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let session = session.to_owned();
        self.read(move |transaction| {
            let table = transaction.open_table(MESSAGES)?;
            let first = (&bot.0, session.as_str(), i64::MIN, u64::MIN);
            let last = (&bot.0, session.as_str(), i64::MAX, u64::MAX);
            let mut newest_first = Vec::new();
            for entry in table.range(first..=last)?.rev().take(limit) {
                let (key, bytes) = entry?;
                let (_, _, time, _) = key.value();
                newest_first.push(decode(bot, &session, time, bytes.value())?);
            }
            newest_first.reverse();
            Ok(newest_first)
        })
        .await
    }
}

/// What a message's keys are made of.
struct NewMessage {
    bot: [u8; 12],
    session: String,
    turn: Option<[u8; 16]>,
    sender: u8,
    time: i64,
}

impl NewMessage {
    fn of(message: &Message) -> Self {
        Self {
            bot: message.bot.0,
            session: message.session.clone(),
            turn: message.turn.map(Uuid::into_bytes),
            sender: sender_number(message.sender),
            time: record::millis(message.time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sender_and_outcome_is_read_back_from_its_number() {
        for sender in SENDERS {
            assert_eq!(SENDERS[usize::from(sender_number(sender))], sender);
        }
        for outcome in OUTCOMES {
            assert_eq!(OUTCOMES[usize::from(outcome_number(outcome))], outcome);
        }
    }
}
