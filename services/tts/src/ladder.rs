//! Says one utterance with the first voice that can: voices in order, each family behind its own breaker
//! and quota, one more try where a moment later may do. It must not know what was said before, nor in
//! which order listeners hear it ([`crate::session`] does).

use std::{
    collections::HashMap,
    error::Error as StdError,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_stream::stream;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout_at},
};
use tracing::warn;
use troika_chassis::outbound::{Breaker, BreakerConfig, RetryConfig, backoff};

use crate::{
    engine::{Engine, EngineError, Sound, Utterance},
    quota::Quota,
    recordings::{Key, Playback, Recordings, Source},
    voices::{EngineName, Family, Voice},
};

/// The engines of this process and what stands between them and a call.
pub(crate) struct Ladder {
    engines: HashMap<EngineName, Arc<dyn Engine>>,
    breakers: HashMap<Family, Breaker>,
    recordings: Recordings,
    quota: Arc<dyn Quota>,
    /// Google's limit of streams that are open at once.
    streams: Arc<Semaphore>,
    retry: RetryConfig,
}

/// What is to be said, and by whom.
#[derive(Clone)]
pub(crate) struct Order {
    /// Plain text that one engine takes at once.
    pub(crate) text: Arc<str>,
    /// The voices, in order of preference.
    pub(crate) voices: Arc<[Voice]>,
    /// The first of them to try: those before failed this listener already.
    pub(crate) from: usize,
    /// Speed, 0.25 to 2.
    pub(crate) rate: f64,
    /// How long an empty quota may be waited for: what the listener still has to hear.
    pub(crate) patience: Duration,
    /// Where an empty quota is counted.
    pub(crate) tally: Arc<Tally>,
}

/// What an order met on its way that its result does not show.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Times that a quota was empty.
    pub(crate) quota_empty: AtomicU32,
}

/// An utterance that has begun to sound.
pub(crate) struct Said {
    /// Its sound, from the beginning; it may still break off.
    pub(crate) sound: Begun,
    /// The place of its voice in the order.
    pub(crate) place: usize,
    /// Nothing was asked of an engine for it.
    pub(crate) cached: bool,
}

/// A sound whose first piece is there.
pub(crate) struct Begun {
    first: Option<Bytes>,
    rest: Playback,
}

impl Stream for Begun {
    type Item = Result<Bytes, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => self.rest.poll_next_unpin(context),
        }
    }
}

/// No voice can say it.
#[derive(Debug, thiserror::Error)]
#[error("no voice can speak")]
pub(crate) struct NobodySpeaks(#[source] Option<EngineError>);

/// A voice is left alone because calls before failed.
#[derive(Debug, thiserror::Error)]
#[error("not called: earlier calls failed, trying again in {0:?}")]
struct LeftAlone(Duration);

/// An engine that ends without a sound.
#[derive(Debug, thiserror::Error)]
#[error("the engine ended without a sound")]
struct NoSound;

impl Ladder {
    pub(crate) fn new(
        engines: HashMap<EngineName, Arc<dyn Engine>>,
        recordings: Recordings,
        quota: Arc<dyn Quota>,
        streams: usize,
        retry: RetryConfig,
        breaker: &BreakerConfig,
    ) -> Self {
        let breakers = Family::ALL
            .into_iter()
            .map(|family| {
                (
                    family,
                    Breaker::new(format!("voice {}", family.name()), breaker),
                )
            })
            .collect();
        Self {
            engines,
            breakers,
            recordings,
            quota,
            streams: Arc::new(Semaphore::new(streams)),
            retry,
        }
    }

    /// Whether a voice's engine is configured here.
    pub(crate) fn has(&self, voice: &Voice) -> bool {
        self.engines.contains_key(&voice.engine)
    }

    /// Says it with the first voice that begins to sound. Dropping the result, or this future, cancels
    /// the synthesis unless somebody else listens to the same.
    pub(crate) async fn say(self: Arc<Self>, order: Order) -> Result<Said, NobodySpeaks> {
        let mut last = None;
        let mut denied = None;
        for (place, voice) in order.voices.iter().enumerate().skip(order.from) {
            let Some(engine) = self.engines.get(&voice.engine) else {
                continue;
            };
            if denied == Some(voice.engine) {
                continue;
            }
            match self.try_voice(engine, voice, &order).await {
                Ok((sound, cached)) => {
                    return Ok(Said {
                        sound,
                        place,
                        cached,
                    });
                }
                Err(error) => {
                    if matches!(error, EngineError::Denied(_)) {
                        denied = Some(voice.engine);
                    }
                    warn!(
                        voice = voice.name,
                        error = &error as &dyn StdError,
                        "this voice does not speak"
                    );
                    last = Some(error);
                }
            }
        }
        Err(NobodySpeaks(last))
    }

    /// One voice, and once more where the engine only stumbled.
    async fn try_voice(
        self: &Arc<Self>,
        engine: &Arc<dyn Engine>,
        voice: &Voice,
        order: &Order,
    ) -> Result<(Begun, bool), EngineError> {
        let utterance = Utterance {
            text: order.text.clone(),
            voice: voice.clone(),
            rate: order.rate,
        };
        let mut delays = backoff(&self.retry);
        loop {
            let (this, engine, said) = (self.clone(), engine.clone(), utterance.clone());
            let (patience, tally) = (order.patience, order.tally.clone());
            let mut playback = self.recordings.play(Key::of(&utterance), move || {
                this.guarded(engine, said, patience, tally)
            });
            let error = match playback.next().await {
                Some(Ok(first)) => {
                    let cached = !matches!(playback.source(), None | Some(Source::Made));
                    let begun = Begun {
                        first: Some(first),
                        rest: playback,
                    };
                    return Ok((begun, cached));
                }
                Some(Err(error)) => error,
                None => EngineError::Interrupted(Arc::new(NoSound)),
            };
            let stumbled = matches!(
                error,
                EngineError::Unavailable(_) | EngineError::Interrupted(_)
            ) && self.breakers[&voice.family].state() == "closed";
            match delays.next() {
                Some(delay) if stumbled => sleep(delay).await,
                _ => return Err(error),
            }
        }
    }

    /// The breakers of the families of voices.
    pub(crate) fn breakers(&self) -> Vec<Breaker> {
        self.breakers.values().cloned().collect()
    }

    /// A call to an engine: its quota first, then its breaker's permission, then the engine.
    fn guarded(
        self: Arc<Self>,
        engine: Arc<dyn Engine>,
        utterance: Utterance,
        patience: Duration,
        tally: Arc<Tally>,
    ) -> Sound {
        stream! {
            let family = utterance.voice.family;
            let breaker = &self.breakers[&family];
            let until = Instant::now() + patience;
            if let Err(error) = self.take(family, until, &tally).await {
                yield Err(error);
                return;
            }
            let _open = match self.stream_of(family, until).await {
                Ok(permit) => permit,
                Err(error) => {
                    tally.quota_empty.fetch_add(1, Ordering::Relaxed);
                    yield Err(error);
                    return;
                }
            };
            if !breaker.permitted() {
                yield Err(EngineError::Unavailable(Arc::new(LeftAlone(breaker.retry_in()))));
                return;
            }
            let mut sounded = false;
            let mut sound = engine.speak(utterance);
            while let Some(piece) = sound.next().await {
                match piece {
                    Ok(bytes) if bytes.is_empty() => {}
                    Ok(bytes) => {
                        sounded = true;
                        yield Ok(bytes);
                    }
                    Err(error) => {
                        if error.is_fault() { breaker.failure() } else { breaker.success() }
                        yield Err(error);
                        return;
                    }
                }
            }
            if sounded {
                breaker.success();
            } else {
                breaker.failure();
                yield Err(EngineError::Interrupted(Arc::new(NoSound)));
            }
        }
        .boxed()
    }

    /// One call of the family's quota, waited for as long as the listener has something to hear.
    async fn take(&self, family: Family, until: Instant, tally: &Tally) -> Result<(), EngineError> {
        let mut counted = false;
        loop {
            let Err(wait) = self.quota.take(family).await else {
                return Ok(());
            };
            if !counted {
                tally.quota_empty.fetch_add(1, Ordering::Relaxed);
                counted = true;
            }
            if Instant::now() + wait > until {
                return Err(EngineError::Throttled {
                    retry_after: Some(wait),
                });
            }
            sleep(wait).await;
        }
    }

    /// A place among the streams that may be open at once, for the family that streams.
    async fn stream_of(
        &self,
        family: Family,
        until: Instant,
    ) -> Result<Option<tokio::sync::OwnedSemaphorePermit>, EngineError> {
        if family != Family::Chirp3Hd {
            return Ok(None);
        }
        let permit = timeout_at(until, self.streams.clone().acquire_owned()).await;
        match permit {
            Ok(Ok(permit)) => Ok(Some(permit)),
            Ok(Err(_)) | Err(_) => Err(EngineError::Throttled { retry_after: None }),
        }
    }
}

#[cfg(test)]
mod tests;
