//! Figures of the voice, with an engine that needs 100 ms for the first sound of a sentence: how soon after its
//! last word a sentence is heard, how soon after the question the first sound, and whether text comes as
//! without a voice. Sentences are spoken one by one, so that none waits for another to be spoken with.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use eventsource_stream::Eventsource as _;
use futures::{StreamExt as _, future::join_all};
use troika_tests::google::{Google, Script, Speech, When};

use crate::{client::quantile, print, process::Processes};

/// The engine's time to the first sound.
const ENGINE: Duration = Duration::from_millis(100);
/// Between two words of the model.
const PACE: Duration = Duration::from_millis(20);
/// Listeners at the same time.
const LOADS: [usize; 3] = [1, 10, 50];

/// What one listener saw.
#[derive(Default)]
struct Heard {
    first_text: Option<f64>,
    first_audio: Option<f64>,
    /// From the text event with a sentence's last word to the sentence's first audio event.
    after_sentence: Vec<f64>,
    gaps: Vec<f64>,
}

/// Prints the figures.
pub(crate) async fn measure(binary: &Path) {
    print(&format!(
        "\nvoice: engine {} ms, a word every {} ms, milliseconds",
        ENGINE.as_millis(),
        PACE.as_millis()
    ));
    print(
        "listeners  voice   first text p50   p95    gap p50   p95   p99    first audio p50   p95    sentence to sound p50   p95",
    );
    for listeners in LOADS {
        for voice in [false, true] {
            one(binary, listeners, voice).await;
        }
    }
}

async fn one(binary: &Path, listeners: usize, voice: bool) {
    let google = Google::start(Script::default().on(When::Always, Speech::after(ENGINE))).await;
    let processes = Processes::speaking(binary, PACE, &google.url).await;
    // Connections and tables are made by the first one, which does not count.
    listen(processes.gateway.clone(), 0, voice).await;
    let heard = join_all((1..=listeners).map(|place| {
        let gateway = processes.gateway.clone();
        async move {
            tokio::time::sleep(PACE * u32::try_from(place).unwrap_or(0) / 7).await;
            listen(gateway, place, voice).await
        }
    }))
    .await;
    let all = |pick: fn(&Heard) -> Vec<f64>| {
        let mut values: Vec<f64> = heard.iter().flat_map(pick).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let text = all(|heard| heard.first_text.into_iter().collect());
    let audio = all(|heard| heard.first_audio.into_iter().collect());
    let sentence = all(|heard| heard.after_sentence.clone());
    let gaps = all(|heard| heard.gaps.clone());
    let mut line = format!(
        "{listeners:>9}  {:<5}  {:>15.1} {:>6.1}   {:>7.1} {:>6.1} {:>5.1}",
        if voice { "with" } else { "none" },
        quantile(&text, 0.5),
        quantile(&text, 0.95),
        quantile(&gaps, 0.5),
        quantile(&gaps, 0.95),
        quantile(&gaps, 0.99),
    );
    if voice {
        line.push_str(&format!(
            "   {:>16.1} {:>6.1}   {:>21.1} {:>6.1}",
            quantile(&audio, 0.5),
            quantile(&audio, 0.95),
            quantile(&sentence, 0.5),
            quantile(&sentence, 0.95)
        ));
    }
    print(&line);
}

async fn listen(gateway: String, place: usize, voice: bool) -> Heard {
    let question = serde_json::json!({
        "query": format!("question {place}"), "chatbotId": "000000000000000000000001", "enableTTS": voice
    });
    let began = Instant::now();
    let request = troika_tests::http()
        .post(format!("{gateway}/api/chat/query/stream"))
        .json(&question);
    let Ok(response) = request.send().await else {
        return Heard::default();
    };
    let mut events = response.bytes_stream().eventsource();
    let mut heard = Heard::default();
    let mut last_text: Option<Instant> = None;
    let mut ended: Vec<Instant> = Vec::new();
    let mut sounded = 0;
    while let Some(Ok(event)) = events.next().await {
        let now = Instant::now();
        let milliseconds = |since: Instant| (now - since).as_secs_f64() * 1e3;
        match event.event.as_str() {
            "text" => {
                heard.first_text.get_or_insert_with(|| milliseconds(began));
                heard.gaps.extend(last_text.map(milliseconds));
                last_text = Some(now);
                if event.data.contains('.') {
                    ended.push(now);
                }
            }
            "audio" => {
                heard.first_audio.get_or_insert_with(|| milliseconds(began));
                let data: serde_json::Value = serde_json::from_str(&event.data).unwrap_or_default();
                let sentence = data["sentenceIndex"].as_u64().unwrap_or(0) as usize;
                // Of each sentence the first piece counts.
                if sentence == sounded
                    && let Some(end) = ended.get(sentence)
                {
                    heard.after_sentence.push(milliseconds(*end));
                    sounded += 1;
                }
            }
            _ => {}
        }
    }
    heard
}
