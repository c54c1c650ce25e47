//! Speech in one piece: a request, and an answer with all of the sound as a WAV file.

use std::sync::Arc;

use bytes::Bytes;
use google_cloud_texttospeech_v1::model::{AudioConfig, AudioEncoding, SynthesisInput};
use tokio::time::timeout;

use super::{Inner, errors, selection};
use crate::{
    engine::{EngineError, SAMPLE_RATE, Utterance},
    pcm::{Wav, WavError},
};

/// The whole sound. Dropping the future cancels the call.
pub(super) async fn speak(inner: &Inner, utterance: &Utterance) -> Result<Bytes, EngineError> {
    let limit = inner.config.answer;
    let answer = async {
        let audio = AudioConfig::new()
            .set_audio_encoding(AudioEncoding::Linear16)
            .set_sample_rate_hertz(i32::try_from(SAMPLE_RATE).unwrap_or_default())
            .set_speaking_rate(utterance.rate);
        let call = inner
            .client()
            .await?
            .synthesize_speech()
            .set_input(SynthesisInput::new().set_text(&*utterance.text))
            .set_voice(selection(&utterance.voice))
            .set_audio_config(audio);
        call.send().await.map_err(|error| errors::of(&error, limit))
    };
    let answer = timeout(limit, answer)
        .await
        .unwrap_or(Err(EngineError::TimedOut(limit)))?;
    match sound(&answer.audio_content) {
        Ok(sound) if sound.is_empty() => Err(EngineError::Interrupted(Arc::new(Empty))),
        Ok(sound) => Ok(sound.into()),
        Err(error) => Err(errors::no_sound(error)),
    }
}

/// The raw sound of a WAV file of any rate.
fn sound(file: &[u8]) -> Result<Vec<u8>, WavError> {
    let mut wav = Wav::default();
    let mut sound = wav.push(file)?;
    sound.extend(wav.finish()?);
    Ok(sound)
}

/// An answer without sound.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the answer holds no sound")]
struct Empty;
