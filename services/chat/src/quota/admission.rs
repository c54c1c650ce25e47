//! Whether a bot's quota lets a turn begin, and what is held for it: one round trip to the store at most, beside fetching
//! the bot and what it needs, and none for a bot that has no quota. Knows nothing of how a turn goes.
//!
//! A store that is away stops no answers: what this process remembers of the last minutes decides, else the turn goes on.
//! What it used is settled once the store is back.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use futures::future::OptionFuture;
use moka::future::Cache;
use tokio::time::timeout;
use tracing::warn;
use troika_chassis::{
    error::{Code, Error},
    lifecycle::Drain,
};
use uuid::Uuid;

use super::{
    Held, Quota, QuotaStore, Reservation, Reserved, Settlement, Terms, remembered::Remembered,
    settling::Settling,
};
use crate::{bots::BotId, store::StoreError};

/// Changed terms are seen after this long at the latest.
const FRESH: Duration = Duration::from_secs(5);
/// Longest wait for the store where something is remembered that can decide instead.
const PATIENCE: Duration = Duration::from_millis(500);
/// Longest wait for the store else.
const PATIENCE_COLD: Duration = Duration::from_secs(2);
/// A turn is over so long after its limit, whatever happened to it.
const AFTER_TURN: Duration = Duration::from_secs(60);
/// Bots remembered.
const BOTS: u64 = 10_000;
/// How long a bot is remembered that nobody asks.
const IDLE: Duration = Duration::from_secs(3600);
/// Sessions whose questions are remembered, for as long as they decide while the store is away.
const SESSIONS: (u64, Duration) = (100_000, Duration::from_secs(600));

/// The quotas of all bots as turns meet them. As a [`QuotaStore`] it is the store, and forgets what somebody changes.
pub(crate) struct Quotas {
    store: Arc<dyn QuotaStore>,
    bots: Cache<BotId, Arc<Remembered>>,
    sessions: Cache<(BotId, Uuid), u32>,
    settling: Settling,
}

/// A turn that wants to begin.
pub(crate) struct Asking {
    pub(crate) turn: Uuid,
    pub(crate) bot: BotId,
    /// The session of a visitor who did not show who they are.
    pub(crate) stranger: Option<Uuid>,
    /// Tokens that it may use at most.
    pub(crate) tokens: u64,
    /// Its limit.
    pub(crate) longest: Duration,
}

/// How visitors sign in; empty where nobody said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SignIn(pub(crate) String);

/// What a quota says to a turn.
#[expect(
    clippy::large_enum_variant,
    reason = "made once a turn, and taken apart at once"
)]
pub(crate) enum Admitted {
    /// It may begin.
    Yes {
        /// To be settled.
        held: Held,
        /// The visitor must sign in before the next question.
        sign_in_next: Option<SignIn>,
    },
    /// The visitor must sign in first.
    SignIn,
}

impl Quotas {
    /// Puts a memory in front of `store`, and settles what turns use.
    pub(crate) fn start(store: Arc<dyn QuotaStore>, drain: Drain) -> Self {
        Self {
            settling: Settling::start(store.clone(), drain),
            store,
            bots: Cache::builder()
                .max_capacity(BOTS)
                .time_to_idle(IDLE)
                .build(),
            sessions: Cache::builder()
                .max_capacity(SESSIONS.0)
                .time_to_live(SESSIONS.1)
                .build(),
        }
    }

    /// Lets a turn begin. Dropping the call, like dropping what it gives, lets go of what was held.
    ///
    /// # Errors
    /// The bot's tokens are used up, or its subscription has ended.
    pub(crate) async fn admit(&self, asking: Asking) -> Result<Admitted, Error> {
        let at = SystemTime::now();
        let bot = asking.bot;
        let remembered = self
            .bots
            .get_with(bot, async { Arc::<Remembered>::default() })
            .await;
        let fresh = remembered.terms(FRESH);
        // Terms of earlier tell what will have to be asked; changes since then cost a second round trip.
        let likely = fresh.clone().or_else(|| remembered.terms(IDLE));
        let patience = if likely.is_some() {
            PATIENCE
        } else {
            PATIENCE_COLD
        };
        let free = |terms: &Terms| terms.free_questions().is_some();
        let reserves = likely.as_ref().is_none_or(Terms::count_tokens);
        let session = asking.stranger;
        let counts = session.filter(|_| likely.as_ref().is_some_and(free));

        let (read, reserved, counted) = futures::join!(
            OptionFuture::from(
                fresh
                    .is_none()
                    .then(|| self.read(bot, &remembered, at, patience))
            ),
            OptionFuture::from(reserves.then(|| self.reserve(&asking, &remembered, at, patience))),
            OptionFuture::from(counts.map(|session| self.count(bot, session, at, patience))),
        );
        let terms = fresh.or(read.flatten()).unwrap_or_else(|| {
            let last = remembered.last_terms();
            warn!(%bot, remembered = last.is_some(), "a bot's quota cannot be read");
            last.unwrap_or_default()
        });

        if terms.subscription_ends.is_some_and(|ends| ends <= at) {
            return Err(subscription_ended());
        }
        let reserved = match reserved {
            None if terms.count_tokens() => {
                Some(self.reserve(&asking, &remembered, at, patience).await)
            }
            reserved => reserved,
        };
        let held = match reserved {
            Some(reserved) => reserved?,
            None => Held::nothing(self.settling.clone()),
        };
        let Some((free, session)) = terms.free_questions().zip(session) else {
            return Ok(Admitted::Yes {
                held,
                sign_in_next: None,
            });
        };
        let questions = match counted {
            Some(questions) => questions,
            None => self.count(bot, session, at, patience).await,
        };
        if questions > free {
            return Ok(Admitted::SignIn);
        }
        Ok(Admitted::Yes {
            held,
            sign_in_next: (questions == free)
                .then(|| SignIn(terms.auth_method.unwrap_or_default())),
        })
    }

    async fn read(
        &self,
        bot: BotId,
        remembered: &Remembered,
        at: SystemTime,
        patience: Duration,
    ) -> Option<Terms> {
        match within(patience, self.store.quotas(&[bot], at)).await {
            Ok(mut found) => {
                let quota = found.remove(&bot).unwrap_or_default();
                remembered.read(&quota, at);
                Some(quota.terms)
            }
            Err(error) => {
                warn!(%bot, error = &error as &dyn std::error::Error, "a bot's quota cannot be read");
                None
            }
        }
    }

    /// Holds tokens for a turn.
    async fn reserve(
        &self,
        asking: &Asking,
        remembered: &Arc<Remembered>,
        at: SystemTime,
        patience: Duration,
    ) -> Result<Held, Error> {
        let Asking {
            turn, bot, tokens, ..
        } = *asking;
        // Before the call: whatever becomes of it is settled.
        let mut held = Held::new(
            self.settling.clone(),
            remembered.clone(),
            (turn, bot),
            tokens,
            at,
        );
        let reservation = Reservation {
            turn,
            bot,
            tokens,
            at,
            until: at + asking.longest + AFTER_TURN,
        };
        match within(patience, self.store.reserve(&reservation)).await {
            Ok(Reserved::Unlimited) => {
                held.is_nothing();
                Ok(held)
            }
            Ok(Reserved::Held(quota)) => {
                remembered.counted(&quota, at);
                held.is_certain();
                Ok(held)
            }
            Ok(Reserved::Exhausted(quota)) => {
                remembered.counted(&quota, at);
                held.is_nothing();
                Err(quota_exhausted())
            }
            Err(error) => {
                let goes_on = remembered.is_within(at);
                warn!(
                    %bot,
                    goes_on,
                    error = &error as &dyn std::error::Error,
                    "a turn's tokens cannot be reserved"
                );
                if goes_on {
                    Ok(held)
                } else {
                    Err(quota_exhausted())
                }
            }
        }
    }

    /// Counts a session's question: the store does, or this process while the store is away.
    async fn count(&self, bot: BotId, session: Uuid, at: SystemTime, patience: Duration) -> u32 {
        let key = (bot, session);
        let questions = match within(patience, self.store.question(bot, session, at)).await {
            Ok(questions) => questions,
            Err(error) => {
                warn!(%bot, error = &error as &dyn std::error::Error, "a session's questions cannot be counted");
                let known = self.sessions.get(&key).await.unwrap_or_default();
                known.saturating_add(1)
            }
        };
        self.sessions.insert(key, questions).await;
        questions
    }
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(limit, call)
        .await
        .map_err(StoreError::unavailable)
        .flatten()
}

/// The words are for visitors: what a company bought is not their matter.
fn quota_exhausted() -> Error {
    Error::new(
        Code::PermissionDenied,
        "quota_exhausted",
        "This chatbot cannot answer any more questions at the moment.",
    )
}

fn subscription_ended() -> Error {
    Error::new(
        Code::PermissionDenied,
        "subscription_ended",
        "This chatbot is not answering at the moment.",
    )
}

/// The words for a visitor who must sign in.
pub(crate) const SIGN_IN: &str = "Please sign in to go on with this conversation.";

/// The code, as clients of old know it.
pub(crate) const NEED_AUTH: &str = "NEED_AUTH";

/// A visitor must sign in, where there is no stream to tell it in.
pub(crate) fn need_auth() -> Error {
    Error::new(Code::PermissionDenied, NEED_AUTH, SIGN_IN)
}

#[async_trait]
impl QuotaStore for Quotas {
    async fn quotas(
        &self,
        bots: &[BotId],
        now: SystemTime,
    ) -> Result<HashMap<BotId, Quota>, StoreError> {
        self.store.quotas(bots, now).await
    }

    async fn set_terms(&self, bot: BotId, terms: &Terms) -> Result<(), StoreError> {
        let done = self.store.set_terms(bot, terms).await;
        if let Some(remembered) = self.bots.get(&bot).await {
            remembered.forget_terms();
        }
        done
    }

    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, StoreError> {
        self.store.reserve(reservation).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<(), StoreError> {
        self.store.settle(settlement).await
    }

    async fn question(
        &self,
        bot: BotId,
        session: Uuid,
        now: SystemTime,
    ) -> Result<u32, StoreError> {
        self.store.question(bot, session, now).await
    }
}

#[cfg(test)]
mod tests;
