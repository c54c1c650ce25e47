//! Messages in the collection `messages`. A message of a turn gets an `_id` made from the turn and the
//! sender, and ids are unique in every collection: so a repeated write changes nothing, whether or not
//! the unique index on turn and sender was made.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::SystemTime,
};

use async_trait::async_trait;
use bson::{Document, RawDocument, RawDocumentBuf, doc, oid::ObjectId};
use mongodb::error::{Error, ErrorKind};
use sha2::{Digest, Sha256};
use troika_chassis::outbound::CallError;
use uuid::Uuid;

use super::{
    DUPLICATE_KEY, MongoStore,
    documents::{Fields, date, object_id, text_or_null},
    unavailable,
};
use crate::{
    bots::BotId,
    history::{Message, MessageStore, Outcome, Sender, Visitor},
    store::StoreError,
};

const MESSAGES: &str = "messages";

const OUTCOMES: [Outcome; 5] = [
    Outcome::Complete,
    Outcome::Truncated,
    Outcome::Stopped,
    Outcome::Cancelled,
    Outcome::Failed,
];

fn sender_word(sender: Sender) -> &'static str {
    match sender {
        Sender::User => "user",
        Sender::Bot => "bot",
    }
}

/// The id of a turn's message. Like any ObjectId it begins with the seconds since 1970, where the turn's
/// own id tells them.
fn message_id(turn: Uuid, sender: Sender) -> ObjectId {
    let digest = Sha256::new()
        .chain_update(turn)
        .chain_update(sender_word(sender))
        .finalize();
    let mut bytes = [0; 12];
    bytes.copy_from_slice(&digest[..12]);
    if let Some(made) = turn.get_timestamp() {
        let (seconds, _) = made.to_unix();
        bytes[..4].copy_from_slice(&u32::try_from(seconds).unwrap_or(u32::MAX).to_be_bytes());
    }
    ObjectId::from_bytes(bytes)
}

/// A number above all that this process gave before, and about microseconds since 1970, so that those of
/// several processes follow each other too. It tells messages of one time apart.
fn next_insertion() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_micros()).unwrap_or(i64::MAX - 1)
        });
    let next = |last: i64| now.max(last.saturating_add(1));
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
        Some(next(last))
    });
    next(last.unwrap_or_else(|last| last))
}

fn write(message: &Message) -> Document {
    let visitor = &message.visitor;
    let mut document = doc! {
        "_id": message.turn.map_or_else(ObjectId::new, |turn| message_id(turn, message.sender)),
        "chatbot_id": object_id(message.bot),
        "session_id": &message.session,
        "email": text_or_null(visitor.email.as_deref()),
        "phone": text_or_null(visitor.phone.as_deref()),
        "name": text_or_null(visitor.name.as_deref()),
        "is_guest": visitor.email.is_none() && visitor.phone.is_none(),
        "sender": sender_word(message.sender),
        "content": &message.content,
        "timestamp": date(message.time),
        "insertion": next_insertion(),
    };
    if let Some(turn) = message.turn {
        document.insert("turn_id", turn.to_string());
    }
    if let Some(tokens) = message.tokens {
        document.insert("token_count", i64::from(tokens));
    }
    if let Some(outcome) = message.outcome {
        document.insert("outcome", outcome.as_str());
    }
    document
}

fn read(bot: BotId, session: &str, message: &RawDocument) -> Message {
    let sender = message.text("sender").unwrap_or_default();
    let outcome = message.text("outcome");
    Message {
        bot,
        session: session.to_owned(),
        turn: message.text("turn_id").and_then(|turn| turn.parse().ok()),
        // Whoever did not ask, answered: people of the company wrote into old conversations too.
        sender: if sender.eq_ignore_ascii_case("user") {
            Sender::User
        } else {
            Sender::Bot
        },
        content: message.text("content").unwrap_or_default(),
        time: message
            .time("timestamp")
            .or_else(|| message.made_at())
            .unwrap_or(SystemTime::UNIX_EPOCH),
        tokens: message.small("token_count"),
        outcome: OUTCOMES
            .into_iter()
            .find(|known| outcome.as_deref() == Some(known.as_str())),
        visitor: Visitor {
            email: message.filled_text("email"),
            phone: message.filled_text("phone"),
            name: message.filled_text("name"),
        },
    }
}

/// Which of the documents a unique index refused, when that is all that stopped an ordered insert.
fn refused_as_duplicate(error: &CallError<Error>) -> Option<usize> {
    let CallError::Failed(error) = error else {
        return None;
    };
    let ErrorKind::InsertMany(many) = error.kind.as_ref() else {
        return None;
    };
    match many.write_errors.as_deref() {
        Some([refused]) if refused.code == DUPLICATE_KEY && many.write_concern_error.is_none() => {
            Some(refused.index)
        }
        _ => None,
    }
}

impl MongoStore {
    /// Whether the message of this turn and sender is there, under whatever id.
    async fn holds(&self, message: &Document) -> Result<bool, StoreError> {
        let (Some(turn), Some(sender), Some(id)) = (
            message.get("turn_id"),
            message.get("sender"),
            message.get("_id"),
        ) else {
            return Ok(false);
        };
        // By id first, which is always indexed; the turn only where its own index must have refused.
        let same = doc! { "turn_id": turn, "sender": sender };
        let mut by_id = same.clone();
        by_id.insert("_id", id);
        let messages = self.collection::<RawDocumentBuf>(MESSAGES);
        for filter in [by_id, same] {
            let call = messages.find_one(filter).projection(doc! { "_id": 1 });
            if self
                .run(async { call.await })
                .await
                .map_err(unavailable)?
                .is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[async_trait]
impl MessageStore for MongoStore {
    async fn append(&self, messages: &[Message]) -> Result<(), StoreError> {
        let documents: Vec<Document> = messages.iter().map(write).collect();
        let collection = self.collection::<Document>(MESSAGES);
        let mut rest = documents.as_slice();
        while !rest.is_empty() {
            let Err(error) = self
                .run(async { collection.insert_many(rest).ordered(true).await })
                .await
            else {
                break;
            };
            let refused = refused_as_duplicate(&error).filter(|index| *index < rest.len());
            let Some(index) = refused else {
                return Err(unavailable(error));
            };
            // An ordered insert ends at its first refusal. What is there already is a success.
            if !self.holds(&rest[index]).await? {
                return Err(unavailable(error));
            }
            rest = &rest[index + 1..];
        }
        Ok(())
    }

    async fn recent(
        &self,
        bot: BotId,
        session: &str,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new()); // which the server would take for no limit
        }
        let messages = self.collection::<RawDocumentBuf>(MESSAGES);
        let call = messages
            .find(doc! { "chatbot_id": object_id(bot), "session_id": session })
            .sort(doc! { "timestamp": -1, "insertion": -1, "_id": -1 })
            .limit(i64::try_from(limit).unwrap_or(i64::MAX));
        let mut cursor = self.run(async { call.await }).await.map_err(unavailable)?;
        let mut newest_first = self
            .drain(&mut cursor, |message| read(bot, session, message))
            .await?;
        newest_first.reverse();
        Ok(newest_first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turns_two_messages_have_ids_of_their_own_that_never_change() {
        let turn = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001);
        let ids = [Sender::User, Sender::Bot].map(|sender| message_id(turn, sender));
        assert_eq!(
            ids,
            [Sender::User, Sender::Bot].map(|sender| message_id(turn, sender))
        );
        assert_ne!(ids[0], ids[1]);
        let (seconds, _) = turn.get_timestamp().unwrap().to_unix();
        for id in ids {
            assert_eq!(
                id.timestamp().timestamp_millis(),
                i64::try_from(seconds).unwrap() * 1_000
            );
        }
    }

    #[test]
    fn insertion_numbers_only_grow() {
        let numbers: Vec<i64> = (0..10_000).map(|_| next_insertion()).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next));
    }
}
