//! Google Cloud Text-to-Speech: one client, its credentials, and which way each family of voices goes. It
//! must not know which voice is tried when, nor repeat a call.
//!
//! Chirp 3 HD streams, so that its sound begins early; WaveNet and Standard cannot, and answer at once with
//! all of their sound. Errors never hold what Google wrote: its messages quote the text.

mod config;
mod credentials;
mod errors;
mod streaming;
mod unary;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{FutureExt as _, StreamExt as _, future::ready, stream};
use google_cloud_auth::credentials::Credentials;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_texttospeech_v1::{client::TextToSpeech, model::VoiceSelectionParams};
use tokio::{sync, time::timeout};

pub use config::Config;
pub use credentials::CredentialsProblem;

use super::{Engine, EngineError, MAX_TEXT_BYTES, Sound, Utterance};
use crate::voices::{Family, Voice};

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// The credentials cannot be used.
    #[error("credentials")]
    Credentials(#[from] CredentialsProblem),
    /// There is no runtime for the task that keeps the credentials fresh.
    #[error("Google's client is made outside of a tokio runtime")]
    NoRuntime,
}

/// Google's voices. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct Google {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    credentials: Credentials,
    /// Where the credentials are valid, when not at googleapis.com.
    universe: Option<String>,
    /// None until a call needs one.
    client: sync::Mutex<Option<TextToSpeech>>,
    /// Voices that refused to stream, by name; forgotten with the process.
    unary_alone: Mutex<HashSet<String>>,
}

impl Google {
    /// A client of these credentials. It connects with the first call, not here.
    ///
    /// The process must have a TLS provider before the first call: rustls's
    /// `CryptoProvider::install_default`.
    ///
    /// # Errors
    /// See [`SetUpError`].
    pub fn new(config: &Config) -> Result<Self, SetUpError> {
        tokio::runtime::Handle::try_current().map_err(|_| SetUpError::NoRuntime)?;
        let source = credentials::read(&config.credentials, config.endpoint.is_some())?;
        Ok(Self {
            inner: Arc::new(Inner {
                universe: source.universe(),
                credentials: source.build()?,
                config: config.clone(),
                client: sync::Mutex::new(None),
                unary_alone: Mutex::default(),
            }),
        })
    }

    /// The names of all voices that Google offers these credentials, within the limit for an answer.
    ///
    /// # Errors
    /// As for speech. Dropping the future cancels the call.
    pub async fn list_voices(&self) -> Result<Vec<String>, EngineError> {
        let limit = self.inner.config.answer;
        let answer = async {
            let client = self.inner.client().await?;
            let voices = client.list_voices().send().await;
            voices.map_err(|error| errors::of(&error, limit))
        };
        let voices = timeout(limit, answer)
            .await
            .unwrap_or(Err(EngineError::TimedOut(limit)))?;
        Ok(voices.voices.into_iter().map(|voice| voice.name).collect())
    }
}

impl Engine for Google {
    fn speak(&self, utterance: Utterance) -> Sound {
        let inner = self.inner.clone();
        if let Some(problem) = Unspeakable::of(&utterance) {
            let refused = Err(EngineError::Refused(Arc::new(problem)));
            return stream::once(ready(refused)).boxed();
        }
        match utterance.voice.family {
            Family::Chirp3Hd => streaming::speak(inner, utterance),
            Family::Wavenet | Family::Standard | Family::Espeak => {
                async move { unary::speak(&inner, &utterance).await }
                    .into_stream()
                    .boxed()
            }
        }
    }
}

impl Inner {
    /// The client; made for the first call.
    async fn client(&self) -> Result<TextToSpeech, EngineError> {
        let mut client = self.client.lock().await;
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let mut builder = TextToSpeech::builder()
            .with_credentials(self.credentials.clone())
            // Whoever asks decides whether and when to ask again.
            .with_retry_policy(NeverRetry);
        if let Some(endpoint) = &self.config.endpoint {
            builder = builder.with_endpoint(endpoint.as_str());
        }
        if let Some(universe) = &self.universe {
            builder = builder.with_universe_domain(universe);
        }
        let made = builder.build().await;
        let made = made.map_err(|error| errors::unusable(&error))?;
        Ok(client.insert(made).clone())
    }

    /// Makes the next call connect anew; those that are under way keep their connection.
    async fn connect_anew(&self) {
        *self.client.lock().await = None;
    }

    fn streams(&self, voice: &Voice) -> bool {
        let unary_alone = self.unary_alone.lock();
        !unary_alone
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&voice.name)
    }

    fn streams_no_more(&self, voice: &Voice) {
        let unary_alone = self.unary_alone.lock();
        unary_alone
            .unwrap_or_else(PoisonError::into_inner)
            .insert(voice.name.clone());
    }
}

/// Google's form of a voice.
fn selection(voice: &Voice) -> VoiceSelectionParams {
    VoiceSelectionParams::new()
        .set_language_code(voice.language)
        .set_name(&voice.name)
}

/// What is not worth a call.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Unspeakable {
    #[error("there is nothing to say")]
    Nothing,
    #[error("{0} bytes are more than the {MAX_TEXT_BYTES} that Google takes at once")]
    TooLong(usize),
    #[error("the voice is not Google's")]
    ForeignVoice,
}

impl Unspeakable {
    fn of(utterance: &Utterance) -> Option<Self> {
        if utterance.voice.family == Family::Espeak {
            return Some(Self::ForeignVoice);
        }
        match utterance.text.len() {
            0 => Some(Self::Nothing),
            length if length > MAX_TEXT_BYTES => Some(Self::TooLong(length)),
            _ => None,
        }
    }
}
