//! Tests of resampling and of WAV heads.

use std::{f64::consts::TAU, io::Cursor};

use proptest::prelude::*;

use super::*;
use crate::engine::SAMPLE_RATE;

const AMPLITUDE: f64 = 8_000.0;
const TONE: f64 = 440.0;

fn tone(rate: u32, seconds: f64) -> Vec<i16> {
    (0..(f64::from(rate) * seconds) as u32)
        .map(|at| (AMPLITUDE * (TAU * TONE * f64::from(at) / f64::from(rate)).sin()) as i16)
        .collect()
}

fn bytes(samples: &[i16]) -> Vec<u8> {
    samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect()
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    let (whole, rest) = bytes.as_chunks::<2>();
    assert!(rest.is_empty(), "half a sample");
    whole
        .iter()
        .map(|sample| i16::from_le_bytes(*sample))
        .collect()
}

/// Resamples with the input cut into pieces of these lengths, again and again.
fn resampled(rate: u32, sound: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut resampler = Resampler::new(rate).unwrap();
    let mut out = Vec::new();
    let mut rest = sound;
    for cut in cuts.iter().cycle() {
        let (piece, later) = rest.split_at((*cut).min(rest.len()));
        out.extend(resampler.push(piece));
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    out.extend(resampler.finish());
    out
}

fn wav(rate: u32, samples: &[i16]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    for sample in samples {
        writer.write_sample(*sample).unwrap();
    }
    writer.finalize().unwrap();
    file.into_inner()
}

#[test]
fn a_tone_keeps_its_pitch_length_and_level_from_every_rate() {
    for rate in [
        8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000,
    ] {
        let out = samples(&resampled(rate, &bytes(&tone(rate, 1.0)), &[4_096]));
        assert!(
            out.len().abs_diff(SAMPLE_RATE as usize) <= 2,
            "{rate}: {} samples",
            out.len()
        );
        // The edges ring a little; 21,600 samples are 396 whole waves.
        let middle: Vec<f64> = out[1_200..22_800].iter().map(|s| f64::from(*s)).collect();
        let turn = |at: usize| TAU * TONE * (at + 1_200) as f64 / f64::from(SAMPLE_RATE);
        let share = |wave: fn(f64) -> f64| {
            let sum: f64 = middle
                .iter()
                .enumerate()
                .map(|(at, s)| s * wave(turn(at)))
                .sum();
            2.0 * sum / middle.len() as f64
        };
        let (sine, cosine) = (share(f64::sin), share(f64::cos));
        let level = sine.hypot(cosine);
        assert!(
            (level / AMPLITUDE - 1.0).abs() < 0.01,
            "{rate}: level {level}"
        );
        let late = cosine.atan2(sine).abs() / (TAU * TONE);
        assert!(late < 0.000_1, "{rate}: {late} s late");
        let rest = middle
            .iter()
            .enumerate()
            .map(|(at, s)| (s - sine * turn(at).sin() - cosine * turn(at).cos()).abs())
            .fold(0.0, f64::max);
        assert!(rest < 8.0, "{rate}: {rest} is not of the tone");
    }
}

#[test]
fn little_is_held_back_so_that_sound_begins_at_once() {
    for rate in [16_000, 22_050, 48_000] {
        let mut resampler = Resampler::new(rate).unwrap();
        let tenth = tone(rate, 0.1);
        let out = resampler.push(&bytes(&tenth));
        let late = 2_400 - out.len() / 2;
        assert!(late < 300, "{rate}: {late} samples late");
    }
}

#[test]
fn a_sound_of_any_length_keeps_it() {
    for length in [0, 1, 2, 63, 127, 128, 129, 1_000] {
        let sound = bytes(&vec![0; length]);
        let expected = length * 24_000 / 16_000;
        let out = resampled(16_000, &sound, &[100]).len() / 2;
        assert!(out.abs_diff(expected) <= 1, "{length}: {out}");
    }
}

#[test]
fn rates_that_no_voice_has_are_refused() {
    for rate in [0, 7_999, 96_001, u32::MAX] {
        assert_eq!(Resampler::new(rate).err(), Some(UnsupportedRate(rate)));
    }
}

#[test]
fn a_file_of_the_right_rate_comes_out_as_it_is() {
    let tone = tone(SAMPLE_RATE, 0.2);
    let mut wav_in = Wav::default();
    let mut out = wav_in.push(&wav(SAMPLE_RATE, &tone)).unwrap();
    out.extend(wav_in.finish().unwrap());
    assert_eq!(samples(&out), tone);
}

#[test]
fn placeholder_lengths_mean_up_to_the_end() {
    for length in [0u32, 0x7fff_f000, u32::MAX] {
        let mut file = wav(SAMPLE_RATE, &[1, 2, 3]);
        let at = file.len() - 6 - 4;
        file[at..at + 4].copy_from_slice(&length.to_le_bytes());
        let mut reader = Wav::default();
        assert_eq!(samples(&reader.push(&file).unwrap()), [1, 2, 3]);
        assert!(reader.finish().is_ok());
    }
}

#[test]
fn chunks_before_and_behind_the_sound_are_left_out() {
    let mut file = wav(SAMPLE_RATE, &[1, 2, 3]);
    let note = [b"LIST".as_slice(), &3u32.to_le_bytes(), b"abc\0"].concat();
    file.extend(&note);
    file.splice(12..12, note);
    let mut reader = Wav::default();
    let mut out = Vec::new();
    for byte in file {
        out.extend(reader.push(&[byte]).unwrap());
    }
    assert_eq!(samples(&out), [1, 2, 3]);
    assert_eq!(reader.finish(), Ok(Vec::new()));
}

#[test]
fn a_file_that_is_cut_short_is_an_error() {
    let file = wav(SAMPLE_RATE, &[1, 2, 3]);
    for end in [0, 3, 20, 44, 46, file.len() - 1] {
        let mut reader = Wav::default();
        reader.push(&file[..end]).unwrap();
        assert!(reader.finish().is_err(), "{end}");
    }
}

#[test]
fn what_is_no_sound_is_an_error() {
    let stereo = {
        let mut file = wav(SAMPLE_RATE, &[1, 2]);
        file[22] = 2;
        file
    };
    for (file, error) in [
        (b"<html>".to_vec(), WavError::NotWav),
        (b"RIFF\0\0\0\0AVI ".to_vec(), WavError::NotWav),
        (stereo, WavError::Format),
        (wav(4_000, &[1]), WavError::Rate(UnsupportedRate(4_000))),
    ] {
        assert_eq!(Wav::default().push(&file), Err(error));
    }
    let endless = [
        b"RIFF\0\0\0\0WAVE".as_slice(),
        b"LIST",
        &[0xff, 0xff, 0, 0],
        &[0; 70_000],
    ];
    assert_eq!(
        Wav::default().push(&endless.concat()),
        Err(WavError::NotWav)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cuts_change_nothing(
        rate in prop::sample::select(vec![8_000u32, 16_000, 22_050, 24_000, 44_100, 48_000]),
        length in 0usize..5_000,
        cuts in prop::collection::vec(1usize..700, 1..8),
    ) {
        let sound: Vec<u8> = (0..length).map(|at| (at * at / 7 + at * 31) as u8).collect();
        let whole = resampled(rate, &sound, &[usize::MAX]);
        prop_assert_eq!(resampled(rate, &sound, &cuts), whole);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut reader = Wav::default();
        let _ = reader.push(&bytes);
        let mut reader = Wav::default();
        let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
        file.extend(bytes);
        let _ = reader.push(&file).map(|_| reader.finish());
    }
}
