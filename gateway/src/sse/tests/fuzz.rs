//! Whatever an event's texts hold, it is one event line and one data line; and a reader of somebody else's makes of a
//! stream exactly the events that were written, wherever the network cuts it.

use eventsource_stream::Eventsource as _;
use futures::{StreamExt as _, executor::block_on, stream};
use proptest::{prelude::*, sample::Index};

use super::*;

/// Text in which everything that some reader takes for a line end is common.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => any::<String>(),
        1 => prop::sample::select(vec![
            "\n", "\r\n", "\r", "\u{0}", "\u{b}", "\u{c}", "\u{1c}", "\u{85}", "\u{2028}", "\u{2029}",
            "\"", "\\", "\n\nevent: close\ndata: {}\n\n", "data: ", ": ", "\u{feff}", "🦀",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        text().prop_map(|content| Event::Text(proto::Text { content })),
        (text(), text(), text()).prop_map(|(client_id, session_id, message)| Event::Connected(
            proto::Connected {
                client_id,
                session_id,
                message
            }
        )),
        (text(), text())
            .prop_map(|(status, message)| Event::Status(proto::StatusChanged { status, message })),
        (text(), prop::option::of(text()), prop::option::of(text())).prop_map(
            |(model, action, calendly_url)| Event::Metadata(proto::Metadata {
                model,
                action,
                calendly_url
            })
        ),
        (text(), prop::collection::vec(any::<u8>(), 0..64)).prop_map(|(text, pcm)| Event::Audio(
            proto::Audio {
                text,
                pcm: pcm.into(),
                ..proto::Audio::default()
            }
        )),
        prop::collection::vec(text(), 0..4)
            .prop_map(|items| Event::Suggestions(proto::Suggestions { items })),
        (text(), text())
            .prop_map(|(code, message)| Event::Warning(proto::Warning { code, message })),
        (text(), text(), any::<bool>()).prop_map(|(code, message, can_retry)| Event::Error(
            proto::Failure {
                code,
                message,
                can_retry
            }
        )),
        (text(), text(), text()).prop_map(|(full_answer, language, model)| Event::Complete(
            proto::Complete {
                full_answer,
                language,
                model,
                ..complete()
            }
        )),
        (text(), text())
            .prop_map(|(reason, message)| Event::Close(proto::Close { reason, message })),
    ]
}

/// A stream of events with comments between them, and what a reader must find in it.
fn written(events: Vec<(Event, bool)>) -> (Vec<u8>, Vec<(String, serde_json::Value)>) {
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for (place, (kind, silence)) in events.into_iter().enumerate() {
        let frame = super::bytes(&event(place as u64, kind.clone()));
        // What stands in the event's data as it is, for readers that know one event alone.
        let (_, data) = frame.split_once("\ndata: ").unwrap();
        expected.push((
            format!("{TURN}:{place}"),
            serde_json::from_str(data.trim_end()).unwrap(),
        ));
        bytes.extend(frame.into_bytes());
        if silence {
            bytes.extend_from_slice(HEARTBEAT);
        }
    }
    (bytes, expected)
}

proptest! {
    #[test]
    fn whatever_the_content_an_event_is_one_event_line_and_one_data_line(
        kind in any_event(),
        turn_id in prop_oneof![Just(TURN.to_owned()), text()],
        sequence in any::<u64>(),
    ) {
        let event = TurnEvent { turn_id, sequence, time: None, event: Some(kind) };
        let bytes = bytes(&event);
        // The strictest reader: whatever anybody takes for a line end, is one.
        let is_end = |letter: char| matches!(letter,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let lines: Vec<&str> = bytes.split(is_end).collect();
        prop_assert_eq!(lines.len(), 5, "{:?}", lines);
        let suffix = format!(":{sequence}");
        prop_assert!(lines[0].starts_with("id: ") && lines[0].ends_with(&suffix));
        prop_assert!(lines[1].starts_with("event: "));
        prop_assert_eq!(&lines[3..], ["", ""]);
        let data = lines[2].strip_prefix("data: ").unwrap();
        let value: serde_json::Value = serde_json::from_str(data).unwrap();
        // What was escaped comes back whole.
        if let Some(Event::Text(text)) = &event.event {
            prop_assert_eq!(value["content"].as_str(), Some(text.content.as_str()));
        }
        if let Some(Event::Audio(audio)) = &event.event {
            prop_assert_eq!(value["text"].as_str(), Some(audio.text.as_str()));
            prop_assert_eq!(&value["sentence"], &value["text"]);
            let chunk = STANDARD.decode(value["chunk"].as_str().unwrap()).unwrap();
            prop_assert_eq!(&chunk[..], &audio.pcm[..]);
        }
    }

    #[test]
    fn an_independent_reader_finds_the_events_that_were_written_and_no_others(
        events in prop::collection::vec((any_event(), any::<bool>()), 1..12),
        cuts in prop::collection::vec(any::<Index>(), 0..20),
    ) {
        let names: Vec<&str> = events.iter().map(|(event, _)| name(event)).collect();
        let texts: Vec<Option<String>> = events.iter().map(|(event, _)| match event {
            Event::Text(text) => Some(text.content.clone()),
            _ => None,
        }).collect();
        let (bytes, expected) = written(events);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let pieces: Vec<Result<Vec<u8>, std::convert::Infallible>> =
            places.windows(2).map(|pair| Ok(bytes[pair[0]..pair[1]].to_vec())).collect();
        let read: Vec<_> = block_on(stream::iter(pieces).eventsource().collect());
        prop_assert_eq!(read.len(), expected.len());
        for (place, event) in read.into_iter().enumerate() {
            let event = event.unwrap();
            prop_assert_eq!(event.event.as_str(), names[place]);
            prop_assert_eq!(&event.id, &expected[place].0);
            prop_assert!(!event.data.contains('\n'));
            let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
            if let Some(text) = &texts[place] {
                prop_assert_eq!(data["content"].as_str(), Some(text.as_str()));
            }
            prop_assert_eq!(&data, &expected[place].1);
        }
    }
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Connected(_) => "connected",
        Event::Status(_) => "status",
        Event::Metadata(_) => "metadata",
        Event::Text(_) => "text",
        Event::Audio(_) => "audio",
        Event::Suggestions(_) => "suggestions",
        Event::Warning(_) => "warning",
        Event::Error(_) => "error",
        Event::Complete(_) => "complete",
        Event::Close(_) => "close",
    }
}
