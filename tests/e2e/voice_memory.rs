//! Ten thousand sentences through one speech process: its memory stays where it was.

use tokio_stream::StreamExt as _;
use troika_proto::tts::v1::{
    Manner, Sentence, Start, SynthesizeStreamRequest, speech_event::Event,
    synthesize_stream_request::Message, tts_client::TtsClient,
};
use troika_tests::{
    google::{Google, Script},
    memory::resident,
};

use crate::voice_google::spoken_by;

/// Sentences of one turn, and turns at the same time.
const SENTENCES: usize = 50;
const AT_ONCE: usize = 4;

/// Speaks one turn whose sentences nobody said before; how many were heard.
async fn turn(address: String, number: usize) -> u32 {
    let mut client = TtsClient::connect(address).await.unwrap();
    let start = Message::Start(Start {
        turn_id: String::new(),
        manner: Some(Manner {
            language: "en-IN".into(),
            ..Manner::default()
        }),
    });
    let sentences = (0..SENTENCES).map(move |place| {
        Message::Sentence(Sentence {
            text: format!("Turn {number}, sentence {place}."),
        })
    });
    let messages = [start]
        .into_iter()
        .chain(sentences)
        .map(|message| SynthesizeStreamRequest {
            message: Some(message),
        });
    let mut events = client
        .synthesize_stream(tokio_stream::iter(messages))
        .await
        .unwrap()
        .into_inner();
    let mut heard = 0;
    while let Some(event) = events.next().await {
        if let Some(Event::Finished(finished)) = event.unwrap().event {
            heard = finished.sentences;
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_over_ten_thousand_spoken_sentences() {
    let google = Google::start(Script::default()).await;
    let troika = spoken_by(&google)
        .env("TROIKA_TTS__CACHE__MEMORY", "8 MiB")
        .env("TROIKA_TTS__QUOTA__CHIRP3_HD", "60000")
        .env("RUST_LOG", "warn")
        .start_role("tts");
    let mut spoken = 0;
    let mut after = Vec::new();
    for round in 0..5 {
        for batch in 0..10 {
            let turns = (0..AT_ONCE).map(|place| {
                let number = (round * 10 + batch) * AT_ONCE + place;
                turn(troika.tts().to_owned(), number)
            });
            spoken += futures::future::join_all(turns)
                .await
                .into_iter()
                .sum::<u32>();
        }
        after.push(resident(troika.id()) >> 10);
    }
    assert_eq!(spoken, 10_000);
    // The caches are full after the first 2000; from then on nothing grows but by the allocator's grain.
    let grown = after[4].saturating_sub(after[0]);
    assert!(
        grown < 16 * 1024,
        "resident KiB after each 2000 sentences: {after:?}"
    );
}
