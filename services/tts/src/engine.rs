//! What can speak: the trait of speech engines, what they are asked and how they fail. It must not know
//! which engine is asked when (`ladder.rs` does) nor keep anything.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::voices::Voice;

pub mod espeak;
pub mod google;

/// Samples a second of all sound in this crate.
pub const SAMPLE_RATE: u32 = 24_000;

/// Bytes of one sample: signed 16 bit, little-endian, mono.
pub const SAMPLE_BYTES: usize = 2;

/// The most text that an engine is given at once, in bytes: Google's limit for a request
/// (cloud.google.com/text-to-speech/quotas, 2026).
pub const MAX_TEXT_BYTES: usize = 5_000;

/// Something to say.
#[derive(Clone, Debug)]
pub struct Utterance {
    /// Plain text: one to [`MAX_TEXT_BYTES`] bytes, no markup.
    pub text: Arc<str>,
    /// A voice of the engine that is asked.
    pub voice: Voice,
    /// Speed, 0.25 to 2.
    pub rate: f64,
}

/// Sound as it is made: raw samples of 16 bit little-endian at [`SAMPLE_RATE`], mono, in pieces of whole
/// samples. It ends after the last piece or after its only error. Nothing happens until it is polled;
/// dropping it cancels the engine's work.
pub type Sound = BoxStream<'static, Result<Bytes, EngineError>>;

/// A speech engine.
pub trait Engine: Send + Sync {
    /// Speaks. The engine keeps its own limits in time: for the connection, the first sound, and silence
    /// in between; every sound ends.
    fn speak(&self, utterance: Utterance) -> Sound;
}

/// Why there is no (more) sound. Texts of engines stay in `source`, for the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine cannot be reached, or is broken. Another try may succeed.
    #[error("the speech engine is unavailable")]
    Unavailable(#[source] Arc<dyn StdError + Send + Sync>),
    /// Too many calls: its quota is used up.
    #[error("the speech engine takes no more calls for now")]
    Throttled {
        /// When to come back, where the engine says so.
        retry_after: Option<Duration>,
    },
    /// Its credentials are refused: no voice of this engine can speak.
    #[error("the speech engine refuses its credentials")]
    Denied(#[source] Arc<dyn StdError + Send + Sync>),
    /// This voice cannot speak this text: it does not exist, or refuses the text. Others may.
    #[error("the voice refuses the text")]
    Refused(#[source] Arc<dyn StdError + Send + Sync>),
    /// No first sound, or no further sound, in time.
    #[error("no sound within {0:?}")]
    TimedOut(Duration),
    /// The sound broke off, or was no sound.
    #[error("the sound broke off")]
    Interrupted(#[source] Arc<dyn StdError + Send + Sync>),
}

impl EngineError {
    /// Whether the engine is at fault, so that its breaker counts it: not for a quota or a text.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Denied(_) | Self::TimedOut(_) | Self::Interrupted(_) => {
                true
            }
            Self::Throttled { .. } | Self::Refused(_) => false,
        }
    }
}
