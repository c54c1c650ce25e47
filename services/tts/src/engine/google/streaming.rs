//! Speech as it is made: a stream of raw sound in answer to one text.

use std::sync::Arc;

use async_stream::stream;
use bytes::Bytes;
use futures::StreamExt as _;
use google_cloud_gax::streaming::ResponseStream;
use google_cloud_texttospeech_v1::model::{
    AudioEncoding, StreamingAudioConfig, StreamingSynthesisInput, StreamingSynthesizeConfig,
    StreamingSynthesizeRequest, StreamingSynthesizeResponse,
};
use tokio::time::timeout;

use super::{Inner, errors, selection, unary};
use crate::{
    engine::{EngineError, SAMPLE_BYTES, SAMPLE_RATE, Sound, Utterance},
    pcm::Resampler,
};

/// The longest sound that is believed for each byte of text, in bytes: spelled out letter by letter, half
/// a second each, at a quarter of the speed.
const MAX_SOUND_OF_A_BYTE: usize = SAMPLE_RATE as usize * SAMPLE_BYTES / 2 * 4;

/// Why a stream is no sound.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Unsound {
    #[error("the stream ended without sound")]
    Silent,
    #[error("the stream ended within a sample")]
    HalfASample,
    #[error("the sound does not end")]
    Endless,
}

/// Why no sound came first.
enum NoFirst {
    /// The voice may still speak in one piece.
    DoesNotStream,
    Failed(EngineError),
}

impl From<EngineError> for NoFirst {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

/// Speaks, as a stream if the voice can. Dropping the sound resets the stream.
pub(super) fn speak(inner: Arc<Inner>, utterance: Utterance) -> Sound {
    stream! {
        if !inner.streams(&utterance.voice) {
            yield unary::speak(&inner, &utterance).await;
            return;
        }
        let limit = inner.config.first_sound;
        let (first, mut answers) = match timeout(limit, begin(&inner, &utterance)).await {
            Ok(Ok(begun)) => begun,
            Err(_) => {
                // The connection may be dead without anybody having said so.
                inner.connect_anew().await;
                yield Err(EngineError::TimedOut(limit));
                return;
            }
            Ok(Err(NoFirst::DoesNotStream)) => {
                inner.streams_no_more(&utterance.voice);
                yield unary::speak(&inner, &utterance).await;
                return;
            }
            Ok(Err(NoFirst::Failed(error))) => {
                yield Err(error);
                return;
            }
        };
        let mut samples = match Resampler::new(SAMPLE_RATE) {
            Ok(samples) => samples,
            Err(error) => {
                yield Err(errors::no_sound(error));
                return;
            }
        };
        let longest = MAX_SOUND_OF_A_BYTE * utterance.text.len().max(10);
        let mut length = 0;
        let mut piece = first;
        let silence = inner.config.silence;
        loop {
            length += piece.len();
            if length > longest {
                yield Err(errors::no_sound(Unsound::Endless));
                return;
            }
            let whole = samples.push(&piece);
            if !whole.is_empty() {
                yield Ok(Bytes::from(whole));
            }
            piece = match timeout(silence, next(&mut answers)).await {
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(error))) => {
                    yield Err(errors::broken_off(&error));
                    return;
                }
                Ok(None) => break,
                Err(_) => {
                    yield Err(EngineError::TimedOut(silence));
                    return;
                }
            };
        }
        if samples.is_within_a_sample() {
            yield Err(errors::no_sound(Unsound::HalfASample));
        }
    }
    .boxed()
}

type Answers = ResponseStream<StreamingSynthesizeResponse>;

/// Opens the stream, says everything, and waits for the first sound.
async fn begin(inner: &Inner, utterance: &Utterance) -> Result<(Bytes, Answers), NoFirst> {
    let (requests, mut answers) = inner.client().await?.streaming_synthesize().build();
    let audio = StreamingAudioConfig::new()
        .set_audio_encoding(AudioEncoding::Pcm)
        .set_sample_rate_hertz(i32::try_from(SAMPLE_RATE).unwrap_or_default())
        .set_speaking_rate(utterance.rate);
    let config = StreamingSynthesizeConfig::new()
        .set_voice(selection(&utterance.voice))
        .set_streaming_audio_config(audio);
    let input = StreamingSynthesisInput::new().set_text(&*utterance.text);
    for request in [
        StreamingSynthesizeRequest::new().set_streaming_config(config),
        StreamingSynthesizeRequest::new().set_input(input),
    ] {
        // A stream that is closed already tells why in its answer.
        let _ = requests.send(request).await;
    }
    drop(requests);
    match next(&mut answers).await {
        Some(Ok(first)) => Ok((first, answers)),
        Some(Err(error)) if errors::does_not_stream(&error) => Err(NoFirst::DoesNotStream),
        Some(Err(error)) => Err(errors::of(&error, inner.config.first_sound).into()),
        None => Err(errors::no_sound(Unsound::Silent).into()),
    }
}

/// The next sound; answers without any are passed over.
async fn next(answers: &mut Answers) -> Option<google_cloud_gax::Result<Bytes>> {
    loop {
        match answers.next().await? {
            Ok(answer) if answer.audio_content.is_empty() => {}
            Ok(answer) => return Some(Ok(answer.audio_content)),
            Err(error) => return Some(Err(error)),
        }
    }
}
