//! Reads the sound of an answer as strictly as its text: every field of every audio event, numbers without
//! gaps, whole samples. Measures what was heard.

use std::time::Instant;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;

use crate::listener::Event;

/// Samples a second.
pub const RATE: usize = 24_000;

/// A piece of sound.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Signed 16 bit, little-endian.
    pub pcm: Vec<u8>,
    /// What it says.
    pub text: String,
    /// The sentence's place.
    pub sentence: u64,
    /// The sentence ends with it.
    pub last: bool,
    /// When it had come.
    pub at: Instant,
}

/// The sound of an answer in order; panics where an event breaks the contract.
pub fn pieces(events: &[Event]) -> Vec<Piece> {
    let audio = events.iter().filter(|event| event.name == "audio");
    audio
        .enumerate()
        .map(|(place, event)| piece(place, event))
        .collect()
}

fn piece(place: usize, event: &Event) -> Piece {
    let data = &event.data;
    assert_eq!(data["sequence"], place, "numbers have no gaps");
    assert_eq!(data["format"], "base64");
    assert_eq!(data["encoding"], "LINEAR16");
    assert_eq!(data["sampleRateHertz"], RATE);
    assert_eq!(data["channels"], 1);
    assert_eq!(data["text"], data["sentence"]);
    let text = data["text"].as_str().unwrap().to_owned();
    assert!(!text.is_empty());
    let pcm = BASE64.decode(data["chunk"].as_str().unwrap()).unwrap();
    assert!(
        !pcm.is_empty() && pcm.len().is_multiple_of(2),
        "whole samples"
    );
    // Half a second, and one sample more where a rounded cut needs it.
    assert!(pcm.len() <= RATE + 2, "{} bytes in one piece", pcm.len());
    Piece {
        pcm,
        text,
        sentence: data["sentenceIndex"].as_u64().unwrap(),
        last: data["last"].as_bool().unwrap(),
        at: event.at,
    }
}

/// All samples of an answer.
pub fn pcm(events: &[Event]) -> Vec<u8> {
    pieces(events)
        .into_iter()
        .flat_map(|piece| piece.pcm)
        .collect()
}

/// The sentences that were heard to their end, in order.
pub fn spoken(events: &[Event]) -> Vec<String> {
    let ends = pieces(events).into_iter().filter(|piece| piece.last);
    ends.map(|piece| piece.text).collect()
}

/// The bytes of a data URL, and its type.
pub fn data_url(value: &Value) -> (String, Vec<u8>) {
    let url = value
        .as_str()
        .unwrap_or_else(|| panic!("a data URL, not {value}"));
    let (kind, data) = url
        .strip_prefix("data:")
        .and_then(|url| url.split_once(";base64,"))
        .unwrap_or_else(|| panic!("a data URL, not {:.60}", url));
    (kind.to_owned(), BASE64.decode(data).unwrap())
}

/// How long so many bytes sound, in seconds.
pub fn seconds(pcm: &[u8]) -> f64 {
    pcm.len() as f64 / 2.0 / RATE as f64
}

/// How loud it is: the root of the mean square, where 1 is the loudest there can be.
pub fn loudness(pcm: &[u8]) -> f64 {
    let samples = pcm.chunks_exact(2).map(|pair| {
        let sample = f64::from(i16::from_le_bytes([pair[0], pair[1]])) / f64::from(i16::MAX);
        sample * sample
    });
    let (count, sum) = samples.fold((0u32, 0.0), |(count, sum), square| {
        (count + 1, sum + square)
    });
    (sum / f64::from(count.max(1))).sqrt()
}

/// The samples of a WAV file with one channel of 16 bit at 24 kHz, whose head says the truth.
pub fn wav(file: &[u8]) -> &[u8] {
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(&file[..4], b"RIFF");
    assert_eq!(number(4), file.len() - 8, "the length of the file");
    assert_eq!(&file[8..16], b"WAVEfmt ");
    assert_eq!(number(24), RATE);
    assert_eq!(u16::from_le_bytes([file[22], file[23]]), 1, "channels");
    assert_eq!(u16::from_le_bytes([file[34], file[35]]), 16, "bits");
    let data = 20 + number(16);
    assert_eq!(&file[data..data + 4], b"data");
    assert_eq!(
        number(data + 4),
        file.len() - data - 8,
        "the length of the sound"
    );
    &file[data + 8..]
}
