//! Google's engine: both ways to speak, every fault, and what is cancelled when nobody listens.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use troika_chassis::config::Secret;
use troika_tests::google::{
    self as fake, End, Fault, How, Script, Speech, When, sound_at, sound_of,
};
use troika_tts::engine::{
    Engine as _, EngineError,
    google::{Config, Google},
};

use crate::{heard, utterance, words};

const STREAMING: &str = "hi-IN-Chirp3-HD-Leda";
const UNARY: &str = "hi-IN-Wavenet-A";
const BOTH: [&str; 2] = [STREAMING, UNARY];
const TEXT: &str = "नमस्ते, a secret sentence.";

fn engine(url: &str) -> Google {
    // A second installation is refused, and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Google::new(&Config {
        credentials: Secret::from("anonymous"),
        endpoint: Some(url.parse().unwrap()),
        first_sound: Duration::from_millis(700),
        silence: Duration::from_millis(400),
        answer: Duration::from_millis(900),
    })
    .unwrap()
}

async fn setting(script: Script) -> (fake::Google, Google) {
    let server = fake::Google::start(script).await;
    let engine = engine(&server.url);
    (server, engine)
}

/// What a voice answers to a script, and that the text is nowhere in its error.
async fn answer(voice: &str, script: Script) -> (Vec<u8>, Option<EngineError>) {
    let (_server, engine) = setting(script).await;
    let (sound, error) = heard(engine.speak(utterance(voice, TEXT))).await;
    if let Some(error) = &error {
        let words = words(error);
        assert!(
            !words.contains("secret") && !words.contains("नमस्ते"),
            "{words}"
        );
        assert!(!words.contains("nobody may see"), "{words}");
    }
    (sound, error)
}

/// An error before any sound.
async fn refusal(voice: &str, fault: Fault) -> EngineError {
    let (sound, error) = answer(voice, Script::always(fault)).await;
    assert!(sound.is_empty());
    error.expect("an error")
}

#[tokio::test]
async fn each_family_goes_its_way_and_says_the_text() {
    for (voice, how) in [
        (STREAMING, How::Streaming),
        (UNARY, How::Unary),
        ("de-DE-Standard-G", How::Unary),
    ] {
        let (server, engine) = setting(Script::default()).await;
        let (sound, error) = heard(engine.speak(utterance(voice, TEXT))).await;
        assert!(error.is_none(), "{voice}: {error:?}");
        assert!(sound == sound_of(TEXT), "{voice}: another sound");
        let calls = server.ended(1).await;
        assert_eq!(calls.len(), 1);
        let call = &calls[0];
        assert_eq!((call.how, call.end), (how, Some(End::Served)));
        assert_eq!((call.voice.as_str(), call.text.as_str()), (voice, TEXT));
        assert_eq!(call.language, voice[..5]);
        assert_eq!((call.rate, call.sample_rate), (1.0, 24_000));
    }
}

#[tokio::test]
async fn the_speed_is_told() {
    for voice in BOTH {
        let (server, engine) = setting(Script::default()).await;
        let faster = troika_tts::engine::Utterance {
            rate: 1.5,
            ..utterance(voice, TEXT)
        };
        let (sound, error) = heard(engine.speak(faster)).await;
        assert!(error.is_none(), "{error:?}");
        assert!(sound == sound_at(TEXT, 1.5));
        assert_eq!(server.calls()[0].rate, 1.5);
    }
}

#[tokio::test]
async fn a_stream_sounds_long_before_it_ends() {
    let slow = Speech {
        pace: Duration::from_millis(150),
        ..Speech::default()
    };
    let (server, engine) = setting(Script::default().on(When::Always, slow)).await;
    let mut sound = engine.speak(utterance(STREAMING, TEXT));
    let first = sound.next().await.unwrap().unwrap();
    assert!(first.len() < sound_of(TEXT).len() / 4);
    assert_eq!(server.calls()[0].end, None, "it is still speaking");
}

#[tokio::test]
async fn nothing_happens_before_the_first_poll() {
    let (server, engine) = setting(Script::default()).await;
    for voice in BOTH {
        drop(engine.speak(utterance(voice, TEXT)));
    }
    let sound = engine.speak(utterance(UNARY, "polled"));
    assert!(heard(sound).await.1.is_none());
    assert_eq!(server.texts(), ["polled"]);
}

#[tokio::test]
async fn googles_codes_say_what_to_do_next() {
    use tonic::Code;
    for voice in BOTH {
        for code in [Code::Unavailable, Code::Internal] {
            let error = refusal(voice, Fault::refuse(code)).await;
            assert!(
                matches!(error, EngineError::Unavailable(_)),
                "{voice} {code:?}: {error:?}"
            );
        }
        for code in [Code::PermissionDenied, Code::Unauthenticated] {
            let error = refusal(voice, Fault::refuse(code)).await;
            assert!(
                matches!(error, EngineError::Denied(_)),
                "{voice} {code:?}: {error:?}"
            );
        }
        for code in [
            Code::InvalidArgument,
            Code::NotFound,
            Code::FailedPrecondition,
        ] {
            let error = refusal(voice, Fault::refuse(code)).await;
            assert!(
                matches!(error, EngineError::Refused(_)),
                "{voice} {code:?}: {error:?}"
            );
        }
        let error = refusal(voice, Fault::refuse(Code::DeadlineExceeded)).await;
        assert!(
            matches!(error, EngineError::TimedOut(_)),
            "{voice}: {error:?}"
        );
    }
}

#[tokio::test]
async fn an_empty_quota_says_when_to_come_back() {
    for voice in BOTH {
        let error = refusal(voice, Fault::throttled(Some(Duration::from_secs(7)))).await;
        let EngineError::Throttled { retry_after } = error else {
            panic!("{voice}: {error:?}");
        };
        assert_eq!(retry_after, Some(Duration::from_secs(7)), "{voice}");
        let error = refusal(voice, Fault::throttled(None)).await;
        assert!(matches!(
            error,
            EngineError::Throttled { retry_after: None }
        ));
    }
}

#[tokio::test]
async fn a_proxy_and_a_broken_connection_are_unavailability() {
    for voice in BOTH {
        for fault in [Fault::Proxy(502), Fault::Proxy(404), Fault::Reset] {
            let error = refusal(voice, fault).await;
            assert!(
                matches!(error, EngineError::Unavailable(_)),
                "{voice}: {error:?}"
            );
        }
        let nobody = {
            let server = fake::Google::start(Script::default()).await;
            server.url.clone()
        };
        let begun = Instant::now();
        let (_, error) = heard(engine(&nobody).speak(utterance(voice, TEXT))).await;
        let error = error.unwrap();
        assert!(
            matches!(
                error,
                EngineError::Unavailable(_) | EngineError::TimedOut(_)
            ),
            "{voice}: {error:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test]
async fn waiting_has_an_end() {
    for (voice, limit) in [(STREAMING, 700), (UNARY, 900)] {
        let begun = Instant::now();
        let error = refusal(voice, Fault::HangBeforeSound).await;
        let limit = Duration::from_millis(limit);
        assert!(
            matches!(error, EngineError::TimedOut(time) if time == limit),
            "{error:?}"
        );
        assert!(begun.elapsed() < limit + Duration::from_secs(1));
    }
    let (sound, error) = answer(STREAMING, Script::always(Fault::HangAfterHalf)).await;
    assert!(sound_of(TEXT).starts_with(&sound) && !sound.is_empty());
    let silence = Duration::from_millis(400);
    assert!(matches!(error, Some(EngineError::TimedOut(time)) if time == silence));
    let (sound, error) = answer(UNARY, Script::always(Fault::HangAfterHalf)).await;
    assert!(sound.is_empty());
    assert!(matches!(error, Some(EngineError::TimedOut(_))));
}

#[tokio::test]
async fn a_sound_that_breaks_off_says_so() {
    let (sound, error) = answer(STREAMING, Script::always(Fault::ErrorAfterHalf)).await;
    assert!(sound_of(TEXT).starts_with(&sound) && !sound.is_empty());
    assert!(
        matches!(error, Some(EngineError::Interrupted(_))),
        "{error:?}"
    );

    let (sound, error) = answer(UNARY, Script::always(Fault::ErrorAfterHalf)).await;
    assert!(sound.is_empty());
    let error = error.unwrap();
    assert!(
        matches!(
            error,
            EngineError::Interrupted(_) | EngineError::Unavailable(_)
        ),
        "{error:?}"
    );

    let (sound, error) = answer(STREAMING, Script::always(Fault::HalfASample)).await;
    assert_eq!(sound, sound_of(TEXT)[..sound_of(TEXT).len() - 2]);
    assert!(
        matches!(error, Some(EngineError::Interrupted(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_no_sound_is_an_interruption() {
    for fault in [
        Fault::EndAfterHalf,
        Fault::HalfASample,
        Fault::NoSound,
        Fault::Garbage,
    ] {
        let error = refusal(UNARY, fault.clone()).await;
        assert!(
            matches!(error, EngineError::Interrupted(_)),
            "{fault:?}: {error:?}"
        );
    }
    let error = refusal(STREAMING, Fault::NoSound).await;
    assert!(matches!(error, EngineError::Interrupted(_)), "{error:?}");
    let error = refusal(STREAMING, Fault::Garbage).await;
    assert!(
        matches!(
            error,
            EngineError::Interrupted(_) | EngineError::Unavailable(_)
        ),
        "{error:?}"
    );
    // Nothing on the wire tells how long a stream should have been.
    let (sound, error) = answer(STREAMING, Script::always(Fault::EndAfterHalf)).await;
    assert!(!sound.is_empty() && error.is_none());
}

#[tokio::test]
async fn sound_of_another_rate_is_resampled() {
    let (sound, error) = answer(UNARY, Script::always(Fault::WrongRate)).await;
    assert!(error.is_none(), "{error:?}");
    let expected = sound_of(TEXT).len();
    assert!(
        sound.len().abs_diff(expected) < 200,
        "{} of {expected}",
        sound.len()
    );
}

#[tokio::test]
async fn a_voice_that_does_not_stream_speaks_in_one_piece_from_then_on() {
    let script = Script::default().on(
        When::How(How::Streaming),
        Speech::with(Fault::unimplemented()),
    );
    let (server, engine) = setting(script).await;
    for _ in 0..2 {
        let (sound, error) = heard(engine.speak(utterance(STREAMING, TEXT))).await;
        assert!(error.is_none(), "{error:?}");
        assert!(sound == sound_of(TEXT));
    }
    let ways: Vec<How> = server.calls().iter().map(|call| call.how).collect();
    assert_eq!(ways, [How::Streaming, How::Unary, How::Unary]);
}

#[tokio::test]
async fn nothing_is_tried_twice() {
    for voice in BOTH {
        let (server, engine) = setting(Script::always(Fault::unavailable())).await;
        let (_, error) = heard(engine.speak(utterance(voice, TEXT))).await;
        assert!(error.is_some());
        assert_eq!(server.calls().len(), 1, "{voice}");
    }
}

#[tokio::test]
async fn texts_that_google_cannot_take_never_leave() {
    let (server, engine) = setting(Script::default()).await;
    for text in ["", &"क".repeat(1_667)] {
        for voice in [STREAMING, UNARY, "espeak-hi"] {
            let (_, error) = heard(engine.speak(utterance(voice, text))).await;
            assert!(matches!(error, Some(EngineError::Refused(_))), "{error:?}");
        }
    }
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn google_notices_within_a_second_that_nobody_listens_any_more() {
    let slow = Speech {
        pace: Duration::from_millis(50),
        ..Speech::default()
    };
    // Before the first sound, and in the middle of it.
    for (voice, speech, pieces) in [
        (STREAMING, Speech::after(Duration::from_secs(30)), 0),
        (STREAMING, Speech::with(Fault::HangBeforeSound), 0),
        (STREAMING, slow, 2),
        (STREAMING, Speech::with(Fault::HangAfterHalf), 1),
        (UNARY, Speech::after(Duration::from_secs(30)), 0),
        (UNARY, Speech::with(Fault::HangAfterHalf), 0),
    ] {
        let (server, engine) = setting(Script::default().on(When::Always, speech)).await;
        let mut sound = engine.speak(utterance(voice, TEXT));
        for _ in 0..pieces {
            sound.next().await.unwrap().unwrap();
        }
        if pieces == 0 {
            let polled = tokio::spawn(async move {
                let _ = sound.next().await;
            });
            server.called_times(1).await;
            polled.abort();
        } else {
            drop(sound);
        }
        let left = Instant::now();
        let calls = server.ended(1).await;
        assert!(
            matches!(calls[0].end, Some(End::Left(_))),
            "{:?}",
            calls[0].end
        );
        assert!(
            left.elapsed() < Duration::from_secs(1),
            "{voice}: {:?}",
            left.elapsed()
        );
        assert_eq!(server.open(), 0);
    }
}

#[tokio::test]
async fn calls_go_side_by_side() {
    let later = Speech::after(Duration::from_millis(200));
    let (server, engine) = setting(Script::default().on(When::Always, later)).await;
    let sounds = (0..6).map(|at| heard(engine.speak(utterance(BOTH[at % 2], TEXT))));
    for (sound, error) in futures::future::join_all(sounds).await {
        assert!(error.is_none() && sound == sound_of(TEXT));
    }
    assert_eq!(server.most_open(), 6);
}

#[tokio::test]
async fn a_call_that_hangs_takes_no_other_with_it() {
    let slow = Speech {
        pace: Duration::from_millis(100),
        ..Speech::default()
    };
    let script = Script::default()
        .on(
            When::Text("hang".to_owned()),
            Speech::with(Fault::HangBeforeSound),
        )
        .on(When::Always, slow);
    let (_server, engine) = setting(script).await;
    let long = heard(engine.speak(utterance(STREAMING, TEXT)));
    let hangs = heard(engine.speak(utterance(STREAMING, "hang")));
    let ((sound, error), (_, late)) = tokio::join!(long, hangs);
    assert!(matches!(late, Some(EngineError::TimedOut(_))), "{late:?}");
    assert!(error.is_none() && sound == sound_of(TEXT), "{error:?}");
    let (sound, error) = heard(engine.speak(utterance(STREAMING, TEXT))).await;
    assert!(error.is_none() && sound == sound_of(TEXT), "{error:?}");
}

#[tokio::test]
async fn voices_are_listed_within_the_limit() {
    let (server, engine) = setting(Script::default().offering(["xx-XX-Wavenet-A", "b"])).await;
    assert_eq!(
        engine.list_voices().await.unwrap(),
        ["xx-XX-Wavenet-A", "b"]
    );
    for (fault, expected) in [
        (Fault::HangBeforeSound, "TimedOut"),
        (Fault::denied(), "Denied"),
        (Fault::Garbage, "Interrupted"),
    ] {
        server.follow(Script::default().on(When::How(How::Listing), Speech::with(fault)));
        let error = engine.list_voices().await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
    }
}
