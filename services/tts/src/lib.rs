//! The speech role: sentences to sound, in order, at the listener's pace.
//!
//! It exports its [`Config`], [`build`], and which [`engines`] there are.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::Semaphore;
use tonic::service::Routes;
use tracing::{info, warn};
use troika_chassis::{
    cache::{Cache, redis::RedisCache},
    deps::Deps,
    server::GrpcService,
};
use troika_evaluation::follow::Flags;
use troika_proto::tts::v1::{
    FILE_DESCRIPTOR_SET,
    tts_server::{SERVICE_NAME as TTS, TtsServer},
};
use troika_reporting::{Needs, Reporter, Situation};

pub mod allowance;
mod config;
pub mod engine;
pub mod format;
mod grpc;
mod ladder;
pub mod pcm;
pub mod quota;
pub mod recordings;
mod rules;
pub mod session;
pub mod voices;

pub use config::Config;
pub use rules::RULES;

use allowance::Allowances;
use engine::{
    Engine,
    espeak::Espeak,
    google::{Google, SetUpError},
};
use grpc::TtsService;
use ladder::Ladder;
use quota::{Quota, memory::MemoryQuota, redis::RedisQuota};
use recordings::Recordings;
use voices::EngineName;

/// Why the role cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Google's client cannot be made of what was configured.
    #[error("tts.google cannot be used")]
    Google(#[source] SetUpError),
    /// The flags role's address cannot be used.
    #[error("tts.flags.address cannot be called")]
    FlagsAddress(#[source] http::uri::InvalidUri),
    /// The metrics role's address cannot be used.
    #[error("tts.metrics.address cannot be called")]
    MetricsAddress(#[source] http::uri::InvalidUri),
}

/// The file in the data folder that keeps the flags as they were last.
const KEPT_FLAGS: &str = "flags.tts.json";

/// The engines that can speak with this configuration on this machine, in the order in which they are
/// asked. Runs espeak-ng once to see whether it is there.
pub async fn engines(config: &Config) -> Vec<EngineName> {
    let mut engines = Vec::new();
    if !config.google.credentials.is_empty() {
        engines.push(EngineName::Google);
    }
    if Espeak::find(&config.espeak).await.is_some() {
        engines.push(EngineName::Espeak);
    }
    engines
}

/// Assembles the role from its configuration and the process's connections. Waits for no server.
///
/// # Errors
/// When Google's credentials cannot be used.
pub async fn build(config: Config, deps: Deps) -> Result<GrpcService, BuildError> {
    let built = deps.readiness.condition("tts is built");

    let mut engines: HashMap<EngineName, Arc<dyn Engine>> = HashMap::new();
    if !config.google.credentials.is_empty() {
        let google = Google::new(&config.google).map_err(BuildError::Google)?;
        engines.insert(EngineName::Google, Arc::new(google));
    }
    if let Some(espeak) = Espeak::find(&config.espeak).await {
        engines.insert(EngineName::Espeak, Arc::new(espeak));
    }
    match engines.keys().map(|name| name.name()).collect::<Vec<_>>() {
        names if names.is_empty() => warn!(
            "nothing can speak: set GOOGLE_CLOUD_CREDENTIALS, or install espeak-ng; answers go on as text"
        ),
        names => info!(engines = names.join(", "), "speech is there"),
    }

    let shared = deps
        .redis
        .clone()
        .map(|redis| Arc::new(RedisCache::new(redis, "troika:tts:")) as Arc<dyn Cache>);
    let quota: Arc<dyn Quota> = match deps.redis.clone() {
        Some(redis) => Arc::new(RedisQuota::new(redis, &config.quota)),
        None => Arc::new(MemoryQuota::new(&config.quota)),
    };
    let ladder = Ladder::new(
        engines,
        Recordings::new(&config.cache, shared),
        quota,
        config.quota.chirp3_hd_streams,
        config.retry.clone(),
        &config.breaker,
    );
    let kept = deps.data_dir.join(KEPT_FLAGS);
    let flags = Flags::connect(&config.flags, kept).map_err(BuildError::FlagsAddress)?;
    let places = Arc::new(Semaphore::new(config.max_sessions));
    let (free, most) = (Arc::clone(&places), config.max_sessions);
    let situation = Situation::new("tts", Needs::watch([], ladder.breakers()), move || {
        most.saturating_sub(free.available_permits())
    });
    let reporter = Reporter::start(&config.metrics, situation, &deps.meters, deps.drain.clone())
        .map_err(BuildError::MetricsAddress)?;
    let service = TtsService {
        flags,
        reporter,
        allowances: Allowances::new(config.daily_characters, deps.redis.clone(), &deps.meters),
        ladder: Arc::new(ladder),
        places,
        drain: deps.drain.clone(),
        config,
    };
    let routes = Routes::new(TtsServer::new(service).max_decoding_message_size(deps.max_message));
    built.met();
    Ok(GrpcService {
        routes,
        service_names: vec![TTS],
        descriptors: vec![FILE_DESCRIPTOR_SET],
    })
}
