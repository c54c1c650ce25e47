//! Settings of the model adapters.

use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use troika_chassis::{
    config::{Problems, Secret, Validate},
    outbound::{BreakerConfig, RetryConfig},
};
use url::Url;

/// Where the model is and how long it may take. With neither key nor address the built-in answerer
/// quotes the bot's knowledge.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// An OpenAI-compatible address with its `/v1`; `https://api.openai.com/v1` when only a key is set.
    pub base_url: Option<Url>,
    /// Sent as a bearer token; may be empty for a server that asks for none.
    pub api_key: Secret,
    /// The model asked, unless a bot names its own.
    pub name: String,
    /// 0 to 2, unless a bot sets its own.
    pub temperature: f64,
    /// Asked in this order when the first endpoint fails before its first token.
    pub fallbacks: Vec<EndpointConfig>,
    /// Let the built-in answerer quote the bot's knowledge when every endpoint is down.
    pub knowledge_fallback: bool,
    /// Pause between two words of the built-in answerer.
    #[serde(with = "humantime_serde")]
    pub knowledge_pace: Duration,
    /// Limit for a connection with its TLS handshake.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// Limit from the request to the first token, connecting included.
    #[serde(with = "humantime_serde")]
    pub first_token: Duration,
    /// Limit between two tokens.
    #[serde(with = "humantime_serde")]
    pub silence: Duration,
    /// Longest wait for the usage figures after the finish reason.
    #[serde(with = "humantime_serde")]
    pub usage_wait: Duration,
    /// Longest `Retry-After` that is waited for; past it the next endpoint is asked at once.
    #[serde(with = "humantime_serde")]
    pub retry_after_max: Duration,
    /// Most bytes of one provider's answer.
    pub max_response: ByteSize,
    /// Retries on one endpoint, before the first token only.
    pub retry: RetryConfig,
    /// When an endpoint is left alone.
    pub breaker: BreakerConfig,
}

/// One further OpenAI-compatible endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EndpointConfig {
    /// Its address with its `/v1`.
    pub base_url: Url,
    /// Sent as a bearer token.
    #[serde(default)]
    pub api_key: Secret,
    /// The model asked there, whatever the bot names.
    pub name: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key: Secret::default(),
            name: "gpt-4o-mini".into(),
            temperature: 0.7,
            fallbacks: Vec::new(),
            knowledge_fallback: true,
            knowledge_pace: Duration::from_millis(12),
            connect: Duration::from_secs(5),
            first_token: Duration::from_secs(10),
            silence: Duration::from_secs(15),
            usage_wait: Duration::from_secs(1),
            retry_after_max: Duration::from_secs(3),
            max_response: ByteSize::mib(16),
            retry: RetryConfig {
                attempts: 2,
                min_delay: Duration::from_millis(200),
                max_delay: Duration::from_secs(2),
            },
            breaker: BreakerConfig::default(),
        }
    }
}

impl Config {
    /// The client for every endpoint; connections are kept and shared.
    pub(crate) fn http(&self) -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder()
            .user_agent(concat!("troika/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(256)
            // An address is configured by the operator; a redirect would carry the text elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
    }

    /// The endpoints in the order they are asked; none when no model is configured.
    pub fn endpoints(&self) -> Vec<EndpointConfig> {
        let first = match (&self.base_url, self.api_key.is_empty()) {
            (Some(base_url), _) => Some(base_url.clone()),
            (None, false) => Url::parse(crate::OPENAI_BASE_URL).ok(),
            (None, true) => None,
        };
        first
            .map(|base_url| EndpointConfig {
                base_url,
                api_key: self.api_key.clone(),
                name: self.name.clone(),
            })
            .into_iter()
            .chain(self.fallbacks.iter().cloned())
            .collect()
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        if self.name.trim().is_empty() {
            problems.push("name", "must not be empty");
        }
        if !(0.0..=2.0).contains(&self.temperature) {
            problems.push("temperature", "must be from 0 to 2");
        }
        self.retry.validate(&mut problems.at("retry"));
        self.breaker.validate(&mut problems.at("breaker"));
        if self.max_response.as_u64() == 0 {
            problems.push("max_response", "must be larger than 0 B");
        }
        for (key, value) in [
            ("connect", self.connect),
            ("first_token", self.first_token),
            ("silence", self.silence),
        ] {
            if value.is_zero() {
                problems.push(key, "must be longer than 0s");
            }
        }
        let urls = self
            .base_url
            .iter()
            .map(|url| ("base_url".to_owned(), url))
            .chain(
                self.fallbacks
                    .iter()
                    .enumerate()
                    .map(|(i, f)| (format!("fallbacks.{i}.base_url"), &f.base_url)),
            );
        for (key, url) in urls {
            if !matches!(url.scheme(), "http" | "https") {
                problems.push(key, "must start with http:// or https://");
            }
        }
    }
}
