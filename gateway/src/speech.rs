//! Speech over HTTP: a text to a file. It must not know how anything is spoken.

use std::time::Duration;

use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_TYPE, VARY},
};
use serde::{Deserialize, Serialize};
use troika_chassis::{
    channel::{Channel, reach},
    context::RequestContext,
    error::{Code, Error},
    lifecycle::Drain,
};
use troika_proto::tts::v1::{
    AudioFormat, Manner, SynthesizeRequest, SynthesizeResponse, tts_client::TtsClient,
};
use utoipa::ToSchema;

use crate::{
    body::{BodyLimits, Json},
    call::within,
    config::Config,
    data_url::DataUrl,
    problem::{Problem, ProblemDocument},
    request::{optional_text, text},
};

pub(crate) mod format;
pub(crate) mod voices;

use format::Format;

/// What the role is called in messages.
const SPEECH: &str = "speech";

/// The largest file: the longest text, spoken as slowly as may be asked for, as raw samples.
const LARGEST_FILE: usize = 128 << 20;

/// When to come back to a voice that is away and does not say when itself.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Names what is missing from the sound, where the body is the sound itself.
const X_WARNING: HeaderName = HeaderName::from_static("x-warning");

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
    /// The file's format; when null or empty, what the `Accept` header asks for, else MP3.
    #[serde(deserialize_with = "format::optional")]
    format: Option<Format>,
}

/// A spoken text. No `Debug`: what somebody has spoken is personal.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SpokenText {
    /// Names this request in the server's logs.
    req_id: String,
    /// What is heard, as text.
    processed_text: String,
    /// The file as a data URL.
    #[schema(value_type = String, example = "data:audio/mpeg;base64,…")]
    audio: DataUrl,
    /// The file's type, such as `audio/mpeg`.
    content_type: String,
    /// Milliseconds of sound.
    duration: u64,
    /// What spoke last: `google` or `espeak`.
    engine: String,
    /// Its voice, such as `en-IN-Chirp3-HD-Leda`.
    voice: String,
    /// What is missing from the sound, for a person to read; null when nothing is.
    warning: Option<String>,
}

/// Speaks a text.
///
/// With an `Accept` header that prefers audio (`audio/mpeg`, `audio/wav`, `audio/ogg`, `audio/pcm`, `audio/*`) the
/// file itself is the body; `X-Warning: voice_incomplete` tells then that a part of the text is missing from it.
#[utoipa::path(
    post, path = "/api/text-to-speech", tag = "speech", request_body = ToSpeak,
    responses(
        (status = 200, description = "The spoken text", content(
            (SpokenText = "application/json"),
            (Vec<u8> = "audio/mpeg"), (Vec<u8> = "audio/wav"), (Vec<u8> = "audio/ogg"), (Vec<u8> = "audio/pcm"),
        )),
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
    let preferred = format::preferred(&headers);
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
    let spoken = within(SPEECH, speech.deadline, call)
        .await
        .map_err(unavailable)?;
    let mut response = if preferred.is_some() {
        file(spoken)
    } else {
        document(SpokenText::new(spoken, context)).await?
    };
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// The file itself.
fn file(spoken: SynthesizeResponse) -> Response {
    let kind = HeaderValue::try_from(&spoken.content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let mut response = ([(CONTENT_TYPE, kind)], spoken.audio).into_response();
    if let Some(code) = spoken
        .warning
        .and_then(|warning| HeaderValue::try_from(warning.code).ok())
    {
        response.headers_mut().insert(X_WARNING, code);
    }
    response
}

/// The file in a JSON document. It may hold many megabytes, so that it is written on a thread that
/// nobody else waits for.
async fn document(spoken: SpokenText) -> Result<Response, Problem> {
    let written = tokio::task::spawn_blocking(move || {
        let mut json = Vec::with_capacity(spoken.audio.bytes.len().div_ceil(3) * 4 + 1024);
        serde_json::to_writer(&mut json, &spoken).map(|()| Bytes::from(json))
    });
    let json = written
        .await
        .map_err(Error::internal)
        .and_then(|json| json.map_err(Error::internal))
        .inspect_err(Error::log)?;
    let kind = HeaderValue::from_static("application/json");
    Ok(([(CONTENT_TYPE, kind)], Body::from(json)).into_response())
}

impl SpokenText {
    fn new(spoken: SynthesizeResponse, context: RequestContext) -> Self {
        let summary = spoken.summary.unwrap_or_default();
        Self {
            req_id: context.request_id,
            processed_text: spoken.spoken_text,
            audio: DataUrl {
                content_type: spoken.content_type.clone(),
                bytes: spoken.audio,
            },
            content_type: spoken.content_type,
            duration: spoken
                .duration
                .and_then(|duration| Duration::try_from(duration).ok())
                .map_or(0, |duration| duration.as_millis() as u64),
            engine: summary.engine,
            voice: summary.voice,
            warning: spoken.warning.map(|warning| warning.message),
        }
    }
}

/// Whoever says that there is no voice, the role or the way to it: clients read one code, and when to
/// come back. What the role knows better, such as that it is leaving, stays.
fn unavailable(error: Error) -> Error {
    if error.code() != Code::Unavailable {
        return error;
    }
    let error = if error.reason() == "unavailable" {
        Error::new(
            Code::Unavailable,
            "voice_unavailable",
            "The voice is not available right now. Please try again in a moment.",
        )
    } else {
        error
    };
    match error.retry_after() {
        Some(_) => error,
        None => error.with_retry_after(RETRY_AFTER),
    }
}
