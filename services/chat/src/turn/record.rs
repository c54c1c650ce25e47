//! What a turn leaves behind: both messages in the history, one line in the log. Kept by a guard, so
//! that a turn whose listener left is recorded too.

use std::time::{Instant, SystemTime};

use tracing::{Span, info};
use troika_chassis::lifecycle::Hold;
use troika_proto::chat::v1::turn_event::Event;
use uuid::Uuid;

use super::{running::Listed, voice::Heard};
use crate::{
    history::{
        Message, Outcome, Sender,
        writer::{Saved, Writer},
    },
    question::Question,
};

/// The record of one turn. Dropped before it is settled, it stores the partial answer as cancelled.
pub(super) struct Record {
    writer: Writer,
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
        writer: Writer,
        question: &Question,
        turn: Uuid,
        listed: Listed,
        hold: Hold,
        started: Instant,
        span: Span,
    ) -> Self {
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
            "turn ended"
        );
        let mut saved: Vec<Saved> = self.question.take().into_iter().collect();
        if !self.message.content.is_empty() {
            saved.push(self.writer.submit(self.message.clone()));
        }
        saved
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.settled {
            // The writer stores it whether or not anybody waits.
            drop(self.settle(Outcome::Cancelled, "the listener left", None));
        }
    }
}
