//! Shows the events of a turn: the answer on standard output, the rest on standard error. It must not
//! know where events come from.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use troika_proto::chat::v1::{
    Complete, Failure as TurnFailure, FinishReason, TurnEvent, turn_event::Event,
};

use super::Answer;
use crate::{
    exit::{Exit, Failure},
    output,
};

/// One turn as far as it was shown.
pub(super) struct Renderer {
    waiting: Option<ProgressBar>,
    turn: Option<String>,
    session: Option<String>,
    suggestions: Vec<String>,
    within_line: bool,
    end: Option<Result<Complete, TurnFailure>>,
}

impl Renderer {
    pub(super) fn new() -> Self {
        Self {
            waiting: None,
            turn: None,
            session: None,
            suggestions: Vec::new(),
            within_line: false,
            end: None,
        }
    }

    /// The turn's id, once it is known.
    pub(super) fn turn(&self) -> Option<&str> {
        self.turn.as_deref()
    }

    /// The conversation's id, once it is known.
    pub(super) fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Shows one event.
    pub(super) fn show(&mut self, event: TurnEvent) -> Result<(), Failure> {
        if self.turn.is_none() {
            self.turn = Some(event.turn_id);
        }
        match event.event {
            Some(Event::Connected(connected)) => self.session = Some(connected.session_id),
            Some(Event::Status(status)) => self.wait(&status.message),
            Some(Event::Metadata(metadata)) => {
                if let Some(url) = metadata.calendly_url {
                    self.aside(&format!("Book a meeting: {url}"));
                }
            }
            Some(Event::Text(text)) => {
                self.stop_waiting();
                self.within_line = !text.content.ends_with('\n');
                output::piece(&output::printable(&text.content))?;
            }
            Some(Event::Suggestions(suggestions)) => self.suggestions = suggestions.items,
            Some(Event::Warning(warning)) => self.aside(&format!("warning: {}", warning.message)),
            Some(Event::Error(failure)) => self.end = Some(Err(failure)),
            Some(Event::Complete(complete)) => self.end = Some(Ok(complete)),
            // A terminal has no voice, and a newer role may send events that this program does not know.
            Some(Event::Audio(_) | Event::Close(_)) | None => {}
        }
        Ok(())
    }

    /// Ends the line that the answer is in, before anything else is written.
    pub(super) fn break_line(&mut self) {
        self.stop_waiting();
        if std::mem::take(&mut self.within_line) {
            // Whoever does not read any more misses nothing.
            let _ = output::piece("\n");
        }
    }

    /// Says how the turn ended.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub(super) fn finish(mut self) -> Result<Answer, Failure> {
        self.break_line();
        match self.end.take() {
            Some(Ok(complete)) => {
                note(&complete);
                let stopped = complete.finish_reason() == FinishReason::Stopped;
                Ok(Answer {
                    suggestions: std::mem::take(&mut self.suggestions),
                    stopped,
                })
            }
            Some(Err(failure)) => Err(Failure::new(
                Exit::Failed,
                output::printable(&failure.message),
            )),
            None => Err(Failure::new(
                Exit::Failed,
                "the answer ended too early: the chat role went away",
            )),
        }
    }

    fn wait(&mut self, message: &str) {
        if self.within_line || !output::stderr_is_terminal() || !output::stdout_is_terminal() {
            return;
        }
        let waiting = self.waiting.get_or_insert_with(|| {
            let waiting = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
            waiting.enable_steady_tick(Duration::from_millis(100));
            waiting
        });
        waiting.set_message(output::printable(message));
    }

    fn stop_waiting(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.finish_and_clear();
        }
    }

    fn aside(&mut self, text: &str) {
        // On a terminal both streams are one screen; elsewhere the answer stays in one piece.
        if output::stdout_is_terminal() {
            self.break_line();
        }
        self.stop_waiting();
        output::aside(&output::printable(text));
    }
}

impl Drop for Renderer {
    fn drop(&mut self) {
        self.stop_waiting();
    }
}

/// What a person should know about an answer that is there.
fn note(complete: &Complete) {
    match complete.finish_reason() {
        FinishReason::Stopped => output::aside("(stopped)"),
        FinishReason::ContentFilter => {
            output::warning("the model's content filter ended the answer")
        }
        _ if complete.truncated => output::warning("the answer was cut at its limit"),
        _ => {}
    }
    if output::stderr_is_terminal() {
        let tokens = complete
            .usage
            .as_ref()
            .filter(|usage| usage.total_tokens > 0)
            .map(|usage| format!(", {} tokens", usage.total_tokens));
        let first = complete
            .first_token_ms
            .map(|ms| format!(", first word after {ms} ms"));
        output::aside(&format!(
            "({}{}{}, {} ms in all)",
            output::printable(&complete.model),
            first.unwrap_or_default(),
            tokens.unwrap_or_default(),
            complete.duration_ms
        ));
    }
}

#[cfg(test)]
mod tests {
    use troika_proto::chat::v1::{Connected, Suggestions};

    use super::*;

    fn event(event: Event) -> TurnEvent {
        TurnEvent {
            turn_id: "t1".into(),
            event: Some(event),
            ..TurnEvent::default()
        }
    }

    fn after(events: Vec<Event>) -> Result<Answer, Failure> {
        let mut renderer = Renderer::new();
        for one in events {
            renderer.show(event(one)).unwrap();
        }
        renderer.finish()
    }

    #[test]
    fn the_ids_of_turn_and_conversation_are_learnt() {
        let mut renderer = Renderer::new();
        let connected = Connected {
            session_id: "s1".into(),
            ..Connected::default()
        };
        renderer.show(event(Event::Connected(connected))).unwrap();
        assert_eq!(
            (renderer.turn(), renderer.session()),
            (Some("t1"), Some("s1"))
        );
    }

    #[test]
    fn a_whole_answer_hands_on_its_suggestions() {
        let items = vec!["How?".to_owned()];
        let complete = Complete {
            saved: true,
            ..Complete::default()
        };
        let answer = after(vec![
            Event::Suggestions(Suggestions {
                items: items.clone(),
            }),
            Event::Complete(complete),
        ])
        .unwrap();
        assert_eq!(answer.suggestions, items);
        assert!(!answer.stopped);
    }

    #[test]
    fn a_stream_that_ends_without_an_end_is_no_answer() {
        let failure = after(Vec::new()).err().unwrap();
        assert_eq!(failure.exit(), Exit::Failed);
    }

    #[test]
    fn a_failed_turn_is_told_in_the_roles_own_words() {
        let failed = TurnFailure {
            message: "The model is away. Please ask again.".into(),
            ..TurnFailure::default()
        };
        let failure = after(vec![Event::Error(failed)]).err().unwrap();
        assert_eq!(failure.exit(), Exit::Failed);
        assert_eq!(
            failure.lines().next(),
            Some("The model is away. Please ask again.")
        );
    }
}
