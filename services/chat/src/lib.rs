//! The chat role: one conversation turn from question to last event, and the bots with what they know.
//!
//! It exports its [`Config`], [`build`], and what the command line needs to look after the stores.

use std::sync::Arc;

use tonic::service::Routes;
use tracing::warn;
use troika_audit::{
    AuditLog, Readers,
    store::{Store as AuditStore, mongo::MongoStore as AuditCollection},
};
use troika_chassis::{
    cache::{Cache, memory::MemoryCache, redis::RedisCache},
    deps::Deps,
    server::GrpcService,
};
use troika_evaluation::follow::Flags;
use troika_proto::{
    audit::v1::{FILE_DESCRIPTOR_SET as AUDIT_DESCRIPTOR_SET, audit_server::SERVICE_NAME as AUDIT},
    chat::v1::{
        FILE_DESCRIPTOR_SET,
        chat_stream_server::{ChatStreamServer, SERVICE_NAME as CHAT_STREAM},
        chatbots_server::{ChatbotsServer, SERVICE_NAME as CHATBOTS},
    },
};
use troika_reporting::{Need, Needs, Reporter, Situation};

pub mod allowance;
mod answer_limit;
pub mod bots;
mod config;
pub mod demo;
pub mod embedder;
mod grpc;
pub mod history;
pub mod knowledge;
pub mod language;
pub mod meters;
pub mod model;
pub mod peers;
mod prompt;
mod question;
pub mod quota;
mod rules;
pub mod store;
mod tags;
mod text;
pub mod turn;
mod usage;

pub use config::Config;
pub use rules::RULES;

use allowance::Allowances;
use bots::{BotStore, cached::CachedBots};
use embedder::Embedder;
use grpc::{chat_stream::ChatStreamService, chatbots::ChatbotsService};
use history::{
    MessageStore,
    owners::{OwnerStore, Owners},
    writer::Writer,
};
use knowledge::{KnowledgeStore, importer::Importer, retriever::Retriever};
use model::Ladder;
use peers::tts::Tts;
use quota::{QuotaStore, Quotas, estimate::Room};
use store::{embedded::Embedded, mongo::MongoStore};
use turn::Turns;

/// OpenAI's own address, used when a key is configured and no address.
pub const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";

/// The embedded store's file in the data folder.
pub const EMBEDDED_FILE: &str = "chat.redb";

/// The name of the role's audit log.
const AUDIT_LOG: &str = "chat";

/// The file in the data folder that keeps the flags as they were last.
const KEPT_FLAGS: &str = "flags.chat.json";

/// Bytes of retrieved context kept in process when no Redis is configured.
const CONTEXT_CACHE_BYTES: u64 = 64 << 20;

/// Why the role cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The embedded store cannot be opened.
    #[error("the chat store cannot be opened")]
    Store(#[source] store::embedded::OpenError),
    /// The HTTP client cannot be made, for want of TLS roots as a rule.
    #[error("the HTTP client for the model cannot be made")]
    Http(#[source] reqwest::Error),
    /// The speech role's address cannot be used.
    #[error("chat.tts.address cannot be called")]
    TtsAddress(#[source] http::uri::InvalidUri),
    /// The flags role's address cannot be used.
    #[error("chat.flags.address cannot be called")]
    FlagsAddress(#[source] http::uri::InvalidUri),
    /// The metrics role's address cannot be used.
    #[error("chat.metrics.address cannot be called")]
    MetricsAddress(#[source] http::uri::InvalidUri),
}

/// Where the role keeps what it knows: one engine for all of it.
struct Stores {
    bots: Arc<dyn BotStore>,
    messages: Arc<dyn MessageStore>,
    owners: Arc<dyn OwnerStore>,
    knowledge: Arc<dyn KnowledgeStore>,
    quotas: Arc<dyn QuotaStore>,
    audit: Arc<dyn AuditStore>,
}

impl Stores {
    fn open(deps: &Deps) -> Result<Self, BuildError> {
        if let Some(mongo) = deps.mongo.clone() {
            let audit = AuditCollection::new(mongo.clone(), AUDIT_LOG);
            let store = MongoStore::new(mongo);
            return Ok(Self {
                bots: Arc::new(store.clone()),
                messages: Arc::new(store.clone()),
                owners: Arc::new(store.clone()),
                quotas: Arc::new(store.clone()),
                knowledge: Arc::new(store),
                audit: Arc::new(audit),
            });
        }
        let path = deps.data_dir.join(EMBEDDED_FILE);
        let store = Embedded::open(&path).map_err(BuildError::Store)?;
        Ok(Self {
            bots: Arc::new(store.clone()),
            messages: Arc::new(store.clone()),
            owners: Arc::new(store.clone()),
            audit: Arc::new(store.audit()),
            quotas: Arc::new(store.clone()),
            knowledge: Arc::new(store),
        })
    }
}

/// Assembles the role from its configuration and the process's connections. Waits for no server: only
/// the embedded store is opened, and seeded with the demo bot when it is new.
pub async fn build(config: Config, deps: Deps) -> Result<GrpcService, BuildError> {
    let built = deps.readiness.condition("chat is built");

    let Stores {
        bots: store_bots,
        messages,
        owners,
        knowledge,
        quotas,
        audit,
    } = Stores::open(&deps)?;
    let cache: Arc<dyn Cache> = match deps.redis.clone() {
        Some(redis) => Arc::new(RedisCache::new(redis, "troika:chat:")),
        None => Arc::new(MemoryCache::new(CONTEXT_CACHE_BYTES)),
    };

    let http = config.model.http().map_err(BuildError::Http)?;
    let embedder = Embedder::new(&config.embeddings, http.clone()).map(Arc::new);
    let bots = Arc::new(CachedBots::new(store_bots));
    let in_prompt = config.knowledge.in_prompt;
    let room = Room {
        messages: config.turn.history_messages,
        passages: in_prompt,
        words: config.knowledge.chunk_words,
        characters: config.turn.answer_characters,
    };
    let quotas = Arc::new(Quotas::start(quotas, deps.drain.clone()));
    let retriever = Arc::new(Retriever::new(
        knowledge.clone(),
        cache,
        embedder.clone(),
        config.knowledge.clone(),
    ));
    let importer = Arc::new(Importer::new(
        knowledge.clone(),
        embedder,
        config.knowledge.clone(),
    ));

    if config.demo && deps.mongo.is_none() {
        // Without an embedder: the start waits for no server.
        let importer = Importer::new(knowledge.clone(), None, config.knowledge.clone());
        if let Err(error) = demo::seed(&*bots, &importer).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "running without the demo bot"
            );
        }
    }

    let kept = deps.data_dir.join(KEPT_FLAGS);
    let flags = Flags::connect(&config.flags, kept).map_err(BuildError::FlagsAddress)?;
    let ladder = Ladder::new(&config.model, &http);
    let tts = Tts::new(&config.tts).map_err(BuildError::TtsAddress)?;
    let running = turn::running::Running::default();
    let needs = needs(&deps, &ladder, &tts, &flags);
    let turns_here = running.clone();
    let situation = Situation::new("chat", needs, move || turns_here.count());
    let reporter = Reporter::start(&config.metrics, situation, &deps.meters, deps.drain.clone())
        .map_err(BuildError::MetricsAddress)?;
    let turns = Arc::new(Turns {
        bots: bots.clone(),
        messages: messages.clone(),
        owners: Owners::new(owners, config.turn.context),
        retriever,
        in_prompt,
        quotas: quotas.clone(),
        allowances: Allowances::new(config.limits, deps.redis.clone(), &deps.meters),
        room,
        writer: Writer::start(messages.clone(), deps.drain.clone()),
        ladder,
        tts,
        flags,
        reporter,
        meters: meters::Meters::new(&deps.meters),
        running,
        drain: deps.drain.clone(),
        config: config.turn,
    });
    let chat_stream = ChatStreamServer::new(ChatStreamService { turns });
    let audit = AuditLog::start(AUDIT_LOG, audit, deps.drain.clone());
    let chatbots = ChatbotsServer::new(ChatbotsService::new(
        bots,
        quotas,
        knowledge,
        messages,
        importer,
        audit.clone(),
    ));
    let routes = Routes::new(chat_stream.max_decoding_message_size(deps.max_message))
        .add_service(chatbots.max_decoding_message_size(deps.max_message))
        .add_service(troika_audit::server(audit, Readers::Admins));
    built.met();
    Ok(GrpcService {
        routes,
        service_names: vec![CHAT_STREAM, CHATBOTS, AUDIT],
        descriptors: vec![FILE_DESCRIPTOR_SET, AUDIT_DESCRIPTOR_SET],
    })
}

/// What the role needs of others, as it sees them.
fn needs(deps: &Deps, ladder: &Ladder, tts: &Tts, flags: &Flags) -> Needs {
    let models = ladder.breakers();
    let mut breakers = models.clone();
    let mongo = match deps.mongo.clone() {
        Some(mongo) => {
            breakers.push(mongo.breaker().clone());
            Need::asked(move || {
                let mongo = mongo.clone();
                async move { mongo.ping().await.is_ok() }
            })
        }
        None => Need::Unused,
    };
    let redis = match deps.redis.clone() {
        Some(redis) => {
            breakers.push(redis.breaker().clone());
            Need::asked(move || {
                let redis = redis.clone();
                async move { redis.ping().await.is_ok() }
            })
        }
        None => Need::Unused,
    };
    let model = if models.is_empty() {
        Need::Unused
    } else {
        Need::Shown(models)
    };
    let (tts, flags) = (tts.clone(), flags.clone());
    let speech = Need::asked(move || {
        let tts = tts.clone();
        async move { tts.is_there().await }
    });
    let followed = Need::asked(move || std::future::ready(flags.is_heard()));
    Needs::watch(
        [
            ("mongodb", mongo),
            ("redis", redis),
            ("openai", model),
            ("tts", speech),
            ("flags", followed),
        ],
        breakers,
    )
}
