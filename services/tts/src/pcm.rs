//! Raw sound: WAV heads, and any sample rate to the one of this crate. It must not know where sound comes
//! from or goes to.
//!
//! Everything here takes bytes as they arrive, cut anywhere, and its output does not depend on the cuts.

mod resampler;
mod wav;

pub use resampler::{Resampler, UnsupportedRate};
pub use wav::{Wav, WavError};

/// The sample rates that are understood, in hertz.
pub const RATES: std::ops::RangeInclusive<u32> = 8_000..=96_000;

#[cfg(test)]
mod tests;
