//! The voice on a machine without any key: espeak-ng speaks the demo bot's answers.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use serde_json::{Value, json};
use troika_tests::{
    http,
    listener::{DEMO_BOT, Event, ask, only, order, text, texts, warnings},
    provider::{Provider, Reply, Step},
    sound::{data_url, loudness, pcm, pieces, seconds, spoken, wav},
    until,
};

use crate::sandbox;

/// Speech is quieter than the loudest there is and far louder than hiss.
const AUDIBLE: f64 = 0.02;

fn aloud(query: &str) -> Value {
    json!({"query": query, "chatbotId": DEMO_BOT, "enableTTS": true})
}

async fn answer_aloud(gateway: &str, query: &str) -> Vec<Event> {
    ask(gateway, &aloud(query)).await.all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_configured_the_demo_bot_is_heard() {
    let troika = sandbox().start();
    assert_eq!(troika.fact("voice"), "espeak-ng", "tests/run installs it");

    let events = answer_aloud(troika.gateway(), "What is troika?").await;

    let complete = &only(&events, "complete").data;
    let heard = pieces(&events);
    assert_eq!(complete["audioChunks"], heard.len());
    assert!(complete["firstAudioLatency"].as_u64().is_some());
    assert!(warnings(&events).is_empty(), "{:?}", warnings(&events));
    let sound = pcm(&events);
    assert!(loudness(&sound) > AUDIBLE, "{}", loudness(&sound));
    // People speak, and espeak-ng does, 10 to 25 characters a second.
    let said: usize = spoken(&events)
        .iter()
        .map(|text| text.chars().count())
        .sum();
    let pace = said as f64 / seconds(&sound);
    assert!((8.0..28.0).contains(&pace), "{pace} characters a second");
    assert!(only(&events, "complete").data["sentenceCount"].as_u64() > Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_stands_between_the_texts_and_ends_before_the_suggestions() {
    let tokens = [
        "Good morning to you. ",
        "It is nine o'clock. ",
        "The shop is open. [SUGGESTIONS: Where? | Until when?]",
    ];
    let steps = tokens
        .iter()
        .flat_map(|token| {
            [
                Step::Token((*token).into()),
                Step::Wait(Duration::from_millis(400)),
            ]
        })
        .chain([Step::Finish("stop"), Step::Done]);
    let provider = Provider::start([Reply::Stream(steps.collect())]).await;
    let troika = sandbox().provider(&provider).start();

    let events = answer_aloud(troika.gateway(), "When are you open?").await;

    let order = order(&events);
    let place = |name: &str| order.iter().position(|event| *event == name).unwrap();
    let last = |name: &str| order.iter().rposition(|event| *event == name).unwrap();
    assert!(place("audio") < last("text"), "{order:?}");
    assert!(last("audio") < place("suggestions"), "{order:?}");
    assert!(place("suggestions") < place("complete"), "{order:?}");
    assert_eq!(
        spoken(&events),
        [
            "Good morning to you.",
            "It is nine o'clock.",
            "The shop is open."
        ]
    );
    assert!(!text(&events).contains("SUGGESTIONS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_wish_nothing_is_heard() {
    let troika = sandbox().start();
    let mut question = aloud("What is troika?");
    question.as_object_mut().unwrap().remove("enableTTS");
    let events = ask(troika.gateway(), &question).await.all().await;
    assert!(pieces(&events).is_empty());
    let complete = &only(&events, "complete").data;
    assert_eq!(complete["audioChunks"], 0);
    assert_eq!(complete["firstAudioLatency"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_served_language_is_heard() {
    let troika = sandbox().start();
    for (language, words) in [
        ("en-IN", "Good morning, how are you?"),
        ("hi-IN", "नमस्ते, आप कैसे हैं?"),
        ("bn-IN", "শুভ সকাল, আপনি কেমন আছেন?"),
        ("ta-IN", "வணக்கம், நீங்கள் எப்படி இருக்கிறீர்கள்?"),
        ("te-IN", "నమస్కారం, మీరు ఎలా ఉన్నారు?"),
        ("mr-IN", "नमस्कार, तुम्ही कसे आहात?"),
        ("gu-IN", "નમસ્તે, તમે કેમ છો?"),
        ("kn-IN", "ನಮಸ್ಕಾರ, ನೀವು ಹೇಗಿದ್ದೀರಿ?"),
        ("ml-IN", "നമസ്കാരം, നിങ്ങൾക്ക് സുഖമാണോ?"),
        ("pa-IN", "ਸਤ ਸ੍ਰੀ ਅਕਾਲ, ਤੁਸੀਂ ਕਿਵੇਂ ਹੋ?"),
        ("en-US", "Good morning, how are you?"),
        ("es-ES", "Buenos días, ¿cómo está usted?"),
        ("fr-FR", "Bonjour, comment allez-vous ?"),
        ("de-DE", "Guten Morgen, wie geht es Ihnen?"),
    ] {
        let response = http()
            .post(format!("{}/api/text-to-speech", troika.gateway()))
            .json(&json!({"text": words, "language": language, "format": "wav"}))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200, "{language}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["contentType"], "audio/wav");
        assert_eq!(body["processedText"], words);
        let (kind, file) = data_url(&body["audio"]);
        assert_eq!(kind, "audio/wav");
        let sound = wav(&file);
        assert!(
            (0.8..8.0).contains(&seconds(sound)),
            "{language}: {} s",
            seconds(sound)
        );
        assert!(loudness(sound) > AUDIBLE, "{language}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_one_piece_brings_its_sound_along() {
    let troika = sandbox().start();
    let body: Value = http()
        .post(format!("{}/api/chat/query", troika.gateway()))
        .json(&aloud("What is troika?"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let (kind, file) = data_url(&body["audio"]);
    assert_eq!(kind, "audio/mpeg");
    assert!(file.len() > 4_000, "{} bytes", file.len());
    assert!(!body["answer"].as_str().unwrap().is_empty());
}

#[test]
fn say_writes_a_file_that_is_as_long_and_as_loud_as_speech() {
    let sandbox = sandbox();
    let troika = sandbox.start_role("tts");
    let file = sandbox.data().join("hello.wav");
    let words = "The quick brown fox jumps over the lazy dog.";
    let address = troika.tts().to_owned();
    let say = |arguments: &[&str]| sandbox.run(&[&["say", "--addr", &address], arguments].concat());

    let output = say(&[words, "--out", file.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    let wave = std::fs::read(&file).unwrap();
    let sound = wav(&wave);
    assert!((1.5..5.0).contains(&seconds(sound)), "{}", seconds(sound));
    assert!(loudness(sound) > AUDIBLE);

    for (ending, magic) in [("mp3", &b"\xff"[..]), ("opus", b"OggS"), ("pcm", b"")] {
        let file = sandbox.data().join(format!("hello.{ending}"));
        let output = say(&[words, "-o", file.to_str().unwrap()]);
        assert!(output.status.success(), "{ending}: {output:?}");
        let bytes = std::fs::read(file).unwrap();
        assert!(bytes.len() > 2_000 && bytes.starts_with(magic), "{ending}");
    }

    let twice_as_fast = sandbox.data().join("fast.wav");
    let output = say(&[
        words,
        "--rate",
        "2",
        "--out",
        twice_as_fast.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{output:?}");
    let fast = std::fs::read(twice_as_fast).unwrap();
    assert!(seconds(wav(&fast)) < 0.75 * seconds(sound));

    let wrong = say(&["Hi.", "--language", "tlh", "--out", "x.wav"]);
    assert_eq!(wrong.status.code(), Some(2));
    let nobody = sandbox.run(&["say", "Hi.", "--addr", "127.0.0.1:1", "--out", "x.wav"]);
    assert_eq!(nobody.status.code(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_engine_the_text_goes_on_and_a_warning_says_so_once() {
    let troika = sandbox()
        .env("TROIKA_TTS__ESPEAK__ENABLED", "false")
        .start();
    assert_eq!(troika.fact("voice"), "none");
    let events = answer_aloud(troika.gateway(), "What is troika?").await;
    assert_eq!(warnings(&events), ["voice_unavailable"]);
    assert_eq!(only(&events, "complete").data["success"], true);
    assert!(!text(&events).is_empty() && pieces(&events).is_empty());

    let response = http()
        .post(format!("{}/api/text-to-speech", troika.gateway()))
        .json(&json!({"text": "Hello."}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 503);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "voice_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_speech_service_the_text_goes_on_at_its_usual_pace() {
    let tokens: Vec<Step> = (0..20)
        .flat_map(|number| {
            [
                Step::Token(format!("Sentence {number}. ")),
                Step::Wait(Duration::from_millis(20)),
            ]
        })
        .chain([Step::Finish("stop"), Step::Done])
        .collect();
    let provider = Provider::start([Reply::Stream(tokens)]).await;
    let sandbox = sandbox().provider(&provider);
    // A port that nobody listens on.
    let chat = sandbox
        .command(&["run", "chat"])
        .env("TROIKA_CHAT__TTS__ADDRESS", "http://127.0.0.1:9")
        .stdout(std::process::Stdio::piped())
        .spawn();
    let mut chat = chat.unwrap();
    let line = {
        use std::io::{BufRead as _, BufReader};
        let mut line = String::new();
        BufReader::new(chat.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        line
    };
    let address = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("chat="))
        .unwrap()
        .to_owned();
    let gateway = sandbox
        .env("TROIKA_GATEWAY__CHAT", address)
        .start_role("gateway");
    until(
        "the gateway is ready",
        Duration::from_secs(15),
        async || {
            troika_tests::get(format!("{}/ready", gateway.gateway()))
                .await
                .is_ok_and(|answer| answer.status() == 200)
        },
    )
    .await;

    let events = answer_aloud(gateway.gateway(), "Count.").await;
    chat.kill().unwrap();
    chat.wait().unwrap();

    assert_eq!(texts(&events).len(), 20);
    assert_eq!(warnings(&events), ["voice_unavailable"]);
    assert_eq!(only(&events, "complete").data["success"], true);
    let times: Vec<_> = events
        .iter()
        .filter(|event| event.name == "text")
        .map(|event| event.at)
        .collect();
    let longest = times
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .max()
        .unwrap();
    assert!(longest < Duration::from_millis(300), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_it_still_speaks_silences_it() {
    let provider = Provider::start([Reply::tokens(["A sentence that is never heard."])]).await;
    let sandbox = sandbox().provider(&provider);
    let program = mute_espeak(sandbox.data());
    let troika = sandbox.env("TROIKA_TTS__ESPEAK__PROGRAM", &program).start();
    let mut listening = ask(troika.gateway(), &aloud("Speak.")).await;
    let connected = listening.wait_for("connected").await;
    listening.wait_for("text").await;
    until("espeak-ng runs", Duration::from_secs(5), async || {
        runs(&program)
    })
    .await;

    let turn = connected.data["turnId"].as_str().unwrap();
    let stopped: Value = http()
        .post(format!("{}/api/chat/stop", troika.gateway()))
        .json(&json!({"turnId": turn}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();

    assert_eq!(stopped["stopped"], 1, "{stopped}");
    let events = listening.all().await;
    assert_eq!(only(&events, "complete").data["finishReason"], "stop");
    assert_eq!(only(&events, "close").data["reason"], "stopped");
    assert!(warnings(&events).is_empty());
    until("espeak-ng is gone", Duration::from_secs(2), async || {
        !runs(&program)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_who_leaves_silences_it_too() {
    let provider = Provider::start([Reply::tokens(["A sentence that is never heard."])]).await;
    let sandbox = sandbox().provider(&provider);
    let program = mute_espeak(sandbox.data());
    let troika = sandbox.env("TROIKA_TTS__ESPEAK__PROGRAM", &program).start();
    let mut listening = ask(troika.gateway(), &aloud("Speak.")).await;
    listening.wait_for("text").await;
    until("espeak-ng runs", Duration::from_secs(5), async || {
        runs(&program)
    })
    .await;
    drop(listening);
    until("espeak-ng is gone", Duration::from_secs(2), async || {
        !runs(&program)
    })
    .await;
}

/// A program in espeak-ng's place that says its version, and then nothing for ever.
fn mute_espeak(folder: &Path) -> String {
    let program = folder.join("mute-espeak");
    let script = "#!/bin/sh\n[ \"$1\" = --version ] && exec espeak-ng --version\nwhile :; do sleep 0.2; done\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    program.to_str().unwrap().to_owned()
}

/// Whether a process of this program, which no other sandbox has, is there.
fn runs(program: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().any(|process| {
        std::fs::read(process.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(program))
    })
}
