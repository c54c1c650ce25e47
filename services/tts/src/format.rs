//! Files of sound: WAV, MP3 and Opus of raw samples. Pure computing, and much of it, so callers give it a
//! thread that may block ([`tokio::task::spawn_blocking`]). It must not know whose sound it is.

use std::io::Cursor;

use bytes::Bytes;
use opus_pure::{Application, MAX_PACKET_BYTES, OggOpusWriter, OpusEncoder, OpusHead};
use rusty_mp3::{Mp3Encoder, Mp3EncoderConfig};

use crate::engine::{SAMPLE_BYTES, SAMPLE_RATE};

/// Kilobits a second of an MP3, constant: speech at 24 kHz, mono, sounds clean from here on.
const MP3_KILOBITS: u32 = 64;

/// Bits a second of Opus, on average: the sweet spot for full-band speech is 28 to 40 kb/s (RFC 7587, 3.1.1).
const OPUS_BITS: i32 = 32_000;

/// Opus frames a second: 20 ms each, the length that RFC 7587 takes for granted.
const OPUS_FRAMES: usize = 50;

/// Opus counts time in samples of 48 kHz (RFC 7845, 4).
const OPUS_CLOCK: usize = 48_000;

/// A file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Samples alone: signed 16 bit, little-endian, 24 kHz, mono.
    Pcm,
    /// The samples with a head that says so.
    Wav,
    /// MPEG-2 Layer III. Its first frame, an Info tag, says how much of the encoder's delay and padding is to
    /// be left out, so that players which read it play exactly the sound.
    Mp3,
    /// Opus in Ogg.
    Opus,
}

impl Format {
    /// The media type. No registered one says little-endian samples (audio/L16 is big-endian, RFC 2586), so
    /// theirs spells out what they are.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Pcm => {
                "audio/pcm;rate=24000;channels=1;encoding=signed-int;bits=16;endianness=little-endian"
            }
            Self::Wav => "audio/wav",
            Self::Mp3 => "audio/mpeg",
            Self::Opus => "audio/ogg",
        }
    }

    /// How the names of such files end, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Pcm => "pcm",
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
            Self::Opus => "opus",
        }
    }
}

/// A file could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A WAV head holds no number above 4 GiB.
    #[error("the WAV file cannot be written")]
    Wav(#[source] hound::Error),
    /// The MP3 encoder refuses.
    #[error("the MP3 file cannot be written")]
    Mp3(#[source] rusty_mp3::Error),
    /// The Opus encoder refuses.
    #[error("the Opus file cannot be written")]
    Opus(#[source] opus_pure::Error),
}

/// A file of raw samples (signed 16 bit, little-endian, 24 kHz, mono); half a sample at the end is left out.
/// No sound makes a file that plays nothing.
///
/// Blocks the thread, for a minute of sound about a quarter of a second (MP3) or a second (Opus) where code
/// is optimised, and more than ten times as long where it is not.
///
/// # Errors
/// When the encoder refuses; none does for sound of less than a day.
pub fn encode(pcm: &[u8], format: Format) -> Result<Bytes, EncodeError> {
    match format {
        Format::Pcm => Ok(Bytes::copy_from_slice(whole(pcm))),
        Format::Wav => wav(pcm).map_err(EncodeError::Wav),
        Format::Mp3 => mp3(pcm).map_err(EncodeError::Mp3),
        Format::Opus => opus(pcm).map_err(EncodeError::Opus),
    }
}

/// The bytes of whole samples.
fn whole(pcm: &[u8]) -> &[u8] {
    &pcm[..pcm.len() / SAMPLE_BYTES * SAMPLE_BYTES]
}

fn samples(pcm: &[u8]) -> impl ExactSizeIterator<Item = i16> {
    pcm.chunks_exact(SAMPLE_BYTES)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
}

fn wav(pcm: &[u8]) -> Result<Bytes, hound::Error> {
    let head = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::with_capacity(pcm.len() + 64));
    let mut writer = hound::WavWriter::new(&mut file, head)?;
    for sample in samples(pcm) {
        writer.write_sample(sample)?;
    }
    writer.finalize()?;
    Ok(file.into_inner().into())
}

fn mp3(pcm: &[u8]) -> Result<Bytes, rusty_mp3::Error> {
    let mut encoder = Mp3Encoder::new(Mp3EncoderConfig {
        bitrate_kbps: MP3_KILOBITS,
        vbr_quality: None,
    });
    encoder.push_pcm_s16le(pcm, 1, SAMPLE_RATE)?;
    encoder.finish();
    let mut file = Vec::with_capacity(pcm.len() / 4);
    loop {
        match encoder.next_packet() {
            Ok(packet) => file.extend_from_slice(&packet),
            // Drained: the encoder was told that nothing more comes.
            Err(rusty_mp3::Error::Eof | rusty_mp3::Error::Again) => return Ok(file.into()),
            Err(error) => return Err(error),
        }
    }
}

/// The end of the sound is where it was: the encoder's delay is flushed with silence, and the last packet
/// says how much of it counts (RFC 7845, 4.4).
fn opus(pcm: &[u8]) -> Result<Bytes, opus_pure::Error> {
    let rate = SAMPLE_RATE as usize;
    let frame = rate / OPUS_FRAMES;
    let ticks = OPUS_CLOCK / rate;
    let mut encoder = OpusEncoder::new(SAMPLE_RATE as i32, 1, Application::Voip)?;
    encoder.bitrate_bps = OPUS_BITS;
    let head = OpusHead::for_encoder(&encoder, SAMPLE_RATE);
    let delay = usize::from(head.pre_skip);
    let mut samples: Vec<i16> = samples(pcm).collect();
    let length = samples.len();
    let frames = (length + delay.div_ceil(ticks)).div_ceil(frame);
    samples.resize(frames * frame, 0);
    let end = (delay + length * ticks) as u64;

    let mut writer = OggOpusWriter::new(Vec::with_capacity(pcm.len() / 8), head)?;
    let mut packet = vec![0; MAX_PACKET_BYTES];
    for (place, block) in samples.chunks_exact(frame).enumerate() {
        let size = encoder.encode_s16(block, frame, &mut packet)?;
        if place + 1 == frames {
            let left = end.saturating_sub(writer.granule() as u64);
            writer.write_packet_with_duration(&packet[..size], left as u32)?;
        } else {
            writer.write_packet(&packet[..size])?;
        }
    }
    Ok(writer.finish()?.into())
}

#[cfg(test)]
mod tests;
