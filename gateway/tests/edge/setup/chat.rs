//! A scripted chat role and the events of its turns. It asserts nothing by itself.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{Stream, StreamExt as _, stream};
use tokio::sync::watch;
use tonic::{Status, metadata::MetadataMap};
use troika_proto::chat::v1::{
    self as proto, AnswerRequest, AnswerResponse, DescribeBotRequest, DescribeBotResponse,
    QueryRequest, StopRequest, StopResponse, TurnEvent, chat_stream_server::ChatStream,
    turn_event::Event,
};

/// The turn that scripted events belong to.
pub(crate) const TURN: &str = "0190c3b2-7e7a-7c3a-9d5e-0f4a6b8c9d10";

pub(crate) type Events = Pin<Box<dyn Stream<Item = Result<TurnEvent, Status>> + Send>>;
type QueryScript = dyn Fn(QueryRequest) -> Result<Events, Status> + Send + Sync;
type BotScript = dyn Fn(DescribeBotRequest) -> Result<DescribeBotResponse, Status> + Send + Sync;
type AnswerScript = dyn Fn(AnswerRequest) -> Result<AnswerResponse, Status> + Send + Sync;

/// What the scripted chat role does, and what it saw.
#[derive(Clone)]
pub(crate) struct FakeChat {
    query: Arc<QueryScript>,
    answer: Arc<AnswerScript>,
    bot: Arc<BotScript>,
    pub(crate) seen: Arc<Seen>,
}

/// What reached the chat role.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) metadata: Mutex<Option<MetadataMap>>,
    pub(crate) question: Mutex<Option<QueryRequest>>,
    pub(crate) stop: Mutex<Option<StopRequest>>,
    /// Streams that were open and were dropped before they had ended.
    pub(crate) abandoned: watch::Sender<usize>,
    /// Questions about a bot.
    pub(crate) described: AtomicUsize,
    /// Events that were taken from scripted streams.
    pub(crate) taken: AtomicUsize,
}

impl FakeChat {
    pub(crate) fn streaming(
        query: impl Fn(QueryRequest) -> Result<Events, Status> + Send + Sync + 'static,
    ) -> Self {
        Self {
            query: Arc::new(query),
            answer: Arc::new(|_| Err(Status::unimplemented("not scripted"))),
            bot: Arc::new(|_| {
                Ok(DescribeBotResponse {
                    active: true,
                    ..DescribeBotResponse::default()
                })
            }),
            seen: Arc::default(),
        }
    }

    pub(crate) fn answering(
        answer: impl Fn(AnswerRequest) -> Result<AnswerResponse, Status> + Send + Sync + 'static,
    ) -> Self {
        Self {
            answer: Arc::new(answer),
            ..Self::streaming(|_| Err(Status::unimplemented("not scripted")))
        }
    }

    /// Answers in one piece too.
    pub(crate) fn answers(
        self,
        answer: impl Fn(AnswerRequest) -> Result<AnswerResponse, Status> + Send + Sync + 'static,
    ) -> Self {
        Self {
            answer: Arc::new(answer),
            ..self
        }
    }

    /// Knows this of bots.
    pub(crate) fn describing(
        self,
        bot: impl Fn(DescribeBotRequest) -> Result<DescribeBotResponse, Status> + Send + Sync + 'static,
    ) -> Self {
        Self {
            bot: Arc::new(bot),
            ..self
        }
    }

    /// Refuses every question, streamed or not.
    pub(crate) fn refusing(refuse: impl Fn() -> Status + Clone + Send + Sync + 'static) -> Self {
        let refuse_answer = refuse.clone();
        Self {
            answer: Arc::new(move |_| Err(refuse_answer())),
            ..Self::streaming(move |_| Err(refuse()))
        }
    }
}

/// Notices that a stream is dropped before its end.
struct Watched {
    events: Events,
    ended: bool,
    seen: Arc<Seen>,
}

impl Stream for Watched {
    type Item = Result<TurnEvent, Status>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let next = self.events.poll_next_unpin(context);
        if let std::task::Poll::Ready(item) = &next {
            self.ended = !matches!(item, Some(Ok(_)));
            self.seen.taken.fetch_add(1, Ordering::Relaxed);
        }
        next
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ended {
            self.seen.abandoned.send_modify(|count| *count += 1);
        }
    }
}

#[tonic::async_trait]
impl ChatStream for FakeChat {
    type QueryStream = Events;

    async fn query(
        &self,
        request: tonic::Request<QueryRequest>,
    ) -> Result<tonic::Response<Events>, Status> {
        *self.seen.metadata.lock().unwrap() = Some(request.metadata().clone());
        *self.seen.question.lock().unwrap() = Some(request.get_ref().clone());
        let events = (self.query)(request.into_inner())?;
        Ok(tonic::Response::new(Box::pin(Watched {
            events,
            ended: false,
            seen: Arc::clone(&self.seen),
        })))
    }

    async fn answer(
        &self,
        request: tonic::Request<AnswerRequest>,
    ) -> Result<tonic::Response<AnswerResponse>, Status> {
        *self.seen.metadata.lock().unwrap() = Some(request.metadata().clone());
        (self.answer)(request.into_inner()).map(tonic::Response::new)
    }

    async fn stop(
        &self,
        request: tonic::Request<StopRequest>,
    ) -> Result<tonic::Response<StopResponse>, Status> {
        *self.seen.metadata.lock().unwrap() = Some(request.metadata().clone());
        *self.seen.stop.lock().unwrap() = Some(request.into_inner());
        Ok(tonic::Response::new(StopResponse { stopped: 2 }))
    }

    async fn describe_bot(
        &self,
        request: tonic::Request<DescribeBotRequest>,
    ) -> Result<tonic::Response<DescribeBotResponse>, Status> {
        self.seen.described.fetch_add(1, Ordering::Relaxed);
        (self.bot)(request.into_inner()).map(tonic::Response::new)
    }
}

pub(crate) fn event(sequence: u64, event: Event) -> TurnEvent {
    TurnEvent {
        turn_id: TURN.to_owned(),
        sequence,
        time: None,
        event: Some(event),
    }
}

pub(crate) fn connected() -> TurnEvent {
    let connected = proto::Connected {
        client_id: "c".to_owned(),
        session_id: "s".to_owned(),
        message: "Connected".to_owned(),
    };
    event(0, Event::Connected(connected))
}

pub(crate) fn token(sequence: u64, content: &str) -> TurnEvent {
    let content = content.to_owned();
    event(sequence, Event::Text(proto::Text { content }))
}

pub(crate) fn complete() -> proto::Complete {
    proto::Complete {
        finish_reason: proto::FinishReason::Stop.into(),
        full_answer: "Hi there.".to_owned(),
        session_id: "s".to_owned(),
        language: "en-IN".to_owned(),
        model: "knowledge".to_owned(),
        usage: Some(proto::Usage {
            prompt_tokens: 10,
            completion_tokens: 2,
            total_tokens: 12,
            estimated: false,
        }),
        ..Default::default()
    }
}

pub(crate) fn close(sequence: u64) -> TurnEvent {
    let close = proto::Close {
        reason: "complete".to_owned(),
        message: "Bye".to_owned(),
    };
    event(sequence, Event::Close(close))
}

/// A stream of `events` that ends after them.
pub(crate) fn ending(events: Vec<TurnEvent>) -> Result<Events, Status> {
    Ok(Box::pin(stream::iter(events.into_iter().map(Ok))))
}

/// A stream of `events` that stays open after them.
pub(crate) fn lingering(events: Vec<TurnEvent>) -> Result<Events, Status> {
    let events = stream::iter(events.into_iter().map(Ok)).chain(stream::pending());
    Ok(Box::pin(events))
}
