//! The events of an accepted turn, in order. Reads from top to bottom as a turn goes.

use std::{sync::Arc, time::Duration};

use async_stream::stream;
use futures::{
    FutureExt as _, Stream, StreamExt as _,
    future::{BoxFuture, Either, Shared, join_all, select},
};
use tracing::{Instrument as _, warn};
use troika_proto::chat::v1::{
    Close, Complete, Connected, FinishReason, Metadata, StatusChanged, Suggestions, Text,
    TurnEvent, Usage as WireUsage, turn_event::Event,
};
use unicode_segmentation::UnicodeSegmentation as _;
use uuid::Uuid;

use super::{
    Accepted, Turns,
    answer::Answer,
    conversation,
    delivery::Delivery,
    events::{Events, Fault, Notice},
    record::End,
    voice::{self, Heard, Voice},
};
use crate::{
    history::{Outcome, writer::Saved},
    model::{Ask, Delta, Finish, KNOWLEDGE_MODEL, ModelError},
    prompt::Prompt,
    usage::{self, Usage},
};

/// What ends a turn from outside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Stopped,
    TimedOut,
    Draining,
}

/// How the answer came to its end.
enum AnswerEnd {
    Finished {
        reason: FinishReason,
        usage: Option<Usage>,
    },
    Failed(Fault),
    Ended(Ended),
}

/// What comes next while the model answers.
enum Coming {
    Delta(Option<Result<Delta, ModelError>>),
    Heard(Heard),
}

pub(super) fn events(turns: Arc<Turns>, turn: Accepted) -> impl Stream<Item = TurnEvent> + Send {
    let Accepted {
        id,
        began,
        question,
        bot,
        language,
        request,
        gathering,
        mut record,
    } = turn;
    let span = record.span.clone();
    let mut number = Events::of(id);
    let config = turns.config.clone();
    let total = bot.limits.turn.unwrap_or(config.total).min(config.total);
    let characters = bot
        .limits
        .answer_characters
        .unwrap_or(config.answer_characters)
        .min(config.answer_characters);
    let history_messages = bot
        .limits
        .history_messages
        .unwrap_or(config.history_messages)
        .min(config.history_messages);

    stream! {
        let ended = ended(turns.clone(), record.listed.stop.clone(), began.arrived + began.queued + total).boxed().shared();
        yield number.next(Event::Connected(Connected {
            client_id: Uuid::new_v4().to_string(),
            session_id: question.session.to_string(),
            message: "Connected.".into(),
        }));
        yield number.next(Event::Status(StatusChanged { status: "thinking".into(), message: "Thinking…".into() }));

        // A turn that ends here asks no model: the next wait tells it again.
        let gathered = unless(&ended, gathering).await.unwrap_or_default();
        record.language = language;
        record.knowledge = gathered.cached;
        for notice in gathered.notices {
            yield number.next(notice.into());
        }
        let history = conversation(gathered.history, id, history_messages as usize);
        let shown = gathered.passages.len().min(turns.in_prompt);
        let mut voice = (record.treatment.speaks && !question.whole).then(|| {
            let (sentences, sound) = turns.tts.speak(id, language, &request);
            Voice::new(language, sentences, sound, turns.tts.config.silence)
        });
        let ask = Ask {
            prompt: Prompt::new(&bot, language, &history, &gathered.passages[..shown], &question.query),
            model: bot.model.clone(),
            temperature: bot.temperature,
            max_tokens: bot.limits.completion_tokens,
            passages: gathered.passages,
            request,
        };

        let mut answer = Answer::limited_to(characters as usize);
        let mut delivery = Delivery::new(record.treatment.streams);
        let mut cut = false;
        record.held.asks(&ask.prompt);
        let end = match unless(&ended, turns.ladder.answer(&ask).instrument(span.clone())).await {
            Err(ended) => AnswerEnd::Ended(ended),
            Ok(Err(error)) => {
                span.in_scope(|| warn!(error = &error as &dyn std::error::Error, "no model answers"));
                record.held.spares();
                AnswerEnd::Failed(Fault::of_model(&error, false))
            }
            Ok(Ok(mut answering)) => {
                record.model.clone_from(&answering.model);
                (record.fallback, record.retries) = (answering.fallback, answering.retries);
                if answering.model == KNOWLEDGE_MODEL {
                    record.held.spares();
                }
                if answering.fallback {
                    let by_knowledge = answering.model == KNOWLEDGE_MODEL;
                    yield number.next(if by_knowledge { Notice::ModelAway } else { Notice::ModelFallback }.into());
                }
                yield number.next(Event::Metadata(Metadata { model: answering.model.clone(), ..Metadata::default() }));

                let mut finish = None;
                let mut counted = None;
                loop {
                    let delta = match unless(&ended, coming(&mut answering.deltas, &mut voice)).await {
                        Ok(Coming::Heard(heard)) => {
                            yield number.next(record.heard(heard));
                            continue;
                        }
                        Ok(Coming::Delta(delta)) => Ok(delta),
                        Err(ended) => Err(ended),
                    };
                    match delta {
                        Ok(Some(Ok(Delta::Text(piece)))) => {
                            let (content, full) = answer.push(&piece);
                            if let Some(content) = delivery.push(content) {
                                yield number.next(sent(&mut record, &mut voice, content));
                            }
                            if full {
                                cut = true;
                                break AnswerEnd::Finished { reason: FinishReason::Length, usage: None };
                            }
                        }
                        Ok(Some(Ok(Delta::Finish(reason)))) => finish = Some(reason),
                        Ok(Some(Ok(Delta::Usage(usage)))) => counted = Some(usage),
                        Ok(Some(Err(error))) => {
                            span.in_scope(|| warn!(error = &error as &dyn std::error::Error, "the model's answer broke off"));
                            break AnswerEnd::Failed(Fault::of_model(&error, true));
                        }
                        // The model adapter ends without an error only after a finish reason.
                        Ok(None) => break match finish {
                            Some(Finish::Stop) => AnswerEnd::Finished { reason: FinishReason::Stop, usage: counted },
                            Some(Finish::Length) => AnswerEnd::Finished { reason: FinishReason::Length, usage: counted },
                            Some(Finish::ContentFilter) => AnswerEnd::Finished { reason: FinishReason::ContentFilter, usage: counted },
                            None => AnswerEnd::Failed(Fault::AnswerIncomplete),
                        },
                        Err(ended) => break AnswerEnd::Ended(ended),
                    }
                }
                // Leaving this arm drops the stream: the provider's connection is closed or given back.
            }
        };

        // An answer that is not whole ends with what there is of it.
        if !matches!(end, AnswerEnd::Finished { .. }) && let Some(content) = delivery.rest() {
            yield number.next(sent(&mut record, &mut voice, content));
        }
        let (reason, usage) = match end {
            AnswerEnd::Finished { reason, usage } => (reason, usage),
            AnswerEnd::Ended(Ended::Stopped) => (FinishReason::Stopped, None),
            AnswerEnd::Failed(fault) => {
                for event in failed(&mut record, &config, fault).await { yield number.next(event); }
                return;
            }
            AnswerEnd::Ended(ended) => {
                let fault = if ended == Ended::TimedOut { Fault::TurnTimeout } else { Fault::ServerShutdown };
                for event in failed(&mut record, &config, fault).await { yield number.next(event); }
                return;
            }
        };

        let stopped = reason == FinishReason::Stopped;
        let mut suggestions = Vec::new();
        if !stopped && !cut {
            let ending = answer.finish();
            cut = ending.cut;
            suggestions = ending.suggestions;
            if let Some(content) = delivery.push(ending.text) {
                yield number.next(sent(&mut record, &mut voice, content));
            }
        }
        if let Some(content) = delivery.rest() {
            yield number.next(sent(&mut record, &mut voice, content));
        }
        if reason == FinishReason::Stop && record.answer().is_empty() {
            for event in failed(&mut record, &config, Fault::AnswerIncomplete).await { yield number.next(event); }
            return;
        }
        if reason == FinishReason::ContentFilter {
            yield number.next(Notice::ContentFiltered.into());
        }

        let usage = match usage {
            Some(usage) => usage,
            None if record.model.is_empty() || record.model == KNOWLEDGE_MODEL => Usage::default(),
            None => usage::count(ask.prompt.text(), record.answer().to_owned()).await,
        };
        let reason = if cut { FinishReason::Length } else { reason };
        let truncated = matches!(reason, FinishReason::Length | FinishReason::Stopped);
        let outcome = match reason {
            FinishReason::Stopped => Outcome::Stopped,
            FinishReason::Length => Outcome::Truncated,
            _ => Outcome::Complete,
        };
        record.usage = usage;
        record.words = count(record.answer().unicode_words());
        record.sentences = spoken_sentences(record.answer(), language);
        let promises = record.settle(End::of(outcome, word(reason)), Some(usage.completion));

        // The text is over and on its way to the history; what is still to be heard may take its time.
        let mut reason_to_close = if stopped { "stopped" } else { "complete" };
        match &mut voice {
            Some(voice) if !stopped => voice.finish(),
            voice => *voice = None,
        }
        while let Some(speaking) = &mut voice {
            match unless(&ended, speaking.next()).await {
                Ok(Some(heard)) => yield number.next(record.heard(heard)),
                Ok(None) => voice = None,
                Err(ended) => {
                    voice = None;
                    match ended {
                        // Whoever stops it wants silence, not a word about it.
                        Ended::Stopped => reason_to_close = "stopped",
                        Ended::TimedOut | Ended::Draining => yield number.next(Notice::VoiceIncomplete.into()),
                    }
                }
            }
        }
        if !suggestions.is_empty() {
            yield number.next(Event::Suggestions(Suggestions { items: suggestions }));
        }

        let saved = saved(promises, config.save).await;
        if !saved {
            yield number.next(Notice::HistoryNotSaved.into());
        }
        let text = record.answer();
        yield number.next(Event::Complete(Complete {
            finish_reason: reason.into(),
            truncated,
            word_count: record.words,
            sentence_count: record.sentences,
            full_answer: text.to_owned(),
            session_id: question.session.to_string(),
            language: language.to_owned(),
            model: record.model.clone(),
            usage: Some(WireUsage {
                prompt_tokens: usage.prompt,
                completion_tokens: usage.completion,
                total_tokens: usage.prompt.saturating_add(usage.completion),
                estimated: usage.estimated,
            }),
            duration_ms: record.elapsed_ms(),
            first_token_ms: record.first_token_ms(),
            saved,
            audio_chunks: record.audio_chunks,
            first_audio_ms: record.first_audio_ms(),
        }));
        yield number.next(close(reason_to_close, match reason_to_close {
            "stopped" => "The answer was stopped.",
            _ => "The answer is complete.",
        }));
    }
}

/// Text that leaves now: noted, given to the voice, made an event.
fn sent(record: &mut super::Record, voice: &mut Option<Voice>, content: String) -> Event {
    record.sent(&content);
    if let Some(voice) = voice {
        voice.say(&content);
    }
    Event::Text(Text { content })
}

/// Stores the partial answer and returns the events that end a turn without a whole one.
async fn failed(record: &mut super::Record, config: &super::Config, fault: Fault) -> Vec<Event> {
    let mut events = Vec::with_capacity(3);
    if !saved(record.settle(End::failed(fault), None), config.save).await {
        events.push(Notice::HistoryNotSaved.into());
    }
    events.push(fault.into());
    events.push(match fault {
        Fault::ServerShutdown => close("server_shutdown", "The server is shutting down."),
        _ => close("error", "The answer ended with an error."),
    });
    events
}

/// The model's next delta, or what is heard meanwhile; text goes first.
async fn coming(
    deltas: &mut (impl Stream<Item = Result<Delta, ModelError>> + Unpin),
    voice: &mut Option<Voice>,
) -> Coming {
    tokio::select! {
        biased;
        delta = deltas.next() => Coming::Delta(delta),
        heard = voice::next(voice) => Coming::Heard(heard),
    }
}

/// The sentences of an answer, counted as the voice cuts them.
fn spoken_sentences(text: &str, language: &str) -> u32 {
    let sentences = troika_sentences::sentences(text, language);
    let spoken = sentences
        .iter()
        .filter(|sentence| !sentence.spoken().is_empty());
    u32::try_from(spoken.count()).unwrap_or(u32::MAX)
}

/// A finish reason in the words of the wire to browsers.
fn word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Unspecified => "unspecified",
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Stopped => "stopped",
    }
}

fn close(reason: &str, message: &str) -> Event {
    Event::Close(Close {
        reason: reason.into(),
        message: message.into(),
    })
}

async fn saved(promises: Vec<Saved>, limit: Duration) -> bool {
    join_all(promises.into_iter().map(|promise| promise.within(limit)))
        .await
        .into_iter()
        .all(|saved| saved)
}

fn count<'a>(items: impl Iterator<Item = &'a str>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// Resolves when the turn is to end from outside. Made once a turn and polled beside every wait.
async fn ended(
    turns: Arc<Turns>,
    stop: tokio_util::sync::CancellationToken,
    deadline: std::time::Instant,
) -> Ended {
    tokio::select! {
        () = stop.cancelled() => Ended::Stopped,
        () = turns.drain.ending() => Ended::Draining,
        () = tokio::time::sleep_until(deadline.into()) => Ended::TimedOut,
    }
}

/// Waits for `work`, unless the turn ends first: then the work is dropped.
async fn unless<T>(
    ended: &Shared<BoxFuture<'static, Ended>>,
    work: impl Future<Output = T>,
) -> Result<T, Ended> {
    let work = std::pin::pin!(work);
    match select(ended.clone(), work).await {
        Either::Left((ended, _)) => Err(ended),
        Either::Right((value, _)) => Ok(value),
    }
}
