//! Every way in which Google can fail, and what becomes of the answer: the text completes at its usual pace,
//! with at most one warning, and what can be heard is heard in order.

use std::time::{Duration, Instant};

use serde_json::json;
use tonic::Code;
use troika_tests::{
    google::{Fault, Google, How, Script, Speech, When, sound_of},
    http,
    listener::{Event, ask, only, texts, warnings},
    provider::Provider,
    sound::{data_url, pcm, pieces, spoken, wav},
};

use crate::voice_google::{aloud, spoken_by, words};

/// Between two words of the model.
const PACE: Duration = Duration::from_millis(20);

const ANSWER: &str =
    "The first sentence is here. The second one follows it. And the third one ends it all.";

/// Who is heard.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Heard {
    /// All of it, by the first voice.
    First,
    /// All of it, by another family of voices.
    Another,
    /// All but what a fault in the middle of a sentence took.
    Part,
    /// Nothing.
    Nothing,
}

struct Scenario {
    name: &'static str,
    script: Script,
    heard: Heard,
    warning: Option<&'static str>,
}

fn streaming(fault: Fault) -> Script {
    Script::default().on(When::How(How::Streaming), Speech::with(fault))
}

fn scenario(name: &'static str, script: Script, heard: Heard) -> Scenario {
    let warning = match heard {
        Heard::First | Heard::Another => None,
        Heard::Part => Some("voice_incomplete"),
        Heard::Nothing => Some("voice_unavailable"),
    };
    Scenario {
        name,
        script,
        heard,
        warning,
    }
}

fn scenarios() -> Vec<Scenario> {
    let slow = Speech {
        delay: Duration::from_millis(900),
        pace: Duration::from_millis(50),
        ..Speech::default()
    };
    vec![
        scenario(
            "connections refused or reset",
            Script::always(Fault::Reset),
            Heard::Nothing,
        ),
        scenario(
            "unavailable",
            Script::always(Fault::unavailable()),
            Heard::Nothing,
        ),
        scenario(
            "unavailable once, then good",
            Script::default().on(When::Call(1), Speech::with(Fault::unavailable())),
            Heard::First,
        ),
        scenario(
            "a proxy's 502",
            Script::always(Fault::Proxy(502)),
            Heard::Nothing,
        ),
        scenario(
            "429 everywhere",
            Script::always(Fault::throttled(None)),
            Heard::Nothing,
        ),
        scenario(
            "429 for streams",
            streaming(Fault::throttled(Some(Duration::from_secs(7)))),
            Heard::Another,
        ),
        scenario(
            "slow",
            Script::default().on(When::Always, slow),
            Heard::First,
        ),
        scenario(
            "hung before the first sound",
            streaming(Fault::HangBeforeSound),
            Heard::Another,
        ),
        scenario(
            "hung in the middle of each sentence",
            streaming(Fault::HangAfterHalf),
            Heard::Part,
        ),
        scenario(
            "half the sound, then an error",
            streaming(Fault::ErrorAfterHalf),
            Heard::Part,
        ),
        scenario("half a sample", streaming(Fault::HalfASample), Heard::Part),
        scenario("no sound at all", streaming(Fault::NoSound), Heard::Another),
        scenario("garbage", Script::always(Fault::Garbage), Heard::Nothing),
        scenario(
            "another rate than was asked for",
            streaming(Fault::unimplemented())
                .on(When::How(How::Unary), Speech::with(Fault::WrongRate)),
            Heard::First,
        ),
        scenario(
            "no streaming",
            streaming(Fault::unimplemented()),
            Heard::First,
        ),
        scenario(
            "permission denied",
            Script::always(Fault::denied()),
            Heard::Nothing,
        ),
        scenario(
            "a voice that is not offered",
            Script::default().on(
                When::Voice("en-IN-Chirp3-HD-Leda".into()),
                Speech::with(Fault::refuse(Code::NotFound)),
            ),
            Heard::Another,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_google_does_the_text_completes_at_its_pace_with_at_most_one_warning() {
    let mut broken = Vec::new();
    for scenario in scenarios() {
        let name = scenario.name;
        if let Err(problem) = play(scenario).await {
            broken.push(format!("{name}: {problem}"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

async fn play(scenario: Scenario) -> Result<(), String> {
    let google = Google::start(scenario.script).await;
    let provider = Provider::start([words(ANSWER, PACE)]).await;
    let troika = spoken_by(&google)
        .env("TROIKA_TTS__GOOGLE__FIRST_SOUND", "1s")
        .env("TROIKA_TTS__GOOGLE__ANSWER", "2s")
        .env("TROIKA_TTS__GOOGLE__SILENCE", "1s")
        .provider(&provider)
        .start();
    let began = Instant::now();
    let events = ask(troika.gateway(), &aloud("Well?")).await.all().await;
    check(
        "the whole takes less than 15 s",
        began.elapsed() < Duration::from_secs(15),
    )?;

    let said = texts(&events);
    check("every word once", said.concat() == ANSWER)?;
    let longest = longest_gap(&events);
    if longest > PACE + Duration::from_millis(250) {
        return Err(format!("text waited {longest:?}"));
    }
    let complete = &only(&events, "complete").data;
    check(
        "a success",
        complete["success"] == true && complete["finishReason"] == "stop",
    )?;
    let told = warnings(&events);
    if told != scenario.warning.into_iter().collect::<Vec<_>>() {
        return Err(format!("warnings {told:?}"));
    }
    check(
        "chunks are counted",
        complete["audioChunks"] == pieces(&events).len(),
    )?;
    let voices: Vec<String> = google.calls().into_iter().map(|call| call.voice).collect();
    match scenario.heard {
        Heard::First | Heard::Another => {
            if spoken(&events).join(" ") != ANSWER {
                return Err(format!("heard {:?}", spoken(&events)));
            }
            let first = voices.last().is_some_and(|voice| voice.contains("Chirp3"));
            check("who speaks", first == (scenario.heard == Heard::First))?;
        }
        Heard::Part => check("something is heard", !pcm(&events).is_empty())?,
        Heard::Nothing => check("nothing is heard", pcm(&events).is_empty())?,
    }
    Ok(())
}

fn check(what: &str, holds: bool) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("not so: {what}"))
    }
}

/// The longest wait between two texts.
fn longest_gap(events: &[Event]) -> Duration {
    let times: Vec<Instant> = events
        .iter()
        .filter(|event| event.name == "text")
        .map(|event| event.at)
        .collect();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_mended_by_espeak_where_google_is_away() {
    let google = Google::start(Script::always(Fault::unavailable())).await;
    let provider = Provider::start([words(ANSWER, PACE)]).await;
    let troika = spoken_by(&google)
        .env("TROIKA_TTS__ESPEAK__ENABLED", "true")
        .provider(&provider)
        .start();
    let events = ask(troika.gateway(), &aloud("Well?")).await.all().await;
    assert!(warnings(&events).is_empty(), "{:?}", warnings(&events));
    assert_eq!(spoken(&events).join(" "), ANSWER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_more_than_googles_5000_bytes_is_cut_and_heard_whole() {
    let google = Google::start(Script::default()).await;
    let troika = spoken_by(&google).start();
    // One sentence without an end, 3 bytes a letter, no two parts of it the same.
    let words = (0..500).map(|number| format!("नमस्ते{number}"));
    let text = words.collect::<Vec<_>>().join(" ");
    assert!(text.len() > 8_000);
    let response = http()
        .post(format!("{}/api/text-to-speech", troika.gateway()))
        .json(&json!({"text": text, "language": "hi-IN", "format": "wav"}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body["processedText"], text);
    let calls = google.calls();
    assert!(calls.len() > 1);
    assert!(calls.iter().all(|call| call.text.len() <= 5_000));
    let wanted: usize = calls.iter().map(|call| sound_of(&call.text).len()).sum();
    let (_, file) = data_url(&body["audio"]);
    assert_eq!(wav(&file).len(), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_keeps_failing_is_left_alone_and_asked_again_later() {
    let google = Google::start(Script::always(Fault::unavailable())).await;
    let troika = spoken_by(&google)
        .env("TROIKA_TTS__BREAKER__FAILURES", "2")
        .env("TROIKA_TTS__BREAKER__OPEN_FOR", "1s")
        .env("TROIKA_TTS__RETRY__ATTEMPTS", "0")
        .start();
    let say = async |text: &str| {
        let response = http()
            .post(format!("{}/api/text-to-speech", troika.gateway()))
            .json(&json!({"text": text}))
            .send()
            .await
            .unwrap();
        response.status().as_u16()
    };
    for number in 0..3 {
        assert_eq!(say(&format!("Number {number}.")).await, 503);
    }
    let asked = google.calls().len();
    assert_eq!(say("Left alone.").await, 503);
    assert_eq!(google.calls().len(), asked, "every family is left alone");
    google.follow(Script::default());
    troika_tests::until("the voice is back", Duration::from_secs(10), async || {
        say("Back again.").await == 200
    })
    .await;
}
