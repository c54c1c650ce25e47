//! Sound that tells what was said: a tone of 60 ms for each character.

use std::f64::consts::TAU;

/// Samples a second.
pub(super) const SAMPLE_RATE: u32 = 24_000;

/// Seconds of a character at full speed.
const CHARACTER: f64 = 0.06;

/// What a text sounds like at full speed: raw samples of 16 bit little-endian, mono, 24 kHz; 2,880 bytes
/// for each character.
pub fn sound_of(text: &str) -> Vec<u8> {
    sound_at(text, 1.0)
}

/// What a text sounds like at some speed, where 2 is half as long.
pub fn sound_at(text: &str, rate: f64) -> Vec<u8> {
    samples(text, rate, SAMPLE_RATE)
}

pub(super) fn samples(text: &str, rate: f64, sample_rate: u32) -> Vec<u8> {
    let length = (CHARACTER / rate * f64::from(sample_rate)).round() as u32;
    let tone = |character: char| {
        let pitch = f64::from(200 + 25 * (u32::from(character) % 64));
        (0..length).flat_map(move |at| {
            let turn = TAU * pitch * f64::from(at) / f64::from(sample_rate);
            ((8_000.0 * turn.sin()) as i16).to_le_bytes()
        })
    };
    text.chars().flat_map(tone).collect()
}

/// A WAV file that tells this length and holds this sound.
pub(super) fn wav(sample_rate: u32, length: usize, sound: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + length).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(sample_rate.to_le_bytes());
    file.extend((2 * sample_rate).to_le_bytes());
    file.extend(2u16.to_le_bytes());
    file.extend(16u16.to_le_bytes());
    file.extend(b"data");
    file.extend(length.to_le_bytes());
    file.extend(sound);
    file
}
