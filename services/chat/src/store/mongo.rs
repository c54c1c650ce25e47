//! MongoDB as the store: collections of an existing database are read as they are, and written so that
//! its other users keep what is theirs. This file holds the connection to the driver: which collections,
//! how durable, which failures; what the documents look like is told by the files beside it.

mod bots;
mod documents;
mod knowledge;
mod messages;
mod owners;
mod quotas;

use mongodb::{
    Collection, Cursor,
    error::{Error, ErrorKind, WriteFailure},
};
use troika_chassis::{mongo::Mongo, outbound::CallError};

use super::StoreError;

/// The server's code for a key that a unique index holds already.
const DUPLICATE_KEY: i32 = 11_000;
/// Documents taken from a cursor under one time limit.
const DOCUMENTS_AT_ONCE: usize = 256;

/// Bots, messages and knowledge in a MongoDB database. Clones share the connection.
///
/// Every call of the server goes through the connection's breaker and time limit. Writes are
/// acknowledged by a majority of the replica set, from its journals. Dropping a call abandons it; a
/// write on its way may still land. Times are kept to the millisecond.
#[derive(Clone, Debug)]
pub struct MongoStore {
    mongo: Mongo,
}

impl MongoStore {
    /// A store over a connection; asks nothing of the server yet.
    pub fn new(mongo: Mongo) -> Self {
        Self { mongo }
    }

    fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        self.mongo.durable(name)
    }

    /// Carries out one call of the server.
    async fn run<T>(
        &self,
        call: impl Future<Output = mongodb::error::Result<T>>,
    ) -> Result<T, CallError<Error>> {
        self.mongo.run(call).await
    }

    /// Reads everything a cursor has, every batch under a time limit of its own.
    async fn drain<T, U>(
        &self,
        cursor: &mut Cursor<T>,
        mut read: impl FnMut(&bson::RawDocument) -> U,
    ) -> Result<Vec<U>, StoreError> {
        let mut found = Vec::new();
        loop {
            let more = self
                .run(async {
                    for _ in 0..DOCUMENTS_AT_ONCE {
                        if !cursor.advance().await? {
                            return Ok(false);
                        }
                        found.push(read(cursor.current()));
                    }
                    Ok(true)
                })
                .await
                .map_err(unavailable)?;
            if !more {
                return Ok(found);
            }
        }
    }
}

/// Why the server did not do it; free of what the documents hold, unlike the driver's own words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("MongoDB failed too often and is left alone for a while")]
    LeftAlone,
    #[error("MongoDB did not answer within {0:?}")]
    TimedOut(std::time::Duration),
    #[error("MongoDB refused with error {code} ({name})")]
    Refused { code: i32, name: String },
    #[error("MongoDB could not be reached or understood: {0}")]
    Driver(String),
}

impl From<CallError<Error>> for Refusal {
    fn from(error: CallError<Error>) -> Self {
        match error {
            CallError::Open { .. } => Self::LeftAlone,
            CallError::TimedOut(limit) => Self::TimedOut(limit),
            CallError::Failed(error) => Self::from(&error),
        }
    }
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        let refused = |code: i32, name: Option<&str>| Self::Refused {
            code,
            name: name.unwrap_or("no name given").to_owned(),
        };
        match error.kind.as_ref() {
            ErrorKind::Command(command) => refused(command.code, Some(&command.code_name)),
            ErrorKind::Write(WriteFailure::WriteError(write)) => {
                refused(write.code, write.code_name.as_deref())
            }
            ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => {
                refused(concern.code, Some(&concern.code_name))
            }
            ErrorKind::InsertMany(many) => match (&many.write_errors, &many.write_concern_error) {
                (Some(writes), _) if !writes.is_empty() => {
                    refused(writes[0].code, writes[0].code_name.as_deref())
                }
                (_, Some(concern)) => refused(concern.code, Some(&concern.code_name)),
                _ => refused(0, None),
            },
            _ => Self::Driver(error.to_string()),
        }
    }
}

/// A failed call, for callers who can only try later.
pub(super) fn unavailable(error: CallError<Error>) -> StoreError {
    StoreError::unavailable(Refusal::from(error))
}

/// Whether a unique index refused a single write.
fn is_duplicate(error: &CallError<Error>) -> bool {
    let CallError::Failed(error) = error else {
        return false;
    };
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(write)) => write.code == DUPLICATE_KEY,
        ErrorKind::Command(command) => command.code == DUPLICATE_KEY,
        _ => false,
    }
}
