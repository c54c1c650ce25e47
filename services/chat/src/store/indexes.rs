//! The indexes that the services need in MongoDB: declared here, looked for and made from here. An index
//! counts by what it does, not by its name: existing databases have names of their own.
//!
//! The vector index `embedding_vectorIndex` is not among them: only servers with vector search can have
//! it, and search works without.

use std::time::Duration;

use bson::{Bson, Document, doc};
use mongodb::{
    IndexModel,
    error::{Error, ErrorKind},
    options::IndexOptions,
};
use troika_chassis::{mongo::Mongo, outbound::CallError};

use super::{StoreError, mongo::Refusal};

/// The server's code for a collection that does not exist.
const NAMESPACE_NOT_FOUND: i32 = 26;
/// How long the making of one index is waited for: the server reads the whole collection.
const BUILD_LIMIT: Duration = Duration::from_secs(600);

/// An index that should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclaredIndex {
    /// In which collection.
    pub collection: &'static str,
    /// Its fields in order; 1 ascending, -1 descending.
    pub keys: &'static [(&'static str, i32)],
    /// Whether no two documents may have the same keys.
    pub unique: bool,
    /// Only documents that have this field are in it.
    pub only_with: Option<&'static str>,
    /// Documents go this long after the time in the field.
    pub expires_after: Option<Duration>,
    /// What it is for.
    pub why: &'static str,
}

impl DeclaredIndex {
    const fn new(
        collection: &'static str,
        keys: &'static [(&'static str, i32)],
        why: &'static str,
    ) -> Self {
        Self {
            collection,
            keys,
            unique: false,
            only_with: None,
            expires_after: None,
            why,
        }
    }

    const fn unique(self) -> Self {
        Self {
            unique: true,
            ..self
        }
    }

    const fn only_with(self, field: &'static str) -> Self {
        Self {
            only_with: Some(field),
            ..self
        }
    }

    const fn expires_after(self, time: Duration) -> Self {
        Self {
            expires_after: Some(time),
            ..self
        }
    }

    /// The name it is made under: the one that any client of MongoDB would give it.
    pub fn name(&self) -> String {
        let parts: Vec<String> = self
            .keys
            .iter()
            .map(|(field, direction)| format!("{field}_{direction}"))
            .collect();
        parts.join("_")
    }

    fn model(&self) -> IndexModel {
        let keys: Document = self
            .keys
            .iter()
            .map(|(field, direction)| ((*field).to_owned(), Bson::Int32(*direction)))
            .collect();
        let options = IndexOptions::builder()
            .name(self.name())
            .unique(self.unique.then_some(true))
            .partial_filter_expression(
                self.only_with
                    .map(|field| doc! { field: { "$exists": true } }),
            )
            .expire_after(self.expires_after)
            .build();
        IndexModel::builder().keys(keys).options(options).build()
    }

    fn is(&self, found: &IndexModel) -> Fit {
        let same_keys = found.keys.len() == self.keys.len()
            && found.keys.iter().zip(self.keys).all(
                |((field, direction), (wanted, wanted_direction))| {
                    field == wanted && direction_of(direction) == Some(*wanted_direction)
                },
            );
        if !same_keys {
            return Fit::Other;
        }
        let options = found.options.clone().unwrap_or_default();
        if self.unique && options.unique != Some(true) {
            Fit::Lacks("it is there, but not unique: drop it first")
        } else if self.expires_after.is_some() && options.expire_after.is_none() {
            Fit::Lacks("it is there, but nothing expires by it: drop it first")
        } else if self.only_with.is_none() && options.partial_filter_expression.is_some() {
            Fit::Lacks("it is there, but leaves documents out: drop it first")
        } else {
            Fit::Does
        }
    }
}

/// Whether an index that exists does what is wanted.
enum Fit {
    Does,
    Lacks(&'static str),
    Other,
}

/// A direction that shells and drivers write as a number of any type.
fn direction_of(direction: &Bson) -> Option<i32> {
    match direction {
        Bson::Int32(direction) => Some(*direction),
        Bson::Int64(direction) => i32::try_from(*direction).ok(),
        Bson::Double(direction) if direction.fract() == 0.0 => Some(*direction as i32),
        _ => None,
    }
}

/// Every index the services need.
pub const DECLARED: [DeclaredIndex; 8] = [
    DeclaredIndex::new(
        "messages",
        &[("chatbot_id", 1), ("session_id", 1), ("timestamp", -1)],
        "the latest messages of a bot's session",
    ),
    DeclaredIndex::new(
        "messages",
        &[("session_id", 1), ("timestamp", -1)],
        "the latest messages of a session",
    ),
    DeclaredIndex::new(
        "messages",
        &[("turn_id", 1), ("sender", 1)],
        "one message of each sender in a turn",
    )
    .unique()
    .only_with("turn_id"),
    DeclaredIndex::new(
        "embeddingchunks",
        &[("chatbot_id", 1), ("hash", 1)],
        "no text twice in a bot's knowledge",
    )
    .unique(),
    DeclaredIndex::new(
        "clientconfigs",
        &[("chatbot_id", 1)],
        "one configuration for a bot",
    )
    .unique(),
    DeclaredIndex::new(
        "subscriptions",
        &[("chatbot_id", 1)],
        "until when a bot answers",
    ),
    DeclaredIndex::new(
        "quotasessions",
        &[("expires_at", 1)],
        "the count of a session's questions goes in its time",
    )
    .expires_after(Duration::ZERO),
    DeclaredIndex::new(
        "marketintelligences",
        &[("expiresAt", 1)],
        "market news that is out of date goes",
    )
    .expires_after(Duration::ZERO),
];

/// How a declared index stands in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexState {
    /// In which collection.
    pub collection: &'static str,
    /// Its name in the database, or the one it will be made under.
    pub name: String,
    /// Its fields in order; 1 ascending, -1 descending.
    pub keys: &'static [(&'static str, i32)],
    /// Whether no two documents may have the same keys.
    pub unique: bool,
    /// What it is for.
    pub why: &'static str,
    /// Whether it is there and does what it should.
    pub present: bool,
    /// Why it is not, where more can be said than that it is missing; and what to do.
    pub problem: Option<String>,
}

/// Looks for every declared index.
///
/// # Errors
///
/// [`StoreError::Unavailable`] when the server does not answer within the connection's time limit.
pub async fn inspect(mongo: &Mongo) -> Result<Vec<IndexState>, StoreError> {
    let mut states = Vec::with_capacity(DECLARED.len());
    for declared in &DECLARED {
        states.push(inspect_one(mongo, declared).await?);
    }
    Ok(states)
}

/// Makes every declared index that is missing, and says how they stand then. One that could not be made
/// carries the reason.
///
/// # Errors
///
/// [`StoreError::Unavailable`] when the server cannot be asked which indexes there are.
pub async fn create(mongo: &Mongo) -> Result<Vec<IndexState>, StoreError> {
    let mut states = Vec::with_capacity(DECLARED.len());
    for declared in &DECLARED {
        let mut state = inspect_one(mongo, declared).await?;
        if !state.present && state.problem.is_none() {
            let collection = mongo.db.collection::<Document>(declared.collection);
            let call = async { collection.create_index(declared.model()).await };
            let made = mongo.run_within(BUILD_LIMIT, call).await;
            match made {
                Ok(_) => state = inspect_one(mongo, declared).await?,
                Err(error) => state.problem = Some(reason(error)),
            }
        }
        states.push(state);
    }
    Ok(states)
}

async fn inspect_one(mongo: &Mongo, declared: &DeclaredIndex) -> Result<IndexState, StoreError> {
    let mut state = IndexState {
        collection: declared.collection,
        name: declared.name(),
        keys: declared.keys,
        unique: declared.unique,
        why: declared.why,
        present: false,
        problem: None,
    };
    for found in existing(mongo, declared.collection).await? {
        match declared.is(&found) {
            Fit::Other => {}
            Fit::Lacks(problem) => state.problem = Some(problem.to_owned()),
            Fit::Does => {
                state.name = found
                    .options
                    .and_then(|options| options.name)
                    .unwrap_or(state.name);
                state.present = true;
                state.problem = None;
                break;
            }
        }
    }
    Ok(state)
}

async fn existing(mongo: &Mongo, collection: &str) -> Result<Vec<IndexModel>, StoreError> {
    let collection = mongo.db.collection::<Document>(collection);
    let listing = async {
        let mut cursor = collection.list_indexes().await?;
        let mut found = Vec::new();
        while cursor.advance().await? {
            found.push(cursor.deserialize_current()?);
        }
        Ok(found)
    };
    match mongo.run(listing).await {
        Ok(found) => Ok(found),
        Err(CallError::Failed(error)) if is_missing_collection(&error) => Ok(Vec::new()),
        Err(error) => Err(StoreError::unavailable(Refusal::from(error))),
    }
}

fn is_missing_collection(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(command) if command.code == NAMESPACE_NOT_FOUND)
}

/// Why an index could not be made, and what to do.
fn reason(error: CallError<Error>) -> String {
    match Refusal::from(error) {
        Refusal::Refused { code: 11_000, .. } => {
            "documents with the same keys are there already: remove all but one of each, then try again".to_owned()
        }
        Refusal::TimedOut(limit) => {
            format!("it was not ready within {limit:?}; the server goes on making it: look again in a while")
        }
        refusal => refusal.to_string(),
    }
}
