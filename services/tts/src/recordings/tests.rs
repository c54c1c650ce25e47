//! Sounds that are made once, heard by many, kept and given up: in one process.

use std::{
    sync::atomic::AtomicUsize,
    time::{Duration, Instant},
};

use bytesize::ByteSize;
use futures::{FutureExt as _, StreamExt as _, future::join_all, stream};
use tokio::sync::mpsc;
use troika_tests::until;

use super::*;
use crate::{
    engine::{EngineError, Utterance},
    voices::{EngineName, Family, Voice},
};

mod many;
mod shared;

const LONG: Duration = Duration::from_secs(20);

fn recordings() -> Recordings {
    Recordings::new(&Config::default(), None)
}

fn key(text: &str) -> Key {
    Key::of(&Utterance {
        text: text.into(),
        voice: Voice {
            name: "espeak-hi".to_owned(),
            language: "hi-IN",
            engine: EngineName::Espeak,
            family: Family::Espeak,
        },
        rate: 1.0,
    })
}

/// An engine in the hand of a test: it says what it is told, when it is told, and tells when it is left.
struct Engine {
    said: mpsc::UnboundedSender<Result<Bytes, EngineError>>,
}

impl Engine {
    fn new() -> (Self, Sound) {
        let (said, heard) = mpsc::unbounded_channel();
        let sound = stream::unfold(heard, |mut heard| async move {
            Some((heard.recv().await?, heard))
        });
        (Self { said }, sound.boxed())
    }

    fn say(&self, piece: &'static str) {
        let _ = self.said.send(Ok(Bytes::from_static(piece.as_bytes())));
    }

    fn fail(self) {
        let _ = self.said.send(Err(throttled()));
    }

    async fn left(&self) {
        tokio::time::timeout(LONG, self.said.closed())
            .await
            .unwrap();
    }
}

fn throttled() -> EngineError {
    EngineError::Throttled { retry_after: None }
}

/// A sound of these pieces.
fn pieces(pieces: &'static [&'static str]) -> Sound {
    stream::iter(pieces)
        .map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
        .boxed()
}

fn never() -> Sound {
    panic!("it must not be made again")
}

/// The next piece, which must be a sound.
async fn piece(playback: &mut Playback) -> Bytes {
    let piece = tokio::time::timeout(LONG, playback.next()).await.unwrap();
    piece.unwrap().unwrap()
}

/// All that is left of it, in one.
async fn whole(playback: Playback) -> Result<Vec<u8>, EngineError> {
    let pieces: Vec<Result<Bytes, EngineError>> = tokio::time::timeout(LONG, playback.collect())
        .await
        .unwrap();
    let pieces: Result<Vec<Bytes>, EngineError> = pieces.into_iter().collect();
    Ok(pieces?.concat())
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_hear_all_of_what_is_made_once() {
    let recordings = recordings();
    let (engine, sound) = Engine::new();
    let made = Arc::new(AtomicUsize::new(0));
    let mut sound = Some(sound);
    let playbacks: Vec<Playback> = (0..100)
        .map(|_| {
            let (made, sound) = (made.clone(), sound.take());
            recordings.play(key("a"), move || {
                made.fetch_add(1, Ordering::Relaxed);
                sound.unwrap()
            })
        })
        .collect();
    assert_eq!(playbacks[99].source(), Some(Source::Joined));
    let heard = playbacks.into_iter().map(|playback| async {
        let pieces: Vec<_> = playback.map(Result::unwrap).collect().await;
        pieces
    });
    let heard = tokio::spawn(join_all(heard));
    for said in ["one ", "two ", "three "] {
        engine.say(said);
        tokio::task::yield_now().await;
    }
    drop(engine);
    for pieces in heard.await.unwrap() {
        assert_eq!(pieces, ["one ", "two ", "three "]);
    }
    assert_eq!(made.load(Ordering::Relaxed), 1);
    assert_eq!(
        recordings.counts(),
        Counts {
            misses: 1,
            joined: 99,
            ..Counts::default()
        }
    );
}

#[tokio::test]
async fn the_first_piece_reaches_everybody_before_there_is_a_second() {
    let recordings = recordings();
    let (engine, sound) = Engine::new();
    let mut first = recordings.play(key("a"), || sound);
    let mut second = recordings.play(key("a"), never);
    engine.say("one");
    assert_eq!(piece(&mut first).await, "one");
    assert_eq!(piece(&mut second).await, "one");
    assert_eq!(first.source(), Some(Source::Made));
    assert!(first.next().now_or_never().is_none());
}

#[tokio::test]
async fn who_comes_in_the_middle_hears_the_beginning() {
    let recordings = recordings();
    let (engine, sound) = Engine::new();
    let mut first = recordings.play(key("a"), || sound);
    engine.say("one ");
    engine.say("two ");
    assert_eq!(piece(&mut first).await, "one ");
    assert_eq!(piece(&mut first).await, "two ");
    let late = recordings.play(key("a"), never);
    engine.say("three ");
    drop(engine);
    assert_eq!(whole(late).await.unwrap(), b"one two three ");
    assert_eq!(whole(first).await.unwrap(), b"three ");
}

#[tokio::test]
async fn what_was_said_is_kept_whole_and_not_copied() {
    let recordings = recordings();
    whole(recordings.play(key("a"), || pieces(&["one ", "two "])))
        .await
        .unwrap();
    let mut again = recordings.play(key("a"), never);
    let mut once_more = recordings.clone().play(key("a"), never);
    assert_eq!(again.source(), Some(Source::Memory));
    let (first, second) = (piece(&mut again).await, piece(&mut once_more).await);
    assert_eq!(first, "one two ");
    assert_eq!(first.as_ptr(), second.as_ptr());
    assert!(again.next().await.is_none());
    let other = recordings.play(key("b"), || pieces(&["other"]));
    assert_eq!(whole(other).await.unwrap(), b"other");
    assert_eq!(
        (recordings.counts().memory, recordings.counts().misses),
        (2, 2)
    );
}

#[tokio::test]
async fn when_the_last_listener_leaves_the_engine_is_left_too() {
    let recordings = recordings();
    let (engine, sound) = Engine::new();
    let mut first = recordings.play(key("a"), || sound);
    let second = recordings.play(key("a"), never);
    engine.say("one");
    piece(&mut first).await;
    drop(first);
    assert!(!engine.said.is_closed());
    drop(second);
    engine.left().await;
    let again = recordings.play(key("a"), || pieces(&["anew"]));
    assert_eq!(whole(again).await.unwrap(), b"anew");
}

#[tokio::test]
async fn who_leaves_takes_nothing_from_those_who_stay() {
    let recordings = recordings();
    let (engine, sound) = Engine::new();
    let first = recordings.play(key("a"), || sound);
    let mut second = recordings.play(key("a"), never);
    drop(first);
    for said in ["one ", "two "] {
        engine.say(said);
        assert_eq!(piece(&mut second).await, said);
    }
    drop(engine);
    assert!(whole(second).await.unwrap().is_empty());
    assert_eq!(
        recordings.play(key("a"), never).source(),
        Some(Source::Memory)
    );
}

#[tokio::test]
async fn everybody_is_told_of_a_failure_and_nothing_is_kept() {
    let recordings = recordings();
    let (engine, sound) = Engine::new();
    let first = recordings.play(key("a"), || sound);
    let second = recordings.play(key("a"), never);
    engine.say("half");
    engine.fail();
    for playback in [first, second] {
        let heard: Vec<_> = playback.collect().await;
        assert!(
            matches!(&heard[..], [Ok(half), Err(EngineError::Throttled { .. })] if half == "half"),
            "{heard:?}"
        );
        // Who tries again at once, while others may not know yet, does not meet the same failure.
        let again = recordings.play(key("a"), never_ending);
        assert_eq!(again.source(), None);
    }
    let again = recordings.play(key("a"), || pieces(&["whole"]));
    assert_eq!(whole(again).await.unwrap(), b"whole");
}

fn never_ending() -> Sound {
    stream::pending().boxed()
}

#[tokio::test]
async fn a_sound_without_sound_is_not_kept() {
    let recordings = recordings();
    for _ in 0..2 {
        let nothing = recordings.play(key("a"), || pieces(&["", ""]));
        assert!(whole(nothing).await.unwrap().is_empty());
    }
    assert_eq!(recordings.counts().misses, 2);
}

#[tokio::test]
async fn an_engine_that_panics_is_an_error_and_the_next_ask_tries_anew() {
    let recordings = recordings();
    let broken = recordings.play(key("a"), || panic!("as a test wants it"));
    let held = recordings.play(key("a"), never);
    let error = whole(broken).await.unwrap_err();
    assert!(matches!(error, EngineError::Interrupted(_)), "{error:?}");
    let again = recordings.play(key("a"), || pieces(&["whole"]));
    assert_eq!(whole(again).await.unwrap(), b"whole");
    assert!(whole(held).await.is_err());
}

#[tokio::test]
async fn a_sound_that_is_too_long_is_heard_but_neither_kept_nor_joined() {
    let config = Config {
        largest: ByteSize::b(6),
        ..Config::default()
    };
    let recordings = Recordings::new(&config, None);
    let (engine, sound) = Engine::new();
    let mut first = recordings.play(key("a"), || sound);
    engine.say("123456");
    assert_eq!(piece(&mut first).await, "123456");
    let joined = recordings.play(key("a"), never);
    engine.say("78");
    assert_eq!(piece(&mut first).await, "78");
    let own = recordings.play(key("a"), || pieces(&["12345678"]));
    assert_eq!(whole(own).await.unwrap(), b"12345678");
    drop(engine);
    assert_eq!(whole(joined).await.unwrap(), b"12345678");
    let again = recordings.play(key("a"), || pieces(&["12345678"]));
    assert_eq!(whole(again).await.unwrap(), b"12345678");
    assert_eq!(recordings.counts().misses, 3);
}

#[tokio::test]
async fn a_kept_sound_is_made_again_after_its_lifetime() {
    let config = Config {
        lifetime: Duration::from_millis(200),
        ..Config::default()
    };
    let recordings = Recordings::new(&config, None);
    let begun = Instant::now();
    while recordings.counts().misses < 2 {
        whole(recordings.play(key("a"), || pieces(&["one"])))
            .await
            .unwrap();
        assert!(begun.elapsed() < LONG, "it never went");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(begun.elapsed() >= config.lifetime, "{:?}", begun.elapsed());
    assert!(recordings.counts().memory > 0);
}

#[tokio::test]
async fn memory_stays_bounded_however_much_is_said() {
    let config = Config {
        memory: ByteSize::kib(64),
        largest: ByteSize::kib(8),
        ..Config::default()
    };
    let recordings = Recordings::new(&config, None);
    for number in 0..500 {
        let sound = stream::iter([Ok(Bytes::from(vec![0; 4 * 1024]))]).boxed();
        whole(recordings.play(key(&number.to_string()), || sound))
            .await
            .unwrap();
        let kept = recordings.shelf.memory.weighted_size();
        assert!(kept <= config.memory.as_u64(), "{kept} after {number}");
    }
    assert!(recordings.shelf.memory.entry_count() > 8);
    assert!(recordings.shelf.flights().is_empty());
}

#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    let recordings = recordings();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let playback = {
        let _inside = runtime.enter();
        recordings.play(key("a"), never_ending)
    };
    runtime.shutdown_timeout(LONG);
    let error = futures::executor::block_on(whole_now(playback)).unwrap_err();
    assert!(matches!(error, EngineError::Interrupted(_)), "{error:?}");
    assert!(recordings.shelf.flights().is_empty());
}

/// As [`whole`], outside of a runtime.
async fn whole_now(mut playback: Playback) -> Result<(), EngineError> {
    while let Some(piece) = playback.next().await {
        piece?;
    }
    Ok(())
}
