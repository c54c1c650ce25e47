//! Questions over HTTP to calls on the chat role: the streamed answer, the answer in one piece, and
//! stop. What is wrong before a stream's first event is an HTTP error; afterwards the stream tells
//! it ([`crate::stream`]). It must not know how a question is answered.

use std::time::Duration;

use axum::{
    Extension,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode};
use tokio::time::{Instant, timeout_at};
use troika_chassis::{
    channel::{Channel, reach},
    context::RequestContext,
    error::{Code, Error},
    lifecycle::Drain,
};
use troika_identity::{Caller, SESSION, Sessions};
use troika_proto::chat::v1::{
    AnswerRequest, QueryRequest, chat_stream_client::ChatStreamClient, turn_event::Event,
};

use crate::{
    address::ClientAddress,
    answer::{Answer, Stopped},
    body::{BodyLimits, Json},
    bots::Bots,
    call::{late, refused, within},
    config::Config,
    cors::Page,
    live,
    outcome::Outcomes,
    problem::{Detail, Problem, ProblemDocument},
    request::{Question, Stop},
    stream::EventBody,
};

/// The largest answer in one piece: its text, and its sound as MP3.
const LARGEST_ANSWER: usize = 32 << 20;

/// What the role is called in messages.
const CHAT: &str = "chat";

/// What the chat routes share.
#[derive(Clone)]
pub(crate) struct Chat {
    client: ChatStreamClient<Channel>,
    outcomes: Outcomes,
    sessions: Sessions,
    bots: Bots,
    drain: Drain,
    limits: BodyLimits,
    heartbeat: Duration,
    open_timeout: Duration,
    answer_deadline: Duration,
    stop_deadline: Duration,
}

impl Chat {
    /// Calls chat over `channel`, within the bounds of `config`.
    pub(crate) fn new(
        channel: Channel,
        outcomes: Outcomes,
        sessions: Sessions,
        bots: Bots,
        config: &Config,
        drain: Drain,
    ) -> Self {
        Self {
            outcomes,
            sessions,
            bots,
            client: ChatStreamClient::new(channel).max_decoding_message_size(LARGEST_ANSWER),
            drain,
            limits: config.body_limits(),
            heartbeat: config.heartbeat,
            open_timeout: config.open_timeout,
            answer_deadline: config.answer_deadline,
            stop_deadline: config.stop_deadline,
        }
    }

    /// A signed session for who is nobody in particular: with it they can go on with their conversation, and others cannot.
    fn session(&self, caller: &Caller, bot: &str, session: &str) -> Option<HeaderValue> {
        if caller.is_known() {
            return None;
        }
        let signed = self.sessions.sign(bot, session)?;
        HeaderValue::try_from(signed).ok()
    }

    /// Whom the outcomes are told.
    pub(crate) fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }
}

impl axum::extract::FromRef<Chat> for BodyLimits {
    fn from_ref(chat: &Chat) -> Self {
        chat.limits
    }
}

/// A question from where it was asked.
fn asked(question: Question, client: ClientAddress) -> QueryRequest {
    QueryRequest {
        client_address: Some(client.0.to_string()),
        ..question.into()
    }
}

/// Asks a question and streams the turn.
///
/// The stream is `connected`, `status`, `metadata`, `text` any number of times with `audio` between, `suggestions`,
/// then `complete` or `error`, then `close`. A `warning` may stand anywhere in between. Each event
/// is an `id:` line (`turnId:sequence`), an `event:` line and one `data:` line of JSON; the schemas
/// are named after the events. Leaving the stream ends the turn.
#[utoipa::path(
    post, path = "/api/chat/query/stream", tag = "chat", request_body = Question,
    responses(
        (status = 200, description = "The turn's events", content_type = "text/event-stream", body = live::ServerSentEvent),
        (status = "4XX", description = "The question cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The chat role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn query_stream(
    State(chat): State<Chat>,
    Extension(context): Extension<RequestContext>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<ClientAddress>,
    Extension(page): Extension<Page>,
    Json(question): Json<Question>,
) -> Result<Response, Problem> {
    let question = asked(question, client);
    chat.bots
        .admit(&page, &question.chatbot_id, &context)
        .await?;
    let limit = chat.open_timeout;
    let deadline = Instant::now() + limit;
    let late = |_| late(CHAT, limit);
    let refused = |status| refused(CHAT, &status);
    let mut events = timeout_at(
        deadline,
        reach(|| {
            let mut request = tonic::Request::new(question.clone());
            context.inject_metadata(request.metadata_mut());
            let mut caller = chat.client.clone();
            async move { caller.query(request).await }
        }),
    )
    .await
    .map_err(late)?
    .map_err(refused)?
    .into_inner();
    // The first event comes at once. Waiting for it turns whatever goes wrong until then into an
    // HTTP error, which clients handle better than a stream that begins with its end.
    let first = timeout_at(deadline, events.message())
        .await
        .map_err(late)?
        .map_err(refused)?
        .ok_or_else(|| {
            Error::new(
                Code::Unavailable,
                "upstream_lost",
                "The chat service ended the stream before it began. Please try again.",
            )
        })?;
    let session = match &first.event {
        Some(Event::Connected(connected)) => {
            chat.session(&caller, &question.chatbot_id, &connected.session_id)
        }
        _ => None,
    };
    let body = EventBody::new(first, events, chat.heartbeat, &chat.drain)
        .heard_by(chat.outcomes.listening(&context, client));
    let mut response = live::event_stream(Body::new(body));
    if let Some(session) = session {
        response.headers_mut().insert(SESSION, session);
    }
    Ok(response)
}

/// Asks a question and returns the whole answer.
#[utoipa::path(
    post, path = "/api/chat/query", tag = "chat", request_body = Question,
    responses(
        (status = 200, description = "The answer", body = Answer),
        (status = "4XX", description = "The question cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The chat role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn query(
    State(chat): State<Chat>,
    Extension(context): Extension<RequestContext>,
    Extension(caller): Extension<Caller>,
    Extension(client): Extension<ClientAddress>,
    Extension(page): Extension<Page>,
    Json(question): Json<Question>,
) -> Result<Response, Problem> {
    let _hold = chat.drain.hold("answer");
    let question = asked(question, client);
    chat.bots
        .admit(&page, &question.chatbot_id, &context)
        .await?;
    let whole = AnswerRequest {
        question: Some(question),
    };
    let call = reach(|| {
        let mut request = tonic::Request::new(whole.clone());
        context.inject_metadata(request.metadata_mut());
        request.set_timeout(chat.answer_deadline);
        let mut client = chat.client.clone();
        async move { client.answer(request).await }
    });
    let response = within(CHAT, chat.answer_deadline, call).await?;
    let bot = whole
        .question
        .as_ref()
        .map(|asked| asked.chatbot_id.as_str());
    let told = response.complete.as_ref();
    let session = told.and_then(|told| chat.session(&caller, bot?, &told.session_id));
    let answer = Answer::from_response(response).ok_or_else(|| {
        tracing::error!("chat's answer carries no answer");
        Problem::internal()
    })?;
    let mut response = axum::Json(answer).into_response();
    if let Some(session) = session {
        response.headers_mut().insert(SESSION, session);
    }
    Ok(response)
}

/// Ends a running turn, or all running turns of a conversation that are the caller's to stop. Stopping what is over, or unknown,
/// stops nothing and is no error.
#[utoipa::path(
    post, path = "/api/chat/stop", tag = "chat", request_body = Stop,
    responses(
        (status = 200, description = "How many turns were told to stop", body = Stopped),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The chat role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn stop(
    State(chat): State<Chat>,
    Extension(context): Extension<RequestContext>,
    Json(stop): Json<Stop>,
) -> Result<axum::Json<Stopped>, Problem> {
    let target = stop.into_request().ok_or_else(|| {
        let message = "name either turnId or sessionId, not both and not neither";
        Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_argument",
            format!("The request must {message}."),
        )
        .with_detail(Detail {
            field: "turnId".to_owned(),
            message: message.to_owned(),
            kind: "object.xor".to_owned(),
        })
    })?;
    let call = reach(|| {
        let mut request = tonic::Request::new(target.clone());
        context.inject_metadata(request.metadata_mut());
        request.set_timeout(chat.stop_deadline);
        let mut client = chat.client.clone();
        async move { client.stop(request).await }
    });
    let response = within(CHAT, chat.stop_deadline, call).await?;
    Ok(axum::Json(Stopped::new(response.stopped)))
}
