//! The whole configuration: every role's section and what the process adds to them, merged from the
//! defaults, a file and the environment. It knows which settings stand beside each other; what they do
//! is known where they are used.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use troika_chassis::{
    config::{self as loading, ConfigErrors, Problems, Sources, Validate},
    lifecycle::DrainConfig,
    mongo::MongoConfig,
    redis::RedisConfig,
    server::ServerConfig,
    telemetry::{LogConfig, OtlpConfig},
    tls::TlsConfig,
};

pub(crate) use aliases::ALIASES;

mod aliases;
pub(crate) mod rules;

/// Read from the working folder when no file is named.
const DEFAULT_FILE: &str = "troika.toml";

/// Where this process runs, as far as defaults depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Environment {
    /// A developer's machine: nothing needs to be configured.
    #[default]
    #[serde(alias = "dev", alias = "test")]
    Development,
    /// Others depend on it: JSON logs, a pause before draining, secrets must be there.
    #[serde(alias = "prod", alias = "staging")]
    Production,
}

/// Everything that can be configured.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    /// Where this process runs.
    pub(crate) environment: Environment,
    /// The folder for everything that is kept on this machine.
    pub(crate) data_dir: PathBuf,
    /// The log on standard error.
    pub(crate) log: LogConfig,
    /// Traces and OpenTelemetry's metrics.
    pub(crate) otlp: OtlpConfig,
    /// The port of those who run this process.
    pub(crate) admin: Admin,
    /// Going away.
    pub(crate) drain: Drain,
    /// Serving gRPC.
    pub(crate) grpc: ServerConfig,
    /// TLS between processes.
    pub(crate) tls: TlsConfig,
    /// The document store.
    pub(crate) mongodb: MongoConfig,
    /// The cache server.
    pub(crate) redis: RedisConfig,
    /// What opens doors.
    pub(crate) auth: troika_identity::Config,
    /// The metrics role.
    pub(crate) metrics: troika_metrics::Config,
    /// The flags role.
    pub(crate) flags: troika_flags::Config,
    /// The speech role.
    pub(crate) tts: troika_tts::Config,
    /// The chat role.
    pub(crate) chat: troika_chat::Config,
    /// The gateway role.
    pub(crate) gateway: troika_gateway::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            environment: Environment::default(),
            data_dir: PathBuf::from("data"),
            log: LogConfig::default(),
            otlp: OtlpConfig::default(),
            admin: Admin::default(),
            drain: Drain::default(),
            grpc: ServerConfig::default(),
            tls: TlsConfig::default(),
            mongodb: MongoConfig::default(),
            redis: RedisConfig::default(),
            auth: troika_identity::Config::default(),
            metrics: troika_metrics::Config::default(),
            flags: troika_flags::Config::default(),
            tts: troika_tts::Config::default(),
            chat: troika_chat::Config::default(),
            gateway: troika_gateway::Config::default(),
        }
    }
}

/// Where a process shows its figures, and whether it lives and is ready.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Admin {
    /// The address. Absent: the port of the process's role and 100, on the same host; of all roles in one process,
    /// the gateway's.
    pub(crate) listen: Option<SocketAddr>,
}

/// How long going away takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Drain {
    /// From "not ready" to refusing new work, so that load balancers notice. Absent: nothing on a
    /// developer's machine, five seconds in production.
    #[serde(with = "humantime_serde")]
    pub(crate) delay: Option<Duration>,
    /// For answers that are being written, counted from the refusal.
    #[serde(with = "humantime_serde")]
    pub(crate) deadline: Duration,
    /// For saying goodbye to them after that.
    #[serde(with = "humantime_serde")]
    pub(crate) force: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        let DrainConfig {
            deadline, force, ..
        } = DrainConfig::default();
        Self {
            delay: None,
            deadline,
            force,
        }
    }
}

/// The file to read, the environment, and the names that operators know.
pub(crate) fn sources(file: Option<PathBuf>) -> Sources {
    let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists());
    Sources {
        file: file.or_else(default),
        env: loading::environment(),
        aliases: ALIASES,
    }
}

impl Config {
    /// Merges the sources, checks the result, and fills in what one section says about another.
    ///
    /// # Errors
    /// Every problem there is, together.
    pub(crate) fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut config: Self = loading::load(sources)?;
        rules::fill_in(&mut config);
        Ok(config)
    }

    /// Whether gRPC calls without a credential are refused.
    pub(crate) fn requires_credentials(&self) -> bool {
        self.auth
            .require_credentials
            .unwrap_or_else(|| self.in_production())
    }

    /// Whether others depend on this process.
    pub(crate) fn in_production(&self) -> bool {
        self.environment == Environment::Production
    }

    /// The phases of going away.
    pub(crate) fn drain(&self) -> DrainConfig {
        DrainConfig {
            delay: self.drain.delay.unwrap_or_default(),
            deadline: self.drain.deadline,
            force: self.drain.force,
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        self.log.validate(&mut problems.at("log"));
        self.otlp.validate(&mut problems.at("otlp"));
        self.grpc.validate(&mut problems.at("grpc"));
        self.tls.validate(&mut problems.at("tls"));
        self.mongodb.validate(&mut problems.at("mongodb"));
        self.redis.validate(&mut problems.at("redis"));
        self.auth.validate(&mut problems.at("auth"));
        self.metrics.validate(&mut problems.at("metrics"));
        self.flags.validate(&mut problems.at("flags"));
        self.tts.validate(&mut problems.at("tts"));
        self.chat.validate(&mut problems.at("chat"));
        self.gateway.validate(&mut problems.at("gateway"));
        rules::check(self, problems);
    }
}

/// The names of the environment that set something, in the order of the alphabet.
pub(crate) fn names_in_force(env: &BTreeMap<String, String>) -> Vec<&str> {
    env.iter()
        .filter(|(name, value)| {
            let known = ALIASES.iter().any(|alias| alias.name == name.as_str());
            (known || (name.starts_with("TROIKA_") && name.contains("__")))
                && !value.trim().is_empty()
        })
        .map(|(name, _)| name.as_str())
        .collect()
}

#[cfg(test)]
mod tests;
