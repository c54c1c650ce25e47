//! A voice over a speech service that does as it is told.

use bytes::Bytes;
use futures::{FutureExt as _, stream};
use troika_proto::tts::v1::{Finished, SpeechWarning};

use super::*;

const SILENCE: Duration = Duration::from_secs(10);

fn voice(
    sound: impl Stream<Item = Result<Event, Status>> + Send + 'static,
) -> (Voice, mpsc::Receiver<String>) {
    let (sender, sentences) = mpsc::channel(8);
    (Voice::new("en-IN", sender, sound, SILENCE), sentences)
}

fn audio(sequence: u64) -> Result<Event, Status> {
    Ok(Event::Audio(tts::Audio {
        sequence,
        pcm: Bytes::from_static(&[1, 2]),
        text: "One.".into(),
        ..tts::Audio::default()
    }))
}

fn warning(code: &str) -> Result<Event, Status> {
    Ok(Event::Warning(SpeechWarning {
        code: code.into(),
        message: "the service's own words".into(),
    }))
}

fn finished() -> Result<Event, Status> {
    Ok(Event::Finished(Finished::default()))
}

/// What is heard until nothing more comes: numbers of pieces, and notices.
async fn heard(mut voice: Voice) -> (Vec<u64>, Vec<Notice>) {
    let (mut pieces, mut notices) = (Vec::new(), Vec::new());
    while let Some(heard) = voice.next().await {
        match heard {
            Heard::Audio(audio) => pieces.push(audio.sequence),
            Heard::Missing(notice) => notices.push(notice),
        }
    }
    (pieces, notices)
}

#[tokio::test]
async fn whole_sentences_leave_as_soon_as_they_are_certain() {
    let (mut voice, mut sentences) = voice(stream::pending());
    for token in ["Hello", " there", ".", " How", " are", " you"] {
        voice.say(token);
    }
    assert_eq!(sentences.try_recv().unwrap(), "Hello there.");
    assert!(sentences.try_recv().is_err());
    voice.finish();
    assert_eq!(sentences.recv().await.unwrap(), "How are you");
    assert_eq!(sentences.recv().await, None, "the text is over");
}

#[tokio::test]
async fn what_cannot_be_said_is_not_sent() {
    let (mut voice, mut sentences) = voice(stream::pending());
    voice.say("**Bold** word.\n```\nlet x = 1;\n```\n");
    voice.finish();
    assert_eq!(sentences.recv().await.unwrap(), "Bold word.");
    assert_eq!(sentences.recv().await, None);
}

#[tokio::test]
async fn pieces_are_numbered_without_gaps() {
    let (mut voice, _sentences) = voice(stream::iter([audio(7), audio(9), finished()]));
    voice.finish();
    assert_eq!(heard(voice).await, (vec![0, 1], vec![]));
}

#[tokio::test]
async fn a_service_that_is_away_is_told_once() {
    let (mut voice, _sentences) = voice(stream::iter([Err(Status::unavailable("connect"))]));
    voice.say("One. Two. ");
    voice.finish();
    assert_eq!(heard(voice).await, (vec![], vec![Notice::VoiceUnavailable]));
}

#[tokio::test]
async fn a_service_that_breaks_off_is_told_as_incomplete_and_only_once() {
    let sound = [
        audio(0),
        warning("voice_incomplete"),
        audio(1),
        Err(Status::internal("x")),
    ];
    let (mut voice, _sentences) = voice(stream::iter(sound));
    voice.finish();
    assert_eq!(
        heard(voice).await,
        (vec![0, 1], vec![Notice::VoiceIncomplete])
    );
}

#[tokio::test]
async fn an_end_without_a_word_is_no_whole_voice() {
    let (mut voice, _sentences) = voice(stream::iter([audio(0)]));
    voice.finish();
    assert_eq!(heard(voice).await, (vec![0], vec![Notice::VoiceIncomplete]));
}

#[tokio::test(start_paused = true)]
async fn silence_counts_only_once_the_text_is_over() {
    let (mut voice, _sentences) = voice(stream::pending());
    voice.say("One. Two. ");
    let waited = tokio::time::timeout(SILENCE * 10, voice.next()).await;
    assert!(waited.is_err(), "while text comes, nothing is missing");
    voice.finish();
    let began = tokio::time::Instant::now();
    assert_eq!(heard(voice).await.1, [Notice::VoiceUnavailable]);
    assert_eq!(began.elapsed(), SILENCE);
}

#[tokio::test]
async fn a_service_that_takes_nothing_keeps_no_text_waiting() {
    let (mut voice, sentences) = voice(stream::pending());
    for _ in 0..100 {
        voice.say("A sentence. ");
    }
    drop(sentences);
    voice.say("Another one. ");
    voice.finish();
    assert!(voice.next().now_or_never().is_none());
}
