//! The voice of Google on the true wire: the bytes that were made are the bytes that are heard, in order,
//! without gaps, made once, within the quota.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use troika_tests::{
    google::{End, Google, How, Script, Speech, When, sound_of},
    http,
    listener::{DEMO_BOT, Event, ask, only, text, warnings},
    provider::{Provider, Reply, Step},
    sandbox::{Sandbox, Troika},
    servers,
    sound::{pcm, pieces, spoken},
};

use crate::sandbox;

/// A sandbox whose voice is this Google's, and nobody else's.
pub(crate) fn spoken_by(google: &Google) -> Sandbox {
    sandbox()
        .env("GOOGLE_CLOUD_CREDENTIALS", "anonymous")
        .env("TROIKA_TTS__GOOGLE__ENDPOINT", google.url.clone())
        .env("TROIKA_TTS__ESPEAK__ENABLED", "false")
}

/// A question to be answered aloud.
pub(crate) fn aloud(query: &str) -> Value {
    json!({"query": query, "chatbotId": DEMO_BOT, "enableTTS": true, "language": "en-IN"})
}

/// A model's answer, a word at a time.
pub(crate) fn words(answer: &str, pace: Duration) -> Reply {
    let words = answer.split_inclusive(' ');
    let steps = words.flat_map(|word| [Step::Token(word.into()), Step::Wait(pace)]);
    Reply::Stream(steps.chain([Step::Finish("stop"), Step::Done]).collect())
}

const ANSWER: &str = "Our shop opens at nine. On Sundays it stays closed! Do you want to come by? Bring ₹500.50 along. \
                      See you.";

/// What is heard is exactly what was made for what is said, piece by piece.
fn assert_is_sound_of_its_texts(events: &[Event]) {
    let wanted: Vec<u8> = spoken(events)
        .iter()
        .flat_map(|text| sound_of(text))
        .collect();
    assert!(pcm(events) == wanted, "other bytes than were made");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_that_were_made_are_heard_in_the_order_of_the_text() {
    // The first sentence takes longer than those after it.
    let script = Script::default().on(When::Call(1), Speech::after(Duration::from_millis(600)));
    let google = Google::start(script).await;
    let provider = Provider::start([words(ANSWER, Duration::from_millis(15))]).await;
    let troika = spoken_by(&google).provider(&provider).start();
    assert_eq!(troika.fact("voice"), "google");

    let events = ask(troika.gateway(), &aloud("When?")).await.all().await;

    assert_eq!(text(&events), ANSWER);
    assert_is_sound_of_its_texts(&events);
    assert_eq!(spoken(&events).join(" "), ANSWER);
    assert!(warnings(&events).is_empty(), "{:?}", warnings(&events));
    let complete = &only(&events, "complete").data;
    assert_eq!(complete["audioChunks"], pieces(&events).len());
    assert_eq!(complete["sentenceCount"], 5);
    for call in google.calls() {
        assert_eq!(call.voice, "en-IN-Chirp3-HD-Leda");
        assert_eq!((call.how, call.sample_rate), (How::Streaming, 24_000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sentence_is_heard_while_the_rest_is_still_written() {
    let google = Google::start(Script::default()).await;
    let provider = Provider::start([words(ANSWER, Duration::from_millis(60))]).await;
    let troika = spoken_by(&google).provider(&provider).start();
    let events = ask(troika.gateway(), &aloud("When?")).await.all().await;
    let first = pieces(&events)[0].at;
    let texts_after = events
        .iter()
        .filter(|event| event.name == "text" && event.at > first)
        .count();
    assert!(texts_after > 5, "{texts_after} texts after the first sound");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_is_not_made_again() {
    let google = Google::start(Script::default()).await;
    let provider = Provider::start([words(ANSWER, Duration::ZERO)]).await;
    let troika = spoken_by(&google).provider(&provider).start();
    let first = ask(troika.gateway(), &aloud("One?")).await.all().await;
    let made = google.calls().len();
    // Sentences may be said together in another way, so the single first one tells.
    let second = ask(troika.gateway(), &aloud("Two?")).await.all().await;
    assert_eq!(spoken(&first).join(" "), spoken(&second).join(" "));
    let again = google.texts()[made..].to_vec();
    assert!(!again.contains(&google.texts()[0]), "{again:?}");
    assert_is_sound_of_its_texts(&second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentence_that_a_hundred_ask_for_at_once_is_made_once() {
    let script = Script::default().on(When::Always, Speech::after(Duration::from_millis(500)));
    let google = Google::start(script).await;
    let troika = spoken_by(&google).start();
    let asked = (0..100).map(|_| async {
        let response = http()
            .post(format!("{}/api/text-to-speech", troika.gateway()))
            .header("accept", "audio/wav")
            .json(&json!({"text": "Good morning, and welcome.", "language": "en-IN"}))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap()
    });
    let files = join_all(asked).await;
    assert!(files.iter().all(|file| *file == files[0]));
    assert!(files[0].ends_with(&sound_of("Good morning, and welcome.")));
    assert_eq!(google.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_what_was_said_through_redis() {
    let google = Google::start(Script::default()).await;
    let redis = servers::redis();
    let replica = || {
        spoken_by(&google)
            .env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port))
            .start()
    };
    // Both at once: a lookup waits for Redis 100 ms, which is less than a connection may take.
    let (one, other) = (replica(), replica());
    let say = async |troika: &Troika| {
        let response = http()
            .post(format!("{}/api/text-to-speech", troika.gateway()))
            .json(&json!({"text": "Shared between replicas."}))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let body: Value = response.json().await.unwrap();
        body["audio"].clone()
    };
    let first = say(&one).await;
    // It is written behind the listener's back.
    troika_tests::until("Redis holds it", Duration::from_secs(5), async || {
        redis_keys(redis.port).contains("troika:tts:sound:")
    })
    .await;
    assert_eq!(say(&other).await, first);
    assert_eq!(google.calls().len(), 1);
}

fn redis_keys(port: u16) -> String {
    let output = std::process::Command::new("redis-cli")
        .args(["-p", &port.to_string(), "keys", "*"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_quota_passes_the_sentence_on_to_the_next_family_of_voices() {
    let google = Google::start(Script::default()).await;
    let troika = spoken_by(&google)
        .env("TROIKA_TTS__QUOTA__CHIRP3_HD", "1")
        .start();
    for words in ["The first.", "The second."] {
        let response = http()
            .post(format!("{}/api/text-to-speech", troika.gateway()))
            .json(&json!({"text": words}))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
    }
    let voices: Vec<String> = google.calls().into_iter().map(|call| call.voice).collect();
    assert_eq!(voices, ["en-IN-Chirp3-HD-Leda", "en-IN-Wavenet-A"]);
    assert!(
        troika.log().contains("quota_empty=1") || troika.log().contains("\"quota_empty\":1"),
        "{}",
        troika.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_on_waits_for_the_quota_instead_of_hearing_another_voice() {
    let google = Google::start(Script::default()).await;
    // One call a second: the second sentence waits while the first is heard.
    let first =
        "This first sentence is long enough to be heard for quite a while, so there is time. ";
    let provider = Provider::start([words(
        &format!("{first}Then one more."),
        Duration::from_millis(5),
    )])
    .await;
    let troika = spoken_by(&google)
        .env("TROIKA_TTS__QUOTA__CHIRP3_HD", "60")
        .provider(&provider)
        .start();
    // A burst of a tenth of a minute's calls is there at first.
    for number in 0..7 {
        let _ = http()
            .post(format!("{}/api/text-to-speech", troika.gateway()))
            .json(&json!({"text": format!("Number {number}.")}))
            .send()
            .await
            .unwrap();
    }
    let before = google.calls().len();
    let events = ask(troika.gateway(), &aloud("Go on?")).await.all().await;
    assert!(warnings(&events).is_empty());
    let voices: Vec<String> = google.calls()[before..]
        .iter()
        .map(|call| call.voice.clone())
        .collect();
    // The first sentence has nothing to be heard before it, so it may be passed on; whoever speaks, speaks on.
    assert!(
        voices.windows(2).all(|pair| pair[0] == pair[1]),
        "{voices:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_who_leaves_ends_googles_work() {
    let script = Script::default().on(
        When::Always,
        Speech {
            pace: Duration::from_secs(1),
            ..Speech::default()
        },
    );
    let google = Google::start(script).await;
    let provider = Provider::start([words(ANSWER, Duration::ZERO)]).await;
    let troika = spoken_by(&google).provider(&provider).start();
    let mut listening = ask(troika.gateway(), &aloud("When?")).await;
    listening.wait_for("audio").await;
    drop(listening);
    let calls = google.ended(google.calls().len()).await;
    assert!(
        calls
            .iter()
            .any(|call| matches!(call.end, Some(End::Left(_))))
    );
    assert_eq!(google.open(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_cannot_be_used_end_the_start_with_what_to_change() {
    for (credentials, hint) in [
        ("/nowhere/key.json", "tts.google.credentials"),
        ("{\"type\":\"service_account\"}", "tts.google.credentials"),
        ("{not json", "tts.google.credentials"),
    ] {
        let output = sandbox()
            .env("GOOGLE_CLOUD_CREDENTIALS", credentials)
            .run(&["config"]);
        assert_eq!(output.status.code(), Some(2), "{credentials}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains(hint) && said.contains("GOOGLE_CLOUD_CREDENTIALS"),
            "{said}"
        );
    }
}
