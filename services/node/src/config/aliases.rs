//! The environment names that operators know, and the settings they stand for. A setting without a
//! name here has one made from its key, such as `TROIKA_CHAT__MODEL__FIRST_TOKEN`.

use troika_chassis::config::EnvAlias;

const fn alias(name: &'static str, key: &'static str) -> EnvAlias {
    EnvAlias { name, key }
}

/// Where two names stand for one setting, the later one wins.
pub(crate) const ALIASES: &[EnvAlias] = &[
    alias("NODE_ENV", "environment"),
    alias("TROIKA_ENV", "environment"),
    alias("TROIKA_DATA_DIR", "data_dir"),
    alias("RUST_LOG", "log.level"),
    alias("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp.endpoint"),
    alias("MONGODB_URI", "mongodb.uri"),
    alias("REDIS_URL", "redis.url"),
    alias("JWT_SECRET", "auth.jwt_secret"),
    alias("SESSION_SECRET", "auth.session_secret"),
    alias("JWT_PREVIOUS_SECRET", "auth.jwt_previous_secret"),
    alias("SERVICE_SECRET", "auth.service_secret"),
    alias("GOOGLE_CLOUD_CREDENTIALS", "tts.google.credentials"),
    alias("OPENAI_API_KEY", "chat.model.api_key"),
    alias("OPENAI_BASE_URL", "chat.model.base_url"),
    alias("OPENAI_MODEL", "chat.model.name"),
    alias("OPENAI_EMBEDDINGS_BASE_URL", "chat.embeddings.base_url"),
    alias("OPENAI_EMBEDDINGS_MODEL", "chat.embeddings.model"),
    alias("PORT", "gateway.port"),
    alias("RATE_LIMIT_IP_WHITELIST", "gateway.rate_limit_ip_whitelist"),
];
