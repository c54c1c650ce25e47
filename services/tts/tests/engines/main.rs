//! The speech engines against the true wire: Google's fake, and espeak-ng itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a test fails"
)]

mod espeak;
mod google;
mod google_config;

use futures::StreamExt as _;
use troika_tts::{
    engine::{EngineError, Sound, Utterance},
    voices::Voice,
};

fn utterance(voice: &str, text: &str) -> Utterance {
    Utterance {
        text: text.into(),
        voice: Voice::named(voice).unwrap(),
        rate: 1.0,
    }
}

/// All of a sound, and how it ended.
async fn heard(mut sound: Sound) -> (Vec<u8>, Option<EngineError>) {
    let mut bytes = Vec::new();
    while let Some(piece) = sound.next().await {
        match piece {
            Ok(piece) => {
                assert!(
                    !piece.is_empty() && piece.len() % 2 == 0,
                    "no whole samples"
                );
                bytes.extend(piece);
            }
            Err(error) => {
                assert!(
                    sound.next().await.is_none(),
                    "something comes after an error"
                );
                return (bytes, Some(error));
            }
        }
    }
    (bytes, None)
}

/// The words of an error and of all that caused it.
fn words(error: &EngineError) -> String {
    let mut words = format!("{error:?} {error}");
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        words += &format!(": {source}");
        next = source.source();
    }
    words
}
