//! The exact bytes of every event, and that no content can change an event's shape.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use prost_types::Timestamp;
use troika_proto::chat::v1 as proto;

use super::*;

mod fuzz;

const TURN: &str = "0190c3b2-7e7a-7c3a-9d5e-0f4a6b8c9d10";

fn event(sequence: u64, event: Event) -> TurnEvent {
    TurnEvent {
        turn_id: TURN.to_owned(),
        sequence,
        time: Some(Timestamp {
            seconds: 1_700_000_000,
            nanos: 123_999_999,
        }),
        event: Some(event),
    }
}

fn bytes(event: &TurnEvent) -> String {
    let mut buffer = BytesMut::new();
    assert_ne!(encode(event, &mut buffer), Encoded::Unknown);
    String::from_utf8(buffer.to_vec()).unwrap()
}

fn complete() -> proto::Complete {
    proto::Complete {
        finish_reason: FinishReason::Stop.into(),
        truncated: false,
        full_answer: "Hi there.".to_owned(),
        session_id: "s".to_owned(),
        language: "en-IN".to_owned(),
        model: "gpt-4o-mini".to_owned(),
        usage: Some(proto::Usage {
            prompt_tokens: 10,
            completion_tokens: 2,
            total_tokens: 12,
            estimated: true,
        }),
        duration_ms: 250,
        first_token_ms: Some(40),
        word_count: 2,
        sentence_count: 1,
        saved: true,
        audio_chunks: 3,
        first_audio_ms: Some(90),
    }
}

#[test]
fn every_event_has_exactly_these_bytes() {
    let table = [
        (
            Event::Connected(proto::Connected {
                client_id: "c".to_owned(),
                session_id: "s".to_owned(),
                message: "Connected".to_owned(),
            }),
            "connected",
            format!(
                r#"{{"clientId":"c","sessionId":"s","turnId":"{TURN}","timestamp":1700000000123,"message":"Connected"}}"#
            ),
        ),
        (
            Event::Status(proto::StatusChanged {
                status: "thinking".to_owned(),
                message: "Thinking".to_owned(),
            }),
            "status",
            r#"{"status":"thinking","message":"Thinking","timestamp":1700000000123}"#.to_owned(),
        ),
        (
            Event::Metadata(proto::Metadata {
                model: "knowledge".to_owned(),
                action: None,
                calendly_url: None,
            }),
            "metadata",
            r#"{"model":"knowledge","timestamp":1700000000123}"#.to_owned(),
        ),
        (
            Event::Metadata(proto::Metadata {
                model: "m".to_owned(),
                action: Some("show_calendly".to_owned()),
                calendly_url: Some("https://book.example/a".to_owned()),
            }),
            "metadata",
            r#"{"model":"m","action":"show_calendly","calendly_url":"https://book.example/a","timestamp":1700000000123}"#.to_owned(),
        ),
        (
            Event::Text(proto::Text {
                content: "a \"b\"\nनमस्ते\u{2028}\u{85}\u{2029}!\r\u{0}".to_owned(),
            }),
            "text",
            r#"{"content":"a \"b\"\nनमस्ते\u2028\u0085\u2029!\r\u0000"}"#.to_owned(),
        ),
        (
            Event::Audio(proto::Audio {
                sequence: 7,
                pcm: Bytes::from_static(&[0, 1, 254, 255]),
                text: "He said \"hi\".".to_owned(),
                sentence: 2,
                last: true,
            }),
            "audio",
            concat!(
                r#"{"chunk":"AAH+/w==","sequence":7,"format":"base64","encoding":"LINEAR16","sampleRateHertz":24000,"#,
                r#""channels":1,"text":"He said \"hi\".","sentence":"He said \"hi\".","sentenceIndex":2,"last":true}"#
            )
            .to_owned(),
        ),
        (
            Event::Suggestions(proto::Suggestions {
                items: vec!["One?".to_owned(), "Two?".to_owned()],
            }),
            "suggestions",
            r#"{"items":["One?","Two?"],"suggestions":["One?","Two?"],"count":2}"#.to_owned(),
        ),
        (
            Event::Warning(proto::Warning {
                code: "model_unavailable".to_owned(),
                message: "No model".to_owned(),
            }),
            "warning",
            r#"{"message":"No model","warning":"No model","code":"model_unavailable","timestamp":1700000000123}"#.to_owned(),
        ),
        (
            Event::Error(proto::Failure {
                code: "model_timeout".to_owned(),
                message: "Too slow".to_owned(),
                can_retry: true,
            }),
            "error",
            r#"{"message":"Too slow","error":"Too slow","code":"model_timeout","canRetry":true,"timestamp":1700000000123}"#.to_owned(),
        ),
        (
            Event::Complete(complete()),
            "complete",
            format!(
                concat!(
                    r#"{{"success":true,"duration":250,"wordCount":2,"sentenceCount":1,"audioChunks":3,"#,
                    r#""firstTokenLatency":40,"firstAudioLatency":90,"language":"en-IN","model":"gpt-4o-mini","#,
                    r#""sessionId":"s","turnId":"{turn}","fullAnswer":"Hi there.","finishReason":"stop","#,
                    r#""truncated":false,"saved":true,"#,
                    r#""usage":{{"promptTokens":10,"completionTokens":2,"totalTokens":12,"estimated":true}},"#,
                    r#""metrics":{{"duration":250,"wordCount":2,"sentenceCount":1,"audioChunks":3,"#,
                    r#""firstTokenLatency":40,"firstAudioLatency":90}},"timestamp":1700000000123}}"#,
                ),
                turn = TURN
            ),
        ),
        (
            Event::Close(proto::Close {
                reason: "complete".to_owned(),
                message: "Bye".to_owned(),
            }),
            "close",
            r#"{"reason":"complete","message":"Bye","timestamp":1700000000123}"#.to_owned(),
        ),
    ];
    for (number, (kind, name, data)) in table.into_iter().enumerate() {
        let expected = format!("id: {TURN}:{number}\nevent: {name}\ndata: {data}\n\n");
        assert_eq!(bytes(&event(number as u64, kind)), expected);
    }
}

#[test]
fn an_event_of_the_gateway_itself_has_no_id_line() {
    let mut buffer = BytesMut::new();
    write_own(&mut buffer, "text", &events::Text { content: "x" });
    assert_eq!(&buffer[..], b"event: text\ndata: {\"content\":\"x\"}\n\n");
}

#[test]
fn an_event_that_is_not_known_yet_writes_nothing() {
    let mut buffer = BytesMut::new();
    let unknown = TurnEvent {
        event: None,
        ..event(1, Event::Text(proto::Text::default()))
    };
    assert_eq!(encode(&unknown, &mut buffer), Encoded::Unknown);
    assert!(buffer.is_empty());
}

#[test]
fn an_answer_without_a_finish_reason_is_no_success() {
    let mut complete = complete();
    complete.finish_reason = FinishReason::Unspecified.into();
    complete.first_token_ms = None;
    let bytes = bytes(&event(0, Event::Complete(complete)));
    assert!(bytes.contains(r#""success":false"#), "{bytes}");
    assert!(bytes.contains(r#""finishReason":"unknown""#), "{bytes}");
    assert!(bytes.contains(r#""firstTokenLatency":null"#), "{bytes}");
}

#[test]
fn a_piece_of_sound_is_written_without_growing_on_the_way() {
    let audio = proto::Audio {
        pcm: Bytes::from(vec![0x5a; 24_000]),
        text: "A sentence of usual length, which is spoken as one.".to_owned(),
        sequence: u64::MAX,
        ..proto::Audio::default()
    };
    let event = event(u64::MAX, Event::Audio(audio));
    let mut buffer = BytesMut::new();
    encode(&event, &mut buffer);
    assert!(buffer.len() > 32_000);
    let unused = buffer.capacity() - buffer.len();
    assert!(unused < 512, "{unused} bytes were not needed");
}
