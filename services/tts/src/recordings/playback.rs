//! One listener's way through a sound, from its beginning and at its own pace. It must not know how the
//! sound is made or kept.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{
    Stream, StreamExt as _,
    future::ready,
    stream::{BoxStream, once, unfold},
};
use tokio::sync::watch;

use super::{
    Source,
    flight::{Flight, Tape},
};
use crate::engine::EngineError;

/// A sound as one listener hears it: every byte from the beginning, each piece as soon as it exists, in
/// the pieces in which it was made (a kept sound is one piece). It ends after the last piece or after its
/// only error. Dropping it before cancels a synthesis that nobody else listens to.
pub struct Playback {
    pieces: BoxStream<'static, Result<Bytes, EngineError>>,
    origin: Origin,
}

enum Origin {
    Kept,
    Flight {
        /// What is known of its source without asking the flight.
        source: Option<Source>,
        tape: watch::Receiver<Tape>,
        /// Keeps the flight in the air.
        _flight: Arc<Flight>,
    },
}

/// Nobody made the sound to its end.
#[derive(Debug, thiserror::Error)]
#[error("the synthesis was given up")]
struct GivenUp;

impl Playback {
    pub(super) fn kept(sound: Bytes) -> Self {
        Self {
            pieces: once(ready(Ok(sound))).boxed(),
            origin: Origin::Kept,
        }
    }

    pub(super) fn of(flight: Arc<Flight>, source: Option<Source>) -> Self {
        let tape = flight.tape();
        let pieces = unfold(Some((tape.clone(), 0)), |place| async move {
            let (mut tape, at) = place?;
            match next(&mut tape, at).await {
                Ok(Some(piece)) => Some((Ok(piece), Some((tape, at + 1)))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        Self {
            pieces: pieces.boxed(),
            origin: Origin::Flight {
                source,
                tape,
                _flight: flight,
            },
        }
    }

    /// Where the sound comes from. It is known with the first piece at the latest; before that, `None`
    /// means that the shared cache is being asked.
    pub fn source(&self) -> Option<Source> {
        match &self.origin {
            Origin::Kept => Some(Source::Memory),
            Origin::Flight { source, tape, .. } => source.or_else(|| tape.borrow().source),
        }
    }
}

/// The piece at a place, as soon as it is there; `None` when the sound is over.
async fn next(tape: &mut watch::Receiver<Tape>, at: usize) -> Result<Option<Bytes>, EngineError> {
    let there = tape
        .wait_for(|tape| tape.pieces.len() > at || tape.end.is_some())
        .await;
    // The flight may be gone without an end only when its maker panicked or the runtime ends.
    let there = there.map_err(|_| EngineError::Interrupted(Arc::new(GivenUp)))?;
    match (there.pieces.get(at), &there.end) {
        (Some(piece), _) => Ok(Some(piece.clone())),
        (None, Some(Err(error))) => Err(error.clone()),
        (None, _) => Ok(None),
    }
}

impl Stream for Playback {
    type Item = Result<Bytes, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pieces.poll_next_unpin(context)
    }
}
