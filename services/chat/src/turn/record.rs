//! What a turn leaves behind: both messages in the history, and once it is over one line in the log and its outcome for
//! the metrics. Kept by a guard, so that a turn whose listener left is recorded too.

use std::time::{Duration, Instant, SystemTime};

use tracing::{Span, info};
use troika_chassis::{
    context::trace_id,
    error::{Code, Error},
    lifecycle::Hold,
};
use troika_evaluation::built_in::{STREAMING, TTS};
use troika_proto::{
    chat::v1::turn_event::Event,
    metrics::v1::{CacheResult, FailureKind, Outcome as ToldOutcome, TurnOutcome},
};
use troika_reporting::{Gaps, Reporter};
use uuid::Uuid;

use super::{events::Fault, running::Listed, treatment::Treatment, voice::Heard};
use crate::{
    history::{
        Message, Outcome, Sender,
        writer::{Saved, Writer},
    },
    meters::Meters,
    question::Question,
    quota::Held,
    usage::Usage,
};

/// What stands behind a turn for as long as it lives.
pub(super) struct Behind {
    pub(super) writer: Writer,
    pub(super) reporter: Reporter,
    pub(super) meters: Meters,
    pub(super) listed: Listed,
    pub(super) held: Held,
    pub(super) hold: Hold,
}

/// When a turn began.
#[derive(Clone, Copy)]
pub(super) struct Began {
    /// When the request arrived at the edge: what every time counts from.
    pub(super) arrived: Instant,
    /// How long it was on its way to this turn.
    pub(super) queued: Duration,
}

impl Began {
    /// Of a request that has been on its way for so long.
    pub(super) fn after(queued: Duration) -> Self {
        let now = Instant::now();
        Self {
            arrived: now.checked_sub(queued).unwrap_or(now),
            queued,
        }
    }
}

/// The record of one turn. Dropped before it is settled, it stores the partial answer as cancelled.
pub(super) struct Record {
    writer: Writer,
    reporter: Reporter,
    meters: Meters,
    pub(super) treatment: Treatment,
    /// The bot's message as it will be stored; its content is what was sent so far.
    message: Message,
    question: Option<Saved>,
    pub(super) listed: Listed,
    /// What the bot's quota holds for it.
    pub(super) held: Held,
    _hold: Hold,
    began: Began,
    pub(super) span: Span,
    /// How it ended; set when the answer's text is over.
    end: Option<End>,
    first_token: Option<Duration>,
    last_token: Option<Instant>,
    gaps: Gaps,
    first_audio: Option<Duration>,
    voice_failed: bool,
    pub(super) language: &'static str,
    pub(super) model: String,
    pub(super) fallback: bool,
    pub(super) retries: u32,
    pub(super) knowledge: CacheResult,
    pub(super) usage: Usage,
    pub(super) words: u32,
    pub(super) sentences: u32,
    pub(super) audio_chunks: u32,
}

/// How a turn ended, and why in one word.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) reason: &'static str,
    kind: FailureKind,
}

impl End {
    /// Not by a failure.
    pub(super) fn of(outcome: Outcome, reason: &'static str) -> Self {
        Self {
            outcome,
            reason,
            kind: FailureKind::Unspecified,
        }
    }

    /// By a failure of the model, or of ours.
    pub(super) fn failed(fault: Fault) -> Self {
        let kind = match fault {
            Fault::ModelUnavailable
            | Fault::ModelTimeout
            | Fault::ModelRefused
            | Fault::AnswerIncomplete => FailureKind::Openai,
            Fault::TurnTimeout | Fault::ServerShutdown => FailureKind::Other,
        };
        Self {
            outcome: Outcome::Failed,
            reason: fault.code(),
            kind,
        }
    }

    /// Code of ours broke.
    fn panicked() -> Self {
        Self {
            outcome: Outcome::Failed,
            reason: PANICKED,
            kind: FailureKind::Other,
        }
    }
}

/// The failure of a turn whose code panicked: ours beyond doubt.
const PANICKED: &str = "internal";

impl Record {
    /// Submits the visitor's message and prepares the bot's.
    pub(super) fn open(
        behind: Behind,
        question: &Question,
        treatment: Treatment,
        turn: Uuid,
        began: Began,
        span: Span,
    ) -> Self {
        let Behind {
            writer,
            reporter,
            meters,
            listed,
            held,
            hold,
        } = behind;
        let message = |sender, content| Message {
            bot: question.bot,
            session: question.session.to_string(),
            turn: Some(turn),
            sender,
            content,
            time: SystemTime::now(),
            tokens: None,
            outcome: None,
            visitor: question.visitor.clone(),
        };
        let asked = writer.submit(message(Sender::User, question.query.clone()));
        Self {
            message: message(Sender::Bot, String::new()),
            writer,
            reporter,
            meters,
            treatment,
            question: Some(asked),
            listed,
            held,
            _hold: hold,
            began,
            span,
            end: None,
            first_token: None,
            last_token: None,
            gaps: Gaps::default(),
            first_audio: None,
            voice_failed: false,
            language: "",
            model: String::new(),
            fallback: false,
            retries: 0,
            knowledge: CacheResult::Unspecified,
            usage: Usage::default(),
            words: 0,
            sentences: 0,
            audio_chunks: 0,
        }
    }

    /// Notes text that is about to be sent.
    pub(super) fn sent(&mut self, text: &str) {
        let now = Instant::now();
        match self.last_token.replace(now) {
            Some(last) => self.gaps.add(now - last),
            None => self.first_token = Some(now - self.began.arrived),
        }
        self.message.content.push_str(text);
    }

    /// Notes what is heard, and makes it an event.
    pub(super) fn heard(&mut self, heard: Heard) -> Event {
        match heard {
            Heard::Audio(audio) => {
                self.audio_chunks += 1;
                if self.first_audio.is_none() {
                    self.first_audio = Some(self.began.arrived.elapsed());
                }
                Event::Audio(audio)
            }
            Heard::Missing(notice) => {
                self.voice_failed = true;
                notice.into()
            }
        }
    }

    /// What was sent so far.
    pub(super) fn answer(&self) -> &str {
        &self.message.content
    }

    /// Milliseconds since the question arrived.
    pub(super) fn elapsed_ms(&self) -> u64 {
        milliseconds(self.began.arrived.elapsed())
    }

    /// Milliseconds from the question's arrival to the first text.
    pub(super) fn first_token_ms(&self) -> Option<u64> {
        self.first_token.map(milliseconds)
    }

    /// Milliseconds from the question's arrival to the first sound.
    pub(super) fn first_audio_ms(&self) -> Option<u64> {
        self.first_audio.map(milliseconds)
    }

    /// Submits the bot's message, and settles what the turn used. The two promises: question and answer.
    pub(super) fn settle(&mut self, end: End, tokens: Option<u32>) -> Vec<Saved> {
        self.end = Some(end);
        // A clock set back does not put the answer before its question.
        self.message.time = self.message.time.max(SystemTime::now());
        self.message.outcome = Some(end.outcome);
        self.message.tokens = tokens;
        let counted = u64::from(self.usage.prompt) + u64::from(self.usage.completion);
        // Nothing counted is not nothing used: the prompt was sent.
        self.held
            .settle((counted > 0).then_some(counted), &self.message.content);
        let mut saved: Vec<Saved> = self.question.take().into_iter().collect();
        if !self.message.content.is_empty() {
            saved.push(self.writer.submit(self.message.clone()));
        }
        saved
    }

    /// Writes the log line and tells the outcome.
    fn tell(&mut self, end: End) {
        let duration = self.began.arrived.elapsed();
        // Entered, not named as the parent: the JSON format lists the current spans alone.
        let _turn = self.span.enter();
        info!(
            outcome = end.outcome.as_str(),
            reason = end.reason,
            model = self.model,
            language = self.language,
            duration_ms = milliseconds(duration),
            queued_ms = milliseconds(self.began.queued),
            first_token_ms = self.first_token_ms(),
            first_audio_ms = self.first_audio_ms(),
            characters = self.message.content.chars().count(),
            words = self.words,
            sentences = self.sentences,
            audio_chunks = self.audio_chunks,
            prompt_tokens = self.usage.prompt,
            tokens = self.usage.completion,
            retries = self.retries,
            fallback = self.fallback,
            streaming = self.treatment.variant(STREAMING),
            tts = self.treatment.variant(TTS),
            "turn ended"
        );
        let outcome = self.outcome(end, duration);
        self.meters.turn(&outcome, trace_id(&self.span));
        if self.treatment.reports {
            self.reporter.tell(outcome);
        }
    }

    fn outcome(&self, end: End, duration: Duration) -> TurnOutcome {
        let (told, failure) = match end.outcome {
            Outcome::Complete | Outcome::Truncated => (ToldOutcome::Success, ""),
            Outcome::Stopped | Outcome::Cancelled => (ToldOutcome::Cancelled, ""),
            Outcome::Failed => (ToldOutcome::Failure, end.reason),
        };
        let text = &self.message.content;
        TurnOutcome {
            critical: end.reason == PANICKED,
            kind: end.kind.into(),
            language: self.language.to_owned(),
            turn_id: self
                .message
                .turn
                .map(|id| id.to_string())
                .unwrap_or_default(),
            model: self.model.clone(),
            first_token: told_time(self.first_token),
            first_audio: told_time(self.first_audio),
            gaps: self.gaps.histogram(),
            prompt_tokens: self.usage.prompt,
            completion_tokens: self.usage.completion,
            words: self.words,
            sentences: self.sentences,
            characters: u32::try_from(text.chars().count()).unwrap_or(u32::MAX),
            audio_chunks: self.audio_chunks,
            retries: self.retries,
            fallback: self.fallback,
            knowledge: self.knowledge.into(),
            voice_failed: self.voice_failed,
            ..told_outcome(
                told,
                failure,
                self.began,
                duration,
                &self.treatment,
                (self.message.bot.to_string(), self.message.session.clone()),
            )
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let end = match self.end {
            Some(end) => end,
            None => {
                let end = if std::thread::panicking() {
                    End::panicked()
                } else {
                    End::of(Outcome::Cancelled, "the listener left")
                };
                // The writer stores it whether or not anybody waits.
                drop(self.settle(end, None));
                end
            }
        };
        self.tell(end);
    }
}

/// Tells of a turn that failed before its first event, by no fault of the visitor.
pub(super) fn turned_down(
    (reporter, meters): (&Reporter, &Meters),
    treatment: &Treatment,
    question: &Question,
    began: Began,
    error: &Error,
) {
    let outcome = TurnOutcome {
        critical: error.code() == Code::Internal,
        kind: FailureKind::Other.into(),
        ..told_outcome(
            ToldOutcome::Failure,
            error.reason(),
            began,
            began.arrived.elapsed(),
            treatment,
            (question.bot.to_string(), question.session.to_string()),
        )
    };
    meters.turn(&outcome, trace_id(&tracing::Span::current()));
    if treatment.reports {
        reporter.tell(outcome);
    }
}

/// What is told of every turn.
fn told_outcome(
    told: ToldOutcome,
    failure: &str,
    began: Began,
    duration: Duration,
    treatment: &Treatment,
    (chatbot_id, session_id): (String, String),
) -> TurnOutcome {
    TurnOutcome {
        started_at: SystemTime::now().checked_sub(duration).map(Into::into),
        outcome: told.into(),
        failure: failure.to_owned(),
        complete: told_time(Some(duration)),
        queued: told_time(Some(began.queued)),
        endpoint: treatment.endpoint.to_owned(),
        exposures: treatment.exposures.clone(),
        chatbot_id,
        session_id,
        ..TurnOutcome::default()
    }
}

fn told_time(time: Option<Duration>) -> Option<prost_types::Duration> {
    time?.try_into().ok()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
