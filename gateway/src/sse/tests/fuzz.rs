//! What a reader of somebody else's makes of a stream: exactly the events that were written, wherever the network
//! cuts it, whatever their texts hold.

use eventsource_stream::Eventsource as _;
use futures::{StreamExt as _, executor::block_on, stream};
use proptest::sample::Index;

use super::*;

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
