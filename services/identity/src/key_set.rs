//! Public keys from elsewhere: a file or an address, read again as it changes. What cannot be read keeps the keys of before.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tracing::{info, warn};
use url::Url;

use crate::keys::{Key, KeySetError, read};

/// The largest key set that is read, in bytes: some hundred keys.
const LARGEST: usize = 256 * 1024;
/// How long an address may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Tokens with unknown key names have the set read again at most this often.
const AGAIN: Duration = Duration::from_secs(30);

/// Where the keys come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Nothing,
    File(PathBuf),
    Address(Url),
}

/// The keys as they were read last.
pub(crate) struct KeySet {
    keys: ArcSwap<Vec<Key>>,
    wanted: Notify,
    tried: watch::Sender<bool>,
}

/// Keys could not be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the file cannot be read")]
    File(#[source] std::io::Error),
    #[error("the address does not answer")]
    Address(#[source] reqwest::Error),
    #[error("the address did not answer within {} seconds", PATIENCE.as_secs())]
    Late,
    #[error("it is larger than {LARGEST} bytes")]
    Large,
    #[error(transparent)]
    Keys(#[from] KeySetError),
}

impl KeySet {
    /// Reads the keys now and then. A source that is away delays nothing: until it answers its keys are not known. Must be
    /// called inside a tokio runtime.
    pub(crate) fn follow(source: Source, refresh: Duration) -> Arc<Self> {
        let set = Arc::new(Self {
            keys: ArcSwap::default(),
            wanted: Notify::new(),
            tried: watch::Sender::new(matches!(source, Source::Nothing)),
        });
        if !matches!(source, Source::Nothing) {
            let following = Arc::downgrade(&set);
            tokio::spawn(async move {
                let mut failed = false;
                loop {
                    let read_at = Instant::now();
                    let found = fetch(&source).await;
                    let Some(set) = following.upgrade() else {
                        return;
                    };
                    match found {
                        Ok(keys) => {
                            if failed || set.keys.load().is_empty() {
                                info!(keys = keys.len(), "keys of tokens are read");
                            }
                            failed = false;
                            set.keys.store(Arc::new(keys));
                        }
                        Err(error) => {
                            failed = true;
                            warn!(
                                error = &error as &dyn std::error::Error,
                                "keys of tokens cannot be read: those of before stay"
                            );
                        }
                    }
                    set.tried.send_replace(true);
                    let wait = if failed { AGAIN.min(refresh) } else { refresh };
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = set.wanted.notified() => {
                            tokio::time::sleep_until((read_at + AGAIN.min(refresh)).into()).await;
                        }
                    }
                }
            });
        }
        set
    }

    /// Waits until the keys were read, or could not be, once.
    pub(crate) async fn first_read(&self) {
        // The sender lives in `self`.
        let _ = self.tried.subscribe().wait_for(|tried| *tried).await;
    }

    /// The keys.
    pub(crate) fn keys(&self) -> Arc<Vec<Key>> {
        self.keys.load_full()
    }

    /// A token names a key that is not here: it may be new.
    pub(crate) fn look_again(&self) {
        self.wanted.notify_one();
    }
}

/// Whether a file is a key set that tokens can be verified by.
///
/// # Errors
/// Why it is none.
pub fn check_key_file(path: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let text = std::fs::read(path).map_err(ReadError::File)?;
    if text.len() > LARGEST {
        return Err(ReadError::Large.into());
    }
    read(&text)?;
    Ok(())
}

async fn fetch(source: &Source) -> Result<Vec<Key>, ReadError> {
    let text = match source {
        Source::Nothing => return Ok(Vec::new()),
        Source::File(path) => {
            let text = tokio::fs::read(path).await.map_err(ReadError::File)?;
            if text.len() > LARGEST {
                return Err(ReadError::Large);
            }
            text
        }
        Source::Address(url) => timeout(PATIENCE, download(url))
            .await
            .map_err(|_| ReadError::Late)??,
    };
    Ok(read(&text)?)
}

/// Seldom enough for a client of its own each time. Who is sent elsewhere by the address is not followed.
async fn download(url: &Url) -> Result<Vec<u8>, ReadError> {
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(ReadError::Address)?;
    let answer = http.get(url.clone()).send().await;
    let mut answer = answer
        .and_then(reqwest::Response::error_for_status)
        .map_err(|error| ReadError::Address(error.without_url()))?;
    let mut text = Vec::new();
    while let Some(piece) = answer
        .chunk()
        .await
        .map_err(|error| ReadError::Address(error.without_url()))?
    {
        if text.len() + piece.len() > LARGEST {
            return Err(ReadError::Large);
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
