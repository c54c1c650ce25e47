//! What this process knows of a bot's quota without asking: terms of a moment ago, and the figures that decide while the
//! store is away. Knows no store.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{Month, Quota, Terms, Used, fits};

/// How old figures may be that decide.
const DECIDES: Duration = Duration::from_secs(600);

/// What is known of one bot.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<State>);

#[derive(Default)]
struct State {
    terms: Option<(Terms, Instant)>,
    used: Option<(Used, Month, Instant)>,
    /// Tokens of this process's turns that the store has not been told of yet.
    held: u64,
}

impl Remembered {
    /// Notes what the store said.
    pub(super) fn read(&self, quota: &Quota, at: SystemTime) {
        let now = Instant::now();
        let mut state = self.lock();
        state.terms = Some((quota.terms.clone(), now));
        state.used = Some((quota.used, Month::of(at), now));
    }

    /// Notes what the store said of tokens alone.
    pub(super) fn counted(&self, quota: &Quota, at: SystemTime) {
        let mut state = self.lock();
        state.used = Some((quota.used, Month::of(at), Instant::now()));
        if let Some((terms, _)) = &mut state.terms {
            terms.token_limit = quota.terms.token_limit;
            terms.monthly_limit = quota.terms.monthly_limit;
        }
    }

    /// Somebody changes the terms.
    pub(super) fn forget_terms(&self) {
        self.lock().terms = None;
    }

    /// The terms, if they are no older than that.
    pub(super) fn terms(&self, age: Duration) -> Option<Terms> {
        let state = self.lock();
        let (terms, read) = state.terms.as_ref()?;
        (read.elapsed() < age).then(|| terms.clone())
    }

    /// The terms that decide while the store is away.
    pub(super) fn last_terms(&self) -> Option<Terms> {
        self.terms(DECIDES)
    }

    /// A turn begins.
    pub(super) fn hold(&self, tokens: u64) {
        let mut state = self.lock();
        state.held = state.held.saturating_add(tokens);
    }

    /// A turn is settled: so much was held for it, so much was used.
    pub(super) fn let_go(&self, tokens: u64, used: u64) {
        let mut state = self.lock();
        state.held = state.held.saturating_sub(tokens);
        if let Some((known, _, _)) = &mut state.used {
            known.tokens = known.tokens.saturating_add(used);
            known.this_month = known.this_month.saturating_add(used);
        }
    }

    /// Whether what this process holds is within the limits, as far as it remembers: used is what the store said last.
    /// Without figures of the last minutes it is.
    pub(super) fn is_within(&self, at: SystemTime) -> bool {
        let state = self.lock();
        let (Some((terms, _)), Some((used, month, read))) = (&state.terms, &state.used) else {
            return true;
        };
        if read.elapsed() >= DECIDES {
            return true;
        }
        let this_month = if *month < Month::of(at) {
            0
        } else {
            used.this_month
        };
        let used = Used {
            this_month,
            ..*used
        };
        fits(terms, used, Used::default(), state.held)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
