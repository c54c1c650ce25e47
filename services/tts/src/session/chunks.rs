//! Cuts sound into pieces, and knows how much of it the listener still has to hear. No I/O: only the
//! clock.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::{Config, duration_of};
use crate::engine::{SAMPLE_BYTES, SAMPLE_RATE};

/// The pieces of one turn's sound.
pub(super) struct Chunks {
    buffer: BytesMut,
    /// Bytes of a piece when there is time.
    usual: usize,
    /// Bytes of a piece when the listener waits.
    hurried: usize,
    /// When the listener will have heard all that was cut. A listener begins with the first piece.
    heard: Option<Instant>,
    bytes: usize,
}

impl Chunks {
    pub(super) fn new(config: &Config, live: bool) -> Self {
        let usual = bytes_of(config.chunk);
        Self {
            buffer: BytesMut::new(),
            usual,
            hurried: if live {
                bytes_of(config.first_chunk)
            } else {
                usual
            },
            heard: None,
            bytes: 0,
        }
    }

    /// More sound of the same utterance.
    pub(super) fn push(&mut self, sound: &[u8]) {
        self.buffer.extend_from_slice(sound);
    }

    /// A piece, when there is enough for one and more: the last piece of an utterance is [`rest`](Self::rest).
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let wanted = if self.ahead() < duration_of(self.usual) {
            self.hurried
        } else {
            self.usual
        };
        // What came at once leaves at once, in usual pieces.
        let size =
            (self.buffer.len().saturating_sub(1) / SAMPLE_BYTES * SAMPLE_BYTES).min(self.usual);
        (size >= wanted).then(|| self.cut(size))
    }

    /// The end of the utterance; nothing where there is no whole sample.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        let size = self.buffer.len() / SAMPLE_BYTES * SAMPLE_BYTES;
        let rest = (size > 0).then(|| self.cut(size));
        self.buffer.clear();
        rest
    }

    fn cut(&mut self, size: usize) -> Bytes {
        let now = Instant::now();
        let begins = self.heard.map_or(now, |heard| heard.max(now));
        self.heard = Some(begins + duration_of(size));
        self.bytes += size;
        self.buffer.split_to(size).freeze()
    }

    /// How long the listener has something to hear.
    pub(super) fn ahead(&self) -> Duration {
        self.heard.map_or(Duration::ZERO, |heard| {
            heard.saturating_duration_since(Instant::now())
        })
    }

    /// The length of all pieces.
    pub(super) fn duration(&self) -> Duration {
        duration_of(self.bytes)
    }
}

fn bytes_of(length: Duration) -> usize {
    let samples = length.as_micros() * u128::from(SAMPLE_RATE) / 1_000_000;
    usize::try_from(samples).unwrap_or(usize::MAX / SAMPLE_BYTES) * SAMPLE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks() -> Chunks {
        Chunks::new(&Config::default(), true)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_piece_leaves_early_and_later_ones_have_the_usual_length() {
        let mut chunks = chunks();
        chunks.push(&[0; 4_800]);
        assert!(chunks.next().is_none(), "the end is kept for `rest`");
        chunks.push(&[0; 2]);
        assert_eq!(chunks.next().map(|piece| piece.len()), Some(4_800));
        chunks.push(&vec![0; 60_000]);
        assert_eq!(chunks.next().map(|piece| piece.len()), Some(24_000));
        assert_eq!(chunks.next().map(|piece| piece.len()), Some(24_000));
        assert!(chunks.next().is_none());
        assert_eq!(chunks.rest().map(|piece| piece.len()), Some(12_002));
        assert!(chunks.rest().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_ahead_shrinks_as_it_is_heard() {
        let mut chunks = chunks();
        assert_eq!(chunks.ahead(), Duration::ZERO);
        chunks.push(&vec![0; 96_000]);
        while chunks.next().is_some() {}
        chunks.rest();
        assert_eq!(chunks.ahead(), Duration::from_secs(2));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(chunks.ahead(), Duration::ZERO);
        chunks.push(&vec![0; 48_000]);
        while chunks.next().is_some() {}
        chunks.rest();
        assert_eq!(chunks.ahead(), Duration::from_secs(1));
        assert_eq!(chunks.duration(), Duration::from_secs(3));
    }

    #[test]
    fn half_a_sample_at_the_end_is_left_out() {
        let mut chunks = chunks();
        chunks.push(&[1, 2, 3]);
        assert_eq!(chunks.rest().as_deref(), Some(&[1, 2][..]));
        assert!(chunks.rest().is_none());
    }
}
