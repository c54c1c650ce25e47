//! Who tries to sign in, and how often: counts tries before they are known to be wrong, so that many at once are no way around
//! the limits. It must not know what a right try is.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use troika_chassis::error::{Code, Error};

use crate::{
    accounts::unavailable,
    config::TryLimits,
    store::Store,
    tries::{self, Tries},
};

/// How often a count is tried anew when somebody else counted meanwhile. More than so many at once are guessing.
const ANEW: usize = 20;

/// Counts tries.
pub(crate) struct Counter {
    store: Arc<dyn Store>,
    limits: TryLimits,
}

/// A try that is under way. Dropped, it counts as wrong.
pub(crate) struct Try {
    account: String,
    address: String,
    /// How long its account has to wait if it was wrong.
    pub(crate) wait: Option<Duration>,
}

impl Counter {
    pub(crate) fn new(store: Arc<dyn Store>, limits: TryLimits) -> Self {
        Self { store, limits }
    }

    /// Counts a try, unless its account or its address has to wait.
    ///
    /// # Errors
    /// `too_many_tries` with the wait; when the store is away.
    pub(crate) async fn begin(&self, email: &str, address: IpAddr) -> Result<Try, Error> {
        let mut begun = Try {
            account: tries::of_account(email),
            address: tries::of_address(address),
            wait: None,
        };
        // Both are looked at before either is counted: who has to wait anyway costs others nothing.
        let waits = [&begun.account, &begun.address];
        let mut longest = None;
        for key in waits {
            let known = self.store.tries(key).await.map_err(unavailable)?;
            longest = longest.max(known.and_then(|known| known.wait(now())));
        }
        if let Some(wait) = longest {
            return Err(too_many(wait));
        }
        self.count(&begun.address, self.limits.per_address).await?;
        match self.count(&begun.account, self.limits.per_account).await {
            Ok(wait) => begun.wait = wait,
            Err(error) => {
                self.take_back(&begun.address).await;
                return Err(error);
            }
        }
        Ok(begun)
    }

    /// The try was right: the account's wrong ones are forgotten, and the address has one less.
    pub(crate) async fn right(&self, right: Try) {
        self.put(&right.account, |_| None).await;
        self.take_back(&right.address).await;
    }

    /// Nobody knows whether the try was right.
    pub(crate) async fn came_to_nothing(&self, begun: Try) {
        self.take_back(&begun.account).await;
        self.take_back(&begun.address).await;
    }

    /// Counts a try; how long the next one has to wait, if it does.
    async fn count(&self, key: &str, most: u32) -> Result<Option<Duration>, Error> {
        for _ in 0..ANEW {
            let known = self.store.tries(key).await.map_err(unavailable)?;
            let now = now();
            if let Some(wait) = known.as_ref().and_then(|known| known.wait(now)) {
                return Err(too_many(wait));
            }
            let counted = Tries::counted(known.as_ref(), most, &self.limits, now);
            let swapped = self
                .store
                .swap_tries(key, known.as_ref(), Some(&counted))
                .await
                .map_err(unavailable)?;
            if swapped {
                return Ok(counted.wait(now));
            }
        }
        Err(too_many(Duration::from_secs(1)))
    }

    async fn take_back(&self, key: &str) {
        self.put(key, Tries::without_one).await;
    }

    /// Changes what is known. Where that fails, somebody waits who need not.
    async fn put(&self, key: &str, change: impl Fn(&Tries) -> Option<Tries>) {
        for _ in 0..ANEW {
            let known = match self.store.tries(key).await {
                Ok(Some(known)) => known,
                Ok(None) => return,
                Err(error) => return tracing::warn!(%error, "a right try stays counted"),
            };
            let new = change(&known);
            match self.store.swap_tries(key, Some(&known), new.as_ref()).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => return tracing::warn!(%error, "a right try stays counted"),
            }
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

fn too_many(wait: Duration) -> Error {
    // Whole seconds, and never none: who comes back must be let in.
    let wait = Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
        .max(Duration::from_secs(1));
    Error::new(
        Code::ResourceExhausted,
        "too_many_tries",
        format!(
            "There were too many wrong tries. Please try again in {}.",
            spoken(wait)
        ),
    )
    .with_retry_after(wait)
}

fn spoken(wait: Duration) -> String {
    match (wait.as_secs(), wait.as_secs().div_ceil(60)) {
        (1, _) => "a second".to_owned(),
        (seconds, _) if seconds < 120 => format!("{seconds} seconds"),
        (_, minutes) => format!("{minutes} minutes"),
    }
}
