//! espeak-ng itself: it must be installed (`apt-get install espeak-ng`).

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use tempfile::TempDir;
use troika_tests::until;
use troika_tts::{
    engine::{
        Engine as _, EngineError, Utterance,
        espeak::{Config, Espeak},
    },
    voices::{EngineName, LANGUAGES, of},
};

use crate::{heard, utterance};

const SENTENCE: &str = "Your order left the shop this morning and will be with you on Friday.";

async fn engine() -> Espeak {
    Espeak::find(&Config::default())
        .await
        .expect("espeak-ng is installed: apt-get install espeak-ng")
}

/// A program in the place of espeak-ng: a script that answers to `--version`.
async fn stand_in(script: &str, limit: Duration) -> (TempDir, Espeak) {
    let directory = TempDir::new().unwrap();
    let program = directory.path().join("espeak-ng");
    let here = directory.path().display();
    let script = format!("#!/bin/sh\n[ \"$1\" = --version ] && exit 0\ncd {here}\n{script}\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let config = Config {
        program,
        concurrency: 2,
        first_sound: limit,
        silence: limit,
        ..Config::default()
    };
    let espeak = Espeak::find(&config).await.expect("the stand-in runs");
    (directory, espeak)
}

fn loudness(sound: &[u8]) -> f64 {
    let (samples, _) = sound.as_chunks::<2>();
    let squares = samples
        .iter()
        .map(|s| f64::from(i16::from_le_bytes(*s)).powi(2));
    (squares.sum::<f64>() / samples.len() as f64).sqrt()
}

fn seconds(sound: &[u8]) -> f64 {
    sound.len() as f64 / 48_000.0
}

#[tokio::test]
async fn a_sentence_is_as_long_and_as_loud_as_speech() {
    let espeak = engine().await;
    let begun = Instant::now();
    let mut sound = espeak.speak(utterance("espeak-en-us", SENTENCE));
    let first = sound.next().await.unwrap().unwrap();
    let first_after = begun.elapsed();
    let (rest, error) = heard(sound).await;
    assert!(error.is_none(), "{error:?}");
    let whole = [first.to_vec(), rest].concat();
    assert!(
        (2.5..7.0).contains(&seconds(&whole)),
        "{} s",
        seconds(&whole)
    );
    assert!(
        (800.0..12_000.0).contains(&loudness(&whole)),
        "{}",
        loudness(&whole)
    );
    assert!(seconds(&first) < 1.0, "{} s at once", seconds(&first));
    assert!(first_after < Duration::from_secs(1), "{first_after:?}");
}

#[tokio::test]
async fn every_language_of_the_table_can_be_spoken() {
    let espeak = engine().await;
    let there = Command::new("espeak-ng").arg("--voices").output().unwrap();
    let there = String::from_utf8_lossy(&there.stdout).into_owned();
    let names: Vec<&str> = there
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    for (language, text) in LANGUAGES.into_iter().zip([
        "Good morning to all of you",
        "आप सभी को सुप्रभात",
        "সবাইকে শুভ সকাল",
        "அனைவருக்கும் காலை வணக்கம்",
        "అందరికీ శుభోదయం",
        "सर्वांना शुभ सकाळ",
        "બધાને શુભ સવાર",
        "ಎಲ್ಲರಿಗೂ ಶುಭೋದಯ",
        "എല്ലാവർക്കും സുപ്രഭാതം",
        "ਸਾਰਿਆਂ ਨੂੰ ਸ਼ੁਭ ਸਵੇਰ",
        "Good morning to all of you",
        "Buenos días a todos",
        "Bonjour à toutes et à tous",
        "Guten Morgen zusammen",
    ]) {
        let voices = of(language)
            .into_iter()
            .filter(|voice| voice.engine == EngineName::Espeak);
        for voice in voices {
            let name = voice.espeak_name().unwrap();
            assert!(names.contains(&name), "espeak-ng has no voice {name}");
            let (sound, error) = heard(espeak.speak(utterance(&voice.name, text))).await;
            assert!(error.is_none(), "{name}: {error:?}");
            assert!(
                (0.5..5.0).contains(&seconds(&sound)),
                "{name}: {} s",
                seconds(&sound)
            );
            assert!(loudness(&sound) > 500.0, "{name}: {}", loudness(&sound));
        }
    }
}

#[tokio::test]
async fn twice_the_speed_is_half_the_time() {
    let espeak = engine().await;
    let mut lengths = Vec::new();
    for rate in [0.5, 1.0, 2.0] {
        let said = Utterance {
            rate,
            ..utterance("espeak-en-gb", SENTENCE)
        };
        let (sound, error) = heard(espeak.speak(said)).await;
        assert!(error.is_none(), "{error:?}");
        lengths.push(seconds(&sound));
    }
    assert!(
        lengths[0] > 1.5 * lengths[1] && lengths[1] > 1.5 * lengths[2],
        "{lengths:?}"
    );
}

#[tokio::test]
async fn a_long_text_sounds_before_it_is_done() {
    let espeak = engine().await;
    let long = SENTENCE.repeat(15);
    let mut sound = espeak.speak(utterance("espeak-en-us", &long));
    let first = sound.next().await.unwrap().unwrap();
    let (rest, error) = heard(sound).await;
    assert!(error.is_none(), "{error:?}");
    assert!(rest.len() > 10 * first.len());
}

#[tokio::test]
async fn text_is_neither_an_option_nor_phonemes() {
    let espeak = engine().await;
    for text in ["--version", "-v de", "[[h@'loU]] and on", "$(id); `id`"] {
        let (sound, error) = heard(espeak.speak(utterance("espeak-en-us", text))).await;
        assert!(error.is_none(), "{error:?}");
        assert!(seconds(&sound) > 0.3, "{text}: {} s", seconds(&sound));
    }
}

#[tokio::test]
async fn the_text_is_not_among_the_arguments_nor_anything_in_the_environment() {
    let (directory, espeak) = stand_in("echo \"$@\" > args; env > env; cat > text", LIMIT).await;
    let (_, error) = heard(espeak.speak(utterance("espeak-hi", "a secret sentence"))).await;
    assert!(
        matches!(error, Some(EngineError::Interrupted(_))),
        "{error:?}"
    );
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(read("text"), "a secret sentence");
    assert_eq!(read("args").trim(), "--stdout --stdin -b 1 -v hi -s 175");
    assert!(!read("env").contains("CARGO"), "{}", read("env"));
}

const LIMIT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_process_that_fails_or_says_nothing_is_an_error() {
    for (script, interrupted) in [
        ("exit 1", false),
        ("exit 0", true),
        ("echo garbage; exit 0", true),
        ("kill -9 $$", false),
        // A whole head and some sound, then a bad end.
        ("espeak-ng --stdout -v en hello; exit 3", true),
    ] {
        let (_directory, espeak) = stand_in(script, LIMIT).await;
        let (_, error) = heard(espeak.speak(utterance("espeak-hi", "नमस्ते"))).await;
        let error = error.expect(script);
        assert_eq!(
            matches!(error, EngineError::Interrupted(_)),
            interrupted,
            "{script}: {error:?}"
        );
        assert_eq!(
            matches!(error, EngineError::Unavailable(_)),
            !interrupted,
            "{script}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_process_that_hangs_is_given_up_and_killed() {
    for (script, sounds) in [
        ("echo $$ > pid; exec sleep 60", false),
        (
            "echo $$ > pid; espeak-ng --stdout -v en hello; exec sleep 60",
            true,
        ),
    ] {
        let (directory, espeak) = stand_in(script, LIMIT).await;
        let begun = Instant::now();
        let (sound, error) = heard(espeak.speak(utterance("espeak-hi", "नमस्ते"))).await;
        assert!(
            matches!(error, Some(EngineError::TimedOut(LIMIT))),
            "{error:?}"
        );
        assert_eq!(!sound.is_empty(), sounds);
        assert!(begun.elapsed() < 5 * LIMIT);
        is_gone(directory.path().join("pid")).await;
    }
}

#[tokio::test]
async fn dropping_the_sound_kills_the_process() {
    let script = "echo $$ > pid; espeak-ng --stdout -v en hello; exec sleep 60";
    let (directory, espeak) = stand_in(script, Duration::from_secs(20)).await;
    let mut sound = espeak.speak(utterance("espeak-hi", "नमस्ते"));
    sound.next().await.unwrap().unwrap();
    drop(sound);
    is_gone(directory.path().join("pid")).await;
}

/// Waits until a process is no more; its file holds its number.
async fn is_gone(file: PathBuf) {
    let process = fs::read_to_string(file).unwrap();
    let entry = PathBuf::from(format!("/proc/{}", process.trim()));
    until("the process ends", Duration::from_secs(1), async || {
        !entry.exists()
    })
    .await;
}

#[tokio::test]
async fn no_more_processes_run_than_may() {
    let script = "echo >> begun; exec sleep 60";
    let (directory, espeak) = stand_in(script, Duration::from_secs(20)).await;
    let begun = || {
        fs::read_to_string(directory.path().join("begun"))
            .unwrap_or_default()
            .len()
    };
    let mut sounds: Vec<_> = (0..3)
        .map(|_| {
            let mut sound = espeak.speak(utterance("espeak-hi", "नमस्ते"));
            tokio::spawn(async move {
                let _ = sound.next().await;
            })
        })
        .collect();
    until("two run", Duration::from_secs(5), async || begun() == 2).await;
    // The third has no place until one of the others goes.
    let waits = tokio::time::timeout(Duration::from_millis(200), async {
        until("nothing", Duration::from_secs(5), async || begun() > 2).await;
    });
    assert!(waits.await.is_err(), "a third process runs");
    sounds.iter().take(2).for_each(|sound| sound.abort());
    until("the third runs", Duration::from_secs(5), async || {
        begun() == 3
    })
    .await;
    sounds.remove(2).abort();
}

#[tokio::test]
async fn texts_and_voices_of_others_are_refused() {
    let espeak = engine().await;
    for (voice, text) in [
        ("espeak-hi", String::new()),
        ("espeak-hi", "a".repeat(5_001)),
        ("hi-IN-Wavenet-A", "नमस्ते".to_owned()),
    ] {
        let (_, error) = heard(espeak.speak(utterance(voice, &text))).await;
        assert!(matches!(error, Some(EngineError::Refused(_))), "{error:?}");
    }
}

#[tokio::test]
async fn it_is_not_found_where_it_is_not() {
    let off = Config {
        enabled: false,
        ..Config::default()
    };
    let missing = Config {
        program: "/no/such/espeak-ng".into(),
        ..Config::default()
    };
    for config in [off, missing] {
        assert!(Espeak::find(&config).await.is_none());
    }
}
