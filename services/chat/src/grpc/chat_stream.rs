//! ChatStream on the wire: requests to questions, turns to streams.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};
use tracing::warn;
use troika_chassis::{
    context::RequestContext,
    error::{Code, Error, Violation},
};
use troika_identity::Caller;
use troika_proto::chat::v1::{
    AnswerRequest, AnswerResponse, DescribeBotRequest, DescribeBotResponse, Failure, QueryRequest,
    SpokenAnswer, StopRequest, StopResponse, TurnEvent, chat_stream_server::ChatStream,
    stop_request, turn_event::Event,
};
use uuid::Uuid;

use crate::{
    bots::Access,
    grpc::chatbots::bot_id,
    peers::tts::switched_off,
    question::{Question, Unchecked},
    quota::SignIn,
    turn::{Notice, Turns, running::Target},
};

/// The service.
pub(crate) struct ChatStreamService {
    pub(crate) turns: Arc<Turns>,
}

impl ChatStreamService {
    /// The sound of a whole answer. Without it the answer is whole all the same: what is missing is said.
    async fn speak(&self, answer: &mut AnswerResponse, request: &RequestContext) {
        let Some(complete) = &answer.complete else {
            return;
        };
        let spoken = self
            .turns
            .tts
            .file(&complete.full_answer, &complete.language, request)
            .await;
        match spoken {
            Ok(file) => {
                answer.audio = Some(SpokenAnswer {
                    data: file.audio,
                    content_type: file.content_type,
                });
                if file.warning.is_some() {
                    answer.warnings.push(Notice::VoiceIncomplete.into());
                }
            }
            Err(status) if switched_off(&status) => {}
            Err(status) => {
                warn!(code = ?status.code(), message = status.message(), "an answer is not spoken");
                answer.warnings.push(Notice::VoiceUnavailable.into());
            }
        }
    }
}

#[tonic::async_trait]
impl ChatStream for ChatStreamService {
    type QueryStream = Pin<Box<dyn Stream<Item = Result<TurnEvent, Status>> + Send>>;

    async fn query(
        &self,
        request: Request<QueryRequest>,
    ) -> Result<Response<Self::QueryStream>, Status> {
        let context = RequestContext::from_extensions(request.extensions());
        let caller = Caller::from_extensions(request.extensions());
        let question = Question::try_from(unchecked(request.into_inner(), caller))?;
        let treatment = self.turns.treatment(&question);
        let started = self.turns.start(question, treatment, context).await?;
        Ok(Response::new(Box::pin(started.events.map(Ok))))
    }

    async fn answer(
        &self,
        request: Request<AnswerRequest>,
    ) -> Result<Response<AnswerResponse>, Status> {
        let context = RequestContext::from_extensions(request.extensions());
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner().question.unwrap_or_default();
        let mut question = Question::try_from(unchecked(sent, caller))?;
        // Spoken as one file, when it is whole.
        question.whole = true;
        let treatment = self.turns.treatment(&question);
        let speak = treatment.speaks;
        let started = self.turns.start(question, treatment, context).await?;
        let mut answer = whole(started.events).await?;
        if let Some(SignIn(method)) = started.sign_in_next {
            answer.requires_auth_next = true;
            answer.auth_method = method;
        }
        if speak {
            self.speak(&mut answer, &started.request).await;
        }
        Ok(Response::new(answer))
    }

    async fn stop(&self, request: Request<StopRequest>) -> Result<Response<StopResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let target = target(request.into_inner())?;
        let stopped = self.turns.running.stop(&target, &caller)?;
        Ok(Response::new(StopResponse { stopped }))
    }

    async fn describe_bot(
        &self,
        request: Request<DescribeBotRequest>,
    ) -> Result<Response<DescribeBotResponse>, Status> {
        let id = bot_id("chatbot_id", &request.into_inner().chatbot_id)?;
        let bot = self.turns.bot(id).await?;
        Ok(Response::new(DescribeBotResponse {
            name: bot.name,
            language: bot.language,
            active: bot.active,
            private: bot.access == Access::Private,
            allowed_origins: bot.allowed_origins,
            company_id: bot.company.unwrap_or_default(),
        }))
    }
}

fn unchecked(sent: QueryRequest, caller: Caller) -> Unchecked {
    Unchecked {
        query: sent.query,
        chatbot_id: sent.chatbot_id,
        session_id: sent.session_id,
        email: sent.email,
        phone: sent.phone,
        name: sent.name,
        language: sent.language,
        enable_tts: sent.enable_tts,
        client_address: sent.client_address,
        caller,
    }
}

/// Plays a turn to its end.
async fn whole(events: impl Stream<Item = TurnEvent>) -> Result<AnswerResponse, Error> {
    let mut answer = AnswerResponse::default();
    let mut events = std::pin::pin!(events);
    while let Some(TurnEvent { turn_id, event, .. }) = events.next().await {
        match event {
            Some(Event::Connected(_)) => answer.turn_id = turn_id,
            Some(Event::Suggestions(suggestions)) => answer.suggestions = suggestions.items,
            Some(Event::Warning(warning)) => answer.warnings.push(warning),
            Some(Event::Error(failure)) => return Err(failure_as_error(failure)),
            Some(Event::Complete(complete)) => answer.complete = Some(complete),
            _ => {}
        }
    }
    Ok(answer)
}

/// A turn's failure where there is no stream to tell it in.
fn failure_as_error(failure: Failure) -> Error {
    let code = match failure.code.as_str() {
        "model_timeout" | "turn_timeout" => Code::DeadlineExceeded,
        "model_refused" => Code::Internal,
        _ => Code::Unavailable,
    };
    Error::new(code, failure.code, failure.message)
}

fn target(request: StopRequest) -> Result<Target, Error> {
    let parse = |field: &str, name: &str, text: &str| {
        Uuid::try_parse(text).map_err(|_| {
            let message = format!("{name} must be a UUID");
            Error::new(Code::InvalidArgument, "invalid_argument", message.clone()).with_violations(
                vec![Violation {
                    field: field.into(),
                    kind: "string.guid".into(),
                    message,
                }],
            )
        })
    };
    match request.target {
        Some(stop_request::Target::TurnId(id)) => {
            Ok(Target::Turn(parse("turn_id", "turnId", &id)?))
        }
        Some(stop_request::Target::SessionId(id)) => {
            Ok(Target::Session(parse("session_id", "sessionId", &id)?))
        }
        None => Err(Error::new(
            Code::InvalidArgument,
            "invalid_argument",
            "turnId or sessionId is required",
        )
        .with_violations(vec![Violation {
            field: "turn_id".into(),
            kind: "any.required".into(),
            message: "turnId or sessionId is required".into(),
        }])),
    }
}
