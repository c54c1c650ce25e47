//! The connection to MongoDB: made without waiting, guarded, coming back by itself. It must not know
//! which collections there are.

use std::{
    fmt,
    future::Future,
    time::{Duration, SystemTime},
};

use mongodb::{
    Client, Collection, Database,
    bson::{DateTime, Document, doc},
    error::{Error, ErrorKind, WriteFailure},
    options::{Acknowledgment, ClientOptions, CollectionOptions, ConnectionString, WriteConcern},
};
use serde::{Deserialize, Serialize};

use crate::{
    config::{ConfigProblem, Problems, Secret, Validate},
    outbound::{Breaker, BreakerConfig, CallError, Outbound},
};

/// Who does what only one process at a time may do.
const LEASES: &str = "leases";

/// The server's code for a key that a unique index holds already.
const DUPLICATE_KEY: i32 = 11_000;

/// The key that problems with the address belong to.
const URI: &str = "mongodb.uri";

/// The database where neither the settings nor the address name one.
const DATABASE: &str = "troika";

/// How long looking up a `mongodb+srv` address may take. No other address is looked up beforehand.
const LOOKUP: Duration = Duration::from_secs(10);

/// What a server answers while it is no primary, is shutting down, or is not reached by a router.
const AWAY: [i32; 12] = [
    6, 7, 50, 89, 91, 189, 9001, 10107, 11600, 11602, 13435, 13436,
];

/// Where MongoDB is and how long it may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MongoConfig {
    /// A `mongodb://` or `mongodb+srv://` address; empty for none. What it says of pools and times
    /// comes before the settings here.
    pub uri: Secret,
    /// The database, else the one of the address, else `troika`.
    pub database: Option<String>,
    /// Most connections to each server.
    pub max_pool: u32,
    /// Connections to each server that are kept open.
    pub min_pool: u32,
    /// Limit for a connection with its TLS handshake.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Limit for finding a server that can take an operation.
    #[serde(with = "humantime_serde")]
    pub server_selection_timeout: Duration,
    /// Limit for an operation with everything before it.
    #[serde(with = "humantime_serde")]
    pub operation_timeout: Duration,
    /// When the server is left alone.
    pub breaker: BreakerConfig,
}

impl Default for MongoConfig {
    fn default() -> Self {
        Self {
            uri: Secret::default(),
            database: None,
            max_pool: 50,
            min_pool: 0,
            connect_timeout: Duration::from_secs(2),
            server_selection_timeout: Duration::from_secs(2),
            operation_timeout: Duration::from_secs(5),
            breaker: BreakerConfig::default(),
        }
    }
}

impl Validate for MongoConfig {
    fn validate(&self, problems: &mut Problems) {
        if let (false, Err(error)) = (
            self.uri.is_empty(),
            ConnectionString::parse(self.uri.expose()),
        ) {
            problems.push("uri", unusable(&error, &self.uri));
        }
        let named = self.database.as_ref().is_none_or(|name| !name.is_empty());
        problems.check(named, "database", "must not be empty");
        problems.check(self.max_pool > 0, "max_pool", "must be at least 1");
        problems.check(
            self.min_pool <= self.max_pool,
            "min_pool",
            "must not be more than max_pool",
        );
        for (key, value) in [
            ("connect_timeout", self.connect_timeout),
            ("server_selection_timeout", self.server_selection_timeout),
            ("operation_timeout", self.operation_timeout),
        ] {
            problems.check(!value.is_zero(), key, "must be longer than 0s");
        }
        self.breaker.validate(&mut problems.at("breaker"));
    }
}

/// A MongoDB database. Cloning is cheap; every clone shares connections and breaker.
#[derive(Clone)]
pub struct Mongo {
    /// The database; operations on it go through [`run`](Self::run).
    pub db: Database,
    outbound: Outbound,
}

impl fmt::Debug for Mongo {
    // The driver's own shows the address, and a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mongo").finish_non_exhaustive()
    }
}

impl Mongo {
    /// Reads the settings and begins to connect, for ever and in the background: a server that is away
    /// delays nothing here. Only an address with `mongodb+srv` is looked up first, for at most 10 s.
    ///
    /// # Errors
    ///
    /// An address that cannot be read, or a `mongodb+srv` one that cannot be looked up.
    pub async fn connect(config: &MongoConfig) -> Result<Self, ConfigProblem> {
        let wrong = |error: Error| ConfigProblem::new(URI, unusable(&error, &config.uri));
        let address = ConnectionString::parse(config.uri.expose()).map_err(wrong)?;
        let late = |_| {
            ConfigProblem::new(
                URI,
                format!("its servers could not be looked up within {LOOKUP:?}"),
            )
        };
        let parsing = async { ClientOptions::parse(address).await };
        let mut options = tokio::time::timeout(LOOKUP, parsing)
            .await
            .map_err(late)?
            .map_err(wrong)?;
        options.app_name.get_or_insert_with(|| "troika".to_owned());
        options.max_pool_size.get_or_insert(config.max_pool);
        options.min_pool_size.get_or_insert(config.min_pool);
        options
            .connect_timeout
            .get_or_insert(config.connect_timeout);
        options
            .server_selection_timeout
            .get_or_insert(config.server_selection_timeout);
        let named = config
            .database
            .clone()
            .or_else(|| options.default_database.clone());
        let client = Client::with_options(options).map_err(wrong)?;
        let db = client.database(named.as_deref().unwrap_or(DATABASE));
        Ok(Self {
            db,
            outbound: Outbound::new("mongodb", config.operation_timeout, &config.breaker),
        })
    }

    /// A collection whose writes are acknowledged by a majority of the replica set, from its journals.
    pub fn durable<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        let acknowledged = WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .build();
        let options = CollectionOptions::builder()
            .write_concern(acknowledged)
            .build();
        self.db.collection_with_options(name, options)
    }

    /// Makes an operation within its limit and the breaker's permission. Answers of a server that
    /// works, such as a duplicate key, do not count against it.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub fn run<T>(
        &self,
        call: impl Future<Output = mongodb::error::Result<T>>,
    ) -> impl Future<Output = Result<T, CallError<Error>>> {
        // The driver's futures are large: they must not lie in those of the callers.
        self.outbound.call(Box::pin(call), is_fault)
    }

    /// As [`run`](Self::run), for an operation that may take longer.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub fn run_within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = mongodb::error::Result<T>>,
    ) -> impl Future<Output = Result<T, CallError<Error>>> {
        self.outbound.call_within(limit, Box::pin(call), is_fault)
    }

    /// The breaker of its calls.
    pub fn breaker(&self) -> &Breaker {
        self.outbound.breaker()
    }

    /// Takes or renews a lease in the collection `leases`, for a time; `false` while another holds it. Two may hold it for
    /// a moment when clocks differ.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub async fn lease(
        &self,
        name: &str,
        holder: &str,
        time: Duration,
    ) -> Result<bool, CallError<Error>> {
        let now = SystemTime::now();
        let until = DateTime::from_system_time(now + time);
        let now = DateTime::from_system_time(now);
        let leases = self.db.collection::<Document>(LEASES);
        let free = doc! {
            "_id": name,
            "$or": [{ "holder": holder }, { "until": { "$lt": now } }],
        };
        let taken = doc! { "$set": { "holder": holder, "until": until } };
        let updated = self
            .run(async { leases.update_one(free, taken).await })
            .await?;
        if updated.matched_count > 0 {
            return Ok(true);
        }
        // Nobody had it ever, or somebody has it: the identity tells which.
        let first = doc! { "_id": name, "holder": holder, "until": until };
        match self.run(async { leases.insert_one(first).await }).await {
            Ok(_) => Ok(true),
            Err(CallError::Failed(error)) if is_duplicate(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives a lease back.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub async fn release(&self, name: &str, holder: &str) -> Result<(), CallError<Error>> {
        let leases = self.db.collection::<Document>(LEASES);
        let own = doc! { "_id": name, "holder": holder };
        self.run(async { leases.delete_one(own).await.map(drop) })
            .await
    }

    /// Asks whether the server answers.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub async fn ping(&self) -> Result<(), CallError<Error>> {
        self.run(async { self.db.run_command(doc! { "ping": 1 }).await.map(drop) })
            .await
    }
}

/// Whether a write was refused because a unique index holds the key already.
pub fn is_duplicate(error: &Error) -> bool {
    matches!(
        &*error.kind,
        ErrorKind::Write(WriteFailure::WriteError(write)) if write.code == DUPLICATE_KEY
    )
}

/// What went wrong with a call, in the driver's words without what the documents hold.
pub fn words(error: &CallError<Error>) -> String {
    match error {
        CallError::Open { .. } => {
            "MongoDB failed too often and is left alone for a while".to_owned()
        }
        CallError::TimedOut(limit) => format!("MongoDB did not answer within {limit:?}"),
        CallError::Failed(error) => match &*error.kind {
            ErrorKind::Write(WriteFailure::WriteError(write)) => {
                format!("MongoDB refused with error {}", write.code)
            }
            kind => format!("MongoDB could not do it: {kind}"),
        },
    }
}

/// Whether the server, or the way to it, is at fault.
fn is_fault(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Io(_)
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::Authentication { .. }
        | ErrorKind::DnsResolve { .. }
        | ErrorKind::InvalidTlsConfig { .. }
        | ErrorKind::Shutdown => true,
        ErrorKind::Command(command) => AWAY.contains(&command.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => AWAY.contains(&concern.code),
        _ => false,
    }
}

/// What the driver says of an address, unless it repeats user or password.
fn unusable(error: &Error, uri: &Secret) -> String {
    let said = error.kind.to_string();
    let user = uri
        .expose()
        .split_once("://")
        .and_then(|(_, rest)| rest.rsplit_once('@'))
        .map(|(user, _)| user);
    let shows = user.is_some_and(|user| {
        user.split(':')
            .any(|part| !part.is_empty() && said.contains(part))
    });
    if shows {
        "is no address of a MongoDB: percent-encode its user and password".to_owned()
    } else {
        said
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn config(uri: &str) -> MongoConfig {
        MongoConfig {
            uri: uri.into(),
            ..MongoConfig::default()
        }
    }

    #[tokio::test]
    async fn a_server_that_is_away_does_not_delay_the_start_and_calls_fail_in_time() {
        let mut config = config("mongodb://127.0.0.1:1");
        config.server_selection_timeout = Duration::from_millis(200);
        config.breaker.failures = 2;
        let began = Instant::now();
        let mongo = Mongo::connect(&config).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1));
        assert_eq!(mongo.db.name(), "troika");
        for _ in 0..2 {
            assert!(matches!(mongo.ping().await, Err(CallError::Failed(_))));
        }
        assert!(matches!(mongo.ping().await, Err(CallError::Open { .. })));
        assert!(began.elapsed() < config.operation_timeout);
    }

    #[tokio::test]
    async fn a_server_that_hangs_is_given_up_in_time() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = config(&format!(
            "mongodb://{}/shop",
            listener.local_addr().unwrap()
        ));
        config.operation_timeout = Duration::from_millis(200);
        let mongo = Mongo::connect(&config).await.unwrap();
        assert_eq!(mongo.db.name(), "shop");
        assert!(matches!(mongo.ping().await, Err(CallError::TimedOut(_))));
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_read_is_told_without_its_secret() {
        for uri in [
            "mongodb://me:hunter2:x@host",
            "postgres://me:hunter2@host",
            "mongodb://me:hunter2@host:port",
        ] {
            let problem = Mongo::connect(&config(uri)).await.unwrap_err().to_string();
            assert!(
                problem.starts_with("mongodb.uri: ") && !problem.contains("hunter2"),
                "{problem}"
            );
            assert!(!Problems::of(&config(uri)).is_empty());
        }
        assert!(Problems::of(&MongoConfig::default()).is_empty());
    }
}
