//! A session over engines that do as they are told: order, gaplessness, batches, failures, leaving.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::stream;
use tokio::time::sleep;
use troika_chassis::outbound::{BreakerConfig, RetryConfig};

use super::*;
use crate::{
    engine::{Engine, EngineError, Sound, Utterance},
    quota::{self, memory::MemoryQuota},
    recordings::{self, Recordings},
    voices::{self, EngineName},
};

/// What the engine does with a text.
type Script = dyn Fn(&str) -> Behaviour + Send + Sync;

#[derive(Clone, Copy)]
enum Behaviour {
    /// Speaks after this long.
    After(Duration),
    /// Speaks half, then breaks.
    Half,
    /// Refuses.
    Broken,
    /// Says nothing, ever.
    Hangs,
}

/// Ten bytes a character, each the character's first byte.
fn sound_of(text: &str) -> Vec<u8> {
    text.chars()
        .flat_map(|character| [character as u8; 10])
        .collect()
}

struct Scripted {
    script: Box<Script>,
    asked: Mutex<Vec<String>>,
    speaking: Arc<AtomicUsize>,
    most: AtomicUsize,
}

struct Speaking(Arc<AtomicUsize>);

impl Drop for Speaking {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Engine for Scripted {
    fn speak(&self, utterance: Utterance) -> Sound {
        let text = utterance.text.to_string();
        self.asked.lock().unwrap().push(text.clone());
        let speaking = self.speaking.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(speaking, Ordering::SeqCst);
        let held = Speaking(self.speaking.clone());
        let behaviour = (self.script)(&text);
        let broken = || EngineError::Interrupted(Arc::new(std::io::Error::other("broken")));
        stream! {
            let _held = held;
            let sound = sound_of(&text);
            match behaviour {
                Behaviour::After(delay) => {
                    sleep(delay).await;
                    yield Ok(Bytes::from(sound));
                }
                Behaviour::Half => {
                    yield Ok(Bytes::copy_from_slice(&sound[..sound.len() / 2]));
                    yield Err(broken());
                }
                Behaviour::Broken => yield Err(broken()),
                Behaviour::Hangs => pending::<()>().await,
            }
        }
        .boxed()
    }
}

struct Stage {
    engine: Arc<Scripted>,
    ladder: Arc<Ladder>,
}

fn stage(script: impl Fn(&str) -> Behaviour + Send + Sync + 'static) -> Stage {
    let engine = Arc::new(Scripted {
        script: Box::new(script),
        asked: Mutex::default(),
        speaking: Arc::default(),
        most: AtomicUsize::default(),
    });
    let engines: HashMap<EngineName, Arc<dyn Engine>> =
        HashMap::from([(EngineName::Espeak, engine.clone() as Arc<dyn Engine>)]);
    let retry = RetryConfig {
        attempts: 0,
        ..RetryConfig::default()
    };
    let ladder = Ladder::new(
        engines,
        Recordings::new(&recordings::Config::default(), None),
        Arc::new(MemoryQuota::new(&quota::Config::default())),
        10,
        retry,
        &BreakerConfig::default(),
    );
    Stage {
        engine,
        ladder: Arc::new(ladder),
    }
}

fn manner() -> Manner {
    let voices: Vec<Voice> = voices::of("en-IN")
        .into_iter()
        .filter(|voice| voice.engine == EngineName::Espeak)
        .collect();
    Manner {
        voices: voices.into(),
        rate: 1.0,
        live: true,
    }
}

async fn play(stage: &Stage, sentences: &[&str]) -> Vec<Event> {
    let sentences: Vec<String> = sentences.iter().map(|&text| text.to_owned()).collect();
    events(
        stage.ladder.clone(),
        Config::default(),
        manner(),
        stream::iter(sentences),
    )
    .collect()
    .await
}

fn audio(events: &[Event]) -> Vec<&Audio> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Audio(audio) => Some(audio),
            _ => None,
        })
        .collect()
}

fn finished(events: &[Event]) -> &Finished {
    match events.last() {
        Some(Event::Finished(finished)) => finished,
        other => panic!("{other:?}"),
    }
}

fn warnings(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Warning(warning) => Some(warning.code.as_str()),
            _ => None,
        })
        .collect()
}

const SENTENCES: [&str; 4] = ["The first one.", "Second here.", "A third one.", "Fourth."];

#[tokio::test(start_paused = true)]
async fn sound_comes_in_the_order_of_the_text_whatever_is_made_first() {
    // The first sentence takes longest.
    let stage = stage(|text| Behaviour::After(Duration::from_millis(100 * text.len() as u64)));
    let events = play(&stage, &SENTENCES).await;
    let heard: Vec<u8> = audio(&events)
        .iter()
        .flat_map(|audio| audio.pcm.to_vec())
        .collect();
    let asked = stage.engine.asked.lock().unwrap().clone();
    let wanted: Vec<u8> = asked.iter().flat_map(|text| sound_of(text)).collect();
    assert_eq!(heard, wanted);
    assert_eq!(asked.join(" "), SENTENCES.join(" "));
    for (place, audio) in audio(&events).iter().enumerate() {
        assert_eq!(audio.sequence, place as u64, "no gaps");
    }
    assert_eq!(finished(&events).sentences, 4);
    assert!(warnings(&events).is_empty());
}

#[tokio::test(start_paused = true)]
async fn utterances_are_made_at_the_same_time_within_the_bound() {
    let stage = stage(|_| Behaviour::After(Duration::from_secs(1)));
    let many: Vec<String> = (0..12)
        .map(|number| format!("{} {}", number, "long words and more of them ".repeat(9)))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let began = Instant::now();
    play(&stage, &many).await;
    assert_eq!(
        stage.engine.most.load(Ordering::SeqCst),
        Config::default().concurrency
    );
    assert!(began.elapsed() < Duration::from_secs(12));
}

#[tokio::test(start_paused = true)]
async fn a_sentence_that_breaks_off_is_told_once_and_the_next_ones_are_heard() {
    let stage = stage(|text| match text {
        "Second here." | "A third one." => Behaviour::Half,
        _ => Behaviour::After(Duration::ZERO),
    });
    let events = play(&stage, &SENTENCES).await;
    assert_eq!(warnings(&events), ["voice_incomplete"]);
    let done = finished(&events);
    assert_eq!((done.sentences, done.failed), (2, 2));
    let last = audio(&events).last().unwrap().text.clone();
    assert_eq!(last, "Fourth.");
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_never_speaks_is_given_up_after_two_utterances() {
    let stage = stage(|_| Behaviour::Broken);
    let events = play(&stage, &SENTENCES).await;
    assert_eq!(warnings(&events), ["voice_unavailable"]);
    assert_eq!(finished(&events).failed, 4);
    assert!(audio(&events).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_same_sentence_is_made_once() {
    let stage = stage(|_| Behaviour::After(Duration::from_millis(50)));
    play(&stage, &["Good morning."]).await;
    let events = play(&stage, &["Good  morning."]).await;
    assert_eq!(finished(&events).cache_hits, 1);
    assert_eq!(stage.engine.asked.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn leaving_cancels_what_is_being_made() {
    let stage = stage(|_| Behaviour::Hangs);
    let mut session = Box::pin(events(
        stage.ladder.clone(),
        Config::default(),
        manner(),
        stream::iter(SENTENCES.map(str::to_owned)).chain(stream::pending()),
    ));
    let heard = tokio::time::timeout(Duration::from_secs(1), session.next()).await;
    assert!(heard.is_err(), "nothing is heard");
    assert!(stage.engine.speaking.load(Ordering::SeqCst) > 0);
    drop(session);
    while stage.engine.speaking.load(Ordering::SeqCst) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_to_say_is_finished_at_once() {
    let stage = stage(|_| Behaviour::Broken);
    let events = play(&stage, &[]).await;
    assert_eq!(events.len(), 1);
    assert_eq!(finished(&events).sentences, 0);
}
