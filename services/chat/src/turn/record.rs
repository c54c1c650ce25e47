//! What a turn leaves behind: both messages in the history, one line in the log, its outcome for the metrics. Kept by a
//! guard, so that a turn whose listener left is recorded too.

use std::time::{Duration, Instant, SystemTime};

use tracing::{Span, info};
use troika_chassis::{
    error::{Code, Error},
    lifecycle::Hold,
};
use troika_evaluation::built_in::{STREAMING, TTS};
use troika_proto::{
    chat::v1::turn_event::Event,
    metrics::v1::{Outcome as ToldOutcome, TurnOutcome},
};
use uuid::Uuid;

use super::{running::Listed, treatment::Treatment, voice::Heard};
use crate::{
    history::{
        Message, Outcome, Sender,
        writer::{Saved, Writer},
    },
    peers::metrics::Reporter,
    question::Question,
};

/// What stands behind a turn for as long as it lives.
pub(super) struct Behind {
    pub(super) writer: Writer,
    pub(super) reporter: Reporter,
    pub(super) listed: Listed,
    pub(super) hold: Hold,
}

/// The record of one turn. Dropped before it is settled, it stores the partial answer as cancelled.
pub(super) struct Record {
    writer: Writer,
    reporter: Reporter,
    pub(super) treatment: Treatment,
    /// The bot's message as it will be stored; its content is what was sent so far.
    message: Message,
    question: Option<Saved>,
    pub(super) listed: Listed,
    _hold: Hold,
    started: Instant,
    pub(super) span: Span,
    pub(super) model: String,
    pub(super) first_token_ms: Option<u64>,
    pub(super) audio_chunks: u32,
    pub(super) first_audio_ms: Option<u64>,
    settled: bool,
}

impl Record {
    /// Submits the visitor's message and prepares the bot's.
    pub(super) fn open(
        behind: Behind,
        question: &Question,
        treatment: Treatment,
        turn: Uuid,
        started: Instant,
        span: Span,
    ) -> Self {
        let Behind {
            writer,
            reporter,
            listed,
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
            treatment,
            question: Some(asked),
            listed,
            _hold: hold,
            started,
            span,
            model: String::new(),
            first_token_ms: None,
            audio_chunks: 0,
            first_audio_ms: None,
            settled: false,
        }
    }

    /// Notes text that is about to be sent.
    pub(super) fn sent(&mut self, text: &str) {
        if self.first_token_ms.is_none() {
            self.first_token_ms = Some(self.elapsed_ms());
        }
        self.message.content.push_str(text);
    }

    /// Notes what is heard, and makes it an event.
    pub(super) fn heard(&mut self, heard: Heard) -> Event {
        match heard {
            Heard::Audio(audio) => {
                self.audio_chunks += 1;
                if self.first_audio_ms.is_none() {
                    self.first_audio_ms = Some(self.elapsed_ms());
                }
                Event::Audio(audio)
            }
            Heard::Missing(notice) => notice.into(),
        }
    }

    /// What was sent so far.
    pub(super) fn answer(&self) -> &str {
        &self.message.content
    }

    /// Milliseconds since the question arrived.
    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Submits the bot's message and writes the log line. The two promises: question and answer.
    pub(super) fn settle(
        &mut self,
        outcome: Outcome,
        reason: &str,
        tokens: Option<u32>,
    ) -> Vec<Saved> {
        self.settled = true;
        // A clock set back does not put the answer before its question.
        self.message.time = self.message.time.max(SystemTime::now());
        self.message.outcome = Some(outcome);
        self.message.tokens = tokens;
        // Entered, not named as the parent: the JSON format lists the current spans alone.
        let _turn = self.span.enter();
        info!(
            outcome = outcome.as_str(),
            reason,
            model = self.model,
            duration_ms = self.elapsed_ms(),
            first_token_ms = self.first_token_ms,
            characters = self.message.content.chars().count(),
            tokens,
            streaming = self.treatment.variant(STREAMING),
            tts = self.treatment.variant(TTS),
            "turn ended"
        );
        if self.treatment.reports {
            self.reporter.tell(self.outcome(outcome, reason));
        }
        let mut saved: Vec<Saved> = self.question.take().into_iter().collect();
        if !self.message.content.is_empty() {
            saved.push(self.writer.submit(self.message.clone()));
        }
        saved
    }
}

impl Record {
    fn outcome(&self, outcome: Outcome, reason: &str) -> TurnOutcome {
        let (told, failure) = match outcome {
            Outcome::Complete | Outcome::Truncated => (ToldOutcome::Success, ""),
            Outcome::Stopped | Outcome::Cancelled => (ToldOutcome::Cancelled, ""),
            Outcome::Failed => (ToldOutcome::Failure, reason),
        };
        TurnOutcome {
            first_token: self
                .first_token_ms
                .and_then(|ms| Duration::from_millis(ms).try_into().ok()),
            critical: failure == PANICKED,
            ..told_outcome(told, failure, self.started, &self.treatment)
        }
    }
}

/// The failure of a turn whose code panicked: ours beyond doubt.
const PANICKED: &str = "internal";

impl Drop for Record {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        // The writer stores it whether or not anybody waits.
        drop(if std::thread::panicking() {
            self.settle(Outcome::Failed, PANICKED, None)
        } else {
            self.settle(Outcome::Cancelled, "the listener left", None)
        });
    }
}

/// Tells of a turn that failed before its first event, by no fault of the visitor.
pub(super) fn turned_down(
    reporter: &Reporter,
    treatment: &Treatment,
    started: Instant,
    error: &Error,
) {
    if treatment.reports {
        reporter.tell(TurnOutcome {
            critical: error.code() == Code::Internal,
            ..told_outcome(ToldOutcome::Failure, error.reason(), started, treatment)
        });
    }
}

/// An outcome without its first token.
fn told_outcome(
    outcome: ToldOutcome,
    failure: &str,
    started: Instant,
    treatment: &Treatment,
) -> TurnOutcome {
    let lasted = started.elapsed();
    TurnOutcome {
        started_at: SystemTime::now().checked_sub(lasted).map(Into::into),
        outcome: outcome.into(),
        failure: failure.to_owned(),
        complete: lasted.try_into().ok(),
        exposures: treatment.exposures.clone(),
        ..TurnOutcome::default()
    }
}
