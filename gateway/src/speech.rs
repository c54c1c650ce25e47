//! Speech over HTTP: a text to a file, and the voices there are. It must not know how anything is spoken.

use std::time::Duration;

use axum::{
    Extension,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE, VARY},
};
use serde::{Deserialize, Serialize};
use tonic::transport::Channel;
use troika_chassis::{channel::reach, context::RequestContext, lifecycle::Drain};
use troika_proto::tts::v1::{
    AudioFormat, ListVoicesRequest, Manner, SynthesizeRequest, SynthesizeResponse,
    tts_client::TtsClient,
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    answer::data_url,
    body::{BodyLimits, Json},
    call::within,
    config::Config,
    problem::{Problem, ProblemDocument},
    request::{optional_text, text},
};

/// The largest file: the longest text, spoken slowly, as raw samples.
const LARGEST_FILE: usize = 128 << 20;

/// What the speech routes share.
#[derive(Clone)]
pub(crate) struct Speech {
    client: TtsClient<Channel>,
    drain: Drain,
    limits: BodyLimits,
    deadline: Duration,
}

impl Speech {
    /// Calls the speech role over `channel`, within the bounds of `config`.
    pub(crate) fn new(channel: Channel, config: &Config, drain: Drain) -> Self {
        Self {
            client: TtsClient::new(channel).max_decoding_message_size(LARGEST_FILE),
            drain,
            limits: config.body_limits(),
            deadline: config.speech_deadline,
        }
    }
}

impl axum::extract::FromRef<Speech> for BodyLimits {
    fn from_ref(speech: &Speech) -> Self {
        speech.limits
    }
}

/// A text to be spoken. Fields that are not listed are ignored.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ToSpeak {
    /// The text. Markdown, HTML, emoji and addresses are left out or made speakable.
    #[serde(deserialize_with = "text")]
    #[schema(required, min_length = 1, max_length = 5000, example = "Good morning.")]
    text: String,
    /// Its language, such as `hi-IN`; `en-IN` when null or empty.
    #[serde(deserialize_with = "optional_text")]
    language: Option<String>,
    /// A voice of that language by its name; the language's own when null or empty.
    #[serde(deserialize_with = "optional_text")]
    voice: Option<String>,
    /// Speed, where 1 is the voice's own.
    #[schema(minimum = 0.25, maximum = 2.0)]
    rate: Option<f64>,
    /// The file's format; what the `Accept` header asks for, else MP3, when null.
    format: Option<Format>,
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// MP3, 24 kHz, mono.
    Mp3,
    /// WAV, signed 16 bit, 24 kHz, mono.
    Wav,
    /// Opus in Ogg.
    Opus,
    /// Samples alone: signed 16 bit, little-endian, 24 kHz, mono.
    Pcm,
}

impl From<Format> for AudioFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Mp3 => Self::Mp3,
            Format::Wav => Self::Wav,
            Format::Opus => Self::Opus,
            Format::Pcm => Self::Pcm,
        }
    }
}

/// A spoken text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SpokenText {
    /// Names this request in the server's logs.
    req_id: String,
    /// What is heard, as text.
    processed_text: String,
    /// The file as a data URL.
    audio: String,
    /// The file's type, such as `audio/mpeg`.
    content_type: String,
    /// Milliseconds of sound.
    duration: u64,
    /// Who speaks.
    voice: String,
    /// What is missing from the sound; null when nothing is.
    warning: Option<String>,
}

/// Speaks a text.
///
/// With an `Accept` header that prefers audio (`audio/mpeg`, `audio/wav`, `audio/ogg`) the file itself is the
/// body.
#[utoipa::path(
    post, path = "/api/text-to-speech", tag = "speech", request_body = ToSpeak,
    responses(
        (status = 200, description = "The spoken text", body = SpokenText),
        (status = "4XX", description = "The text cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "Nobody can speak", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn text_to_speech(
    State(speech): State<Speech>,
    Extension(context): Extension<RequestContext>,
    headers: HeaderMap,
    Json(text): Json<ToSpeak>,
) -> Result<Response, Problem> {
    let _hold = speech.drain.hold("speech");
    let preferred = preferred(&headers);
    let format = text.format.or(preferred).unwrap_or(Format::Mp3);
    let wanted = SynthesizeRequest {
        text: text.text,
        manner: Some(Manner {
            language: text.language.unwrap_or_default(),
            voice: text.voice.unwrap_or_default(),
            rate: text.rate,
        }),
        format: AudioFormat::from(format).into(),
    };
    let call = reach(|| {
        let mut request = tonic::Request::new(wanted.clone());
        context.inject_metadata(request.metadata_mut());
        request.set_timeout(speech.deadline);
        let mut client = speech.client.clone();
        async move { client.synthesize(request).await }
    });
    let spoken = within(speech.deadline, call).await?.into_inner();
    let vary = (VARY, HeaderValue::from_static("accept"));
    if preferred.is_some() {
        let kind = HeaderValue::try_from(&spoken.content_type)
            .unwrap_or(HeaderValue::from_static("application/octet-stream"));
        return Ok(([(CONTENT_TYPE, kind), vary], spoken.audio).into_response());
    }
    Ok(([vary], axum::Json(SpokenText::new(spoken, context))).into_response())
}

impl SpokenText {
    fn new(spoken: SynthesizeResponse, context: RequestContext) -> Self {
        Self {
            req_id: context.request_id,
            processed_text: spoken.spoken_text,
            audio: data_url(&spoken.content_type, &spoken.audio),
            content_type: spoken.content_type,
            duration: spoken
                .duration
                .and_then(|duration| Duration::try_from(duration).ok())
                .map_or(0, |duration| duration.as_millis() as u64),
            voice: spoken.summary.unwrap_or_default().voice,
            warning: spoken.warning.map(|warning| warning.message),
        }
    }
}

/// The audio format that a client wants most, when it wants audio at all.
fn preferred(headers: &HeaderMap) -> Option<Format> {
    let accept = headers.get(ACCEPT)?.to_str().ok()?;
    let quality = |parameters: &str| {
        let stated = parameters
            .split(';')
            .find_map(|parameter| parameter.trim().strip_prefix("q="));
        stated.map_or(1.0, |value| value.trim().parse::<f32>().unwrap_or(0.0))
    };
    let mut best: (f32, Option<Format>) = (0.0, None);
    for item in accept.split(',') {
        let (kind, parameters) = item.split_once(';').unwrap_or((item, ""));
        let format = match kind.trim().to_ascii_lowercase().as_str() {
            "audio/mpeg" | "audio/mp3" | "audio/*" => Some(Format::Mp3),
            "audio/wav" | "audio/x-wav" | "audio/wave" => Some(Format::Wav),
            "audio/ogg" | "audio/opus" => Some(Format::Opus),
            "application/json" | "*/*" => None,
            _ => continue,
        };
        let quality = quality(parameters);
        if quality > best.0 {
            best = (quality, format);
        }
    }
    best.1
}

/// Which voices are asked for.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// A served language, such as `hi-IN`; all of them when absent.
    language: String,
}

/// The voices, each language's in the order in which they are tried.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Voices {
    /// The voices.
    voices: Vec<Voice>,
    /// How many there are.
    count: usize,
}

/// A voice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Voice {
    /// What `voice` takes, such as `en-IN-Chirp3-HD-Leda`.
    name: String,
    /// BCP 47.
    language: String,
    /// `google` or `espeak`.
    engine: String,
    /// Such as `chirp3-hd`.
    family: String,
    /// Its engine is configured.
    available: bool,
}

/// Lists the voices.
#[utoipa::path(
    get, path = "/api/tts/voices", tag = "speech", params(Wanted),
    responses(
        (status = 200, description = "The voices", body = Voices),
        (status = "4XX", description = "The language is not served", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The speech role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn voices(
    State(speech): State<Speech>,
    Extension(context): Extension<RequestContext>,
    Query(wanted): Query<Wanted>,
) -> Result<axum::Json<Voices>, Problem> {
    let call = reach(|| {
        let mut request = tonic::Request::new(ListVoicesRequest {
            language: wanted.language.clone(),
        });
        context.inject_metadata(request.metadata_mut());
        request.set_timeout(speech.deadline);
        let mut client = speech.client.clone();
        async move { client.list_voices(request).await }
    });
    let listed = within(speech.deadline, call).await?.into_inner();
    let voices: Vec<Voice> = listed
        .voices
        .into_iter()
        .map(|voice| Voice {
            name: voice.name,
            language: voice.language,
            engine: voice.engine,
            family: voice.family,
            available: voice.available,
        })
        .collect();
    Ok(axum::Json(Voices {
        count: voices.len(),
        voices,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_header_tells_a_file_from_json() {
        for (accept, wanted) in [
            ("*/*", None),
            ("application/json", None),
            ("audio/wav", Some(Format::Wav)),
            ("audio/*", Some(Format::Mp3)),
            ("audio/ogg;q=0.9, audio/wav;q=0.5", Some(Format::Opus)),
            ("application/json, audio/wav;q=0.8", None),
            ("text/html, audio/mpeg;q=0.9, */*;q=0.1", Some(Format::Mp3)),
            ("audio/wav;q=0", None),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(preferred(&headers), wanted, "{accept}");
        }
        assert_eq!(preferred(&HeaderMap::new()), None);
    }
}
