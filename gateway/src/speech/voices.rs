//! The list of voices over HTTP. It must not know which voices there are.

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use troika_chassis::{channel::reach, context::RequestContext};
use troika_proto::tts::v1::{ListVoicesRequest, Voice as WireVoice};
use utoipa::{IntoParams, ToSchema};

use super::{SPEECH, Speech, unavailable};
use crate::{
    call::within,
    problem::{Detail, Problem, ProblemDocument},
};

/// Which voices are asked for.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// A served language, such as `hi-IN`; all of them when absent or empty.
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
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<axum::Json<Voices>, Problem> {
    let Query(wanted) = wanted.map_err(|_| unreadable())?;
    let call = reach(|| {
        let mut request = tonic::Request::new(ListVoicesRequest {
            language: wanted.language.clone(),
        });
        context.inject_metadata(request.metadata_mut());
        request.set_timeout(speech.deadline);
        let mut client = speech.client.clone();
        async move { client.list_voices(request).await }
    });
    let listed = within(SPEECH, speech.deadline, call)
        .await
        .map_err(unavailable)?;
    let voices: Vec<Voice> = listed.voices.into_iter().map(Voice::from).collect();
    Ok(axum::Json(Voices {
        count: voices.len(),
        voices,
    }))
}

impl From<WireVoice> for Voice {
    fn from(voice: WireVoice) -> Self {
        Self {
            name: voice.name,
            language: voice.language,
            engine: voice.engine,
            family: voice.family,
            available: voice.available,
        }
    }
}

fn unreadable() -> Problem {
    let message = "language must be given at most once, as in ?language=hi-IN";
    Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid_argument",
        format!("{message}."),
    )
    .with_detail(Detail {
        field: "language".to_owned(),
        message: message.to_owned(),
        kind: "string.base".to_owned(),
    })
}
