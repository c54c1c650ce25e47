//! The speech of one turn: sentences in as they are written, sound out in their order, at the listener's
//! pace. It must not know which engine speaks (`ladder.rs` does) nor who listens.
//!
//! A session is a stream that is returned, not spawned: dropping it cancels every synthesis that nobody
//! else waits for.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_stream::stream;
use futures::{Stream, StreamExt as _, stream::FuturesOrdered};
use tokio::time::{Instant, sleep_until};
use tracing::warn;
use troika_proto::tts::v1::{Audio, Finished, SpeechWarning, speech_event::Event};

use crate::{
    engine::{MAX_TEXT_BYTES, SAMPLE_BYTES, SAMPLE_RATE},
    ladder::{Begun, Ladder, NobodySpeaks, Order, Said, Tally},
    voices::Voice,
};

mod chunks;
mod config;
mod waiting;

use chunks::Chunks;
pub use config::Config;
use waiting::{Next, Phrase, Waiting};

/// Utterances in a row that no voice can say, after which the rest of the text is not tried.
const GIVE_UP_AFTER: u32 = 2;

/// How a turn is to be spoken.
#[derive(Clone)]
pub(crate) struct Manner {
    /// In order of preference; at least one.
    pub(crate) voices: Arc<[Voice]>,
    /// Speed, 0.25 to 2.
    pub(crate) rate: f64,
    /// Somebody listens while it is made: the beginning is hurried, the rest is made when it is needed.
    pub(crate) live: bool,
}

/// An utterance that sounds, and what it says.
struct Sounding {
    phrase: Phrase,
    sound: Begun,
}

/// Speaks `sentences` (plain text, in order). The last event is always `finished`; a warning stands
/// before it, once, when something could not be said.
pub(crate) fn events(
    ladder: Arc<Ladder>,
    config: Config,
    manner: Manner,
    sentences: impl Stream<Item = String> + Send,
) -> impl Stream<Item = Event> + Send {
    stream! {
        let mut sentences = std::pin::pin!(sentences.fuse());
        let mut waiting = Waiting::new(&config, manner.live);
        let mut asked = FuturesOrdered::new();
        let mut begun: VecDeque<Result<Sounding, Phrase>> = VecDeque::new();
        let mut sounding: Option<Sounding> = None;
        let mut chunks = Chunks::new(&config, manner.live);
        let mut tally = Summary::default();
        let mut from = 0;
        let mut failed_in_row = 0;

        'turn: loop {
            let mut wake = None;
            while asked.len() + begun.len() + usize::from(sounding.is_some()) < config.concurrency {
                match waiting.next(chunks.ahead()) {
                    Next::Say(phrase) => {
                        tally.done.merged += phrase.sentences.saturating_sub(1);
                        let order = Order {
                            text: phrase.text.as_str().into(),
                            voices: manner.voices.clone(),
                            from,
                            rate: manner.rate,
                            patience: chunks.ahead().saturating_sub(config.margin),
                            tally: tally.met.clone(),
                        };
                        asked.push_back(said(ladder.clone(), order, phrase));
                    }
                    Next::At(moment) => {
                        wake = Some(moment);
                        break;
                    }
                    Next::Nothing => break,
                }
            }
            if sounding.is_none() {
                match begun.pop_front() {
                    Some(Ok(next)) => {
                        failed_in_row = 0;
                        sounding = Some(next);
                    }
                    Some(Err(phrase)) => {
                        waiting.over(&phrase);
                        failed_in_row += 1;
                        if let Some(warning) = tally.warn() { yield warning; }
                        if failed_in_row >= GIVE_UP_AFTER { break 'turn; }
                        continue;
                    }
                    None if asked.is_empty() && waiting.is_over() => break 'turn,
                    None => {}
                }
            }
            tokio::select! {
                sentence = sentences.next(), if waiting.takes() => match sentence {
                    Some(text) => waiting.push(&text, MAX_TEXT_BYTES),
                    None => waiting.close(),
                },
                Some((phrase, result)) = asked.next(), if !asked.is_empty() => match result {
                    Ok(Said { sound, place, cached }) => {
                        // A voice that was left stays left: one answer, one voice, where that can be.
                        from = from.max(place);
                        tally.said(&manner.voices[place], place, cached);
                        begun.push_back(Ok(Sounding { phrase, sound }));
                    }
                    Err(error) => {
                        warn!(error = &error as &dyn std::error::Error, "a sentence is not spoken");
                        begun.push_back(Err(phrase));
                    }
                },
                piece = piece_of(&mut sounding) => {
                    let Some(current) = &mut sounding else { continue };
                    let mut broken = false;
                    match piece {
                        Some(Ok(bytes)) => {
                            chunks.push(&bytes);
                            while let Some(pcm) = chunks.next() {
                                yield tally.audio(&current.phrase, pcm, false);
                            }
                            continue;
                        }
                        Some(Err(error)) => {
                            warn!(error = &error as &dyn std::error::Error, "a sentence broke off");
                            broken = true;
                        }
                        None => {}
                    }
                    if let Some(pcm) = chunks.rest() {
                        yield tally.audio(&current.phrase, pcm, true);
                    }
                    if !broken {
                        tally.done.sentences += current.phrase.sentences;
                    }
                    waiting.over(&current.phrase);
                    sounding = None;
                    if broken && let Some(warning) = tally.warn() { yield warning; }
                }
                () = at(wake) => {}
            }
        }
        tally.done.failed = waiting.received() - tally.done.sentences;
        yield tally.finished(chunks.duration());
    }
}

/// Asks the ladder, and keeps the phrase beside the answer.
async fn said(
    ladder: Arc<Ladder>,
    order: Order,
    phrase: Phrase,
) -> (Phrase, Result<Said, NobodySpeaks>) {
    let said = ladder.say(order).await;
    (phrase, said)
}

/// The next piece of what sounds; nothing happens while nothing sounds.
async fn piece_of(
    sounding: &mut Option<Sounding>,
) -> Option<Result<bytes::Bytes, crate::engine::EngineError>> {
    match sounding {
        Some(sounding) => sounding.sound.next().await,
        None => pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// What was spoken so far.
#[derive(Default)]
struct Summary {
    done: Finished,
    met: Arc<Tally>,
    warned: bool,
}

impl Summary {
    fn said(&mut self, voice: &Voice, place: usize, cached: bool) {
        if cached {
            self.done.cache_hits += 1;
        } else {
            self.done.cache_misses += 1;
        }
        self.done.fallbacks += u32::from(place > 0);
        voice.engine.name().clone_into(&mut self.done.engine);
        self.done.voice.clone_from(&voice.name);
    }

    fn audio(&mut self, phrase: &Phrase, pcm: bytes::Bytes, last: bool) -> Event {
        let sequence = u64::from(self.done.chunks);
        self.done.chunks += 1;
        Event::Audio(Audio {
            sequence,
            pcm,
            text: phrase.text.clone(),
            sentence: phrase.first,
            sentences: phrase.sentences.max(1),
            last,
        })
    }

    /// The one warning of a session, the first time that it is due.
    fn warn(&mut self) -> Option<Event> {
        if std::mem::replace(&mut self.warned, true) {
            return None;
        }
        let (code, message) = if self.done.chunks == 0 {
            ("voice_unavailable", "The voice is not available right now.")
        } else {
            (
                "voice_incomplete",
                "A part of this answer could not be spoken.",
            )
        };
        Some(Event::Warning(SpeechWarning {
            code: code.into(),
            message: message.into(),
        }))
    }

    fn finished(mut self, duration: Duration) -> Event {
        self.done.quota_empty = self.met.quota_empty.load(Ordering::Relaxed);
        self.done.duration = prost_types::Duration::try_from(duration).ok();
        Event::Finished(self.done)
    }
}

/// How long so much sound lasts.
pub(crate) fn duration_of(bytes: usize) -> Duration {
    let samples = bytes / SAMPLE_BYTES;
    Duration::from_micros(samples as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
}

#[cfg(test)]
mod tests;
