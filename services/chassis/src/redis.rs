//! The connection to Redis: made without waiting, pooled, guarded, coming back by itself for ever. It
//! must not know which keys there are.

mod connecting;

use std::{future::Future, sync::Arc, time::Duration};

use fred::{
    clients::Pool,
    error::{Error, ErrorKind},
    interfaces::ClientLike as _,
    types::{
        Builder,
        config::{Config as ClientConfig, ReconnectPolicy, TcpConfig, UnresponsiveConfig},
    },
};
use serde::{Deserialize, Serialize};
use tokio_util::task::AbortOnDropHandle;

use self::connecting::{Trouble, stay_connected};
use crate::{
    config::{ConfigProblem, Problems, Secret, Validate},
    outbound::{Breaker, BreakerConfig, CallError, Outbound},
};

/// The key that problems with the address belong to.
const URL: &str = "redis.url";

/// Waits between two tries to connect, in milliseconds.
const SHORTEST_WAIT: u32 = 100;
const LONGEST_WAIT: u32 = 5_000;

/// Commands that may wait for one connection; more are refused.
const WAITING_COMMANDS: usize = 10_000;

/// Where Redis is and how long it may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RedisConfig {
    /// A `redis://` or `rediss://` address (or one with `-cluster` or `-sentinel`); empty for none.
    pub url: Secret,
    /// Connections that commands are spread over.
    pub pool: usize,
    /// Limit for a connection with its TLS handshake.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Limit for a command with everything before it.
    #[serde(with = "humantime_serde")]
    pub operation_timeout: Duration,
    /// When the server is left alone.
    pub breaker: BreakerConfig,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            pool: 4,
            connect_timeout: Duration::from_secs(2),
            operation_timeout: Duration::from_millis(500),
            breaker: BreakerConfig::default(),
        }
    }
}

impl Validate for RedisConfig {
    fn validate(&self, problems: &mut Problems) {
        if let (false, Err(problem)) = (self.url.is_empty(), read(&self.url)) {
            problems.push("url", problem);
        }
        problems.check(
            (1..=256).contains(&self.pool),
            "pool",
            "must be from 1 to 256",
        );
        problems.check(
            !self.connect_timeout.is_zero(),
            "connect_timeout",
            "must be longer than 0s",
        );
        problems.check(
            !self.operation_timeout.is_zero(),
            "operation_timeout",
            "must be longer than 0s",
        );
        self.breaker.validate(&mut problems.at("breaker"));
    }
}

/// A Redis server or cluster. Cloning is cheap; every clone shares connections and breaker. They close
/// with the last clone.
#[derive(Clone, Debug)]
pub struct Redis {
    /// The connections; commands on them go through [`run`](Self::run).
    pub pool: Pool,
    outbound: Outbound,
    trouble: Arc<Trouble>,
    _connections: Arc<AbortOnDropHandle<()>>,
}

impl Redis {
    /// Reads the settings and begins to connect, for ever and in the background: a server that is away
    /// delays nothing here. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// An address that cannot be read.
    pub fn connect(config: &RedisConfig) -> Result<Self, ConfigProblem> {
        let client = read(&config.url).map_err(|problem| ConfigProblem::new(URL, problem))?;
        let pool = pool(client, config).map_err(|error| {
            ConfigProblem::new(
                URL,
                format!("no connections can be made: {}", error.details()),
            )
        })?;
        let outbound = Outbound::new("redis", config.operation_timeout, &config.breaker);
        let trouble = Arc::new(Trouble::default());
        let connections = AbortOnDropHandle::new(tokio::spawn(stay_connected(
            pool.clients().to_vec(),
            Arc::clone(&trouble),
        )));
        Ok(Self {
            pool,
            outbound,
            trouble,
            _connections: Arc::new(connections),
        })
    }

    /// Makes a command within its limit and the breaker's permission. Answers of a server that works,
    /// such as a wrong type, do not count against it.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub fn run<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> impl Future<Output = Result<T, CallError<Error>>> {
        // The client's futures have tens of kilobytes: they must not lie in those of the callers.
        self.outbound.call(Box::pin(call), is_fault)
    }

    /// The breaker of its commands.
    pub fn breaker(&self) -> &Breaker {
        self.outbound.breaker()
    }

    /// Asks whether the server answers.
    ///
    /// # Errors
    ///
    /// See [`CallError`]. A command that waited for a connection in vain is told as what the connection
    /// failed with, such as a wrong password.
    pub async fn ping(&self) -> Result<(), CallError<Error>> {
        let answer = self.run(async { self.pool.ping::<()>(None).await }).await;
        answer.map_err(|error| match (error, self.trouble.now()) {
            (CallError::TimedOut(_) | CallError::Failed(_), Some(cause)) => {
                CallError::Failed(cause)
            }
            (error, _) => error,
        })
    }
}

/// The settings of an address. The client's own words may repeat parts of it, so they are not used.
fn read(url: &Secret) -> Result<ClientConfig, String> {
    ClientConfig::from_url(url.expose())
        .map_err(|_| "is no address of a Redis: write redis://host:6379, rediss:// for TLS, with user:password@ where needed".to_owned())
}

fn pool(client: ClientConfig, config: &RedisConfig) -> Result<Pool, Error> {
    let pool = Builder::from_config(ClientConfig {
        fail_fast: false,
        ..client
    })
    .with_connection_config(|connection| {
        connection.connection_timeout = config.connect_timeout;
        connection.internal_command_timeout = config.connect_timeout;
        // Who called has given up by the time a second try would be made.
        connection.max_command_attempts = 1;
        connection.max_command_buffer_len = WAITING_COMMANDS;
        connection.reconnect_on_auth_error = true;
        connection.tcp = TcpConfig {
            nodelay: Some(true),
            ..TcpConfig::default()
        };
        // A peer that vanished without a word is found by the commands it no longer answers.
        let silent = config
            .operation_timeout
            .saturating_mul(4)
            .max(Duration::from_secs(2));
        connection.unresponsive = UnresponsiveConfig {
            max_timeout: Some(silent),
            interval: silent / 4,
        };
    })
    .with_performance_config(|performance| {
        performance.default_command_timeout = config.operation_timeout
    })
    .set_policy(ReconnectPolicy::new_exponential(
        0,
        SHORTEST_WAIT,
        LONGEST_WAIT,
        2,
    ))
    .build_pool(config.pool.max(1))?;
    pool.prefer_connected(true);
    Ok(pool)
}

/// Whether the server, or the way to it, is at fault.
fn is_fault(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Auth
        | ErrorKind::Backpressure
        | ErrorKind::Canceled
        | ErrorKind::Cluster
        | ErrorKind::Config
        | ErrorKind::IO
        | ErrorKind::Protocol
        | ErrorKind::Routing
        | ErrorKind::Sentinel
        | ErrorKind::Timeout
        | ErrorKind::Tls => true,
        // Servers that come up, or lost their primary, answer with these words.
        ErrorKind::Unknown => [
            "LOADING",
            "READONLY",
            "MASTERDOWN",
            "CLUSTERDOWN",
            "TRYAGAIN",
        ]
        .iter()
        .any(|word| error.details().starts_with(word)),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
