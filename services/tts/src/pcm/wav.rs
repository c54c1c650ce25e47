//! A WAV file as it arrives, to raw samples of [`SAMPLE_RATE`](crate::engine::SAMPLE_RATE).
//!
//! The head is read here and not by hound: espeak-ng writes it before it knows how long the sound will be,
//! with a length that no file can have, into a pipe that cannot be read twice.

use super::{Resampler, UnsupportedRate};

/// The longest head that is waited for, in bytes: a few chunks of notes stand before the sound at most.
const MAX_HEAD: usize = 64 * 1024;

/// From this many bytes on, a length is a placeholder of somebody who writes into a pipe: espeak-ng writes
/// 0x7ffff000, others 0xffffffff. So is 0.
const PLACEHOLDER: u32 = 0x7fff_0000;

/// Samples as they are, and the format that says in its extension what they are.
const PCM: u16 = 1;
const EXTENSIBLE: u16 = 0xfffe;

/// Why this is not sound that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// No WAV file, or no sound in it.
    #[error("this is no WAV file")]
    NotWav,
    /// Another encoding, more channels, or another sample size.
    #[error("the sound is not mono of 16 bit")]
    Format,
    /// A rate outside [`RATES`](super::RATES).
    #[error(transparent)]
    Rate(#[from] UnsupportedRate),
    /// It ends before the length that its head tells, or within a sample.
    #[error("the sound ends too early")]
    Truncated,
}

/// Reads one WAV file.
#[derive(Default)]
pub struct Wav {
    state: State,
}

enum State {
    /// The head so far.
    Head(Vec<u8>),
    Sound {
        resampler: Box<Resampler>,
        /// Bytes of sound that are still to come, where the head tells it.
        left: Option<usize>,
    },
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

/// What a head says.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    rate: u32,
    /// Bytes of sound; None for a placeholder.
    length: Option<usize>,
    /// Where the sound begins.
    end: usize,
}

impl Wav {
    /// Takes bytes and gives what of the sound is ready: whole samples at the crate's rate, perhaps none.
    ///
    /// # Errors
    /// See [`WavError`]; nothing may be pushed after an error.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, WavError> {
        match &mut self.state {
            State::Head(so_far) => {
                so_far.extend_from_slice(bytes);
                let Some(head) = read(so_far)? else {
                    return if so_far.len() > MAX_HEAD {
                        Err(WavError::NotWav)
                    } else {
                        Ok(Vec::new())
                    };
                };
                let first = so_far.split_off(head.end);
                self.state = State::Sound {
                    resampler: Box::new(Resampler::new(head.rate)?),
                    left: head.length,
                };
                self.push(&first)
            }
            State::Sound { resampler, left } => {
                // Behind the sound there may be chunks of notes.
                let take = left.unwrap_or(bytes.len()).min(bytes.len());
                if let Some(left) = left {
                    *left -= take;
                }
                Ok(resampler.push(&bytes[..take]))
            }
        }
    }

    /// The end of the file: the rest of the sound.
    ///
    /// # Errors
    /// When the file is not whole.
    pub fn finish(self) -> Result<Vec<u8>, WavError> {
        match self.state {
            State::Head(_) => Err(WavError::NotWav),
            State::Sound { resampler, left } => {
                if left.is_some_and(|left| left > 0) || resampler.is_within_a_sample() {
                    return Err(WavError::Truncated);
                }
                Ok(resampler.finish())
            }
        }
    }
}

/// Reads the head; None when more of it must come first.
fn read(bytes: &[u8]) -> Result<Option<Head>, WavError> {
    let magic = |from: usize, expected: &[u8]| {
        let there = bytes.get(from..).unwrap_or_default();
        let length = there.len().min(expected.len());
        there[..length] == expected[..length]
    };
    if !magic(0, b"RIFF") || !magic(8, b"WAVE") {
        return Err(WavError::NotWav);
    }
    let mut at = 12;
    let mut rate = None;
    loop {
        let (Some(name), Some(length)) = (bytes.get(at..at + 4), number(bytes, at + 4)) else {
            return Ok(None);
        };
        let body = at + 8;
        let size = usize::try_from(length).map_err(|_| WavError::NotWav)?;
        match (name, rate) {
            (b"data", Some(rate)) => {
                let placeholder = length == 0 || length >= PLACEHOLDER;
                return Ok(Some(Head {
                    rate,
                    length: (!placeholder).then_some(size),
                    end: body,
                }));
            }
            (b"data", None) => return Err(WavError::NotWav),
            (b"fmt ", _) => {
                if size > MAX_HEAD {
                    return Err(WavError::NotWav);
                }
                let Some(format) = bytes.get(body..body + size) else {
                    return Ok(None);
                };
                rate = Some(mono_of_16_bit(format)?);
            }
            _ if size > MAX_HEAD => return Err(WavError::NotWav),
            _ => {}
        }
        // Chunks begin at even places.
        at = body + size + size % 2;
    }
}

/// The rate of a format that is understood.
fn mono_of_16_bit(format: &[u8]) -> Result<u32, WavError> {
    let short = |at: usize| {
        let bytes = format.get(at..at + 2)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    };
    let encoding = match short(0) {
        Some(EXTENSIBLE) => short(24),
        other => other,
    };
    match (encoding, short(2), number(format, 4), short(14)) {
        (Some(PCM), Some(1), Some(rate), Some(16)) => Ok(rate),
        _ => Err(WavError::Format),
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}
