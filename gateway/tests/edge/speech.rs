//! Texts to files and the list of voices, in front of a scripted speech role.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::net::TcpListener;
use troika_chassis::error::{Code, Error};
use troika_proto::tts::v1::{AudioFormat, SpeechWarning, SynthesizeResponse, Voice};

use crate::setup::{
    House, header, json as json_of, request,
    speech::{FakeSpeech, house_at, spoken},
};

const SPEECH: &str = "/api/text-to-speech";
const TEXT: &str = r#"{"text":"Hello."}"#;

#[tokio::test]
async fn a_text_comes_back_as_a_file_in_a_data_url() {
    let speech = FakeSpeech::speaking();
    let house = speech.clone().house().await;
    let body = r#"{"text":"Hello.","language":"hi-IN","rate":1.5,"voice":"espeak-hi","unknown":1}"#;
    let mut call = request("POST", SPEECH, body);
    call.headers_mut()
        .insert("x-request-id", "r-1".parse().unwrap());
    let response = house.send(call).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(
        json_of(response).await,
        json!({
            "reqId": "r-1", "processedText": "Hello.", "audio": "data:audio/mpeg;base64,c291bmQ=",
            "contentType": "audio/mpeg", "duration": 1500, "engine": "espeak", "voice": "espeak-hi", "warning": null
        })
    );
    let asked = speech.asked.lock().unwrap();
    assert_eq!(asked[0].text, "Hello.");
    let manner = asked[0].manner.clone().unwrap();
    assert_eq!(manner.language, "hi-IN");
    assert_eq!(manner.voice, "espeak-hi");
    assert_eq!(manner.rate, Some(1.5));
    let metadata = speech.metadata.lock().unwrap().clone().unwrap();
    assert_eq!(metadata.get("x-request-id").unwrap(), "r-1");
    assert!(metadata.get("grpc-timeout").is_some());
}

#[tokio::test]
async fn what_is_not_named_is_left_to_the_speech_role() {
    let speech = FakeSpeech::speaking();
    let house = speech.clone().house().await;
    let body = r#"{"text":"Hello.","language":"","voice":null,"rate":null,"format":null}"#;
    for body in [TEXT, body] {
        let response = house.post(SPEECH, body).await;
        assert_eq!(response.status(), StatusCode::OK);
        let asked = speech.asked.lock().unwrap().pop().unwrap();
        assert_eq!(asked.format(), AudioFormat::Mp3);
        assert_eq!(asked.manner, Some(Default::default()));
    }
}

#[tokio::test]
async fn each_format_can_be_named_or_accepted() {
    let speech = FakeSpeech::speaking();
    let house = speech.clone().house().await;
    for (name, format, kind) in [
        ("mp3", AudioFormat::Mp3, "audio/mpeg"),
        ("wav", AudioFormat::Wav, "audio/wav"),
        ("opus", AudioFormat::Opus, "audio/ogg"),
        ("pcm", AudioFormat::Pcm, "audio/pcm;rate=24000"),
    ] {
        let named = format!(r#"{{"text":"a","format":"{name}"}}"#);
        let answer = json_of(house.post(SPEECH, &named).await).await;
        assert_eq!(answer["contentType"], kind);
        assert_eq!(answer["audio"], format!("data:{kind};base64,c291bmQ="));
        assert_eq!(speech.asked.lock().unwrap().pop().unwrap().format(), format);

        let response = accepting(&house, TEXT, kind).await;
        assert_eq!(header(&response, "content-type"), kind);
        assert_eq!(header(&response, "content-length"), "5");
        let sound = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(sound, "sound");
        assert_eq!(speech.asked.lock().unwrap().pop().unwrap().format(), format);
    }
}

#[tokio::test]
async fn the_body_names_the_format_and_the_accept_header_says_where_it_goes() {
    let speech = FakeSpeech::speaking();
    let house = speech.clone().house().await;
    let wav = r#"{"text":"a","format":"wav"}"#;
    for (body, accept, format, kind) in [
        (wav, "*/*", AudioFormat::Wav, "application/json"),
        (wav, "audio/*", AudioFormat::Wav, "audio/wav"),
        (wav, "audio/mpeg", AudioFormat::Wav, "audio/wav"),
        (TEXT, "audio/*", AudioFormat::Mp3, "audio/mpeg"),
        (
            TEXT,
            "application/json, audio/ogg;q=0.5",
            AudioFormat::Mp3,
            "application/json",
        ),
    ] {
        let response = accepting(&house, body, accept).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "content-type"), kind, "{accept}");
        assert_eq!(header(&response, "vary"), "accept");
        assert_eq!(speech.asked.lock().unwrap().pop().unwrap().format(), format);
    }
}

async fn accepting(
    house: &House,
    body: &str,
    accept: &str,
) -> http::Response<hyper::body::Incoming> {
    let mut call = request("POST", SPEECH, body);
    call.headers_mut().insert("accept", accept.parse().unwrap());
    house.send(call).await
}

#[tokio::test]
async fn what_is_missing_from_the_sound_is_said() {
    let speech = FakeSpeech::scripted(|request| {
        Ok(SynthesizeResponse {
            warning: Some(SpeechWarning {
                code: "voice_incomplete".into(),
                message: "A part could not be spoken.".into(),
            }),
            ..spoken(request)
        })
    });
    let house = speech.house().await;
    let answer = json_of(house.post(SPEECH, TEXT).await).await;
    assert_eq!(answer["warning"], "A part could not be spoken.");
    let response = accepting(&house, TEXT, "audio/wav").await;
    assert_eq!(header(&response, "x-warning"), "voice_incomplete");
}

#[tokio::test]
async fn a_long_file_arrives_whole() {
    const BYTES: usize = 16 << 20;
    let speech = FakeSpeech::scripted(|request| {
        Ok(SynthesizeResponse {
            audio: Bytes::from(vec![7; BYTES]),
            ..spoken(request)
        })
    });
    let house = speech.house().await;
    let answer = json_of(house.post(SPEECH, TEXT).await).await;
    let prefix = "data:audio/mpeg;base64,".len();
    let length = answer["audio"].as_str().unwrap().len();
    assert_eq!(length, prefix + BYTES.div_ceil(3) * 4);
    let response = accepting(&house, TEXT, "audio/mpeg").await;
    assert_eq!(header(&response, "content-length"), BYTES.to_string());
}

#[tokio::test]
async fn refusals_name_the_field_as_clients_know_it() {
    let speech = FakeSpeech::scripted(|_| {
        let error = Error::new(Code::InvalidArgument, "invalid_argument", "Two are wrong.")
            .with_violation("text", "text is required", "string.empty")
            .with_violation("rate", "rate must be from 0.25 to 2", "number.base");
        Err(error.into())
    });
    let house = speech.house().await;
    let response = accepting(&house, r#"{"rate":9}"#, "audio/wav").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        header(&response, "content-type"),
        "application/problem+json"
    );
    let problem = json_of(response).await;
    assert_eq!(problem["code"], "invalid_argument");
    assert_eq!(
        problem["details"],
        json!([
            {"field": "text", "message": "text is required", "type": "string.empty"},
            {"field": "rate", "message": "rate must be from 0.25 to 2", "type": "number.base"},
        ])
    );
}

#[tokio::test]
async fn wrong_types_and_formats_are_named_without_a_call() {
    let speech = FakeSpeech::speaking();
    let house = speech.clone().house().await;
    for (body, field) in [
        (r#"{"text":1}"#, "text"),
        (r#"{"text":"a","format":"flac"}"#, "format"),
        (r#"{"text":"a","rate":"fast"}"#, "rate"),
    ] {
        let response = house.post(SPEECH, body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(json_of(response).await["details"][0]["field"], field);
    }
    assert!(speech.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_voice_that_is_away_is_503_and_says_when_to_come_back() {
    let own = |reason: &'static str, after: Option<u64>| {
        FakeSpeech::scripted(move |_| {
            let error = Error::new(Code::Unavailable, reason, "Not right now.");
            Err(match after {
                Some(after) => error.with_retry_after(Duration::from_secs(after)),
                None => error,
            }
            .into())
        })
    };
    for (speech, code, after) in [
        (own("voice_unavailable", Some(9)), "voice_unavailable", "9"),
        (own("voice_unavailable", None), "voice_unavailable", "5"),
        (own("server_shutdown", Some(1)), "server_shutdown", "1"),
    ] {
        let house = speech.house().await;
        let response = house.post(SPEECH, TEXT).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(header(&response, "retry-after"), after);
        let problem = json_of(response).await;
        assert_eq!(problem["code"], code);
        assert_eq!(problem["message"], "Not right now.");
    }
}

#[tokio::test]
async fn a_speech_role_that_is_away_is_a_voice_that_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let house = house_at(address, |_| {}).await;
    for response in [
        house.post(SPEECH, TEXT).await,
        house.get("/api/tts/voices").await,
    ] {
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(header(&response, "retry-after"), "5");
        let problem = json_of(response).await;
        assert_eq!(problem["code"], "voice_unavailable");
        assert!(!problem.to_string().contains("127.0.0.1"), "{problem}");
    }
}

#[tokio::test]
async fn a_speech_role_that_is_slow_or_says_nothing_at_all_is_504() {
    let hurried =
        |config: &mut troika_gateway::Config| config.speech_deadline = Duration::from_millis(200);
    let slow = FakeSpeech::speaking().late_by(Duration::from_secs(60));
    let slow_house = slow.clone().house_with(hurried).await;
    // Accepts connections, in the kernel, and never reads from them.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute_house = house_at(mute.local_addr().unwrap(), hurried).await;
    for house in [slow_house, mute_house] {
        let response = house.post(SPEECH, TEXT).await;
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        let problem = json_of(response).await;
        assert_eq!(problem["code"], "deadline_exceeded");
        let message = problem["message"].as_str().unwrap();
        assert!(message.starts_with("The speech service"), "{message}");
    }
    slow.under_way(0).await;
}

#[tokio::test]
async fn a_file_that_is_too_large_is_500_and_no_fault_of_the_client() {
    let speech = FakeSpeech::scripted(|request| {
        Ok(SynthesizeResponse {
            audio: Bytes::from(vec![0; 129 << 20]),
            ..spoken(request)
        })
    });
    let house = speech.house().await;
    let response = house.post(SPEECH, TEXT).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let problem = json_of(response).await;
    assert_eq!(problem["code"], "internal");
    assert!(!problem.to_string().contains("length"), "{problem}");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_work() {
    let speech = FakeSpeech::speaking().late_by(Duration::from_secs(60));
    let house = speech.clone().house().await;
    let call = house.post(SPEECH, TEXT);
    tokio::select! {
        _ = call => panic!("it was answered"),
        () = speech.under_way(1) => {}
    }
    speech.under_way(0).await;
    assert!(house.drain.held().is_empty());
}

#[tokio::test]
async fn the_voices_are_listed_for_all_languages_or_one() {
    let speech = FakeSpeech::speaking().with_voices(|language| {
        let served = ["hi-IN", "ta-IN"];
        if !language.is_empty() && !served.contains(&language) {
            let error = Error::new(Code::InvalidArgument, "invalid_argument", "Not served.")
                .with_violation(
                    "language",
                    "language must be one of hi-IN, ta-IN",
                    "any.only",
                );
            return Err(error.into());
        }
        let wanted = served
            .into_iter()
            .filter(|tag| language.is_empty() || *tag == language);
        let voice = |tag: &str| Voice {
            name: format!("espeak-{}", &tag[..2]),
            language: tag.to_owned(),
            engine: "espeak".to_owned(),
            family: "espeak".to_owned(),
            available: tag == "hi-IN",
        };
        Ok(wanted.map(voice).collect())
    });
    let house = speech.house().await;
    let hindi = json!({"name": "espeak-hi", "language": "hi-IN", "engine": "espeak", "family": "espeak", "available": true});
    let tamil = json!({"name": "espeak-ta", "language": "ta-IN", "engine": "espeak", "family": "espeak", "available": false});
    for (query, listed) in [
        ("", json!({"voices": [hindi, tamil], "count": 2})),
        ("?language=", json!({"voices": [hindi, tamil], "count": 2})),
        ("?language=hi-IN", json!({"voices": [hindi], "count": 1})),
    ] {
        let response = house.get(&format!("/api/tts/voices{query}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(json_of(response).await, listed, "{query}");
    }
    for query in ["?language=tlh", "?language=hi-IN&language=ta-IN"] {
        let response = house.get(&format!("/api/tts/voices{query}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        let problem = json_of(response).await;
        assert_eq!(problem["code"], "invalid_argument");
        assert_eq!(problem["details"][0]["field"], "language");
    }
}
