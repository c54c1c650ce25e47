//! Files that are read again: as long as the sound was, and the same tone.

use std::f64::consts::TAU;

use opus_pure::{MAX_PACKET_SAMPLES, OggOpusReader, Trim};
use rusty_mp3::Mp3Decoder;

use super::*;

const FREQUENCY: f64 = 440.0;

/// A tone at half the loudest there is.
fn tone(seconds: f64) -> Vec<u8> {
    let count = (seconds * f64::from(SAMPLE_RATE)) as u32;
    (0..count)
        .flat_map(|place| {
            let phase = TAU * FREQUENCY * f64::from(place) / f64::from(SAMPLE_RATE);
            ((phase.sin() * 16_384.0) as i16).to_le_bytes()
        })
        .collect()
}

/// The loudness of one frequency, and of everything, in the middle of the sound.
fn levels(samples: &[f32]) -> (f64, f64) {
    let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
    let (mut cos, mut sin, mut all) = (0.0, 0.0, 0.0);
    for (place, sample) in middle.iter().enumerate() {
        let phase = TAU * FREQUENCY * place as f64 / f64::from(SAMPLE_RATE);
        let sample = f64::from(*sample);
        cos += sample * phase.cos();
        sin += sample * phase.sin();
        all += sample * sample;
    }
    let count = middle.len() as f64;
    let tone = 2.0 * (cos * cos + sin * sin).sqrt() / count;
    (tone, (2.0 * all / count).sqrt())
}

fn assert_is_tone(samples: &[f32]) {
    let (tone, all) = levels(samples);
    assert!((0.45..0.55).contains(&tone), "level {tone}");
    assert!(tone / all > 0.97, "{tone} of {all}");
}

#[test]
fn a_wav_file_holds_the_very_samples() {
    let pcm = tone(1.0);
    let file = encode(&pcm, Format::Wav).unwrap();
    let mut reader = hound::WavReader::new(&file[..]).unwrap();
    assert_eq!(reader.spec().sample_rate, SAMPLE_RATE);
    assert_eq!(reader.spec().channels, 1);
    let read: Vec<u8> = reader
        .samples::<i16>()
        .flat_map(|sample| sample.unwrap().to_le_bytes())
        .collect();
    assert_eq!(read, pcm);
}

#[test]
fn an_mp3_file_sounds_as_long_and_the_same() {
    let pcm = tone(2.0);
    let file = encode(&pcm, Format::Mp3).unwrap();
    assert!(file.len() < pcm.len() / 4, "{} bytes", file.len());
    let mut decoder = Mp3Decoder::new();
    decoder.push(&file);
    decoder.flush();
    let mut samples = Vec::new();
    while let Ok(frame) = decoder.next_frame() {
        assert_eq!(frame.sample_rate, SAMPLE_RATE);
        samples.extend_from_slice(&frame.samples);
    }
    let length = samples.len() as f64 / f64::from(SAMPLE_RATE);
    // The decoder's own delay and padding: a few frames of 24 ms.
    assert!((2.0..2.15).contains(&length), "{length} s");
    assert_is_tone(&samples);
}

#[test]
fn an_opus_file_sounds_exactly_as_long_and_the_same() {
    let pcm = tone(2.01);
    let file = encode(&pcm, Format::Opus).unwrap();
    assert!(file.len() < pcm.len() / 6, "{} bytes", file.len());
    let samples = decode_opus(&file);
    assert_eq!(samples.len(), pcm.len() / SAMPLE_BYTES);
    assert_is_tone(&samples);
}

fn decode_opus(file: &[u8]) -> Vec<f32> {
    let mut reader = OggOpusReader::new(file).unwrap();
    let rate = SAMPLE_RATE as i32;
    let mut decoder = reader.head().decoder(rate).unwrap();
    let mut trim = Trim::new(reader.head(), rate, 1).unwrap();
    let mut block = vec![0.0; MAX_PACKET_SAMPLES];
    let mut samples = Vec::new();
    for packet in reader.packets() {
        let packet = packet.unwrap();
        let count = decoder
            .decode(&packet.data, MAX_PACKET_SAMPLES, &mut block)
            .unwrap();
        samples.extend_from_slice(trim.keep(&packet, &block[..count]));
    }
    samples
}

const FORMATS: [Format; 4] = [Format::Pcm, Format::Wav, Format::Mp3, Format::Opus];

#[test]
fn raw_samples_are_the_very_samples() {
    let pcm = tone(0.1);
    assert_eq!(encode(&pcm, Format::Pcm).unwrap(), pcm);
}

#[test]
fn no_sound_is_a_file_that_plays_nothing() {
    for format in FORMATS {
        let file = encode(&[], format).unwrap();
        assert_eq!(file.is_empty(), format == Format::Pcm, "{format:?}");
    }
    let wav = encode(&[], Format::Wav).unwrap();
    assert_eq!(hound::WavReader::new(&wav[..]).unwrap().len(), 0);
    assert_eq!(decode_opus(&encode(&[], Format::Opus).unwrap()).len(), 0);
    let mp3 = encode(&[], Format::Mp3).unwrap();
    let (delay, padding, frames) = info_tag(&mp3);
    assert_eq!(delay + padding, frames * MP3_FRAME);
}

#[test]
fn half_a_sample_at_the_end_is_left_out() {
    let mut pcm = tone(0.1);
    let files = FORMATS.map(|format| encode(&pcm, format).unwrap());
    pcm.push(7);
    assert_eq!(FORMATS.map(|format| encode(&pcm, format).unwrap()), files);
}

/// Samples of one frame of MPEG-2 Layer III.
const MP3_FRAME: usize = 576;

/// What the first frame of an MP3 says: the samples before the sound, those after it, and how many
/// frames follow.
fn info_tag(file: &[u8]) -> (usize, usize, usize) {
    let start = file.windows(4).position(|word| word == b"Info").unwrap();
    let tag = &file[start..];
    let frames = u32::from_be_bytes(tag[8..12].try_into().unwrap()) as usize;
    // The tag's own fields take 120 bytes; delay and padding stand 21 bytes into LAME's part of it.
    let [a, b, c] = tag[141..144] else { panic!() };
    let delay = usize::from(a) << 4 | usize::from(b) >> 4;
    let padding = usize::from(b & 15) << 8 | usize::from(c);
    (delay, padding, frames)
}

#[test]
fn an_mp3_file_says_where_its_sound_begins_and_ends() {
    for seconds in [0.001, 0.01, 0.5, 2.0, 3.3333] {
        let pcm = tone(seconds);
        let (delay, padding, frames) = info_tag(&encode(&pcm, Format::Mp3).unwrap());
        assert_eq!(
            frames * MP3_FRAME - delay - padding,
            pcm.len() / SAMPLE_BYTES,
            "{seconds} s"
        );
    }
}

#[test]
fn an_opus_file_of_any_length_is_as_long_as_the_sound() {
    // Around the encoder's delay and its frames of 480 samples.
    for samples in [1, 155, 156, 157, 323, 324, 325, 479, 480, 481, 960, 12_345] {
        let pcm = &tone(1.0)[..samples * SAMPLE_BYTES];
        assert_eq!(
            decode_opus(&encode(pcm, Format::Opus).unwrap()).len(),
            samples
        );
    }
}

#[test]
fn the_loudest_and_the_harshest_sound_is_taken() {
    let harsh: Vec<u8> = (0..24_000_i32)
        .flat_map(|place| if place % 2 == 0 { i16::MIN } else { i16::MAX }.to_le_bytes())
        .collect();
    for format in FORMATS {
        assert!(!encode(&harsh, format).unwrap().is_empty(), "{format:?}");
    }
}

#[test]
fn each_format_has_a_type_and_an_ending() {
    for format in FORMATS {
        assert!(format.content_type().starts_with("audio/"));
        assert!(format.extension().len() <= 4);
    }
}
