//! One conversation turn, from question to last event: the only orchestrator. It knows stores,
//! retrieval and models by their traits and types, and names no driver and no gRPC.
//!
//! A turn is a stream that is returned, not spawned: dropping it ends the turn, closes the provider's
//! connection and stores what had been said as a partial answer.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt as _, Stream,
    future::{BoxFuture, Either, ready, select},
};
use tokio::time::timeout;
use tracing::{Instrument as _, warn};
use troika_chassis::{
    context::RequestContext,
    error::{Code, Error},
    lifecycle::Drain,
};
use troika_evaluation::follow::Flags;
use troika_identity::Caller;
use troika_proto::{chat::v1::TurnEvent, metrics::v1::CacheResult};
use troika_reporting::Reporter;
use uuid::Uuid;

use crate::{
    allowance::Allowances,
    bots::{Bot, BotId, cached::CachedBots},
    history::{Message, MessageStore, Sender, owners::Owners, writer::Writer},
    knowledge::retriever::{Passage, Retriever},
    language,
    meters::Meters,
    model::Ladder,
    peers::tts::Tts,
    question::Question,
    quota::{self, Admitted, Asking, Quotas, SignIn, estimate::Room},
    store::StoreError,
};

pub(crate) mod admission;
mod answer;
mod config;
mod delivery;
mod events;
mod record;
mod refused;
pub(crate) mod running;
mod stream;
mod treatment;
mod voice;

pub use config::Config;
pub(crate) use events::Notice;
use record::{Began, Behind, Record};
use running::Running;
pub(crate) use treatment::Treatment;

/// Everything a turn needs, shared by all turns of a process.
pub(crate) struct Turns {
    pub(crate) bots: Arc<CachedBots>,
    pub(crate) messages: Arc<dyn MessageStore>,
    pub(crate) owners: Owners,
    pub(crate) retriever: Arc<Retriever>,
    pub(crate) in_prompt: usize,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) allowances: Allowances,
    /// What a turn may use, for estimates.
    pub(crate) room: Room,
    pub(crate) writer: Writer,
    pub(crate) ladder: Ladder,
    pub(crate) tts: Tts,
    pub(crate) flags: Flags,
    pub(crate) reporter: Reporter,
    pub(crate) meters: Meters,
    pub(crate) running: Running,
    pub(crate) drain: Drain,
    pub(crate) config: Config,
}

/// A turn that began.
pub(crate) struct Started<E> {
    /// What other services are told of who asks.
    pub(crate) request: RequestContext,
    pub(crate) events: E,
    /// The visitor must sign in before the next question.
    pub(crate) sign_in_next: Option<SignIn>,
}

/// A turn that is accepted: its bot is known, its question is on the way to the history.
struct Accepted {
    id: Uuid,
    began: Began,
    question: Question,
    bot: Bot,
    language: &'static str,
    request: RequestContext,
    gathering: BoxFuture<'static, Gathered>,
    record: Record,
}

/// What was found for the prompt, and what could not be.
#[derive(Default)]
struct Gathered {
    history: Vec<Message>,
    passages: Vec<Passage>,
    notices: Vec<Notice>,
    /// Whether the passages were known already.
    cached: CacheResult,
}

impl Gathered {
    fn without_history(mut self) -> Self {
        self.history.clear();
        if !self.notices.contains(&Notice::HistoryUnavailable) {
            self.notices.push(Notice::HistoryUnavailable);
        }
        self
    }
}

impl Turns {
    /// Begins a turn. Errors here come before any event: an unknown, private or switched-off bot, one that used
    /// up what it may use, a visitor who must sign in to have a whole answer, a store that is away, a process that
    /// is full or leaving. Afterwards the stream tells failures as events; it always ends with a terminal event and `close`, unless it is dropped. Its times count from the
    /// request's arrival at the edge.
    pub(crate) async fn start(
        self: &Arc<Self>,
        question: Question,
        treatment: Treatment,
        request: RequestContext,
    ) -> Result<Started<impl Stream<Item = TurnEvent> + Send + use<>>, Error> {
        let began = Began::after(request.waited());
        if self.drain.refuses() {
            return Err(Error::new(
                Code::Unavailable,
                "server_shutdown",
                "This server is shutting down. Please try again.",
            )
            .with_retry_after(Duration::from_secs(1)));
        }
        let id = Uuid::new_v4();
        // Before any read: a process that is full must not work for those it turns away.
        let listed = self
            .running
            .list(
                id,
                (question.bot, question.session),
                &question.caller,
                self.config.max_running,
            )
            .ok_or_else(|| {
                self.meters.refused();
                if treatment.reports {
                    self.reporter.refused();
                }
                Error::new(
                    Code::ResourceExhausted,
                    "too_many_turns",
                    "Too many answers are being written at once. Please try again in a moment.",
                )
                .with_retry_after(Duration::from_secs(1))
            })?;
        let span = tracing::info_span!("turn", turn_id = %id, bot = %question.bot);
        let gathering = self
            .clone()
            .gather(question.bot, question.session, question.query.clone());
        let bot = self.bots.remembered(question.bot).instrument(span.clone());
        let admitted = async {
            let quota = self.quota(id, &question);
            let (bot, own, quota) = futures::join!(bot, self.own(&question), quota);
            let bot = known(bot)?;
            // Only who may ask uses up what others may.
            admission::admit(&bot, &question.caller)?;
            let own = own?;
            let quota = quota.inspect_err(|error| self.meters.quota_refused(error.reason()))?;
            if matches!(quota, Admitted::SignIn) {
                self.meters.quota_refused(quota::NEED_AUTH);
            }
            let tokens = quota::estimate::tokens(&question.query, Some(&bot), &self.room);
            let today = self.allowances.take(&bot, &question.caller, tokens).await?;
            Ok((bot, own, quota, today))
        };
        let gathering = gathering.instrument(span.clone()).boxed();
        let (admitted, gathering) = match select(admitted.boxed(), gathering).await {
            Either::Left((admitted, gathering)) => (admitted, gathering),
            Either::Right((gathered, admitted)) => (admitted.await, ready(gathered).boxed()),
        };
        let (bot, own, quota, today) = admitted.inspect_err(|error: &Error| {
            if error.code().http().is_server_error() {
                record::turned_down(
                    (&self.reporter, &self.meters),
                    &treatment,
                    &question,
                    began,
                    error,
                );
            }
        })?;
        let (mut held, sign_in_next) = match quota {
            Admitted::Yes { held, sign_in_next } => (held, sign_in_next),
            Admitted::SignIn if question.whole => return Err(quota::need_auth()),
            Admitted::SignIn => {
                return Ok(Started {
                    request,
                    events: Either::Left(refused::sign_in(id, &question)),
                    sign_in_next: None,
                });
            }
        };
        held.of_today(today);
        let request = on_behalf(request, &question.caller, &bot);
        let told = request.clone();
        let gathering = if own {
            gathering
        } else {
            // Nobody can tell whose conversation it is: what was said in it stays untold.
            gathering.map(Gathered::without_history).boxed()
        };
        let record = Record::open(
            Behind {
                writer: self.writer.clone(),
                reporter: self.reporter.clone(),
                meters: self.meters.clone(),
                listed,
                held,
                hold: self.drain.hold("a turn"),
            },
            &question,
            treatment,
            id,
            began,
            span,
        );
        let language = question
            .language
            .unwrap_or_else(|| language::nearest(&bot.language));
        let events = stream::events(
            self.clone(),
            Accepted {
                id,
                began,
                question,
                bot,
                language,
                request,
                gathering,
                record,
            },
        );
        Ok(Started {
            request: told,
            events: Either::Right(events),
            sign_in_next,
        })
    }

    /// What the bot's quota says to a turn. Asks no more of the bot than what is at hand: nothing waits for it.
    async fn quota(&self, turn: Uuid, question: &Question) -> Result<Admitted, Error> {
        let bot = self.bots.at_hand(question.bot).await;
        let asking = Asking {
            turn,
            bot: question.bot,
            stranger: (!question.caller.is_known()).then_some(question.session),
            tokens: quota::estimate::tokens(&question.query, bot.as_ref(), &self.room),
            longest: self.config.total,
        };
        self.quotas.admit(asking).await
    }

    /// Whether the conversation may be gone on with; `false` when nobody can tell.
    async fn own(&self, question: &Question) -> Result<bool, Error> {
        let stranger = !question.caller.is_known();
        if !question.named_session && stranger {
            return Ok(true);
        }
        self.owners
            .admit(question.bot, question.session, &question.caller)
            .await
    }

    /// A bot as it is or was a moment ago.
    pub(crate) async fn bot(&self, id: BotId) -> Result<Bot, Error> {
        known(self.bots.remembered(id).await)
    }

    /// What the flags say of a question, asked once for its turn.
    pub(crate) fn treatment(&self, question: &Question) -> Treatment {
        Treatment::of(&self.flags, question)
    }

    /// Fetches history and knowledge at the same time. A failure costs the context, not the answer.
    async fn gather(self: Arc<Self>, bot: BotId, session: Uuid, query: String) -> Gathered {
        let limit = self.config.context;
        let session = session.to_string();
        let (history, found) = futures::join!(
            timeout(
                limit,
                // One more than the prompt takes: this turn's own question may be among them.
                self.messages
                    .recent(bot, &session, self.config.history_messages as usize + 1)
            ),
            timeout(limit, self.retriever.retrieve(bot, &query)),
        );
        let mut notices = Vec::new();
        let history = history.map_err(StoreError::unavailable).flatten();
        let history = history.unwrap_or_else(|error| {
            warn!(
                error = &error as &dyn std::error::Error,
                "answering without the conversation's history"
            );
            notices.push(Notice::HistoryUnavailable);
            Vec::new()
        });
        let mut cached = CacheResult::Unspecified;
        let passages = match found.map_err(StoreError::unavailable).flatten() {
            Ok(found) => {
                cached = if found.cached {
                    CacheResult::Hit
                } else {
                    CacheResult::Miss
                };
                if found.lexical_only {
                    notices.push(Notice::EmbeddingsUnavailable);
                }
                found.passages
            }
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "answering without the bot's knowledge"
                );
                notices.push(Notice::KnowledgeUnavailable);
                Vec::new()
            }
        };
        Gathered {
            history,
            passages,
            notices,
            cached,
        }
    }
}

/// The part of a conversation that a prompt takes: the newest `most` messages, from a visitor's on,
/// without the turn's own question, which may have been stored already.
fn conversation(mut messages: Vec<Message>, turn: Uuid, most: usize) -> Vec<Message> {
    // Old data has messages without a text, which providers refuse.
    messages.retain(|message| message.turn != Some(turn) && !message.content.trim().is_empty());
    messages.drain(..messages.len().saturating_sub(most));
    // An answer that lost its question: models expect the visitor first.
    let first = messages
        .iter()
        .position(|message| message.sender == Sender::User)
        .unwrap_or(messages.len());
    messages.drain(..first);
    messages
}

/// Tells other services of which bot and company the turn is: what they do for it counts there.
fn on_behalf(request: RequestContext, caller: &Caller, bot: &Bot) -> RequestContext {
    let caller = Caller {
        chatbot: Some(bot.id.to_string()),
        company: bot.company.clone(),
        ..caller.clone()
    };
    RequestContext {
        caller: troika_identity::told(&caller),
        ..request
    }
}

/// A bot that is there.
fn known(bot: Result<Option<Bot>, StoreError>) -> Result<Bot, Error> {
    bot.map_err(|error| match error {
        // Asking again does not mend it.
        StoreError::Corrupt { .. } => Error::internal(error),
        error => Error::new(
            Code::Unavailable,
            "store_unavailable",
            "The chatbot cannot be looked up right now. Please try again in a moment.",
        )
        .with_retry_after(Duration::from_secs(2))
        .with_source(error),
    })?
    .ok_or_else(|| {
        Error::new(
            Code::NotFound,
            "bot_not_found",
            "There is no chatbot with this chatbotId.",
        )
    })
}

#[cfg(test)]
mod tests;
