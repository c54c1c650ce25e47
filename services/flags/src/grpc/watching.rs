//! Streams that follow the book: what everybody who watches has in common.

use std::{sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::wrappers::WatchStream;
use troika_chassis::{
    error::{Code, Error},
    lifecycle::Drain,
};

use crate::{book::Book, state::State};

/// Those who watch, at most so many.
#[derive(Clone, Debug)]
pub(crate) struct Watchers {
    places: Arc<Semaphore>,
    drain: Drain,
}

impl Watchers {
    pub(crate) fn new(most: usize, drain: Drain) -> Self {
        Self {
            places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            drain,
        }
    }

    /// The state now, and after each change; states in between may be left out for who reads slowly. Ends when the process
    /// refuses new work, so that clients go to another one in time.
    ///
    /// # Errors
    /// When too many watch already.
    pub(crate) fn states(
        &self,
        book: &Book,
    ) -> Result<impl Stream<Item = Arc<State>> + Send + use<>, Error> {
        let place = self.place()?;
        let drain = self.drain.clone();
        Ok(WatchStream::new(book.watch())
            .filter_map(move |state| {
                let _held = &place;
                std::future::ready(state)
            })
            .take_until(async move { drain.refusing().await }))
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        let full = |_| {
            Error::new(
                Code::ResourceExhausted,
                "too_many_watchers",
                "Too many clients watch the flags already. Please try again in a moment.",
            )
            .with_retry_after(Duration::from_secs(1))
        };
        self.places.clone().try_acquire_owned().map_err(full)
    }
}
