//! Embeddings from an OpenAI-compatible endpoint. Knows the wire and its failures; knows nothing of
//! bots, documents or searches.
//!
//! Errors name what happened and never quote the endpoint: it might quote the text, or the key.

use std::time::Duration;

use async_openai::{
    Client,
    config::OpenAIConfig,
    error::OpenAIError,
    middleware::ReqwestService,
    types::embeddings::{CreateEmbeddingRequest, CreateEmbeddingResponse, EmbeddingInput},
};
use serde::{Deserialize, Serialize};
use troika_chassis::{
    config::{Problems, Secret, Validate},
    outbound::{BreakerConfig, CallError, Outbound},
};
use url::Url;

/// Texts of one request, at most.
pub const BATCH: usize = 64;

/// Characters of a text that are embedded; the models' limit is in tokens, and this stays below it.
const LONGEST_INPUT: usize = 8000;

/// Where embeddings come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The endpoint's address with its `/v1`; without one, retrieval is by words alone.
    pub base_url: Option<Url>,
    /// The key; empty where the endpoint asks for none.
    pub api_key: Secret,
    /// The model.
    pub model: String,
    /// The longest one batch of an import may take, retries included.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// The longest a question may wait for its embedding.
    #[serde(with = "humantime_serde")]
    pub query_timeout: Duration,
    /// When to stop asking an endpoint that fails.
    pub breaker: BreakerConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key: Secret::default(),
            model: "text-embedding-3-small".to_owned(),
            timeout: Duration::from_secs(10),
            query_timeout: Duration::from_millis(800),
            breaker: BreakerConfig::default(),
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        if self
            .base_url
            .as_ref()
            .is_some_and(|url| !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base())
        {
            problems.push("base_url", "must start with http:// or https://");
        }
        // The key travels in a header.
        if !self
            .api_key
            .expose()
            .bytes()
            .all(|byte| (b'!'..=b'~').contains(&byte))
        {
            problems.push("api_key", "must be visible ASCII characters without blanks");
        }
        if self.model.trim().is_empty() {
            problems.push("model", "must not be empty");
        }
        self.breaker.validate(&mut problems.at("breaker"));
        for (key, limit) in [
            ("timeout", self.timeout),
            ("query_timeout", self.query_timeout),
        ] {
            if limit.is_zero() {
                problems.push(key, "must be longer than 0s");
            }
        }
    }
}

/// Why there is no embedding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// It failed too often of late, and is not asked for a while.
    #[error("the embeddings endpoint is not asked after repeated failures")]
    Paused,
    /// No answer in time.
    #[error("the embeddings endpoint gave no answer within {0:?}")]
    TimedOut(Duration),
    /// No connection, or one that broke.
    #[error("the embeddings endpoint cannot be reached")]
    Unreachable,
    /// It said no.
    #[error("the embeddings endpoint refused with status {0}")]
    Refused(u16),
    /// Its answer is not what the protocol says.
    #[error("the embeddings endpoint gave an answer that cannot be used: {0}")]
    Unusable(&'static str),
}

impl EmbedError {
    /// Whether the endpoint is to blame, and not what it was sent.
    fn is_fault(&self) -> bool {
        !matches!(self, Self::Refused(400 | 413 | 422))
    }
}

/// A client of one embeddings endpoint.
pub struct Embedder {
    model: String,
    // Apart, so that a breaker opened by a heavy import does not take the questions' vectors.
    batches: Calls,
    queries: Calls,
}

/// One way of asking the endpoint: with its limit, its breaker, and its retries or none.
struct Calls {
    client: Client<OpenAIConfig>,
    outbound: Outbound,
}

impl Embedder {
    /// A client over `http`; `None` when no endpoint is configured.
    pub fn new(config: &Config, http: reqwest::Client) -> Option<Self> {
        let base = config.base_url.as_ref()?;
        let openai = OpenAIConfig::new()
            .with_api_base(base.as_str().trim_end_matches('/'))
            .with_api_key(config.api_key.expose());
        // The client's own retries serve an import. A question does better without its vector at once
        // than with it after them.
        let retrying = Client::build(http.clone(), openai);
        let once = retrying
            .clone()
            .with_http_service(ReqwestService::new(http));
        Some(Self {
            model: config.model.clone(),
            batches: Calls {
                client: retrying,
                outbound: Outbound::new("embeddings", config.timeout, &config.breaker),
            },
            queries: Calls {
                client: once,
                outbound: Outbound::new(
                    "embeddings of questions",
                    config.query_timeout,
                    &config.breaker,
                ),
            },
        })
    }

    /// The model whose vectors this gives.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// One vector for each text, in their order, in batches of [`BATCH`] one after the other; all have
    /// the same number of dimensions. Texts are cut at 8000 characters. The time limit holds for each
    /// batch. Dropping the call closes its connection.
    pub async fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            vectors.extend(self.guarded(&self.batches, batch).await?);
        }
        if vectors
            .windows(2)
            .any(|pair| pair[0].len() != pair[1].len())
        {
            return Err(EmbedError::Unusable("its vectors differ in length"));
        }
        Ok(vectors)
    }

    /// The vector of a question, within the time that a question may wait.
    pub async fn embed_query(&self, query: &str) -> Result<Vec<f32>, EmbedError> {
        let mut vectors = self.guarded(&self.queries, &[query]).await?;
        vectors
            .pop()
            .ok_or(EmbedError::Unusable("it holds no vector"))
    }

    async fn guarded(&self, calls: &Calls, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        calls
            .outbound
            .call(self.request(&calls.client, texts), EmbedError::is_fault)
            .await
            .map_err(|error| match error {
                CallError::Open { .. } => EmbedError::Paused,
                CallError::TimedOut(limit) => EmbedError::TimedOut(limit),
                CallError::Failed(error) => error,
            })
    }

    async fn request(
        &self,
        client: &Client<OpenAIConfig>,
        texts: &[&str],
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        let request = CreateEmbeddingRequest {
            model: self.model.clone(),
            input: EmbeddingInput::StringArray(
                texts.iter().map(|text| cut(text).to_owned()).collect(),
            ),
            ..CreateEmbeddingRequest::default()
        };
        let response = client.embeddings().create(request).await.map_err(named)?;
        vectors_of(response, texts.len())
    }
}

fn cut(text: &str) -> &str {
    text.char_indices()
        .nth(LONGEST_INPUT)
        .map_or(text, |(end, _)| &text[..end])
}

/// What happened, without the words of the endpoint.
fn named(error: OpenAIError) -> EmbedError {
    match error {
        OpenAIError::ApiError(response) => EmbedError::Refused(response.status_code.as_u16()),
        OpenAIError::Reqwest(error) => match error.status() {
            Some(status) => EmbedError::Refused(status.as_u16()),
            None => EmbedError::Unreachable,
        },
        _ => EmbedError::Unusable("it is not the JSON of embeddings"),
    }
}

/// The vectors in the order of the texts, when they are as many, complete and finite.
fn vectors_of(
    response: CreateEmbeddingResponse,
    expected: usize,
) -> Result<Vec<Vec<f32>>, EmbedError> {
    let mut data = response.data;
    data.sort_by_key(|embedding| embedding.index);
    let complete = data.len() == expected
        && data
            .iter()
            .enumerate()
            .all(|(at, one)| one.index as usize == at);
    if !complete {
        return Err(EmbedError::Unusable(
            "its vectors are not as many as the texts",
        ));
    }
    let usable =
        |vector: &[f32]| !vector.is_empty() && vector.iter().all(|value| value.is_finite());
    if !data
        .iter()
        .all(|one| usable(&one.embedding) && one.embedding.len() == data[0].embedding.len())
    {
        return Err(EmbedError::Unusable(
            "a vector is empty, not finite or of another length",
        ));
    }
    Ok(data.into_iter().map(|one| one.embedding).collect())
}

#[cfg(test)]
pub(crate) mod tests;
