//! Samples of any rate to [`SAMPLE_RATE`], as they arrive.

use std::collections::VecDeque;

use rubato::{
    Async, FixedAsync, Indexing, Resampler as _, SincInterpolationParameters,
    SincInterpolationType, WindowFunction, audioadapter_buffers::direct::InterleavedSlice,
};

use super::RATES;
use crate::engine::{SAMPLE_BYTES, SAMPLE_RATE};

/// Samples that are converted at once: with half a filter they are what the output lags behind, at most
/// 7 ms of 24 kHz.
const CHUNK: usize = 128;

/// Length of the filter, in samples of the lower rate. With it, what speech has below 10 kHz stays.
const FILTER: usize = 64;

/// A rate outside [`RATES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sound of {0} samples a second is not understood")]
pub struct UnsupportedRate(pub u32);

/// Converts one sound: 16 bit little-endian mono in, the same at [`SAMPLE_RATE`] out.
pub struct Resampler {
    /// The first byte of a sample whose second one has not come yet.
    half: Option<u8>,
    /// None when the sound has the right rate already.
    filter: Option<Filter>,
}

struct Filter {
    inner: Async<f32>,
    rate: u32,
    /// Samples that do not fill a chunk yet.
    pending: VecDeque<f32>,
    output: Vec<f32>,
    /// Silence at the beginning that comes from the filter alone, in samples.
    lead: usize,
    taken: u64,
    given: u64,
}

impl Resampler {
    /// For one sound of this rate.
    ///
    /// # Errors
    /// When the rate is not one of [`RATES`].
    pub fn new(rate: u32) -> Result<Self, UnsupportedRate> {
        if !RATES.contains(&rate) {
            return Err(UnsupportedRate(rate));
        }
        let filter = if rate == SAMPLE_RATE {
            None
        } else {
            Some(Filter::new(rate).ok_or(UnsupportedRate(rate))?)
        };
        Ok(Self { half: None, filter })
    }

    /// Takes bytes and gives what of the sound is ready: whole samples, perhaps none.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let joined: Vec<u8> = self
            .half
            .take()
            .into_iter()
            .chain(bytes.iter().copied())
            .collect();
        let (whole, rest) = joined.as_chunks::<SAMPLE_BYTES>();
        self.half = rest.first().copied();
        match &mut self.filter {
            None => whole.as_flattened().to_vec(),
            Some(filter) => filter.push(whole),
        }
    }

    /// The end of the sound. Half a sample at its end is left out.
    pub fn finish(self) -> Vec<u8> {
        self.filter.map_or_else(Vec::new, Filter::finish)
    }

    /// Whether the bytes so far end within a sample.
    pub fn is_within_a_sample(&self) -> bool {
        self.half.is_some()
    }
}

impl Filter {
    fn new(rate: u32) -> Option<Self> {
        // The filter spans the same time of the lower rate, whichever that is.
        let wider = usize::try_from(rate.div_ceil(SAMPLE_RATE)).unwrap_or(1);
        let parameters =
            SincInterpolationParameters::new(FILTER * wider, WindowFunction::BlackmanHarris2)
                .oversampling_factor(128)
                .interpolation(SincInterpolationType::Quadratic);
        let ratio = f64::from(SAMPLE_RATE) / f64::from(rate);
        let inner = Async::new_sinc(ratio, 1.0, &parameters, CHUNK, 1, FixedAsync::Input).ok()?;
        Some(Self {
            output: vec![0.0; inner.output_frames_max()],
            lead: inner.output_delay(),
            inner,
            rate,
            pending: VecDeque::with_capacity(2 * CHUNK),
            taken: 0,
            given: 0,
        })
    }

    fn push(&mut self, samples: &[[u8; SAMPLE_BYTES]]) -> Vec<u8> {
        self.taken += samples.len() as u64;
        self.pending.extend(
            samples
                .iter()
                .map(|sample| f32::from(i16::from_le_bytes(*sample))),
        );
        let mut sound = Vec::new();
        while self.pending.len() >= CHUNK {
            self.convert(&mut sound);
        }
        sound
    }

    /// Pushes silence through until everything that came is out, and not a sample more.
    fn finish(mut self) -> Vec<u8> {
        let rate = u64::from(self.rate);
        let whole = (self.taken * u64::from(SAMPLE_RATE)).div_ceil(rate);
        let mut sound = Vec::new();
        while self.given < whole {
            let before = self.given;
            self.pending.resize(self.pending.len().max(CHUNK), 0.0);
            self.convert(&mut sound);
            if self.given > whole {
                let (surplus, had) = (self.given - whole, self.given - before);
                let surplus = usize::try_from(surplus.min(had)).unwrap_or(0);
                sound.truncate(sound.len() - surplus * SAMPLE_BYTES);
            }
        }
        sound
    }

    /// Converts one chunk of what is pending.
    fn convert(&mut self, sound: &mut Vec<u8>) {
        let chunk: Vec<f32> = self.pending.drain(..CHUNK).collect();
        let frames = self.output.len();
        // Neither can fail: the sizes are those that the filter was made for.
        let Ok(input) = InterleavedSlice::new(&chunk, 1, CHUNK) else {
            return;
        };
        let Ok(mut output) = InterleavedSlice::new_mut(&mut self.output, 1, frames) else {
            return;
        };
        let Ok((_, written)) =
            self.inner
                .process_into_buffer(&input, &mut output, Some(&Indexing::new()))
        else {
            return;
        };
        let skipped = self.lead.min(written);
        self.lead -= skipped;
        let samples = &self.output[skipped..written];
        self.given += samples.len() as u64;
        sound.extend(samples.iter().flat_map(|sample| {
            // `as` keeps what is louder than full scale at full scale.
            (sample.round() as i16).to_le_bytes()
        }));
    }
}
