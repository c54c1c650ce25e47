//! What a bot may use, what it used, and the store of both. An upper estimate is reserved before a turn and
//! settled after it by what was used. Knows neither wire nor engine.

use std::{
    collections::HashMap,
    fmt,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use uuid::Uuid;

use crate::{bots::BotId, store::StoreError};

mod admission;
pub(crate) mod estimate;
mod held;
mod remembered;
mod settling;

pub(crate) use admission::{Admitted, Asking, NEED_AUTH, Quotas, SIGN_IN, SignIn, need_auth};
pub(crate) use held::Held;

/// How long a reservation that ran out, or the trace of a turn that was settled without one, is kept: a settlement that
/// comes late still finds it. Longer than anybody tries to settle.
pub const KEPT: Duration = Duration::from_secs(3600);

/// How long the questions of a session are remembered, from the first on.
pub const SESSION: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a bot may use. An absent bound bounds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Tokens in all.
    pub token_limit: Option<u64>,
    /// Tokens in a calendar month (UTC).
    pub monthly_limit: Option<u64>,
    /// The bot answers until then.
    pub subscription_ends: Option<SystemTime>,
    /// Questions of a session before its visitor must sign in.
    pub free_messages: Option<u32>,
    /// How visitors sign in.
    pub auth_method: Option<String>,
}

impl Terms {
    /// Whether tokens are counted at all.
    pub fn count_tokens(&self) -> bool {
        self.token_limit.is_some() || self.monthly_limit.is_some()
    }

    /// Questions of a session that need no sign-in, where visitors can sign in at all.
    pub fn free_questions(&self) -> Option<u32> {
        let impossible = self
            .auth_method
            .as_deref()
            .is_some_and(|method| method.trim().eq_ignore_ascii_case("none"));
        self.free_messages.filter(|_| !impossible)
    }
}

/// Tokens that a bot used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// In all.
    pub tokens: u64,
    /// In the month that was asked for.
    pub this_month: u64,
}

/// What a bot may use, and what it used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// What it may use.
    pub terms: Terms,
    /// What it used.
    pub used: Used,
}

/// A calendar month in UTC, written `2026-11`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Month(String);

impl Month {
    /// The month of a time.
    pub fn of(time: SystemTime) -> Self {
        // Before 1970 and after 9999 no clock of a server is right.
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .min(Duration::from_secs(253_370_764_800));
        let date = humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string();
        Self(date[..7].to_owned())
    }

    /// The month that was written so.
    pub fn written(text: String) -> Self {
        Self(text)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tokens that a turn may use at most, as far as can be told before it.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// Which turn.
    pub turn: Uuid,
    /// Whose tokens.
    pub bot: BotId,
    /// How many.
    pub tokens: u64,
    /// Now.
    pub at: SystemTime,
    /// The turn is over by then, or its process died: afterwards nothing is held.
    pub until: SystemTime,
}

/// What became of a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// The bot has no limit of tokens: nothing is held.
    Unlimited,
    /// The tokens are held.
    Held(Quota),
    /// There are not so many left: nothing is held.
    Exhausted(Quota),
}

/// What a turn used in the end.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Which turn.
    pub turn: Uuid,
    /// Whose tokens.
    pub bot: BotId,
    /// How many; none gives back what was held.
    pub tokens: u64,
    /// The month in which the turn began.
    pub month: Month,
    /// The store said that it holds tokens for the turn; else it was away, or did not answer in time.
    pub held: bool,
    /// Now.
    pub at: SystemTime,
}

/// Where quotas are kept. Every call ends within the engine's time limit; dropping a call abandons it, and it may still
/// land. What is reserved and settled is exact, however many processes do so at once.
#[async_trait]
pub trait QuotaStore: Send + Sync {
    /// The quotas of bots, as of now. A bot without one is not among them.
    async fn quotas(
        &self,
        bots: &[BotId],
        now: SystemTime,
    ) -> Result<HashMap<BotId, Quota>, StoreError>;

    /// Sets what a bot may use; what it used stays. [`StoreError::NotFound`] when there is no such bot.
    async fn set_terms(&self, bot: BotId, terms: &Terms) -> Result<(), StoreError>;

    /// Holds tokens for a turn, unless used, held and these together would be more than a limit. Reserving for the same
    /// turn again changes nothing.
    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, StoreError>;

    /// Adds what a turn used to what its bot used, and holds nothing for it any longer. Settling a turn again changes
    /// nothing, for at least [`KEPT`]. A bot without a limit of tokens is not charged, unless tokens were held.
    async fn settle(&self, settlement: &Settlement) -> Result<(), StoreError>;

    /// Counts one more question of a session; how many there are now. Forgotten [`SESSION`] after the first.
    async fn question(&self, bot: BotId, session: Uuid, now: SystemTime)
    -> Result<u32, StoreError>;
}

/// Whether so many more tokens are within the terms.
pub(crate) fn fits(terms: &Terms, used: Used, held: Used, tokens: u64) -> bool {
    let within = |limit: Option<u64>, used: u64, held: u64| {
        limit.is_none_or(|limit| used.saturating_add(held).saturating_add(tokens) <= limit)
    };
    within(terms.token_limit, used.tokens, held.tokens)
        && within(terms.monthly_limit, used.this_month, held.this_month)
}

#[cfg(test)]
mod tests;
