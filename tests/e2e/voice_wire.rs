//! The speech service as other services see it: its contract, its refusals, its end.

use std::time::Duration;

use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Code, Status, transport::Channel};
use troika_proto::tts::v1::{
    AudioFormat, ListVoicesRequest, Manner, Sentence, SpeakRequest, SpeechEvent, Start,
    SynthesizeRequest, SynthesizeStreamRequest, speech_event::Event,
    synthesize_stream_request::Message, tts_client::TtsClient,
};
use troika_tests::{
    google::{Fault, Google, Script, sound_of},
    sandbox::Troika,
    until,
};

use crate::{sandbox, voice_google::spoken_by};

async fn client(troika: &Troika) -> TtsClient<Channel> {
    TtsClient::connect(troika.tts().to_owned())
        .await
        .unwrap()
        .max_decoding_message_size(64 << 20)
}

fn message(message: Message) -> SynthesizeStreamRequest {
    SynthesizeStreamRequest {
        message: Some(message),
    }
}

fn start() -> SynthesizeStreamRequest {
    message(Message::Start(Start::default()))
}

fn sentence(text: &str) -> SynthesizeStreamRequest {
    message(Message::Sentence(Sentence { text: text.into() }))
}

fn violations(status: &Status) -> Vec<String> {
    use troika_chassis::error::Error;
    let error = Error::from(status);
    let fields = error.violations().iter();
    fields.map(|violation| violation.field.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_told_at_once() {
    let troika = sandbox().start_role("tts");
    let mut client = client(&troika).await;
    let status = client
        .synthesize(SynthesizeRequest {
            text: "Hello.".into(),
            manner: Some(Manner {
                language: "tlh".into(),
                voice: "nobody".into(),
                rate: Some(9.0),
            }),
            format: AudioFormat::Wav.into(),
        })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(violations(&status), ["language", "voice", "rate"]);

    for (text, field) in [("", "text"), (" \n", "text"), ("***", "text")] {
        let asked = SpeakRequest {
            text: text.into(),
            manner: None,
        };
        let status = client.speak(asked).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{text:?}");
        assert_eq!(violations(&status), [field]);
    }
    let long = SpeakRequest {
        text: "word ".repeat(1_001),
        manner: None,
    };
    assert_eq!(
        client.speak(long).await.unwrap_err().code(),
        Code::InvalidArgument
    );

    let unstarted = tokio_stream::iter([sentence("Hello.")]);
    let status = client.synthesize_stream(unstarted).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(violations(&status), ["start"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentence_is_heard_while_the_next_is_still_to_come() {
    let google = Google::start(Script::default()).await;
    let troika = spoken_by(&google).start_role("tts");
    let mut client = client(&troika).await;
    let (sender, messages) = tokio::sync::mpsc::channel(8);
    sender.send(start()).await.unwrap();
    let mut events = client
        .synthesize_stream(ReceiverStream::new(messages))
        .await
        .unwrap()
        .into_inner();

    let mut heard = Vec::new();
    let mut sequence = 0;
    for (place, text) in ["First, **boldly**.", "Then <b>this</b> one 🎉.", "Last."]
        .into_iter()
        .enumerate()
    {
        sender.send(sentence(text)).await.unwrap();
        loop {
            let Some(Event::Audio(audio)) = events.next().await.unwrap().unwrap().event else {
                panic!("sound")
            };
            assert_eq!(audio.sequence, sequence);
            assert_eq!(audio.sentence as usize, place);
            sequence += 1;
            heard.extend_from_slice(&audio.pcm);
            if audio.last {
                break;
            }
        }
    }
    drop(sender);
    let Some(Event::Finished(finished)) = events.next().await.unwrap().unwrap().event else {
        panic!("the end")
    };
    assert_eq!((finished.sentences, finished.failed), (3, 0));
    assert_eq!(u64::from(finished.chunks), sequence);
    assert_eq!(finished.voice, "en-IN-Chirp3-HD-Leda");
    assert!(events.next().await.is_none());
    let wanted = ["First, boldly.", "Then this one.", "Last."].map(sound_of);
    assert!(heard == wanted.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn voices_are_listed_in_the_order_in_which_they_are_tried() {
    let troika = sandbox().start_role("tts");
    let mut client = client(&troika).await;
    let asked = ListVoicesRequest {
        language: "hi-IN".into(),
    };
    let voices = client.list_voices(asked).await.unwrap().into_inner().voices;
    let listed: Vec<(&str, bool)> = voices
        .iter()
        .map(|voice| (voice.name.as_str(), voice.available))
        .collect();
    assert_eq!(listed.first(), Some(&("hi-IN-Chirp3-HD-Leda", false)));
    assert_eq!(listed.last(), Some(&("espeak-hi", true)));
    let all = client.list_voices(ListVoicesRequest::default()).await;
    let all = all.unwrap().into_inner().voices;
    let languages: std::collections::BTreeSet<&str> =
        all.iter().map(|voice| voice.language.as_str()).collect();
    assert_eq!(languages.len(), 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sessions_than_there_are_places_are_refused_at_once() {
    let google = Google::start(Script::always(Fault::HangBeforeSound)).await;
    let troika = spoken_by(&google)
        .env("TROIKA_TTS__MAX_SESSIONS", "1")
        .start_role("tts");
    let mut client = client(&troika).await;
    let asked = SpeakRequest {
        text: "Hello.".into(),
        manner: None,
    };
    let first = client.speak(asked.clone()).await.unwrap();
    let status = client.speak(asked.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    drop(first);
    until("the place is free", Duration::from_secs(5), async || {
        client.speak(asked.clone()).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_speech_that_hangs() {
    let google = Google::start(Script::always(Fault::HangBeforeSound)).await;
    let mut troika = spoken_by(&google)
        .env("TROIKA_DRAIN__DEADLINE", "500ms")
        .env("TROIKA_TTS__GOOGLE__FIRST_SOUND", "60s")
        .start_role("tts");
    let mut client = client(&troika).await;
    let asked = SpeakRequest {
        text: "Hello.".into(),
        manner: None,
    };
    let mut events = client.speak(asked.clone()).await.unwrap().into_inner();
    google.called_times(1).await;
    troika.signal("TERM");
    let rest: Vec<Result<SpeechEvent, Status>> = (&mut events).collect().await;
    assert!(rest.iter().all(Result::is_ok), "{rest:?}");
    assert_eq!(troika.exit(Duration::from_secs(10)), 0);
}
