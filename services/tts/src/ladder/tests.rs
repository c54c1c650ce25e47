//! Voices in order: who is asked, how often, and who is left alone.

use std::sync::Mutex;

use futures::stream;
use troika_chassis::outbound::RetryConfig;

use super::*;
use crate::{
    quota::{self, memory::MemoryQuota},
    recordings, voices,
};

/// What an engine does with the next call for a voice.
#[derive(Clone)]
enum Behaviour {
    Speaks,
    Fails(EngineError),
}

struct Scripted {
    behaviour: Mutex<HashMap<Family, Vec<Behaviour>>>,
    asked: Mutex<Vec<Family>>,
}

impl Engine for Scripted {
    fn speak(&self, utterance: Utterance) -> Sound {
        let family = utterance.voice.family;
        self.asked.lock().unwrap().push(family);
        let mut behaviour = self.behaviour.lock().unwrap();
        let next = match behaviour.get_mut(&family) {
            Some(left) if left.len() > 1 => left.remove(0),
            Some(left) if left.len() == 1 => left[0].clone(),
            _ => Behaviour::Speaks,
        };
        stream::iter([match next {
            Behaviour::Speaks => Ok(Bytes::from_static(&[0; 64])),
            Behaviour::Fails(error) => Err(error),
        }])
        .boxed()
    }
}

struct Stage {
    engine: Arc<Scripted>,
    ladder: Arc<Ladder>,
    voices: Arc<[Voice]>,
    spoken: AtomicU32,
}

fn stage(
    behaviour: impl IntoIterator<Item = (Family, Vec<Behaviour>)>,
    quota: quota::Config,
) -> Stage {
    let engine = Arc::new(Scripted {
        behaviour: Mutex::new(behaviour.into_iter().collect()),
        asked: Mutex::default(),
    });
    let engines = [EngineName::Google, EngineName::Espeak]
        .map(|name| (name, engine.clone() as Arc<dyn Engine>));
    let retry = RetryConfig {
        attempts: 1,
        min_delay: Duration::from_millis(1),
        ..RetryConfig::default()
    };
    Stage {
        engine,
        ladder: Arc::new(Ladder::new(
            engines.into(),
            Recordings::new(&recordings::Config::default(), None),
            Arc::new(MemoryQuota::new(&quota)),
            quota.chirp3_hd_streams,
            retry,
            &BreakerConfig::default(),
        )),
        voices: voices::of("en-IN").into(),
        spoken: AtomicU32::new(0),
    }
}

impl Stage {
    /// Says something new; the family that speaks.
    async fn say(&self, patience: Duration) -> (Option<Family>, u32) {
        let number = self.spoken.fetch_add(1, Ordering::Relaxed);
        let tally = Arc::new(Tally::default());
        let order = Order {
            text: format!("Sentence {number}.").into(),
            voices: self.voices.clone(),
            from: 0,
            rate: 1.0,
            patience,
            tally: tally.clone(),
        };
        let said = self.ladder.clone().say(order).await;
        let family = said.ok().map(|said| self.voices[said.place].family);
        (family, tally.quota_empty.load(Ordering::Relaxed))
    }

    fn asked(&self) -> Vec<Family> {
        std::mem::take(&mut *self.engine.asked.lock().unwrap())
    }
}

fn unavailable() -> Behaviour {
    Behaviour::Fails(EngineError::Unavailable(Arc::new(NoSound)))
}

#[tokio::test(start_paused = true)]
async fn the_first_voice_speaks_when_it_can() {
    let stage = stage([], quota::Config::default());
    assert_eq!(stage.say(Duration::ZERO).await.0, Some(Family::Chirp3Hd));
    assert_eq!(stage.asked(), [Family::Chirp3Hd]);
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_stumbles_is_asked_once_more() {
    let stage = stage(
        [(Family::Chirp3Hd, vec![unavailable(), Behaviour::Speaks])],
        quota::Config::default(),
    );
    assert_eq!(stage.say(Duration::ZERO).await.0, Some(Family::Chirp3Hd));
    assert_eq!(stage.asked(), [Family::Chirp3Hd; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_fails_gives_way_to_the_next_and_is_left_alone_after_a_while() {
    let stage = stage(
        [(Family::Chirp3Hd, vec![unavailable()])],
        quota::Config::default(),
    );
    let next = stage.voices[1].family;
    for _ in 0..4 {
        assert_eq!(stage.say(Duration::ZERO).await.0, Some(next));
    }
    stage.asked();
    assert_eq!(stage.say(Duration::ZERO).await.0, Some(next));
    assert_eq!(stage.asked(), [next], "its breaker is open");
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_silence_the_whole_engine_for_this_text() {
    let denied = Behaviour::Fails(EngineError::Denied(Arc::new(NoSound)));
    let stage = stage([(Family::Chirp3Hd, vec![denied])], quota::Config::default());
    assert_eq!(stage.say(Duration::ZERO).await.0, Some(Family::Espeak));
    assert_eq!(stage.asked(), [Family::Chirp3Hd, Family::Espeak]);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_refused_is_not_repeated_and_opens_no_breaker() {
    let refused = Behaviour::Fails(EngineError::Refused(Arc::new(NoSound)));
    let stage = stage(
        [(Family::Chirp3Hd, vec![refused])],
        quota::Config::default(),
    );
    for _ in 0..10 {
        stage.say(Duration::ZERO).await;
    }
    let asked = stage.asked();
    let first = asked.iter().filter(|family| **family == Family::Chirp3Hd);
    assert_eq!(first.count(), 10);
}

#[tokio::test(start_paused = true)]
async fn nobody_speaks_when_all_fail() {
    let all = Family::ALL.map(|family| (family, vec![unavailable()]));
    let stage = stage(all, quota::Config::default());
    assert_eq!(stage.say(Duration::ZERO).await.0, None);
}
