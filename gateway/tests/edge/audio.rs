//! The spoken answer in the event stream.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use tonic_health::ServingStatus;
use troika_proto::chat::v1::{self as proto, turn_event::Event};

use crate::setup::{
    FakeChat, House, PATIENCE, QUESTION, TURN, close, complete, connected, ending, event,
    json as json_of, lingering, token,
};

const PATH: &str = "/api/chat/query/stream";

/// Half a second of sound, in which no two neighbours are alike.
fn half_a_second() -> Bytes {
    (0..24_000_u32).map(|place| (place % 251) as u8).collect()
}

fn spoken_turn() -> FakeChat {
    FakeChat::streaming(|question| {
        assert_eq!(question.enable_tts, Some(true));
        let audio = |place: u64, sequence: u64, pcm: Bytes, last: bool| {
            let audio = proto::Audio {
                sequence,
                pcm,
                text: "Hi \"there\".".to_owned(),
                sentence: 0,
                last,
            };
            event(place, Event::Audio(audio))
        };
        let figures = proto::Complete {
            audio_chunks: 2,
            first_audio_ms: Some(140),
            first_token_ms: Some(40),
            sentence_count: 1,
            ..complete()
        };
        ending(vec![
            connected(),
            token(1, "Hi there."),
            audio(2, 0, half_a_second(), false),
            audio(3, 1, Bytes::from_static(&[0, 128, 255, 127]), true),
            event(4, Event::Complete(figures)),
            close(5),
        ])
    })
}

/// The data of one event, which is one piece of the body.
fn data(piece: &str) -> Value {
    let (_, data) = piece.split_once("\ndata: ").unwrap();
    serde_json::from_str(data.strip_suffix("\n\n").unwrap()).unwrap()
}

#[tokio::test]
async fn each_piece_of_sound_is_one_event_in_one_piece() {
    let house = House::start(spoken_turn()).await;
    let question = QUESTION.replace("\"Hi?\"", "\"Hi?\",\"enableTTS\":true");
    let pieces = house.pieces(PATH, &question).await;
    assert_eq!(pieces.len(), 6);
    assert_eq!(
        pieces[3],
        format!(
            concat!(
                "id: {}:3\nevent: audio\ndata: ",
                r#"{{"chunk":"AID/fw==","sequence":1,"format":"base64","encoding":"LINEAR16","sampleRateHertz":24000,"#,
                r#""channels":1,"text":"Hi \"there\".","sentence":"Hi \"there\".","sentenceIndex":0,"last":true}}"#,
                "\n\n"
            ),
            TURN
        )
    );
    let first = data(&pieces[2]);
    assert_eq!(first["sequence"], 0);
    assert_eq!(first["last"], false);
    assert_eq!(first["chunk"].as_str().unwrap().len(), 32_000);
    // The bytes that come back are the bytes that were spoken: a second reader of base64 says so.
    assert_eq!(unbase64(first["chunk"].as_str().unwrap()), half_a_second());
}

/// RFC 4648 by the book, bit by bit.
fn unbase64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => panic!("{letter} is not base64"),
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

#[tokio::test]
async fn complete_tells_the_figures_of_the_voice_flat_and_in_metrics() {
    let house = House::start(spoken_turn()).await;
    let question = QUESTION.replace("\"Hi?\"", "\"Hi?\",\"enableTTS\":true");
    let pieces = house.pieces(PATH, &question).await;
    let complete = data(&pieces[4]);
    for figures in [&complete, &complete["metrics"]] {
        assert_eq!(figures["audioChunks"], 2);
        assert_eq!(figures["firstAudioLatency"], 140);
        assert_eq!(figures["firstTokenLatency"], 40);
        assert_eq!(figures["sentenceCount"], 1);
    }
}

#[tokio::test]
async fn a_silent_turn_has_no_first_audio() {
    let chat = FakeChat::streaming(|_| {
        ending(vec![
            connected(),
            event(1, Event::Complete(complete())),
            close(2),
        ])
    });
    let house = House::start(chat).await;
    let pieces = house.pieces(PATH, QUESTION).await;
    let complete = data(&pieces[1]);
    assert_eq!(complete["audioChunks"], 0);
    assert_eq!(complete["firstAudioLatency"], json!(null));
    assert_eq!(complete["metrics"]["firstAudioLatency"], json!(null));
}

fn answering(sound: Option<usize>) -> FakeChat {
    FakeChat::answering(move |_| {
        Ok(proto::AnswerResponse {
            complete: Some(complete()),
            audio: sound.map(|bytes| proto::SpokenAnswer {
                data: Bytes::from(vec![0; bytes]),
                content_type: "audio/mpeg".to_owned(),
            }),
            ..proto::AnswerResponse::default()
        })
    })
}

#[tokio::test]
async fn an_answer_in_one_piece_carries_minutes_of_sound_or_null() {
    const BYTES: usize = 6 << 20;
    let house = House::start(answering(Some(BYTES))).await;
    let answer = json_of(house.post("/api/chat/query", QUESTION).await).await;
    let audio = answer["audio"].as_str().unwrap();
    let base64 = audio.strip_prefix("data:audio/mpeg;base64,").unwrap();
    assert_eq!(base64.len(), BYTES.div_ceil(3) * 4);
    let house = House::start(answering(None)).await;
    let answer = json_of(house.post("/api/chat/query", QUESTION).await).await;
    assert_eq!(answer["audio"], json!(null));
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_no_fault_of_the_client() {
    let house = House::start(answering(Some(33 << 20))).await;
    let response = house.post("/api/chat/query", QUESTION).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(json_of(response).await["code"], "internal");
}

#[tokio::test]
async fn the_gateway_is_ready_without_a_voice() {
    let chat = FakeChat::streaming(|_| lingering(Vec::new()));
    let house = House::start_with(chat, |config| {
        // Nobody can listen there.
        config.tts = "http://127.0.0.1:0".parse().unwrap();
    })
    .await;
    house
        .health
        .set_service_status("troika.chat.v1.ChatStream", ServingStatus::Serving)
        .await;
    let ready = async {
        while house.get("/ready").await.status() != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.unwrap();
}
