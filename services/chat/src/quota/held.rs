//! Tokens held for one turn, of its bot's quota and of the day's: whoever has them settles them, and dropping them settles
//! them too. Knows nothing of how a turn goes.

use std::{mem, sync::Arc, time::SystemTime};

use troika_limits::Reservation as OfToday;
use uuid::Uuid;

use super::{
    Month,
    remembered::Remembered,
    settling::{Job, OfQuota, Settling, Spent},
};
use crate::{bots::BotId, prompt::Prompt};

/// What is held for a turn, or nothing.
pub(crate) struct Held {
    settling: Settling,
    quota: Option<OfQuota>,
    today: Option<OfToday>,
    spent: Spent,
}

impl Held {
    /// Nothing is held.
    pub(super) fn nothing(settling: Settling) -> Self {
        Self {
            settling,
            quota: None,
            today: None,
            spent: Spent::Nothing,
        }
    }

    /// Holds so many tokens for a turn, in this process's memory at once; whether the store does is not known yet.
    pub(super) fn new(
        settling: Settling,
        remembered: Arc<Remembered>,
        (turn, bot): (Uuid, BotId),
        tokens: u64,
        at: SystemTime,
    ) -> Self {
        remembered.hold(tokens);
        let quota = OfQuota {
            turn,
            bot,
            month: Month::of(at),
            certain: false,
            reserved: tokens,
            remembered,
        };
        let mut held = Self::nothing(settling);
        held.quota = Some(quota);
        held
    }

    /// The store holds the tokens.
    pub(super) fn is_certain(&mut self) {
        if let Some(quota) = &mut self.quota {
            quota.certain = true;
        }
    }

    /// The store holds nothing, beyond doubt: there is nothing to settle with it.
    pub(super) fn is_nothing(&mut self) {
        if let Some(quota) = self.quota.take() {
            quota.remembered.let_go(quota.reserved, 0);
        }
    }

    /// Holds what was reserved of the day too, where it counts.
    pub(crate) fn of_today(&mut self, reservation: OfToday) {
        self.today = Some(reservation).filter(OfToday::is_counted);
    }

    /// A model is about to be asked: from now on the prompt counts, whatever becomes of the answer.
    pub(crate) fn asks(&mut self, prompt: &Prompt) {
        if self.quota.is_some() || self.today.is_some() {
            self.spent = Spent::Estimated {
                prompt: prompt.text(),
                answer: String::new(),
            };
        }
    }

    /// No model took the question.
    pub(crate) fn spares(&mut self) {
        self.spent = Spent::Nothing;
    }

    /// Settles it by what the model counted, or else by what was asked and said. Never waits.
    pub(crate) fn settle(&mut self, counted: Option<u64>, said: &str) {
        let mut spent = mem::replace(&mut self.spent, Spent::Nothing);
        let (mut quota, today) = (self.quota.take(), self.today.take());
        if quota.is_none() && today.is_none() {
            return;
        }
        if let Spent::Estimated { answer, .. } = &mut spent {
            match counted {
                Some(tokens) => spent = Spent::Counted(tokens),
                None => said.clone_into(answer),
            }
        }
        if let Some(quota) = &mut quota {
            // Until the store is told, this process remembers what was used instead of what was held.
            let left = match &spent {
                Spent::Nothing => 0,
                Spent::Counted(tokens) => *tokens,
                Spent::Estimated { .. } => quota.reserved,
            };
            quota.remembered.let_go(quota.reserved, 0);
            quota.remembered.hold(left);
            quota.reserved = left;
        }
        self.settling.submit(Job {
            quota,
            today,
            spent,
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.settle(None, "");
    }
}
